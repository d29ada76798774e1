/* graph_ops.c - the builder's operations: each checks the shapes that device.h promises and appends one wn_op.
 *
 * All follow one pattern: look the handles up (a missing one has set the error), check what must agree, make or take
 * the output, append. The device checks again, for graphs that other builders make.
 */
#include "graph_internal.h"

#define U(x) ((unsigned long long)(x))

/* An op with nothing connected. */
static wn_op op_of(int32_t kind)
{
    return (wn_op){ .kind = kind,
                    .activation = WN_ACT_NONE,
                    .in = { WN_NONE, WN_NONE, WN_NONE, WN_NONE },
                    .weight = { WN_NONE, WN_NONE },
                    .out = WN_NONE };
}

static uint32_t index_of(uint32_t handle)
{
    return handle ? handle - 1 : WN_NONE;
}

/* Appends op with its result in out; returns out. */
static nn_t finish(nn_graph *g, wn_op op, nn_t out)
{
    if (!out)
        return 0;
    op.out = index_of(out);
    graph_append(g, &op);
    return graph_is_good(g) ? out : 0;
}

/* Whether an optional tensor is absent or [rows, cols]. */
static int fits(nn_graph *g, nn_t t, uint64_t rows, uint64_t cols, const char *op, const char *what)
{
    if (!t)
        return graph_is_good(g);
    const wn_tensor *tensor = graph_tensor(g, t, op);
    if (!tensor)
        return 0;
    if (tensor->rows == rows && tensor->cols == cols)
        return 1;
    graph_fail(g, WN_E_ARG, "%s: %s is [%llu, %llu], must be [%llu, %llu]", op, what, U(tensor->rows), U(tensor->cols),
               U(rows), U(cols));
    return 0;
}

/* Whether an optional weight is absent or a vector of size elements. */
static int vector_fits(nn_graph *g, nn_w w, uint64_t size, const char *op)
{
    if (!w)
        return graph_is_good(g);
    const wn_weight *weight = graph_weight(g, w, op);
    if (!weight)
        return 0;
    if (graph_vector_size(weight) == size)
        return 1;
    graph_fail(g, WN_E_FORMAT, "%s: weight \"%s\" is [%llu, %llu], must be a vector of %llu", op, weight->name,
               U(weight->rows), U(weight->cols), U(size));
    return 0;
}

static int weight_fits(nn_graph *g, const wn_weight *w, uint64_t cols, const char *op)
{
    if (w->cols == cols)
        return 1;
    graph_fail(g, WN_E_FORMAT, "%s: weight \"%s\" is [%llu, %llu], the input gives it %llu columns", op, w->name,
               U(w->rows), U(w->cols), U(cols));
    return 0;
}

nn_t nn_linear(nn_graph *g, nn_t x, nn_w w, nn_w bias, const nn_epilogue *e)
{
    static const nn_epilogue plain;
    e = e ? e : &plain;
    const wn_tensor *in = graph_tensor(g, x, "linear");
    const wn_weight *weight = in ? graph_weight(g, w, "linear") : NULL;
    if (!weight || !weight_fits(g, weight, in->cols, "linear") || !vector_fits(g, bias, weight->rows, "linear"))
        return 0;
    uint64_t rows = in->rows, cols = weight->rows;
    if (!fits(g, e->mul, rows, cols, "linear", "mul") || !fits(g, e->gate, 1, cols, "linear", "gate") ||
        !fits(g, e->residual, rows, cols, "linear", "residual"))
        return 0;
    wn_op op = op_of(WN_OP_LINEAR);
    op.activation = e->activation ? e->activation : WN_ACT_NONE;
    op.in[0] = index_of(x);
    op.in[1] = index_of(e->mul);
    op.in[2] = index_of(e->gate);
    op.in[3] = index_of(e->residual);
    op.weight[0] = index_of(w);
    op.weight[1] = index_of(bias);
    return finish(g, op, graph_out(g, weight->name, e->into, rows, cols));
}

static nn_t norm(nn_graph *g, nn_t x, wn_op op, nn_w w, nn_w b, nn_t scale, nn_t shift, float eps, const char *name)
{
    const wn_tensor *in = graph_tensor(g, x, name);
    if (!in || !vector_fits(g, w, in->cols, name) || !vector_fits(g, b, in->cols, name) ||
        !fits(g, scale, 1, in->cols, name, "scale") || !fits(g, shift, 1, in->cols, name, "shift"))
        return 0;
    op.in[0] = index_of(x);
    op.in[1] = index_of(scale);
    op.in[2] = index_of(shift);
    op.weight[0] = index_of(w);
    op.weight[1] = index_of(b);
    op.f[0] = eps;
    return finish(g, op, graph_out(g, name, 0, in->rows, in->cols));
}

