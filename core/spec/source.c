/* source.c - a spec may stand on others, and a command line on a spec.
 *
 * "extends": "base.json" (or a list of files, later ones winning) may stand in any object that is not below "options".
 * The base comes first and the object's own members are laid over it: objects are merged, everything else replaces,
 * null removes (RFC 7396). One rule more: where "use" names another plugin than the base did, the base's "options" and
 * "inputs" are not taken, because they belong to that other plugin. Positions stay those of the file a value came from.
 *
 * {"include": "list.json"} in the place of a value, again not below "options", stands for what the file holds, be it an
 * object, a list or a number.
 */
#include "spec/source.h"

#include "base/buffer.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

/* The files being read, innermost first: a cycle shows as a name that is there already. */
struct chain {
    const struct chain *outer;
    const char *real_path;
    uint32_t depth;
};

struct source {
    struct arena *arena;
    struct problems *problems;
    uint32_t files;
};

static struct tree_node *load_file(struct source *s, const char *path, const struct tree_node *at,
                                   const struct chain *outer);

char *source_directory(struct arena *arena, const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return arena_string(arena, ".");
    return arena_copy(arena, path, slash == path ? 1 : (uint64_t)(slash - path));
}

/* ---- merging ---- */

static bool names_other_plugin(const struct tree_node *base, const struct tree_node *over)
{
    const struct tree_node *a = tree_get(base, "use"), *b = tree_get(over, "use");
    return a && b && a->type == TREE_STRING && b->type == TREE_STRING && strcmp(a->text, b->text) != 0;
}

static void remove_key(struct tree_node *object, const char *key)
{
    struct tree_node *member = tree_get(object, key);
    if (member)
        tree_remove(object, member);
}

/* Lays over's members on base's; over is used up. */
static void merge(struct tree_node *base, struct tree_node *over)
{
    if (names_other_plugin(base, over)) {
        remove_key(base, "options");
        remove_key(base, "inputs");
    }
    base->source = over->source;
    base->line = over->line;
    base->column = over->column;
    for (struct tree_node *n = over->child, *next; n; n = next) {
        next = n->next;
        struct tree_node *old = tree_get(base, n->key);
        if (n->type == TREE_NULL)
            remove_key(base, n->key);
        else if (old && old->type == TREE_OBJECT && n->type == TREE_OBJECT)
            merge(old, n);
        else
            tree_put(base, n->key, n);
    }
}

/* ---- extends ---- */

static struct tree_node *load_base(struct source *s, const struct tree_node *name, const struct chain *chain)
{
    if (name->type != TREE_STRING || !*name->text) {
        problems_add(s->problems, WN_E_ARG, name, NULL, "%s where a file name is expected",
                     tree_type_name(name->type));
        return NULL;
    }
    const char *path = name->text;
    if (path[0] != '/') {
        const char *directory = source_directory(s->arena, name->source);
        path = strcmp(directory, ".") == 0 ? path : arena_printf(s->arena, "%s/%s", directory, path);
    }
    return path ? load_file(s, path, name, chain) : NULL;
}

/* Moves what `from` holds into `to`, which keeps its place in the tree. */
static void move_members(struct tree_node *to, struct tree_node *from)
{
    to->child = from->child;
    to->last = from->last;
    to->count = from->count;
    for (struct tree_node *n = to->child; n; n = n->next)
        n->parent = to;
}

static void extend(struct source *s, struct tree_node *object, struct tree_node *extends, const struct chain *chain)
{
    struct tree_node *sum = tree_new(s->arena, TREE_OBJECT);
    const struct tree_node *name = extends->type == TREE_ARRAY ? extends->child : extends;
    tree_remove(object, extends);
    for (; name && sum; name = extends->type == TREE_ARRAY ? name->next : NULL) {
        struct tree_node *base = load_base(s, name, chain);
        if (base && base->type != TREE_OBJECT)
            problems_add(s->problems, WN_E_ARG, name, NULL, "%s is %s, not an object", name->text,
                         tree_type_name(base->type));
        else if (base)
            merge(sum, base);
    }
    if (!sum)
        return;
    merge(sum, object);
    move_members(object, sum);
}

/* ---- include ---- */

static void include(struct source *s, struct tree_node *node, const struct tree_node *name, const struct chain *chain)
{
    if (node->count > 1) {
        problems_add(s->problems, WN_E_ARG, name, NULL, "\"include\" stands alone in its object, which the file takes the "
                     "place of; to lay members over a file, use \"extends\"");
        return;
    }
    struct tree_node *value = load_base(s, name, chain);
    if (value)
        tree_replace(node, value);
}

