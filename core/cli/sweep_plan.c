/* sweep_plan.c - what points will take, before anything runs. Evaluations and disk follow from the specs; how long an
 * evaluation takes is known only where one was measured, so it is read from runs of the same sampler and image size
 * that lie in the same place, and else not said.
 */
#include "cli/sweep.h"

#include "base/arena.h"
#include "base/files.h"
#include "base/plain.h"
#include "cli/run.h"
#include "cli/table.h"
#include "ledger/ledger.h"
#include "ledger/sweep_file.h"

#include <dirent.h>
#include <math.h>
#include <sqlite3.h>
#include <string.h>

enum { MAX_RATES = 64, TEXT_MAX = 16 << 20 };

/* Seconds and evaluations of the runs that were found, for each kind of evaluation. */
struct rates {
    struct rate {
        char cost[65];
        double seconds, nfe;
        uint32_t runs;
    } rates[MAX_RATES];
    uint32_t count;
};

struct planned {
    const struct sweep_point *point;
    const char *directory;
    const char *folder; /* "" for a run of its own */
    int32_t state;      /* enum sweep_state; 0 = nothing is there yet */
    double nfe;         /* in all */
    double left;        /* of it */
    double seconds;     /* for what is left; NaN = unknown */
    double allowed;     /* that the budget has left; infinite = no limit */
    bool is_timed;      /* it has, and what else is planned may not fit into that */
    double bytes;       /* for what is left */
};

struct plan {
    struct arena *memory;
    const char *output;
    struct planned *points;
    uint32_t count;
    struct rates rates;
    uint64_t disk_free; /* 0 = unknown */
};

/* ---- what was measured ----------------------------------------------------------------------------------------- */

