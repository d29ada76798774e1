/* cmd_score.c - what verifiers say of pictures that are there: from winnow or from anywhere.
 *
 * Without --prompt each picture is scored against the prompt in its own recipe. Pictures are read and scored in chunks,
 * so that a folder of thousands fits; a comparative verifier needs all at once. */
#include "base/image_file.h"
#include "base/plain.h"
#include "base/png.h"
#include "cli/verifiers.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32, MAX_TEXT_BYTES = 256 << 20, MAX_PNG_BYTES = 1 << 30 };

static const struct cli_option options[] = {
    VERIFIERS_OPTIONS,
    { "prompt", 'p', "TEXT", "score against this; each picture's own recipe when not given" },
    { "threads", 0, "N", "threads for computing; 0 = one for each processor" },
    { "json", 0, NULL, "print JSON" },
    { NULL, 0, NULL, NULL },
};

struct picture {
    const char *path;
    char *prompt; /* owned; NULL = could not be read */
    char *record; /* owned; the prompt as JSON */
    wn_image image;
};

struct score {
    struct cli *cli;
    struct spec *spec;
    struct instances *instances;
    char (*labels)[VERIFIERS_LABEL_BYTES]; // [verifier_count], each another
    struct picture *pictures;              // [count]
    uint32_t count;
    uint32_t columns; /* metrics of all verifiers */
    double *values;   // [count][columns]
    uint32_t failures;
};

static const wn_verifier *vtable(const struct score *s, uint32_t v)
{
    return &s->instances->verifiers[v].verifier;
}

/* ---- the verifiers ---- */

static int make_verifiers(struct score *s)
{
    wn_error err = { 0 };
    uint64_t threads = 0;
    if (!cli_u64(s->cli, "threads", 0, 1024, &threads))
        return EXIT_USAGE;
    struct process *process = cli_process(s->cli, (uint32_t)threads);
    if (!process)
        return EXIT_FAILED;
    s->labels = verifiers_labels(s->cli, s->spec);
    wn_status status = s->labels ? WN_OK : wn_fail(&err, WN_E_MEMORY, "no memory for names of verifiers");
    if (status == WN_OK)
        status = instances_create(s->spec, process, INSTANCES_VERIFIERS, &s->instances, &err);
    return status == WN_OK ? EXIT_FINE : cli_fail(s->cli, status, &err);
}

/* ---- pictures ---- */

static void take_prompt(void *arg, const char *key, const char *value)
{
    struct picture *p = arg;
    cJSON *recipe = strcmp(key, "winnow") == 0 && !p->prompt ? cJSON_Parse(value) : NULL;
    const char *prompt = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(recipe, "prompt"));
    if (prompt)
        p->prompt = strdup(prompt);
    cJSON_Delete(recipe);
}

static wn_status find_prompt(struct picture *p, const char *given, wn_error *err)
{
    struct buffer file = BUFFER_INIT(MAX_PNG_BYTES);
    wn_status status = WN_OK;
    if (given) {
        p->prompt = strdup(given);
        return p->prompt ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a prompt");
    }
    status = buffer_read_file(&file, p->path, err);
    if (status == WN_OK && png_is(file.data, file.size))
        status = png_read_texts(p->path, file.data, file.size, take_prompt, p, err);
    buffer_free(&file);
    if (status == WN_OK && !p->prompt)
        return wn_fail(err, WN_E_ARG, "%s has no recipe that says its prompt; give --prompt", p->path);
    return status;
}

static wn_status make_record(struct picture *p, wn_error *err)
{
    struct buffer record = BUFFER_INIT(1 << 24);
    struct json_text j = json_begin(&record, 0);
    json_object(&j), json_key(&j, "prompt"), json_string(&j, p->prompt), json_end(&j);
    p->record = buffer_take(&record);
    return p->record ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a prompt");
}

static void take_picture(struct score *s, struct picture *p, struct image_job *job)
{
    wn_status status = job->status;
    p->image = job->image;
    if (status == WN_OK)
        status = find_prompt(p, cli_value(s->cli, "prompt", NULL), &job->err);
    if (status == WN_OK)
        status = make_record(p, &job->err);
    if (status == WN_OK)
        return;
    cli_fail(s->cli, status, &job->err);
    s->failures++;
    image_free(&p->image);
}

static wn_status read_pictures(struct score *s, uint32_t first, uint32_t end, wn_error *err)
{
    struct image_job *jobs = calloc(end - first, sizeof *jobs);
    if (!jobs)
        return wn_fail(err, WN_E_MEMORY, "no memory to read %u pictures", end - first);
    for (uint32_t i = first; i < end; i++)
        jobs[i - first].path = s->pictures[i].path;
    image_read_all(s->cli->process.pool, end - first, jobs);
    for (uint32_t i = first; i < end; i++)
        take_picture(s, &s->pictures[i], &jobs[i - first]);
    free(jobs);
    return WN_OK;
}

