/* Free places are a list that is kept in memory: 8 bytes for each record there ever was. */
#include "engine/spill.h"

#include "base/files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct spill {
    int fd;
    uint64_t record_bytes;
    uint64_t count;      /* places in the file */
    uint64_t *next_free; /* [capacity]: place + 1 of the next free one, 0 = none */
    uint64_t capacity;
    uint64_t first_free; /* place + 1 */
};

static wn_status open_file(struct spill *s, const char *directory, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(path_join(path, directory, "states.XXXXXX", err));
    s->fd = mkstemp(path);
    if (s->fd < 0)
        return wn_fail(err, WN_E_IO, "%s: cannot make a file for states: %s", path, strerror(errno));
    if (unlink(path) != 0)
        return wn_fail(err, WN_E_IO, "%s: cannot unlink: %s", path, strerror(errno));
    return WN_OK;
}

wn_status spill_create(const char *directory, uint64_t record_bytes, struct spill **out, wn_error *err)
{
    struct spill *s = calloc(1, sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "no memory for a file of states");
    s->fd = -1;
    s->record_bytes = record_bytes;
    if (open_file(s, directory, err) != WN_OK) {
        spill_destroy(s);
        return err->code;
    }
    *out = s;
    return WN_OK;
}

void spill_destroy(struct spill *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    free(s->next_free);
    free(s);
}

/* ---- transfer ---------------------------------------------------------------------------------------------------- */

static wn_status fail(const char *what, ssize_t n, wn_error *err)
{
    return wn_fail(err, WN_E_IO, "cannot %s a state: %s; engine.state_memory says how many stay in memory", what,
                   n < 0 ? strerror(errno) : "the file ends early");
}

static wn_status write_at(int fd, const char *from, uint64_t bytes, uint64_t offset, wn_error *err)
{
    while (bytes > 0) {
        const ssize_t n = pwrite(fd, from, bytes, (off_t)offset);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return fail("spill", n, err);
        const uint64_t done = n > 0 ? (uint64_t)n : 0;
        from += done, offset += done, bytes -= done;
    }
    return WN_OK;
}

static wn_status read_at(int fd, char *to, uint64_t bytes, uint64_t offset, wn_error *err)
{
    while (bytes > 0) {
        const ssize_t n = pread(fd, to, bytes, (off_t)offset);
        if (n <= 0 && !(n < 0 && errno == EINTR))
            return fail("read back", n, err);
        const uint64_t done = n > 0 ? (uint64_t)n : 0;
        to += done, offset += done, bytes -= done;
    }
    return WN_OK;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

static wn_status grow(struct spill *s, wn_error *err)
{
    const uint64_t capacity = s->capacity ? 2 * s->capacity : 64;
    uint64_t *grown = realloc(s->next_free, capacity * sizeof *grown);
    if (!grown)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu spilled states", (unsigned long long)capacity);
    s->next_free = grown;
    s->capacity = capacity;
    return WN_OK;
}

static wn_status take_place(struct spill *s, uint64_t *place, wn_error *err)
{
    if (s->first_free > 0) {
        *place = s->first_free - 1;
        s->first_free = s->next_free[*place];
        return WN_OK;
    }
    if (s->count == s->capacity)
        WN_TRY(grow(s, err));
    *place = s->count++;
    return WN_OK;
}

void spill_free(struct spill *s, uint64_t place)
{
    s->next_free[place] = s->first_free;
    s->first_free = place + 1;
}

wn_status spill_put(struct spill *s, uint32_t count, const struct spill_part *parts, uint64_t *place, wn_error *err)
{
    WN_TRY(take_place(s, place, err));
    uint64_t offset = *place * s->record_bytes;
    wn_status status = WN_OK;
    for (uint32_t i = 0; i < count && status == WN_OK; offset += parts[i++].bytes)
        status = write_at(s->fd, parts[i].data, parts[i].bytes, offset, err);
    if (status != WN_OK)
        spill_free(s, *place);
    return status;
}

wn_status spill_get(const struct spill *s, uint64_t place, uint32_t count, const struct spill_part *parts,
                    wn_error *err)
{
    uint64_t offset = place * s->record_bytes;
    for (uint32_t i = 0; i < count; offset += parts[i++].bytes)
        WN_TRY(read_at(s->fd, parts[i].data, parts[i].bytes, offset, err));
    return WN_OK;
}