static void expand(struct source *s, struct tree_node *node, const struct chain *chain)
{
    for (struct tree_node *n = node->child, *next; n; n = next) {
        const struct tree_node *name = tree_get(n, "include");
        next = n->next;
        if (n->key && strcmp(n->key, "options") == 0)
            continue;
        if (name)
            include(s, n, name, chain);
        else
            expand(s, n, chain);
    }
    struct tree_node *extends = tree_get(node, "extends");
    if (extends)
        extend(s, node, extends, chain);
}

/* ---- files ---- */

static struct tree_node *parse(struct source *s, const char *name, const char *text, uint64_t bytes)
{
    struct tree_fault fault;
    struct tree_node *root = tree_parse(s->arena, name, text, bytes, &fault);
    if (!root)
        problems_add_line(s->problems, WN_E_ARG, "%s:%u:%u: /: not JSON: %s", name, fault.line, fault.column,
                          fault.what);
    return root;
}

static bool check_chain(struct source *s, const char *real_path, const struct tree_node *at, const struct chain *outer)
{
    for (const struct chain *c = outer; c; c = c->outer)
        if (strcmp(c->real_path, real_path) == 0) {
            problems_add(s->problems, WN_E_ARG, at, NULL, "%s extends itself; break the circle", at->text);
            return false;
        }
    if (++s->files > SOURCE_MAX_FILES) {
        problems_add(s->problems, WN_E_ARG, at, NULL, "more than %d files are read for one spec", SOURCE_MAX_FILES);
        return false;
    }
    if (outer && outer->depth == SOURCE_MAX_EXTENDS) {
        problems_add(s->problems, WN_E_ARG, at, NULL, "more than %d files extend one another", SOURCE_MAX_EXTENDS);
        return false;
    }
    return true;
}

static char *read_text(struct source *s, const char *path, const struct tree_node *at)
{
    wn_error err;
    struct buffer text = BUFFER_INIT(TREE_MAX_BYTES);
    char *copy = NULL;
    wn_status status = buffer_read_file(&text, path, &err);
    /* A spec that cannot be read is a mistake of the command line, not of the machine: it counts as a wrong one. */
    wn_status code = status == WN_E_MEMORY ? status : WN_E_ARG;
    if (status && at)
        problems_add(s->problems, code, at, NULL, "%s", err.message);
    else if (status)
        problems_add_line(s->problems, code, "%s", err.message);
    else if (memchr(buffer_string(&text), '\0', text.size))
        problems_add_line(s->problems, WN_E_ARG, "%s: holds a NUL byte; it is not a text file", path);
    else if (!(copy = arena_copy(s->arena, buffer_string(&text), text.size)))
        problems_add_line(s->problems, WN_E_MEMORY, "%s: no memory", path);
    buffer_free(&text);
    return copy;
}

static struct tree_node *load_text(struct source *s, const char *path, const char *text, const struct tree_node *at,
                                   const struct chain *outer)
{
    char real[PATH_MAX];
    if (!realpath(path, real))
        snprintf(real, sizeof real, "%s", path);
    if (!check_chain(s, real, at, outer))
        return NULL;
    struct chain chain = { outer, real, outer ? outer->depth + 1 : 1 };
    struct tree_node *root = parse(s, path, text, strlen(text));
    if (root)
        expand(s, root, &chain);
    return root;
}

static struct tree_node *load_file(struct source *s, const char *path, const struct tree_node *at,
                                   const struct chain *outer)
{
    const char *text = read_text(s, path, at);
    return text ? load_text(s, path, text, at, outer) : NULL;
}

/* ---- --set ---- */

/* Reads the next step of "a.b[2].c" or "/a/b/2/c" into token; *index is -1 for a key. False at the end or a mistake. */
static bool next_step(const char **at, char token[128], int64_t *index)
{
    const char *p = *at;
    bool pointer = *p == '/', bracket = *p == '[';
    p += pointer || bracket || *p == '.';
    uint64_t length = strcspn(p, bracket ? "]" : pointer ? "/" : ".[");
    if (length == 0 || length >= 128 || (bracket && p[length] != ']'))
        return false;
    memcpy(token, p, length);
    token[length] = '\0';
    bool digits = token[strspn(token, "0123456789")] == '\0' && length < 9;
    *index = (bracket || pointer) && digits ? strtoll(token, NULL, 10) : -1;
    *at = p + length + bracket;
    return !bracket || digits;
}

static struct tree_node *item_at(const struct tree_node *list, int64_t index)
{
    struct tree_node *n = index < 0 ? NULL : list->child;
    while (n && index-- > 0)
        n = n->next;
    return n;
}

static struct tree_node *child_at(const struct tree_node *node, const char *token, int64_t index)
{
    return node->type == TREE_ARRAY ? item_at(node, index) : tree_get(node, token);
}

