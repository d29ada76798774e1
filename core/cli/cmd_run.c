/* cmd_run.c - a spec becomes a run directory with a report.
 *
 * The run directory is taken first (its lock, its spec's hash), so that a wrong one is refused before weights are
 * loaded; then the spec and the manifest are written into it, the experiment runs, and the report ends it. Ctrl-C
 * leaves a directory that the same command goes on from.
 */
#include "base/files.h"
#include "base/log.h"
#include "base/pool.h"
#include "cli/choice.h"
#include "cli/commands.h"
#include "cli/pictures.h"
#include "cli/run.h"
#include "cli/sweep.h"
#include "cli/terminal.h"
#include "ledger/ledger.h"
#include "ledger/manifest.h"
#include "ledger/sweep_file.h"
#include "report/report.h"
#include "report/timeline.h"
#include "spec/bounds.h"

#include <winnow/device.h>

#include <math.h>
#include <string.h>

enum { MAX_DEVICES = 16 };

struct run {
    struct cli *c;
    struct spec *spec;
    struct run_models models; /* spec: NULL while it is the run's own */
    struct ledger *ledger;
    const struct run_watch *watch; /* of a sweep; NULL: this run is all there is */
    struct choice *choice;
};

/* ---- progress ---- */

void run_time(struct buffer *line, double seconds)
{
    uint64_t s = (uint64_t)seconds;
    if (s >= 3600)
        buffer_printf(line, "%lluh%02llum", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60));
    else if (s >= 60)
        buffer_printf(line, "%llum%02llus", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
    else
        buffer_printf(line, "%llus", (unsigned long long)s);
}

void run_status(struct buffer *line, const struct experiment_status *s)
{
    buffer_printf(line, "%u/%u prompts", s->prompts_done + s->prompts_failed, s->prompt_count);
    if (s->prompts_failed)
        buffer_printf(line, " (%u failed)", s->prompts_failed);
    buffer_printf(line, "  %llu", (unsigned long long)s->candidates_done);
    if (s->candidates_planned && isinf(s->budget_seconds))
        buffer_printf(line, "/%llu", (unsigned long long)s->candidates_planned);
    buffer_text(line, " candidates");
    if (isfinite(s->best_mean))
        buffer_printf(line, "  best %.4g", s->best_mean);
    if (s->seconds > 0 && s->nfe_sampled)
        buffer_printf(line, "  %.3g NFE/s", (double)s->nfe_sampled / s->seconds);
    if (isinf(s->budget_seconds))
        return;
    buffer_text(line, "  ");
    run_time(line, s->budget_spent);
    buffer_text(line, " of ");
    run_time(line, s->budget_seconds);
}

static void show_status(void *arg, const struct experiment_status *s)
{
    struct buffer line = BUFFER_INIT(400);
    (void)arg;
    run_status(&line, s);
    if (isfinite(s->eta_seconds)) {
        buffer_text(&line, "  ETA ");
        run_time(&line, s->eta_seconds);
    }
    terminal_progress(buffer_string(&line));
    buffer_free(&line);
}

/* ---- the run directory ---- */

static wn_status write_text(const char *directory, const char *name, const char *text, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(path_join(path, directory, name, err));
    return file_write(path, text, strlen(text), err);
}

static wn_status take_directory(struct run *r, wn_error *err)
{
    char log_path[FILE_PATH_SIZE];
    const struct spec *s = r->spec;
    if (sweep_file_exists(s->output))
        return wn_fail(err, WN_E_ARG, "%s holds a sweep; choose another output for a single run", s->output);
    WN_TRY(dir_make(s->output, err));
    WN_TRY(ledger_open(s->output, s->hash, &r->ledger, err));
    WN_TRY(write_text(s->output, "spec.json", s->text, err));
    WN_TRY(write_text(s->output, "spec.resolved.json", s->resolved, err));
    WN_TRY(path_join(log_path, s->output, "log.txt", err));
    return log_set_file(log_path, err);
}

static wn_status write_manifest(struct run *r, struct process *process, wn_error *err)
{
    wn_device_info devices[MAX_DEVICES];
    struct manifest_start start = {
        .spec = r->spec,
        .instances = r->models.instances,
        .devices = devices,
        .device_count = instances_devices(r->models.instances, devices, MAX_DEVICES),
        .threads = pool_threads(process->pool),
        .hash_weights = cli_flag(r->c, "hash-weights"),
        .process = process,
        .ledger = r->ledger,
    };
    return manifest_append(r->spec->output, &start, err);
}

