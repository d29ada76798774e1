/* clip_model.c - one lock around each tower, and a short memory of the images it has seen: verifiers that share a tower
 * get the same images at nearly the same time, so a ring of recent embeddings is all the cache there needs to be.
 *
 * An nn_clip is one user's handle: the towers, which are shared, and a tokenizer of its own. The text tower is compiled
 * when the first comes who wants it.
 */
#include "clip_model.h"

#include "../hash.h"
#include "../shared.h"
#include "clip_read.h"
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

struct towers {
    struct clip_parts parts;
    pthread_mutex_t text_lock;
    pthread_mutex_t image_lock;
    nn_program text_program; /* all zero until wanted */
    nn_program image_program;
    uint64_t texts;
    uint64_t images;
    uint64_t images_asked;
    struct image_key key[RING];
    float *ring; // [RING, width]
    uint64_t ring_next;
    float *pixels;           // [max_items, image_px * image_px, 3]
    const wn_image **wanted; // [max_items], images of the batch in the making
};

struct nn_clip {
    struct towers *towers;
    nn_clip_bpe *tokenizer; /* NULL: images only */
};

/* ---- towers ------------------------------------------------------------------------------------------------- */

struct request {
    const char *path;
    const nn_clip_options *options;
    const nn_device *device;
    int64_t dtype;
};

static void end(void *object)
{
    struct towers *t = object;
    nn_program_end(&t->text_program);
    nn_program_end(&t->image_program);
    clip_parts_finish(&t->parts);
    pthread_mutex_destroy(&t->text_lock);
    pthread_mutex_destroy(&t->image_lock);
    free(t->ring);
    free(t->pixels);
    free(t->wanted);
    free(t);
}

static uint64_t batch_size(const nn_clip_vision *v)
{
    const uint64_t side = v->image_px / v->patch_px;
    const uint64_t floats = (side * side + 1) * (v->shape.mlp + 8 * v->shape.width);
    const uint64_t items = (UINT64_C(64) << 20) / floats; /* about 256 MiB of activations */
    return items < 1 ? 1 : items > MAX_BATCH ? MAX_BATCH : items;
}

static wn_status compile_images(struct towers *t, const struct request *r, wn_error *err)
{
    static const char *const names[] = { "pixels", "embedding", NULL };
    const nn_clip_vision *v = &t->parts.vision;
    const uint64_t items = batch_size(v);
    WN_TRY(nn_program_make(nn_clip_vision_graph(v, t->parts.weights), r->device, r->dtype, items, names,
                           &t->image_program, err));
    t->ring = calloc(RING * v->projection, sizeof *t->ring);
    t->pixels = calloc(items * v->image_px * v->image_px * 3, sizeof *t->pixels);
    t->wanted = calloc(items, sizeof *t->wanted);
    if (!t->ring || !t->pixels || !t->wanted)
        return wn_fail(err, WN_E_MEMORY, "%s: out of memory for %llu images", r->path, (unsigned long long)items);
    return WN_OK;
}

static wn_status compile_texts(struct towers *t, const struct request *r, wn_error *err)
{
    static const char *const names[] = { "ids", "index", "pooled", "embedding", NULL };
    const nn_clip_text *text = &t->parts.text;
    if (text->projection != t->parts.vision.projection || text->projection == 0)
        return wn_fail(err, WN_E_MISSING, "%s: no tensor \"text_projection.weight\": CLIPScore needs a full CLIPModel",
                       r->path);
    return nn_program_make(nn_clip_text_graph(text, t->parts.weights, text->positions, 1), r->device, r->dtype, 1,
                           names, &t->text_program, err);
}

static wn_status make(const void *arg, void **object, wn_error *err)
{
    const struct request *r = arg;
    struct towers *t = calloc(1, sizeof *t);
    if (!t)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %s", r->path);
    pthread_mutex_init(&t->text_lock, NULL);
    pthread_mutex_init(&t->image_lock, NULL);
    wn_status status = clip_read(r->path, r->options, &t->parts, err);
    if (status == WN_OK)
        status = compile_images(t, r, err);
    if (status != WN_OK)
        end(t);
    else
        *object = t;
    return status;
}

/* ---- handles ------------------------------------------------------------------------------------------------ */

