/* table.h - columns for people: every column as wide as its widest cell. */
#ifndef WINNOW_CLI_TABLE_H
#define WINNOW_CLI_TABLE_H

#include "base/arena.h"
#include "base/buffer.h"

enum { TABLE_COLUMNS = 8 };

struct table {
    struct arena *arena;
    uint32_t columns;
    uint32_t rows;
    uint32_t capacity;
    const char **cells; /* [rows][columns] */
    wn_status failed;
};

/* columns <= TABLE_COLUMNS. */
void table_start(struct table *t, uint32_t columns);
/* One cell, filled row by row; NULL is an empty one. Copied. */
WN_PRINTF(2, 3) void table_cell(struct table *t, const char *format, ...);
/* Writes all rows with `indent` spaces before them, and frees the table. */
void table_write(struct table *t, uint32_t indent, struct buffer *out);

#endif
