/* compare_json.c - compare.json: all numbers of the page. NaN is null. */
#include "report/comparison.h"

#include "base/json_text.h"

static void write_interval(struct json_text *j, const struct stats_interval *i)
{
    json_key_number(j, "mean", i->mean);
    json_key_number(j, "lo", i->low);
    json_key_number(j, "hi", i->high);
}

static void write_metrics(const struct compare *c, struct json_text *j)
{
    json_key(j, "metrics"), json_array(j);
    for (uint64_t i = 0; i < c->metric_count; i++) {
        json_object(j);
        json_key_string(j, "metric", c->metrics[i].title);
        json_key(j, "higher_is_better"), json_bool(j, c->metrics[i].higher_is_better);
        json_end(j);
    }
    json_end(j);
    json_key(j, "metrics_left_out"), json_array(j);
    for (uint64_t i = 0; i < c->left_out_count; i++)
        json_string(j, c->left_out[i]);
    json_end(j);
}

static void write_values(const struct compare *c, const struct compare_algorithm *a, struct json_text *j)
{
    json_key(j, "metrics"), json_array(j);
    for (uint64_t m = 0; m < c->metric_count; m++) {
        json_object(j);
        json_key_string(j, "metric", c->metrics[m].title);
        json_key(j, "without_search"), json_object(j), write_interval(j, &a->first[m]), json_end(j);
        json_key(j, "with_search"), json_object(j), write_interval(j, &a->final[m]), json_end(j);
        json_end(j);
    }
    json_end(j);
}

static void write_algorithm(const struct compare *c, const struct compare_algorithm *a, struct json_text *j)
{
    json_object(j);
    json_key_string(j, "name", a->name);
    json_key_string(j, "search", a->search);
    json_key_string(j, "guide", a->guide);
    json_key(j, "runs"), json_array(j);
    for (uint64_t i = 0; i < a->run_count; i++) {
        json_object(j);
        json_key_string(j, "run", c->runs[a->runs[i]].directory);
        json_key(j, "seed"), json_raw(j, c->runs[a->runs[i]].seed);
        json_end(j);
    }
    json_end(j);
    json_key(j, "spent_per_prompt"), json_object(j);
    for (int i = 0; i < COMPARE_CURRENCIES; i++)
        json_key_number(j, compare_currency_names[i], a->spent[i]);
    json_end(j);
    write_values(c, a, j);
    json_end(j);
}

static void write_pair(const struct compare *c, const struct compare_pair *p, struct json_text *j)
{
    static const char *const places[COMPARE_PLACES] = { "equal_nfe", "equal_seconds", "equal_verifier_calls", "end" };
    for (uint64_t m = 0; m < c->metric_count; m++)
        for (int place = 0; place < COMPARE_PLACES; place++) {
            const struct compare_difference *d = compare_difference_of(c, p, m, place);
            json_object(j);
            json_key_string(j, "left", c->algorithms[p->left].name);
            json_key_string(j, "right", c->algorithms[p->right].name);
            json_key_string(j, "metric", c->metrics[m].title);
            json_key_string(j, "at", places[place]);
            write_interval(j, &d->mean);
            json_key_u64(j, "rows", d->rows);
            json_key_u64(j, "common_seeds", p->seeds);
            json_key_number(j, "p", d->p);
            json_key_number(j, "p_holm", d->p_holm);
            json_end(j);
        }
}

static void write_curve(const struct compare *c, int currency, uint64_t algorithm, uint64_t metric, struct json_text *j)
{
    const struct compare_curve *curve = compare_curve_of(c, currency, algorithm, metric);
    json_object(j);
    json_key_string(j, "algorithm", c->algorithms[algorithm].name);
    json_key_string(j, "metric", c->metrics[metric].title);
    json_key_string(j, "against", compare_currency_names[currency]);
    json_key(j, "points"), json_array(j);
    for (uint64_t i = 0; i < curve->count; i++) {
        json_object(j);
        json_key_number(j, "x", curve->points[i].x);
        write_interval(j, &curve->points[i].y);
        json_end(j);
    }
    json_end(j), json_end(j);
}

static void write_category(const struct compare *c, const struct compare_category *category, struct json_text *j)
{
    json_object(j);
    json_key_string(j, "category", category->name);
    json_key_u64(j, "prompts", category->prompts);
    json_key(j, "cells"), json_array(j);
    for (uint64_t i = 0; i < c->algorithm_count * c->metric_count; i++) {
        const struct compare_algorithm *a = &c->algorithms[i / c->metric_count];
        json_object(j);
        json_key_string(j, "verifier", a->guide);
        json_key_string(j, "algorithm", a->column);
        json_key_string(j, "metric", c->metrics[i % c->metric_count].title);
        json_key_number(j, "without_search", category->first[i]);
        json_key_number(j, "with_search", category->final[i]);
        json_end(j);
    }
    json_end(j), json_end(j);
}

void compare_json(const struct compare *c, struct buffer *out)
{
    struct json_text text = json_begin(out, 2), *j = &text;
    json_object(j);
    json_key_u64(j, "prompts", c->prompt_count);
    json_key_u64(j, "points_not_begun", c->skipped_points);
    write_metrics(c, j);
    json_key(j, "algorithms"), json_array(j);
    for (uint64_t i = 0; i < c->algorithm_count; i++)
        write_algorithm(c, &c->algorithms[i], j);
    json_end(j);
    json_key(j, "differences"), json_array(j);
    for (uint64_t i = 0; i < c->pair_count; i++)
        write_pair(c, &c->pairs[i], j);
    json_end(j);
    json_key(j, "curves"), json_array(j);
    for (int currency = 0; currency < COMPARE_CURRENCIES; currency++)
        for (uint64_t i = 0; i < c->algorithm_count * c->metric_count; i++)
            write_curve(c, currency, i / c->metric_count, i % c->metric_count, j);
    json_end(j);
    json_key(j, "categories"), json_array(j);
    for (uint64_t i = 0; i < c->category_count; i++)
        write_category(c, &c->categories[i], j);
    json_end(j), json_end(j);
    buffer_byte(out, '\n');
}
