/* A lineage is a text of the ledger or of a picture, which may be anybody's: every key is expected, every number read
 * in full. A blend's stream is a hash of its recipe, so it is made again from that and compared. */
#include "engine/lineage.h"

#include "spec/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static wn_status bad(const struct tree_node *node, const char *key, const char *wanted, wn_error *err)
{
    char pointer[200], show[64];
    const struct tree_node *value = key ? tree_get(node, key) : node;
    tree_pointer(node, key, pointer, sizeof pointer);
    return wn_fail(err, WN_E_FORMAT, "lineage: %s is %s, not %s", pointer, value ? tree_show(value, show) : "not there",
                   wanted);
}

static bool is_u64(const struct tree_node *n, uint64_t *value)
{
    if (!n || n->type != TREE_NUMBER || n->text[strspn(n->text, "0123456789")])
        return false;
    errno = 0;
    *value = strtoull(n->text, NULL, 10);
    return errno == 0;
}

static bool is_number(const struct tree_node *n, double *value)
{
    if (!n || n->type != TREE_NUMBER)
        return false;
    *value = strtod(n->text, NULL);
    return true;
}

/* [base, with, cosine, with, cosine ...]: each pair turns what is before it. */
static wn_status read_blend(struct blends *blends, const struct tree_node *list, uint64_t *stream, wn_error *err)
{
    const struct tree_node *n = list->child;
    if (list->type != TREE_ARRAY || list->count < 3 || list->count % 2 == 0 || !is_u64(n, stream))
        return bad(list, NULL, "a list of a stream and pairs", err);
    for (n = n->next; n; n = n->next->next) {
        uint64_t with;
        double cosine;
        if (!is_u64(n, &with) || !is_number(n->next, &cosine))
            return bad(n, NULL, "a stream before a cosine", err);
        WN_TRY(blends_add(blends, *stream, with, cosine, stream, err));
    }
    return WN_OK;
}

/* object's "stream", with the blend that it is. */
static wn_status read_stream(struct blends *blends, const struct tree_node *object, uint64_t *stream, wn_error *err)
{
    const struct tree_node *recipe = tree_get(object, "blend");
    uint64_t made = 0;
    if (!is_u64(tree_get(object, "stream"), stream))
        return bad(object, "stream", "a stream's number", err);
    if (*stream < WN_STREAM_BLEND)
        return WN_OK;
    if (!recipe)
        return bad(object, "blend", "the recipe of a blend", err);
    WN_TRY(read_blend(blends, recipe, &made, err));
    return made == *stream ? WN_OK : bad(object, "stream", "the one that its recipe gives", err);
}

static wn_status read_kernel(const struct tree_node *object, wn_kernel *kernel, wn_error *err)
{
    static const char *const names[] = { "cps", "constant", "grpo", "rbf", "rbf_vp" }; /* from WN_KERNEL_CPS */
    const struct tree_node *name = tree_get(object, "kernel");
    kernel->kind = 0;
    for (int i = 0; i < 5 && name && name->type == TREE_STRING; i++)
        if (strcmp(name->text, names[i]) == 0)
            kernel->kind = WN_KERNEL_CPS + i;
    if (!kernel->kind)
        return bad(object, "kernel", "a kernel", err);
    return is_number(tree_get(object, "scale"), &kernel->scale) ? WN_OK : bad(object, "scale", "a number", err);
}

static wn_status read_move(struct blends *blends, const struct tree_node *object, struct move *m, wn_error *err)
{
    static const struct {
        const char *key;
        int32_t kind;
    } kinds[] = { { "advance", MOVE_ADVANCE }, { "renoise", MOVE_RENOISE }, { "kick", MOVE_KICK } };
    uint64_t point = UINT64_MAX;
    for (int i = 0; i < 3; i++)
        if (is_u64(tree_get(object, kinds[i].key), &point))
            m->kind = kinds[i].kind;
    if (!m->kind || point > UINT32_MAX)
        return bad(object, NULL, "a move", err);
    m->point = (uint32_t)point;
    if (m->kind == MOVE_KICK)
        WN_TRY(read_kernel(object, &m->kernel, err));
    return m->kind == MOVE_ADVANCE ? WN_OK : read_stream(blends, object, &m->stream, err);
}

static wn_status read_moves(const struct tree_node *root, struct lineage *out, wn_error *err)
{
    const struct tree_node *list = tree_get(root, "moves");
    if (!list || list->type != TREE_ARRAY)
        return bad(root, "moves", "a list", err);
    out->moves = calloc(list->count + 1, sizeof *out->moves);
    if (!out->moves)
        return wn_fail(err, WN_E_MEMORY, "no memory for %u moves", list->count);
    for (const struct tree_node *n = list->child; n; n = n->next)
        WN_TRY(read_move(&out->blends, n, &out->moves[out->move_count++], err));
    return WN_OK;
}

static wn_status read_all(const struct tree_node *root, struct lineage *out, wn_error *err)
{
    const struct tree_node *noise = tree_get(root, "noise");
    if (!noise || noise->type != TREE_STRING || strlen(noise->text) != IDENTITY_DIGITS)
        return bad(root, "noise", "a hash", err);
    memcpy(out->noise.text, noise->text, sizeof out->noise.text);
    out->has_stream = tree_get(root, "stream") != NULL;
    if (out->has_stream)
        WN_TRY(read_stream(&out->blends, root, &out->stream, err));
    const struct tree_node *shrink = tree_get(root, "shrink");
    out->shrink = 1;
    if (shrink && (!is_u64(shrink, &out->shrink) || out->shrink < 2 || out->shrink > WN_SHRINK_MAX))
        return bad(root, "shrink", "a factor of a smaller canvas", err);
    return read_moves(root, out, err);
}

wn_status lineage_read(const char *text, struct lineage *out, wn_error *err)
{
    struct tree_fault fault;
    struct arena *arena = arena_create();
    *out = (struct lineage){ 0 };
    if (!arena)
        return wn_fail(err, WN_E_MEMORY, "no memory for a lineage");
    const struct tree_node *root = tree_parse(arena, "lineage", text, strlen(text), &fault);
    const wn_status status =
        root ? read_all(root, out, err) : wn_fail(err, WN_E_FORMAT, "lineage: column %u: %s", fault.column, fault.what);
    arena_destroy(arena);
    return status;
}

void lineage_finish(struct lineage *l)
{
    free(l->moves);
    blends_finish(&l->blends);
    *l = (struct lineage){ 0 };
}
