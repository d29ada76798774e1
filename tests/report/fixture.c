/* fixture.c - a guide that half knows what the judge knows, over candidates that are right in about four of ten cases.
 */
#include "fixture.h"

#include "../shapes/draw.h"
#include "base/buffer.h"
#include "base/files.h"
#include "base/png.h"
#include "ledger/ledger.h"

#include <math.h>
#include <string.h>

enum { SIDE = 64 };

const char fixture_hostile[] =
    "</title></pre><script>alert(1)</script> \"onmouseover=alert(2) ' & <img src=x onerror=alert(3)> \xe2\x80\xae"
    "desrever"
    " \x1b[31m \x7f \xff \xe4\xb8\xad\xe6\x96\x87";

static const char manifest[] =
    "{\n  \"winnow\": \"0.1.0\",\n  \"report\": {\"name\": \"%s\", \"search\": \"%s\", \"pool_is_iid\": %s, "
    "\"metrics\": [\n"
    "    {\"verifier\": \"clip\", \"metric\": \"score\", \"role\": \"guide\", \"higher_is_better\": true},\n"
    "    {\"verifier\": \"says\", \"metric\": \"share\", \"role\": \"judge\", \"higher_is_better\": true},\n"
    "    {\"verifier\": \"says\", \"metric\": \"all\", \"role\": \"judge\", \"higher_is_better\": true}]}\n}\n";

static wn_status write_text(const struct fixture *f, const char *name, const char *text, wn_error *err)
{
    char path[FILE_PATH_SIZE];

    WN_TRY(path_join(path, f->directory, name, err));
    return file_write(path, text, strlen(text), err);
}

static wn_status record(struct ledger *l, const struct fixture *f, int trial, int k, uint64_t *state,
                        const char *prompt_id, wn_error *err)
{
    static uint8_t rgb[SIDE * SIDE * 3];
    struct draw_scene scene = { .ground = { 244, 236, 220 } };
    struct buffer png = BUFFER_INIT(1 << 20);
    bool right = draw_uniform(state, 0, 1) < 0.25 + 0.05 * (trial % 6);
    double share = right ? 1 : floor(draw_uniform(state, 0, 3)) / 3;
    double guide = 0.24 + 0.05 * share + 0.02 * draw_uniform(state, -1, 1) + 0.003 * trial;
    struct ledger_score scores[] = { { "clip", "score", guide, 0.01 },
                                     { "says", "share", share, 0.001 },
                                     { "says", "all", right, 0.001 } };
    struct ledger_candidate c = { .trial = (uint64_t)trial,
                                  .ordinal = (uint64_t)k + 1,
                                  .point = 10,
                                  .finished = true,
                                  .nfe = 10,
                                  .nfe_total = (uint64_t)(f->is_iid ? k / 4 * 4 + 4 : k + 1) * 10,
                                  .sample_seconds = 0.5 };
    char lineage[64];

    snprintf(c.id, sizeof c.id, "%08x%024x", (unsigned)trial, (unsigned)k);
    if (!f->is_iid && k > 0)
        snprintf(c.parent, sizeof c.parent, "%08x%024x", (unsigned)trial, (unsigned)(k / 3));
    snprintf(lineage, sizeof lineage, "{\"stream\":%d}", k);
    c.lineage = lineage;
    draw_place(state, 1 + trial % 3, &scene);
    draw_scene(&scene, SIDE, rgb);
    WN_TRY(png_encode(&(wn_image){ SIDE, SIDE, rgb }, NULL, 0, &png, err));
    wn_status status = ledger_record(l, prompt_id, &c, png.data, png.size, 3, scores, err);
    buffer_free(&png);
    return status == WN_OK ? ledger_offer(l, c.trial, c.ordinal, c.id, err) : status;
}

static wn_status run_trial(struct ledger *l, const struct fixture *f, int i, uint64_t *state, wn_error *err)
{
    static const char *const categories[] = { "colour", "count", "relation" };
    char id[16], text[64];
    bool fails = f->last_fails && i == f->prompts - 1;
    wn_prompt prompt = { i == 0 ? fixture_hostile : text, id, categories[i % 3], "{}" };
    struct ledger_trial t = { (uint64_t)i, &prompt, "open", "", 0, 0, 0 };

    snprintf(id, sizeof id, "p%04d", i + 1);
    snprintf(text, sizeof text, "prompt number %d, a red circle above a blue square", i + 1);
    WN_TRY(ledger_trial(l, &t, err));
    for (int k = 0; k < (fails ? 2 : f->candidates); k++)
        WN_TRY(record(l, f, i, k, state, id, err));
    t.state = fails ? "failed" : "done";
    t.ended = fails ? "flux: <b>out of memory</b>" : "finished";
    t.nfe = (uint64_t)f->candidates * 10;
    t.verifier_calls = (uint64_t)f->candidates;
    return ledger_trial(l, &t, err);
}

wn_status fixture_make(const struct fixture *f, wn_error *err)
{
    char text[2048];
    struct ledger *l;
    uint64_t state = 4;
    wn_status status = WN_OK;

    WN_TRY(dir_make(f->directory, err));
    snprintf(text, sizeof text, manifest, f->is_iid ? "quickstart" : "climb", f->is_iid ? "random" : "zero_order",
             f->is_iid ? "true" : "false");
    WN_TRY(write_text(f, "manifest.json", text, err));
    WN_TRY(write_text(f, "spec.resolved.json", "{\n  \"winnow\": 0,\n  \"name\": \"<script>alert(4)</script>\"\n}\n",
                      err));
    WN_TRY(ledger_open(f->directory, "0123", &l, err));
    for (int i = 0; status == WN_OK && i < f->prompts; i++)
        status = run_trial(l, f, i, &state, err);
    if (status != WN_OK) {
        wn_error ignored;
        ledger_close(l, &ignored);
        return status;
    }
    return ledger_close(l, err);
}
