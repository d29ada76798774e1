/* How a sample came to be, as the ledger and pictures tell it:
 *   {"noise":"HASH","seed":7,"stream":3,"moves":[{"advance":8},{"kick":9,"kernel":"cps","scale":0.5,"stream":4294967296}]}
 * seed and stream are there when the noise is one that env handed out; else the search made it itself. A stream that is
 * a blend has its recipe beside it, "blend":[base, with, cosine, with, cosine ...]: each pair turns what is before it.
 * "shrink":2 stands before "moves" where these begin on a canvas with sides of 1/2, from the noise shrunk to it.
 */
#include "base/json_text.h"
#include "engine/trial.h"

enum { LINEAGE_MAX_BYTES = 1 << 20 };

static void write_recipe(struct json_text *j, const struct blends *blends, uint64_t stream)
{
    const struct blend *b = blends_find(blends, stream);
    if (!b) {
        json_u64(j, stream);
        return;
    }
    write_recipe(j, blends, b->base);
    json_u64(j, b->with);
    json_number(j, b->cosine);
}

static void write_stream(struct json_text *j, const struct blends *blends, uint64_t stream)
{
    json_key(j, "stream"), json_u64(j, stream);
    if (stream < WN_STREAM_BLEND)
        return;
    json_key(j, "blend"), json_array(j);
    write_recipe(j, blends, stream);
    json_end(j);
}

static void write_move(struct json_text *j, const struct blends *blends, const struct move *m)
{
    static const char *const names[] = { [MOVE_ADVANCE] = "advance", [MOVE_RENOISE] = "renoise", [MOVE_KICK] = "kick" };
    static const char *const kernels[] = { [WN_KERNEL_CPS] = "cps",
                                           [WN_KERNEL_CONSTANT] = "constant",
                                           [WN_KERNEL_GRPO] = "grpo",
                                           [WN_KERNEL_RBF] = "rbf",
                                           [WN_KERNEL_RBF_VP] = "rbf_vp" };
    json_object(j);
    json_key(j, names[m->kind]), json_u64(j, m->point);
    if (m->kind == MOVE_KICK) {
        json_key(j, "kernel"), json_string(j, kernels[m->kernel.kind]);
        json_key(j, "scale"), json_number(j, m->kernel.scale);
    }
    if (m->kind != MOVE_ADVANCE)
        write_stream(j, blends, m->stream);
    json_end(j);
}

static wn_status finish(struct buffer *out, uint32_t moves, char **text, wn_error *err)
{
    wn_status status = out->failed;
    if (status == WN_E_ARG)
        wn_fail(
            err, status,
            "the lineage of a candidate, %u moves, is longer than the %d bytes that are kept of one; let the search "
            "move a sample fewer times, or blend fewer noises into one",
            moves, LINEAGE_MAX_BYTES);
    else if (status != WN_OK || !(*text = buffer_take(out)))
        status = wn_fail(err, WN_E_MEMORY, "no memory for the lineage of a candidate, %u moves", moves);
    buffer_free(out);
    return status;
}

wn_status trial_lineage(const struct trial *t, const struct sample *s, char **text, wn_error *err)
{
    struct buffer out = BUFFER_INIT(LINEAGE_MAX_BYTES);
    struct json_text j = json_begin(&out, 0);
    json_object(&j);
    json_key(&j, "noise"), json_string(&j, s->noise.text);
    if (s->has_stream) {
        json_key(&j, "seed"), json_u64(&j, s->stream < WN_STREAM_AUX ? t->noise.seed : t->noise.aux_seed);
        write_stream(&j, &t->blends, s->stream);
    }
    if (s->footing->shrink > 1)
        json_key(&j, "shrink"), json_u64(&j, s->footing->shrink);
    json_key(&j, "moves"), json_array(&j);
    for (uint32_t i = 0; i < s->walk.move_count; i++)
        write_move(&j, &t->blends, &s->walk.moves[i]);
    json_end(&j);
    json_end(&j);
    return finish(&out, s->walk.move_count, text, err);
}
