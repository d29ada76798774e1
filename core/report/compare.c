/* compare.c - directories in, one comparison out. */
#include "report/comparison.h"

#include "base/arena.h"
#include "base/files.h"

#include <cjson/cJSON.h>

enum { PAGE_MAX = 1 << 28 };

wn_status compare_create(uint64_t count, const char *const *directories, struct compare **out, wn_error *err)
{
    struct arena *memory = arena_create();
    struct compare *c = memory ? arena_alloc(memory, sizeof *c) : NULL;
    *out = NULL;
    if (!c) {
        arena_destroy(memory);
        return compare_no_memory(err);
    }
    c->memory = memory;
    wn_status status = compare_load(c, count, directories, err);
    if (status == WN_OK)
        status = compare_group(c, err);
    if (status == WN_OK)
        status = compare_compute(c, err);
    if (status == WN_OK)
        *out = c;
    else
        compare_free(c);
    return status;
}

void compare_free(struct compare *c)
{
    for (uint64_t i = 0; c && i < c->run_count; i++) {
        data_free(c->runs[i].data);
        cJSON_Delete(c->runs[i].manifest);
    }
    if (c)
        arena_destroy(c->memory);
}

wn_status compare_write(const struct compare *c, const char *out_dir, wn_error *err)
{
    struct buffer b = BUFFER_INIT(PAGE_MAX);
    compare_json(c, &b);
    wn_status status = file_write_buffer(out_dir, "compare.json", &b, err);
    buffer_clear(&b);
    compare_page(c, &b);
    if (status == WN_OK)
        status = file_write_buffer(out_dir, "compare.html", &b, err);
    buffer_free(&b);
    return status;
}
