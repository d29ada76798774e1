/* store.h - rows of numbers on disk, one small file for each key. */
#ifndef WINNOW_CACHE_STORE_H
#define WINNOW_CACHE_STORE_H

#include <winnow/plugin.h>

enum { STORE_KEY = 33, STORE_PATH = 4096, STORE_MAX_VALUES = 64 };

struct store {
    char folder[STORE_PATH - 128];
    uint64_t values; /* in a row, at most STORE_MAX_VALUES */
};

enum { STORE_FOUND = 1, STORE_ABSENT, STORE_DAMAGED };

/* Makes folder/name and what is missing above it. values: in a row. WN_E_IO, or WN_E_ARG for a path that is too long.
 */
wn_status store_open(const char *folder, const char *name, uint64_t values, struct store *out, wn_error *err);

/* The row of a key of 32 digits; row is left alone unless it is found. A file that cannot be read, or is not what
 * store_write wrote, is damaged; *why says what is wrong with it. Any number of processes may read and write at once.
 */
int store_read(const struct store *s, const char *key, double *row, wn_error *why);

/* Appears whole or not at all, in the place of what was there. */
wn_status store_write(const struct store *s, const char *key, const double *row, wn_error *err);

#endif
