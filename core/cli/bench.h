/* bench.h - `winnow bench SAMPLER`: a model's parts on a device, timed. */
#ifndef WINNOW_CLI_BENCH_H
#define WINNOW_CLI_BENCH_H

#include "cli/cli.h"

struct device_session;

int bench_sampler(struct cli *c);

/* One way of a device to multiply. */
struct bench_way {
    const char *name; /* static, of the plugin; NULL: the only one */
    double flops;     /* a second */
};

enum { BENCH_WAYS = 4 };

/* What the device reaches in this type on a product of FLUX's size, each of its ways, and when it only copies: by its
 * own clock, best of several runs. Large shapes where there is much to fill: [4608, 3072] x [3072, 21504], the largest
 * product of a step of 1024 px. */
struct bench_peaks {
    uint64_t rows, depth, columns; /* of the product */
    struct bench_way ways[BENCH_WAYS];
    uint32_t way_count;
    double product; /* FLOP/s of the fastest way */
    double copy;    /* bytes read and written a second */
};
wn_status bench_find_peaks(const struct device_session *device, int64_t dtype, bool is_large, struct bench_peaks *peaks,
                           wn_error *err);

#endif
