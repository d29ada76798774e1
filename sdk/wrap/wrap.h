/* wrap.h - what verifiers over verifiers share: how an input is asked, and what its nature makes of its wrapper. */
#ifndef WINNOW_WRAP_H
#define WINNOW_WRAP_H

#include <winnow/verifier.h>

/* How many inputs the instance has. [setup] */
uint64_t wn_wrap_count(const wn_host *host);

/* What the inputs need, the wrapper needs: their flags are added to the wrapper's, their preview_sigma becomes its own,
 * and max_batch the smallest of those inputs that compare, whose sets may not be cut. Two preview sigmas are WN_E_ARG.
 * For wn_verifier.describe. [setup] */
wn_status wn_wrap_describe(const wn_host *host, wn_verifier_info *info, wn_error *err);

/* The wrapper is to its users as this input is: metrics, flags, limits. For wn_verifier.describe. [setup] */
void wn_wrap_mirror(const wn_verifier_ref *input, wn_verifier_info *info);

/* What the input says of the request's items, into scores [count][the input's metric_count], which need not be filled.
 * An input that does not compare is asked in pieces of its max_batch. An error begins with the input's name. [serial]
 */
wn_status wn_wrap_ask(const wn_verifier_ref *input, const wn_score_request *request, double *scores, wn_error *err);

#endif
