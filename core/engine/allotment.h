/* allotment.h - how a run's budget is dealt out to its prompts.
 *
 * Each has an equal part. Where prompts share, what one leaves over goes in equal parts to all that come later: later
 * by ALLOTMENT_LAG at least, because searches run side by side and what a prompt gets may not depend on which of them
 * is faster. So the same run gets the same parts on every machine, and when it is resumed.
 */
#ifndef WINNOW_ENGINE_ALLOTMENT_H
#define WINNOW_ENGINE_ALLOTMENT_H

#include "spec/spec.h"

enum { ALLOTMENT_LAG = 16 };

struct allotment;

/* total: of the run, infinite where it has no limit; count prompts. WN_E_MEMORY. */
wn_status allotment_create(const struct spec_budget *total, uint32_t count, bool is_shared, struct allotment **out,
                           wn_error *err);
void allotment_destroy(struct allotment *a); /* NULL is fine */

/* What prompt `index` may spend. Prompts are asked for in any order, but each waits for those that are ALLOTMENT_LAG
 * and more before it; stopping is asked while it waits, and ends the wait with WN_E_CANCELLED. [any] */
wn_status allotment_take(struct allotment *a, uint32_t index, bool (*stopping)(void *arg), void *arg,
                         struct spec_budget *part, wn_error *err);
/* Prompt `index` has ended and spent this. [any] */
void allotment_end(struct allotment *a, uint32_t index, const struct spec_budget *spent);

#endif
