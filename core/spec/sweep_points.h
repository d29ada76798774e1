/* sweep_points.h - from the tree of "sweep" to points. Internal to core/spec. */
#ifndef WINNOW_SPEC_SWEEP_POINTS_H
#define WINNOW_SPEC_SWEEP_POINTS_H

#include "spec/sweep.h"

/* Fills the sweep's points with their changes and names, in order. Mistakes go to problems. */
void sweep_points(struct sweep *sweep, const struct tree_node *node, struct problems *problems);

#endif
