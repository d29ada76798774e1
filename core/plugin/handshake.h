/* handshake.h - turns what a module exports into host-side copies that may be read without asking sizes. */
#ifndef WINNOW_PLUGIN_HANDSHAKE_H
#define WINNOW_PLUGIN_HANDSHAKE_H

#include "base/arena.h"
#include "plugin/registry.h"

#include <winnow/verifier.h>

const char *plugin_kind_name(int64_t kind); /* "sampler" ...; "plugin" for 0 and unknown ones */
int64_t plugin_kind_from(const char *name); /* 0 when unknown */

/* Whether a verifier's metrics, static or said by an instance, are 1 to 64 with good names, each another. */
wn_status plugin_check_metrics(uint64_t count, const wn_metric *metrics, wn_error *err);

/* Copies the module's plugins by copy-min into zeroed memory of the arena and checks all that a static table can be
 * checked for. Plugins of unknown kinds are skipped with a warning in the log. */
wn_status handshake(const wn_module *foreign, const char *path, struct arena *arena, struct registry_module *module,
                    wn_error *err);

#endif
