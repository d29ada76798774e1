/* draw.h - scenes of coloured shapes for the tests of the shapes verifier, drawn cleanly or with damage. */
#ifndef TESTS_SHAPES_DRAW_H
#define TESTS_SHAPES_DRAW_H

#include <stdint.h>

enum { DRAW_THINGS = 4, DRAW_SIDE_MAX = 256 };

struct draw_thing {
    int colour;        /* enum shapes_colour */
    int shape;         /* enum shapes_shape */
    double x, y, size; /* in pixels of a 64 x 64 picture */
};

struct draw_scene {
    uint8_t ground[3];
    struct draw_thing things[DRAW_THINGS];
    int count;
};

/* The test's own random numbers (splitmix64). */
uint64_t draw_random(uint64_t *state);
double draw_uniform(uint64_t *state, double low, double high);

/* Places `count` things of random colours and shapes, about 3 px apart. */
void draw_place(uint64_t *state, int count, struct draw_scene *scene);

/* rgb: [side_px][side_px][3] */
void draw_scene(const struct draw_scene *scene, int side_px, uint8_t *rgb);

void draw_blur(uint8_t *rgb, int side_px, int passes); /* 1-2-1 in both directions, each pass */
void draw_noise(uint8_t *rgb, int side_px, double sd, uint64_t *state);
void draw_halve_chroma(uint8_t *rgb, int side_px); /* colour for each 2 x 2 block, as JPEG 4:2:0 */

#endif
