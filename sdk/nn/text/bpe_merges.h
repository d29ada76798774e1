/* bpe_merges.h - vocabulary and merge ranks of a byte-pair encoding. Internal to the toolkit. */
#ifndef WINNOW_NN_BPE_MERGES_H
#define WINNOW_NN_BPE_MERGES_H

#include "../files.h"

struct cJSON;

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
wn_status bpe_merges_open(const char *folder, const struct bpe_specials *specials, struct bpe_merges *m,
                          nn_files *files, wn_error *err);
/* The same from a list of merges alone, as OpenAI's bpe_simple_vocab_16e6.txt.gz (or its plain text, or merges.txt):
 * the ids of a vocabulary of `tokens` follow from the order: bytes, bytes that end a word, merges, start, end. */
wn_status bpe_list_open(const char *file, uint64_t tokens, const struct bpe_specials *specials, struct bpe_merges *m,
                        nn_files *files, wn_error *err);
void bpe_merges_finish(struct bpe_merges *m);

/* NULL when the two do not merge. */
const struct bpe_merge *bpe_merges_find(const struct bpe_merges *m, int32_t left, int32_t right);

/* For bpe_list.c: from an object of ids and a list of merges. */
wn_status bpe_merges_build(struct bpe_merges *m, const char *file, const struct cJSON *vocabulary,
                           const struct cJSON *merges, const struct bpe_specials *specials, wn_error *err);
/* GPT-2's character for a byte, as terminated UTF-8; returns its length. */
int bpe_byte_symbol(int byte, char out[16]);
int bpe_byte_is_printable(int byte); /* stands for itself */

#endif
