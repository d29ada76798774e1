/* text.c - a prompt becomes CLIP's pooled vector and T5's states, embedded for the transformer: once for each prompt.
 * The encoders are compiled when a prompt comes, and where memory is short freed before the next velocity: T5 is 40 % of
 * FLUX.1-dev's bytes and idle while images are made. What was encoded depends on no canvas, so that a search which
 * drafts on a smaller one pays for its prompt once.
 */
#include "flux.h"

#include <stdlib.h>
#include <string.h>

static wn_status compile(struct flux *f, wn_error *err)
{
    static const char *const clip_names[] = { "ids", "index", "pooled", NULL };
    static const char *const t5_names[] = { "ids", "states", NULL };
    static const char *const context_names[] = { "states", "text", NULL };
    const struct flux_parts *p = &f->parts;
    if (!f->t5_program.program)
        f->host->log(f->host->ctx, WN_LOG_DEBUG, "flux: the text encoders are loaded");
    if (!f->clip_program.program)
        WN_TRY(nn_program_make(nn_clip_text_graph(&f->clip, p->weights[PART_TEXT_ENCODER], f->clip.positions, 0),
                               &f->device, f->dtype, 1, clip_names, &f->clip_program, err));
    if (!f->t5_program.program)
        WN_TRY(nn_program_make(nn_t5_graph(&f->t5, p->weights[PART_TEXT_ENCODER_2], f->text_length), &f->device,
                               f->dtype, 1, t5_names, &f->t5_program, err));
    if (!f->context_program.program)
        WN_TRY(nn_program_make(nn_flux_context_graph(&f->flux, p->weights[PART_TRANSFORMER], f->text_length),
                               &f->device, f->dtype, 1, context_names, &f->context_program, err));
    return WN_OK;
}

void text_release(struct flux *f)
{
    nn_program_end(&f->clip_program);
    nn_program_end(&f->t5_program);
    nn_program_end(&f->context_program);
}

static void warn_cut(const struct flux *f, const wn_prompt *prompt, const char *encoder, uint64_t length)
{
    char line[256];
    snprintf(line, sizeof line, "prompt \"%s\" is longer than %s's %llu tokens; the rest is not seen", prompt->id,
             encoder, (unsigned long long)length);
    f->host->log(f->host->ctx, WN_LOG_WARN, line);
}

static wn_status encode_clip(struct flux *f, const wn_prompt *prompt, int32_t *ids, float *pooled, wn_error *err)
{
    const uint64_t longest = nn_clip_bpe_max_length(f->clip_tokenizer);
    const uint64_t length = longest < f->clip.positions ? longest : f->clip.positions;
    uint32_t count;
    bool is_cut;
    WN_TRY(nn_clip_bpe_encode(f->clip_tokenizer, prompt->text, (uint32_t)length, ids, &count, &is_cut, err));
    if (is_cut)
        warn_cut(f, prompt, "CLIP", length);
    int32_t index = (int32_t)nn_clip_pool_index(&f->clip, ids, count);
    for (uint64_t i = count; i < f->clip.positions; i++)
        ids[i] = nn_clip_bpe_pad(f->clip_tokenizer);
    return nn_program_run(&f->clip_program, 1, (void *[]){ ids, &index, pooled }, err);
}

static wn_status encode_t5(struct flux *f, const wn_prompt *prompt, int32_t *ids, float *states, float *text,
                           wn_error *err)
{
    uint32_t count;
    bool is_cut;
    WN_TRY(nn_t5_spm_encode(f->t5_tokenizer, prompt->text, (uint32_t)f->text_length, ids, &count, &is_cut, err));
    if (is_cut)
        warn_cut(f, prompt, "T5", f->text_length);
    WN_TRY(nn_program_run(&f->t5_program, 1, (void *[]){ ids, states }, err));
    return nn_program_run(&f->context_program, 1, (void *[]){ states, text }, err);
}

static wn_status run_encoders(struct flux *f, const wn_prompt *prompt, wn_cond *cond, wn_error *err)
{
    const uint64_t tokens = f->text_length;
    const uint64_t most = tokens > f->clip.positions ? tokens : f->clip.positions;
    WN_TRY(compile(f, err));
    int32_t *ids = calloc(most, sizeof *ids);
    float *states = calloc(tokens * f->t5.width, sizeof *states);
    wn_status status = WN_OK;
    if (!ids || !states)
        status = wn_fail(err, WN_E_MEMORY, "out of memory for a prompt of %llu tokens", (unsigned long long)tokens);
    if (status == WN_OK)
        status = encode_clip(f, prompt, ids, cond->pooled, err);
    if (status == WN_OK)
        status = encode_t5(f, prompt, ids, states, cond->text, err);
    free(ids);
    free(states);
    return status;
}

static const wn_cond *find_known(const struct flux *f, const char *text)
{
    const wn_cond *c = f->conds;
    while (c && strcmp(c->prompt, text) != 0)
        c = c->next;
    return c;
}

wn_status text_encode(struct flux *f, const wn_prompt *prompt, wn_cond *cond, wn_error *err)
{
    const uint64_t text = f->text_length * f->flux.heads * f->flux.head_width, pooled = f->clip.shape.width;
    const wn_cond *known = find_known(f, prompt->text);
    cond->prompt = strdup(prompt->text);
    cond->text = calloc(text, sizeof *cond->text);
    cond->pooled = calloc(pooled, sizeof *cond->pooled);
    if (!cond->prompt || !cond->text || !cond->pooled)
        return wn_fail(err, WN_E_MEMORY, "out of memory for a prompt of %llu tokens",
                       (unsigned long long)f->text_length);
    if (!known)
        return run_encoders(f, prompt, cond, err);
    memcpy(cond->text, known->text, text * sizeof *cond->text);
    memcpy(cond->pooled, known->pooled, pooled * sizeof *cond->pooled);
    return WN_OK;
}
