/* reference.c - see reference.h. Nothing here is fast, shared with a device, or clever. */
#include "reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "maker.h"

struct ref {
    const wn_graph *g;
    const wn_op *op;
    double **tensors;
    int64_t dtype; /* what operands of products are rounded to */
};

double reference_bf16(double x)
{
    float f = (float)x;
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
    memcpy(&f, &bits, sizeof f);
    return (double)f;
}

/* To the nearest half: 11 bits, steps of 2^-24 below 2^-14. */
static double half(double x)
{
    int exponent;
    frexp(x, &exponent);
    const double step = ldexp(1, (exponent < -13 ? -13 : exponent) - 11);
    return nearbyint(x / step) * step;
}

static double *at(const struct ref *r, uint32_t t, uint64_t row, uint64_t col)
{
    const wn_tensor *tensor = &r->g->tensors[t];
    int is_window = tensor->role == WN_ROLE_WINDOW;
    uint32_t base = is_window ? tensor->base : t;
    if (is_window)
        row += tensor->row0, col += tensor->col0;
    return &r->tensors[base][row * r->g->tensors[base].cols + col];
}

static double in(const struct ref *r, int slot, uint64_t row, uint64_t col, double absent)
{
    return r->op->in[slot] == WN_NONE ? absent : *at(r, r->op->in[slot], row, col);
}

static const wn_tensor *shape(const struct ref *r, int slot)
{
    return &r->g->tensors[r->op->in[slot]];
}

static double weight(const struct ref *r, int slot, uint64_t row, uint64_t col)
{
    return maker_weight_at(&r->g->weights[r->op->weight[slot]], row, col);
}

static double vector(const struct ref *r, int slot, uint64_t i, double absent)
{
    if (r->op->weight[slot] == WN_NONE)
        return absent;
    return r->g->weights[r->op->weight[slot]].rows == 1 ? weight(r, slot, 0, i) : weight(r, slot, i, 0);
}

static double rounded(const struct ref *r, double x)
{
    return r->dtype == WN_BF16 ? reference_bf16(x) : r->dtype == WN_F16 ? half(x) : x;
}

static double act(int32_t kind, double x)
{
    switch (kind) {
    case WN_ACT_GELU_TANH:
        return 0.5 * x * (1 + tanh(sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x)));
    case WN_ACT_GELU_ERF:
        return 0.5 * x * (1 + erf(x / sqrt(2)));
    case WN_ACT_QUICK_GELU:
        return x / (1 + exp(-1.702 * x));
    case WN_ACT_SILU:
        return x / (1 + exp(-x));
    case WN_ACT_RELU:
        return x > 0 ? x : 0;
    case WN_ACT_TANH:
        return tanh(x);
    default:
        return x;
    }
}

static double linear(const struct ref *r, uint64_t row, uint64_t col)
{
    double sum = 0;
    for (uint64_t k = 0; k < shape(r, 0)->cols; k++)
        sum += rounded(r, in(r, 0, row, k, 0)) * rounded(r, weight(r, 0, col, k));
    sum = act(r->op->activation, sum + vector(r, 1, col, 0));
    return in(r, 3, row, col, 0) + in(r, 2, 0, col, 1) * in(r, 1, row, col, 1) * sum;
}

static double norm(const struct ref *r, uint64_t row, uint64_t col)
{
    uint64_t n = shape(r, 0)->cols;
    double mean = 0, squares = 0;
    for (uint64_t k = 0; k < n && r->op->i[0] == 1; k++)
        mean += in(r, 0, row, k, 0) / (double)n;
    for (uint64_t k = 0; k < n; k++)
        squares += pow(in(r, 0, row, k, 0) - mean, 2) / (double)n;
    double x = (in(r, 0, row, col, 0) - mean) / sqrt(squares + (double)r->op->f[0]);
    double w = r->op->in[1] != WN_NONE ? 1 + in(r, 1, 0, col, 0) : vector(r, 0, col, 1);
    return x * w + (r->op->in[2] != WN_NONE ? in(r, 2, 0, col, 0) : vector(r, 1, col, 0));
}

static double head_normed(const struct ref *r, uint64_t row, uint64_t first, uint64_t size, uint64_t i)
{
    double squares = 0, x = in(r, 0, row, first + i, 0);
    for (uint64_t k = 0; k < size; k++)
        squares += pow(in(r, 0, row, first + k, 0), 2) / (double)size;
    return r->op->weight[0] == WN_NONE ? x : x / sqrt(squares + (double)r->op->f[0]) * vector(r, 0, i, 1);
}

