/* prompts.c - .jsonl, .csv, .txt or a list in the spec, all to the same records.
 *
 * A record is a JSON object whose "prompt" is the text; "id" and "category" are read too, everything else is passed on
 * to verifiers as it is. Prompts without an id are p0001, p0002, ... by their place in the file, so that taking fewer
 * does not rename them. A CSV file's first line names its columns; those of published files are spelled "Prompt" or
 * "Prompts" and "Category", which is understood, and categories lose the blanks around them. Every mistake names its
 * line.
 */
#include "spec/prompts.h"

#include "base/sha256.h"
#include "base/utf8.h"
#include "plugin/instance.h"
#include "plugin/options.h"
#include "spec/csv.h"
#include "spec/shape.h"
#include "spec/source.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MAX_PROMPTS = 1000000, MAX_FILE_BYTES = 256 << 20, MAX_LINE_BYTES = 1 << 20 };

struct reading {
    struct loader *l;
    const struct tree_node *ids; /* only these, or NULL */
    uint64_t limit;              /* 0 = all */
    uint64_t seen;               /* records so far, taken or not */
    uint64_t capacity;
};

static bool is_good_id(const char *id)
{
    uint64_t length = strlen(id);
    return length >= 1 && length <= 64 && strspn(id, "abcdefghijklmnopqrstuvwxyz0123456789._-") == length &&
           id[0] != '.';
}

static bool is_wanted(const struct reading *r, const char *id)
{
    if (!r->ids)
        return true;
    for (const struct tree_node *n = r->ids->child; n; n = n->next)
        if (n->type == TREE_STRING && strcmp(n->text, id) == 0)
            return true;
    return false;
}

static bool is_full(const struct reading *r)
{
    return r->limit && r->l->spec->prompt_count >= r->limit;
}

