/* The module of the plugins for tests. */
#include "probes.h"

static const wn_plugin *const plugins[] = { &probe_sampler, &probe_sulk, &probe_rank,    &probe_shy,
                                            &probe_wrap,    &probe_late, &probe_glimpse, &probe_walk };
WN_EXPORT extern const wn_module wn_module_v0;
const wn_module wn_module_v0 = { sizeof(wn_module), WN_ABI_MAJOR, WN_ABI_MINOR, plugins,
                                 sizeof plugins / sizeof *plugins };
