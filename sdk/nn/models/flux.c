/* flux.c - FLUX.1 as three graphs. The sequence is one matrix, text rows above image rows: the double blocks work on
 * two windows of it, the single blocks on all of it, and nothing is ever concatenated. q, k and v share a matrix, and
 * so do a single block's attention and MLP, for the same reason.
 */
#include "flux.h"

#include "../graph_internal.h"
#include "flux_names.h"
#include "scope.h"

#include <math.h>
#include <stdlib.h>

static uint64_t width(const nn_flux *c)
{
    return c->heads * c->head_width;
}

uint64_t nn_flux_modulation_width(const nn_flux *c)
{
    return width(c) * (12 * c->double_blocks + 3 * c->single_blocks + 2);
}

static nn_scope top_scope(nn_graph *g, const nn_flux *c, const nn_weights *w)
{
    const nn_scope file = { g, w, "" };
    return scope_in(&file, "%s", c->prefix);
}

static nn_scope double_scope(const nn_scope *top, const nn_flux *c, uint64_t i)
{
    return scope_in(top, "%s.%u.", flux_names(c)->double_blocks, (unsigned)i);
}

static nn_scope single_scope(const nn_scope *top, const nn_flux *c, uint64_t i)
{
    return scope_in(top, "%s.%u.", flux_names(c)->single_blocks, (unsigned)i);
}

/* ---- context ------------------------------------------------------------------------------------------------ */

nn_graph *nn_flux_context_graph(const nn_flux *c, const nn_weights *w, uint64_t tokens)
{
    nn_graph *g = nn_graph_new("flux context");
    const nn_scope s = top_scope(g, c, w);
    const nn_t states = nn_input(g, "states", WN_F32, tokens, c->text_width, 0);
    nn_output(g, "text", scope_linear(&s, flux_names(c)->text_in, states, width(c), NULL));
    return g;
}

/* ---- conditioning ------------------------------------------------------------------------------------------- */

/* Linear, SiLU, Linear: the embedder of a scalar or of the pooled text. [rows, n] -> [rows, D] */
static nn_t embedder(const nn_scope *s, const char *const leaf[2], nn_t x, uint64_t d)
{
    const nn_t h = scope_linear(s, leaf[0], x, d, &(nn_epilogue){ .activation = WN_ACT_SILU });
    return scope_linear(s, leaf[1], h, d, NULL);
}

/* Writes e W^T + b, [count, columns], into the next columns of the table. */
static void modulate(nn_graph *g, nn_t e, nn_layer layer, nn_t table, uint64_t *column, uint64_t columns)
{
    const nn_t into = nn_window(g, table, 0, nn_rows(g, table), *column, columns);
    nn_linear(g, e, layer.w, layer.b, &(nn_epilogue){ .into = into });
    *column += columns;
}

/* shift, scale of the last layer; diffusers stores scale first. */
static nn_layer last_modulation(const nn_scope *s, const nn_flux *c)
{
    const uint64_t d = width(c);
    const nn_layer l = scope_layer(s, flux_names(c)->last_mod, 2 * d, d);
    if (c->layout == NN_FLUX_BFL)
        return l;
    const nn_layer scale = layer_rows(s->g, l, 0, d);
    const nn_layer shift = layer_rows(s->g, l, d, d);
    return (nn_layer){ nn_stack(s->g, 2, (const nn_w[]){ shift.w, scale.w }),
                       nn_stack(s->g, 2, (const nn_w[]){ shift.b, scale.b }) };
}

static void modulation_table(const nn_scope *s, const nn_flux *c, nn_t e, nn_t table)
{
    const struct flux_names *names = flux_names(c);
    const uint64_t d = width(c);
    uint64_t column = 0;
    for (uint64_t i = 0; i < c->double_blocks; i++) {
        const nn_scope block = double_scope(s, c, i);
        modulate(s->g, e, scope_layer(&block, names->image.mod, 6 * d, d), table, &column, 6 * d);
        modulate(s->g, e, scope_layer(&block, names->text.mod, 6 * d, d), table, &column, 6 * d);
    }
    for (uint64_t i = 0; i < c->single_blocks; i++) {
        const nn_scope block = single_scope(s, c, i);
        modulate(s->g, e, scope_layer(&block, names->single.mod, 3 * d, d), table, &column, 3 * d);
    }
    modulate(s->g, e, last_modulation(s, c), table, &column, 2 * d);
}

