/* cmd_replay.c - one candidate of a run, made again: the proof that a run's record is enough.
 *
 * The run is only read. Its spec is taken from spec.resolved.json with the prompt that the ledger has, so neither the
 * spec nor the prompt file has to be there any more; names of models are looked up where the spec's were. The sampler
 * comes first, since most candidates need no more; the search is made where the noise was its own, the guide where only
 * a score can tell whether the picture is equal, or how far from it. */
#include "base/arena.h"
#include "base/files.h"
#include "base/image_file.h"
#include "base/png.h"
#include "cli/commands.h"
#include "cli/rerun.h"
#include "cli/terminal.h"
#include "engine/replay.h"
#include "ledger/manifest.h"
#include "ledger/recall.h"
#include "ledger/recipe.h"

#include <winnow/device.h>

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_SETS = 64,
    MAX_DEVICES = 16,
    MAX_PNG_BYTES = 1 << 30
};

/* How the picture made now stands to the one of the run. */
struct comparison {
    bool has_picture; /* one to compare with */
    bool is_equal;    /* the pictures; without one, the scores */
    double psnr_db;   /* of unequal ones */
    int largest;      /* difference of a value, of 255 */
    bool has_score;
    double recorded, now; /* the guide's first metric */
    const char *why_not;  /* NULL, or why there is nothing to compare with */
};

struct again {
    struct cli *c;
    const char *run_dir;
    struct arena *arena;
    struct recall recall;
    const char *picture; /* given in the candidate's place, or NULL */
    struct rerun rerun;
    struct process *process;
    struct ledger *ledger;
    struct instances *instances; /* of the sampler, and what else the noise needs */
    struct instances *guide;     /* alone */
    struct manifest_change change;
    struct replay_result result;
    struct comparison comparison;
};

static const struct recalled *it(const struct again *a)
{
    return &a->recall.all[0];
}

/* ---- which one ------------------------------------------------------------------------------------------------- */

struct named {
    char id[33];
};

static void take_id(void *arg, const char *key, const char *value)
{
    struct named *n = arg;
    cJSON *recipe = strcmp(key, "winnow") == 0 && !*n->id ? cJSON_Parse(value) : NULL;
    const char *id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(recipe, "candidate"));
    if (id)
        snprintf(n->id, sizeof n->id, "%s", id);
    cJSON_Delete(recipe);
}

static wn_status read_id(const char *path, struct named *n, wn_error *err)
{
    struct buffer file = BUFFER_INIT(MAX_PNG_BYTES);
    wn_status status = buffer_read_file(&file, path, err);
    if (status == WN_OK && png_is(file.data, file.size))
        status = png_read_texts(path, file.data, file.size, take_id, n, err);
    buffer_free(&file);
    if (status == WN_OK && !*n->id)
        return wn_fail(err, WN_E_ARG,
                       "%s has no recipe that names a candidate: it is not a picture of winnow, or was "
                       "written anew by another program",
                       path);
    return status;
}

static wn_status find(struct again *a, wn_error *err)
{
    const char *given = a->c->arguments[1];
    struct named n = { "" };
    const bool is_id = given[strspn(given, "0123456789abcdef")] == '\0';
    if (!is_id && file_exists(given)) {
        a->picture = given;
        WN_TRY(read_id(given, &n, err));
    }
    return recall_candidate(a->run_dir, a->picture ? n.id : given, a->arena, &a->recall, err);
}

/* ---- the spec -------------------------------------------------------------------------------------------------- */

static int load(struct again *a)
{
    const char *sets[MAX_SETS];
    const uint32_t set_count = cli_values(a->c, "set", sets, MAX_SETS);
    const int code = rerun_load(a->c, a->run_dir, &a->recall, set_count, sets, &a->rerun);
    if (code != EXIT_FINE)
        return code;
    /* Inputs come before those that use them: nobody behind the guide is needed. */
    a->rerun.spec->verifier_count = a->rerun.spec->guide + 1;
    a->rerun.spec->judge_count = 0;
    return code;
}

/* ---- making it ------------------------------------------------------------------------------------------------- */

