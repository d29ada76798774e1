/* rows.c - one row for each candidate: as CSV, and as the metadata.jsonl of a folder of pictures. Both have the same
 * columns in the same order; the scores come last, one column for each metric in the report's order. */
#include "export/export.h"

#include "base/json_text.h"

#include <math.h>
#include <string.h>

/* ---- CSV, as RFC 4180 has it: CRLF, quotes only where they are needed, doubled inside ---- */

static void csv_text(struct buffer *out, const char *text)
{
    if (!text[strcspn(text, ",\"\r\n")]) {
        buffer_text(out, text);
        return;
    }
    buffer_byte(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            buffer_byte(out, '"');
        buffer_byte(out, *text);
    }
    buffer_byte(out, '"');
}

static void csv_field(struct buffer *out, const char *text)
{
    buffer_byte(out, ',');
    csv_text(out, text);
}

static void csv_u64(struct buffer *out, uint64_t value)
{
    buffer_printf(out, ",%llu", (unsigned long long)value);
}

/* What is not known is an empty field. */
static void csv_number(struct buffer *out, double value)
{
    char text[32] = "";
    if (isfinite(value))
        json_format_number(text, value);
    csv_field(out, text);
}

static void csv_row(const struct data *d, const struct data_trial *t, const struct data_candidate *c,
                    struct buffer *out)
{
    buffer_printf(out, "%llu", (unsigned long long)t->id);
    csv_field(out, t->prompt_id);
    csv_field(out, t->prompt);
    csv_field(out, t->category);
    csv_u64(out, c->ordinal);
    csv_field(out, c->id);
    csv_u64(out, c->point);
    csv_field(out, c->finished ? "true" : "false");
    csv_field(out, c->parent);
    csv_field(out, c->lineage);
    csv_u64(out, c->nfe);
    csv_u64(out, c->nfe_total);
    buffer_byte(out, ',');
    if (c->offer)
        buffer_printf(out, "%llu", (unsigned long long)c->offer);
    csv_field(out, c == t->winner ? "true" : "false");
    csv_field(out, c->image);
    for (uint64_t i = 0; i < d->metric_count; i++)
        csv_number(out, c->values[i]);
    buffer_text(out, "\r\n");
}

void export_csv(const struct data *d, struct buffer *out)
{
    buffer_text(out, "trial,prompt_id,prompt,category,ordinal,candidate,point,finished,parent,lineage,nfe,nfe_total,"
                     "offer,winner,image");
    for (uint64_t i = 0; i < d->metric_count; i++)
        csv_field(out, d->metrics[i].title);
    buffer_text(out, "\r\n");
    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t k = 0; k < d->trials[i].candidate_count; k++)
            csv_row(d, &d->trials[i], &d->trials[i].candidates[k], out);
}

/* ---- metadata.jsonl ---- */

static void text_or_null(struct json_text *j, const char *key, const char *text)
{
    json_key(j, key), json_string(j, text[0] ? text : NULL);
}

static void write_metadata(const struct data *d, const struct data_trial *t, const struct data_candidate *c,
                           struct buffer *out)
{
    struct json_text j = json_begin(out, 0);
    json_object(&j);
    json_key(&j, "file_name"), json_string(&j, c->image);
    json_key(&j, "trial"), json_u64(&j, t->id);
    json_key(&j, "prompt_id"), json_string(&j, t->prompt_id);
    json_key(&j, "prompt"), json_string(&j, t->prompt);
    text_or_null(&j, "category", t->category);
    json_key(&j, "ordinal"), json_u64(&j, c->ordinal);
    json_key(&j, "candidate"), json_string(&j, c->id);
    json_key(&j, "point"), json_u64(&j, c->point);
    json_key(&j, "finished"), json_bool(&j, c->finished);
    text_or_null(&j, "parent", c->parent);
    text_or_null(&j, "lineage", c->lineage); /* as text: its shape differs from row to row, a table's column may not */
    json_key(&j, "nfe"), json_u64(&j, c->nfe);
    json_key(&j, "nfe_total"), json_u64(&j, c->nfe_total);
    json_key(&j, "offer");
    if (c->offer)
        json_u64(&j, c->offer);
    else
        json_null(&j);
    json_key(&j, "winner"), json_bool(&j, c == t->winner);
    for (uint64_t i = 0; i < d->metric_count; i++)
        json_key(&j, d->metrics[i].title), json_number(&j, c->values[i]);
    json_end(&j);
    buffer_byte(out, '\n');
}

void export_metadata(const struct data *d, struct buffer *out)
{
    for (uint64_t i = 0; i < d->trial_count; i++)
        for (uint64_t k = 0; k < d->trials[i].candidate_count; k++)
            if (d->trials[i].candidates[k].image[0])
                write_metadata(d, &d->trials[i], &d->trials[i].candidates[k], out);
}