nn_graph *nn_flux_conditioning_graph(const nn_flux *c, const nn_weights *w, uint64_t count)
{
    nn_graph *g = nn_graph_new("flux conditioning");
    const struct flux_names *names = flux_names(c);
    const nn_scope s = top_scope(g, c, w);
    const uint64_t d = width(c);
    const nn_t time = nn_input(g, "time", WN_F32, count, NN_FLUX_SINUSOID, 0);
    const nn_t pooled = nn_input(g, "pooled", WN_F32, 1, c->pooled_width, 0);
    nn_t vec = embedder(&s, names->time_in, time, d);
    if (c->has_guidance) {
        const nn_t guidance = nn_input(g, "guidance", WN_F32, 1, NN_FLUX_SINUSOID, 0);
        vec = nn_add(g, vec, embedder(&s, names->guidance_in, guidance, d));
    }
    vec = nn_add(g, vec, embedder(&s, names->vector_in, pooled, d));
    const nn_t e = nn_unary(g, vec, WN_ACT_SILU, (const float[4]){ 1, 0, 1, 0 });
    const nn_t table = nn_temp(g, "modulation table", count, nn_flux_modulation_width(c), 0);
    modulation_table(&s, c, e, table);
    nn_output(g, "modulation", table);
    return g;
}

/* ---- velocity ----------------------------------------------------------------------------------------------- */

/* What every block needs. */
struct forward {
    nn_scope top;
    const nn_flux *c;
    nn_t sequence;   // [text + image, D], the residual stream
    nn_t rotation;   // [image, head_width]
    nn_t modulation; // [1, modulation width]
    uint64_t column; // of the modulation, where the next block's begin
    uint64_t text_tokens;
    uint64_t image_tokens;
};

/* The next D columns of the modulation: a shift, a scale or a gate. [1, D] */
static nn_t next_modulation(struct forward *f)
{
    const uint64_t d = width(f->c);
    const nn_t m = nn_window(f->top.g, f->modulation, 0, 1, f->column, d);
    f->column += d;
    return m;
}

static nn_t next_modulated_norm(struct forward *f, nn_t x)
{
    const nn_t shift = next_modulation(f);
    const nn_t scale = next_modulation(f);
    return nn_modulated_norm(f->top.g, x, scale, shift, 1e-6f);
}

/* softmax(q k^T) v of the query rows from `first` on. qkv: [text + image, 3 D] */
static nn_t attend(const struct forward *f, nn_t qkv, uint64_t first, nn_t into)
{
    nn_graph *g = f->top.g;
    const uint64_t d = width(f->c);
    const uint64_t t = f->text_tokens + f->image_tokens;
    return nn_attention(g, nn_window(g, qkv, first, t - first, 0, d), nn_window(g, qkv, 0, t, d, d),
                        nn_window(g, qkv, 0, t, 2 * d, d), f->c->heads, 1.0f / sqrtf((float)f->c->head_width), 0, 0,
                        into);
}

/* RMS norm of each head's q and k, and their rotation, in place. q_and_k: [rows, 2 D] */
static void norm_heads(const struct forward *f, const nn_scope *s, const char *const leaf[2], nn_t q_and_k, nn_t table)
{
    nn_graph *g = s->g;
    const uint64_t d = width(f->c);
    for (uint64_t i = 0; i < 2; i++) {
        const nn_w w = nn_weight(g, s->w, 1, f->c->head_width, "%s%s", s->prefix, leaf[i]);
        nn_head_norm_rope(g, nn_window(g, q_and_k, 0, nn_rows(g, q_and_k), i * d, d), f->c->heads, w, table, 1e-6f);
    }
}

/* One of the two streams of a double block. */
struct stream {
    const struct flux_stream_names *names;
    uint64_t row0;
    nn_t x;     // [rows, D], a window of the sequence
    nn_t table; // rotation, 0 for text
    nn_t gate;  // of the attention
};

static void stream_qkv(struct forward *f, const nn_scope *s, struct stream *st, nn_t qkv)
{
    nn_graph *g = s->g;
    const uint64_t d = width(f->c);
    const uint64_t rows = nn_rows(g, st->x);
    const nn_t into = nn_window(g, qkv, st->row0, rows, 0, 3 * d);
    const nn_t n = next_modulated_norm(f, st->x);
    const nn_layer l = flux_qkv(s, f->c, st->names->qkv);
    st->gate = next_modulation(f);
    nn_linear(g, n, l.w, l.b, &(nn_epilogue){ .into = into });
    norm_heads(f, s, st->names->norm, nn_window(g, qkv, st->row0, rows, 0, 2 * d), st->table);
}

