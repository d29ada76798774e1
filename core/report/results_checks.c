/* results_checks.c - the doubts, for programs. */
#include "base/json_text.h"
#include "report/results.h"

static void key_interval(struct json_text *j, const char *key, const struct stats_interval *i)
{
    json_key(j, key), json_object(j);
    json_key(j, "mean"), json_number(j, i->mean);
    json_key(j, "lo"), json_number(j, i->low);
    json_key(j, "hi"), json_number(j, i->high);
    json_end(j);
}

static void write_metric(struct json_text *j, const struct data_metric *m)
{
    json_key_string(j, "verifier", m->verifier);
    json_key_string(j, "metric", m->name);
}

static void write_gap(struct json_text *j, const struct data *d, const struct numbers *n, const struct gap *g)
{
    static const char *const verdicts[] = {
        [GAP_NONE] = "none", [GAP_HACKED] = "exploited", [GAP_HACKED_LATE] = "exploited_late"
    };

    json_object(j);
    write_metric(j, &d->metrics[n->curves[g->curve].metric]);
    json_key_u64(j, "prompts", g->prompts);
    json_key_string(j, "over", g->is_exact ? "n" : "nfe");
    json_key(j, "guide_spread"), json_number(j, g->guide_spread);
    json_key(j, "judge_spread"), json_number(j, g->judge_spread);
    json_key_string(j, "verdict", verdicts[g->verdict]);
    if (g->count > 0 && g->late > 0) {
        json_key_u64(j, "late_from", g->points[g->late].x);
        key_interval(j, "late_guide", &g->late_guide);
        key_interval(j, "late_judge", &g->late_judge);
    }
    json_key(j, "points"), json_array(j);
    for (uint64_t i = 0; i < g->count; i++) {
        json_object(j);
        json_key_u64(j, g->is_exact ? "n" : "nfe", g->points[i].x);
        key_interval(j, "guide", &g->points[i].guide);
        key_interval(j, "judge", &g->points[i].judge);
        key_interval(j, "gap", &g->points[i].gap);
        json_end(j);
    }
    json_end(j);
    json_end(j);
}

static void write_preview(struct json_text *j, const struct preview *p)
{
    json_object(j);
    json_key_u64(j, "point", p->point);
    json_key_u64(j, "previews", p->previews);
    json_key_u64(j, "prompts", p->prompts);
    key_interval(j, "spearman", &p->rho);
    json_end(j);
}

static void write_tie(struct json_text *j, const struct data *d, const struct tie *t)
{
    json_object(j);
    write_metric(j, &d->metrics[t->metric]);
    json_key_u64(j, "prompts", t->prompts);
    key_interval(j, "pairs", &t->share);
    key_interval(j, "shared_best", &t->top);
    json_end(j);
}

static void write_diversity(struct json_text *j, const char *key, const struct diversity *v)
{
    json_key(j, key), json_object(j);
    json_key(j, "candidates"), json_number(j, v->candidates);
    key_interval(j, "distance", &v->distance);
    key_interval(j, "vendi", &v->vendi);
    json_end(j);
}

void results_checks(const struct data *d, const struct numbers *n, const struct checks *k, struct json_text *j)
{
    json_key(j, "gaps"), json_array(j);
    for (uint64_t i = 0; i < k->gap_count; i++)
        write_gap(j, d, n, &k->gaps[i]);
    json_end(j);
    json_key(j, "previews"), json_array(j);
    for (uint64_t i = 0; i < k->preview_count; i++)
        write_preview(j, &k->previews[i]);
    json_end(j);
    json_key(j, "ties"), json_array(j);
    for (uint64_t i = 0; i < k->tie_count; i++)
        write_tie(j, d, &k->ties[i]);
    json_end(j);
    json_key(j, "diversity"), json_object(j);
    json_key_string(j, "embedding", "colour and edge layout, 112 numbers");
    json_key_u64(j, "prompts", k->whole.prompts);
    json_key(j, "is_sampled"), json_bool(j, k->is_sampled);
    write_diversity(j, "all", &k->whole);
    write_diversity(j, "first_half", &k->early);
    write_diversity(j, "last_half", &k->late);
    json_end(j);
}