/* ---- scoring ---- */

struct set {
    uint32_t count;
    uint32_t *index;            // [count] of s->pictures
    wn_prompt *prompts;         // [count]
    const wn_prompt **pointers; // [count]; equal prompts are one pointer
    wn_image *images;           // [count]
    double *scores;             // [count][metric_count]
};

static void add_to_set(struct set *set, const struct score *s, uint32_t picture)
{
    const struct picture *p = &s->pictures[picture];
    uint32_t n = set->count++;
    set->index[n] = picture;
    set->images[n] = p->image;
    set->prompts[n] = (wn_prompt){ p->prompt, "prompt", "", p->record };
    set->pointers[n] = &set->prompts[n];
    for (uint32_t i = 0; i < n; i++)
        if (strcmp(set->prompts[i].text, p->prompt) == 0) {
            set->pointers[n] = set->pointers[i];
            return;
        }
}

static wn_status score_set(const struct score *s, uint32_t v, uint32_t column, struct set *set, wn_error *err)
{
    const wn_verifier *verifier = vtable(s, v);
    wn_score_request request = { .struct_size = sizeof request,
                                 .count = set->count,
                                 .prompts = set->pointers,
                                 .images = set->images,
                                 .scores = set->scores };
    for (uint64_t i = 0; i < set->count * verifier->metric_count; i++)
        set->scores[i] = (double)NAN;
    wn_error why = { 0 };
    wn_status status = verifier->score(s->instances->verifiers[v].self, &request, &why);
    if (status != WN_OK)
        return wn_fail(err, status, "verifier %s: %s", s->labels[v], why.message);
    for (uint32_t i = 0; i < set->count; i++)
        for (uint64_t m = 0; m < verifier->metric_count; m++)
            s->values[(uint64_t)set->index[i] * s->columns + column + m] = set->scores[i * verifier->metric_count + m];
    return WN_OK;
}

/* One verifier over the pictures [first, end), in sets of at most its max_batch. */
static wn_status score_range(const struct score *s, uint32_t v, uint32_t column, uint32_t first, uint32_t end,
                             struct set *set, wn_error *err)
{
    uint64_t limit = vtable(s, v)->max_batch ? vtable(s, v)->max_batch : UINT64_MAX;
    set->count = 0;
    for (uint32_t i = first; i < end; i++) {
        if (s->pictures[i].record)
            add_to_set(set, s, i);
        if (set->count == 0 || (set->count < limit && i + 1 < end))
            continue;
        if (atomic_load(&s->cli->process.cancelled))
            return wn_fail(err, WN_E_CANCELLED, "interrupted");
        WN_TRY(score_set(s, v, column, set, err));
        set->count = 0;
    }
    return WN_OK;
}

static void forget_pixels(struct score *s, uint32_t first, uint32_t end)
{
    for (uint32_t i = first; i < end; i++)
        image_free(&s->pictures[i].image);
}

static wn_status score_chunks(struct score *s, uint32_t chunk, struct set *set, wn_error *err)
{
    for (uint32_t first = 0; first < s->count; first += chunk) {
        uint32_t end = s->count - first < chunk ? s->count : first + chunk, column = 0;
        WN_TRY(read_pictures(s, first, end, err));
        for (uint32_t v = 0; v < s->spec->verifier_count; v++) {
            WN_TRY(score_range(s, v, column, first, end, set, err));
            column += (uint32_t)vtable(s, v)->metric_count;
        }
        forget_pixels(s, first, end);
    }
    return WN_OK;
}

/* Gives up on verifiers that want what a finished picture does not have. */
static wn_status survey(struct score *s, uint32_t *chunk, wn_error *err)
{
    *chunk = CHUNK;
    for (uint32_t v = 0; v < s->spec->verifier_count; v++) {
        const wn_verifier *verifier = vtable(s, v);
        s->columns += (uint32_t)verifier->metric_count;
        if (verifier->flags & WN_VERIFIER_COMPARATIVE)
            *chunk = s->count;
        if (verifier->flags & WN_VERIFIER_NEEDS_PREVIEW)
            return wn_fail(err, WN_E_UNSUPPORTED,
                           "verifier %s looks at previews of the sampling, which finished pictures "
                           "do not have",
                           s->labels[v]);
    }
    return WN_OK;
}