static wn_prompt *next_prompt(struct reading *r)
{
    struct spec *s = r->l->spec;
    if (s->prompt_count == r->capacity) {
        uint64_t capacity = r->capacity ? 2 * r->capacity : 64;
        wn_prompt *grown = load_memory(r->l, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        if (s->prompt_count)
            memcpy(grown, s->prompts, s->prompt_count * sizeof *grown);
        s->prompts = grown;
        r->capacity = capacity;
    }
    return &s->prompts[s->prompt_count];
}

static void take(struct reading *r, const char *text, const char *id, const char *category, const char *json)
{
    if (!is_wanted(r, id) || is_full(r))
        return;
    wn_prompt *p = next_prompt(r);
    if (!p)
        return;
    p->text = arena_string(r->l->arena, text);
    p->id = arena_string(r->l->arena, id);
    p->category = arena_string(r->l->arena, category);
    p->json = arena_string(r->l->arena, json);
    if (p->text && p->id && p->category && p->json)
        r->l->spec->prompt_count++;
    else
        problems_add_line(&r->l->problems, WN_E_MEMORY, "prompts: no memory");
}

/* A string member of a record, or fallback; NULL, reported, when it is something else. Numbers may be ids. */
static const char *member_text(struct reading *r, const struct tree_node *record, const char *key, const char *fallback)
{
    char show[64];
    const struct tree_node *n = tree_get(record, key);
    if (!n)
        return fallback;
    if (n->type == TREE_STRING || (n->type == TREE_NUMBER && strcmp(key, "id") == 0))
        return n->text;
    problems_add(&r->l->problems, WN_E_ARG, n, NULL, "%s is not a string", tree_show(n, show));
    return NULL;
}

static void read_record(struct reading *r, const struct tree_node *record, const char *json)
{
    struct problems *problems = &r->l->problems;
    char numbered[24];
    snprintf(numbered, sizeof numbered, "p%04llu", (unsigned long long)++r->seen);
    if (record->type != TREE_OBJECT) {
        problems_add(problems, WN_E_ARG, record, NULL, "%s where an object {\"prompt\": ...} is expected",
                     tree_type_name(record->type));
        return;
    }
    const char *text = member_text(r, record, "prompt", ""), *id = member_text(r, record, "id", numbered),
               *category = member_text(r, record, "category", "");
    if (!text || !id || !category)
        return;
    if (!*text)
        problems_add(problems, WN_E_ARG, record, NULL, "\"prompt\" is missing or empty; give every record one");
    else if (!is_good_id(id))
        problems_add(problems, WN_E_ARG, tree_get(record, "id"), NULL,
                     "\"%.80s\" is not of the form [a-z0-9._-]{1,64}, which names files", id);
    else
        take(r, text, id, category, json);
}

static void write_json(struct buffer *out, const struct tree_node *node)
{
    struct json_text j = json_begin(out, 0);
    buffer_clear(out);
    tree_write(&j, node, false);
}

/* ---- files of lines ---- */

static void read_jsonl_line(struct reading *r, struct arena *scratch, const char *path, uint32_t line, const char *text,
                            uint64_t bytes)
{
    struct tree_fault fault = { .column = 1, .what = "no memory" };
    struct tree_node *record = tree_parse(scratch, path, text, bytes, &fault);
    const char *json = arena_copy(scratch, text, bytes);
    if (!record || !json) {
        problems_add_line(&r->l->problems, WN_E_ARG, "%s:%u:%u: /: not JSON: %s", path, line, fault.column, fault.what);
        return;
    }
    record->line = line;
    for (struct tree_node *n = record->child; n; n = n->next)
        n->line = line;
    read_record(r, record, json);
}

/* What JSON's reader would refuse, found in plain text; a tab may stand there. False, with *fault filled. */
static bool check_text(const char *text, uint64_t bytes, struct tree_fault *fault)
{
    fault->column = 1;
    if (bytes >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        snprintf(fault->what, sizeof fault->what, "a byte order mark; save the file as UTF-8 without one");
        return false;
    }
    for (uint64_t i = 0, length; i < bytes; i += length, fault->column++) {
        unsigned byte = (unsigned char)text[i];
        length = utf8_length(text + i, bytes - i);
        if (length && (byte >= 0x20 || byte == '\t'))
            continue;
        snprintf(fault->what, sizeof fault->what,
                 length ? "control character 0x%02x" : "byte 0x%02x is not UTF-8", byte);
        return false;
    }
    return true;
}

static void read_txt_line(struct reading *r, struct arena *scratch, const char *path, uint32_t line, const char *text,
                          uint64_t bytes)
{
    struct tree_fault fault;
    struct tree_node *record = tree_new(scratch, TREE_OBJECT);
    const char *copy = arena_copy(scratch, text, bytes);
    struct buffer json = BUFFER_INIT(2 * MAX_LINE_BYTES);
    if (!check_text(text, bytes, &fault)) {
        problems_add_line(&r->l->problems, WN_E_ARG, "%s:%u:%u: /: not a prompt: %s", path, line, fault.column,
                          fault.what);
        return;
    }
    if (record && copy && tree_put(record, "prompt", tree_new_string(scratch, copy))) {
        record->source = path;
        record->line = line;
        record->column = 1;
        write_json(&json, record);
        read_record(r, record, buffer_string(&json));
    }
    buffer_free(&json);
}

static void read_line(struct reading *r, bool is_jsonl, const char *path, uint32_t line, const char *text,
                      uint64_t bytes)
{
    struct arena *scratch = arena_create();
    if (bytes > MAX_LINE_BYTES)
        problems_add_line(&r->l->problems, WN_E_ARG, "%s:%u:1: a line of more than %d bytes", path, line,
                          MAX_LINE_BYTES);
    else if (!scratch)
        problems_add_line(&r->l->problems, WN_E_MEMORY, "prompts: no memory");
    else if (is_jsonl)
        read_jsonl_line(r, scratch, path, line, text, bytes);
    else
        read_txt_line(r, scratch, path, line, text, bytes);
    arena_destroy(scratch);
}

static bool ends_in(const char *path, const char *extension)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, extension) == 0;
}

static bool is_blank(const char *text, uint64_t bytes)
{
    return strspn(text, " \t\r\n") >= bytes;
}

static void read_lines(struct reading *r, const char *path, const struct buffer *content)
{
    const char *at = buffer_string(content), *end = at + content->size;
    bool is_jsonl = ends_in(path, ".jsonl");
    for (uint32_t line = 1; at < end && !is_full(r) && r->l->problems.count < PROBLEMS_MAX; line++) {
        const char *stop = memchr(at, '\n', (uint64_t)(end - at));
        uint64_t bytes = (uint64_t)((stop ? stop : end) - at), trimmed = bytes;
        if (trimmed && at[trimmed - 1] == '\r')
            trimmed--;
        if (!is_blank(at, trimmed))
            read_line(r, is_jsonl, path, line, at, trimmed);
        at += bytes + (stop != NULL);
    }
}

/* ---- CSV ---- */

/* What a column is called in a record: the columns that are read have one name, others keep theirs. */
static const char *column_key(const char *name)
{
    static const char *const known[][2] = {
        { "prompt", "prompt" }, { "prompts", "prompt" }, { "category", "category" }, { "id", "id" }
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcasecmp(name, known[i][0]) == 0)
            return known[i][1];
    return name;
}

