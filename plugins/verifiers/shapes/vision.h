/* vision.h - finds coloured shapes on a plain ground. */
#ifndef SHAPES_VISION_H
#define SHAPES_VISION_H

#include "world.h"

#include <winnow/plugin.h>

enum { VISION_THINGS = 64 };

/* Fills things[VISION_THINGS] with the patches of paint in scan order. A picture with more than VISION_THINGS is noise;
 * the rest of it is left out. An empty image has no things. Fails with WN_E_MEMORY only. [any] */
wn_status vision_find(const wn_image *image, struct shapes_thing *things, int *count, wn_error *err);

#endif
