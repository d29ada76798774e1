/* vit_model.c - twice as many places as a call has images, the least recently asked for giving way, so that no image of
 * a call is lost to another of the same call.
 */
#include "vit_model.h"

#include "../hash.h"
#include "program.h"

#include <stdlib.h>
#include <string.h>

enum { PLACES = 2 * NN_VIT_CHUNK };

struct place {
    nn_hash hash;
    uint32_t width_px; /* 0 = empty */
    uint32_t height_px;
    uint64_t asked; /* when, as a count */
    float *states;
};

struct nn_vit_model {
    nn_program program;
    nn_preprocess preprocess;
    uint64_t image_px;
    struct place place[PLACES];
    uint64_t asked;
    uint64_t computed;
    float *pixels; // [NN_VIT_CHUNK, image_px * image_px, 3]
};

/* ---- life --------------------------------------------------------------------------------------------------- */

void nn_vit_model_close(nn_vit_model *m)
{
    if (!m)
        return;
    nn_program_end(&m->program);
    for (int i = 0; i < PLACES; i++)
        free(m->place[i].states);
    free(m->pixels);
    free(m);
}

static nn_graph *graph_of(const nn_vit *v, const nn_weights *w, bool class_only)
{
    nn_graph *g = nn_graph_new("vision transformer");
    const nn_t pixels = nn_input(g, "pixels", WN_F32, v->image_px * v->image_px, 3, 0);
    const nn_t states = nn_vit_states(g, v, w, pixels);
    nn_output(g, "states", class_only ? nn_window(g, states, 0, 1, 0, v->width) : states);
    return g;
}

static wn_status check(const nn_weights *w, const nn_vit *v, const nn_preprocess *p, uint32_t width, uint32_t height,
                       wn_error *err)
{
    uint32_t made_width, made_height;
    WN_TRY(nn_preprocess_size(p, width, height, &made_width, &made_height, err));
    if (made_width != v->image_px || made_height != v->image_px)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: an image of %u x %u is prepared to %u x %u, the model takes %llu x %llu: the preparation "
                       "must end in one square size",
                       nn_weights_path(w), width, height, made_width, made_height, (unsigned long long)v->image_px,
                       (unsigned long long)v->image_px);
    return WN_OK;
}

static wn_status open(nn_vit_model *m, const nn_vit *v, const nn_weights *w, bool class_only, const nn_device *device,
                      int64_t dtype, wn_error *err)
{
    static const char *const names[] = { "pixels", "states", NULL };
    const uint64_t floats = (class_only ? 1 : nn_vit_tokens(v)) * v->width;
    WN_TRY(check(w, v, &m->preprocess, 64, 64, err));
    WN_TRY(check(w, v, &m->preprocess, 64, 48, err));
    WN_TRY(nn_program_make(graph_of(v, w, class_only), device, dtype, NN_VIT_CHUNK, names, &m->program, err));
    m->pixels = calloc(NN_VIT_CHUNK * m->image_px * m->image_px * 3, sizeof *m->pixels);
    bool is_complete = m->pixels != NULL;
    for (int i = 0; i < PLACES; i++) {
        m->place[i].states = calloc(floats, sizeof *m->place[i].states);
        is_complete = is_complete && m->place[i].states;
    }
    if (!is_complete)
        return wn_fail(err, WN_E_MEMORY, "%s: out of memory for the states of %d images of %llu px", nn_weights_path(w),
                       PLACES, (unsigned long long)m->image_px);
    return WN_OK;
}

wn_status nn_vit_model_open(const nn_vit *v, const nn_weights *w, const nn_preprocess *preprocess, bool class_only,
                            const nn_device *device, int64_t dtype, nn_vit_model **out, wn_error *err)
{
    nn_vit_model *m = calloc(1, sizeof *m);
    *out = NULL;
    if (!m)
        return wn_fail(err, WN_E_MEMORY, "out of memory for %s", nn_weights_path(w));
    m->preprocess = *preprocess;
    m->image_px = v->image_px;
    const wn_status status = open(m, v, w, class_only, device, dtype, err);
    if (status != WN_OK)
        nn_vit_model_close(m);
    else
        *out = m;
    return status;
}

/* ---- use ---------------------------------------------------------------------------------------------------- */

/* The image's place; *is_new when it has to be computed. */
static struct place *place_of(nn_vit_model *m, const wn_image *image, bool *is_new)
{
    struct place *oldest = m->place, key = { nn_hash_begin(), image->width_px, image->height_px, ++m->asked, NULL };
    nn_hash_add(&key.hash, image->rgb, (uint64_t)image->width_px * image->height_px * 3);
    for (struct place *p = m->place; p < m->place + PLACES; p++) {
        if (p->width_px == key.width_px && p->height_px == key.height_px &&
            memcmp(&p->hash, &key.hash, sizeof key.hash) == 0) {
            p->asked = key.asked;
            *is_new = false;
            return p;
        }
        if (p->asked < oldest->asked)
            oldest = p;
    }
    key.states = oldest->states;
    *oldest = key;
    *is_new = true;
    return oldest;
}

static wn_status compute(nn_vit_model *m, uint64_t count, const wn_image *const *images, struct place *const *places,
                         wn_error *err)
{
    const uint64_t size = m->image_px * m->image_px * 3;
    void *data[2 * NN_VIT_CHUNK];
    for (uint64_t i = 0; i < count; i++) {
        WN_TRY(nn_preprocess_run(&m->preprocess, images[i], m->pixels + i * size, err));
        data[2 * i] = m->pixels + i * size;
        data[2 * i + 1] = places[i]->states;
    }
    m->computed += count;
    return count ? nn_program_run(&m->program, count, data, err) : WN_OK;
}

wn_status nn_vit_model_states(nn_vit_model *m, uint64_t count, const wn_image *images, const float **states,
                              wn_error *err)
{
    const wn_image *wanted[NN_VIT_CHUNK];
    struct place *target[NN_VIT_CHUNK];
    uint64_t waiting = 0;
    if (count > NN_VIT_CHUNK)
        return wn_fail(err, WN_E_INTERNAL, "%llu images at once, at most %d", (unsigned long long)count, NN_VIT_CHUNK);
    for (uint64_t i = 0; i < count; i++) {
        bool is_new;
        struct place *p = place_of(m, &images[i], &is_new);
        states[i] = p->states;
        if (is_new) {
            wanted[waiting] = &images[i];
            target[waiting++] = p;
        }
    }
    const wn_status status = compute(m, waiting, wanted, target, err);
    for (uint64_t i = 0; status != WN_OK && i < waiting; i++)
        target[i]->width_px = 0; /* nothing to be remembered */
    return status;
}

uint64_t nn_vit_model_computed(const nn_vit_model *m)
{
    return m->computed;
}