static wn_status compare_ground(struct again *a, wn_error *err)
{
    wn_device_info devices[MAX_DEVICES];
    const struct manifest_start now = {
        .spec = a->rerun.spec,
        .instances = a->instances,
        .devices = devices,
        .device_count = instances_devices(a->instances, devices, MAX_DEVICES),
        .process = a->process,
    };
    WN_TRY(manifest_compare(a->run_dir, &now, &a->change, err));
    if (!*a->change.first && cli_flag(a->c, "set"))
        snprintf(a->change.first, sizeof a->change.first, "--set %.380s", cli_value(a->c, "set", ""));
    return WN_OK;
}

static wn_status make(struct again *a, wn_error *err)
{
    bool needs_search;
    WN_TRY(replay_needs_search(&it(a)->candidate, &needs_search, err));
    WN_TRY(ledger_open_reading(a->run_dir, &a->ledger, err));
    const uint32_t which = INSTANCES_SAMPLER | (needs_search ? INSTANCES_SEARCH | INSTANCES_VERIFIERS : 0);
    WN_TRY(instances_create(a->rerun.spec, a->process, which, &a->instances, err));
    WN_TRY(compare_ground(a, err));
    const struct replay ready = {
        .spec = a->rerun.spec,
        .instances = a->instances,
        .process = a->process,
        .ledger = a->ledger,
        .candidate = &it(a)->candidate,
        .spent = a->rerun.spent,
    };
    return replay_run(&ready, &a->result, err);
}

static wn_status save(const struct again *a, const char *output, wn_error *err)
{
    struct buffer png = BUFFER_INIT(MAX_PNG_BYTES);
    const struct recipe recipe = { a->rerun.spec, &it(a)->prompt, a->result.model_key, &it(a)->candidate };
    wn_status status = recipe_png(&recipe, &a->result.image, &png, err);
    if (status == WN_OK)
        status = file_write(output, png.data, png.size, err);
    buffer_free(&png);
    return status;
}

/* ---- comparing it ---------------------------------------------------------------------------------------------- */

static wn_status compare_pixels(struct comparison *c, const wn_image *made, const wn_image *run, const char *path,
                                wn_error *err)
{
    double squares = 0;
    const size_t n = (size_t)made->width_px * made->height_px * 3;
    if (made->width_px != run->width_px || made->height_px != run->height_px)
        return wn_fail(err, WN_E_ARG, "%s is %u x %u px, the candidate %u x %u", path, run->width_px, run->height_px,
                       made->width_px, made->height_px);
    for (size_t i = 0; i < n; i++) {
        const int d = abs(made->rgb[i] - run->rgb[i]);
        squares += d * d;
        c->largest = d > c->largest ? d : c->largest;
    }
    c->has_picture = true;
    c->is_equal = c->largest == 0;
    c->psnr_db = c->is_equal ? (double)INFINITY : 10 * log10(255.0 * 255.0 * (double)n / squares);
    return WN_OK;
}

static wn_status compare_picture(struct again *a, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    wn_image image = { 0 };
    if (!a->picture && !it(a)->image)
        return WN_OK;
    if (a->picture)
        snprintf(path, sizeof path, "%s", a->picture);
    else
        WN_TRY(path_join_inside(path, a->run_dir, it(a)->image, err));
    WN_TRY(image_read(path, &image, err));
    const wn_status status = compare_pixels(&a->comparison, &a->result.image, &image, path, err);
    image_free(&image);
    return status;
}

static wn_status ask_guide(struct again *a, const struct instance *guide, wn_error *err)
{
    struct comparison *c = &a->comparison;
    const wn_verifier *v = &guide->verifier;
    struct ledger_score score = { guide->use->name, v->metrics[0].name, (double)NAN, 0 };
    const wn_prompt *prompt = &it(a)->prompt;
    double *scores = calloc(v->metric_count, sizeof *scores);
    const wn_score_request request = {
        .struct_size = sizeof request, .count = 1, .prompts = &prompt, .images = &a->result.image, .scores = scores
    };
    if (!scores)
        return wn_fail(err, WN_E_MEMORY, "no memory for a score");
    for (uint64_t m = 0; m < v->metric_count; m++)
        scores[m] = (double)NAN; /* no opinion, until there is one */
    c->has_score = ledger_find(a->ledger, it(a)->candidate.trial, it(a)->candidate.id, 1, &score, NULL);
    const wn_status status = c->has_score ? v->score(guide->self, &request, err) : WN_OK;
    c->recorded = score.value;
    c->now = scores[0];
    free(scores);
    return status;
}

