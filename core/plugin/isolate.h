/* isolate.h - a verifier's plugin in a process of its own: `"isolate": true` in the spec. Internal to core/plugin.
 *
 * The process is `winnow serve`, which is told the verifier's node of the spec and makes the instance there. To the
 * engine it is a verifier like any other: one whose plugin may crash or hang, which costs the request some attempts,
 * and in the end the scores of those candidates that it cannot be got to score.
 */
#ifndef WINNOW_PLUGIN_ISOLATE_H
#define WINNOW_PLUGIN_ISOLATE_H

#include "plugin/host.h"

extern const wn_verifier isolate_verifier; /* its describe says what the plugin in there says */

/* As wn_plugin.create, for the use of a verifier that has no inputs. host is the instance's own. */
wn_status isolate_create(struct host_shared *s, const struct spec_use *use, const wn_host *host, void **self,
                         wn_error *err);
void isolate_destroy(void *self); /* NULL is fine */

#endif
