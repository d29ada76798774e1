/* head.c - reads the layers in their order, checks that each fits the next, folds what can be folded. */
#include "head.h"

#include <config.h>
#include <sha256.h>

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_WIDTH = 1 << 14, MAX_NUMBER = 64 };

/* Of improved-aesthetic-predictor and aesthetic-predictor; all were trained on embeddings of OpenAI's CLIP. */
static const char *const laion[] = { "21dd590f", "390a3aaf", "0af3254c", "2cd4e60f", "c7b14cea" };

static wn_status no_memory(const nn_weights *w, wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "%s: no memory for its layers", nn_weights_path(w));
}

/* ---- layers ---- */

/* A tensor as doubles; *out is malloc'd. */
static wn_status read_doubles(const nn_weights *w, const nn_tensor *t, uint64_t count, double **out, wn_error *err)
{
    float *values = malloc(count * sizeof *values);
    *out = malloc(count * sizeof **out);
    if (!values || !*out) {
        free(values);
        return no_memory(w, err);
    }
    nn_tensor_to_f32(t, 0, values, count);
    for (uint64_t i = 0; i < count; i++)
        (*out)[i] = (double)values[i];
    free(values);
    return WN_OK;
}

/* The layer of tensors <prefix>weight [rows, cols] and <prefix>bias [rows]. */
static wn_status read_layer(struct head *h, const nn_weights *w, const char *prefix, wn_error *err)
{
    char name[64];
    snprintf(name, sizeof name, "%sweight", prefix);
    const nn_tensor *weight = nn_weights_find(w, name);
    snprintf(name, sizeof name, "%sbias", prefix);
    const nn_tensor *bias = nn_weights_find(w, name);
    struct head_layer *l = &h->layer[h->count];
    if (!weight || !bias || weight->rank != 2 || bias->rank != 1 || weight->shape[0] != bias->shape[0])
        return wn_fail(err, WN_E_FORMAT, "%s: layer \"%s\" is not a matrix with a bias of as many rows",
                       nn_weights_path(w), prefix);
    l->rows = weight->shape[0];
    l->cols = weight->shape[1];
    if (l->rows == 0 || l->cols == 0 || l->rows > MAX_WIDTH || l->cols > MAX_WIDTH)
        return wn_fail(err, WN_E_FORMAT, "%s: layer \"%s\" is %" PRIu64 " x %" PRIu64 ", at most %d are allowed",
                       nn_weights_path(w), prefix, l->rows, l->cols, MAX_WIDTH);
    if (h->count > 0 && h->layer[h->count - 1].rows != l->cols)
        return wn_fail(err, WN_E_FORMAT, "%s: layer \"%s\" takes %" PRIu64 " numbers, the one before it gives %" PRIu64,
                       nn_weights_path(w), prefix, l->cols, h->layer[h->count - 1].rows);
    h->count++; /* so that head_finish frees what is read now */
    WN_TRY(read_doubles(w, weight, l->rows * l->cols, &l->weight, err));
    return read_doubles(w, bias, l->rows, &l->bias, err);
}

/* Which layers.N there are: bit N. */
static uint64_t layer_numbers(const nn_weights *w)
{
    uint64_t numbers = 0;
    char name[64];
    for (int n = 0; n < MAX_NUMBER; n++) {
        snprintf(name, sizeof name, "layers.%d.weight", n);
        if (nn_weights_find(w, name))
            numbers |= UINT64_C(1) << n;
    }
    return numbers;
}

static wn_status read_layers(struct head *h, const nn_weights *w, uint64_t numbers, wn_error *err)
{
    char prefix[32];
    for (int n = 0; n < MAX_NUMBER; n++) {
        if (!(numbers >> n & 1))
            continue;
        if (h->count == HEAD_LAYERS)
            return wn_fail(err, WN_E_UNSUPPORTED, "%s: has more than %d layers", nn_weights_path(w), HEAD_LAYERS);
        snprintf(prefix, sizeof prefix, "layers.%d.", n);
        WN_TRY(read_layer(h, w, prefix, err));
    }
    return WN_OK;
}