/* ---- the run ---- */

/* An estimate is no reason to refuse a run, and a full disk costs nothing that is recorded; but nobody should be told
 * in the morning. */
static void warn_of_disk(const struct run *r)
{
    char need[32], have[32];
    uint64_t room;
    wn_error ignored;
    const struct spec_bounds each = spec_bounds(r->spec, 1);
    const double recorded = (double)ledger_candidates(r->ledger) / fmax(each.candidates * r->spec->prompt_count, 1);
    const double bytes = spec_disk(r->spec, &each).bytes * fmax(1 - recorded, 0);
    if (isfinite(bytes) && disk_free(r->spec->output, &room, &ignored) == WN_OK && bytes > (double)room)
        log_printf(WN_LOG_WARN,
                   "the run may take another %s in %s, where %s are free; free space, choose another "
                   "output, or keep only the best pictures with --set engine.save_images=false",
                   cli_bytes(bytes, need), r->spec->output, cli_bytes((double)room, have));
}

void run_models_free(struct run_models *m)
{
    instances_destroy(m->instances);
    spec_free(m->spec);
    *m = (struct run_models){ 0 };
}

/* Those of the point before where they are the same, else new ones, when those are gone. */
static wn_status make_instances(struct run *r, struct process *process, wn_error *err)
{
    struct run_models *before = r->watch ? r->watch->models : NULL;
    if (before && before->instances && instances_fit(before->instances, r->spec)) {
        r->models = *before;
        *before = (struct run_models){ 0 };
        return instances_serve(r->models.instances, r->spec, err);
    }
    if (before)
        run_models_free(before);
    return instances_create(r->spec, process, INSTANCES_SAMPLER | INSTANCES_VERIFIERS | INSTANCES_SEARCH,
                            &r->models.instances, err);
}

static wn_status execute(struct run *r, struct process *process, struct experiment_result *result, wn_error *err)
{
    WN_TRY(take_directory(r, err));
    warn_of_disk(r);
    WN_TRY(choice_begin(process, r->spec->output, cli_value(r->c, "pictures", "auto"), &r->choice, err));
    WN_TRY(make_instances(r, process, err));
    WN_TRY(write_manifest(r, process, err));
    return experiment_run(r->spec, r->models.instances, process, r->ledger, r->watch ? r->watch->status : show_status,
                          r->watch ? r->watch->arg : NULL, result, err);
}

/* To the next point of a sweep. */
static void leave_models(struct run *r)
{
    if (!r->watch)
        return;
    instances_rest(r->models.instances);
    if (!r->models.spec)
        r->models.spec = r->spec;
    *r->watch->models = r->models;
    r->models = (struct run_models){ 0 };
}

/* Before the report, so that what plugins say at their end does not follow it. Returns the first failure of all. */
static wn_status let_go(struct run *r, wn_status status, wn_error *err)
{
    wn_error second;
    run_models_free(&r->models);
    choice_end(r->choice);
    wn_status closed = ledger_close(r->ledger, status ? &second : err);
    return status ? status : closed;
}

static wn_status write_report(const struct run *r, wn_error *err)
{
    terminal_progress("writing the report");
    WN_TRY(report_write(r->spec->output, err));
    if (r->watch)
        return WN_OK;
    terminal_stop();
    return report_table(r->spec->output, stdout, terminal_has_colour(stdout), err);
}

/* Where the pictures came from, in evaluations. */
static void tell_sources(const struct run *r, const struct experiment_status *s)
{
    char line[300], reused[100] = "";
    if (cli_flag(r->c, "quiet"))
        return;
    if (s->nfe_reused)
        snprintf(reused, sizeof reused, " (%llu of them reused an earlier step)", (unsigned long long)s->nfe_reused);
    snprintf(line, sizeof line, "evaluations: %llu sampled%s, %llu from the ledger, %llu from the cache",
             (unsigned long long)s->nfe_sampled, reused, (unsigned long long)s->nfe_replayed,
             (unsigned long long)s->nfe_cached);
    terminal_message(line);
}