/* What the picture alone cannot tell. */
static wn_status compare_score(struct again *a, wn_error *err)
{
    struct comparison *c = &a->comparison;
    if (c->is_equal)
        return WN_OK;
    WN_TRY(instances_create(a->rerun.spec, a->process, INSTANCES_VERIFIERS, &a->guide, err));
    const struct instance *guide = &a->guide->verifiers[a->rerun.spec->guide];
    if (guide->verifier.flags & WN_VERIFIER_COMPARATIVE)
        c->why_not = "the guide compares sets, so that its score of one picture says nothing";
    else if (guide->verifier.flags & WN_VERIFIER_NEEDS_PREVIEW)
        c->why_not = "the guide looks at previews too, which are not made again";
    else
        WN_TRY(ask_guide(a, guide, err));
    if (!c->has_score && !c->why_not)
        c->why_not = "the guide did not say anything of it in the run";
    if (!c->has_picture && c->has_score)
        c->is_equal = c->recorded == c->now || (isnan(c->recorded) && isnan(c->now));
    return WN_OK;
}

/* ---- saying it ------------------------------------------------------------------------------------------------- */

static void write_json(const struct again *a, const char *output, struct buffer *out)
{
    const struct comparison *c = &a->comparison;
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key(&j, "candidate"), json_string(&j, it(a)->candidate.id);
    json_key(&j, "prompt_id"), json_string(&j, it(a)->prompt.id);
    json_key(&j, "finished"), json_bool(&j, it(a)->candidate.finished);
    json_key(&j, "noise"), json_string(&j, a->result.was_sought ? "made by the search" : "drawn");
    json_key(&j, "nfe"), json_u64(&j, a->result.nfe);
    json_key(&j, "image"), json_string(&j, output);
    json_key(&j, "compared"), json_string(&j, c->has_picture ? "picture" : c->has_score ? "score" : NULL);
    json_key(&j, "equal");
    if (c->has_picture || c->has_score)
        json_bool(&j, c->is_equal);
    else
        json_null(&j);
    json_key(&j, "psnr_db"), json_number(&j, c->has_picture ? c->psnr_db : (double)NAN);
    json_key(&j, "score_recorded"), json_number(&j, c->has_score ? c->recorded : (double)NAN);
    json_key(&j, "score_now"), json_number(&j, c->has_score ? c->now : (double)NAN);
    json_key(&j, "changed"), json_string(&j, *a->change.first ? a->change.first : NULL);
    json_end(&j);
    buffer_byte(out, '\n');
}

static void write_comparison(const struct again *a, struct buffer *out)
{
    const struct comparison *c = &a->comparison;
    if (c->has_picture && c->is_equal)
        buffer_text(out, "equal: the picture, bit for bit\n");
    else if (c->has_picture)
        buffer_printf(out, "not equal: PSNR %.2f dB, at most %d of 255 apart\n", c->psnr_db, c->largest);
    else if (c->has_score && c->is_equal)
        buffer_printf(out, "equal: the guide's score, %.17g (no picture was kept)\n", c->now);
    else if (c->has_score)
        buffer_text(out, "not equal: no picture was kept, and the guide's score is another\n");
    else
        buffer_text(out, "made, but there is nothing to compare it with: no picture was kept\n");
    if (!c->is_equal && c->has_score)
        buffer_printf(out, "the guide's score: %.9g in the run, %.9g now, drift %+.3g\n", c->recorded, c->now,
                      c->now - c->recorded);
    if (!c->is_equal && c->why_not)
        buffer_printf(out, "no score to compare: %s\n", c->why_not);
}

