/* cmd_rescore.c - what verifiers say of a run's finished candidates that the run did not ask: of their pictures, which
 * are there. Nothing is sampled, no sampler is even made. The scores go into the run's ledger, where the report finds
 * them as a judge's; what is recorded is not asked again, so the same command goes on after an interruption. */
#include "base/arena.h"
#include "base/clock.h"
#include "base/files.h"
#include "base/image_file.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/terminal.h"
#include "cli/verifiers.h"
#include "ledger/manifest.h"
#include "ledger/recall.h"
#include "report/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 32, NAMES_MAX = 64 };

/* Pictures on their way to one verifier. */
struct batch {
    uint32_t count;
    uint32_t capacity;
    const struct recalled **who; // [capacity]
    const wn_prompt **prompts;   // [capacity]; those of one trial are one pointer
    wn_image *images;            // [capacity]
    double *scores;              // [capacity][metric_count]
};

struct rescore {
    struct cli *c;
    const char *run_dir;
    struct arena *arena;
    struct recall recall;
    struct spec *spec;
    char (*labels)[VERIFIERS_LABEL_BYTES]; // [verifier_count]
    struct instances *instances;
    struct ledger *ledger;
    uint64_t scored, recorded, failed, open, without; /* pictures, over all verifiers */
};

static const struct instance *instance_at(const struct rescore *r, uint32_t v)
{
    return &r->instances->verifiers[v];
}

static bool compares(const struct instance *i)
{
    return (i->verifier.flags & WN_VERIFIER_COMPARATIVE) != 0;
}

/* Inputs of others are asked by those; what the spec names as guide or judge is asked for itself. */
static bool is_asked(const struct spec *spec, uint32_t v)
{
    bool is_input = false, is_named = spec->search.plugin && spec->guide == v;
    for (uint32_t i = 0; i < spec->judge_count; i++)
        is_named |= spec->judges[i] == v;
    for (uint32_t i = v + 1; i < spec->verifier_count; i++)
        for (uint32_t k = 0; k < spec->verifiers[i].input_count; k++)
            is_input |= spec->verifiers[i].inputs[k] == v;
    return is_named || !is_input;
}

/* ---- what is there --------------------------------------------------------------------------------------------- */

static wn_status check_pictures(struct rescore *r, wn_error *err)
{
    for (uint64_t i = 0; i < r->recall.count; i++)
        r->without += !r->recall.all[i].image;
    if (r->recall.count == 0)
        return wn_fail(err, WN_E_ARG, "%s has no finished candidate yet", r->run_dir);
    if (r->without == 0 || cli_flag(r->c, "kept"))
        return WN_OK;
    return wn_fail(
        err, WN_E_ARG,
        "%llu of the %llu finished candidates of %s have no picture (engine.save_images=false): --kept scores "
        "those that have one, each prompt's first and every new best, which the report's curves show; for all, "
        "run the spec again with another output, engine.save_images=true and the same engine.cache",
        (unsigned long long)r->without, (unsigned long long)r->recall.count, r->run_dir);
}

static wn_status check_verifier(const struct rescore *r, uint32_t v, wn_error *err)
{
    const struct instance *instance = instance_at(r, v);
    const char *label = r->labels[v];
    if (instance->verifier.flags & WN_VERIFIER_NEEDS_PREVIEW)
        return wn_fail(
            err, WN_E_UNSUPPORTED,
            "verifier %s looks at previews of the sampling, which a run does not keep; name it as a judge of a "
            "run with the same engine.cache",
            label);
    return manifest_admit(r->run_dir, r->recall.spec_hash, label, instance, err);
}

/* ---- one batch ------------------------------------------------------------------------------------------------- */

static void name_scores(const struct rescore *r, uint32_t v, struct ledger_score *scores)
{
    const wn_verifier *verifier = &instance_at(r, v)->verifier;
    for (uint64_t m = 0; m < verifier->metric_count; m++)
        scores[m] = (struct ledger_score){ r->labels[v], verifier->metrics[m].name, (double)NAN, 0 };
}

static wn_status record(struct rescore *r, uint32_t v, const struct batch *b, uint32_t first, uint32_t count,
                        double seconds, wn_error *err)
{
    const uint64_t metrics = instance_at(r, v)->verifier.metric_count;
    struct ledger_score scores[NAMES_MAX];
    name_scores(r, v, scores);
    for (uint32_t i = first; i < first + count; i++) {
        for (uint64_t m = 0; m < metrics; m++) {
            scores[m].value = b->scores[i * metrics + m];
            scores[m].seconds = seconds / ((double)count * (double)metrics);
        }
        WN_TRY(ledger_record(r->ledger, b->who[i]->prompt.id, &b->who[i]->candidate, NULL, 0, metrics, scores, err));
    }
    r->scored += count;
    return WN_OK;
}

