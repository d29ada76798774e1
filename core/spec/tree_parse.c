/* tree_parse.c - reads strict JSON into a tree.
 *
 * Written by hand because the specs' promises need what general readers do not keep: the position of every value, the
 * text of every number, and refusal of what RFC 8259 leaves open (duplicate keys) or others accept (control characters,
 * leading zeros, trailing garbage, bad UTF-8). Recursive descent; depth is limited before the stack is.
 */
#include "spec/tree.h"

#include "base/utf8.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_KEYS = 4096 }; /* each is compared with all before it */

struct reader {
    struct arena *arena;
    const char *source;
    const char *at;
    const char *end;
    const char *line_start;
    const char *mark; /* column_of counts on from here: one pass over the text in all */
    uint32_t mark_column;
    uint32_t line;
    uint32_t depth;
    struct tree_fault *fault;
};

static struct tree_node *read_value(struct reader *r);

/* Columns count characters, as editors do. */
static uint32_t column_of(struct reader *r, const char *at)
{
    if (r->mark < r->line_start || r->mark > at) {
        r->mark = r->line_start;
        r->mark_column = 1;
    }
    for (; r->mark < at; r->mark++)
        if (((unsigned char)*r->mark & 0xc0) != 0x80)
            r->mark_column++;
    return r->mark_column;
}

WN_PRINTF(3, 4) static bool fail_at(struct reader *r, const char *at, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(r->fault->what, sizeof r->fault->what, format, args);
    va_end(args);
    r->fault->line = r->line;
    r->fault->column = column_of(r, at);
    return false;
}

static void skip_blanks(struct reader *r)
{
    for (; r->at < r->end && strchr(" \t\r\n", *r->at) && *r->at; r->at++)
        if (*r->at == '\n') {
            r->line++;
            r->line_start = r->at + 1;
        }
}

static const char *describe_char(const struct reader *r, char text[16])
{
    if (r->at >= r->end)
        return "the end of the text";
    unsigned char c = (unsigned char)*r->at;
    uint64_t length = utf8_length(r->at, (uint64_t)(r->end - r->at));
    if (length && c >= 0x20)
        snprintf(text, 16, "'%.*s'", (int)length, r->at);
    else
        snprintf(text, 16, "byte 0x%02x", c);
    return text;
}

static bool fail_expected(struct reader *r, const char *expected)
{
    char text[16];
    return fail_at(r, r->at, "%s where %s is expected", describe_char(r, text), expected);
}

/* ---- numbers and words ---- */

static void skip_digits(struct reader *r)
{
    while (r->at < r->end && *r->at >= '0' && *r->at <= '9')
        r->at++;
}

static bool digits(struct reader *r)
{
    const char *start = r->at;
    skip_digits(r);
    return r->at > start || fail_expected(r, "a digit");
}

static bool take(struct reader *r, const char *any_of)
{
    if (r->at >= r->end || !*r->at || !strchr(any_of, *r->at))
        return false;
    r->at++;
    return true;
}

static bool scan_number(struct reader *r)
{
    take(r, "-");
    const char *start = r->at;
    if (!digits(r))
        return false;
    if (*start == '0' && r->at - start > 1)
        return fail_at(r, start, "a number with a leading zero; write it without");
    if (take(r, ".") && !digits(r))
        return false;
    if (take(r, "eE")) {
        take(r, "+-");
        return digits(r);
    }
    return true;
}

static bool read_number(struct reader *r, struct tree_node *node)
{
    const char *start = r->at;
    node->type = TREE_NUMBER;
    if (!scan_number(r))
        return false;
    if (r->at - start > 64)
        return fail_at(r, start, "a number of more than 64 characters");
    node->text = arena_copy(r->arena, start, (uint64_t)(r->at - start));
    return node->text || fail_at(r, start, "no memory");
}

static bool read_word(struct reader *r, struct tree_node *node)
{
    static const struct { const char *word; int32_t type; bool truth; } words[] = {
        { "null", TREE_NULL, false }, { "true", TREE_BOOL, true }, { "false", TREE_BOOL, false }
    };
    for (uint32_t i = 0; i < 3; i++) {
        uint64_t length = strlen(words[i].word);
        if ((uint64_t)(r->end - r->at) >= length && memcmp(r->at, words[i].word, length) == 0) {
            node->type = words[i].type;
            node->truth = words[i].truth;
            r->at += length;
            return true;
        }
    }
    return fail_expected(r, "a value");
}

/* ---- strings ---- */

static bool read_hex4(struct reader *r, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        char c = r->at < r->end ? *r->at : '\0';
        uint32_t digit;
        if (c >= '0' && c <= '9')
            digit = (uint32_t)(c - '0');
        else if ((c | 32) >= 'a' && (c | 32) <= 'f')
            digit = (uint32_t)((c | 32) - 'a' + 10);
        else
            return fail_expected(r, "a hexadecimal digit");
        *code = *code << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 63));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 63));
        *out++ = (char)(0x80 | (code >> 6 & 63));
        *out++ = (char)(0x80 | (code & 63));
    }
    return out;
}

