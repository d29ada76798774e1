/* kernel.h - the options of searches that take stochastic steps: which kernel, how much of it.
 *
 *     struct options { ...; const char *kernel; double scale; };
 *     ... WN_KERNEL_OPTIONS(struct options, "cps"), ...
 *
 * Every search but rbf, whose paper names its kernel, has `cps` at 0.5 by default, whatever sampler its paper used. Measured
 * with pebble, 24 prompts, 16 samples each and no selection, the share of pictures that say what their prompt says:
 *
 *                 ode    cps 0.5  cps 0.75  rbf 3   rbf_vp 3  grpo 0.7
 *     10 steps    0.57   0.58     0.62      0.52    0.52      0.51
 *     30 steps    0.63   0.69     0.72      0.60    0.55      0.58
 *
 * On a Gaussian rbf 3 keeps the variance best and cps loses some, more with more steps and a larger scale: a search then
 * chooses among images that are more alike. */
#ifndef WINNOW_EXPLORE_KERNEL_H
#define WINNOW_EXPLORE_KERNEL_H

#include <winnow/search.h>

#define WN_KERNEL_OPTIONS(type, fallback)                                                                              \
    WN_ENUM(type, kernel, "\"" fallback "\"", "cps|constant|grpo|rbf|rbf_vp",                                          \
            "kernel of the stochastic steps; see search.h"),                                                           \
        WN_NUMBER(type, scale, "0", 0, 100, "its scale; 0 = its own: cps 0.5, constant 1, grpo 0.7, rbf and rbf_vp 3")

/* WN_E_ARG: a scale that the kernel does not have. [setup] */
wn_status wn_kernel_check(const char *kernel, double scale, wn_error *err);
/* Of checked options. [any] */
wn_kernel wn_kernel_of(const char *kernel, double scale);

#endif
