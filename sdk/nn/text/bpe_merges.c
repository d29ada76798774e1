/* bpe_merges.c - reads a byte-pair vocabulary into a table from pairs of ids to the id and rank of their merger.
 *
 * Files speak of symbols as strings, in which every byte is written as a printable character (GPT-2's table) and the
 * last symbol of a word ends in "</w>". Strings are needed only while reading: a hash table from string to id stands on
 * the parsed JSON and goes with it. Encoding works on ids alone.
 */
#include "bpe_merges.h"

#include "../json.h"
#include "unicode.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WORD_END       "</w>"
#define VOCABULARY_MAX (1 << 24)

/* ---- strings to ids ---- */

struct vocabulary {
    const char *file;
    const cJSON **slots;
    size_t slot_count; /* a power of two, at least twice the entries */
};

static uint64_t hash_string(const char *s)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *s; s++)
        h = (h ^ (unsigned char)*s) * 0x100000001b3u;
    return h;
}

static const cJSON **find_slot(const struct vocabulary *v, const char *symbol)
{
    size_t i = hash_string(symbol) & (v->slot_count - 1);
    while (v->slots[i] && strcmp(v->slots[i]->string, symbol) != 0)
        i = (i + 1) & (v->slot_count - 1);
    return &v->slots[i];
}

static int32_t find_id(const struct vocabulary *v, const char *symbol)
{
    const cJSON *entry = *find_slot(v, symbol);
    return entry ? entry->valueint : -1;
}

static wn_status index_vocabulary(struct vocabulary *v, const cJSON *object, wn_error *err)
{
    size_t n = (size_t)cJSON_GetArraySize(object);
    for (v->slot_count = 16; v->slot_count < 2 * n;)
        v->slot_count *= 2;
    v->slots = calloc(v->slot_count, sizeof(*v->slots));
    if (!v->slots)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %zu tokens", v->file, n);
    for (const cJSON *entry = object->child; entry; entry = entry->next) {
        if (!cJSON_IsNumber(entry) || !(entry->valuedouble >= 0 && entry->valuedouble < VOCABULARY_MAX) ||
            entry->valuedouble != entry->valueint)
            return wn_fail(err, WN_E_FORMAT, "%s: token '%.100s': its id is not a whole number from 0 to %d", v->file,
                           entry->string, VOCABULARY_MAX - 1);
        *find_slot(v, entry->string) = entry;
    }
    return WN_OK;
}

/* ---- merges ---- */

static struct bpe_merge *merge_slot(const struct bpe_merges *m, uint64_t pair)
{
    uint64_t i = (pair * 0x9e3779b97f4a7c15u) >> 20 & (m->slot_count - 1);
    while (m->slots[i].rank >= 0 && m->slots[i].pair != pair)
        i = (i + 1) & (m->slot_count - 1);
    return &m->slots[i];
}

const struct bpe_merge *bpe_merges_find(const struct bpe_merges *m, int32_t left, int32_t right)
{
    if (left < 0 || right < 0)
        return NULL;
    const struct bpe_merge *found = merge_slot(m, (uint64_t)left << 32 | (uint32_t)right);
    return found->rank >= 0 ? found : NULL;
}

static wn_status make_slots(struct bpe_merges *m, const char *file, size_t merges, wn_error *err)
{
    for (m->slot_count = 16; m->slot_count < 2 * merges;)
        m->slot_count *= 2;
    m->slots = malloc(m->slot_count * sizeof *m->slots);
    if (!m->slots)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %zu merges", file, merges);
    for (uint64_t i = 0; i < m->slot_count; i++)
        m->slots[i].rank = -1;
    return WN_OK;
}

/* The merge "left right" of the given rank; file and rank + 1 are for errors. */
static wn_status add_merge(struct bpe_merges *m, const struct vocabulary *v, const char *file, int32_t rank,
                           const char *left, const char *right, wn_error *err)
{
    char joined[1024];
    int32_t a = find_id(v, left), b = find_id(v, right);
    int n = snprintf(joined, sizeof joined, "%s%s", left, right);
    int32_t merged = n < (int)sizeof joined ? find_id(v, joined) : -1;
    if (a < 0 || b < 0 || merged < 0)
        return wn_fail(err, WN_E_FORMAT, "%s: merge %d: '%.100s' is not in the vocabulary %s", file, rank + 1,
                       a < 0   ? left
                       : b < 0 ? right
                               : joined,
                       v->file);
    struct bpe_merge *slot = merge_slot(m, (uint64_t)a << 32 | (uint32_t)b);
    if (slot->rank < 0)
        *slot = (struct bpe_merge){ (uint64_t)a << 32 | (uint32_t)b, rank, merged };
    return WN_OK;
}

