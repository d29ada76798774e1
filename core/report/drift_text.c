/* drift_text.c - drift.h's numbers for the terminal, and for other programs. */
#include "base/json_text.h"
#include "base/plain.h"
#include "report/drift.h"

#include <math.h>

enum { TITLE_SIZE = 256, NUMBER_SIZE = 32 };

static const char *number(const struct drift_spread *s, double value, char text[NUMBER_SIZE])
{
    if (isnan(value))
        return "-";
    if (isinf(value))
        return "equal";
    snprintf(text, NUMBER_SIZE, s->is_psnr ? "%.2f" : "%.4g", value);
    return text;
}

static const char *title_of(const char *given, char title[TITLE_SIZE])
{
    plain_copy(title, TITLE_SIZE, given, 0);
    return title;
}

static void write_spreads(const struct drift *d, struct buffer *out)
{
    char title[TITLE_SIZE], a[NUMBER_SIZE], b[NUMBER_SIZE], c[NUMBER_SIZE], e[NUMBER_SIZE];
    buffer_printf(out, "%-34s %10s %10s %10s %10s %9s\n", "difference", "mean", "median", "95 %", "worst", "equal");
    for (uint64_t row = 0; row < DRIFT_SCORES + d->metric_count; row++) {
        const struct drift_spread *s = &d->spreads[row];
        buffer_printf(out, "%-34s %10s %10s %10s %10s %4llu/%llu%s%s\n", title_of(s->title, title),
                      number(s, s->mean, a), number(s, s->median, b), number(s, s->p95, c), number(s, s->worst, e),
                      (unsigned long long)s->equal, (unsigned long long)s->count, *s->unit ? "  " : "", s->unit);
    }
}

static void write_choices(const struct drift *d, struct buffer *out)
{
    char title[TITLE_SIZE];
    for (uint64_t m = 0; m < d->metric_count; m++) {
        const struct drift_choice *c = &d->choices[m];
        buffer_printf(out, "%s: ", title_of(d->metrics[m].title, title));
        if (!c->prompts)
            buffer_text(out, "no opinion\n");
        else if (!c->changed)
            buffer_printf(out, "the winner is the same for all %llu prompts\n", (unsigned long long)c->prompts);
        else
            buffer_printf(out, "another winner for %llu of %llu prompts", (unsigned long long)c->changed,
                          (unsigned long long)c->prompts);
        if (c->changed && isnan(c->cost))
            buffer_text(out, "; A's has no score on B\n");
        else if (c->changed)
            buffer_printf(out, "; keeping A's costs %.3g on B\n", c->cost);
    }
}

void drift_table(const struct drift *d, struct buffer *out)
{
    char text[TITLE_SIZE];
    for (int side = 0; side < 2; side++)
        buffer_printf(out, "%c  %s\n", 'A' + side, title_of(d->side[side].name, text));
    buffer_printf(out, "%llu candidates of %llu prompts\n\n", (unsigned long long)d->pair_count,
                  (unsigned long long)d->prompt_count);
    write_spreads(d, out);
    buffer_byte(out, '\n');
    write_choices(d, out);
    for (uint64_t i = 0; i < d->silent_count; i++)
        buffer_printf(out, "not asked: %s\n", title_of(d->silent[i], text));
    if (d->left_out)
        buffer_printf(out, "left out: %llu candidates; the first: %s\n", (unsigned long long)d->left_out,
                      title_of(d->why, text));
}

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* What is infinite has no JSON number: null, and the count of equals says why. */
static void write_number(struct json_text *j, const char *key, double value)
{
    json_key_number(j, key, isfinite(value) ? value : (double)NAN);
}

static void write_spread(struct json_text *j, const struct drift_spread *s)
{
    json_object(j);
    json_key_string(j, "what", s->title);
    if (*s->unit)
        json_key_string(j, "unit", s->unit);
    json_key_u64(j, "count", s->count);
    json_key_u64(j, "equal", s->equal);
    write_number(j, "mean", s->mean);
    write_number(j, "median", s->median);
    write_number(j, "p95", s->p95);
    write_number(j, "worst", s->worst);
    if (!isnan(s->bias))
        write_number(j, "bias", s->bias);
    json_end(j);
}

