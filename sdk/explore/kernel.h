/* kernel.h - the options of searches that take stochastic steps: which kernel, how much of it.
 *
 *     struct options { ...; const char *kernel; double scale; };
 *     ... WN_KERNEL_OPTIONS(struct options), ...
 *
 * The default is the flow's SDE with g = 3 s^2 for all of them, whatever sampler their papers used: among the kernels
 * it keeps a Gaussian's variance best at 10 steps, so that what a search finds is due to the search. */
#ifndef WINNOW_EXPLORE_KERNEL_H
#define WINNOW_EXPLORE_KERNEL_H

#include <winnow/search.h>

#define WN_KERNEL_OPTIONS(type)                                                                                        \
    WN_ENUM(type, kernel, "\"rbf\"", "cps|constant|grpo|rbf|rbf_vp", "kernel of the stochastic steps; see search.h"),  \
        WN_NUMBER(type, scale, "0", 0, 100, "its scale; 0 = its paper's: cps 1, constant 1, grpo 0.7, rbf 3")

/* WN_E_ARG: a scale that the kernel does not have. [setup] */
wn_status wn_kernel_check(const char *kernel, double scale, wn_error *err);
/* Of checked options. [any] */
wn_kernel wn_kernel_of(const char *kernel, double scale);

#endif
