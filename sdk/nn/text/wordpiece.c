/* wordpiece.c - BERT's tokenizer.
 *
 * Control characters and non-spacing marks (the accents of normal form D) go, white space separates words, and each
 * punctuation character and each CJK ideograph is a word of its own. A word in lower case becomes the longest piece of
 * the vocabulary that it begins with, then the longest "##" piece that the rest begins with, and so on; when nothing
 * fits, the whole word is [UNK].
 *
 * Easy to get wrong: vertical tab and form feed are control characters here, not space; all ASCII signs are
 * punctuation,
 * "$" and "^" too; a word of more than 100 characters is [UNK] without a look at the vocabulary; one bad end spoils all
 * pieces of a word. Unassigned characters stay, as in the fast tokenizer of transformers, whose lower case also maps a
 * final sigma like any other; its slow one differed in both.
 */
#include "wordpiece.h"

#include "../json.h"
#include "tokenizer_config.h"
#include "unicode.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define TEXT_MAX_BYTES 65536
#define VOCABULARY_MAX (1 << 24)
#define WORD_MAX_CHARS 100

struct token {
    const char *text; /* not terminated */
    uint32_t bytes;
    int32_t id;
};

enum special { UNKNOWN, START, END, PAD, MASK, SPECIALS };

static const char *const special_names[SPECIALS] = { "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]" };

struct nn_wordpiece {
    char *text;           /* the file */
    struct token *tokens; /* [count], sorted by their bytes */
    size_t count;
    uint32_t longest; /* bytes of the longest token */
    int32_t special[SPECIALS];
    nn_files files;
};

/* ---- vocabulary ---- */

static int by_bytes(const void *a, const void *b)
{
    const struct token *x = a, *y = b;
    const int order = memcmp(x->text, y->text, x->bytes < y->bytes ? x->bytes : y->bytes);
    return order ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static int32_t find(const nn_wordpiece *t, const char *text, size_t bytes)
{
    if (bytes > t->longest)
        return -1;
    const struct token key = { text, (uint32_t)bytes, 0 };
    const struct token *found = bsearch(&key, t->tokens, t->count, sizeof key, by_bytes);
    return found ? found->id : -1;
}

int64_t nn_wordpiece_id(const nn_wordpiece *t, const char *token)
{
    return find(t, token, strlen(token));
}

/* One token for each line of the text; a line break may be CR LF. */
static void split_lines(nn_wordpiece *t, size_t bytes)
{
    const char *at = t->text, *end = t->text + bytes;
    for (size_t i = 0; i < t->count; i++) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t n = (size_t)((line_end ? line_end : end) - at);
        const char *next = at + n + 1;
        n -= n && at[n - 1] == '\r';
        t->tokens[i] = (struct token){ at, (uint32_t)n, (int32_t)i };
        t->longest = n > t->longest ? (uint32_t)n : t->longest;
        at = next;
    }
}

static size_t count_lines(const char *text, size_t bytes)
{
    size_t n = bytes > 0 && text[bytes - 1] != '\n';
    for (size_t i = 0; i < bytes; i++)
        n += text[i] == '\n';
    return n;
}

static wn_status index_tokens(nn_wordpiece *t, const char *path, size_t bytes, wn_error *err)
{
    t->count = count_lines(t->text, bytes);
    if (t->count > VOCABULARY_MAX)
        return wn_fail(err, WN_E_FORMAT, "%s: has %zu tokens, at most %d are read", path, t->count, VOCABULARY_MAX);
    t->tokens = malloc((t->count + 1) * sizeof *t->tokens);
    if (!t->tokens)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %zu tokens", path, t->count);
    split_lines(t, bytes);
    qsort(t->tokens, t->count, sizeof *t->tokens, by_bytes);
    for (size_t i = 1; i < t->count; i++)
        if (by_bytes(&t->tokens[i - 1], &t->tokens[i]) == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: token '%.*s' stands twice, in lines %d and %d", path,
                           t->tokens[i].bytes > 100 ? 100 : (int)t->tokens[i].bytes, t->tokens[i].text,
                           t->tokens[i - 1].id + 1, t->tokens[i].id + 1);
    return WN_OK;
}

