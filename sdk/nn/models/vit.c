/* vit.c - the vision transformer as a graph. What does not depend on the picture, the class token with its position,
 * the registers and the positions in the size wanted, is made here once, as constants.
 */
#include "vit.h"

#include "../graph_internal.h"
#include "scope.h"
#include "vit_names.h"

#include <math.h>
#include <stdlib.h>

/* ---- positions ---------------------------------------------------------------------------------------------- */

static double cubic(double x, double a)
{
    x = fabs(x);
    if (x < 1)
        return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? a * (((x - 5) * x + 8) * x - 4) : 0;
}

/* weight [out, in] of torch.nn.functional.interpolate's bicubic mode: taps beyond the edge repeat it, or, antialiased,
 * are left out and the rest made to sum to 1. scale: in / out. */
static void taps(int32_t is_antialiased, double scale, uint64_t in, uint64_t out, double *weight)
{
    const double stretch = is_antialiased && scale > 1 ? scale : 1;
    for (uint64_t i = 0; i < out; i++) {
        double *row = weight + i * in, sum = 0;
        const double centre = ((double)i + 0.5) * scale - 0.5;
        const int64_t low = (int64_t)floor(centre - 2 * stretch), high = (int64_t)ceil(centre + 2 * stretch);
        const int64_t last = (int64_t)in - 1;
        for (int64_t j = low; j <= high; j++) {
            const double value = cubic(((double)j - centre) / stretch, is_antialiased ? -0.5 : -0.75);
            if (is_antialiased && (j < 0 || j > last))
                continue;
            row[j < 0 ? 0 : j > last ? last : j] += value;
            sum += value;
        }
        for (uint64_t j = 0; j < in; j++)
            row[j] /= sum;
    }
}

wn_status nn_vit_interpolate(const nn_vit *v, const float *positions, uint64_t new_side, float *out, wn_error *err)
{
    const uint64_t in = v->side, n = new_side, d = v->width;
    double *weight = calloc(n * in, sizeof *weight), *sum = calloc(d, sizeof *sum);
    double *wide = calloc(in * n * d, sizeof *wide); // [in, n, d]: rows as they are, columns new
    wn_status status = WN_OK;
    if (!weight || !sum || !wide)
        status = wn_fail(err, WN_E_MEMORY, "out of memory for positions of %llu x %llu patches", (unsigned long long)n,
                         (unsigned long long)n);
    else
        taps(v->is_antialiased, (double)in / ((double)n + v->grow), in, n, weight);
    for (uint64_t y = 0; status == WN_OK && y < in; y++)
        for (uint64_t x = 0; x < n; x++)
            for (uint64_t j = 0; j < in; j++)
                for (uint64_t c = 0; c < d; c++)
                    wide[(y * n + x) * d + c] += weight[x * in + j] * (double)positions[(y * in + j) * d + c];
    for (uint64_t y = 0; status == WN_OK && y < n; y++)
        for (uint64_t x = 0; x < n; x++) {
            for (uint64_t c = 0; c < d; c++) {
                sum[c] = 0;
                for (uint64_t j = 0; j < in; j++)
                    sum[c] += weight[y * in + j] * wide[(j * n + x) * d + c];
                out[(y * n + x) * d + c] = (float)sum[c];
            }
        }
    free(weight);
    free(sum);
    free(wide);
    return status;
}

/* A tensor [rows, width] as float32, to be freed; NULL, with the graph's error set, when it is not there or of another
 * size. */
static float *values(const nn_scope *s, const char *name, uint64_t rows, uint64_t width)
{
    char full[sizeof s->prefix + 80];
    snprintf(full, sizeof full, "%s%s", s->prefix, name);
    nn_weight(s->g, s->w, rows, width, "%s", full); /* checks presence and shape */
    const nn_tensor *t = nn_weights_find(s->w, full);
    if (!graph_is_good(s->g) || !t)
        return NULL;
    float *out = calloc(rows * width, sizeof *out);
    if (out)
        nn_tensor_to_f32(t, 0, out, rows * width);
    else
        graph_fail(s->g, WN_E_MEMORY, "out of memory for \"%s\"", full);
    return out;
}

/* The positions' patches in the size wanted, [side * side, width]. */
static nn_t patch_positions(const nn_scope *s, const nn_vit *v, const float *stored, uint64_t side)
{
    wn_error err;
    if (side == v->side)
        return nn_const(s->g, "positions", side * side, v->width, stored);
    float *fitted = calloc(side * side * v->width, sizeof *fitted);
    nn_t result = 0;
    if (!fitted)
        graph_fail(s->g, WN_E_MEMORY, "out of memory for the positions");
    else if (nn_vit_interpolate(v, stored, side, fitted, &err) != WN_OK)
        graph_fail(s->g, err.code, "%s", err.message);
    else
        result = nn_const(s->g, "positions", side * side, v->width, fitted);
    free(fitted);
    return result;
}

/* ---- graph -------------------------------------------------------------------------------------------------- */

uint64_t nn_vit_tokens(const nn_vit *v)
{
    const uint64_t side = v->image_px / v->patch_px;
    return 1 + v->registers + side * side;
}