/* What the towers depend on. A processor that is the tokenizer's file changes no image. */
static wn_status key_of_towers(const struct request *r, char *key, size_t size, wn_error *err)
{
    const nn_clip_options *o = r->options;
    char *path = realpath(r->path, NULL), *processor = o->processor ? realpath(o->processor, NULL) : NULL;
    const int n = snprintf(key, size, "clip %p %lld %d %d %s %s %s", (void *)r->device->device, (long long)r->dtype,
                           o->resize, o->crop, o->activation ? o->activation : "",
                           processor && clip_is_folder(processor) ? processor : "", path ? path : r->path);
    free(path);
    free(processor);
    if (n < 0 || (size_t)n >= size)
        return wn_fail(err, WN_E_ARG, "path of %zu bytes is too long: %.80s...", strlen(r->path), r->path);
    return WN_OK;
}

static wn_status open_texts(nn_clip *c, const struct request *r, wn_error *err)
{
    struct towers *t = c->towers;
    wn_status status = WN_OK;
    pthread_mutex_lock(&t->text_lock);
    if (!t->text_program.program)
        status = compile_texts(t, r, err);
    pthread_mutex_unlock(&t->text_lock);
    WN_TRY(status);
    return clip_read_tokenizer(r->path, r->options, t->parts.text.vocabulary, &c->tokenizer, err);
}

wn_status nn_clip_open_with(const char *path, const nn_clip_options *options, const nn_device *device, int64_t dtype,
                            nn_clip **out, wn_error *err)
{
    char key[8400];
    void *towers = NULL;
    const struct request r = { path, options, device, dtype };
    *out = NULL;
    WN_TRY(key_of_towers(&r, key, sizeof key, err));
    nn_clip *c = calloc(1, sizeof *c);
    if (!c)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %s", path);
    wn_status status = nn_shared_get(key, make, end, &r, &towers, err);
    c->towers = towers;
    if (status == WN_OK && !options->images_only)
        status = open_texts(c, &r, err);
    if (status != WN_OK)
        nn_clip_close(c);
    else
        *out = c;
    return status;
}

wn_status nn_clip_open(const char *path, const nn_device *device, int64_t dtype, nn_clip **out, wn_error *err)
{
    return nn_clip_open_with(path, &(nn_clip_options){ 0 }, device, dtype, out, err);
}

void nn_clip_close(nn_clip *c)
{
    if (!c)
        return;
    nn_clip_bpe_close(c->tokenizer);
    nn_shared_put(c->towers);
    free(c);
}

/* ---- use ---------------------------------------------------------------------------------------------------- */

uint64_t nn_clip_width(const nn_clip *c)
{
    return c->towers->parts.vision.projection;
}

int32_t nn_clip_activation(const nn_clip *c)
{
    return c->towers->parts.vision.shape.activation;
}

double nn_clip_logit_scale(const nn_clip *c)
{
    return c->towers->parts.logit_scale;
}

const char *nn_clip_file(const nn_clip *c, uint64_t i)
{
    const nn_files *model = &c->towers->parts.files;
    if (i < model->count)
        return model->path[i];
    const nn_files *tokenizer = c->tokenizer ? nn_clip_bpe_files(c->tokenizer) : NULL;
    return tokenizer && i - model->count < tokenizer->count ? tokenizer->path[i - model->count] : NULL;
}

void nn_clip_counts(nn_clip *c, uint64_t *texts, uint64_t *images)
{
    struct towers *t = c->towers;
    pthread_mutex_lock(&t->text_lock);
    *texts = t->texts;
    pthread_mutex_unlock(&t->text_lock);
    pthread_mutex_lock(&t->image_lock);
    *images = t->images;
    pthread_mutex_unlock(&t->image_lock);
}

uint64_t nn_clip_images_asked(nn_clip *c)
{
    pthread_mutex_lock(&c->towers->image_lock);
    const uint64_t asked = c->towers->images_asked;
    pthread_mutex_unlock(&c->towers->image_lock);
    return asked;
}