/* Two layers as one: W2 (W1 x + b1) + b2 = (W2 W1) x + (W2 b1 + b2). */
static wn_status fold_pair(const nn_weights *w, struct head_layer *first, struct head_layer *second, wn_error *err)
{
    double *product = calloc(second->rows * first->cols, sizeof *product);
    if (!product)
        return no_memory(w, err);
    for (uint64_t r = 0; r < second->rows; r++)
        for (uint64_t k = 0; k < second->cols; k++) {
            const double factor = second->weight[r * second->cols + k];
            second->bias[r] += factor * first->bias[k];
            for (uint64_t c = 0; c < first->cols; c++)
                product[r * first->cols + c] += factor * first->weight[k * first->cols + c];
        }
    free(second->weight);
    free(first->weight);
    free(first->bias);
    *first = (struct head_layer){ second->rows, first->cols, product, second->bias };
    *second = (struct head_layer){ 0 };
    return WN_OK;
}

/* From the last to the first, so that the products stay small. */
static wn_status fold(struct head *h, const nn_weights *w, wn_error *err)
{
    for (; h->count > 1; h->count--)
        WN_TRY(fold_pair(w, &h->layer[h->count - 2], &h->layer[h->count - 1], err));
    return WN_OK;
}

/* ---- config.json ---- */

/* Leaves *activation NULL where there is no config.json, or one that is about something else (a CLIP's). */
static wn_status read_config(struct head *h, const nn_config *c, const char *folder, const char **activation,
                             wn_error *err)
{
    const char *kind, *clip;
    bool is_normalised;
    WN_TRY(nn_config_string(c, "model_type", "", &kind, err));
    if (strcmp(kind, "aesthetic_head") != 0)
        return WN_OK;
    WN_TRY(nn_config_string(c, "activation", NULL, activation, err));
    if (!*activation || (strcmp(*activation, "relu") != 0 && strcmp(*activation, "none") != 0))
        return wn_fail(err, WN_E_FORMAT, "%s: \"activation\" is \"%s\", want relu or none", nn_config_file(c),
                       *activation ? *activation : "");
    WN_TRY(nn_config_bool(c, "normalize_embedding", true, &is_normalised, err));
    h->is_normalised = is_normalised;
    WN_TRY(nn_config_string(c, "embedding_model", "", &clip, err));
    const int n = *clip && *clip != '/' ? snprintf(h->embedding_model, sizeof h->embedding_model, "%s/%s", folder, clip)
                                        : snprintf(h->embedding_model, sizeof h->embedding_model, "%s", clip);
    if (n < 0 || (size_t)n >= sizeof h->embedding_model)
        return wn_fail(err, WN_E_ARG, "%s: \"embedding_model\" makes a path that is too long", nn_config_file(c));
    return nn_files_add(&h->files, nn_config_file(c), "", err);
}

/* ---- the whole ---- */

static wn_status mark_laion(struct head *h, const nn_weights *w, wn_error *err)
{
    char digits[65];
    WN_TRY(nn_sha256_file(nn_weights_file(w, 0), digits, err));
    for (size_t i = 0; i < sizeof laion / sizeof *laion; i++)
        h->is_laion |= strncmp(laion[i], digits, strlen(laion[i])) == 0;
    return WN_OK;
}

/* LAION's two networks by the numbers of their layers; others need a config. */
static const char *activation_of(uint64_t numbers)
{
    return numbers == (1 << 0 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7)    ? "none"
           : numbers == (1 << 0 | 1 << 3 | 1 << 6 | 1 << 9 | 1 << 11) ? "relu"
                                                                      : NULL;
}

