/* sweep_run.c - points one after the other, each loaded when its turn comes. SWEEP/sweep.json says which are done; a
 * point that is not is run as any run is, so whatever ends a sweep, the same command goes on where it ended. The lock
 * in the sweep's folder keeps a second process out. What a point's sampler and verifiers are made of is loaded once for
 * all points that follow it and want the same.
 */
#include "cli/sweep.h"

#include "base/arena.h"
#include "base/files.h"
#include "base/log.h"
#include "cli/run.h"
#include "cli/terminal.h"
#include "ledger/lock.h"
#include "ledger/sweep_file.h"
#include "report/compare.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct runner {
    struct cli *c;
    const struct sweep *sweep;
    struct arena *memory;
    struct sweep_file file;
    uint32_t point;
    double nfe_before, seconds_before; /* of the points that this process ran already */
    struct experiment_status last;     /* of the current point */
    struct run_models models;          /* that points leave to one another */
};

/* ---- progress -------------------------------------------------------------------------------------------------- */

/* What points that are still to come will take, at so much for an evaluation, and no more than their budgets of
 * seconds; infinite where one is open. */
static double seconds_to_come(const struct runner *r, double per_nfe)
{
    double seconds = 0;
    for (uint32_t i = r->point + 1; i < r->sweep->count; i++)
        if (r->file.entries[i].state != SWEEP_DONE)
            seconds += fmin(r->sweep->points[i].each.nfe * per_nfe, r->sweep->points[i].each.seconds) *
                       r->sweep->points[i].prompt_count;
    return seconds;
}

static double eta(const struct runner *r, const struct experiment_status *s)
{
    const double nfe = r->nfe_before + (double)s->nfe_sampled, seconds = r->seconds_before + s->seconds;
    return nfe > 0 ? s->eta_seconds + seconds_to_come(r, seconds / nfe) : (double)NAN;
}

static void show_status(void *arg, const struct experiment_status *s)
{
    struct runner *r = arg;
    struct buffer line = BUFFER_INIT(600);
    r->last = *s;
    buffer_printf(&line, "point %u/%u %s  ", r->point + 1, r->sweep->count, r->sweep->points[r->point].changes.name);
    run_status(&line, s);
    if (isfinite(eta(r, s))) {
        buffer_text(&line, "  ETA of all ");
        run_time(&line, eta(r, s));
    }
    terminal_progress(buffer_string(&line));
    buffer_free(&line);
}

/* ---- the folder ------------------------------------------------------------------------------------------------ */

/* The points as they stand now, with what an earlier sweep.json knew of them. A folder keeps the name that it has. */
static wn_status list_points(struct runner *r, wn_error *err)
{
    const struct sweep *s = r->sweep;
    struct sweep_file before;
    WN_TRY(sweep_file_read(s->output, r->memory, &before, err));
    r->file = (struct sweep_file){ s->name, arena_array(r->memory, s->count, sizeof *r->file.entries), s->count };
    if (!r->file.entries)
        return wn_fail(err, WN_E_MEMORY, "no memory for %u points", s->count);
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sweep_point *p = &s->points[i];
        const struct sweep_entry *e = sweep_file_find(&before, p->id);
        const char *folder = sweep_find_folder(s->output, p->id, SWEEP_ID, r->memory);
        r->file.entries[i] = (struct sweep_entry){ p->id, folder ? folder : p->folder, p->changes.name,
                                                   e && folder ? e->state : SWEEP_OPEN };
    }
    return sweep_file_write(s->output, &r->file, err);
}

static wn_status refuse_run(const char *output, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(path_join(path, output, "ledger.db", err));
    return file_exists(path)
               ? wn_fail(err, WN_E_ARG, "%s holds a single run; choose another output for the sweep", output)
               : WN_OK;
}

/* ---- the runs -------------------------------------------------------------------------------------------------- */

static int fail_load(struct runner *r, wn_status status, char *report, wn_error *err)
{
    if (report && *report) {
        report[strcspn(report, "\n")] = '\0';
        wn_fail(err, err->code, "%.900s", report);
    }
    free(report);
    return cli_fail(r->c, status, err);
}

