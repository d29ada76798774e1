/* world.h - the words and numbers that caption, vision and judgement share: colours, shapes, things. */
#ifndef SHAPES_WORLD_H
#define SHAPES_WORLD_H

enum shapes_colour {
    SHAPES_RED = 1,
    SHAPES_ORANGE,
    SHAPES_YELLOW,
    SHAPES_GREEN,
    SHAPES_BLUE,
    SHAPES_PURPLE,
    SHAPES_NO_COLOUR /* differs from the ground, but is none of the six: grey, black, brown */
};

enum shapes_shape {
    SHAPES_CIRCLE = 1,
    SHAPES_SQUARE,
    SHAPES_TRIANGLE,
    SHAPES_NO_SHAPE /* a fragment, a blob, or two things grown together */
};

/* One connected patch of paint. Coordinates in pixels of the working image, y downwards. */
struct shapes_thing {
    int colour;  /* enum shapes_colour */
    int shape;   /* enum shapes_shape */
    double x, y; /* centroid */
    double area;
    double fit; /* overlap with the ideal shape, 0..1 */
};

#endif