static void write_text(const struct again *a, const char *output, struct buffer *out)
{
    buffer_printf(out, "candidate %s of prompt %s: %llu evaluations%s\n", it(a)->candidate.id, it(a)->prompt.id,
                  (unsigned long long)a->result.nfe,
                  a->result.was_sought ? ", its noise found by running the search on the ledger" : "");
    write_comparison(a, out);
    if (*a->change.first)
        buffer_printf(out, "not made as in the run: %s\n", a->change.first);
    else if (!a->comparison.is_equal && (a->comparison.has_picture || a->comparison.has_score))
        buffer_text(out, "device, build and files are the run's, so it should be equal\n");
    if (output)
        buffer_printf(out, "%s\n", output);
}

static int say(const struct again *a, const char *output)
{
    const struct comparison *c = &a->comparison;
    struct buffer out = BUFFER_INIT(1 << 20);
    if (cli_flag(a->c, "json"))
        write_json(a, output, &out);
    else
        write_text(a, output, &out);
    const int code = cli_print(a->c, &out);
    const bool is_wrong = !c->is_equal && (c->has_picture || c->has_score) && !*a->change.first;
    return code == EXIT_FINE && is_wrong ? EXIT_FAILED : code;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int replay(struct again *a)
{
    wn_error err = { 0 };
    const char *output = cli_value(a->c, "output", NULL);
    uint64_t threads = 0;
    if (!cli_u64(a->c, "threads", 0, 1024, &threads))
        return EXIT_USAGE;
    wn_status status = a->arena ? WN_OK : wn_fail(&err, WN_E_MEMORY, "no memory to read a run");
    if (status == WN_OK)
        status = find(a, &err);
    if (status == WN_OK && output)
        status = file_check(output, &err);
    if (status != WN_OK)
        return cli_fail(a->c, status, &err);
    const int code = load(a);
    if (code != EXIT_FINE)
        return code;
    if (!(a->process = cli_process(a->c, (uint32_t)threads)))
        return EXIT_FAILED;
    status = make(a, &err);
    if (status == WN_OK && output)
        status = save(a, output, &err);
    if (status == WN_OK)
        status = compare_picture(a, &err);
    if (status == WN_OK)
        status = compare_score(a, &err);
    terminal_stop();
    return status == WN_OK ? say(a, output) : cli_fail(a->c, status, &err);
}

static int run(struct cli *c)
{
    struct again a = { .c = c, .run_dir = c->arguments[0], .arena = arena_create() };
    wn_error ignored;
    const int code = replay(&a);
    replay_result_finish(&a.result);
    instances_destroy(a.guide);
    instances_destroy(a.instances);
    ledger_close(a.ledger, &ignored);
    rerun_finish(&a.rerun);
    arena_destroy(a.arena);
    return code;
}

static const struct cli_option options[] = {
    { "output", 'o', "FILE", "write the picture as a PNG" },
    { "set", 0, "KEY=VALUE", "change how it is computed: sampler.options.device=cpu" },
    { "threads", 0, "N", "threads for computing; 0 = one for each processor" },
    { "json", 0, NULL, "print what was found as JSON" },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_replay = {
    .name = "replay",
    .arguments = "RUN CANDIDATE",
    .summary = "make one candidate of a run again, and say whether it is equal",
    .details = "CANDIDATE is an id (or the beginning of one) of RUN/results.jsonl, or a picture of the run, whose "
               "recipe names\n"
               "it. Its noise is drawn, or found by running the search again on what the ledger knows; only this "
               "candidate is\n"
               "sampled. The run is not changed.\n\n"
               "On the same device, with the same build and files, the picture must be equal to the run's bit for bit; "
               "if it is\n"
               "not, the exit status is 1. Elsewhere the PSNR and the drift of the guide's score are shown. A "
               "candidate without\n"
               "a picture (a preview, or one that engine.save_images=false did not keep) is compared by its score. A "
               "model file\n"
               "that has changed since the run is refused.",
    .options = options,
    .minimum_arguments = 2,
    .maximum_arguments = 2,
    .run = run,
};
