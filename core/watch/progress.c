#include "watch/progress.h"

#include "report/rows.h"
#include "report/show.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* ---- what there is ---- */

struct plan {
    double prompts, candidates, nfe, seconds; /* each for one prompt but the first; NaN = not known */
    bool is_shared;
};

static double number_in(const cJSON *object, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsNumber(item) && item->valuedouble >= 0 && item->valuedouble < 1e15 ? item->valuedouble : (double)NAN;
}

static struct plan plan_of(const struct data *d)
{
    cJSON *manifest = cJSON_Parse(d->manifest);
    const cJSON *plan = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(manifest, "report"), "plan");
    const struct plan p = { number_in(plan, "prompts"), number_in(plan, "candidates"), number_in(plan, "nfe"),
                            number_in(plan, "seconds"),
                            cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(plan, "is_shared")) };
    cJSON_Delete(manifest);
    return p;
}

/* An open trial's row does not move; its newest candidate knows. */
static uint64_t nfe_of(const struct data_trial *t)
{
    uint64_t nfe = t->nfe;
    for (uint64_t i = 0; i < t->candidate_count; i++)
        nfe = t->candidates[i].nfe_total > nfe ? t->candidates[i].nfe_total : nfe;
    return nfe;
}

static void count_trials(const struct data *d, struct progress *p, double nfe_each)
{
    double best = 0, known = 0;
    p->nfe_left = 0;
    for (uint64_t i = 0; i < d->trial_count; i++) {
        const struct data_trial *t = &d->trials[i];
        const uint64_t nfe = nfe_of(t);
        const bool is_open = strcmp(t->state, "open") == 0;
        p->done += strcmp(t->state, "done") == 0;
        p->failed += strcmp(t->state, "failed") == 0;
        p->open += is_open;
        p->candidates += rows_pool_size(t);
        p->nfe += nfe;
        if (is_open)
            p->nfe_left += fmax(nfe_each - (double)nfe, 0);
        if (t->winner && !isnan(t->winner->values[0]))
            best += t->winner->values[0], known++;
    }
    p->best_mean = known > 0 ? best / known : (double)NAN;
}

static double seconds_of(const struct data_trial *t)
{
    const double made = t->candidate_count ? t->candidates[t->candidate_count - 1].seconds : 0;
    return fmax(t->seconds, made);
}

/* What a prompt that ended had left of its seconds is nobody's, unless they share. */
static void count_seconds(const struct data *d, const struct plan *plan, struct progress *p)
{
    double gone = 0;
    p->seconds_spent = 0;
    for (uint64_t i = 0; i < d->trial_count; i++) {
        const struct data_trial *t = &d->trials[i];
        const bool is_over = strcmp(t->state, "open") != 0 && !plan->is_shared;
        p->seconds_spent += seconds_of(t);
        gone += is_over ? plan->seconds : seconds_of(t);
    }
    p->seconds_left = fmax(plan->prompts * plan->seconds - gone, 0);
}

/* Where the search plans no end, prompts to come are taken to cost what the done ones did. */
static double nfe_each(const struct data *d, const struct plan *plan)
{
    double nfe = 0, done = 0;
    for (uint64_t i = 0; i < d->trial_count && isnan(plan->nfe); i++)
        if (strcmp(d->trials[i].state, "done") == 0)
            nfe += (double)d->trials[i].nfe, done++;
    return isnan(plan->nfe) ? nfe / done : plan->nfe;
}

struct progress progress_of(const struct data *d, bool is_live)
{
    struct progress p = { .best_mean = NAN,
                          .candidates_planned = NAN,
                          .nfe_planned = NAN,
                          .nfe_left = NAN,
                          .seconds_spent = NAN,
                          .seconds_left = NAN,
                          .nfe_per_second = NAN,
                          .eta_seconds = NAN,
                          .state = is_live ? PROGRESS_STARTING : PROGRESS_WAITING };
    if (!d)
        return p;
    const struct plan plan = plan_of(d);
    const double each = nfe_each(d, &plan);
    count_trials(d, &p, each);
    const bool has_plan = !isnan(plan.prompts);
    if (has_plan && !isnan(plan.seconds))
        count_seconds(d, &plan, &p);
    p.prompts = has_plan ? (uint64_t)plan.prompts : 0;
    p.candidates_planned = plan.prompts * plan.candidates;
    p.nfe_planned = plan.prompts * plan.nfe;
    p.nfe_left += fmax(plan.prompts - (double)d->trial_count, 0) * each;
    if (!has_plan || isnan(each))
        p.nfe_left = NAN;
    const bool is_over = p.open == 0 && p.done + p.failed > 0 && p.done + p.failed >= p.prompts;
    p.state = is_live ? PROGRESS_RUNNING : is_over ? PROGRESS_ENDED : PROGRESS_STOPPED;
    return p;
}

