/* look.h - what a picture looks like from afar, as a few numbers: no network, so a report needs no plugin and no
 * weights. */
#ifndef WINNOW_REPORT_LOOK_H
#define WINNOW_REPORT_LOOK_H

#include <winnow/plugin.h>

/* The picture is averaged down to 32 x 32 and cut into 4 x 4 cells. Of each cell: the mean red, green and blue (0..1),
 * and the strength of edges in four directions, where 1 is an edge from black to white straight through the cell. It
 * sees layout, colours and coarse texture. It does not see what things are: a cat and a dog of one colour in one place
 * look alike to it. */
enum {
    LOOK_CELLS = 16,
    LOOK_COLOURS = 3 * LOOK_CELLS,
    LOOK_EDGES = 4 * LOOK_CELLS,
    LOOK_NUMBERS = LOOK_COLOURS + LOOK_EDGES
};

struct look {
    float numbers[LOOK_NUMBERS]; /* colours, then edges; scaled: see look_distance */
};

/* rgb: [height][width][3] */
void look_at(const wn_image *image, struct look *out);

/* 0 = alike, at most 1 for colours alone: the Euclidean distance, scaled to sqrt((mean square difference of the colours
 * + that of the edges) / 2). */
double look_distance(const struct look *a, const struct look *b);

/* How alike two looks are, 1 = the same: exp(-distance^2 / (2 LOOK_WIDTH^2)), a positive definite kernel. The width is
 * a convention: at a distance of a tenth of the full range the likeness is 0.61, at three tenths 0.01. */
#define LOOK_WIDTH 0.1
double look_likeness(const struct look *a, const struct look *b);

#endif
