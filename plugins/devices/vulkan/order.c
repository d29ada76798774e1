/* order.c - which commands may run at once.
 *
 * A command waits for those before it that write what it reads or writes, or read what it writes; its level is one more
 * than the highest of theirs. Commands of a level need no order, so they are put side by side and a barrier stands only
 * between levels: text and image stream of a block then fill the device together. Memory that the plan gives to several
 * tensors is compared by its bytes, windows of one tensor by their rectangles.
 */
#include "vulkan.h"

#include <stdlib.h>

static int is_apart(uint64_t a, uint64_t a_size, uint64_t b, uint64_t b_size)
{
    return a + a_size <= b || b + b_size <= a;
}

static int overlaps(const struct touch *a, const struct touch *b)
{
    if (a->last <= b->first || b->last <= a->first)
        return 0;
    return a->base == WN_NONE || a->base != b->base ||
           !(is_apart(a->row0, a->rows, b->row0, b->rows) || is_apart(a->col0, a->cols, b->col0, b->cols));
}

/* Whether b must wait for a. */
static int must_wait(const struct command *a, const struct command *b)
{
    if (overlaps(&a->write, &b->write))
        return 1;
    for (uint32_t i = 0; i < b->reads; i++)
        if (overlaps(&a->write, &b->read[i]))
            return 1;
    for (uint32_t i = 0; i < a->reads; i++)
        if (overlaps(&a->read[i], &b->write))
            return 1;
    return 0;
}

static int by_level(const void *a, const void *b)
{
    const struct command *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    return x->op != y->op ? (x->op < y->op ? -1 : 1) : 0;
}

void order_commands(struct command *commands, uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        commands[i].level = 0;
        for (uint64_t k = 0; k < i; k++)
            if (commands[k].level >= commands[i].level && must_wait(&commands[k], &commands[i]))
                commands[i].level = commands[k].level + 1;
    }
    qsort(commands, count, sizeof *commands, by_level);
}
