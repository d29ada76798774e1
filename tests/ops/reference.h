/* reference.h - every op in double precision, as plainly as it can be written: what devices are measured against. */
#ifndef WINNOW_TESTS_OPS_REFERENCE_H
#define WINNOW_TESTS_OPS_REFERENCE_H

#include <winnow/device.h>

/* Computes one item. tensors[i], for every tensor that is not a window: [rows, cols] doubles (ids as doubles); inputs
 * are filled by the caller, constants here. Operands of LINEAR and CONV are rounded to dtype first (but not
 * where out has one row: see below), q, k and v of ATTENTION too. */
void reference_run(const wn_graph *g, double **tensors, int64_t dtype);
double reference_bf16(double x);

#endif
