/* compare_algorithms.c - which runs are one algorithm, and what to call it.
 *
 * An algorithm is all of a spec that decides what is done to a prompt: everything but names, prompts, judges, the
 * engine and the seed. It is called by its search and by what tells it from the others; options count only among
 * algorithms of the same search, because other searches have others.
 */
#include "report/comparison.h"

#include "base/arena.h"

#include <string.h>

enum { LIST_BYTES = 40 }; /* of a list in a name */

static const char *word_of(const struct tree_node *spec, const char *key)
{
    const struct tree_node *n = tree_get(tree_get(spec, "search"), key);
    return n && n->type == TREE_STRING ? n->text : "";
}

/* What is sampled, and then what is done about it. */
static const char *const parts[] = { "noise", "canvas", "sampler", "devices", "search", "budget" };
enum { GROUND_PARTS = 4, PARTS = sizeof parts / sizeof *parts };

static void write_parts(const struct tree_node *spec, int from, int to, struct buffer *text)
{
    for (int i = from; i < to; i++) {
        struct json_text j = json_begin(text, 0);
        const struct tree_node *n = tree_get(spec, parts[i]);
        if (n)
            tree_write(&j, n, true);
        buffer_byte(text, '\n');
    }
}

static const char *key_of(struct compare *c, struct compare_run *r)
{
    struct buffer text = BUFFER_INIT(16 << 20);
    write_parts(r->spec, 0, GROUND_PARTS, &text);
    r->ground = text.failed ? NULL : arena_printf(c->memory, "%s%s", buffer_string(&text), r->seed);
    write_parts(r->spec, GROUND_PARTS, PARTS, &text);
    compare_verifier_text(r->spec, word_of(r->spec, "guide"), &text);
    const char *copy = text.failed || !r->ground ? NULL : arena_string(c->memory, buffer_string(&text));
    buffer_free(&text);
    return copy;
}

static wn_status add(struct compare *c, uint64_t run, const char *key, wn_error *err)
{
    struct compare_algorithm *a = c->algorithms;
    while (a < c->algorithms + c->algorithm_count && strcmp(a->key, key) != 0)
        a++;
    if (a == c->algorithms + c->algorithm_count) {
        c->algorithm_count++;
        *a = (struct compare_algorithm){ .key = key,
                                         .spec = c->runs[run].spec,
                                         .search = word_of(c->runs[run].spec, "use"),
                                         .guide = word_of(c->runs[run].spec, "guide") };
        a->runs = arena_array(c->memory, c->run_count, sizeof *a->runs);
        if (!a->runs)
            return compare_no_memory(err);
    }
    for (uint64_t i = 0; i < a->run_count; i++)
        if (strcmp(c->runs[a->runs[i]].seed, c->runs[run].seed) == 0)
            return wn_fail(err, WN_E_ARG,
                           "%s and %s are the same experiment, seed %s: together they would count it twice; leave "
                           "one out",
                           c->runs[a->runs[i]].directory, c->runs[run].directory, c->runs[run].seed);
    a->runs[a->run_count++] = run;
    c->runs[run].algorithm = (uint64_t)(a - c->algorithms);
    return WN_OK;
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static const struct tree_node *follow(const struct tree_node *root, const struct tree_node *leaf,
                                      const struct tree_node *top)
{
    if (leaf == top)
        return root;
    const struct tree_node *parent = leaf->parent ? follow(root, leaf->parent, top) : NULL;
    return leaf->key ? tree_get(parent, leaf->key) : NULL;
}

static bool same_value(const struct tree_node *a, const struct tree_node *b)
{
    struct buffer x = BUFFER_INIT(1 << 20), y = BUFFER_INIT(1 << 20);
    struct json_text i = json_begin(&x, 0), j = json_begin(&y, 0);
    if (a && b)
        tree_write(&i, a, true), tree_write(&j, b, true);
    const bool same = a && b && strcmp(buffer_string(&x), buffer_string(&y)) == 0;
    buffer_free(&x);
    buffer_free(&y);
    return same;
}

/* Whether the algorithms that could have it have another value there. */
static bool tells_apart(const struct compare *c, const struct compare_algorithm *a, const struct tree_node *leaf,
                        bool is_option)
{
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        const struct compare_algorithm *b = &c->algorithms[i];
        if (b != a && (!is_option || strcmp(a->search, b->search) == 0) &&
            !same_value(leaf, follow(b->spec, leaf, a->spec)))
            return true;
    }
    return false;
}

static void add_leaf(const struct tree_node *leaf, struct buffer *name)
{
    struct buffer list = BUFFER_INIT(1 << 20);
    struct json_text j = json_begin(&list, 0);
    char show[64];
    buffer_printf(name, ", %s=", leaf->key);
    if (leaf->type == TREE_ARRAY) {
        tree_write(&j, leaf, false);
        uint64_t kept = list.size < LIST_BYTES ? list.size : LIST_BYTES;
        while (kept > 0 && kept < list.size && ((unsigned char)list.data[kept] & 0xc0) == 0x80)
            kept--;
        buffer_append(name, buffer_string(&list), kept);
        buffer_text(name, kept < list.size ? "..." : "");
    } else {
        buffer_text(name, leaf->type == TREE_STRING ? leaf->text : tree_show(leaf, show));
    }
    buffer_free(&list);
}