static int run_point(struct runner *r)
{
    char output[FILE_PATH_SIZE];
    const struct run_watch watch = { show_status, r, &r->models };
    struct spec *spec = NULL;
    char *report = NULL;
    wn_error err = { 0 };
    wn_status status = path_join(output, r->sweep->output, r->file.entries[r->point].folder, &err);
    r->last = (struct experiment_status){ 0 };
    if (status == WN_OK)
        status = sweep_point_load(r->sweep, cli_registry(r->c), r->point, output, &spec, &report, &err);
    if (status != WN_OK)
        return fail_load(r, status, report, &err);
    const int code = run_experiment(r->c, spec, &watch);
    r->nfe_before += (double)r->last.nfe_sampled;
    r->seconds_before += r->last.seconds;
    return code;
}

static void say_failed(const struct runner *r)
{
    char line[300];
    snprintf(line, sizeof line, "point %u of %u, %s, is not done; going on", r->point + 1, r->sweep->count,
             r->sweep->points[r->point].changes.name);
    terminal_message(line);
}

/* The worst that happened, an interrupt first. */
static int run_points(struct runner *r)
{
    int worst = EXIT_FINE;
    wn_error err = { 0 };
    if (!cli_value(r->c, "log-level", NULL)) /* each run's log.txt has all of it */
        log_set_level(WN_LOG_WARN);
    for (r->point = 0; r->point < r->sweep->count; r->point++) {
        struct sweep_entry *e = &r->file.entries[r->point];
        if (e->state == SWEEP_DONE)
            continue;
        const int code = atomic_load(&r->c->process.cancelled) ? EXIT_INTERRUPTED : run_point(r);
        if (code == EXIT_INTERRUPTED)
            return code;
        e->state = code == EXIT_FINE ? SWEEP_DONE : SWEEP_FAILED;
        if (sweep_file_write(r->sweep->output, &r->file, &err) != WN_OK)
            return cli_fail(r->c, err.code, &err);
        if (code != EXIT_FINE)
            say_failed(r);
        worst = worst ? worst : code;
    }
    return worst;
}

static int compare(struct runner *r)
{
    const char *output = r->sweep->output;
    char line[FILE_PATH_SIZE + 100];
    struct buffer text = BUFFER_INIT(1 << 24);
    struct compare *all = NULL;
    wn_error err = { 0 };
    terminal_progress("comparing");
    wn_status status = compare_create(1, &output, &all, &err);
    if (status == WN_OK)
        status = compare_write(all, output, &err);
    terminal_stop();
    if (status == WN_OK)
        compare_table(all, terminal_has_colour(stdout), &text);
    compare_free(all);
    if (status != WN_OK) { /* the runs are fine as they are */
        buffer_free(&text);
        snprintf(line, sizeof line, "no comparison: %s", err.message);
        terminal_message(line);
        return status == WN_E_ARG || status == WN_E_MISSING ? EXIT_FINE : exit_code_of(status);
    }
    const int code = cli_print(r->c, &text);
    snprintf(line, sizeof line, "comparison: %s/compare.html", output);
    if (!cli_flag(r->c, "quiet"))
        terminal_message(line);
    return code;
}

static int finish(struct runner *r, int code)
{
    char line[400];
    if (code == EXIT_INTERRUPTED) {
        snprintf(line, sizeof line, "interrupted at point %u of %u, %s; the same command goes on from there",
                 r->point + 1, r->sweep->count, r->sweep->points[r->point].changes.name);
        terminal_message(line);
        return code;
    }
    const int compared = compare(r);
    return code ? code : compared;
}

int sweep_run(struct cli *c, const struct sweep *s)
{
    struct runner r = { .c = c, .sweep = s, .memory = arena_create() };
    wn_error err = { 0 };
    int lock = -1;
    wn_status status = r.memory ? refuse_run(s->output, &err) : wn_fail(&err, WN_E_MEMORY, "sweep: no memory");
    if (status == WN_OK)
        status = dir_make(s->output, &err);
    if (status == WN_OK)
        status = lock_take(s->output, &lock, &err);
    if (status == WN_OK)
        status = list_points(&r, &err);
    const int ran = status ? cli_fail(c, status, &err) : run_points(&r);
    run_models_free(&r.models);
    const int code = status ? ran : finish(&r, ran);
    lock_release(lock);
    arena_destroy(r.memory);
    return code;
}