nn_t nn_layer_norm(nn_graph *g, nn_t x, nn_w w, nn_w b, float eps)
{
    wn_op op = op_of(WN_OP_NORM);
    op.i[0] = 1;
    return norm(g, x, op, w, b, 0, 0, eps, "layer_norm");
}

nn_t nn_rms_norm(nn_graph *g, nn_t x, nn_w w, float eps)
{
    wn_op op = op_of(WN_OP_NORM);
    op.i[0] = 2;
    return norm(g, x, op, w, 0, 0, 0, eps, "rms_norm");
}

nn_t nn_modulated_norm(nn_graph *g, nn_t x, nn_t scale, nn_t shift, float eps)
{
    wn_op op = op_of(WN_OP_NORM);
    op.i[0] = 1;
    return norm(g, x, op, 0, 0, scale, shift, eps, "modulated_norm");
}

/* Columns of one head, or 0 with the error set. */
static uint64_t head_size(nn_graph *g, const wn_tensor *x, uint64_t heads, const char *op)
{
    if (heads && x->cols % heads == 0)
        return x->cols / heads;
    graph_fail(g, WN_E_ARG, "%s: %llu columns cannot be divided among %llu heads", op, U(x->cols), U(heads));
    return 0;
}

nn_t nn_head_norm_rope(nn_graph *g, nn_t x, uint64_t heads, nn_w w, nn_t table, float eps)
{
    const wn_tensor *in = graph_tensor(g, x, "head_norm_rope");
    uint64_t size = in ? head_size(g, in, heads, "head_norm_rope") : 0;
    if (!size || !vector_fits(g, w, size, "head_norm_rope") ||
        !fits(g, table, in->rows, size, "head_norm_rope", "table"))
        return 0;
    if (table && size % 2) {
        graph_fail(g, WN_E_ARG, "head_norm_rope: heads of %llu columns cannot be rotated in pairs", U(size));
        return 0;
    }
    wn_op op = op_of(WN_OP_HEAD_NORM_ROPE);
    op.in[0] = index_of(x);
    op.in[1] = index_of(table);
    op.weight[0] = index_of(w);
    op.i[0] = (int64_t)heads;
    op.f[0] = eps;
    return finish(g, op, x);
}

nn_t nn_attention(nn_graph *g, nn_t q, nn_t k, nn_t v, uint64_t heads, float scale, int causal, nn_t bias, nn_t into)
{
    const wn_tensor *tq = graph_tensor(g, q, "attention"), *tk = graph_tensor(g, k, "attention");
    if (!tq || !tk || !head_size(g, tq, heads, "attention"))
        return 0;
    if (!fits(g, k, tk->rows, tq->cols, "attention", "k") || !fits(g, v, tk->rows, tq->cols, "attention", "v") ||
        !fits(g, bias, heads, tq->rows + tk->rows - 1, "attention", "bias"))
        return 0;
    wn_op op = op_of(WN_OP_ATTENTION);
    op.in[0] = index_of(q);
    op.in[1] = index_of(k);
    op.in[2] = index_of(v);
    op.in[3] = index_of(bias);
    op.i[0] = (int64_t)heads;
    op.i[1] = causal ? 1 : 0;
    op.f[0] = scale;
    return finish(g, op, graph_out(g, "attention", into, tq->rows, tq->cols));
}

/* Output positions along one side; 0 when the kernel does not fit. */
static uint64_t conv_side(uint64_t in, const nn_conv_shape *s)
{
    uint64_t padded = in * s->upsample + s->pad_before + s->pad_after;
    return s->kernel && s->stride && padded >= s->kernel ? (padded - s->kernel) / s->stride + 1 : 0;
}

static int conv_fits(nn_graph *g, const wn_tensor *x, const nn_conv_shape *s)
{
    if (s->width == 0 || x->rows / s->width != s->height || x->rows % s->width) {
        graph_fail(g, WN_E_ARG, "conv: a picture of %llu x %llu positions has not the input's %llu rows", U(s->height),
                   U(s->width), U(x->rows));
        return 0;
    }
    if (s->upsample != 1 && s->upsample != 2) {
        graph_fail(g, WN_E_UNSUPPORTED, "conv: upsampling by %llu, must be 1 or 2", U(s->upsample));
        return 0;
    }
    const uint64_t height = conv_side(s->height, s);
    if (!height || !conv_side(s->width, s)) {
        graph_fail(g, WN_E_ARG, "conv: kernel %llu with stride %llu does not fit %llu x %llu", U(s->kernel),
                   U(s->stride), U(s->height), U(s->width));
        return 0;
    }
    if (s->first >= height || s->rows > height - s->first) {
        graph_fail(g, WN_E_ARG, "conv: %llu rows from %llu on of %llu", U(s->rows), U(s->first), U(height));
        return 0;
    }
    return 1;
}

