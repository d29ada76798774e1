/* judge.h - which of a caption's claims hold of the things in a picture. README.md says what is claimed. */
#ifndef SHAPES_JUDGE_H
#define SHAPES_JUDGE_H

#include "caption.h"
#include "world.h"

struct verdict {
    int claims;
    int hold;
};

struct verdict judge(const struct caption *caption, const struct shapes_thing *things, int count);

#endif