static double number_of(const char *run_dir, const char *sql, double *second)
{
    struct sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    wn_error ignored;
    double first = 0;
    if (ledger_read(run_dir, &db, &ignored) == WN_OK && sqlite3_prepare_v2(db, sql, -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW) {
        first = sqlite3_column_double(s, 0);
        if (second)
            *second = sqlite3_column_double(s, 1);
    }
    sqlite3_finalize(s);
    sqlite3_close(db);
    return first;
}

static struct rate *rate_of(struct rates *r, const char *cost)
{
    for (uint32_t i = 0; i < r->count; i++)
        if (strcmp(r->rates[i].cost, cost) == 0)
            return &r->rates[i];
    return NULL;
}

static void add_rate(struct rates *r, const char *cost, double seconds, double nfe)
{
    struct rate *rate = rate_of(r, cost);
    if (!rate && r->count < MAX_RATES) {
        rate = &r->rates[r->count++];
        memcpy(rate->cost, cost, sizeof rate->cost);
    }
    if (rate) {
        rate->seconds += seconds;
        rate->nfe += nfe;
        rate->runs++;
    }
}

static bool has_ledger(const char *run_dir)
{
    char path[FILE_PATH_SIZE];
    wn_error ignored;
    return path_join(path, run_dir, "ledger.db", &ignored) == WN_OK && file_exists(path);
}

static void measure_run(struct rates *r, const char *run_dir)
{
    char path[FILE_PATH_SIZE], cost[65];
    struct buffer text = BUFFER_INIT(TEXT_MAX);
    wn_error ignored;
    double nfe = 0;
    if (has_ledger(run_dir) && path_join(path, run_dir, "spec.resolved.json", &ignored) == WN_OK &&
        buffer_read_file(&text, path, &ignored) == WN_OK && sweep_cost(buffer_string(&text), cost)) {
        const double seconds =
            number_of(run_dir, "SELECT total(seconds), total(nfe) FROM trials WHERE state='done'", &nfe);
        if (seconds > 0 && nfe > 0)
            add_rate(r, cost, seconds, nfe);
    }
    buffer_free(&text);
}

static void measure_all(struct rates *r, const char *directory)
{
    char path[FILE_PATH_SIZE];
    wn_error ignored;
    DIR *d = opendir(directory);
    for (struct dirent *e; d && (e = readdir(d));)
        if (e->d_name[0] != '.' && path_join(path, directory, e->d_name, &ignored) == WN_OK)
            measure_run(r, path);
    if (d)
        closedir(d);
}

static void measure_beside(struct rates *r, const char *output)
{
    char parent[FILE_PATH_SIZE];
    path_directory(parent, output);
    measure_all(r, parent);
}

/* ---- the plan -------------------------------------------------------------------------------------------------- */

/* Of the budget. A prompt that has ended takes no more, but leaves the rest to others where they share. Of one that is
 * at work the guide's time is not known here, which is little and makes this no less a bound. */
static double seconds_allowed(const struct planned *x, bool exists)
{
    static const char ended[] = "SELECT count(*), total(seconds) FROM trials WHERE state='done'";
    static const char open[] =
        "SELECT total(sample_seconds + decode_seconds) FROM candidates WHERE trial IN (SELECT id "
        "FROM trials WHERE state<>'done')";
    const struct spec_bounds *each = &x->point->each;
    double spent = 0;
    const double done = exists ? number_of(x->directory, ended, &spent) : 0;
    const double at_work = exists ? number_of(x->directory, open, NULL) : 0;
    const double gone = each->is_shared ? spent : done * each->seconds;
    return isfinite(each->seconds) ? fmax(each->seconds * x->point->prompt_count - gone - at_work, 0) : each->seconds;
}

/* What is planned, less what is recorded; the seconds of a budget are a bound too. */
static void plan_point(struct plan *p, struct planned *x)
{
    const struct sweep_point *point = x->point;
    const struct rate *rate = rate_of(&p->rates, point->cost);
    double candidates = 0;
    const bool exists = has_ledger(x->directory);
    const double recorded =
        exists ? number_of(x->directory, "SELECT total(nfe), count(*) FROM candidates", &candidates) : 0;
    const double planned_candidates = point->each.candidates * point->prompt_count;
    const bool is_done = x->state == SWEEP_DONE && exists;
    x->state = is_done ? SWEEP_DONE : x->state == SWEEP_FAILED && exists ? SWEEP_FAILED : exists ? SWEEP_OPEN : 0;
    x->nfe = point->each.nfe * point->prompt_count;
    x->allowed = is_done ? 0 : seconds_allowed(x, exists);
    const bool is_over = x->allowed <= 0;
    x->is_timed = !is_over && isfinite(x->allowed);
    x->left = is_over ? 0 : fmax(x->nfe - recorded, 0);
    x->seconds = rate ? x->left * rate->seconds / rate->nfe : (double)NAN;
    if (is_over || x->is_timed)
        x->seconds = fmin(x->seconds, x->allowed); /* fmin passes NaN over */
    x->bytes = is_over ? 0 : point->disk.bytes * fmax(1 - candidates / fmax(planned_candidates, 1), 0);
}

static wn_status place_points(struct plan *p, const struct sweep *s, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    struct sweep_file file;
    WN_TRY(sweep_file_read(s->output, p->memory, &file, err));
    for (uint32_t i = 0; i < s->count; i++) {
        const struct sweep_entry *e = sweep_file_find(&file, s->points[i].id);
        const char *folder = sweep_find_folder(s->output, s->points[i].id, SWEEP_ID, p->memory);
        p->points[i] = (struct planned){ .point = &s->points[i],
                                         .state = e ? e->state : 0,
                                         .folder = folder ? folder : s->points[i].folder };
        WN_TRY(path_join(path, s->output, p->points[i].folder, err));
        p->points[i].directory = arena_string(p->memory, path);
        if (!p->points[i].directory)
            return wn_fail(err, WN_E_MEMORY, "no memory to plan %u points", s->count);
    }
    return WN_OK;
}

static wn_status begin(struct plan *p, const char *output, uint32_t count, wn_error *err)
{
    wn_error ignored;
    *p = (struct plan){ .memory = arena_create(), .output = output, .count = count };
    p->points = p->memory ? arena_array(p->memory, count, sizeof *p->points) : NULL;
    if (!p->points)
        return wn_fail(err, WN_E_MEMORY, "no memory to plan %u points", count);
    if (disk_free(output, &p->disk_free, &ignored) != WN_OK)
        p->disk_free = 0;
    return WN_OK;
}

/* ---- saying it ------------------------------------------------------------------------------------------------- */

static const char *show_count(double count, bool is_most, char text[32])
{
    snprintf(text, 32, !isfinite(count) ? "open" : is_most ? "at most %.0f" : "%.0f", count);
    return text;
}

static void show_time(const struct planned *x, char text[32])
{
    struct buffer b = BUFFER_INIT(32);
    if (isfinite(x->seconds))
        run_time(&b, ceil(x->seconds));
    snprintf(text, 32, "%s%s", x->is_timed && x->seconds >= x->allowed ? "at most " : "",
             isfinite(x->seconds) ? buffer_string(&b) : "unknown");
    buffer_free(&b);
}

static const char *state_of(const struct planned *x)
{
    return x->state == SWEEP_DONE ? "done" : x->state == SWEEP_FAILED ? "failed" : x->state ? "begun" : "new";
}

static void write_row(struct table *t, const char *name, const struct planned *x, const char *state)
{
    char count[32], nfe[32], left[32], time[32], bytes[32];
    show_time(x, time);
    table_cell(t, "%s", name);
    table_cell(t, "%s",
               x->point ? show_count(x->point->each.candidates * x->point->prompt_count, x->is_timed, count) : "");
    table_cell(t, "%s", show_count(x->nfe, x->is_timed, nfe));
    table_cell(t, "%s", show_count(x->left, x->is_timed, left));
    table_cell(t, "%s", time);
    table_cell(t, "%s", isfinite(x->bytes) ? cli_bytes(x->bytes, bytes) : "open");
    table_cell(t, "%s", state);
}

static struct planned sum(const struct plan *p)
{
    struct planned all = { 0 };
    for (uint32_t i = 0; i < p->count; i++) {
        all.nfe += p->points[i].nfe;
        all.left += p->points[i].left;
        all.seconds += p->points[i].seconds;
        all.allowed += p->points[i].allowed;
        all.is_timed |= p->points[i].is_timed;
        all.bytes += p->points[i].bytes;
    }
    return all;
}

static void write_rates(const struct plan *p, struct buffer *out)
{
    uint32_t runs = 0, unknown = 0;
    for (uint32_t i = 0; i < p->count; i++)
        unknown += isnan(p->points[i].seconds) ? 1 : 0;
    for (uint32_t i = 0; i < p->rates.count; i++)
        runs += p->rates.rates[i].runs;
    if (runs)
        buffer_printf(out, "time: as %u earlier run%s here took, sampling and guide, for each evaluation\n", runs,
                      runs == 1 ? "" : "s");
    if (unknown)
        buffer_printf(
            out,
            "time: unknown for %u of %u: no earlier run of the same sampler and image size lies in %s or beside it\n",
            unknown, p->count, p->output);
}

static void write_budget(const struct plan *p, struct buffer *out)
{
    uint32_t timed = 0;
    for (uint32_t i = 0; i < p->count; i++)
        timed += p->points[i].is_timed ? 1 : 0;
    if (timed)
        buffer_printf(out,
                      "time: a budget of seconds bounds %u of %u, in sampling and guide; candidates, evaluations "
                      "and disk are what these come to at most\n",
                      timed, p->count);
}

static void write_text(const struct plan *p, const char *head, struct buffer *out)
{
    const struct planned all = sum(p);
    char need[32], have[32], done[32];
    struct table t;
    uint32_t ready = 0;
    buffer_printf(out, "%s\n\n", head);
    table_start(&t, 7);
    static const char *const titles[] = { "point", "candidates", "evaluations", "left", "time left", "disk left", "" };
    for (uint32_t i = 0; i < 7; i++)
        table_cell(&t, "%s", titles[i]);
    for (uint32_t i = 0; i < p->count; i++) {
        ready += p->points[i].state == SWEEP_DONE;
        write_row(&t, p->points[i].point->changes.name, &p->points[i], state_of(&p->points[i]));
    }
    snprintf(done, sizeof done, "%u of %u done", ready, p->count);
    if (p->count > 1)
        write_row(&t, "all", &all, done);
    table_write(&t, 2, out);
    buffer_byte(out, '\n');
    write_rates(p, out);
    write_budget(p, out);
    if (p->disk_free)
        buffer_printf(out, "disk: %s free in %s%s\n", cli_bytes((double)p->disk_free, have), p->output,
                      all.bytes > (double)p->disk_free ? ", which is not enough" : "");
    if (all.bytes > (double)p->disk_free && p->disk_free && isfinite(all.bytes))
        buffer_printf(out, "      %s may be needed; engine.save_images=false keeps only the best pictures\n",
                      cli_bytes(all.bytes, need));
}

static void write_json(const struct plan *p, struct buffer *out)
{
    const struct planned all = sum(p);
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key(&j, "output"), json_string(&j, p->output);
    json_key(&j, "points"), json_array(&j);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct planned *x = &p->points[i];
        json_object(&j);
        json_key(&j, "name"), json_string(&j, x->point->changes.name);
        json_key(&j, "id"), json_string(&j, x->point->id);
        json_key(&j, "folder"), json_string(&j, x->folder);
        json_key(&j, "state"), json_string(&j, state_of(x));
        json_key(&j, "prompts"), json_u64(&j, x->point->prompt_count);
        json_key(&j, "candidates"), json_number(&j, x->point->each.candidates * x->point->prompt_count);
        json_key(&j, "nfe"), json_number(&j, x->nfe);
        json_key(&j, "nfe_left"), json_number(&j, x->left);
        json_key(&j, "seconds_left"), json_number(&j, x->seconds);
        json_key(&j, "seconds_allowed"), json_number(&j, x->allowed);
        json_key(&j, "disk_bytes_left"), json_number(&j, x->bytes);
        json_end(&j);
    }
    json_end(&j);
    json_key(&j, "nfe_left"), json_number(&j, all.left);
    json_key(&j, "seconds_left"), json_number(&j, all.seconds);
    json_key(&j, "disk_bytes_left"), json_number(&j, all.bytes);
    json_key(&j, "disk_free_bytes"), json_u64(&j, p->disk_free);
    json_end(&j);
    buffer_byte(out, '\n');
}

