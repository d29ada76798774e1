/* options.c - one row, one value: parse, check, store; and back again.
 *
 * Values come as tree nodes; a fallback is JSON text and takes the same way, so a default is checked like a user's
 * value.
 */
#include "plugin/options.h"

#include "base/suggest.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What one value meets on its way; what[] is the complaint. */
struct binding {
    const wn_option *row;
    const struct tree_node *value;
    char *dst;
    struct arena *arena;
    bool has_remedy; /* what[] ends in a "did you mean" */
    char what[600];
};

static const struct { const char *name; uint64_t bytes; const char *wanted; } types[] = {
    { "", 0, "" },
    { "bool", sizeof(int32_t), "true or false" },
    { "int", sizeof(int64_t), "a whole number" },
    { "u64", sizeof(uint64_t), "a whole number from 0 to 18446744073709551615" },
    { "number", sizeof(double), "a number" },
    { "string", sizeof(char *), "a string" },
    { "enum", sizeof(char *), "a string" },
    { "path", sizeof(char *), "a string" },
    { "json", sizeof(char *), "a JSON value" },
    { "searches", sizeof(void *), "a list of searches" },
};

static bool is_type(int32_t type)
{
    return type >= WN_OPTION_BOOL && type <= WN_OPTION_SEARCHES;
}

const char *options_type_name(int32_t type)
{
    return is_type(type) ? types[type].name : "?";
}

const char *options_range(const wn_option *option, char *text, uint64_t size)
{
    text[0] = '\0';
    if (option->type == WN_OPTION_ENUM) {
        snprintf(text, size, "%s", option->choices);
    } else if (option->type == WN_OPTION_INT || option->type == WN_OPTION_NUMBER) {
        char low[32] = "", high[32] = "";
        if (isfinite(option->minimum))
            json_format_number(low, option->minimum);
        if (isfinite(option->maximum))
            json_format_number(high, option->maximum);
        if (low[0] || high[0])
            snprintf(text, size, "%s..%s", low, high);
    }
    return text;
}

WN_PRINTF(2, 3) static bool complain(struct binding *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(b->what, sizeof b->what, format, args);
    va_end(args);
    return false;
}

static bool fail_type(struct binding *b)
{
    char show[64];
    return complain(b, "%s is not %s", tree_show(b->value, show), types[b->row->type].wanted);
}

static void store(struct binding *b, const void *value)
{
    memcpy(b->dst + b->row->offset, value, types[b->row->type].bytes);
}

static bool check_range(struct binding *b, double value)
{
    char range[80];
    if (value >= b->row->minimum && value <= b->row->maximum)
        return true;
    if (b->row->minimum >= b->row->maximum)
        return complain(b, "%s is not %g", b->value->text, b->row->minimum);
    return complain(b, "%s is outside %s", b->value->text, options_range(b->row, range, sizeof range));
}

static bool is_whole(const char *text)
{
    text += *text == '-';
    return *text && text[strspn(text, "0123456789")] == '\0';
}

static bool bind_int(struct binding *b)
{
    if (b->value->type != TREE_NUMBER || !is_whole(b->value->text))
        return fail_type(b);
    errno = 0;
    int64_t value = strtoll(b->value->text, NULL, 10);
    if (errno)
        return complain(b, "%s does not fit in 64 bits", b->value->text);
    if (!check_range(b, (double)value))
        return false;
    store(b, &value);
    return true;
}

static bool bind_u64(struct binding *b)
{
    if (b->value->type != TREE_NUMBER || !is_whole(b->value->text) || b->value->text[0] == '-')
        return fail_type(b);
    errno = 0;
    uint64_t value = strtoull(b->value->text, NULL, 10);
    if (errno)
        return complain(b, "%s does not fit in 64 bits", b->value->text);
    store(b, &value);
    return true;
}

static bool bind_number(struct binding *b)
{
    if (b->value->type != TREE_NUMBER)
        return fail_type(b);
    double value = strtod(b->value->text, NULL);
    if (!isfinite(value))
        return complain(b, "%s is too large for a double", b->value->text);
    if (!check_range(b, value))
        return false;
    store(b, &value);
    return true;
}

static bool bind_bool(struct binding *b)
{
    int32_t value = b->value->truth;
    if (b->value->type != TREE_BOOL)
        return fail_type(b);
    store(b, &value);
    return true;
}

static bool is_choice(const char *choices, const char *word)
{
    uint64_t length = strlen(word);
    for (const char *c = choices; c; c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL)
        if (strncmp(c, word, length) == 0 && (c[length] == '|' || c[length] == '\0'))
            return true;
    return false;
}

