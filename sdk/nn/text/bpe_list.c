/* bpe_list.c - a byte-pair encoding given by its merges alone, the form of OpenAI's own file: the vocabulary is what
 * the merges make, in their order. The file holds many more merges than a model knows; the size of its vocabulary says
 * how many count.
 */
#include "bpe_merges.h"

#include <cjson/cJSON.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { BYTES = 256, SPECIALS = 2, MAX_TOKENS = 1 << 20 };

struct list {
    const char *file;
    cJSON *vocabulary;
    cJSON *merges;
    int next; /* id */
};

static wn_status add_token(struct list *l, const char *token, wn_error *err)
{
    if (!cJSON_AddNumberToObject(l->vocabulary, token, l->next++))
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for its tokens", l->file);
    return WN_OK;
}

/* The printable bytes, then the others; once more with the mark of a word's end. */
static wn_status add_bytes(struct list *l, const char *end, wn_error *err)
{
    char symbol[16];
    for (int printable = 1; printable >= 0; printable--)
        for (int byte = 0; byte < BYTES; byte++) {
            if (bpe_byte_is_printable(byte) != printable)
                continue;
            const int n = bpe_byte_symbol(byte, symbol);
            snprintf(symbol + n, sizeof symbol - (size_t)n, "%s", end);
            WN_TRY(add_token(l, symbol, err));
        }
    return WN_OK;
}

static wn_status add_merge(struct list *l, char *line, wn_error *err)
{
    cJSON *item = cJSON_CreateString(line);
    char *space = strchr(line, ' ');
    if (!item || !cJSON_AddItemToArray(l->merges, item))
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for its merges", l->file);
    if (!space)
        return wn_fail(err, WN_E_FORMAT, "%s: merge %d: '%.100s' is not two symbols with a space between", l->file,
                       l->next - 2 * BYTES + 1, line);
    memmove(space, space + 1, strlen(space));
    return add_token(l, line, err);
}

static wn_status read_lines(struct list *l, gzFile from, int count, wn_error *err)
{
    char line[1024];
    if (!gzgets(from, line, sizeof line) || !strstr(line, "#version"))
        return wn_fail(err, WN_E_FORMAT, "%s: does not begin with \"#version\", so it is no list of merges", l->file);
    for (int i = 0; i < count; i++) {
        size_t n = gzgets(from, line, sizeof line) ? strlen(line) : 0;
        if (n == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: has %d merges (or is damaged), the model's vocabulary needs %d",
                           l->file, i, count);
        if (line[n - 1] != '\n' && !gzeof(from))
            return wn_fail(err, WN_E_FORMAT, "%s: merge %d: line of more than %zu bytes", l->file, i + 1,
                           sizeof line - 2);
        line[strcspn(line, "\r\n")] = '\0';
        WN_TRY(add_merge(l, line, err));
    }
    return WN_OK;
}

static wn_status read_list(struct list *l, uint64_t tokens, const struct bpe_specials *s, wn_error *err)
{
    if (tokens < 2 * BYTES + SPECIALS || tokens > MAX_TOKENS)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "%s: a list of merges makes at least %d and at most %d tokens, the model has %llu; give its "
                       "vocab.json and merges.txt",
                       l->file, 2 * BYTES + SPECIALS, MAX_TOKENS, (unsigned long long)tokens);
    gzFile from = gzopen(l->file, "rbe"); /* plain text passes through */
    if (!from)
        return wn_fail(err, WN_E_MISSING, "%s: cannot open", l->file);
    wn_status status = add_bytes(l, "", err);
    if (status == WN_OK)
        status = add_bytes(l, "</w>", err);
    if (status == WN_OK)
        status = read_lines(l, from, (int)tokens - 2 * BYTES - SPECIALS, err);
    if (status == WN_OK)
        status = add_token(l, s->start, err);
    if (status == WN_OK)
        status = add_token(l, s->end, err);
    gzclose(from);
    return status;
}

wn_status bpe_list_open(const char *file, uint64_t tokens, const struct bpe_specials *specials, struct bpe_merges *m,
                        nn_files *files, wn_error *err)
{
    struct list l = { file, cJSON_CreateObject(), cJSON_CreateArray(), 0 };
    memset(m, 0, sizeof *m);
    wn_status status = l.vocabulary && l.merges ? read_list(&l, tokens, specials, err)
                                                : wn_fail(err, WN_E_MEMORY, "%s: no memory", file);
    if (status == WN_OK)
        status = bpe_merges_build(m, file, l.vocabulary, l.merges, specials, err);
    if (status == WN_OK)
        status = nn_files_add(files, file, "", err);
    cJSON_Delete(l.vocabulary);
    cJSON_Delete(l.merges);
    return status;
}