/* Objects are gone through; a list is one value. The guide has its own place. */
static void add_leaves(const struct compare *c, const struct compare_algorithm *a, const struct tree_node *node,
                       bool is_option, struct buffer *name)
{
    for (const struct tree_node *n = node ? node->child : NULL; n; n = n->next)
        if (n->type == TREE_OBJECT)
            add_leaves(c, a, n, is_option, name);
        else if (tells_apart(c, a, n, is_option))
            add_leaf(n, name);
}

static void write_name(const struct compare *c, const struct compare_algorithm *a, struct buffer *name)
{
    buffer_text(name, a->search);
    add_leaves(c, a, tree_get(tree_get(a->spec, "search"), "options"), true, name);
    add_leaves(c, a, tree_get(a->spec, "canvas"), false, name);
    add_leaves(c, a, tree_get(a->spec, "sampler"), false, name);
    add_leaves(c, a, tree_get(a->spec, "devices"), false, name);
    add_leaves(c, a, tree_get(a->spec, "budget"), false, name);
    const struct tree_node *noise = tree_get(a->spec, "noise");
    if (noise && tells_apart(c, a, noise, false))
        add_leaf(noise, name);
}

static bool has_other_guides(const struct compare *c)
{
    for (uint64_t i = 1; i < c->algorithm_count; i++)
        if (strcmp(c->algorithms[i].guide, c->algorithms[0].guide) != 0)
            return true;
    return false;
}

/* Two may still be called the same: guides of one name and other options. */
static bool is_taken(const struct compare *c, uint64_t index)
{
    for (uint64_t i = 0; i < index; i++)
        if (strcmp(c->algorithms[i].column, c->algorithms[index].column) == 0 &&
            strcmp(c->algorithms[i].guide, c->algorithms[index].guide) == 0)
            return true;
    return false;
}

/* What a sweep calls its point, without the seed: "CoDe,seed=3" is "CoDe". NULL where its runs are called differently,
 * or are no points. */
static const char *point_name(struct compare *c, const struct compare_algorithm *a)
{
    const char *name = NULL;
    for (uint64_t i = 0; i < a->run_count; i++) {
        const struct compare_run *r = &c->runs[a->runs[i]];
        const char *seed = strstr(r->data->name, ",seed=");
        const uint64_t kept = seed ? (uint64_t)(seed - r->data->name) : strlen(r->data->name);
        const uint64_t rest = seed ? kept + 6 + strspn(seed + 6, "0123456789") : kept;
        const char *own = arena_printf(c->memory, "%.*s%s", (int)kept, r->data->name, r->data->name + rest);
        if (!r->is_point || !own || (name && strcmp(name, own) != 0))
            return NULL;
        name = own;
    }
    return name;
}

/* The shorter name is the better one, as long as nobody else has it. */
static void prefer_point_names(struct compare *c)
{
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        struct compare_algorithm *a = &c->algorithms[i];
        const char *name = point_name(c, a);
        bool better = name && strlen(name) < strlen(a->column);
        for (uint64_t k = 0; better && k < c->algorithm_count; k++)
            better = k == i || strcmp(c->algorithms[k].column, name) != 0;
        if (better)
            a->column = name;
    }
}

static wn_status name_all(struct compare *c, wn_error *err)
{
    const bool guides = has_other_guides(c);
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        struct compare_algorithm *a = &c->algorithms[i];
        struct buffer name = BUFFER_INIT(1 << 16);
        write_name(c, a, &name);
        a->column = name.failed ? NULL : arena_string(c->memory, buffer_string(&name));
        buffer_free(&name);
        if (a->column && is_taken(c, i))
            a->column = arena_printf(c->memory, "%s (%s)", a->column, c->runs[a->runs[0]].data->name);
        if (!a->column)
            return compare_no_memory(err);
    }
    if (!guides)
        prefer_point_names(c);
    for (uint64_t i = 0; i < c->algorithm_count; i++) {
        struct compare_algorithm *a = &c->algorithms[i];
        a->name = guides ? arena_printf(c->memory, "%s, by %s", a->column, a->guide) : a->column;
        if (!a->name)
            return compare_no_memory(err);
    }
    return WN_OK;
}

wn_status compare_group(struct compare *c, wn_error *err)
{
    c->algorithms = arena_array(c->memory, c->run_count, sizeof *c->algorithms);
    if (!c->algorithms)
        return compare_no_memory(err);
    for (uint64_t i = 0; i < c->run_count; i++) {
        const char *key = key_of(c, &c->runs[i]);
        if (!key)
            return compare_no_memory(err);
        WN_TRY(add(c, i, key, err));
    }
    return name_all(c, err);
}

const struct compare_algorithm *compare_at(const struct compare *c, const char *guide, const char *column)
{
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        if (strcmp(c->algorithms[i].guide, guide) == 0 && strcmp(c->algorithms[i].column, column) == 0)
            return &c->algorithms[i];
    return NULL;
}