static void write_change(const struct drift *d, struct json_text *j, uint64_t prompt, uint64_t metric)
{
    static const char *const keys[] = { "a", "b" };
    json_object(j);
    json_key_string(j, "prompt_id", d->prompts[prompt].id);
    for (int side = 0; side < 2; side++) {
        const struct drift_pair *p = &d->pairs[drift_chosen(d, prompt, metric, side)];
        json_key(j, keys[side]);
        json_object(j);
        json_key_string(j, "candidate", p->id);
        write_number(j, "score_a", p->scores[0][metric]);
        write_number(j, "score_b", p->scores[1][metric]);
        json_end(j);
    }
    json_end(j);
}

static void write_choice(const struct drift *d, struct json_text *j, uint64_t metric)
{
    const struct drift_choice *c = &d->choices[metric];
    json_object(j);
    json_key_string(j, "metric", d->metrics[metric].title);
    json_key_string(j, "role", d->metrics[metric].role == DATA_GUIDE ? "guide" : "judge");
    json_key_u64(j, "prompts", c->prompts);
    json_key_u64(j, "changed", c->changed);
    write_number(j, "cost", c->cost);
    json_key(j, "changes");
    json_array(j);
    for (uint64_t p = 0; p < d->prompt_count; p++)
        if (drift_is_changed(d, p, metric))
            write_change(d, j, p, metric);
    json_end(j);
    json_end(j);
}

static void write_pair(const struct drift *d, struct json_text *j, const struct drift_pair *p)
{
    json_object(j);
    json_key_string(j, "candidate", p->id);
    json_key_string(j, "prompt_id", d->prompts[p->prompt].id);
    write_number(j, "latent_share", p->latent_share);
    write_number(j, "latent_most", p->latent_most);
    write_number(j, "psnr_db", drift_psnr(p->square));
    write_number(j, "pixel_most", p->pixel_most);
    json_key(j, "scores");
    json_object(j);
    for (uint64_t m = 0; m < d->metric_count; m++) {
        json_key(j, d->metrics[m].title);
        json_array(j);
        json_number(j, p->scores[0][m]);
        json_number(j, p->scores[1][m]);
        json_end(j);
    }
    json_end(j);
    json_end(j);
}

static void write_sides(const struct drift *d, struct json_text *j)
{
    json_key(j, "sides");
    json_array(j);
    for (int side = 0; side < 2; side++) {
        json_object(j);
        json_key_string(j, "name", d->side[side].name);
        json_key_string(j, "devices", d->side[side].machines);
        json_end(j);
    }
    json_end(j);
}

static void write_strings(struct json_text *j, const char *key, uint64_t count, const char *const *all)
{
    json_key(j, key);
    json_array(j);
    for (uint64_t i = 0; i < count; i++)
        json_string(j, all[i]);
    json_end(j);
}

void drift_json(const struct drift *d, struct buffer *out)
{
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key_u64(&j, "format", 1);
    json_key_string(&j, "run", d->run_dir);
    write_sides(d, &j);
    json_key_u64(&j, "prompts", d->prompt_count);
    json_key_u64(&j, "candidates", d->pair_count);
    json_key_u64(&j, "left_out", d->left_out);
    json_key_string(&j, "left_out_why", d->left_out ? d->why : NULL);
    write_strings(&j, "not_asked", d->silent_count, d->silent);
    json_key(&j, "differences");
    json_array(&j);
    for (uint64_t row = 0; row < DRIFT_SCORES + d->metric_count; row++)
        write_spread(&j, &d->spreads[row]);
    json_end(&j);
    json_key(&j, "winners");
    json_array(&j);
    for (uint64_t m = 0; m < d->metric_count; m++)
        write_choice(d, &j, m);
    json_end(&j);
    json_key(&j, "pairs");
    json_array(&j);
    for (uint64_t i = 0; i < d->pair_count; i++)
        write_pair(d, &j, &d->pairs[i]);
    json_end(&j);
    json_end(&j);
    buffer_byte(out, '\n');
}
