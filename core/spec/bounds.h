/* bounds.h - what one prompt's search will take: its plan, cut where the budget runs out first. Of a budget of the run
 * that is its equal part, which is what prompts have in the mean where they share. */
#ifndef WINNOW_SPEC_BOUNDS_H
#define WINNOW_SPEC_BOUNDS_H

#include "spec/spec.h"

/* For one prompt; infinite where neither plan nor budget sets a bound. What fits into seconds nobody knows before:
 * where they are finite, the others are what is taken at most. */
struct spec_bounds {
    double candidates;
    double nfe;
    double verifier_calls;
    double seconds;
    bool is_shared; /* what a prompt leaves of its own goes to later ones */
};

/* evals_per_velocity: the sampler's; 1 while it is not known. A search needs its three currencies in proportion, so the
 * scarcest one cuts all of them. */
struct spec_bounds spec_bounds(const struct spec *spec, uint64_t evals_per_velocity);

/* Bit f: the search draws on a canvas with sides of 1/f. 0 without a search. */
uint64_t spec_shrinks(const struct spec *spec);

/* For the whole run; infinite where the candidates are. */
struct spec_disk {
    double images;
    double bytes; /* of pictures and ledger, as photographs would take them */
};

struct spec_disk spec_disk(const struct spec *spec, const struct spec_bounds *each);

#endif