/* Splits "left right" in place. */
static wn_status add_line(struct bpe_merges *m, const struct vocabulary *v, const char *file, int32_t rank, char *line,
                          wn_error *err)
{
    char *space = strchr(line, ' ');
    if (!space || space == line || !space[1] || strchr(space + 1, ' '))
        return wn_fail(err, WN_E_FORMAT, "%s: merge %d: '%.100s' is not two symbols with a space between", file,
                       rank + 1, line);
    *space = '\0';
    return add_merge(m, v, file, rank, line, space + 1, err);
}

static wn_status read_merges(FILE *from, const char *file, struct bpe_merges *m, const struct vocabulary *v,
                             wn_error *err)
{
    char line[1024];
    int32_t rank = 0;
    WN_TRY(make_slots(m, file, v->slot_count, err)); /* every merge makes a token of its own */
    while (fgets(line, sizeof line, from)) {
        if (strncmp(line, "#version", 8) == 0)
            continue;
        size_t n = strcspn(line, "\r\n");
        if (!line[n] && !feof(from))
            return wn_fail(err, WN_E_FORMAT, "%s: merge %d: line of more than %zu bytes", file, rank + 1,
                           sizeof line - 2);
        line[n] = '\0';
        if (n == 0)
            continue;
        if ((size_t)rank == v->slot_count)
            return wn_fail(err, WN_E_FORMAT, "%s: has more merges than %s has tokens", file, v->file);
        WN_TRY(add_line(m, v, file, rank++, line, err));
    }
    return ferror(from) ? wn_fail(err, WN_E_IO, "%s: cannot read: %s", file, strerror(errno)) : WN_OK;
}

static wn_status open_merges(const char *file, struct bpe_merges *m, const struct vocabulary *v, wn_error *err)
{
    FILE *from = fopen(file, "rbe");
    if (!from)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", file, strerror(errno));
    wn_status status = read_merges(from, file, m, v, err);
    fclose(from);
    return status;
}

/* tokenizer.json has each merge as "left right" or as ["left", "right"]. */
static wn_status add_json_merges(const cJSON *list, struct bpe_merges *m, const struct vocabulary *v, wn_error *err)
{
    int32_t rank = 0;
    if (!cJSON_IsArray(list))
        return wn_fail(err, WN_E_FORMAT, "%s: no list model.merges", v->file);
    WN_TRY(make_slots(m, v->file, (size_t)cJSON_GetArraySize(list), err));
    for (const cJSON *item = list->child; item; item = item->next, rank++) {
        const cJSON *left = cJSON_GetArrayItem(item, 0), *right = cJSON_GetArrayItem(item, 1);
        if (cJSON_IsString(item))
            WN_TRY(add_line(m, v, v->file, rank, item->valuestring, err));
        else if (cJSON_IsString(left) && cJSON_IsString(right))
            WN_TRY(add_merge(m, v, v->file, rank, left->valuestring, right->valuestring, err));
        else
            return wn_fail(err, WN_E_FORMAT, "%s: model.merges: item %d is not a pair of strings", v->file, rank);
    }
    return WN_OK;
}

/* ---- bytes ---- */