/* The rows before the patches go to the head of x; returns the patches' positions. */
static nn_t front(const nn_scope *s, const nn_vit *v, uint64_t side, nn_t x)
{
    nn_graph *g = s->g;
    const struct vit_names *n = vit_names(v->names);
    const uint64_t d = v->width;
    float *stored = values(s, n->positions, v->side * v->side + 1, d);
    float *class_row = values(s, n->class_row, 1, d);
    nn_t places = 0;
    if (stored && class_row) {
        for (uint64_t i = 0; i < d; i++)
            class_row[i] += stored[i];
        nn_copy(g, nn_const(g, "class token", 1, d, class_row), nn_window(g, x, 0, 1, 0, d));
        places = patch_positions(s, v, stored + d, side);
    }
    free(stored);
    free(class_row);
    float *registers = v->registers ? values(s, n->registers, v->registers, d) : NULL;
    if (registers)
        nn_copy(g, nn_const(g, "registers", v->registers, d, registers), nn_window(g, x, 1, v->registers, 0, d));
    free(registers);
    return places;
}

/* [tokens, width] */
static nn_t embed(const nn_scope *s, const nn_vit *v, nn_t pixels)
{
    nn_graph *g = s->g;
    const uint64_t d = v->width, p = v->patch_px, side = v->image_px / p, first = 1 + v->registers;
    const nn_layer kernel = scope_layer(s, vit_names(v->names)->patch, d, 3 * p * p);
    const nn_t x = nn_temp(g, "image", nn_vit_tokens(v), d, WN_TENSOR_KEEP_F32);
    const nn_t places = front(s, v, side, x);
    const nn_conv_shape shape = {
        .height = v->image_px, .width = v->image_px, .kernel = p, .stride = p, .upsample = 1
    };
    nn_conv(g, pixels, kernel.w, kernel.b, &shape,
            &(nn_epilogue){ .residual = places, .into = nn_window(g, x, first, side * side, 0, d) });
    return x;
}

/* LayerScale's factors as a gate, or none. */
static nn_t scale_rows(const nn_scope *s, const nn_vit *v, int which)
{
    if (!v->is_scaled)
        return 0;
    const char *name = vit_names(v->names)->scale[which];
    return nn_weight_rows(s->g, nn_weight(s->g, s->w, 1, v->width, "%s%s", s->prefix, name));
}

/* x += scale attention(norm x) */
static void attend(const nn_scope *s, const nn_vit *v, nn_t x)
{
    nn_graph *g = s->g;
    const struct vit_names *n = vit_names(v->names);
    const uint64_t t = nn_rows(g, x), d = v->width;
    const nn_layer qkv = n->qkv[1] ? scope_join(s, 3, n->qkv, d, d) : scope_layer(s, n->qkv[0], 3 * d, d);
    const nn_t a = nn_linear(g, scope_layer_norm(s, n->norm[0], x, v->eps), qkv.w, qkv.b, NULL); // [t, 3 d]
    const float scale = 1.0f / sqrtf((float)(d / v->heads));
    const nn_t o = nn_attention(g, nn_window(g, a, 0, t, 0, d), nn_window(g, a, 0, t, d, d),
                                nn_window(g, a, 0, t, 2 * d, d), v->heads, scale, 0, 0, 0);
    scope_linear(s, n->proj, o, d, &(nn_epilogue){ .gate = scale_rows(s, v, 0), .residual = x, .into = x });
}

/* x += scale mlp(norm x) */
static void feed_forward(const nn_scope *s, const nn_vit *v, nn_t x)
{
    nn_graph *g = s->g;
    const struct vit_names *n = vit_names(v->names);
    const nn_t in = scope_layer_norm(s, n->norm[1], x, v->eps);
    nn_epilogue up = { .activation = v->activation };
    nn_t h;
    if (v->is_swiglu) {
        const nn_layer both = scope_layer(s, n->gated[0], 2 * v->mlp, v->width);
        const nn_layer gate = layer_rows(g, both, 0, v->mlp), value = layer_rows(g, both, v->mlp, v->mlp);
        up = (nn_epilogue){ .activation = WN_ACT_SILU, .mul = nn_linear(g, in, value.w, value.b, NULL) };
        h = nn_linear(g, in, gate.w, gate.b, &up);
    } else {
        h = scope_linear(s, n->up, in, v->mlp, &up);
    }
    scope_linear(s, v->is_swiglu ? n->gated[1] : n->down, h, v->width,
                 &(nn_epilogue){ .gate = scale_rows(s, v, 1), .residual = x, .into = x });
}

nn_t nn_vit_states(nn_graph *g, const nn_vit *v, const nn_weights *w, nn_t pixels)
{
    const nn_scope file = { g, w, "" };
    const nn_scope s = scope_in(&file, "%s", v->prefix);
    if (v->heads == 0 || v->width % v->heads || v->layers == 0 || v->mlp == 0 || v->image_px < v->patch_px) {
        graph_fail(
            g, WN_E_FORMAT,
            "%s: a vision transformer of width %llu, %llu heads, %llu layers, feed-forward width %llu, patches of "
            "%llu px in images of %llu px: none may be 0, heads divide the width, a patch fits the image",
            nn_weights_path(w), (unsigned long long)v->width, (unsigned long long)v->heads,
            (unsigned long long)v->layers, (unsigned long long)v->mlp, (unsigned long long)v->patch_px,
            (unsigned long long)v->image_px);
        return 0;
    }
    const nn_t x = embed(&s, v, pixels);
    for (uint64_t i = 0; i < v->layers; i++) {
        const nn_scope block = scope_in(&s, "%s%llu.", vit_names(v->names)->block, (unsigned long long)i);
        attend(&block, v, x);
        feed_forward(&block, v, x);
    }
    return scope_layer_norm(&s, vit_names(v->names)->last_norm, x, v->eps);
}
