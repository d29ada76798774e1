/* flux_parts.h - which rows of which tensor are which: FLUX.1's matrices in both layouts, part by part. */
#ifndef WINNOW_NN_MODELS_FLUX_PARTS_H
#define WINNOW_NN_MODELS_FLUX_PARTS_H

#include "flux.h"

/* Rows that both layouts keep together: the q of an attention, a single block's MLP, a half of the last modulation. */
struct flux_part {
    struct flux_place {
        char module[96]; /* the tensor's name without the file's prefix and ".weight" */
        uint64_t row;    /* where the part begins in it */
        uint64_t rows;   /* that it has in all */
    } in[2];             /* [NN_FLUX_DIFFUSERS - 1], [NN_FLUX_BFL - 1] */
    uint64_t rows;
};

struct flux_parts_list {
    struct flux_part *part;
    uint64_t count;
};

/* All matrices of the model. Free part. */
wn_status flux_parts_make(const nn_flux *c, struct flux_parts_list *out, wn_error *err);

#endif
