/* table.c - cells are kept until all are known, then padded. The last column is never padded. */
#include "cli/table.h"

#include <stdlib.h>
#include <string.h>

void table_start(struct table *t, uint32_t columns)
{
    *t = (struct table){ .arena = arena_create(), .columns = columns };
}

void table_cell(struct table *t, const char *format, ...)
{
    char cell[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(cell, sizeof cell, format, args);
    va_end(args);
    if (t->rows == t->capacity) {
        uint32_t capacity = t->capacity ? 2 * t->capacity : 64;
        const char **cells = realloc(t->cells, capacity * sizeof *cells);
        if (!cells) {
            t->failed = WN_E_MEMORY;
            return;
        }
        t->cells = cells;
        t->capacity = capacity;
    }
    const char *copy = t->arena ? arena_string(t->arena, cell) : NULL;
    if (!copy)
        t->failed = WN_E_MEMORY;
    t->cells[t->rows++] = copy ? copy : "";
}

/* Characters, not bytes. */
static int width_of(const char *cell)
{
    int width = 0;
    for (; *cell; cell++)
        width += ((unsigned char)*cell & 0xc0) != 0x80;
    return width;
}

void table_write(struct table *t, uint32_t indent, struct buffer *out)
{
    int widths[TABLE_COLUMNS] = { 0 };
    for (uint32_t i = 0; i < t->rows; i++)
        if (width_of(t->cells[i]) > widths[i % t->columns])
            widths[i % t->columns] = width_of(t->cells[i]);
    for (uint32_t i = 0; i < t->rows; i++) {
        uint32_t column = i % t->columns;
        if (column == 0)
            buffer_printf(out, "%*s", (int)indent, "");
        buffer_text(out, t->cells[i]);
        if (column + 1 < t->columns)
            buffer_printf(out, "%*s", widths[column] - width_of(t->cells[i]) + 2, "");
        else
            buffer_byte(out, '\n');
    }
    if (t->failed)
        out->failed = t->failed;
    free(t->cells);
    arena_destroy(t->arena);
}