static wn_status read_network(struct head *h, const nn_weights *w, const char *activation, wn_error *err)
{
    const uint64_t numbers = layer_numbers(w);
    const int is_single = numbers == 0 && nn_weights_find(w, "weight");
    if (numbers == 0 && !is_single)
        return wn_fail(err, WN_E_FORMAT, "%s: is no aesthetic head: it has neither \"layers.0.weight\" nor \"weight\"",
                       nn_weights_path(w));
    if (!activation)
        activation = is_single ? "none" : activation_of(numbers);
    if (!activation)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "%s: its layers are not numbered like one of LAION's heads; say in a config.json beside it what "
                       "is between them: \"model_type\": \"aesthetic_head\", \"activation\": \"relu\" or \"none\"",
                       nn_weights_path(w));
    WN_TRY(is_single ? read_layer(h, w, "", err) : read_layers(h, w, numbers, err));
    if (strcmp(activation, "none") == 0)
        WN_TRY(fold(h, w, err));
    h->width = h->layer[0].cols;
    if (h->layer[h->count - 1].rows != 1)
        return wn_fail(err, WN_E_FORMAT, "%s: gives %" PRIu64 " numbers, a score is 1", nn_weights_path(w),
                       h->layer[h->count - 1].rows);
    return WN_OK;
}

static wn_status read_all(struct head *h, const char *path, const nn_weights *w, wn_error *err)
{
    char file[4200];
    nn_config *c = NULL;
    const char *activation = NULL;
    if ((size_t)snprintf(file, sizeof file, "%s/config.json", path) >= sizeof file)
        return wn_fail(err, WN_E_ARG, "path of %zu bytes is too long: %.80s...", strlen(path), path);
    wn_status status = access(file, F_OK) == 0 ? nn_config_open(file, &c, err) : WN_OK;
    if (status == WN_OK && c)
        status = read_config(h, c, path, &activation, err);
    if (status == WN_OK)
        status = read_network(h, w, activation, err);
    nn_config_close(c);
    WN_TRY(status);
    for (uint64_t i = 0; i < nn_weights_file_count(w); i++)
        WN_TRY(nn_files_add(&h->files, nn_weights_file(w, i), "", err));
    return mark_laion(h, w, err);
}

wn_status head_read(const char *path, struct head *out, wn_error *err)
{
    nn_weights *w;
    memset(out, 0, sizeof *out);
    out->is_normalised = 1;
    WN_TRY(nn_weights_open(path, &w, err));
    const wn_status status = read_all(out, path, w, err);
    nn_weights_close(w);
    return status;
}

void head_finish(struct head *h)
{
    for (uint64_t i = 0; i < HEAD_LAYERS; i++) {
        free(h->layer[i].weight);
        free(h->layer[i].bias);
    }
    nn_files_finish(&h->files);
}

/* ---- scoring ---- */

uint64_t head_scratch(const struct head *h)
{
    uint64_t widest = h->width;
    for (uint64_t i = 0; i < h->count; i++)
        widest = h->layer[i].rows > widest ? h->layer[i].rows : widest;
    return 2 * widest;
}

/* As doubles of length 1, if the head wants that; an embedding of length 0 stays what it is, as LAION's code has it. */
static void take_embedding(const struct head *h, const float *embedding, double *out)
{
    double square = 0;
    for (uint64_t i = 0; i < h->width; i++)
        square += (double)embedding[i] * (double)embedding[i];
    const double length = h->is_normalised && square > 0 ? sqrt(square) : 1;
    for (uint64_t i = 0; i < h->width; i++)
        out[i] = (double)embedding[i] / length;
}

double head_score(const struct head *h, const float *embedding, double *scratch)
{
    double *in = scratch, *out = scratch + head_scratch(h) / 2;
    take_embedding(h, embedding, in);
    for (uint64_t i = 0; i < h->count; i++) {
        const struct head_layer *l = &h->layer[i];
        for (uint64_t r = 0; r < l->rows; r++) {
            double sum = l->bias[r];
            for (uint64_t c = 0; c < l->cols; c++)
                sum += l->weight[r * l->cols + c] * in[c];
            out[r] = sum > 0 || i + 1 == h->count ? sum : 0; /* ReLU, but not after the last */
        }
        double *swap = in;
        in = out;
        out = swap;
    }
    return in[0];
}