static char *trim(char *text)
{
    uint64_t length = strlen(text);
    while (length && strchr(" \t", text[length - 1]))
        text[--length] = '\0';
    return text + strspn(text, " \t");
}

/* The header's fields become keys. False, reported, when they will not do. */
static bool read_header(struct reading *r, const char *path, struct csv_record *header)
{
    bool has_prompt = false;
    for (uint32_t i = 0; i < header->count; i++) {
        header->fields[i] = column_key(trim((char *)(uintptr_t)header->fields[i]));
        has_prompt = has_prompt || strcmp(header->fields[i], "prompt") == 0;
        for (uint32_t j = 0; j < i; j++)
            if (strcmp(header->fields[i], header->fields[j]) == 0) {
                problems_add_line(&r->l->problems, WN_E_ARG, "%s:%u:1: /: two columns are \"%.80s\"; rename one", path,
                                  header->line, header->fields[i]);
                return false;
            }
    }
    if (!has_prompt)
        problems_add_line(&r->l->problems, WN_E_ARG,
                          "%s:%u:1: /: no column is called \"prompt\"; the first line must name the columns", path,
                          header->line);
    return has_prompt;
}

/* A member that stands where its record does. */
static bool put_member(struct tree_node *record, const char *key, struct tree_node *value)
{
    if (!value || !tree_put(record, key, value))
        return false;
    value->source = record->source;
    value->line = record->line;
    value->column = record->column;
    return true;
}

static void read_row(struct reading *r, struct arena *scratch, const char *path, const struct csv_record *header,
                     const struct csv_record *row)
{
    struct buffer json = BUFFER_INIT(2 * CSV_MAX_FIELDS * (uint64_t)CSV_MAX_RECORD_BYTES);
    struct tree_node *record = tree_new(scratch, TREE_OBJECT);
    bool is_made = record != NULL;
    if (is_made)
        *record = (struct tree_node){ .type = TREE_OBJECT, .source = path, .line = row->line, .column = 1 };
    if (row->count != header->count) {
        problems_add_line(&r->l->problems, WN_E_ARG, "%s:%u:1: /: %u fields, the header has %u", path, row->line,
                          row->count, header->count);
        return;
    }
    for (uint32_t i = 0; i < row->count && is_made; i++) {
        char *field = (char *)(uintptr_t)row->fields[i];
        const char *text = strcmp(header->fields[i], "category") == 0 ? trim(field) : field;
        is_made = put_member(record, header->fields[i], tree_new_string(scratch, text));
    }
    if (is_made) {
        write_json(&json, record);
        read_record(r, record, buffer_string(&json));
    } else {
        problems_add_line(&r->l->problems, WN_E_MEMORY, "prompts: no memory");
    }
    buffer_free(&json);
}

static void read_csv(struct reading *r, const char *path, const struct buffer *content)
{
    struct csv c;
    struct csv_record header = { .count = 0 }, row;
    csv_begin(&c, buffer_string(content), content->size);
    bool goes_on = csv_next(&c, r->l->arena, &header) && read_header(r, path, &header);
    while (goes_on && !is_full(r) && r->l->problems.count < PROBLEMS_MAX) {
        struct arena *scratch = arena_create();
        goes_on = scratch && csv_next(&c, scratch, &row);
        if (goes_on)
            read_row(r, scratch, path, &header, &row);
        else if (!scratch)
            problems_add_line(&r->l->problems, WN_E_MEMORY, "prompts: no memory");
        arena_destroy(scratch);
    }
    if (*c.fault.what)
        problems_add_line(&r->l->problems, WN_E_ARG, "%s:%u:%u: /: not CSV: %s", path, c.fault.line, c.fault.column,
                          c.fault.what);
}

/* ---- any file ---- */

static bool is_text_file(const char *path)
{
    return ends_in(path, ".jsonl") || ends_in(path, ".csv") || ends_in(path, ".txt");
}

static void read_file(struct reading *r, const struct tree_node *name, const char *wanted_sha256,
                      struct tree_node *resolved)
{
    struct loader *l = r->l;
    wn_error err = { 0 };
    char path[PATH_MAX], hex[65];
    struct buffer content = BUFFER_INIT(MAX_FILE_BYTES);
    const char *directory = name->line ? source_directory(l->arena, name->source) : l->spec->directory;
    wn_status status = resolve_name(directory ? directory : ".", name->text, path, sizeof path, &err);
    if (!status && !is_text_file(path))
        status = wn_fail(&err, WN_E_ARG, "%s ends neither in .jsonl, .csv nor in .txt", name->text);
    if (!status)
        status = buffer_read_file(&content, path, &err);
    if (status) {
        problems_add(&l->problems, status == WN_E_MISSING ? WN_E_ARG : status, name, NULL, "%s", err.message);
    } else {
        sha256_of(buffer_string(&content), content.size, hex);
        if (*wanted_sha256 && strcmp(wanted_sha256, hex) != 0)
            problems_add(&l->problems, WN_E_ARG, name, NULL,
                         "%s has SHA-256 %s, the spec asks for %.64s; it was changed", path, hex, wanted_sha256);
        tree_put(resolved, "sha256", tree_new_string(l->arena, hex));
        l->spec->prompts_path = arena_string(l->arena, path);
        (ends_in(path, ".csv") ? read_csv : read_lines)(r, path, &content);
    }
    buffer_free(&content);
}