static int say(struct cli *c, const struct plan *p, const char *head)
{
    struct buffer out = BUFFER_INIT(TEXT_MAX), text = BUFFER_INIT(TEXT_MAX);
    if (cli_flag(c, "json")) {
        write_json(p, &out);
    } else {
        write_text(p, head, &text);
        out.failed = text.failed;
        plain_text(&out, buffer_string(&text), 1);
    }
    buffer_free(&text);
    return cli_print(c, &out);
}

static int end(struct cli *c, struct plan *p, const char *head, wn_status status, const wn_error *err)
{
    for (uint32_t i = 0; status == WN_OK && i < p->count; i++)
        plan_point(p, &p->points[i]);
    const int code = status ? cli_fail(c, status, err) : say(c, p, head);
    arena_destroy(p->memory);
    return code;
}

int sweep_plan(struct cli *c, const struct sweep *s)
{
    char head[600];
    wn_error err = { 0 };
    struct plan p;
    wn_status status = begin(&p, s->output, s->count, &err);
    if (status == WN_OK)
        status = place_points(&p, s, &err);
    measure_all(&p.rates, s->output);
    measure_beside(&p.rates, s->output);
    snprintf(head, sizeof head, "sweep %.100s: %u points, each a run in %.400s", s->name, s->count, s->output);
    return end(c, &p, head, status, &err);
}

int run_plan(struct cli *c, const struct spec *spec)
{
    char head[600];
    wn_error err = { 0 };
    struct plan p;
    struct sweep_point point = { .changes.name = spec->name, .folder = "", .prompt_count = spec->prompt_count };
    point.each = spec_bounds(spec, 1);
    point.disk = spec_disk(spec, &point.each);
    memcpy(point.id, spec->hash, sizeof point.id);
    sweep_cost(spec->resolved, point.cost);
    wn_status status = begin(&p, spec->output, 1, &err);
    if (status == WN_OK)
        p.points[0] = (struct planned){ .point = &point, .directory = spec->output, .folder = "" };
    measure_beside(&p.rates, spec->output);
    snprintf(head, sizeof head, "run %.100s in %.400s", spec->name, spec->output);
    return end(c, &p, head, status, &err);
}
