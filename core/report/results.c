/* results.c - results.jsonl, summary.json and times.json. */
#include "report/results.h"

#include "base/json_text.h"

static const char *role_name(const struct data_metric *m)
{
    return m->role == DATA_GUIDE ? "guide" : "judge";
}

static const char *or_null(const char *text)
{
    return text[0] ? text : NULL;
}

static void write_scores(struct json_text *j, const struct data *d, const struct data_candidate *c)
{
    json_key(j, "scores"), json_object(j);
    for (uint64_t i = 0; i < d->metric_count; i++)
        json_key_number(j, d->metrics[i].title, c->values[i]);
    json_end(j);
}

static void write_candidate(struct json_text *j, const struct data *d, const struct data_trial *t,
                            const struct data_candidate *c)
{
    json_object(j);
    json_key_u64(j, "trial", t->id);
    json_key_string(j, "prompt_id", t->prompt_id);
    json_key_string(j, "prompt", t->prompt);
    json_key_string(j, "category", or_null(t->category));
    json_key_u64(j, "ordinal", c->ordinal);
    json_key_string(j, "candidate", c->id);
    json_key_u64(j, "point", c->point);
    json_key(j, "finished"), json_bool(j, c->finished);
    json_key_string(j, "parent", or_null(c->parent));
    json_key(j, "lineage");
    if (c->lineage[0])
        json_raw(j, c->lineage);
    else
        json_null(j);
    json_key_u64(j, "nfe", c->nfe);
    json_key_u64(j, "nfe_total", c->nfe_total);
    write_scores(j, d, c);
    json_key(j, "offer");
    if (c->offer)
        json_u64(j, c->offer);
    else
        json_null(j);
    json_key(j, "winner"), json_bool(j, c == t->winner);
    json_key_string(j, "image", or_null(c->image));
    json_end(j);
}

void results_lines(const struct data *d, struct buffer *out)
{
    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t k = 0; k < d->trials[i].candidate_count; k++) {
            struct json_text j = json_begin(out, 0);
            write_candidate(&j, d, &d->trials[i], &d->trials[i].candidates[k]);
            buffer_byte(out, '\n');
        }
}

static void write_interval(struct json_text *j, const struct stats_interval *i)
{
    json_key_number(j, "mean", i->mean);
    json_key_number(j, "lo", i->low);
    json_key_number(j, "hi", i->high);
}

static void write_points(struct json_text *j, const char *key, const char *x, uint64_t count,
                         const struct numbers_point *points)
{
    json_key(j, key), json_array(j);
    for (uint64_t i = 0; i < count; i++) {
        json_object(j);
        json_key_u64(j, x, points[i].x);
        write_interval(j, &points[i].y);
        json_end(j);
    }
    json_end(j);
}

static void write_metric(struct json_text *j, const struct data_metric *m)
{
    json_key_string(j, "verifier", m->verifier);
    json_key_string(j, "metric", m->name);
    json_key_string(j, "role", role_name(m));
}

static void write_curve(struct json_text *j, const struct data *d, const struct numbers_curve *c)
{
    json_object(j);
    write_metric(j, &d->metrics[c->metric]);
    json_key(j, "higher_is_better"), json_bool(j, d->metrics[c->metric].higher_is_better);
    json_key_u64(j, "prompts", c->prompts);
    if (c->best_of)
        write_points(j, "best_of", "n", c->best_of_count, c->best_of);
    write_points(j, "against_nfe", "nfe", c->against_nfe_count, c->against_nfe);
    write_points(j, "against_calls", "calls", c->against_calls_count, c->against_calls);
    json_end(j);
}

/* The ends of the gain: numbers of candidates where the curve is exact, numbers of evaluations else. */
static void write_gain(struct json_text *j, const struct data *d, const struct numbers_curve *c)
{
    const struct numbers_point *points = c->best_of ? c->best_of : c->against_nfe;
    uint64_t count = c->best_of ? c->best_of_count : c->against_nfe_count;

    json_object(j);
    write_metric(j, &d->metrics[c->metric]);
    json_key_string(j, "over", c->best_of ? "n" : "nfe");
    json_key_u64(j, "from", count ? points[0].x : 0);
    json_key_u64(j, "to", count ? points[count - 1].x : 0);
    write_interval(j, &c->gain);
    json_end(j);
}

static void write_category(struct json_text *j, const struct data *d, const struct numbers *n,
                           const struct numbers_category *c)
{
    json_object(j);
    json_key_string(j, "category", c->name);
    json_key_u64(j, "prompts", c->prompts);
    json_key(j, "metrics"), json_array(j);
    for (uint64_t i = 0; i < n->curve_count; i++) {
        json_object(j);
        write_metric(j, &d->metrics[n->curves[i].metric]);
        json_key_number(j, "from", c->from[i]);
        json_key_number(j, "to", c->to[i]);
        json_key(j, "gain"), json_object(j);
        write_interval(j, &c->gain[i]);
        json_end(j);
        json_end(j);
    }
    json_end(j);
    json_end(j);
}

static void write_counts(struct json_text *j, const struct numbers *n)
{
    json_key(j, "counts"), json_object(j);
    json_key_u64(j, "prompts", n->prompts);
    json_key_u64(j, "done", n->done);
    json_key_u64(j, "failed", n->failed);
    json_key_u64(j, "candidates", n->candidates);
    json_key_u64(j, "nfe", n->nfe);
    json_key_u64(j, "verifier_calls", n->verifier_calls);
    json_end(j);
}

void results_summary(const struct data *d, const struct numbers *n, const struct checks *k, struct buffer *out)
{
    struct json_text j = json_begin(out, 2);

    json_object(&j);
    json_key_string(&j, "name", d->name);
    json_key_string(&j, "search", d->search);
    write_counts(&j, n);
    json_key(&j, "gain"), json_array(&j);
    for (uint64_t i = 0; i < n->curve_count; i++)
        write_gain(&j, d, &n->curves[i]);
    json_end(&j);
    json_key(&j, "curves"), json_array(&j);
    for (uint64_t i = 0; i < n->curve_count; i++)
        write_curve(&j, d, &n->curves[i]);
    json_end(&j);
    json_key(&j, "categories"), json_array(&j);
    for (uint64_t i = 0; i < n->category_count; i++)
        write_category(&j, d, n, &n->categories[i]);
    json_end(&j);
    results_checks(d, n, k, &j);
    json_end(&j);
    buffer_byte(out, '\n');
}

static void write_time_curve(struct json_text *j, const struct data *d, const struct numbers_curve *c)
{
    json_object(j);
    write_metric(j, &d->metrics[c->metric]);
    json_key(j, "against_seconds"), json_array(j);
    for (uint64_t i = 0; i < c->against_seconds_count; i++) {
        json_object(j);
        json_key_number(j, "seconds", (double)c->against_seconds[i].x / 1e6);
        write_interval(j, &c->against_seconds[i].y);
        json_end(j);
    }
    json_end(j);
    json_end(j);
}

void results_times(const struct data *d, const struct numbers *n, struct buffer *out)
{
    struct json_text j = json_begin(out, 2);
    double seconds = 0;

    for (uint64_t i = 0; i < d->trial_count; i++)
        seconds += d->trials[i].seconds;
    json_object(&j);
    json_key_string(&j, "name", d->name);
    json_key_string(&j, "search", d->search);
    json_key_number(&j, "seconds", seconds);
    json_key(&j, "curves"), json_array(&j);
    for (uint64_t i = 0; i < n->curve_count; i++)
        write_time_curve(&j, d, &n->curves[i]);
    json_end(&j);
    json_end(&j);
    buffer_byte(out, '\n');
}
