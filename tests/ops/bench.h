/* bench.h - `test_ops --bench`: how fast the device's ops are. */
#ifndef WINNOW_TESTS_OPS_BENCH_H
#define WINNOW_TESTS_OPS_BENCH_H

int bench_run(void);

#endif
