/* bench.h - `test_ops --bench [threads]`: how fast the device's ops are. */
#ifndef WINNOW_TESTS_OPS_BENCH_H
#define WINNOW_TESTS_OPS_BENCH_H

#include <stdint.h>

int bench_run(uint32_t threads); /* 0: all processors */

#endif