static wn_status ask(struct rescore *r, uint32_t v, struct batch *b, uint32_t first, uint32_t count, wn_error *err)
{
    const struct instance *instance = instance_at(r, v);
    const uint64_t metrics = instance->verifier.metric_count;
    const wn_score_request request = { .struct_size = sizeof request,
                                       .count = count,
                                       .prompts = b->prompts + first,
                                       .images = b->images + first,
                                       .scores = b->scores + first * metrics };
    const double start = clock_seconds();
    for (uint64_t i = first * metrics; i < (first + count) * metrics; i++)
        b->scores[i] = (double)NAN;
    wn_error why = { 0 };
    wn_status status = instance->verifier.score(instance->self, &request, &why);
    if (atomic_load(&r->c->process.cancelled))
        return wn_fail(err, WN_E_CANCELLED, "interrupted");
    if (status == WN_OK)
        return record(r, v, b, first, count, clock_seconds() - start, err);
    for (uint32_t i = first; count > 1 && !compares(instance) && i < first + count; i++)
        WN_TRY(ask(r, v, b, i, 1, err));
    if (count > 1 && !compares(instance))
        return WN_OK;
    log_printf(WN_LOG_WARN, "verifier %s: no opinion on %u pictures, the first %s: %s", r->labels[v], count,
               b->who[first]->image, why.message);
    r->failed += count;
    return WN_OK;
}

static void forget(struct batch *b)
{
    for (uint32_t i = 0; i < b->count; i++)
        image_free(&b->images[i]);
    b->count = 0;
}

static void show(const struct rescore *r, uint32_t v, uint64_t done)
{
    char line[200];
    snprintf(line, sizeof line, "%s: %llu of %llu pictures", r->labels[v], (unsigned long long)done,
             (unsigned long long)(r->recall.count - r->without));
    terminal_progress(line);
}

static wn_status serve(struct rescore *r, uint32_t v, struct batch *b, wn_error *err)
{
    const uint64_t max = instance_at(r, v)->verifier.max_batch;
    if (max > 0 && b->count > max)
        return wn_fail(err, WN_E_ARG, "verifier %s compares %u candidates of prompt %s, but takes %llu at most",
                       r->labels[v], b->count, b->who[0]->prompt.id, (unsigned long long)max);
    const wn_status status = ask(r, v, b, 0, b->count, err);
    forget(b);
    return status;
}

/* A picture that cannot be read costs its own score only. */
static wn_status add(struct rescore *r, struct batch *b, const struct recalled *who, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    wn_error why;
    wn_image image = { 0 };
    WN_TRY(path_join_inside(path, r->run_dir, who->image, err));
    if (image_read(path, &image, &why) != WN_OK) {
        log_printf(WN_LOG_WARN, "%s", why.message);
        r->failed++;
        return WN_OK;
    }
    const bool is_same = b->count > 0 && b->who[b->count - 1]->candidate.trial == who->candidate.trial;
    b->who[b->count] = who;
    b->prompts[b->count] = is_same ? b->prompts[b->count - 1] : &who->prompt;
    b->images[b->count++] = image;
    return WN_OK;
}

/* ---- one verifier ---------------------------------------------------------------------------------------------- */

static bool is_recorded(const struct rescore *r, uint32_t v, const struct recalled *who)
{
    struct ledger_score scores[NAMES_MAX];
    name_scores(r, v, scores);
    return ledger_find(r->ledger, who->candidate.trial, who->candidate.id, instance_at(r, v)->verifier.metric_count,
                       scores, NULL);
}

/* The pictures of candidates [first, end), without those that have the scores already. */
static wn_status score_each(struct rescore *r, uint32_t v, struct batch *b, wn_error *err)
{
    for (uint64_t i = 0; i < r->recall.count; i++) {
        const struct recalled *who = &r->recall.all[i];
        if (!who->image)
            continue;
        if (is_recorded(r, v, who))
            r->recorded++;
        else
            WN_TRY(add(r, b, who, err));
        show(r, v, i);
        if (b->count == b->capacity)
            WN_TRY(serve(r, v, b, err));
        if (atomic_load(&r->c->process.cancelled))
            return wn_fail(err, WN_E_CANCELLED, "interrupted");
    }
    return b->count > 0 ? serve(r, v, b, err) : WN_OK;
}

