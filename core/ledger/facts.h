/* facts.h - what a report must know of the plugins that took part and cannot see in a ledger: which numbers were
 * climbed and which only judged, which way is up, and whether the pool was independent. Kept in manifest.json.
 */
#ifndef WINNOW_LEDGER_FACTS_H
#define WINNOW_LEDGER_FACTS_H

#include "plugin/instance.h"

struct cJSON;

/* Sets the manifest's "report":
 *   { "name", "search", "pool_is_iid", "guide_compares", "plan": { "prompts", "candidates", "nfe", "seconds",
 * "is_shared" }, "metrics": [ { "verifier", "metric", "role": "guide|judge|other", "higher_is_better" } ] } plan: how
 * many prompts, and what each takes at most (null = no bound; is_shared: what one leaves goes to later ones); an older
 * run has none. The guide's first metric comes first, then the judges' in the spec's order, those of "rescored", then
 * what else is recorded. */
void facts_put(struct cJSON *manifest, const struct spec *spec, const struct instances *instances);

/* Enters a verifier under a name into "rescored" and "report", as a judge. start: the run's last. *is_new: it was not
 * there. WN_E_ARG when the name is another verifier's. */
wn_status facts_admit(struct cJSON *manifest, const struct cJSON *start, const char *name,
                      const struct instance *verifier, bool *is_new, wn_error *err);

#endif
