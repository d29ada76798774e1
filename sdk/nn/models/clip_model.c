/* clip_model.c - one lock around each tower, and a short memory of the images it has seen: verifiers that share a tower
 * get the same images at nearly the same time, so a ring of recent embeddings is all the cache there needs to be.
 */
#include "clip_model.h"

#include "../hash.h"
#include "../shared.h"
#include "../text/clip_bpe.h"
#include "clip.h"
#include "program.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { RING = 256, MAX_BATCH = 16 };

struct image_key {
    nn_hash hash;
    uint32_t width_px;
    uint32_t height_px;
};

struct nn_clip {
    nn_weights *weights;
    nn_clip_bpe *tokenizer;
    nn_clip_text text;
    nn_clip_vision vision;
    nn_preprocess preprocess;
    double logit_scale; /* its exponential */
    pthread_mutex_t text_lock;
    pthread_mutex_t image_lock;
    nn_program text_program;
    nn_program image_program;
    uint64_t texts;
    uint64_t images;
    struct image_key key[RING];
    float *ring; // [RING, width]
    uint64_t ring_next;
    float *pixels;           // [max_items, image_px * image_px, 3]
    const wn_image **wanted; // [max_items], images of the batch in the making
    nn_files files;
};

/* ---- opening ------------------------------------------------------------------------------------------------ */

struct request {
    const char *folder;
    const char *processor; /* another folder, or the same */
    const nn_clip_options *options;
    const nn_device *device;
    int64_t dtype;
};

static void end(void *object)
{
    nn_clip *c = object;
    nn_program_end(&c->text_program);
    nn_program_end(&c->image_program);
    nn_clip_bpe_close(c->tokenizer);
    nn_files_finish(&c->files);
    nn_weights_close(c->weights);
    pthread_mutex_destroy(&c->text_lock);
    pthread_mutex_destroy(&c->image_lock);
    free(c->ring);
    free(c->pixels);
    free(c->wanted);
    free(c);
}

static wn_status check(const nn_clip *c, const struct request *r, wn_error *err)
{
    uint32_t w, h;
    const uint32_t px = (uint32_t)c->vision.image_px;
    if (c->text.projection != c->vision.projection || c->text.projection == 0)
        return wn_fail(err, WN_E_MISSING, "%s: no tensor \"text_projection.weight\": CLIPScore needs a full CLIPModel",
                       r->folder);
    WN_TRY(nn_preprocess_size(&c->preprocess, px, px, &w, &h, err));
    if (w != px || h != px)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: preprocessor_config.json makes images of %u x %u, the model's image_size "
                       "is %u",
                       r->processor, w, h, px);
    return WN_OK;
}

static uint64_t batch_size(const nn_clip_vision *v)
{
    const uint64_t side = v->image_px / v->patch_px;
    const uint64_t floats = (side * side + 1) * (v->shape.mlp + 8 * v->shape.width);
    const uint64_t items = (UINT64_C(64) << 20) / floats; /* about 256 MiB of activations */
    return items < 1 ? 1 : items > MAX_BATCH ? MAX_BATCH : items;
}

static wn_status compile(nn_clip *c, const struct request *r, wn_error *err)
{
    static const char *const text_names[] = { "ids", "index", "pooled", "embedding", NULL };
    static const char *const image_names[] = { "pixels", "embedding", NULL };
    const uint64_t items = batch_size(&c->vision);
    WN_TRY(nn_program_make(nn_clip_text_graph(&c->text, c->weights, c->text.positions, 1), r->device, r->dtype, 1,
                           text_names, &c->text_program, err));
    WN_TRY(nn_program_make(nn_clip_vision_graph(&c->vision, c->weights), r->device, r->dtype, items, image_names,
                           &c->image_program, err));
    c->ring = calloc(RING * c->vision.projection, sizeof *c->ring);
    c->pixels = calloc(items * c->vision.image_px * c->vision.image_px * 3, sizeof *c->pixels);
    c->wanted = calloc(items, sizeof *c->wanted);
    if (!c->ring || !c->pixels || !c->wanted)
        return wn_fail(err, WN_E_MEMORY, "%s: out of memory for %llu images", r->folder, (unsigned long long)items);
    return WN_OK;
}

