/* csv.h - comma-separated values as RFC 4180 has them, and no more: fields may stand in double quotes, a quote within
 * is doubled, and commas and line breaks within belong to the field. A byte order mark is stepped over, blank lines
 * too. Everything else that spreadsheets do not write is refused, with its place.
 */
#ifndef WINNOW_SPEC_CSV_H
#define WINNOW_SPEC_CSV_H

#include "spec/tree.h"

enum { CSV_MAX_FIELDS = 64, CSV_MAX_RECORD_BYTES = 1 << 20 };

struct csv {
    const char *at;
    const char *end;
    uint32_t line; /* of `at`; both from 1, columns in characters */
    uint32_t column;
    struct tree_fault fault; /* .what is "" until a mistake is found */
};

struct csv_record {
    const char *fields[CSV_MAX_FIELDS]; /* UTF-8 without control characters but tabs and line breaks */
    uint32_t count;
    uint32_t line; /* where it begins */
};

/* The text is kept by pointer. */
void csv_begin(struct csv *c, const char *text, uint64_t bytes);

/* The next record, its fields in the arena. False at the end and, with fault.what filled, at a mistake. */
bool csv_next(struct csv *c, struct arena *a, struct csv_record *record);

#endif
