/* made.c - see made.h. */
#include "made.h"

#include "base/files.h"
#include "ledger/ledger.h"

#include <stdio.h>
#include <string.h>

const struct made made_standard = { "", "random", "clip", "says", 1, 10, PROMPTS, "prompt", 1, 0.1, "", 0, 0, 0 };

static double noise(int a, int b, int c)
{
    const unsigned h = ((unsigned)a * 2654435761u) ^ ((unsigned)b * 40503u + 77u) ^ ((unsigned)c * 9176u + 5u);
    return (double)(h * 2246822519u >> 8) / 16777216.0 - 0.5;
}

double made_guide_score(const struct made *m, int prompt, int k)
{
    return noise(m->seed, prompt, k) + m->lift * k;
}

double made_judge_score(const struct made *m, int prompt, int k)
{
    return m->base + 0.5 * made_guide_score(m, prompt, k) + 0.2 * noise(m->seed + 50, prompt, k);
}

static wn_status write_text(const char *directory, const char *name, const char *text, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(path_join(path, directory, name, err));
    return file_write(path, text, strlen(text), err);
}

static wn_status write_files(const struct made *m, const char *directory, wn_error *err)
{
    char text[2048];
    snprintf(text, sizeof text,
             "{\"report\": {\"name\": \"<b>%s</b>\", \"search\": \"%s\", \"pool_is_iid\": false, \"metrics\": ["
             "{\"verifier\": \"%s\", \"metric\": \"score\", \"role\": \"guide\", \"higher_is_better\": true},"
             "{\"verifier\": \"%s\", \"metric\": \"score\", \"role\": \"judge\", \"higher_is_better\": true}]}, "
             "\"rescored\": "
             "[{\"verifier\": \"%s\", \"identity\": \"%s\"}]}",
             m->folder, m->search, m->guide, m->judge, *m->identity ? m->judge : "nobody", m->identity);
    WN_TRY(write_text(directory, "manifest.json", text, err));
    snprintf(
        text, sizeof text,
        "{\"winnow\": 0, \"name\": \"x\", \"seed\": %d, \"canvas\": {\"steps\": %d}, \"verifiers\": {\"clip\": "
        "{\"use\": "
        "\"c\", \"options\": {}}, \"says\": {\"use\": \"s\", \"options\": {\"scale\": %g}}}, \"search\": {\"use\": "
        "\"%s\", \"guide\": \"%s\", \"options\": {\"note\": \"<script>alert(1)</script>\"}}, \"engine\": {\"batch\": "
        "%d}}",
        m->seed, m->nfe, m->scale, m->search, m->guide, m->seed);
    return write_text(directory, "spec.resolved.json", text, err);
}

static wn_status record(struct ledger *l, const struct made *m, int prompt, int k, wn_error *err)
{
    char prompt_id[32];
    const struct ledger_score scores[] = { { m->guide, "score", made_guide_score(m, prompt, k), 0.25 },
                                           { m->judge, "score", made_judge_score(m, prompt, k), 100 } };
    struct ledger_candidate c = { .trial = (uint64_t)prompt,
                                  .ordinal = (uint64_t)k + 1,
                                  .point = 10,
                                  .finished = k >= m->unfinished && (!m->unfinished || k + 1 < CANDIDATES),
                                  .lineage = "{}",
                                  .nfe = (uint64_t)m->nfe,
                                  .nfe_total = (uint64_t)(k + 1) * (uint64_t)m->nfe,
                                  .sample_seconds = 0.5,
                                  .decode_seconds = 0.25 };
    snprintf(c.id, sizeof c.id, "%08x%024x", (unsigned)prompt, (unsigned)k);
    snprintf(prompt_id, sizeof prompt_id, "p%d", prompt);
    WN_TRY(ledger_record(l, prompt_id, &c, NULL, 0, 2, scores, err));
    return ledger_offer(l, c.trial, c.ordinal, c.id, err);
}

static wn_status write_prompt(struct ledger *l, const struct made *m, int i, wn_error *err)
{
    char id[32], text[128];
    const wn_prompt prompt = { text, id, i % 2 ? "<i>odd</i>" : "even", "{}" };
    struct ledger_trial t = { (uint64_t)i, &prompt, "open", "", 0, 0, 0 };
    snprintf(id, sizeof id, "p%d", i);
    snprintf(text, sizeof text, "%s %d", m->prompt_prefix, i);
    WN_TRY(ledger_trial(l, &t, err));
    for (int k = 0; k < CANDIDATES; k++)
        WN_TRY(record(l, m, i, k, err));
    t.state = "done";
    t.nfe = CANDIDATES * (uint64_t)m->nfe;
    t.verifier_calls = CANDIDATES + (uint64_t)m->calls_again;
    return ledger_trial(l, &t, err);
}

wn_status made_write(const struct made *m, const char *scratch, wn_error *err)
{
    char directory[FILE_PATH_SIZE];
    struct ledger *l;
    wn_error ignored;
    WN_TRY(path_join(directory, scratch, m->folder, err));
    WN_TRY(dir_make(directory, err));
    WN_TRY(write_files(m, directory, err));
    WN_TRY(ledger_open(directory, "0123", &l, err));
    wn_status status = WN_OK;
    for (int i = 0; i < m->prompts && status == WN_OK; i++)
        status = write_prompt(l, m, i, err);
    return status == WN_OK ? ledger_close(l, err) : (ledger_close(l, &ignored), status);
}
