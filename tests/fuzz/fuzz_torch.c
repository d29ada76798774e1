/* fuzz_torch.c - the reader of torch files under arbitrary bytes: a whole archive, or a pickle in a good archive.
 *
 * Built with clang and WINNOW_LIBFUZZER=ON this is a libFuzzer target (`fuzz_torch CORPUS`). Everywhere else it is a
 * test that replays the files of the folders it is given, each as it is and with every byte wrong in turn.
 */
#include "weights/files.h"

#include "weights/torch_file.h"

#include <dirent.h>

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size);

static volatile unsigned byte_sum; /* so that every byte is really read */

static void open_bytes(const char *name, const void *data, size_t size)
{
    nn_torch_file *f;
    wn_error err = { 0 };
    const wn_status status = nn_torch_file_open(write_bytes(name, data, size), &f, &err);
    if (status != WN_OK && (err.code != status || !err.message[0]))
        abort();
    for (uint64_t i = 0; f && i < nn_torch_file_count(f); i++) {
        const nn_tensor *t = nn_torch_file_at(f, i);
        for (uint64_t b = 0; b < t->bytes; b++)
            byte_sum += ((const unsigned char *)t->data)[b];
    }
    nn_torch_file_close(f);
}

/* ---- a pickle in an archive ---- */

static unsigned char *put(unsigned char *to, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        *to++ = (unsigned char)(value >> 8 * i);
    return to;
}

struct member {
    const char *name;
    const void *data;
    size_t size;
};

static unsigned char *put_local(unsigned char *to, const struct member *m)
{
    to = put(to, 0x04034b50, 4);
    to = put(put(to, 0, 8), 0, 8);
    to = put(to, 0, 6);
    to = put(put(to, strlen(m->name), 2), 0, 2);
    to = (unsigned char *)memcpy(to, m->name, strlen(m->name)) + strlen(m->name);
    return (unsigned char *)memcpy(to, m->data, m->size) + m->size;
}

static unsigned char *put_entry(unsigned char *to, const struct member *m, uint64_t at)
{
    to = put(to, 0x02014b50, 4);
    to = put(put(to, 0, 8), 0, 8);
    to = put(put(to, m->size, 4), m->size, 4);
    to = put(put(to, strlen(m->name), 2), 0, 2);
    to = put(put(to, 0, 8), 0, 2);
    to = put(to, at, 4);
    return (unsigned char *)memcpy(to, m->name, strlen(m->name)) + strlen(m->name);
}

static void open_pickle(const unsigned char *data, size_t size)
{
    static const unsigned char storage[64];
    const struct member members[] = { { "a/data.pkl", data, size },
                                      { "a/data/0", storage, 24 },
                                      { "a/data/1", storage, 8 },
                                      { "a/data/2", storage, sizeof storage } };
    enum { COUNT = sizeof members / sizeof *members };
    unsigned char *archive = malloc(size + 4096), *to = archive;
    uint64_t at[COUNT];
    for (int i = 0; archive && i < COUNT; i++) {
        at[i] = (uint64_t)(to - archive);
        to = put_local(to, &members[i]);
    }
    const uint64_t begin = (uint64_t)(to - archive);
    for (int i = 0; archive && i < COUNT; i++)
        to = put_entry(to, &members[i], at[i]);
    const uint64_t bytes = (uint64_t)(to - archive) - begin;
    to = put(put(put(to, 0x06054b50, 4), 0, 4), COUNT, 2);
    to = put(put(put(put(to, COUNT, 2), bytes, 4), begin, 4), 0, 2);
    open_bytes("pickle", archive, (size_t)(to - archive));
    free(archive);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (!folder[0])
        scratch_make(folder);
    if (size > 0 && data[0] == 'P')
        open_bytes("archive", data, size);
    else
        open_pickle(data, size);
    return 0;
}

#ifndef WINNOW_LIBFUZZER
static int replay_file(const char *path)
{
    static unsigned char data[1 << 16];
    FILE *f = fopen(path, "rb");
    if (!f)
        return 0;
    const size_t size = fread(data, 1, sizeof data, f);
    fclose(f);
    LLVMFuzzerTestOneInput(data, size);
    const size_t step = 1 + size / 400;
    for (size_t i = 1; i < size; i += step) {
        const unsigned char was = data[i];
        data[i] = (unsigned char)(i * 37 + was + 1);
        LLVMFuzzerTestOneInput(data, size);
        data[i] = was;
    }
    return 1;
}

int main(int argc, char **argv)
{
    int count = 0;
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        if (!dir)
            CHECK_FAIL("cannot open %s", argv[i]);
        for (struct dirent *e; dir && (e = readdir(dir)) != NULL;) {
            char path[4096];
            snprintf(path, sizeof path, "%s/%s", argv[i], e->d_name);
            count += e->d_name[0] != '.' && replay_file(path);
        }
        if (dir)
            closedir(dir);
    }
    printf("%d files\n", count);
    CHECK(count >= 10);
    scratch_remove(folder);
    return CHECK_DONE();
}
#endif