wn_status nn_clip_text_embedding(nn_clip *c, const char *text, float *out, bool *is_cut, wn_error *err)
{
    struct towers *t = c->towers;
    const nn_clip_text *shape = &t->parts.text;
    uint32_t count;
    if (!c->tokenizer)
        return wn_fail(err, WN_E_INTERNAL, "a text for a CLIP that was opened for images only");
    int32_t *ids = calloc(shape->positions, sizeof *ids);
    float *pooled = calloc(shape->shape.width, sizeof *pooled);
    wn_status status = ids && pooled ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for a text");
    if (status == WN_OK)
        status = nn_clip_bpe_encode(c->tokenizer, text, (uint32_t)shape->positions, ids, &count, is_cut, err);
    if (status == WN_OK) {
        int32_t index = (int32_t)nn_clip_pool_index(shape, ids, count);
        for (uint64_t i = count; i < shape->positions; i++)
            ids[i] = ids[count - 1]; /* causal: what follows the pooled row is not seen */
        pthread_mutex_lock(&t->text_lock);
        status = nn_program_run(&t->text_program, 1, (void *[]){ ids, &index, pooled, out }, err);
        t->texts++;
        pthread_mutex_unlock(&t->text_lock);
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
static uint64_t recall(const struct towers *t, const struct image_key *k)
{
    uint64_t i = 0;
    while (i < RING && memcmp(&t->key[i], k, sizeof *k) != 0)
        i++;
    return i;
}

/* Computes the `count` wanted images (at most max_items) into out[i]. */
static wn_status compute(struct towers *t, uint64_t count, float *const *out, wn_error *err)
{
    const uint64_t size = t->parts.vision.image_px * t->parts.vision.image_px * 3;
    void *data[2 * MAX_BATCH];
    for (uint64_t i = 0; i < count; i++) {
        uint32_t w, h;
        WN_TRY(nn_preprocess_size(&t->parts.preprocess, t->wanted[i]->width_px, t->wanted[i]->height_px, &w, &h, err));
        if (w != t->parts.vision.image_px || h != t->parts.vision.image_px)
            return wn_fail(err, WN_E_FORMAT,
                           "an image of %u x %u is prepared to %u x %u, the model takes %llu x %llu; "
                           "preprocessor_config.json lacks a centre crop",
                           t->wanted[i]->width_px, t->wanted[i]->height_px, w, h,
                           (unsigned long long)t->parts.vision.image_px, (unsigned long long)t->parts.vision.image_px);
        WN_TRY(nn_preprocess_run(&t->parts.preprocess, t->wanted[i], t->pixels + i * size, err));
        data[2 * i] = t->pixels + i * size;
        data[2 * i + 1] = out[i];
    }
    t->images += count;
    return nn_program_run(&t->image_program, count, data, err);
}

static void remember(struct towers *t, const wn_image *image, const float *embedding)
{
    const uint64_t d = t->parts.vision.projection;
    t->key[t->ring_next] = key_of(image);
    memcpy(t->ring + t->ring_next * d, embedding, d * sizeof *embedding);
    t->ring_next = (t->ring_next + 1) % RING;
}

static wn_status embed(struct towers *t, uint64_t count, const wn_image *images, float *out, wn_error *err)
{
    const uint64_t d = t->parts.vision.projection;
    float *target[MAX_BATCH];
    for (uint64_t i = 0, waiting = 0; i < count; i++) {
        const struct image_key k = key_of(&images[i]);
        const uint64_t place = recall(t, &k);
        if (place < RING) {
            memcpy(out + i * d, t->ring + place * d, d * sizeof *out);
        } else {
            t->wanted[waiting] = &images[i];
            target[waiting++] = out + i * d;
        }
        if (waiting == t->image_program.max_items || (waiting && i + 1 == count)) {
            WN_TRY(compute(t, waiting, target, err));
            for (uint64_t j = 0; j < waiting; j++)
                remember(t, t->wanted[j], target[j]);
            waiting = 0;
        }
    }
    return WN_OK;
}

wn_status nn_clip_image_embeddings(nn_clip *c, uint64_t count, const wn_image *images, float *out, wn_error *err)
{
    pthread_mutex_lock(&c->towers->image_lock);
    c->towers->images_asked += count;
    const wn_status status = embed(c->towers, count, images, out, err);
    pthread_mutex_unlock(&c->towers->image_lock);
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