static wn_status find_specials(nn_wordpiece *t, const char *path, wn_error *err)
{
    for (int i = 0; i < SPECIALS; i++) {
        t->special[i] = find(t, special_names[i], strlen(special_names[i]));
        if (t->special[i] < 0 && i <= END)
            return wn_fail(err, WN_E_FORMAT, "%s: holds no line %s: is it a vocab.txt of BERT?", path,
                           special_names[i]);
    }
    return WN_OK;
}

static wn_status open_vocabulary(nn_wordpiece *t, const char *path, wn_error *err)
{
    size_t bytes;
    WN_TRY(nn_file_read(path, &t->text, &bytes, err));
    WN_TRY(index_tokens(t, path, bytes, err));
    WN_TRY(find_specials(t, path, err));
    return nn_files_add(&t->files, path, "", err);
}

/* ---- opening ---- */

static wn_status want_true(const nn_config *c, const char *key, wn_error *err)
{
    bool is_on = true;
    WN_TRY(nn_config_bool(c, key, true, &is_on, err));
    return is_on ? WN_OK
                 : wn_fail(err, WN_E_UNSUPPORTED, "%s: /%s is false, only uncased BERT vocabularies are read",
                           nn_config_file(c), key);
}

static wn_status check_config(nn_wordpiece *t, const char *folder, wn_error *err)
{
    static const char *const keys[] = { "do_lower_case", "strip_accents", "tokenize_chinese_chars",
                                        "do_basic_tokenize" };
    nn_config *c;
    WN_TRY(tokenizer_config_open(folder, &t->files, &c, err));
    wn_status status = WN_OK;
    for (size_t i = 0; c && status == WN_OK && i < sizeof keys / sizeof keys[0]; i++)
        status = want_true(c, keys[i], err);
    nn_config_close(c);
    return status;
}

static wn_status open_folder(nn_wordpiece *t, const char *folder, wn_error *err)
{
    char *path = NULL;
    WN_TRY(check_config(t, folder, err));
    if (asprintf(&path, "%s/vocab.txt", folder) < 0)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    const wn_status status = open_vocabulary(t, path, err);
    free(path);
    return status;
}

wn_status nn_wordpiece_open(const char *path, nn_wordpiece **out, wn_error *err)
{
    struct stat s;
    *out = NULL;
    nn_wordpiece *t = calloc(1, sizeof *t);
    if (!t)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
    const bool is_folder = stat(path, &s) == 0 && S_ISDIR(s.st_mode);
    const wn_status status = is_folder ? open_folder(t, path, err) : open_vocabulary(t, path, err);
    if (status != WN_OK) {
        nn_wordpiece_close(t);
        return status;
    }
    *out = t;
    return WN_OK;
}

void nn_wordpiece_close(nn_wordpiece *t)
{
    if (!t)
        return;
    nn_files_finish(&t->files);
    free(t->tokens);
    free(t->text);
    free(t);
}

const nn_files *nn_wordpiece_files(const nn_wordpiece *t)
{
    return &t->files;
}

/* ---- words ---- */

/* A text in the making of ids. */
struct encoder {
    const nn_wordpiece *t;
    int32_t *ids;
    uint32_t count;
    uint32_t capacity;
    bool is_cut;
    uint32_t chars;                    /* of the word so far; beyond WORD_MAX_CHARS they are only counted */
    uint32_t bytes;                    /* of the word so far */
    char word[2 + 4 * WORD_MAX_CHARS]; /* from [2] on: "##" is written over what stands before a rest */
};

static void put_id(struct encoder *e, int32_t id)
{
    if (e->count < e->capacity)
        e->ids[e->count++] = id;
    else
        e->is_cut = true;
}

/* The longest token that the word begins with from `start` on; its end goes to *end. -1: none. */
static int32_t longest_piece(struct encoder *e, uint32_t start, uint32_t *end)
{
    const uint32_t sign = start > 0 ? 2 : 0;
    char *from = e->word + 2 + start - sign;
    memcpy(from, "##", sign);
    uint32_t n = e->bytes - start + sign;
    for (n = n < e->t->longest ? n : e->t->longest; n > sign; n--) {
        const int32_t id = find(e->t, from, n);
        *end = start + n - sign;
        if (id >= 0)
            return id;
    }
    return -1;
}

