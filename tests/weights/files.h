/* files.h - writes the small files of these tests into a scratch directory. */
#ifndef WINNOW_TESTS_WEIGHTS_FILES_H
#define WINNOW_TESTS_WEIGHTS_FILES_H

#include "../ledger/scratch.h"

#include <stdint.h>

static char folder[64];

/* A path in the scratch directory; good until the call after next. */
__attribute__((unused)) static const char *in_folder(const char *name)
{
    static char paths[2][512];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof paths[0], "%s/%s", folder, name);
    return paths[turn];
}

__attribute__((unused)) static const char *write_bytes(const char *name, const void *bytes, size_t n)
{
    const char *path = in_folder(name);
    FILE *f = fopen(path, "wb");
    if (!f || fwrite(bytes, 1, n, f) != n || fclose(f) != 0)
        CHECK_FAIL("cannot write %s", path);
    return path;
}

__attribute__((unused)) static const char *write_text(const char *name, const char *text)
{
    return write_bytes(name, text, strlen(text));
}

/* A safetensors file of a header's bytes as they are, their length before them, and data bytes counting up. */
__attribute__((unused)) static const char *write_st(const char *name, const char *header, size_t header_bytes,
                                                    size_t data_bytes)
{
    static unsigned char buffer[1 << 16];
    for (int i = 0; i < 8; i++)
        buffer[i] = (unsigned char)((uint64_t)header_bytes >> 8 * i);
    memcpy(buffer + 8, header, header_bytes);
    for (size_t i = 0; i < data_bytes; i++)
        buffer[8 + header_bytes + i] = (unsigned char)i;
    return write_bytes(name, buffer, 8 + header_bytes + data_bytes);
}

#endif