static bool store_text(struct binding *b, const char *text)
{
    const char *copy = arena_string(b->arena, text);
    if (!copy)
        return complain(b, "no memory");
    store(b, &copy);
    return true;
}

static bool bind_text(struct binding *b)
{
    if (b->value->type != TREE_STRING)
        return fail_type(b);
    const char *text = b->value->text;
    bool is_optional = b->row->fallback && strcmp(b->row->fallback, "\"\"") == 0;
    if (b->row->type == WN_OPTION_PATH && !*text && !is_optional)
        return complain(b, "an empty path; give a file, a folder or a model name");
    if (b->row->type == WN_OPTION_ENUM && !is_choice(b->row->choices, text)) {
        char show[64], hint[128];
        struct suggest s = suggest_begin(text);
        suggest_try_choices(&s, b->row->choices);
        b->has_remedy = s.best != NULL;
        return complain(b, "%s is not one of %s%s", tree_show(b->value, show), b->row->choices, suggest_text(&s, hint));
    }
    return store_text(b, text);
}

static bool bind_json(struct binding *b)
{
    struct buffer text = BUFFER_INIT(TREE_MAX_BYTES);
    struct json_text j = json_begin(&text, 0);
    tree_write(&j, b->value, false);
    bool fine = text.failed ? complain(b, "too long") : store_text(b, buffer_string(&text));
    buffer_free(&text);
    return fine;
}

static bool bind_value(struct binding *b)
{
    switch (b->row->type) {
    case WN_OPTION_BOOL:
        return bind_bool(b);
    case WN_OPTION_INT:
        return bind_int(b);
    case WN_OPTION_U64:
        return bind_u64(b);
    case WN_OPTION_NUMBER:
        return bind_number(b);
    case WN_OPTION_JSON:
        return bind_json(b);
    case WN_OPTION_SEARCHES: /* what is in the list is for those who know searches: spec/load_parts.c */
        return b->value->type == TREE_ARRAY ? true : fail_type(b);
    default:
        return bind_text(b);
    }
}

static bool bind_fallback(struct binding *b)
{
    struct tree_fault fault;
    b->value = tree_parse(b->arena, "fallback", b->row->fallback, strlen(b->row->fallback), &fault);
    if (!b->value)
        return complain(b, "column %u: %s", fault.column, fault.what);
    return bind_value(b);
}

static void bind_row(struct binding *b, const struct tree_node *at, const char *at_key, struct problems *problems)
{
    const wn_option *row = b->row;
    if (b->value) {
        if (!bind_value(b))
            problems_add(problems, WN_E_ARG, b->value, NULL, b->has_remedy ? "%s" : "%s; %s: %s", b->what, row->name,
                         row->help);
    } else if (row->fallback) {
        if (!bind_fallback(b))
            problems_add(problems, WN_E_INTERNAL, at, at_key, "default of \"%s\": %s", row->name, b->what);
    } else {
        problems_add(problems, WN_E_ARG, at, at_key, "\"%s\" is missing; add %s: %s", row->name,
                     types[row->type].wanted, row->help);
    }
}

void options_bind(const wn_option *table, const struct tree_node *object, const struct tree_node *at,
                  const char *at_key, void *dst, struct arena *arena, struct problems *problems)
{
    for (const wn_option *row = table; row && row->name; row++) {
        struct binding b = { .row = row, .value = tree_get(object, row->name), .dst = dst, .arena = arena };
        bind_row(&b, at, at_key, problems);
    }
}

static bool is_known(const char *key, const wn_option *const *tables, uint32_t table_count, const char *others)
{
    for (uint32_t t = 0; t < table_count; t++)
        for (const wn_option *row = tables[t]; row && row->name; row++)
            if (strcmp(row->name, key) == 0)
                return true;
    return others && is_choice(others, key);
}

static void report_unknown(const struct tree_node *node, const wn_option *const *tables, uint32_t table_count,
                           const char *others, struct problems *problems)
{
    struct suggest s = suggest_begin(node->key);
    struct buffer known = BUFFER_INIT(400);
    for (uint32_t t = 0; t < table_count; t++)
        for (const wn_option *row = tables[t]; row && row->name; row++) {
            suggest_try(&s, row->name);
            buffer_printf(&known, "%s%s", known.size ? ", " : "", row->name);
        }
    suggest_try_choices(&s, others);
    for (const char *c = others; c && *c; c += strcspn(c, "|"), c += *c == '|')
        buffer_printf(&known, "%s%.*s", known.size ? ", " : "", (int)strcspn(c, "|"), c);
    char hint[128];
    if (s.best)
        problems_add(problems, WN_E_ARG, node, NULL, "unknown key%s", suggest_text(&s, hint));
    else if (known.size)
        problems_add(problems, WN_E_ARG, node, NULL, "unknown key; known here: %s%s", buffer_string(&known),
                     known.failed ? ", ..." : "");
    else
        problems_add(problems, WN_E_ARG, node, NULL, "unknown key; there are none here: remove it");
    buffer_free(&known);
}

