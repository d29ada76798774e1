/* tree.c - the tree itself: look-up, pointers, changes, writing. The reader stands in tree_parse.c. */
#include "spec/tree.h"

#include <stdlib.h>
#include <string.h>

struct tree_node *tree_get(const struct tree_node *object, const char *key)
{
    if (!object || object->type != TREE_OBJECT)
        return NULL;
    for (struct tree_node *n = object->child; n; n = n->next)
        if (strcmp(n->key, key) == 0)
            return n;
    return NULL;
}

const char *tree_type_name(int32_t type)
{
    static const char *const names[] = {
        "nothing", "null", "a boolean", "a number", "a string", "a list", "an object"
    };
    return type >= TREE_NULL && type <= TREE_OBJECT ? names[type] : names[0];
}

const char *tree_show(const struct tree_node *node, char show[64])
{
    const char *quote = node->type == TREE_STRING ? "\"" : "";
    if (node->type == TREE_BOOL)
        return node->truth ? "true" : "false";
    if (node->type != TREE_NUMBER && node->type != TREE_STRING)
        return tree_type_name(node->type);
    uint64_t length = strlen(node->text), shown = length > 40 ? 40 : length;
    while (shown < length && ((unsigned char)node->text[shown] & 0xc0) == 0x80)
        shown--; /* never cut a character */
    snprintf(show, 64, "%s%.*s%s%s", quote, (int)shown, node->text, shown < length ? "..." : "", quote);
    return show;
}

static uint32_t index_of(const struct tree_node *node)
{
    uint32_t i = 0;
    for (const struct tree_node *n = node->parent->child; n != node; n = n->next)
        i++;
    return i;
}

static void append_token(struct buffer *out, const char *token)
{
    buffer_byte(out, '/');
    for (; *token; token++) {
        if (*token == '~' || *token == '/')
            buffer_text(out, *token == '~' ? "~0" : "~1");
        else
            buffer_byte(out, *token);
    }
}

static void append_pointer(struct buffer *out, const struct tree_node *node)
{
    if (!node || !node->parent)
        return;
    append_pointer(out, node->parent);
    if (node->key)
        append_token(out, node->key);
    else
        buffer_printf(out, "/%u", index_of(node));
}

void tree_pointer(const struct tree_node *node, const char *key, char *pointer, uint64_t size)
{
    struct buffer out = BUFFER_INIT(4096);
    append_pointer(&out, node);
    if (key)
        append_token(&out, key);
    snprintf(pointer, size, "%s", out.size ? buffer_string(&out) : "/");
    buffer_free(&out);
}

struct tree_node *tree_new(struct arena *a, int32_t type)
{
    struct tree_node *node = arena_alloc(a, sizeof *node);
    if (node) {
        node->type = type;
        node->source = "";
    }
    return node;
}

static struct tree_node *new_text(struct arena *a, int32_t type, const char *text)
{
    struct tree_node *node = tree_new(a, type);
    if (node && !(node->text = arena_string(a, text)))
        return NULL;
    return node;
}

struct tree_node *tree_new_string(struct arena *a, const char *text)
{
    return new_text(a, TREE_STRING, text);
}

struct tree_node *tree_new_number(struct arena *a, const char *text)
{
    return new_text(a, TREE_NUMBER, text);
}

struct tree_node *tree_new_bool(struct arena *a, bool truth)
{
    struct tree_node *node = tree_new(a, TREE_BOOL);
    if (node)
        node->truth = truth;
    return node;
}

void tree_replace(struct tree_node *old, struct tree_node *child)
{
    struct tree_node **link = &old->parent->child;
    while (*link != old)
        link = &(*link)->next;
    child->parent = old->parent;
    child->key = old->key;
    child->next = old->next;
    *link = child;
    if (old->parent->last == old)
        old->parent->last = child;
}

struct tree_node *tree_put(struct tree_node *parent, const char *key, struct tree_node *child)
{
    if (!parent || !child)
        return NULL;
    struct tree_node *old = key ? tree_get(parent, key) : NULL;
    if (old) {
        tree_replace(old, child);
        return child;
    }
    child->parent = parent;
    child->key = key;
    child->next = NULL;
    if (parent->last)
        parent->last->next = child;
    else
        parent->child = child;
    parent->last = child;
    parent->count++;
    return child;
}

void tree_remove(struct tree_node *parent, struct tree_node *child)
{
    struct tree_node *before = NULL;
    for (struct tree_node *n = parent->child; n != child; n = n->next)
        before = n;
    if (before)
        before->next = child->next;
    else
        parent->child = child->next;
    if (parent->last == child)
        parent->last = before;
    parent->count--;
}

struct tree_node *tree_copy(struct arena *a, const struct tree_node *node)
{
    struct tree_node *copy = node ? tree_new(a, node->type) : NULL;
    if (!copy)
        return NULL;
    *copy = *node;
    copy->parent = copy->child = copy->last = copy->next = NULL;
    copy->count = 0;
    for (const struct tree_node *n = node->child; n; n = n->next)
        if (!tree_put(copy, n->key, tree_copy(a, n)))
            return NULL;
    return copy;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp((*(const struct tree_node *const *)a)->key, (*(const struct tree_node *const *)b)->key);
}

static void write_member(struct json_text *j, const struct tree_node *member, bool sorted)
{
    json_key(j, member->key);
    tree_write(j, member, sorted);
}

static void write_sorted(struct json_text *j, const struct tree_node *node)
{
    const struct tree_node **members = calloc(node->count + 1, sizeof *members);
    if (!members) {
        j->out->failed = WN_E_MEMORY;
        return;
    }
    uint32_t count = 0;
    for (const struct tree_node *n = node->child; n; n = n->next)
        members[count++] = n;
    qsort(members, count, sizeof *members, compare_keys);
    for (uint32_t i = 0; i < count; i++)
        write_member(j, members[i], true);
    free(members);
}

static void write_object(struct json_text *j, const struct tree_node *node, bool sorted)
{
    json_object(j);
    if (sorted)
        write_sorted(j, node);
    else
        for (const struct tree_node *n = node->child; n; n = n->next)
            write_member(j, n, false);
    json_end(j);
}

void tree_write(struct json_text *j, const struct tree_node *node, bool sorted)
{
    switch (node->type) {
    case TREE_BOOL:
        json_bool(j, node->truth);
        break;
    case TREE_NUMBER:
        json_raw(j, node->text);
        break;
    case TREE_STRING:
        json_string(j, node->text);
        break;
    case TREE_ARRAY:
        json_array(j);
        for (const struct tree_node *n = node->child; n; n = n->next)
            tree_write(j, n, sorted);
        json_end(j);
        break;
    case TREE_OBJECT:
        write_object(j, node, sorted);
        break;
    default:
        json_null(j);
    }
}