static double head_norm_rope(const struct ref *r, uint64_t row, uint64_t col)
{
    uint64_t size = shape(r, 0)->cols / (uint64_t)r->op->i[0], first = col / size * size, i = col % size;
    double x = head_normed(r, row, first, size, i);
    if (r->op->in[1] == WN_NONE)
        return x;
    double cosine = in(r, 1, row, i & ~UINT64_C(1), 0), sine = in(r, 1, row, i | 1, 0);
    double other = head_normed(r, row, first, size, i ^ 1);
    return i % 2 ? x * cosine + other * sine : x * cosine - other * sine;
}

static double score(const struct ref *r, uint64_t head, uint64_t size, uint64_t row, uint64_t key)
{
    double sum = 0, scale = (double)r->op->f[0];
    for (uint64_t k = 0; k < size; k++)
        sum += rounded(r, in(r, 0, row, head * size + k, 0) * scale) * rounded(r, in(r, 1, key, head * size + k, 0));
    return sum + in(r, 3, head, key + shape(r, 0)->rows - 1 - row, 0);
}

/* One row of all heads: the scores of a head are needed for each of its columns. */
static void attention_row(const struct ref *r, uint64_t row, double *out)
{
    uint64_t heads = (uint64_t)r->op->i[0], size = shape(r, 0)->cols / heads, all = shape(r, 1)->rows;
    uint64_t keys = r->op->i[1] && row + 1 < all ? row + 1 : all;
    double *weights = malloc(keys * sizeof *weights);
    for (uint64_t head = 0; head < heads; head++) {
        double largest = -INFINITY, sum = 0;
        for (uint64_t j = 0; j < keys; j++)
            largest = fmax(largest, weights[j] = score(r, head, size, row, j));
        for (uint64_t j = 0; j < keys; j++)
            sum += weights[j] = exp(weights[j] - largest);
        for (uint64_t col = head * size; col < (head + 1) * size; col++) {
            out[col] = 0;
            for (uint64_t j = 0; j < keys; j++)
                out[col] += weights[j] / sum * rounded(r, in(r, 2, j, col, 0));
        }
    }
    free(weights);
}

static double conv(const struct ref *r, uint64_t row, uint64_t col)
{
    const int64_t *i = r->op->i;
    int64_t out_width = (i[1] * i[6] + i[4] + i[5] - i[2]) / i[3] + 1;
    int64_t y0 = ((int64_t)row / out_width + i[7]) * i[3] - i[4], x0 = (int64_t)row % out_width * i[3] - i[4];
    double sum = 0;
    for (int64_t ky = 0; ky < i[2]; ky++) {
        for (int64_t kx = 0; kx < i[2]; kx++) {
            int64_t y = y0 + ky, x = x0 + kx;
            if (y < 0 || x < 0 || y >= i[0] * i[6] || x >= i[1] * i[6])
                continue;
            for (uint64_t c = 0; c < shape(r, 0)->cols; c++)
                sum += rounded(r, in(r, 0, (uint64_t)(y / i[6] * i[1] + x / i[6]), c, 0)) *
                       rounded(r, weight(r, 0, col, c * (uint64_t)(i[2] * i[2]) + (uint64_t)(ky * i[2] + kx)));
        }
    }
    return in(r, 3, row, col, 0) + act(r->op->activation, sum + vector(r, 1, col, 0));
}

static double group_norm(const struct ref *r, uint64_t row, uint64_t col)
{
    uint64_t rows = shape(r, 0)->rows, width = shape(r, 0)->cols / (uint64_t)r->op->i[0], first = col / width * width;
    double mean = 0, squares = 0, n = (double)(rows * width);
    if (r->op->in[1] != WN_NONE)
        return act(r->op->activation,
                   (in(r, 0, row, col, 0) - in(r, 1, 0, col, 0)) * in(r, 1, 1, col, 0) + in(r, 1, 2, col, 0));
    for (uint64_t k = 0; k < rows * width; k++)
        mean += in(r, 0, k / width, first + k % width, 0) / n;
    for (uint64_t k = 0; k < rows * width; k++)
        squares += pow(in(r, 0, k / width, first + k % width, 0) - mean, 2) / n;
    double x = (in(r, 0, row, col, 0) - mean) / sqrt(squares + (double)r->op->f[0]);
    return act(r->op->activation, x * vector(r, 0, col, 1) + vector(r, 1, col, 0));
}