/* After "\u". Characters above U+FFFF come as two escapes, a high and a low surrogate. */
static bool read_unicode(struct reader *r, char **out)
{
    const char *start = r->at - 2;
    uint32_t code, low;
    if (!read_hex4(r, &code))
        return false;
    if (code == 0)
        return fail_at(r, start, "an escaped NUL; texts cannot hold one");
    if (code >= 0xdc00 && code < 0xe000)
        return fail_at(r, start, "a low surrogate without its high one");
    if (code >= 0xd800 && code < 0xdc00) {
        if (r->end - r->at < 6 || r->at[0] != '\\' || r->at[1] != 'u')
            return fail_at(r, start, "a high surrogate without its low one");
        r->at += 2;
        if (!read_hex4(r, &low))
            return false;
        if (low < 0xdc00 || low >= 0xe000)
            return fail_at(r, start, "a high surrogate without its low one");
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    *out = put_utf8(*out, code);
    return true;
}

static bool read_escape(struct reader *r, char **out)
{
    static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
    r->at++;
    const char *found = r->at < r->end && *r->at ? strchr(letters, *r->at) : NULL;
    if (found) {
        *(*out)++ = values[found - letters];
        r->at++;
        return true;
    }
    if (r->at >= r->end || *r->at != 'u')
        return fail_expected(r, "one of \"\\/bfnrtu behind the backslash");
    r->at++;
    return read_unicode(r, out);
}

static bool read_characters(struct reader *r, char *out)
{
    while (r->at < r->end && *r->at != '"') {
        uint64_t length = utf8_length(r->at, (uint64_t)(r->end - r->at));
        if ((unsigned char)*r->at < 0x20)
            return fail_at(r, r->at, "control character 0x%02x in a string; write it as an escape",
                           (unsigned)(unsigned char)*r->at);
        if (!length)
            return fail_at(r, r->at, "byte 0x%02x is not UTF-8", (unsigned)(unsigned char)*r->at);
        if (*r->at == '\\') {
            if (!read_escape(r, &out))
                return false;
        } else {
            memcpy(out, r->at, length);
            out += length;
            r->at += length;
        }
    }
    return true;
}

/* A string's decoded text is never longer than its source, so its closing quote bounds the memory. */
static bool read_string(struct reader *r, const char **text)
{
    const char *start = r->at++, *close = r->at;
    while (close < r->end && *close != '"')
        close += *close == '\\' && close + 1 < r->end ? 2 : 1;
    char *out = arena_alloc(r->arena, (uint64_t)(close - start) + 1);
    if (!out)
        return fail_at(r, start, "no memory");
    *text = out;
    if (!read_characters(r, out))
        return false;
    if (r->at >= r->end)
        return fail_at(r, start, "a string that does not end");
    r->at++;
    return true;
}

/* ---- lists and objects ---- */

static bool read_item(struct reader *r, struct tree_node *list)
{
    struct tree_node *item = read_value(r);
    return item && tree_put(list, NULL, item);
}

static bool read_member(struct reader *r, struct tree_node *object)
{
    const char *start = r->at, *key;
    if (r->at >= r->end || *r->at != '"')
        return fail_expected(r, "a key in double quotes");
    if (!read_string(r, &key))
        return false;
    if (object->count == MAX_KEYS)
        return fail_at(r, start, "an object of more than %d keys", MAX_KEYS);
    struct tree_node *first = tree_get(object, key);
    if (first)
        return fail_at(r, start, "key \"%.60s\" stands here twice, first on line %u; remove one", key, first->line);
    skip_blanks(r);
    if (!take(r, ":"))
        return fail_expected(r, "':'");
    skip_blanks(r);
    struct tree_node *value = read_value(r);
    return value && tree_put(object, key, value);
}

static bool read_children(struct reader *r, struct tree_node *node)
{
    const char *close = node->type == TREE_OBJECT ? "}" : "]";
    r->at++;
    skip_blanks(r);
    if (take(r, close))
        return true;
    for (;;) {
        if (!(node->type == TREE_OBJECT ? read_member(r, node) : read_item(r, node)))
            return false;
        skip_blanks(r);
        if (take(r, close))
            return true;
        if (!take(r, ","))
            return fail_expected(r, node->type == TREE_OBJECT ? "',' or '}'" : "',' or ']'");
        skip_blanks(r);
    }
}

static bool read_container(struct reader *r, struct tree_node *node)
{
    node->type = *r->at == '{' ? TREE_OBJECT : TREE_ARRAY;
    if (r->depth == TREE_MAX_DEPTH)
        return fail_at(r, r->at, "lists and objects nested more than %d deep", TREE_MAX_DEPTH);
    r->depth++;
    bool fine = read_children(r, node);
    r->depth--;
    return fine;
}

static struct tree_node *read_value(struct reader *r)
{
    struct tree_node *node = tree_new(r->arena, TREE_NULL);
    if (!node) {
        fail_at(r, r->at, "no memory");
        return NULL;
    }
    node->source = r->source;
    node->line = r->line;
    node->column = column_of(r, r->at);
    char c = r->at < r->end ? *r->at : '\0';
    bool fine;
    if (c == '{' || c == '[') {
        fine = read_container(r, node);
    } else if (c == '"') {
        node->type = TREE_STRING;
        fine = read_string(r, &node->text);
    } else if (c == '-' || (c >= '0' && c <= '9')) {
        fine = read_number(r, node);
    } else {
        fine = read_word(r, node);
    }
    return fine ? node : NULL;
}

struct tree_node *tree_parse(struct arena *a, const char *source, const char *text, uint64_t bytes,
                             struct tree_fault *fault)
{
    struct reader r = { a, source, text, text + bytes, text, text, 1, 1, 0, fault };
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        fail_at(&r, text, "a byte order mark; save the file as UTF-8 without one");
        return NULL;
    }
    skip_blanks(&r);
    struct tree_node *root = read_value(&r);
    if (!root)
        return NULL;
    skip_blanks(&r);
    if (r.at < r.end) {
        fail_expected(&r, "the end of the text");
        return NULL;
    }
    return root;
}
