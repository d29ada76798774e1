/* vision.h - finds coloured shapes on a plain ground. */
#ifndef SHAPES_VISION_H
#define SHAPES_VISION_H

#include "world.h"

#include <winnow/plugin.h>

enum { VISION_THINGS = 64 };

/* Fills things[VISION_THINGS] with every patch of paint, largest scan order first found; *count <= VISION_THINGS: a
 * picture with more is noise, and its further patches are left out. WN_E_MEMORY; an empty image has no things. [any] */
wn_status vision_find(const wn_image *image, struct shapes_thing *things, int *count, wn_error *err);

#endif