double progress_share(const struct progress *p)
{
    const double whole = (double)p->nfe + p->nfe_left;
    if (p->state == PROGRESS_ENDED)
        return 1;
    const double by_nfe = whole > 0 ? (double)p->nfe / whole : (double)NAN,
                 seconds = p->seconds_spent + p->seconds_left;
    return fmax(by_nfe, seconds > 0 ? p->seconds_spent / seconds : (double)NAN); /* fmax passes NaN over */
}

/* ---- pace ---- */

void pace_add(struct pace *pace, double seconds, struct progress *p)
{
    const uint64_t last = (pace->count - 1) % PACE_SAMPLES;
    if (p->state != PROGRESS_RUNNING || (pace->count > 0 && pace->nfe[last] > p->nfe))
        pace->count = 0;
    if (p->state != PROGRESS_RUNNING)
        return;
    pace->seconds[pace->count % PACE_SAMPLES] = seconds;
    pace->nfe[pace->count++ % PACE_SAMPLES] = p->nfe;
    const uint64_t kept = pace->count < PACE_SAMPLES ? pace->count : PACE_SAMPLES;
    uint64_t from = pace->count - kept;
    while (from + 2 < pace->count && pace->seconds[from % PACE_SAMPLES] < seconds - PACE_WINDOW_SECONDS)
        from++;
    const double time = seconds - pace->seconds[from % PACE_SAMPLES];
    const uint64_t made = p->nfe - pace->nfe[from % PACE_SAMPLES];
    if (time > 0 && made > 0)
        p->nfe_per_second = (double)made / time;
    p->eta_seconds = fmin(p->nfe_left / p->nfe_per_second, p->seconds_left); /* fmin passes NaN over */
}

/* ---- words ---- */

const char *progress_state_name(enum progress_state state)
{
    static const char *const names[] = {
        [PROGRESS_READING] = "reading", [PROGRESS_WAITING] = "waiting", [PROGRESS_STARTING] = "starting",
        [PROGRESS_RUNNING] = "running", [PROGRESS_STOPPED] = "stopped", [PROGRESS_ENDED] = "ended",
        [PROGRESS_BROKEN] = "broken"
    };
    return names[state];
}

static void count_text(struct buffer *out, const char *before, uint64_t count, double planned, const char *what)
{
    char text[SHOW_SIZE];
    show_count(count, text);
    buffer_printf(out, "%s%s", before, text);
    if (planned > 0) {
        show_count((uint64_t)planned, text);
        buffer_printf(out, " of %s", text);
    }
    buffer_printf(out, " %s", what);
}

static void time_text(struct buffer *out, double seconds)
{
    const uint64_t s = (uint64_t)fmin(seconds + 0.5, 1e9);
    if (s >= 3600)
        buffer_printf(out, "%lluh%02llum", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60));
    else if (s >= 60)
        buffer_printf(out, "%llum%02llus", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
    else
        buffer_printf(out, "%llus", (unsigned long long)s);
}

void progress_text(const struct progress *p, struct buffer *out)
{
    if (p->state != PROGRESS_RUNNING && p->state != PROGRESS_STOPPED && p->state != PROGRESS_ENDED)
        return;
    count_text(out, "", p->done + p->failed, (double)p->prompts, "prompts");
    if (p->failed)
        buffer_printf(out, " (%llu failed)", (unsigned long long)p->failed);
    const bool is_timed = !isnan(p->seconds_left); /* then the plan is more than there may be time for */
    count_text(out, ", ", p->candidates, is_timed ? (double)NAN : p->candidates_planned, "candidates");
    count_text(out, ", ", p->nfe, is_timed ? (double)NAN : p->nfe_planned, "NFE");
    if (p->nfe_per_second >= 100)
        count_text(out, ", ", (uint64_t)fmin(p->nfe_per_second, 1e15), NAN, "NFE/s");
    else if (isfinite(p->nfe_per_second))
        buffer_printf(out, ", %.3g NFE/s", p->nfe_per_second);
    if (isfinite(p->eta_seconds)) {
        buffer_text(out, ", about ");
        time_text(out, p->eta_seconds);
        buffer_text(out, " left");
    }
}

void progress_json(const struct progress *p, struct json_text *j)
{
    json_key(j, "state"), json_string(j, progress_state_name(p->state));
    json_key_number(j, "prompts", p->prompts ? (double)p->prompts : (double)NAN);
    json_key_u64(j, "done", p->done);
    json_key_u64(j, "failed", p->failed);
    json_key_u64(j, "open", p->open);
    json_key_u64(j, "candidates", p->candidates);
    json_key_number(j, "candidates_planned", p->candidates_planned);
    json_key_u64(j, "nfe", p->nfe);
    json_key_number(j, "nfe_planned", p->nfe_planned);
    json_key_number(j, "seconds_spent", p->seconds_spent);
    json_key_number(j, "seconds_left", p->seconds_left);
    json_key_number(j, "share", progress_share(p));
    json_key_number(j, "nfe_per_second", p->nfe_per_second);
    json_key_number(j, "eta_seconds", p->eta_seconds);
    json_key_number(j, "best_mean", p->best_mean);
}
