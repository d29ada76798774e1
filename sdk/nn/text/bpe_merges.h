/* bpe_merges.h - vocabulary and merge ranks of a byte-pair encoding. Internal to the toolkit. */
#ifndef WINNOW_NN_BPE_MERGES_H
#define WINNOW_NN_BPE_MERGES_H

#include "../files.h"

/* What merging two symbols gives. */
struct bpe_merge {
    uint64_t pair; /* left id << 32 | right id */
    int32_t rank;  /* lower merges first; -1 in a free slot */
    int32_t merged;
};

struct bpe_merges {
    int32_t bytes[256][2]; /* symbol of a byte inside a word, and at its end; -1 where the vocabulary lacks it */
    int32_t start, end, pad, unknown;
    struct bpe_merge *slots; /* hash table */
    uint64_t slot_count;     /* a power of two */
};

struct bpe_specials {
    const char *start, *end, *pad, *unknown; /* start and end must be tokens; the others fall back to end */
};

/* Reads vocab.json and merges.txt, or else tokenizer.json, of a folder, and notes in files which. Free with
 * bpe_merges_finish, even after a failure. */
wn_status bpe_merges_open(const char *folder, const struct bpe_specials *specials, struct bpe_merges *m, nn_files *files,
                          wn_error *err);
void bpe_merges_finish(struct bpe_merges *m);

/* NULL when the two do not merge. */
const struct bpe_merge *bpe_merges_find(const struct bpe_merges *m, int32_t left, int32_t right);

#endif
