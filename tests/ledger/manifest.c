/* The manifest grows by one start at a time, hashes what it must, and says where each hash came from. */
#include "base/buffer.h"
#include "base/files.h"
#include "ledger/manifest.h"
#include "plugin/registry.h"

#include "scratch.h"

#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

static wn_error err;
static char scratch[64], weights[128], linked[128], large[128];

static int count(const char *text, const char *part)
{
    int n = 0;
    for (const char *at = strstr(text, part); at; at = strstr(at + 1, part))
        n++;
    return n;
}

static void make_files(void)
{
    char blob[192];
    snprintf(weights, sizeof weights, "%s/weights", scratch);
    snprintf(linked, sizeof linked, "%s/linked", scratch);
    snprintf(large, sizeof large, "%s/large", scratch);
    snprintf(blob, sizeof blob, "%s/blobs", scratch);
    CHECK_OK(dir_make(blob, &err), err);
    snprintf(blob, sizeof blob, "%s/blobs/%064d", scratch, 5);
    CHECK_OK(file_write(weights, "abc", 3, &err), err);
    CHECK_OK(file_write(blob, "abc", 3, &err), err);
    CHECK_OK(file_write(large, "", 0, &err), err);
    CHECK_INT(truncate(large, 3LL << 30), 0);
    CHECK_INT(symlink(blob, linked), 0);
}

static void read_manifest(struct buffer *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/manifest.json", scratch);
    buffer_clear(text);
    CHECK_OK(buffer_read_file(text, path, &err), err);
}

int main(int argc, char **argv)
{
    wn_search search = { .struct_size = sizeof search, .flags = WN_SEARCH_POOL_IS_IID };
    wn_metric metric = { .name = "cosine", .flags = WN_METRIC_HIGHER_IS_BETTER };
    wn_verifier verifier = { .struct_size = sizeof verifier, .metrics = &metric, .metric_count = 1 };
    wn_plugin plugin = { .name = "random", .version = "1.0", .vtable = &search };
    wn_plugin judge = { .name = "clipscore", .version = "1.0", .vtable = &verifier };
    struct registry_module module = { .path = argc > 0 ? argv[0] : "" };
    struct spec_use clip = { .name = "clip", .plugin = &judge, .module = &module };
    struct spec spec = { .name = "trial",
                         .search = { .name = "search", .plugin = &plugin, .module = &module },
                         .verifiers = &clip,
                         .verifier_count = 1,
                         .hash = "0123" };
    const char *files[] = { weights, linked, large };
    struct instances instances = { .files = files, .file_count = 3 };
    wn_device_info device = { .name = "a \"processor\"", .memory_bytes = 1 << 30 };
    struct manifest_start start = { &spec, &instances, &device, 1, 2, false, NULL };
    struct buffer text = BUFFER_INIT(1 << 20);
    scratch_make(scratch);
    make_files();

    CHECK_OK(manifest_append(scratch, &start, &err), err);
    read_manifest(&text);
    CHECK_INT(count(buffer_string(&text), "\"time\""), 1);
    CHECK_INT(count(buffer_string(&text), ABC), 1);
    CHECK_INT(count(buffer_string(&text), "\"read\""), 1);
    CHECK_INT(count(buffer_string(&text), "\"link\""), 1);
    CHECK_INT(count(buffer_string(&text), "\"not asked\""), 1);
    CHECK_CONTAINS(buffer_string(&text), "a \\\"processor\\\"");
    CHECK_CONTAINS(buffer_string(&text), "3221225472");
    CHECK_CONTAINS(buffer_string(&text), "\"guide\"");

    CHECK_OK(manifest_append(scratch, &start, &err), err);
    read_manifest(&text);
    CHECK_INT(count(buffer_string(&text), "\"time\""), 2);
    CHECK_INT(count(buffer_string(&text), ABC), 2);
    CHECK_INT(count(buffer_string(&text), "\"before\""), 1);

    unlink(weights);
    CHECK_INT(manifest_append(scratch, &start, &err), WN_E_IO);
    CHECK_CONTAINS(err.message, weights);
    read_manifest(&text); /* a failed start leaves what was there */
    CHECK_INT(count(buffer_string(&text), "\"time\""), 2);
    buffer_free(&text);
    scratch_remove(scratch);
    return CHECK_DONE();
}