/* A verifier that compares sees all candidates of a prompt together, or, where one lacks its score, again. */
static wn_status score_set(struct rescore *r, uint32_t v, struct batch *b, uint64_t first, uint64_t end, wn_error *err)
{
    uint64_t recorded = 0, kept = 0;
    for (uint64_t i = first; i < end; i++) {
        kept += r->recall.all[i].image != NULL;
        recorded += r->recall.all[i].image && is_recorded(r, v, &r->recall.all[i]);
    }
    if (!r->recall.all[first].is_done)
        r->open += kept;
    else if (recorded == kept)
        r->recorded += kept;
    else {
        for (uint64_t i = first; i < end; i++)
            if (r->recall.all[i].image)
                WN_TRY(add(r, b, &r->recall.all[i], err));
        return b->count > 0 ? serve(r, v, b, err) : WN_OK;
    }
    return WN_OK;
}

static uint64_t end_of_trial(const struct rescore *r, uint64_t first)
{
    uint64_t end = first;
    while (end < r->recall.count && r->recall.all[end].candidate.trial == r->recall.all[first].candidate.trial)
        end++;
    return end;
}

static wn_status score_sets(struct rescore *r, uint32_t v, struct batch *b, wn_error *err)
{
    for (uint64_t first = 0, end; first < r->recall.count; first = end) {
        end = end_of_trial(r, first);
        show(r, v, first);
        WN_TRY(score_set(r, v, b, first, end, err));
        if (atomic_load(&r->c->process.cancelled))
            return wn_fail(err, WN_E_CANCELLED, "interrupted");
    }
    return WN_OK;
}

static uint32_t capacity_for(const struct rescore *r, uint32_t v)
{
    const uint64_t max = instance_at(r, v)->verifier.max_batch;
    uint64_t largest = 0;
    if (!compares(instance_at(r, v)))
        return max > 0 && max < BATCH ? (uint32_t)max : BATCH;
    for (uint64_t first = 0, end; first < r->recall.count; first = end) {
        end = end_of_trial(r, first);
        largest = end - first > largest ? end - first : largest;
    }
    return (uint32_t)largest;
}