/* JSON when it is JSON; a text that begins like a list, an object or a string must be. */
static struct tree_node *parse_value(struct source *s, const char *name, const char *text)
{
    struct tree_fault fault;
    struct tree_node *value = tree_parse(s->arena, name, text, strlen(text), &fault);
    if (!value && *text && strchr("{[\"", *text)) {
        problems_add_line(s->problems, WN_E_ARG, "%s: column %u of the value: %s", name, fault.column, fault.what);
        return NULL;
    }
    if (!value && (value = tree_new_string(s->arena, text)))
        value->source = name;
    return value;
}

static void mark_source(struct tree_node *node, const char *name)
{
    node->source = name;
    node->line = 0;
    for (struct tree_node *n = node->child; n; n = n->next)
        mark_source(n, name);
}

static struct tree_node *descend(struct source *s, struct tree_node *node, const char *token, int64_t index,
                                 const char *name)
{
    struct tree_node *child = child_at(node, token, index);
    if (!child && node->type == TREE_OBJECT && (child = tree_new(s->arena, TREE_OBJECT))) {
        child->source = name;
        child = tree_put(node, arena_string(s->arena, token), child);
    }
    return child;
}

static bool can_step(struct source *s, const struct tree_node *node, const char *token, int64_t index, const char *name)
{
    char pointer[300];
    tree_pointer(node, NULL, pointer, sizeof pointer);
    if (node->type == TREE_ARRAY && !item_at(node, index))
        problems_add_line(s->problems, WN_E_ARG, "%s: %s has %u items, so there is no [%s]", name, pointer, node->count,
                          token);
    else if (node->type != TREE_OBJECT && node->type != TREE_ARRAY)
        problems_add_line(s->problems, WN_E_ARG, "%s: %s is %s; it has no \"%s\"", name, pointer,
                          tree_type_name(node->type), token);
    else
        return true;
    return false;
}

static void put_value(struct source *s, struct tree_node *node, const char *token, int64_t index,
                      struct tree_node *value)
{
    struct tree_node *old = child_at(node, token, index);
    if (old && value->type == TREE_NULL)
        tree_remove(node, old);
    else if (old)
        tree_replace(old, value);
    else if (value->type != TREE_NULL)
        tree_put(node, arena_string(s->arena, token), value);
}

/* Walks to where path leads, making objects on the way, and puts the value there. */
static void change(struct source *s, struct tree_node *root, const char *path, struct tree_node *value, const char *name)
{
    const char *whole = path;
    char token[128];
    int64_t index;
    for (struct tree_node *node = root; node; node = descend(s, node, token, index, name)) {
        if (!next_step(&path, token, &index)) {
            problems_add_line(s->problems, WN_E_ARG, "%s: \"%s\" is not of the form a.b[2].c", name, whole);
            return;
        }
        if (!can_step(s, node, token, index, name))
            return;
        if (!*path) {
            put_value(s, node, token, index, value);
            return;
        }
    }
}

void source_change(struct arena *arena, struct problems *problems, struct tree_node *root, const char *path,
                   const struct tree_node *value, const char *name)
{
    struct source s = { arena, problems, 0 };
    struct tree_node *copy = tree_copy(arena, value);
    if (copy)
        change(&s, root, path, copy, name);
    else
        problems_add_line(problems, WN_E_MEMORY, "%s: no memory", name);
}

static void apply_set(struct source *s, struct tree_node *root, const char *set)
{
    const char *name = arena_printf(s->arena, "--set %s", set), *equals = strchr(set, '=');
    const char *path = equals ? arena_copy(s->arena, set, (uint64_t)(equals - set)) : NULL;
    if (!path || !name || !*path) {
        problems_add_line(s->problems, WN_E_ARG, "--set %s: not of the form a.b=VALUE", set);
        return;
    }
    struct tree_node *value = parse_value(s, name, equals + 1);
    if (!value)
        return;
    mark_source(value, name);
    change(s, root, path, value, name);
}

struct tree_node *source_load(const struct spec_request *request, struct arena *arena, struct problems *problems,
                              const char **text)
{
    struct source s = { arena, problems, 0 };
    bool from_stdin = strcmp(request->path, "-") == 0;
    *text = request->text ? arena_string(arena, request->text) : read_text(&s, request->path, NULL);
    if (!*text)
        return NULL;
    struct tree_node *root = load_text(&s, from_stdin ? "stdin" : request->path, *text, NULL, NULL);
    if (root && root->type != TREE_OBJECT)
        problems_add(problems, WN_E_ARG, root, NULL, "a spec is an object, this is %s", tree_type_name(root->type));
    if (!root || root->type != TREE_OBJECT || problems->count)
        return NULL;
    for (uint32_t i = 0; i < request->set_count; i++)
        apply_set(&s, root, request->set[i]);
    return root;
}