static void end_word(struct encoder *e)
{
    int32_t pieces[4 * WORD_MAX_CHARS];
    uint32_t n = 0;
    bool is_known = e->chars <= WORD_MAX_CHARS;
    for (uint32_t start = 0, end = 0; is_known && start < e->bytes; start = end, n++) {
        pieces[n] = longest_piece(e, start, &end);
        is_known = pieces[n] >= 0;
    }
    if (!is_known) {
        pieces[0] = e->t->special[UNKNOWN];
        n = 1;
    }
    for (uint32_t i = 0; i < n; i++)
        put_id(e, pieces[i]);
    e->chars = e->bytes = 0;
}

static void add_char(struct encoder *e, int32_t point)
{
    int32_t lower[2];
    const int n = unicode_lower(point, lower);
    for (int i = 0; i < n; i++)
        if (e->chars++ < WORD_MAX_CHARS)
            e->bytes += (uint32_t)unicode_put(lower[i], e->word + 2 + e->bytes);
}

/* ---- text ---- */

static bool is_space(int32_t p)
{
    return p == ' ' || p == '\t' || p == '\n' || p == '\r' || (p > 0x85 && unicode_classify(p) == UNICODE_SPACE);
}

/* ASCII's symbols ($+<=>^`|~) count as punctuation, those of other blocks do not. */
static bool is_punctuation(int32_t p)
{
    return p < 0x80 ? unicode_classify(p) == UNICODE_OTHER && !unicode_is_control(p) : unicode_is_punctuation(p);
}

/* The blocks of CJK ideographs that BERT names; kana and hangul are not among them. */
static bool is_ideograph(int32_t p)
{
    static const int32_t blocks[][2] = { { 0x4e00, 0x9fff },   { 0x3400, 0x4dbf },   { 0x20000, 0x2a6df },
                                         { 0x2a700, 0x2b73f }, { 0x2b740, 0x2b81f }, { 0x2b820, 0x2ceaf },
                                         { 0xf900, 0xfaff },   { 0x2f800, 0x2fa1f } };
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        if (p >= blocks[i][0] && p <= blocks[i][1])
            return true;
    return false;
}

/* Points of the special token that stands at `points`, 0 if none does; its id goes to *id. */
static size_t special_at(const nn_wordpiece *t, const int32_t *points, size_t count, int32_t *id)
{
    for (int s = 0; s < SPECIALS && points[0] == '['; s++) {
        const size_t n = strlen(special_names[s]);
        size_t same = 0;
        while (same < n && same < count && points[same] == special_names[s][same])
            same++;
        *id = t->special[s];
        if (same == n && *id >= 0)
            return n;
    }
    return 0;
}

static void add_point(struct encoder *e, int32_t p)
{
    if (is_space(p)) {
        end_word(e);
    } else if (p == 0 || p == 0xfffd || unicode_is_control(p) || unicode_is_mark(p)) {
        return;
    } else if (is_punctuation(p) || is_ideograph(p)) {
        end_word(e);
        add_char(e, p);
        end_word(e);
    } else {
        add_char(e, p);
    }
}

static void encode_points(struct encoder *e, const int32_t *points, size_t count)
{
    for (size_t i = 0; i < count && !e->is_cut;) {
        int32_t id;
        const size_t n = special_at(e->t, points + i, count - i, &id);
        if (n) {
            end_word(e);
            put_id(e, id);
        } else {
            add_point(e, points[i]);
        }
        i += n ? n : 1;
    }
    end_word(e);
}

wn_status nn_wordpiece_encode(const nn_wordpiece *t, const char *text, uint32_t max_tokens, int32_t *ids,
                              uint32_t *count, bool *is_cut, wn_error *err)
{
    int32_t *points;
    size_t n = strlen(text);
    if (max_tokens < 2)
        return wn_fail(err, WN_E_ARG, "max_tokens %u has no room for [CLS] and [SEP]", max_tokens);
    if (n > TEXT_MAX_BYTES)
        return wn_fail(err, WN_E_ARG, "the text has %zu bytes, at most %d are tokenized", n, TEXT_MAX_BYTES);
    WN_TRY(unicode_decode_nfd(text, &points, &n, err));
    struct encoder e = { .t = t, .ids = ids + 1, .capacity = max_tokens - 2 };
    encode_points(&e, points, n);
    free(points);
    ids[0] = t->special[START];
    ids[1 + e.count] = t->special[END];
    *count = e.count + 2;
    *is_cut = e.is_cut;
    return WN_OK;
}
