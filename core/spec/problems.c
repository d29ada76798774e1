/* problems.c - collects mistakes so that a spec is corrected once, not once for each mistake. */
#include "spec/problems.h"

#include <string.h>

void problems_init(struct problems *p)
{
    memset(p, 0, sizeof *p);
    buffer_init(&p->lines, 1 << 20);
}

void problems_free(struct problems *p)
{
    buffer_free(&p->lines);
}

static void add(struct problems *p, wn_status code, const char *line)
{
    if (!p->count)
        wn_fail(&p->first, code, "%s", line);
    p->count++;
    if (p->count <= PROBLEMS_MAX)
        buffer_printf(&p->lines, "%s\n", line);
    else if (p->count == PROBLEMS_MAX + 1)
        buffer_printf(&p->lines, "... and more; only the first %d are shown\n", PROBLEMS_MAX);
}

void problems_add_line(struct problems *p, wn_status code, const char *format, ...)
{
    char line[2048];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    add(p, code, line);
}

void problems_add(struct problems *p, wn_status code, const struct tree_node *at, const char *key, const char *format,
                  ...)
{
    char what[1400], pointer[300];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    tree_pointer(at, key, pointer, sizeof pointer);
    if (at->line)
        problems_add_line(p, code, "%s:%u:%u: %s: %s", at->source, at->line, at->column, pointer, what);
    else
        problems_add_line(p, code, "%s: %s: %s", at->source, pointer, what);
}
