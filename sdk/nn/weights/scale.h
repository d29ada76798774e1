/* scale.h - the scales that 8-bit checkpoints keep beside their weights. Internal to the toolkit. [any] */
#ifndef WINNOW_NN_SCALE_H
#define WINNOW_NN_SCALE_H

#include "weights.h"

/* What the values of t, "x.weight" in 8-bit floats, are multiplied by: the scalar "x.scale_weight", "x.weight_scale" in
 * newer files; 1 where there is none, and for other types. One scale for each row or block is another format, and an
 * error: without its scales it would be garbage. */
wn_status weight_scale(const nn_weights *from, const nn_tensor *t, float *scale, wn_error *err);

#endif