static wn_status score_all(struct score *s, wn_error *err)
{
    uint32_t chunk;
    WN_TRY(survey(s, &chunk, err));
    struct set set = { 0 };
    set.index = calloc(chunk, sizeof *set.index);
    set.prompts = calloc(chunk, sizeof *set.prompts);
    set.pointers = calloc(chunk, sizeof *set.pointers);
    set.images = calloc(chunk, sizeof *set.images);
    set.scores = calloc((size_t)chunk * s->columns, sizeof *set.scores);
    s->values = calloc((size_t)s->count * s->columns, sizeof *s->values);
    bool is_room = set.index && set.prompts && set.pointers && set.images && set.scores && s->values;
    wn_status status = is_room ? score_chunks(s, chunk, &set, err)
                               : wn_fail(err, WN_E_MEMORY, "no memory to score %u pictures", s->count);
    free(set.index);
    free(set.prompts);
    free(set.pointers);
    free(set.images);
    free(set.scores);
    return status;
}

/* ---- output ---- */

static void as_json(const struct score *s, struct buffer *out)
{
    struct json_text j = json_begin(out, 1);
    json_object(&j), json_key(&j, "images"), json_array(&j);
    for (uint32_t i = 0; i < s->count; i++) {
        const double *value = s->values + (uint64_t)i * s->columns;
        if (!s->pictures[i].record)
            continue;
        json_object(&j);
        json_key(&j, "file"), json_string(&j, s->pictures[i].path);
        json_key(&j, "prompt"), json_string(&j, s->pictures[i].prompt);
        json_key(&j, "scores"), json_object(&j);
        for (uint32_t v = 0; v < s->spec->verifier_count; v++) {
            json_key(&j, s->labels[v]), json_object(&j);
            for (uint64_t m = 0; m < vtable(s, v)->metric_count; m++)
                json_key(&j, vtable(s, v)->metrics[m].name), json_number(&j, *value++);
            json_end(&j);
        }
        json_end(&j), json_end(&j);
    }
    json_end(&j), json_end(&j);
    buffer_byte(out, '\n');
}

static int column_width(const struct score *s, uint32_t v, uint64_t m)
{
    int width = (int)(strlen(s->labels[v]) + strlen(vtable(s, v)->metrics[m].name)) + 1;
    return width < 10 ? 10 : width;
}

static void as_table(const struct score *s, struct buffer *out)
{
    for (uint32_t v = 0; v < s->spec->verifier_count; v++)
        for (uint64_t m = 0; m < vtable(s, v)->metric_count; m++) {
            char name[256];
            snprintf(name, sizeof name, "%s.%s", s->labels[v], vtable(s, v)->metrics[m].name);
            buffer_printf(out, "%*s  ", column_width(s, v, m), name);
        }
    buffer_text(out, "picture\n");
    for (uint32_t i = 0; i < s->count; i++) {
        const double *value = s->values + (uint64_t)i * s->columns;
        if (!s->pictures[i].record)
            continue;
        for (uint32_t v = 0; v < s->spec->verifier_count; v++)
            for (uint64_t m = 0; m < vtable(s, v)->metric_count; m++, value++)
                if (isnan(*value))
                    buffer_printf(out, "%*s  ", column_width(s, v, m), "-");
                else
                    buffer_printf(out, "%*.6f  ", column_width(s, v, m), *value);
        plain_text(out, s->pictures[i].path, 0);
        buffer_byte(out, '\n');
    }
}

static int print(const struct score *s)
{
    struct buffer out = BUFFER_INIT(MAX_TEXT_BYTES);
    if (cli_flag(s->cli, "json"))
        as_json(s, &out);
    else
        as_table(s, &out);
    int code = cli_print(s->cli, &out);
    return code == EXIT_FINE && s->failures ? EXIT_FAILED : code;
}

static int score(struct score *s)
{
    wn_error err = { 0 };
    int code = verifiers_load(s->cli, &s->spec);
    if (code == EXIT_FINE)
        code = make_verifiers(s);
    if (code != EXIT_FINE)
        return code;
    wn_status status = score_all(s, &err);
    return status == WN_OK ? print(s) : cli_fail(s->cli, status, &err);
}

static int run(struct cli *c)
{
    struct score s = { .cli = c, .count = c->argument_count };
    s.pictures = calloc(s.count, sizeof *s.pictures);
    if (!s.pictures)
        return EXIT_FAILED;
    for (uint32_t i = 0; i < s.count; i++)
        s.pictures[i].path = c->arguments[i];
    int code = score(&s);
    forget_pixels(&s, 0, s.count);
    for (uint32_t i = 0; i < s.count; i++) {
        free(s.pictures[i].prompt);
        free(s.pictures[i].record);
    }
    free(s.pictures);
    free(s.values);
    free(s.labels);
    instances_destroy(s.instances);
    spec_free(s.spec);
    return code;
}

const struct command cmd_score = {
    .name = "score",
    .arguments = "IMAGE...",
    .summary = "score pictures with verifiers",
    .details =
        "  winnow score --verifier clipscore --model pebble/clip --prompt \"a red circle\" *.png\n\n"
        "A picture that cannot be read is named and left out; the exit status is then 1. A score of - means that "
        "the verifier has no opinion.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = UINT32_MAX,
    .run = run,
};