static wn_status score_all(struct rescore *r, uint32_t v, wn_error *err)
{
    const uint64_t metrics = instance_at(r, v)->verifier.metric_count;
    struct batch b = { .capacity = capacity_for(r, v) };
    b.who = calloc(b.capacity, sizeof(struct recalled *));
    b.prompts = calloc(b.capacity, sizeof(wn_prompt *));
    b.images = calloc(b.capacity, sizeof *b.images);
    b.scores = calloc(b.capacity * metrics, sizeof *b.scores);
    wn_status status = WN_OK;
    if (metrics > NAMES_MAX)
        status = wn_fail(err, WN_E_UNSUPPORTED, "verifier %s has %llu metrics; %d are possible", r->labels[v],
                         (unsigned long long)metrics, NAMES_MAX);
    else if (!b.who || !b.prompts || !b.images || !b.scores)
        status = wn_fail(err, WN_E_MEMORY, "no memory to score %u pictures", b.capacity);
    else
        status = compares(instance_at(r, v)) ? score_sets(r, v, &b, err) : score_each(r, v, &b, err);
    forget(&b);
    free(b.who);
    free(b.prompts);
    free(b.images);
    free(b.scores);
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static wn_status execute(struct rescore *r, wn_error *err)
{
    WN_TRY(instances_create(r->spec, &r->c->process, INSTANCES_VERIFIERS, &r->instances, err));
    WN_TRY(ledger_open(r->run_dir, r->recall.spec_hash, &r->ledger, err));
    for (uint32_t v = 0; v < r->spec->verifier_count; v++)
        if (is_asked(r->spec, v))
            WN_TRY(check_verifier(r, v, err));
    for (uint32_t v = 0; v < r->spec->verifier_count; v++)
        if (is_asked(r->spec, v))
            WN_TRY(score_all(r, v, err));
    return WN_OK;
}

static wn_status close_ledger(struct rescore *r, const char *account, wn_status status, wn_error *err)
{
    wn_error second;
    const bool is_told = r->ledger && (status == WN_OK || r->scored > 0);
    if (is_told && ledger_event(r->ledger, "rescore", account, &second) != WN_OK && status == WN_OK)
        status = (*err = second).code;
    const wn_status closed = ledger_close(r->ledger, &second);
    if (closed != WN_OK && status == WN_OK)
        status = (*err = second).code;
    return status;
}

static void write_account(const struct rescore *r, char *text, size_t size)
{
    size_t n = (size_t)snprintf(text, size, "%llu pictures scored, %llu recorded before, 0 evaluations sampled",
                                (unsigned long long)r->scored, (unsigned long long)r->recorded);
    if (r->failed)
        n += (size_t)snprintf(text + n, size - n, "; %llu without an opinion", (unsigned long long)r->failed);
    if (r->open)
        n += (size_t)snprintf(text + n, size - n, "; %llu left for when their prompts are done",
                              (unsigned long long)r->open);
    if (r->without)
        snprintf(text + n, size - n, "; %llu candidates have no picture", (unsigned long long)r->without);
}

static int finish(struct rescore *r, wn_status status, wn_error *err)
{
    char account[300], line[400];
    write_account(r, account, sizeof account);
    status = close_ledger(r, account, status, err);
    if (status == WN_E_CANCELLED) {
        snprintf(line, sizeof line, "interrupted: %s; the same command goes on from there", account);
        terminal_message(line);
        return EXIT_INTERRUPTED;
    }
    if (status == WN_OK)
        status = report_write(r->run_dir, err);
    terminal_stop();
    if (status == WN_OK)
        status = report_table(r->run_dir, stdout, terminal_has_colour(stdout), err);
    if (status != WN_OK)
        return cli_fail(r->c, status, err);
    fflush(stdout);
    terminal_message(account);
    return r->failed ? EXIT_FAILED : EXIT_FINE;
}

static wn_status name_verifiers(struct rescore *r, wn_error *err)
{
    const char *given[NAMES_MAX];
    const uint32_t count = cli_values(r->c, "as", given, NAMES_MAX);
    r->labels = verifiers_labels(r->c, r->spec);
    if (!r->labels)
        return wn_fail(err, WN_E_MEMORY, "no memory for names of verifiers");
    if (count > 0 && (cli_flag(r->c, "spec") || count > r->spec->verifier_count))
        return wn_fail(err, WN_E_ARG, "--as names the verifiers of --verifier, the n-th the n-th");
    for (uint32_t v = 0; v < count; v++) {
        const size_t length = strlen(given[v]);
        if (length == 0 || length >= VERIFIERS_LABEL_BYTES)
            return wn_fail(err, WN_E_ARG, "--as: a name of %zu bytes; 1 to %d are possible", length,
                           VERIFIERS_LABEL_BYTES - 1);
        memcpy(r->labels[v], given[v], length + 1);
    }
    return WN_OK;
}

static int rescore(struct rescore *r)
{
    wn_error err = { 0 };
    uint64_t threads = 0;
    if (!cli_u64(r->c, "threads", 0, 1024, &threads))
        return EXIT_USAGE;
    wn_status status = r->arena ? recall_finished(r->run_dir, r->arena, &r->recall, &err)
                                : wn_fail(&err, WN_E_MEMORY, "no memory to read a run");
    if (status == WN_OK)
        status = check_pictures(r, &err);
    if (status != WN_OK)
        return cli_fail(r->c, status, &err);
    const int code = verifiers_load(r->c, &r->spec);
    if (code != EXIT_FINE)
        return code;
    if (!cli_process(r->c, (uint32_t)threads))
        return EXIT_FAILED;
    status = name_verifiers(r, &err);
    if (status == WN_OK)
        status = execute(r, &err);
    return finish(r, status, &err);
}

static int run(struct cli *c)
{
    struct rescore r = { .c = c, .run_dir = c->arguments[0], .arena = arena_create() };
    const int code = rescore(&r);
    instances_destroy(r.instances);
    free(r.labels);
    spec_free(r.spec);
    arena_destroy(r.arena);
    return code;
}

static const struct cli_option options[] = {
    VERIFIERS_OPTIONS,
    { "as", 0, "NAME", "the name of its scores: the n-th for the n-th --verifier; its plugin's when not given" },
    { "kept", 0, NULL, "where the run did not keep all pictures: score those that it kept" },
    { "threads", 0, "N", "threads for computing; 0 = one for each processor" },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_rescore = {
    .name = "rescore",
    .arguments = "RUN",
    .summary = "score a run's finished candidates with other verifiers, sampling nothing",
    .details =
        "  winnow rescore runs/quickstart --verifier aesthetic --model pebble/aesthetic\n\n"
        "The pictures of the run are scored; the scores are recorded in it, and its report shows them as a judge's. "
        "What\n"
        "is recorded is not asked again: after Ctrl-C (exit status 75) the same command goes on. With --spec all\n"
        "verifiers of a spec are asked but those that are only inputs of others. A verifier that compares sees all\n"
        "candidates of a prompt as one set. A name under which the run has another verifier's scores is refused.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