static int finish(const struct run *r, const struct experiment_result *result)
{
    wn_error err = { 0 };
    char line[FILE_PATH_SIZE + 100];
    if (result->interrupted) {
        snprintf(line, sizeof line, "interrupted after %u of %u prompts; the same command goes on from there",
                 result->done + result->failed, r->spec->prompt_count);
        terminal_message(line);
        return EXIT_INTERRUPTED;
    }
    wn_status status = result->done ? write_report(r, &err) : WN_OK;
    if (status)
        return cli_fail(r->c, status, &err);
    if (result->done && !r->watch && !cli_flag(r->c, "quiet")) {
        fflush(stdout);
        tell_sources(r, &result->status);
        snprintf(line, sizeof line, "report: %s/report.html", r->spec->output);
        terminal_message(line);
    }
    if (result->done == r->spec->prompt_count)
        return EXIT_FINE;
    snprintf(line, sizeof line, "%u of %u prompts failed; %s/log.txt says why", r->spec->prompt_count - result->done,
             r->spec->prompt_count, r->spec->output);
    terminal_message(line);
    return EXIT_FAILED;
}

static int run_with(struct run *r, struct process *process)
{
    wn_error err = { 0 };
    struct experiment_result result = { 0 };
    wn_status status = execute(r, process, &result, &err);
    terminal_stop();
    if (status == WN_OK && result.done == r->spec->prompt_count)
        leave_models(r);
    status = let_go(r, status, &err);
    if (status == WN_OK && result.timeline)
        status = timeline_write(r->spec->output, result.timeline, &err);
    timeline_destroy(result.timeline);
    int code = status ? cli_fail(r->c, status, &err) : finish(r, &result);
    wn_error ignored;
    (void)log_set_file(NULL, &ignored);
    return code;
}

int run_experiment(struct cli *c, struct spec *spec, const struct run_watch *watch)
{
    struct run r = { .c = c, .spec = spec, .watch = watch };
    struct process *process = cli_process(c, spec->engine.threads);
    const int code = process ? run_with(&r, process) : EXIT_FAILED;
    if (!watch || watch->models->spec != spec)
        spec_free(spec);
    return code;
}

static int run_loaded(struct cli *c, const struct sweep *sweep)
{
    struct spec *spec = NULL;
    if (sweep->points)
        return cli_flag(c, "dry-run") ? sweep_plan(c, sweep) : sweep_run(c, sweep);
    int code = cli_load_spec(c, &sweep->request, &spec);
    if (code == EXIT_FINE && !cli_flag(c, "dry-run"))
        return run_experiment(c, spec, NULL);
    if (code == EXIT_FINE)
        code = run_plan(c, spec);
    spec_free(spec);
    return code;
}

static int run(struct cli *c)
{
    const char *sets[257];
    char set_limit[64];
    uint64_t limit = 0;
    uint32_t set_count = cli_values(c, "set", sets, 256);
    struct sweep *sweep;
    if (!cli_u64(c, "limit", 1, 1000000, &limit))
        return EXIT_USAGE;
    if (pictures_kind_from(cli_value(c, "pictures", "auto")) < 0)
        return cli_usage(c, "--pictures %s: not one of " PICTURES_CHOICES, cli_value(c, "pictures", "auto"));
    if (limit) {
        snprintf(set_limit, sizeof set_limit, "prompts.limit=%llu", (unsigned long long)limit);
        sets[set_count++] = set_limit;
    }
    int code = cli_load_sweep(
        c,
        &(struct spec_request){
            .path = c->arguments[0], .set = sets, .set_count = set_count, .output = cli_value(c, "output", NULL) },
        &sweep);
    if (code == EXIT_FINE)
        code = run_loaded(c, sweep);
    sweep_free(sweep);
    return code;
}

static const struct cli_option options[] = {
    { "set", 's', "KEY=VALUE", "change a value of the spec: --set search.options.candidates=8" },
    { "output", 'o', "DIR", "the run's directory" },
    { "limit", 'n', "N", "only the first N prompts" },
    { "dry-run", 0, NULL, "only say what it will take: points, evaluations, time, disk" },
    { "json", 0, NULL, "with --dry-run: as JSON" },
    { "pictures", 0, "HOW", "how a person is shown pictures: " PICTURES_CHOICES },
    { "hash-weights", 0, NULL, "hash weight files of any size for the manifest" },
    { NULL, 0, NULL, NULL }
};

const struct command cmd_run = {
    .name = "run",
    .arguments = "SPEC",
    .summary = "run an experiment and write its report",
    .details = "SPEC is a JSON file, or \"-\" for standard input. Everything goes to the run's directory.\n"
               "An interrupted or killed run goes on when the same command is given again, with the same\n"
               "results. Ctrl-C once ends cleanly (exit status 75), twice at once.\n"
               "A spec with \"sweep\" is many runs, each in a folder of the output; what is done stays done,\n"
               "whatever is added, and a comparison ends it.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
