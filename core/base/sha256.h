/* sha256.h - SHA-256 (FIPS 180-4), the hash that the Hugging Face hub names files by. [any] */
#ifndef WINNOW_BASE_SHA256_H
#define WINNOW_BASE_SHA256_H

#include <winnow/plugin.h>

#include <stdbool.h>

struct sha256 {
    uint32_t state[8];
    uint64_t bytes;
    uint8_t block[64];
};

void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, uint64_t bytes);
void sha256_hex(struct sha256 *s, char hex[65]); /* ends it: 64 lower-case digits and a NUL */

void sha256_of(const void *data, uint64_t bytes, char hex[65]);

/* Of a file, which is read through. progress may be NULL; it returns false to give up (WN_E_CANCELLED). */
wn_status sha256_file(const char *path, char hex[65], bool (*progress)(void *arg, uint64_t done, uint64_t total),
                      void *arg, wn_error *err);

/* The hash of a file in a hub cache without reading it: there, large files are links to blobs named by their SHA-256.
 * False when the path is no such link. */
bool sha256_from_link(const char *path, char hex[65]);

#endif
