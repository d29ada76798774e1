/* bench.h - `winnow bench SAMPLER`: a model's parts on a device, timed. */
#ifndef WINNOW_CLI_BENCH_H
#define WINNOW_CLI_BENCH_H

#include "cli/cli.h"

struct device_session;

int bench_sampler(struct cli *c);

/* What the device reaches in this type on a product of FLUX's size, and when it only copies: by its own clock, best of
 * several runs. Large shapes where there is much to fill. */
struct bench_peaks {
    double product; /* FLOP/s */
    double copy;    /* bytes read and written a second */
};
wn_status bench_find_peaks(const struct device_session *device, int64_t dtype, bool is_large, struct bench_peaks *peaks,
                           wn_error *err);

#endif
