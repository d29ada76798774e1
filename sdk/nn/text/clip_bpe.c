/* clip_bpe.c - CLIP's tokenizer.
 *
 * A text is put in NFC and lower case and cut into pieces by the rule
 *
 *     <|startoftext|> | <|endoftext|> | 's | 't | 're | 've | 'm | 'll | 'd | letters+ | number | others+
 *
 * where the first alternative that fits wins, one number character is a piece of its own, and white space separates.
 * Each piece becomes a row of byte symbols, the last marked as the end of a word, in which the pair of lowest rank is
 * merged, everywhere from left to right, until no pair merges.
 *
 * Easy to get wrong: the ids of single bytes are not the bytes; the alternatives are tried in order at every position
 * ("!'s" is one run of others and then a letter); a text that is too long keeps its end token. Texts are cleaned like
 * the fast tokenizer of transformers does it, without the ftfy and HTML steps of the original; ASCII prompts without
 * HTML entities come out the same in all of them.
 */
#include "clip_bpe.h"

#include "bpe_merges.h"
#include "tokenizer_config.h"
#include "unicode.h"

#include <stdlib.h>
#include <string.h>

#define START_TOKEN    "<|startoftext|>"
#define END_TOKEN      "<|endoftext|>"
#define TEXT_MAX_BYTES 65536 /* a bound on the work for one word without end */

struct nn_clip_bpe {
    struct bpe_merges merges;
    uint32_t max_length;
    nn_files files;
};

/* ---- opening ---- */

static wn_status open_with(const char *folder, const nn_config *c, nn_clip_bpe *t, wn_error *err)
{
    struct bpe_specials s;
    WN_TRY(tokenizer_config_token(c, "bos_token", START_TOKEN, &s.start, err));
    WN_TRY(tokenizer_config_token(c, "eos_token", END_TOKEN, &s.end, err));
    WN_TRY(tokenizer_config_token(c, "pad_token", NULL, &s.pad, err));
    WN_TRY(tokenizer_config_token(c, "unk_token", NULL, &s.unknown, err));
    WN_TRY(tokenizer_config_max_length(c, 77, &t->max_length, err));
    return bpe_merges_open(folder, &s, &t->merges, &t->files, err);
}

wn_status nn_clip_bpe_open(const char *folder, nn_clip_bpe **out, wn_error *err)
{
    nn_config *c;
    *out = NULL;
    nn_clip_bpe *t = calloc(1, sizeof *t);
    if (!t)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    wn_status status = tokenizer_config_open(folder, &t->files, &c, err);
    if (status == WN_OK)
        status = open_with(folder, c, t, err);
    nn_config_close(c);
    if (status != WN_OK) {
        nn_clip_bpe_close(t);
        return status;
    }
    *out = t;
    return WN_OK;
}

wn_status nn_clip_bpe_open_list(const char *file, uint64_t tokens, nn_clip_bpe **out, wn_error *err)
{
    const struct bpe_specials specials = { .start = START_TOKEN, .end = END_TOKEN };
    nn_clip_bpe *t = calloc(1, sizeof *t);
    *out = NULL;
    if (!t)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", file);
    t->max_length = 77;
    const wn_status status = bpe_list_open(file, tokens, &specials, &t->merges, &t->files, err);
    if (status != WN_OK)
        nn_clip_bpe_close(t);
    else
        *out = t;
    return status;
}

void nn_clip_bpe_close(nn_clip_bpe *t)
{
    if (!t)
        return;
    bpe_merges_finish(&t->merges);
    nn_files_finish(&t->files);
    free(t);
}

const nn_files *nn_clip_bpe_files(const nn_clip_bpe *t)
{
    return &t->files;
}

int32_t nn_clip_bpe_start(const nn_clip_bpe *t)
{
    return t->merges.start;
}

int32_t nn_clip_bpe_end(const nn_clip_bpe *t)
{
    return t->merges.end;
}

int32_t nn_clip_bpe_pad(const nn_clip_bpe *t)
{
    return t->merges.pad;
}

uint32_t nn_clip_bpe_max_length(const nn_clip_bpe *t)
{
    return t->max_length;
}

/* ---- pieces ---- */

/* Lower case may be longer: *points is replaced. */
static wn_status lower(int32_t **points, size_t *count, wn_error *err)
{
    int32_t *to = malloc((2 * *count + 1) * sizeof *to);
    size_t n = 0;
    if (!to)
        return wn_fail(err, WN_E_MEMORY, "no memory for a text of %zu characters", *count);
    for (size_t i = 0; i < *count; i++)
        n += (size_t)unicode_lower((*points)[i], to + n);
    free(*points);
    *points = to;
    *count = n;
    return WN_OK;
}

/* Length of `word` (ASCII) if the points begin with it, else 0. */
static size_t begins_with(const int32_t *points, size_t count, const char *word)
{
    size_t n = strlen(word);
    for (size_t i = 0; i < n; i++)
        if (i == count || points[i] != word[i])
            return 0;
    return n;
}