static wn_status note_files(nn_clip *c, const struct request *r, wn_error *err)
{
    const nn_files *tokenizer = nn_clip_bpe_files(c->tokenizer);
    WN_TRY(nn_files_add(&c->files, r->folder, "config.json", err));
    WN_TRY(nn_files_add(&c->files, r->processor, "preprocessor_config.json", err));
    for (uint64_t i = 0; i < tokenizer->count; i++)
        WN_TRY(nn_files_add(&c->files, tokenizer->path[i], "", err));
    for (uint64_t i = 0; i < nn_weights_file_count(c->weights); i++)
        WN_TRY(nn_files_add(&c->files, nn_weights_file(c->weights, i), "", err));
    return WN_OK;
}

static wn_status read_logit_scale(nn_clip *c, wn_error *err)
{
    const nn_tensor *t = nn_weights_find(c->weights, "logit_scale");
    float logarithm;
    c->logit_scale = NAN;
    if (!t)
        return WN_OK;
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->shape[i] != 1)
            return wn_fail(err, WN_E_FORMAT, "%s: tensor \"logit_scale\" has %llu numbers in dimension %u, want 1",
                           t->file, (unsigned long long)t->shape[i], i);
    nn_tensor_to_f32(t, 0, &logarithm, 1);
    c->logit_scale = exp((double)logarithm);
    return WN_OK;
}

static wn_status read_processor(nn_clip *c, const struct request *r, wn_error *err)
{
    WN_TRY(nn_preprocess_open(r->processor, &c->preprocess, err));
    if (r->options->resize)
        c->preprocess.resize = r->options->resize;
    if (r->options->crop)
        c->preprocess.crop = r->options->crop;
    return nn_clip_bpe_open(r->processor, &c->tokenizer, err);
}

static wn_status read_folder(nn_clip *c, const struct request *r, wn_error *err)
{
    WN_TRY(nn_weights_open(r->folder, &c->weights, err));
    WN_TRY(nn_clip_text_read(r->folder, c->weights, &c->text, err));
    WN_TRY(nn_clip_vision_read(r->folder, c->weights, &c->vision, err));
    WN_TRY(read_logit_scale(c, err));
    WN_TRY(read_processor(c, r, err));
    WN_TRY(check(c, r, err));
    return note_files(c, r, err);
}

static wn_status make(const void *arg, void **object, wn_error *err)
{
    const struct request *r = arg;
    nn_clip *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %s", r->folder);
    pthread_mutex_init(&c->text_lock, NULL);
    pthread_mutex_init(&c->image_lock, NULL);
    wn_status status = read_folder(c, r, err);
    if (status == WN_OK)
        status = compile(c, r, err);
    if (status != WN_OK)
        end(c);
    else
        *object = c;
    return status;
}

wn_status nn_clip_open_with(const char *folder, const nn_clip_options *options, const nn_device *device, int64_t dtype,
                            nn_clip **out, wn_error *err)
{
    char key[8400];
    void *object = NULL;
    const struct request r = { folder, options->processor ? options->processor : folder, options, device, dtype };
    if ((size_t)snprintf(key, sizeof key, "clip %p %lld %d %d %s %s", (void *)device->device, (long long)dtype,
                         options->resize, options->crop, r.processor, folder) >= sizeof key)
        return wn_fail(err, WN_E_ARG, "path of %zu bytes is too long: %.80s...", strlen(folder), folder);
    WN_TRY(nn_shared_get(key, make, end, &r, &object, err));
    *out = object;
    return WN_OK;
}

wn_status nn_clip_open(const char *folder, const nn_device *device, int64_t dtype, nn_clip **out, wn_error *err)
{
    return nn_clip_open_with(folder, &(nn_clip_options){ 0 }, device, dtype, out, err);
}

void nn_clip_close(nn_clip *c)
{
    nn_shared_put(c);
}

/* ---- use ---------------------------------------------------------------------------------------------------- */

uint64_t nn_clip_width(const nn_clip *c)
{
    return c->vision.projection;
}

double nn_clip_logit_scale(const nn_clip *c)
{
    return c->logit_scale;
}

const char *nn_clip_file(const nn_clip *c, uint64_t i)
{
    return i < c->files.count ? c->files.path[i] : NULL;
}

void nn_clip_counts(nn_clip *c, uint64_t *texts, uint64_t *images)
{
    pthread_mutex_lock(&c->text_lock);
    *texts = c->texts;
    pthread_mutex_unlock(&c->text_lock);
    pthread_mutex_lock(&c->image_lock);
    *images = c->images;
    pthread_mutex_unlock(&c->image_lock);
}