static void stream_rest(struct forward *f, const nn_scope *s, const struct stream *st, nn_t attention)
{
    nn_graph *g = s->g;
    const uint64_t d = width(f->c);
    const nn_t a = nn_window(g, attention, st->row0, nn_rows(g, st->x), 0, d);
    scope_linear(s, st->names->proj, a, d, &(nn_epilogue){ .gate = st->gate, .residual = st->x, .into = st->x });
    const nn_t n = next_modulated_norm(f, st->x);
    const nn_t gate = next_modulation(f);
    const nn_t h = scope_linear(s, st->names->up, n, 4 * d, &(nn_epilogue){ .activation = WN_ACT_GELU_TANH });
    scope_linear(s, st->names->down, h, d, &(nn_epilogue){ .gate = gate, .residual = st->x, .into = st->x });
}

/* The modulation holds six vectors for the image, then six for the text; a stream takes three before and three after
 * the attention. */
static void double_block(struct forward *f, uint64_t i)
{
    const struct flux_names *names = flux_names(f->c);
    const nn_scope s = double_scope(&f->top, f->c, i);
    nn_graph *g = s.g;
    const uint64_t d = width(f->c);
    const uint64_t column = f->column;
    struct stream image = { &names->image, f->text_tokens,
                            nn_window(g, f->sequence, f->text_tokens, f->image_tokens, 0, d), f->rotation, 0 };
    struct stream text = { &names->text, 0, nn_window(g, f->sequence, 0, f->text_tokens, 0, d), 0, 0 };
    const nn_t qkv = nn_temp(g, "qkv", f->text_tokens + f->image_tokens, 3 * d, 0);
    stream_qkv(f, &s, &image, qkv);
    f->column = column + 6 * d;
    stream_qkv(f, &s, &text, qkv);
    const nn_t attention = attend(f, qkv, 0, 0);
    f->column = column + 3 * d;
    stream_rest(f, &s, &image, attention);
    f->column = column + 9 * d;
    stream_rest(f, &s, &text, attention);
}

/* The last block's text rows are never read again: it computes only its rows from `first` on. */
static void single_block(struct forward *f, uint64_t i, uint64_t first)
{
    const struct flux_names *names = flux_names(f->c);
    const nn_scope s = single_scope(&f->top, f->c, i);
    nn_graph *g = s.g;
    const uint64_t d = width(f->c);
    const uint64_t t = f->text_tokens + f->image_tokens;
    const nn_t n = next_modulated_norm(f, f->sequence);
    const nn_t gate = next_modulation(f);
    nn_layer in, mlp;
    flux_single_in(&s, f->c, &in, &mlp);
    const nn_t qkv = nn_linear(g, n, in.w, in.b, NULL); // [t, 3 D]
    norm_heads(f, &s, names->single.norm, nn_window(g, qkv, f->text_tokens, f->image_tokens, 0, 2 * d), f->rotation);
    norm_heads(f, &s, names->single.norm, nn_window(g, qkv, 0, f->text_tokens, 0, 2 * d), 0);
    const nn_t both = nn_temp(g, "attention and mlp", t - first, 5 * d, 0);
    attend(f, qkv, first, nn_window(g, both, 0, t - first, 0, d));
    nn_linear(g, nn_window(g, n, first, t - first, 0, d), mlp.w, mlp.b,
              &(nn_epilogue){ .activation = WN_ACT_GELU_TANH, .into = nn_window(g, both, 0, t - first, d, 4 * d) });
    const nn_t x = nn_window(g, f->sequence, first, t - first, 0, d);
    scope_linear(&s, names->single.out, both, d, &(nn_epilogue){ .gate = gate, .residual = x, .into = x });
}

/* cos and sin of row * omega and column * omega, pair after pair, made in double precision (Su et al. 2021,
 * arXiv:2104.09864). [rows * cols, head_width] */
static nn_t rotation_table(nn_graph *g, const nn_flux *c, uint64_t rows, uint64_t cols)
{
    const double theta = 10000.0;
    float *table = calloc(rows * cols * c->head_width, sizeof *table);
    if (!table) {
        graph_fail(g, WN_E_MEMORY, "out of memory for the rotation table");
        return 0;
    }
    float *out = table;
    for (uint64_t t = 0; t < rows * cols; t++) {
        const double at[3] = { 0.0, (double)(t / cols), (double)(t % cols) };
        for (int axis = 0; axis < 3; axis++) {
            for (uint64_t k = 0; k < c->axes[axis] / 2; k++) {
                const double angle = at[axis] * (1.0 / pow(theta, (double)(2 * k) / (double)c->axes[axis]));
                *out++ = (float)cos(angle);
                *out++ = (float)sin(angle);
            }
        }
    }
    const nn_t result = nn_const(g, "rotation", rows * cols, c->head_width, table);
    free(table);
    return result;
}