/* Length of the piece at points, which is no space; *special is its id if it is one of the two tokens, else -1. */
static size_t piece_length(const nn_clip_bpe *t, const int32_t *points, size_t count, int32_t *special)
{
    static const char *const suffixes[] = { "'s", "'t", "'re", "'ve", "'m", "'ll", "'d" };
    size_t n;
    *special = t->merges.start;
    if ((n = begins_with(points, count, START_TOKEN)) > 0)
        return n;
    *special = t->merges.end;
    if ((n = begins_with(points, count, END_TOKEN)) > 0)
        return n;
    *special = -1;
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++)
        if ((n = begins_with(points, count, suffixes[i])) > 0)
            return n;
    enum unicode_class class = unicode_classify(points[0]);
    for (n = 1; n < count && class != UNICODE_NUMBER && unicode_classify(points[n]) == class;)
        n++;
    return n;
}

/* Symbols of a piece's bytes; returns how many. symbols has room for 4 for each point. */
static size_t spell(const nn_clip_bpe *t, const int32_t *points, size_t count, int32_t *symbols)
{
    size_t n = 0;
    unsigned char last = 0;
    for (size_t i = 0; i < count; i++) {
        char bytes[4];
        int length = unicode_put(points[i], bytes);
        for (int b = 0; b < length; b++)
            symbols[n++] = t->merges.bytes[last = (unsigned char)bytes[b]][0];
    }
    symbols[n - 1] = t->merges.bytes[last][1];
    return n;
}

static const struct bpe_merge *best_merge(const nn_clip_bpe *t, const int32_t *symbols, size_t n)
{
    const struct bpe_merge *best = NULL;
    for (size_t i = 0; i + 1 < n; i++) {
        const struct bpe_merge *m = bpe_merges_find(&t->merges, symbols[i], symbols[i + 1]);
        if (m && (!best || m->rank < best->rank))
            best = m;
    }
    return best;
}

static size_t merge_all(const nn_clip_bpe *t, int32_t *symbols, size_t n)
{
    for (const struct bpe_merge *m; (m = best_merge(t, symbols, n)) != NULL;) {
        int32_t left = (int32_t)(m->pair >> 32), right = (int32_t)(uint32_t)m->pair;
        size_t to = 0;
        for (size_t i = 0; i < n; to++) {
            int is_pair = i + 1 < n && symbols[i] == left && symbols[i + 1] == right;
            symbols[to] = is_pair ? m->merged : symbols[i];
            i += is_pair ? 2 : 1;
        }
        n = to;
    }
    return n;
}

/* ---- encoding ---- */

/* Content ids of the points into ids [capacity]; *truncated when there are more. symbols has room for 4 * count. */
static uint32_t encode_points(const nn_clip_bpe *t, const int32_t *points, size_t count, int32_t *symbols, int32_t *ids,
                              uint32_t capacity, bool *truncated)
{
    uint32_t n_ids = 0;
    *truncated = false;
    for (size_t i = 0, n; i < count && !*truncated; i += n) {
        int32_t special;
        n = 1;
        if (unicode_classify(points[i]) == UNICODE_SPACE)
            continue;
        n = piece_length(t, points + i, count - i, &special);
        symbols[0] = special;
        size_t n_symbols = special >= 0 ? 1 : merge_all(t, symbols, spell(t, points + i, n, symbols));
        for (size_t s = 0; s < n_symbols && !*truncated; s++)
            if (n_ids < capacity)
                ids[n_ids++] = symbols[s] >= 0 ? symbols[s] : t->merges.unknown;
            else
                *truncated = true;
    }
    return n_ids;
}

wn_status nn_clip_bpe_encode(const nn_clip_bpe *t, const char *text, uint32_t max_length, int32_t *ids, uint32_t *count,
                             bool *truncated, wn_error *err)
{
    int32_t *points = NULL, *symbols = NULL;
    size_t n = strlen(text);
    if (max_length < 2)
        return wn_fail(err, WN_E_ARG, "max_length %u has no room for the start and end tokens", max_length);
    if (n > TEXT_MAX_BYTES)
        return wn_fail(err, WN_E_ARG, "the text has %zu bytes, at most %d are tokenized", n, TEXT_MAX_BYTES);
    wn_status status = unicode_decode_nfc(text, &points, &n, err);
    if (status == WN_OK)
        status = lower(&points, &n, err);
    if (status == WN_OK && !(symbols = malloc((4 * n + 1) * sizeof *symbols)))
        status = wn_fail(err, WN_E_MEMORY, "no memory for a text of %zu characters", n);
    if (status == WN_OK) {
        *count = encode_points(t, points, n, symbols, ids + 1, max_length - 2, truncated);
        ids[0] = t->merges.start;
        ids[1 + *count] = t->merges.end;
        *count += 2;
    }
    free(points);
    free(symbols);
    return status;
}