nn_t nn_conv(nn_graph *g, nn_t x, nn_w w, nn_w bias, const nn_conv_shape *s, const nn_epilogue *e)
{
    static const nn_epilogue plain;
    e = e ? e : &plain;
    const wn_tensor *in = graph_tensor(g, x, "conv");
    const wn_weight *weight = in ? graph_weight(g, w, "conv") : NULL;
    if (!weight || !conv_fits(g, in, s) || !weight_fits(g, weight, in->cols * s->kernel * s->kernel, "conv") ||
        !vector_fits(g, bias, weight->rows, "conv"))
        return 0;
    if (e->mul || e->gate) {
        graph_fail(g, WN_E_UNSUPPORTED, "conv has neither mul nor gate");
        return 0;
    }
    const uint64_t height = s->rows ? s->rows : conv_side(s->height, s) - s->first;
    const uint64_t rows = height * conv_side(s->width, s), cols = weight->rows;
    if (!fits(g, e->residual, rows, cols, "conv", "residual"))
        return 0;
    wn_op op = op_of(WN_OP_CONV);
    op.activation = e->activation ? e->activation : WN_ACT_NONE;
    op.in[0] = index_of(x);
    op.in[3] = index_of(e->residual);
    op.weight[0] = index_of(w);
    op.weight[1] = index_of(bias);
    const uint64_t geometry[8] = { s->height,     s->width,     s->kernel,   s->stride,
                                   s->pad_before, s->pad_after, s->upsample, s->first };
    for (int i = 0; i < 8; i++)
        op.i[i] = (int64_t)geometry[i];
    return finish(g, op, graph_out(g, weight->name, e->into, rows, cols));
}

nn_t nn_group_norm(nn_graph *g, nn_t x, nn_w w, nn_w b, uint64_t groups, float eps, int32_t activation)
{
    const wn_tensor *in = graph_tensor(g, x, "group_norm");
    if (!in || !head_size(g, in, groups, "group_norm") || !vector_fits(g, w, in->cols, "group_norm") ||
        !vector_fits(g, b, in->cols, "group_norm"))
        return 0;
    wn_op op = op_of(WN_OP_GROUP_NORM);
    op.activation = activation ? activation : WN_ACT_NONE;
    op.in[0] = index_of(x);
    op.weight[0] = index_of(w);
    op.weight[1] = index_of(b);
    op.i[0] = (int64_t)groups;
    op.f[0] = eps;
    return finish(g, op, graph_out(g, "group_norm", 0, in->rows, in->cols));
}

void nn_group_moments(nn_graph *g, nn_t x, uint64_t groups, uint64_t chunk, nn_t into)
{
    const wn_tensor *in = graph_tensor(g, x, "group_moments");
    if (!in || !head_size(g, in, groups, "group_moments"))
        return;
    if (chunk == 0 || in->rows % chunk) {
        graph_fail(g, WN_E_ARG, "group_moments: %llu rows are no whole chunks of %llu", U(in->rows), U(chunk));
        return;
    }
    if (!fits(g, into, in->rows / chunk, 2 * groups, "group_moments", "into"))
        return;
    wn_op op = op_of(WN_OP_GROUP_MOMENTS);
    op.in[0] = index_of(x);
    op.i[0] = (int64_t)groups;
    op.i[1] = (int64_t)chunk;
    finish(g, op, into);
}

nn_t nn_group_table(nn_graph *g, nn_t moments, nn_w w, nn_w b, uint64_t channels, uint64_t chunk, float eps)
{
    const wn_tensor *in = graph_tensor(g, moments, "group_table");
    if (!in || !vector_fits(g, w, channels, "group_table") || !vector_fits(g, b, channels, "group_table"))
        return 0;
    wn_op op = op_of(WN_OP_GROUP_TABLE);
    op.in[0] = index_of(moments);
    op.weight[0] = index_of(w);
    op.weight[1] = index_of(b);
    op.i[0] = (int64_t)(in->cols / 2);
    op.i[1] = (int64_t)chunk;
    op.f[0] = eps;
    return finish(g, op, graph_out(g, "group_table", 0, 3, channels));
}