static double group_moments(const struct ref *r, uint64_t row, uint64_t col)
{
    uint64_t rows = (uint64_t)r->op->i[1], width = shape(r, 0)->cols / (uint64_t)r->op->i[0], first = col / 2 * width;
    double mean = 0, squares = 0, n = (double)(rows * width);
    for (uint64_t k = 0; k < rows * width; k++)
        mean += in(r, 0, row * rows + k / width, first + k % width, 0) / n;
    for (uint64_t k = 0; k < rows * width; k++)
        squares += pow(in(r, 0, row * rows + k / width, first + k % width, 0) - mean, 2);
    return col % 2 ? squares : mean;
}

/* The square of a chunk's distances from the mean of all is its own and the distance of its mean. */
static double group_table(const struct ref *r, uint64_t row, uint64_t col)
{
    uint64_t chunks = shape(r, 0)->rows, width = r->g->tensors[r->op->out].cols / (uint64_t)r->op->i[0];
    uint64_t at = col / width * 2;
    double mean = 0, squares = 0, n = (double)(r->op->i[1] * (int64_t)width);
    for (uint64_t k = 0; k < chunks; k++)
        mean += in(r, 0, k, at, 0) / (double)chunks;
    for (uint64_t k = 0; k < chunks; k++)
        squares += in(r, 0, k, at + 1, 0) + n * pow(in(r, 0, k, at, 0) - mean, 2);
    double factor = 1 / sqrt(squares / (n * (double)chunks) + (double)r->op->f[0]);
    return row == 0 ? mean : row == 1 ? factor * vector(r, 0, col, 1) : vector(r, 1, col, 0);
}

static double element(const struct ref *r, uint64_t row, uint64_t col)
{
    const float *f = r->op->f;
    switch (r->op->kind) {
    case WN_OP_LINEAR:
        return linear(r, row, col);
    case WN_OP_NORM:
        return norm(r, row, col);
    case WN_OP_HEAD_NORM_ROPE:
        return head_norm_rope(r, row, col);
    case WN_OP_CONV:
        return conv(r, row, col);
    case WN_OP_GROUP_NORM:
        return group_norm(r, row, col);
    case WN_OP_GROUP_MOMENTS:
        return group_moments(r, row, col);
    case WN_OP_GROUP_TABLE:
        return group_table(r, row, col);
    case WN_OP_EMBED:
        return weight(r, 0, (uint64_t)in(r, 0, row, 0, 0), col) +
               (r->op->weight[1] == WN_NONE ? 0 : weight(r, 1, row, col));
    case WN_OP_BINARY: {
        double a = in(r, 0, row, col, 0), b = in(r, 1, shape(r, 1)->rows == 1 ? 0 : row, col, 0);
        return r->op->i[0] == 1 ? a + b : a * b;
    }
    case WN_OP_UNARY:
        return (double)f[2] * act(r->op->activation, (double)f[0] * in(r, 0, row, col, 0) + (double)f[1]) +
               (double)f[3];
    case WN_OP_COPY:
        return in(r, 0, row, col, 0);
    case WN_OP_PICK_ROW:
        return in(r, 0, (uint64_t)in(r, 1, 0, 0, 0), col, 0);
    default:
        return weight(r, 0, row, col);
    }
}

static void run_op(struct ref *r, int64_t dtype)
{
    const wn_tensor *out = &r->g->tensors[r->op->out];
    double *result = malloc(out->rows * out->cols * sizeof *result); /* apart, since ops may be in place */
    r->dtype = r->op->kind == WN_OP_LINEAR && out->rows == 1 ? WN_F32 : dtype;
    for (uint64_t row = 0; row < out->rows; row++) {
        if (r->op->kind == WN_OP_ATTENTION)
            attention_row(r, row, result + row * out->cols);
        for (uint64_t col = 0; col < out->cols && r->op->kind != WN_OP_ATTENTION; col++)
            result[row * out->cols + col] = element(r, row, col);
    }
    for (uint64_t k = 0; k < out->rows * out->cols; k++)
        *at(r, r->op->out, k / out->cols, k % out->cols) = result[k];
    free(result);
}

void reference_run(const wn_graph *g, double **tensors, int64_t dtype)
{
    struct ref r = { .g = g, .tensors = tensors };
    for (uint64_t i = 0; i < g->tensor_count; i++) {
        const wn_tensor *t = &g->tensors[i];
        for (uint64_t k = 0; t->role == WN_ROLE_CONST && k < t->rows * t->cols; k++)
            tensors[i][k] = (double)((const float *)t->data)[k];
    }
    for (uint64_t i = 0; i < g->op_count; i++) {
        r.op = &g->ops[i];
        run_op(&r, dtype);
    }
}