wn_status nn_clip_text_embedding(nn_clip *c, const char *text, float *out, bool *is_cut, wn_error *err)
{
    const uint64_t positions = c->text.positions;
    uint32_t count;
    int32_t *ids = calloc(positions, sizeof *ids);
    float *pooled = calloc(c->text.shape.width, sizeof *pooled);
    wn_status status = ids && pooled ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a text");
    if (status == WN_OK)
        status = nn_clip_bpe_encode(c->tokenizer, text, (uint32_t)positions, ids, &count, is_cut, err);
    if (status == WN_OK) {
        int32_t index = (int32_t)nn_clip_pool_index(&c->text, ids, count);
        for (uint64_t i = count; i < positions; i++)
            ids[i] = ids[count - 1]; /* causal: what follows the pooled row is not seen */
        pthread_mutex_lock(&c->text_lock);
        status = nn_program_run(&c->text_program, 1, (void *[]){ ids, &index, pooled, out }, err);
        c->texts++;
        pthread_mutex_unlock(&c->text_lock);
    }
    free(ids);
    free(pooled);
    return status;
}

static struct image_key key_of(const wn_image *image)
{
    struct image_key k = { nn_hash_begin(), image->width_px, image->height_px };
    nn_hash_add(&k.hash, image->rgb, (uint64_t)image->width_px * image->height_px * 3);
    return k;
}

/* Place in the ring, or RING. */
static uint64_t recall(const nn_clip *c, const struct image_key *k)
{
    uint64_t i = 0;
    while (i < RING && memcmp(&c->key[i], k, sizeof *k) != 0)
        i++;
    return i;
}

/* Computes the `count` wanted images (at most max_items) into out[i]. */
static wn_status compute(nn_clip *c, uint64_t count, float *const *out, wn_error *err)
{
    const uint64_t size = c->vision.image_px * c->vision.image_px * 3;
    void *data[2 * MAX_BATCH];
    for (uint64_t i = 0; i < count; i++) {
        uint32_t w, h;
        WN_TRY(nn_preprocess_size(&c->preprocess, c->wanted[i]->width_px, c->wanted[i]->height_px, &w, &h, err));
        if (w != c->vision.image_px || h != c->vision.image_px)
            return wn_fail(err, WN_E_FORMAT,
                           "an image of %u x %u is prepared to %u x %u, the model takes %llu x %llu; "
                           "preprocessor_config.json lacks a centre crop",
                           c->wanted[i]->width_px, c->wanted[i]->height_px, w, h,
                           (unsigned long long)c->vision.image_px, (unsigned long long)c->vision.image_px);
        WN_TRY(nn_preprocess_run(&c->preprocess, c->wanted[i], c->pixels + i * size, err));
        data[2 * i] = c->pixels + i * size;
        data[2 * i + 1] = out[i];
    }
    c->images += count;
    return nn_program_run(&c->image_program, count, data, err);
}

static void remember(nn_clip *c, const wn_image *image, const float *embedding)
{
    const uint64_t d = nn_clip_width(c);
    c->key[c->ring_next] = key_of(image);
    memcpy(c->ring + c->ring_next * d, embedding, d * sizeof *embedding);
    c->ring_next = (c->ring_next + 1) % RING;
}

static wn_status embed(nn_clip *c, uint64_t count, const wn_image *images, float *out, wn_error *err)
{
    const uint64_t d = nn_clip_width(c);
    float *target[MAX_BATCH];
    for (uint64_t i = 0, waiting = 0; i < count; i++) {
        const struct image_key k = key_of(&images[i]);
        const uint64_t place = recall(c, &k);
        if (place < RING) {
            memcpy(out + i * d, c->ring + place * d, d * sizeof *out);
        } else {
            c->wanted[waiting] = &images[i];
            target[waiting++] = out + i * d;
        }
        if (waiting == c->image_program.max_items || (waiting && i + 1 == count)) {
            WN_TRY(compute(c, waiting, target, err));
            for (uint64_t j = 0; j < waiting; j++)
                remember(c, c->wanted[j], target[j]);
            waiting = 0;
        }
    }
    return WN_OK;
}

wn_status nn_clip_image_embeddings(nn_clip *c, uint64_t count, const wn_image *images, float *out, wn_error *err)
{
    pthread_mutex_lock(&c->image_lock);
    const wn_status status = embed(c, count, images, out, err);
    pthread_mutex_unlock(&c->image_lock);
    return status;
}

double nn_cosine(const float *a, const float *b, uint64_t n)
{
    double dot = 0, aa = 0, bb = 0;
    for (uint64_t i = 0; i < n; i++) {
        dot += (double)a[i] * (double)b[i];
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
    }
    return aa > 0 && bb > 0 ? dot / (sqrt(aa) * sqrt(bb)) : 0.0;
}