nn_t nn_group_apply(nn_graph *g, nn_t x, nn_t table, int32_t activation)
{
    const wn_tensor *in = graph_tensor(g, x, "group_norm");
    if (!in || !fits(g, table, 3, in->cols, "group_norm", "table"))
        return 0;
    wn_op op = op_of(WN_OP_GROUP_NORM);
    op.activation = activation ? activation : WN_ACT_NONE;
    op.in[0] = index_of(x);
    op.in[1] = index_of(table);
    op.i[0] = 1;
    return finish(g, op, graph_out(g, "group_norm", 0, in->rows, in->cols));
}

nn_t nn_embed(nn_graph *g, nn_t ids, nn_w table, nn_w positions)
{
    const wn_tensor *in = graph_tensor(g, ids, "embed");
    const wn_weight *t = in ? graph_weight(g, table, "embed") : NULL;
    if (!t || !fits(g, ids, in->rows, 1, "embed", "ids"))
        return 0;
    const wn_weight *p = positions ? graph_weight(g, positions, "embed") : NULL;
    if (p && (p->rows < in->rows || p->cols != t->cols)) {
        graph_fail(g, WN_E_ARG, "embed: positions \"%s\" are [%llu, %llu], must be at least [%llu, %llu]", p->name,
                   U(p->rows), U(p->cols), U(in->rows), U(t->cols));
        return 0;
    }
    wn_op op = op_of(WN_OP_EMBED);
    op.in[0] = index_of(ids);
    op.weight[0] = index_of(table);
    op.weight[1] = index_of(positions);
    return finish(g, op, graph_out(g, t->name, 0, in->rows, t->cols));
}

static nn_t binary(nn_graph *g, nn_t a, nn_t b, int64_t kind, const char *name)
{
    const wn_tensor *ta = graph_tensor(g, a, name), *tb = graph_tensor(g, b, name);
    if (!ta || !tb || !fits(g, b, tb->rows == 1 ? 1 : ta->rows, ta->cols, name, "the second operand"))
        return 0;
    wn_op op = op_of(WN_OP_BINARY);
    op.in[0] = index_of(a);
    op.in[1] = index_of(b);
    op.i[0] = kind;
    return finish(g, op, graph_out(g, name, 0, ta->rows, ta->cols));
}

nn_t nn_add(nn_graph *g, nn_t a, nn_t b)
{
    return binary(g, a, b, 1, "add");
}

nn_t nn_multiply(nn_graph *g, nn_t a, nn_t b)
{
    return binary(g, a, b, 2, "multiply");
}

nn_t nn_unary(nn_graph *g, nn_t x, int32_t activation, const float f[4])
{
    const wn_tensor *in = graph_tensor(g, x, "unary");
    if (!in)
        return 0;
    wn_op op = op_of(WN_OP_UNARY);
    op.activation = activation ? activation : WN_ACT_NONE;
    op.in[0] = index_of(x);
    for (int i = 0; i < 4; i++)
        op.f[i] = f[i];
    return finish(g, op, graph_out(g, "unary", 0, in->rows, in->cols));
}

void nn_copy(nn_graph *g, nn_t from, nn_t to)
{
    const wn_tensor *in = graph_tensor(g, from, "copy");
    if (!in || !graph_tensor(g, to, "copy") || !fits(g, to, in->rows, in->cols, "copy", "the target"))
        return;
    wn_op op = op_of(WN_OP_COPY);
    op.in[0] = index_of(from);
    finish(g, op, to);
}

nn_t nn_pick_row(nn_graph *g, nn_t x, nn_t index)
{
    const wn_tensor *in = graph_tensor(g, x, "pick_row");
    if (!in || !index || !fits(g, index, 1, 1, "pick_row", "the index")) {
        graph_fail(g, WN_E_INTERNAL, "pick_row: an index is required");
        return 0;
    }
    wn_op op = op_of(WN_OP_PICK_ROW);
    op.in[0] = index_of(x);
    op.in[1] = index_of(index);
    return finish(g, op, graph_out(g, "pick_row", 0, 1, in->cols));
}

nn_t nn_weight_rows(nn_graph *g, nn_w w)
{
    const wn_weight *weight = graph_weight(g, w, "weight_rows");
    if (!weight)
        return 0;
    wn_op op = op_of(WN_OP_WEIGHT);
    op.weight[0] = index_of(w);
    return finish(g, op, graph_out(g, weight->name, 0, weight->rows, weight->cols));
}