int bpe_byte_is_printable(int byte)
{
    return (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
}

/* GPT-2's table: printable bytes stand for themselves, the others for U+0100, U+0101, ... in order. */
int bpe_byte_symbol(int byte, char out[16])
{
    int others = 0;
    for (int before = 0; before < byte; before++)
        others += !bpe_byte_is_printable(before);
    const int n = unicode_put(bpe_byte_is_printable(byte) ? byte : 256 + others, out);
    out[n] = '\0';
    return n;
}

static void find_bytes(struct bpe_merges *m, const struct vocabulary *v)
{
    for (int byte = 0; byte < 256; byte++) {
        char symbol[16];
        int n = bpe_byte_symbol(byte, symbol);
        m->bytes[byte][0] = find_id(v, symbol);
        memcpy(symbol + n, WORD_END, sizeof WORD_END);
        m->bytes[byte][1] = find_id(v, symbol);
    }
}

/* ---- opening ---- */

static wn_status find_special(const struct vocabulary *v, const char *name, int32_t fallback, int32_t *id,
                              wn_error *err)
{
    *id = name ? find_id(v, name) : -1;
    if (*id < 0)
        *id = fallback;
    return *id >= 0 ? WN_OK : wn_fail(err, WN_E_FORMAT, "%s: token '%s' is not in the vocabulary", v->file, name);
}

/* merges_file is NULL when the merges are in `list`. */
static wn_status build(struct bpe_merges *m, const char *file, const cJSON *object, const char *merges_file,
                       const cJSON *list, const struct bpe_specials *s, wn_error *err)
{
    struct vocabulary v = { .file = file };
    if (!cJSON_IsObject(object))
        return wn_fail(err, WN_E_FORMAT, "%s: has no object of tokens", file);
    wn_status status = index_vocabulary(&v, object, err);
    if (status == WN_OK)
        status = merges_file ? open_merges(merges_file, m, &v, err) : add_json_merges(list, m, &v, err);
    if (status == WN_OK)
        status = find_special(&v, s->start, -1, &m->start, err);
    if (status == WN_OK)
        status = find_special(&v, s->end, -1, &m->end, err);
    if (status == WN_OK)
        status = find_special(&v, s->pad, m->end, &m->pad, err);
    if (status == WN_OK)
        status = find_special(&v, s->unknown, m->end, &m->unknown, err);
    if (status == WN_OK)
        find_bytes(m, &v);
    free(v.slots);
    return status;
}

wn_status bpe_merges_build(struct bpe_merges *m, const char *file, const cJSON *vocabulary, const cJSON *merges,
                           const struct bpe_specials *specials, wn_error *err)
{
    memset(m, 0, sizeof *m);
    return build(m, file, vocabulary, NULL, merges, specials, err);
}

static wn_status open_pair(const char *vocab, const char *merges, struct bpe_merges *m, const struct bpe_specials *s,
                           nn_files *files, wn_error *err)
{
    cJSON *root;
    WN_TRY(nn_json_read(vocab, &root, err));
    wn_status status = build(m, vocab, root, merges, NULL, s, err);
    cJSON_Delete(root);
    WN_TRY(status);
    WN_TRY(nn_files_add(files, vocab, "", err));
    return nn_files_add(files, merges, "", err);
}

static wn_status open_one(const char *file, struct bpe_merges *m, const struct bpe_specials *s, nn_files *files,
                          wn_error *err)
{
    cJSON *root;
    WN_TRY(nn_json_read(file, &root, err));
    const cJSON *model = cJSON_GetObjectItemCaseSensitive(root, "model");
    const cJSON *object = cJSON_GetObjectItemCaseSensitive(model, "vocab");
    const cJSON *list = cJSON_GetObjectItemCaseSensitive(model, "merges");
    wn_status status = build(m, file, object, NULL, list, s, err);
    cJSON_Delete(root);
    return status == WN_OK ? nn_files_add(files, file, "", err) : status;
}

wn_status bpe_merges_open(const char *folder, const struct bpe_specials *specials, struct bpe_merges *m,
                          nn_files *files, wn_error *err)
{
    char *vocab = NULL, *merges = NULL, *one = NULL;
    wn_status status;
    memset(m, 0, sizeof *m);
    if (asprintf(&vocab, "%s/vocab.json", folder) < 0 || asprintf(&merges, "%s/merges.txt", folder) < 0 ||
        asprintf(&one, "%s/tokenizer.json", folder) < 0)
        status = wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    else if (access(vocab, F_OK) == 0)
        status = open_pair(vocab, merges, m, specials, files, err);
    else if (access(one, F_OK) == 0)
        status = open_one(one, m, specials, files, err);
    else
        status = wn_fail(err, WN_E_MISSING, "%s: holds no tokenizer: looked for vocab.json and tokenizer.json", folder);
    free(vocab);
    free(merges);
    free(one);
    return status;
}

void bpe_merges_finish(struct bpe_merges *m)
{
    free(m->slots);
}