/* Fills the sequence: embedded text above embedded image tokens. */
static void begin(struct forward *f, nn_t x, nn_t text)
{
    nn_graph *g = f->top.g;
    const uint64_t d = width(f->c);
    nn_copy(g, text, nn_window(g, f->sequence, 0, f->text_tokens, 0, d));
    scope_linear(&f->top, flux_names(f->c)->image_in, x, d,
                 &(nn_epilogue){ .into = nn_window(g, f->sequence, f->text_tokens, f->image_tokens, 0, d) });
}

/* With the inputs that come before the modulation made already. */
static struct forward forward_of(nn_graph *g, const nn_flux *c, const nn_weights *w, uint64_t rows, uint64_t cols,
                                 uint64_t text_tokens)
{
    struct forward f = { .top = top_scope(g, c, w), .c = c, .text_tokens = text_tokens, .image_tokens = rows * cols };
    f.modulation = nn_input(g, "modulation", WN_F32, 1, nn_flux_modulation_width(c), 0);
    f.rotation = rotation_table(g, c, rows, cols);
    f.sequence = nn_temp(g, "sequence", text_tokens + f.image_tokens, width(c), WN_TENSOR_KEEP_F32);
    return f;
}

static nn_t image_of(const struct forward *f)
{
    return nn_window(f->top.g, f->sequence, f->text_tokens, f->image_tokens, 0, width(f->c));
}

/* The blocks but for the first `first` of the double ones. */
static void blocks_from(struct forward *f, uint64_t first)
{
    const nn_flux *c = f->c;
    for (uint64_t i = first; i < c->double_blocks; i++)
        double_block(f, i);
    for (uint64_t i = 0; i < c->single_blocks; i++)
        single_block(f, i, i + 1 == c->single_blocks ? f->text_tokens : 0);
}

static void last_layer(struct forward *f, nn_t image)
{
    const nn_t n = next_modulated_norm(f, image);
    nn_output(f->top.g, "v", scope_linear(&f->top, flux_names(f->c)->last, n, f->c->out_channels, NULL));
}

nn_graph *nn_flux_velocity_graph(const nn_flux *c, const nn_weights *w, uint64_t rows, uint64_t cols,
                                 uint64_t text_tokens)
{
    nn_graph *g = nn_graph_new("flux velocity");
    const nn_t x = nn_input(g, "x", WN_F32, rows * cols, c->in_channels, 0);
    const nn_t text = nn_input(g, "text", WN_F32, text_tokens, width(c), 0);
    struct forward f = forward_of(g, c, w, rows, cols, text_tokens);
    begin(&f, x, text);
    blocks_from(&f, 0);
    last_layer(&f, image_of(&f));
    return g;
}

/* ---- the velocity in three ------------------------------------------------------------------------------------ */

nn_graph *nn_flux_head_graph(const nn_flux *c, const nn_weights *w, uint64_t rows, uint64_t cols, uint64_t text_tokens)
{
    nn_graph *g = nn_graph_new("flux head");
    const nn_t x = nn_input(g, "x", WN_F32, rows * cols, c->in_channels, 0);
    const nn_t text = nn_input(g, "text", WN_F32, text_tokens, width(c), 0);
    struct forward f = forward_of(g, c, w, rows, cols, text_tokens);
    begin(&f, x, text);
    nn_output(g, "embedded", image_of(&f));
    double_block(&f, 0);
    nn_output(g, "after", f.sequence);
    return g;
}

nn_graph *nn_flux_rest_graph(const nn_flux *c, const nn_weights *w, uint64_t rows, uint64_t cols, uint64_t text_tokens)
{
    nn_graph *g = nn_graph_new("flux rest");
    const nn_t before = nn_input(g, "before", WN_F32, text_tokens + rows * cols, width(c), 0);
    struct forward f = forward_of(g, c, w, rows, cols, text_tokens);
    f.column = 12 * width(c);
    nn_copy(g, before, f.sequence);
    blocks_from(&f, 1);
    nn_output(g, "image", image_of(&f));
    last_layer(&f, image_of(&f));
    return g;
}

nn_graph *nn_flux_tail_graph(const nn_flux *c, const nn_weights *w, uint64_t image_tokens)
{
    nn_graph *g = nn_graph_new("flux tail");
    const nn_t image = nn_input(g, "image", WN_F32, image_tokens, width(c), 0);
    struct forward f = { .top = top_scope(g, c, w), .c = c, .image_tokens = image_tokens };
    f.modulation = nn_input(g, "modulation", WN_F32, 1, nn_flux_modulation_width(c), 0);
    f.column = nn_flux_modulation_width(c) - 2 * width(c);
    last_layer(&f, image);
    return g;
}