/* ---- the list in the spec ---- */

/* A string becomes the record {"prompt": string}, in the list's own tree. */
static struct tree_node *as_record(struct reading *r, struct tree_node *item)
{
    struct tree_node *record = item->type == TREE_STRING ? tree_new(r->l->arena, TREE_OBJECT) : NULL;
    if (!record)
        return item;
    record->source = item->source;
    record->line = item->line;
    record->column = item->column;
    tree_put(record, "prompt", tree_new_string(r->l->arena, item->text));
    tree_replace(item, record);
    return record;
}

static void read_list(struct reading *r, struct tree_node *list, struct tree_node *resolved)
{
    struct buffer json = BUFFER_INIT(2 * MAX_LINE_BYTES);
    for (struct tree_node *n = list->child; n; n = n->next) {
        const struct tree_node *record = as_record(r, n);
        write_json(&json, record);
        read_record(r, record, buffer_string(&json));
    }
    buffer_free(&json);
    tree_put(resolved, "list", tree_copy(r->l->arena, list));
}

/* ---- checks over all ---- */

static int compare_ids(const void *a, const void *b)
{
    return strcmp((*(const wn_prompt *const *)a)->id, (*(const wn_prompt *const *)b)->id);
}

static void check_unique(struct loader *l, const struct tree_node *object)
{
    uint32_t count = l->spec->prompt_count;
    const wn_prompt **sorted = load_memory(l, count + 1, sizeof *sorted);
    for (uint32_t i = 0; sorted && i < count; i++)
        sorted[i] = &l->spec->prompts[i];
    if (sorted)
        qsort(sorted, count, sizeof *sorted, compare_ids);
    for (uint32_t i = 1; sorted && i < count; i++)
        if (strcmp(sorted[i - 1]->id, sorted[i]->id) == 0)
            problems_add(&l->problems, WN_E_ARG, object, NULL, "two prompts have the id \"%s\"; ids must be unique",
                         sorted[i]->id);
}

static void check_ids(struct reading *r, const struct tree_node *object)
{
    for (const struct tree_node *n = r->ids ? r->ids->child : NULL; n; n = n->next) {
        char show[64];
        bool found = false;
        for (uint32_t i = 0; i < r->l->spec->prompt_count && n->type == TREE_STRING; i++)
            found = found || strcmp(r->l->spec->prompts[i].id, n->text) == 0;
        if (!found && !is_full(r))
            problems_add(&r->l->problems, WN_E_ARG, n, NULL, "no prompt has the id %s", tree_show(n, show));
    }
    if (!r->l->spec->prompt_count && !r->l->problems.count)
        problems_add(&r->l->problems, WN_E_ARG, object, NULL, "there is not one prompt; give \"file\" or \"list\"");
}

void prompts_load(struct loader *l, const struct tree_node *object, struct tree_node *resolved)
{
    const wn_option *table = shape_prompts_options;
    l->spec->prompts_path = "";
    options_check_keys(object, &table, 1, SHAPE_PROMPTS_KEYS, &l->problems);
    struct shape_prompts *shape = load_bind(l, table, sizeof *shape, object, object, NULL, resolved);
    const struct tree_node *file = tree_get(object, "file");
    struct tree_node *list = load_list(l, object, "list");
    if (!shape || !shape->file || !shape->sha256)
        return;
    struct reading r = { .l = l, .ids = load_list(l, object, "ids"), .limit = (uint64_t)shape->limit };
    if (r.ids)
        tree_put(resolved, "ids", tree_copy(l->arena, r.ids));
    if (list && file && *shape->file)
        problems_add(&l->problems, WN_E_ARG, object, NULL, "both \"file\" and \"list\" are given; remove one");
    else if (list)
        read_list(&r, list, resolved);
    else if (file && *shape->file)
        read_file(&r, file, shape->sha256, resolved);
    check_unique(l, object);
    check_ids(&r, object);
}
