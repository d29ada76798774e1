/* prompts.h - the prompts of a spec, from a file or from the spec itself. */
#ifndef WINNOW_SPEC_PROMPTS_H
#define WINNOW_SPEC_PROMPTS_H

#include "spec/load.h"

/* Reads /prompts into the loader's spec; replaces the member "sha256" of *resolved by the file's. */
void prompts_load(struct loader *l, const struct tree_node *object, struct tree_node *resolved);

#endif