void options_check_keys(const struct tree_node *object, const wn_option *const *tables, uint32_t table_count,
                        const char *others, struct problems *problems)
{
    for (const struct tree_node *n = object && object->type == TREE_OBJECT ? object->child : NULL; n; n = n->next)
        if (!is_known(n->key, tables, table_count, others))
            report_unknown(n, tables, table_count, others, problems);
}

/* ---- back to JSON ---- */

static struct tree_node *number_node(struct arena *arena, const wn_option *row, const char *src)
{
    char text[32];
    int64_t whole;
    double number;
    memcpy(&whole, src, sizeof whole);
    memcpy(&number, src, sizeof number);
    if (row->type == WN_OPTION_NUMBER)
        json_format_number(text, number);
    else if (row->type == WN_OPTION_INT)
        snprintf(text, sizeof text, "%" PRId64, whole);
    else
        snprintf(text, sizeof text, "%" PRIu64, (uint64_t)whole);
    return tree_new_number(arena, text);
}

static struct tree_node *value_node(struct arena *arena, const wn_option *row, const char *src)
{
    struct tree_fault fault;
    int32_t truth;
    const char *text;
    switch (row->type) {
    case WN_OPTION_BOOL:
        memcpy(&truth, src, sizeof truth);
        return tree_new_bool(arena, truth != 0);
    case WN_OPTION_INT:
    case WN_OPTION_U64:
    case WN_OPTION_NUMBER:
        return number_node(arena, row, src);
    case WN_OPTION_JSON:
        memcpy(&text, src, sizeof text);
        return tree_parse(arena, "", text, strlen(text), &fault);
    default:
        memcpy(&text, src, sizeof text);
        return tree_new_string(arena, text);
    }
}

bool options_write(const wn_option *table, const void *src, struct tree_node *object, struct arena *arena)
{
    for (const wn_option *row = table; row && row->name; row++)
        if (row->type != WN_OPTION_SEARCHES &&
            !tree_put(object, row->name, value_node(arena, row, (const char *)src + row->offset)))
            return false;
    return true;
}

/* ---- a table's own mistakes ---- */

static wn_status check_row(const wn_option *table, const wn_option *row, uint64_t options_size, wn_error *err)
{
    if (!is_type(row->type))
        return wn_fail(err, WN_E_FORMAT, "option \"%s\" has unknown type %d", row->name, row->type);
    if (row->offset > options_size || types[row->type].bytes > options_size - row->offset)
        return wn_fail(err, WN_E_FORMAT, "option \"%s\" at offset %u lies outside the struct of %llu bytes", row->name,
                       row->offset, (unsigned long long)options_size);
    for (const wn_option *other = table; other < row; other++)
        if (strcmp(other->name, row->name) == 0)
            return wn_fail(err, WN_E_FORMAT, "option \"%s\" stands in the table twice", row->name);
    if (row->type == WN_OPTION_ENUM && (!row->choices || !*row->choices))
        return wn_fail(err, WN_E_FORMAT, "option \"%s\" is an enum without choices", row->name);
    if (row->type == WN_OPTION_SEARCHES && row->fallback)
        return wn_fail(err, WN_E_FORMAT, "option \"%s\" is a list of searches, which can have no default", row->name);
    if (!row->help || !*row->help)
        return wn_fail(err, WN_E_FORMAT, "option \"%s\" has no help", row->name);
    return WN_OK;
}

static wn_status check_fallback(const wn_option *row, void *scratch, wn_error *err)
{
    struct binding b = { .row = row, .dst = scratch, .arena = arena_create() };
    if (!b.arena)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    bool fine = bind_fallback(&b);
    arena_destroy(b.arena);
    return fine ? WN_OK : wn_fail(err, WN_E_FORMAT, "option \"%s\" has a bad default: %s", row->name, b.what);
}

wn_status options_check_table(const wn_option *table, uint64_t options_size, wn_error *err)
{
    if (options_size > 1 << 20)
        return wn_fail(err, WN_E_FORMAT, "an options struct of %llu bytes; the limit is 1 MiB",
                       (unsigned long long)options_size);
    void *scratch = calloc(1, options_size + 1);
    if (!scratch)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    wn_status status = WN_OK;
    for (const wn_option *row = table; !status && row && row->name; row++) {
        status = check_row(table, row, options_size, err);
        if (!status && row->fallback)
            status = check_fallback(row, scratch, err);
    }
    free(scratch);
    return status;
}
