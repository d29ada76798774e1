/* Plugins for tests, one module of them. */
#ifndef WINNOW_TESTS_PROBES_H
#define WINNOW_TESTS_PROBES_H

#include <winnow/plugin.h>

extern const wn_plugin probe_sampler;
extern const wn_plugin probe_sulk, probe_rank, probe_shy, probe_wrap, probe_late, probe_glimpse; /* verifiers */
extern const wn_plugin probe_walk;

#endif
