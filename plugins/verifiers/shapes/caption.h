/* caption.h - reads a caption of the world: groups of things, at most one relation. README.md has the grammar. */
#ifndef SHAPES_CAPTION_H
#define SHAPES_CAPTION_H

#include <stdbool.h>

enum { CAPTION_GROUPS = 8 };

enum caption_relation { CAPTION_LEFT = 1, CAPTION_RIGHT, CAPTION_ABOVE, CAPTION_BELOW };

struct caption_group {
    int count;  /* 1..10 */
    int colour; /* enum shapes_colour */
    int shape;  /* enum shapes_shape */
};

struct caption {
    struct caption_group groups[CAPTION_GROUPS]; /* no two of one colour and shape */
    int group_count;
    int relation; /* enum caption_relation of groups[0] to groups[1]; 0 = none */
};

/* False when the grammar does not make this text: the judge then has no opinion. */
bool caption_parse(const char *text, struct caption *out);

#endif
