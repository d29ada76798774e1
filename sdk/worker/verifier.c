/* verifier.c - see verifier.h. A request's prompts are sent once each; its pixels lie in shared memory where the worker
 * takes part in that, else they follow the text in the frame: the images first, then the previews. */
#include "verifier.h"

#include <stdlib.h>
#include <string.h>

struct wn_worker_verifier {
    struct wn_worker *worker;
    wn_metric metrics[64];
    wn_verifier_info info;
    struct wn_part *parts; /* [part_capacity] */
    uint64_t part_capacity;
};

/* ---- life ---- */

wn_status wn_worker_verifier_open(const struct wn_worker_setup *setup, struct wn_worker_verifier **out, wn_error *err)
{
    struct wn_worker_verifier *v = calloc(1, sizeof *v);
    if (!v)
        return wn_fail(err, WN_E_MEMORY, "no memory for a worker");
    wn_status status = wn_worker_start(setup, &v->worker, err);
    if (status == WN_OK)
        status = wn_message_get_verifier(wn_worker_ready(v->worker), v->metrics, &v->info, err);
    if (status != WN_OK) {
        wn_worker_verifier_close(v);
        return status;
    }
    *out = v;
    return WN_OK;
}

void wn_worker_verifier_close(struct wn_worker_verifier *v)
{
    if (!v)
        return;
    wn_worker_stop(v->worker);
    free(v->parts);
    free(v);
}

wn_status wn_worker_verifier_describe(void *self, wn_verifier_info *info, wn_error *err)
{
    const struct wn_worker_verifier *v = self;
    (void)err;
    info->metrics = v->metrics;
    info->metric_count = v->info.metric_count;
    info->flags = v->info.flags;
    info->max_batch = v->info.max_batch;
    info->preview_sigma = v->info.preview_sigma;
    return WN_OK;
}

/* ---- the request ---- */

static uint64_t image_bytes(const wn_image *image)
{
    return 3 * (uint64_t)image->width_px * image->height_px;
}

/* Each prompt once, and for each item which it is. Items of one prompt mostly stand together. */
static wn_status put_prompts(cJSON *message, const wn_score_request *r, wn_error *err)
{
    cJSON *list = cJSON_AddArrayToObject(message, "prompts");
    int count = 0, *of = malloc(r->count * sizeof *of);
    if (!of)
        return wn_fail(err, WN_E_MEMORY, "no memory for a request");
    for (uint64_t i = 0; i < r->count; i++) {
        uint64_t k = i;
        while (k > 0 && r->prompts[k - 1] != r->prompts[i])
            k--;
        of[i] = k > 0 ? of[k - 1] : count++;
        if (k == 0)
            cJSON_AddItemToArray(list, wn_message_prompt(r->prompts[i]));
    }
    cJSON *indices = cJSON_CreateIntArray(of, (int)r->count);
    free(of);
    const int is_whole = cJSON_AddItemToObject(message, "prompt", indices) && cJSON_GetArraySize(list) == count;
    return is_whole ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a request");
}

/* [width, height] of each; null for one without pixels. */
static void put_images(cJSON *message, const char *key, uint64_t count, const wn_image *images)
{
    cJSON *list = cJSON_AddArrayToObject(message, key);
    for (uint64_t i = 0; i < count; i++) {
        const int size[2] = { (int)images[i].width_px, (int)images[i].height_px };
        cJSON_AddItemToArray(list, images[i].rgb ? cJSON_CreateIntArray(size, 2) : cJSON_CreateNull());
    }
}

/* Images, then previews. */
static wn_status list_parts(struct wn_worker_verifier *v, const wn_score_request *r, uint64_t *count, uint64_t *bytes,
                            wn_error *err)
{
    const uint64_t all = r->previews ? 2 * r->count : r->count;
    if (all > v->part_capacity) {
        free(v->parts);
        v->part_capacity = 0;
        v->parts = calloc(all, sizeof *v->parts);
        if (!v->parts)
            return wn_fail(err, WN_E_MEMORY, "no memory for a request of %llu images", (unsigned long long)all);
        v->part_capacity = all;
    }
    *count = *bytes = 0;
    for (uint64_t i = 0; i < all; i++) {
        const wn_image *image = i < r->count ? &r->images[i] : &r->previews[i - r->count];
        if (!image->rgb)
            continue;
        v->parts[*count] = (struct wn_part){ image->rgb, image_bytes(image) };
        *bytes += v->parts[(*count)++].bytes;
    }
    return WN_OK;
}

/* Copies the parts to where the worker sees them; false where it does not. */
static int share_parts(struct wn_worker_verifier *v, uint64_t count, uint64_t bytes)
{
    uint8_t *to = wn_worker_share(v->worker, bytes);
    for (uint64_t i = 0; to && i < count; i++) {
        memcpy(to, v->parts[i].data, v->parts[i].bytes);
        to += v->parts[i].bytes;
    }
    return to != NULL;
}

static wn_status ask(struct wn_worker_verifier *v, cJSON *message, const wn_score_request *r, wn_error *err)
{
    uint64_t count = 0, bytes = 0;
    WN_TRY(list_parts(v, r, &count, &bytes, err));
    if (share_parts(v, count, bytes)) {
        cJSON_AddNumberToObject(message, "shared", (double)bytes);
        count = 0;
    }
    const struct wn_request request = {
        .message = message,
        .parts = v->parts,
        .part_count = count,
        .answer = "scores",
        .answer_bytes = r->count * v->info.metric_count * sizeof *r->scores,
        .data = r->scores,
    };
    return wn_worker_ask(v->worker, &request, err);
}

wn_status wn_worker_verifier_score(void *self, const wn_score_request *r, wn_error *err)
{
    struct wn_worker_verifier *v = self;
    cJSON *message = wn_message_new("score", 0);
    wn_status status = put_prompts(message, r, err);
    put_images(message, "images", r->count, r->images);
    if (r->previews)
        put_images(message, "previews", r->count, r->previews);
    if (status == WN_OK)
        status = ask(v, message, r, err);
    cJSON_Delete(message);
    return status;
}
