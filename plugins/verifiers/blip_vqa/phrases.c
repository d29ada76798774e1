/* phrases.c - reads noun phrases out of JSON and keeps them. */
#include "phrases.h"

#include <config.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void phrases_finish(struct phrases *p)
{
    for (uint32_t i = 0; i < p->count; i++)
        free(p->text[i]);
    *p = (struct phrases){ 0 };
}

static bool is_place(const char *phrase)
{
    static const char *const places[] = { "top", "the side", "the left", "the right" };
    for (size_t i = 0; i < sizeof places / sizeof *places; i++)
        if (strcmp(phrase, places[i]) == 0)
            return true;
    return false;
}

static wn_status add(struct phrases *p, const char *phrase, wn_error *err)
{
    if (is_place(phrase) || p->count == MAX_PHRASES)
        return WN_OK;
    p->text[p->count] = strdup(phrase);
    return p->text[p->count++] ? WN_OK : wn_fail(err, WN_E_MEMORY, "out of memory for noun phrases");
}

static wn_status read_list(const nn_config *c, struct phrases *out, wn_error *err)
{
    const char *phrase;
    *out = (struct phrases){ 0 };
    for (uint32_t i = 0;; i++) {
        WN_TRY(nn_config_string_at(c, "noun_phrases", i, &phrase, err));
        if (!phrase)
            return WN_OK;
        WN_TRY(add(out, phrase, err));
    }
}

/* ---- the table ---------------------------------------------------------------------------------------------- */

static wn_status add_row(struct phrase_table *t, const nn_config *c, wn_error *err)
{
    const char *prompt;
    struct phrase_row row = { 0 };
    WN_TRY(nn_config_require(c, "prompt", err));
    WN_TRY(nn_config_require(c, "noun_phrases", err));
    WN_TRY(nn_config_string(c, "prompt", NULL, &prompt, err));
    const wn_status status = read_list(c, &row.phrases, err);
    struct phrase_row *grown = status == WN_OK ? realloc(t->row, (t->count + 1) * sizeof *grown) : NULL;
    if (grown)
        t->row = grown;
    row.prompt = grown ? strdup(prompt) : NULL;
    if (!row.prompt) {
        phrases_finish(&row.phrases);
        return status != WN_OK ? status : wn_fail(err, WN_E_MEMORY, "out of memory for noun phrases");
    }
    t->row[t->count++] = row;
    return WN_OK;
}

static wn_status read_line(struct phrase_table *t, const char *path, uint64_t number, const char *line, wn_error *err)
{
    char name[4200];
    nn_config *c;
    if (line[strspn(line, " \t\r\n")] == '\0')
        return WN_OK;
    snprintf(name, sizeof name, "%s, line %llu", path, (unsigned long long)number);
    WN_TRY(nn_config_parse(name, line, &c, err));
    const wn_status status = add_row(t, c, err);
    nn_config_close(c);
    return status;
}

wn_status phrases_open(const char *path, struct phrase_table *out, wn_error *err)
{
    FILE *file = fopen(path, "rbe");
    char *line = NULL;
    size_t size = 0;
    wn_status status = WN_OK;
    *out = (struct phrase_table){ 0 };
    if (!file)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", path, strerror(errno));
    for (uint64_t number = 1; status == WN_OK && getline(&line, &size, file) >= 0; number++)
        status = read_line(out, path, number, line, err);
    if (status == WN_OK && ferror(file))
        status = wn_fail(err, WN_E_IO, "%s: cannot read", path);
    free(line);
    fclose(file);
    if (status != WN_OK)
        phrases_close(out);
    return status;
}

void phrases_close(struct phrase_table *t)
{
    for (uint64_t i = 0; i < t->count; i++) {
        free(t->row[i].prompt);
        phrases_finish(&t->row[i].phrases);
    }
    free(t->row);
    *t = (struct phrase_table){ 0 };
}

/* ---- one prompt --------------------------------------------------------------------------------------------- */

static wn_status read_record(const wn_prompt *prompt, struct phrases *out, wn_error *err)
{
    char name[128];
    nn_config *c;
    snprintf(name, sizeof name, "prompt \"%s\"", prompt->id);
    WN_TRY(nn_config_parse(name, prompt->json, &c, err));
    const wn_status status = read_list(c, out, err);
    nn_config_close(c);
    if (status != WN_OK)
        phrases_finish(out);
    return status;
}

wn_status phrases_of(const wn_prompt *prompt, const struct phrase_table *table, struct phrases *out, wn_error *err)
{
    WN_TRY(read_record(prompt, out, err));
    for (uint64_t i = 0; out->count == 0 && i < table->count; i++) {
        const struct phrases *found = &table->row[i].phrases;
        if (strcmp(table->row[i].prompt, prompt->text) != 0)
            continue;
        for (uint32_t k = 0; k < found->count; k++)
            WN_TRY(add(out, found->text[k], err));
        break;
    }
    return WN_OK;
}
