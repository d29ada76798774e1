/* judge.c - a caption claims: each group is there, exactly that many times; its relation holds; there is nothing else.
 */
#include "judge.h"

#include <math.h>

static bool is_of(const struct shapes_thing *t, const struct caption_group *g)
{
    return t->colour == g->colour && t->shape == g->shape;
}

static int count_of(const struct caption_group *g, const struct shapes_thing *things, int count)
{
    int n = 0;

    for (int i = 0; i < count; i++)
        n += is_of(&things[i], g);
    return n;
}

/* On the right side, and more so than askew: the offset along the relation's axis is the larger one. */
static bool stands(int relation, const struct shapes_thing *a, const struct shapes_thing *b)
{
    bool level = relation == CAPTION_LEFT || relation == CAPTION_RIGHT;
    bool before = relation == CAPTION_LEFT || relation == CAPTION_ABOVE;
    double along = level ? a->x - b->x : a->y - b->y;
    double across = level ? a->y - b->y : a->x - b->x;

    return fabs(along) > fabs(across) && (along < 0) == before;
}

/* Every thing of the first group stands so to every thing of the second, and none is missing or too many. */
static bool relation_holds(const struct caption *c, const struct shapes_thing *things, int count)
{
    const struct caption_group *a = &c->groups[0], *b = &c->groups[1];

    if (count_of(a, things, count) != a->count || count_of(b, things, count) != b->count)
        return false;
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++)
            if (is_of(&things[i], a) && is_of(&things[j], b) && !stands(c->relation, &things[i], &things[j]))
                return false;
    return true;
}

struct verdict judge(const struct caption *caption, const struct shapes_thing *things, int count)
{
    struct verdict v = { caption->group_count + (caption->relation != 0) + 1, 0 };
    int named = 0;

    for (int i = 0; i < caption->group_count; i++) {
        int n = count_of(&caption->groups[i], things, count);
        v.hold += n == caption->groups[i].count;
        named += n;
    }
    if (caption->relation)
        v.hold += relation_holds(caption, things, count);
    v.hold += named == count; /* nothing else */
    return v;
}
