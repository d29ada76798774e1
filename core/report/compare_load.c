/* compare_load.c - reads runs and finds what they have in common, or why they cannot be compared. */
#include "report/comparison.h"

#include "base/arena.h"
#include "base/files.h"
#include "ledger/sweep_file.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <string.h>

/* ---- which runs ------------------------------------------------------------------------------------------------ */

static bool is_run(const char *directory)
{
    char path[FILE_PATH_SIZE];
    wn_error ignored;
    return path_join(path, directory, "manifest.json", &ignored) == WN_OK && file_exists(path);
}

static wn_status add_run(struct compare *c, const char *directory, wn_error *err)
{
    struct compare_run *r = &c->runs[c->run_count++];
    r->directory = arena_string(c->memory, directory);
    return r->directory ? WN_OK : compare_no_memory(err);
}

static wn_status add_sweep(struct compare *c, const char *directory, const struct sweep_file *file, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    for (uint64_t i = 0; i < file->count; i++) {
        WN_TRY(path_join_inside(path, directory, file->entries[i].folder, err));
        if (!is_run(path)) {
            c->skipped_points++;
            continue;
        }
        WN_TRY(add_run(c, path, err));
        c->runs[c->run_count - 1].is_point = true;
    }
    return WN_OK;
}

static wn_status list_runs(struct compare *c, uint64_t count, const char *const *directories, wn_error *err)
{
    struct sweep_file *files = arena_array(c->memory, count + 1, sizeof *files);
    uint64_t all = 0;
    for (uint64_t i = 0; files && i < count; i++) {
        if (!is_run(directories[i]))
            WN_TRY(sweep_file_read(directories[i], c->memory, &files[i], err));
        all += files[i].count ? files[i].count : 1;
    }
    c->runs = arena_array(c->memory, all + 1, sizeof *c->runs);
    if (!files || !c->runs)
        return compare_no_memory(err);
    for (uint64_t i = 0; i < count; i++)
        if (files[i].count)
            WN_TRY(add_sweep(c, directories[i], &files[i], err));
        else
            WN_TRY(add_run(c, directories[i], err));
    return c->run_count ? WN_OK
                        : wn_fail(err, WN_E_MISSING, "%s: none of its %llu points has begun; run the sweep first",
                                  directories[0], (unsigned long long)c->skipped_points);
}

/* ---- a run ----------------------------------------------------------------------------------------------------- */

static wn_status read_run(struct compare *c, struct compare_run *r, wn_error *err)
{
    struct tree_fault fault;
    WN_TRY(data_load(r->directory, &r->data, err));
    const char *text = r->data->spec;
    r->spec = *text ? tree_parse(c->memory, r->directory, text, strlen(text), &fault) : NULL;
    if (!*text)
        return wn_fail(err, WN_E_MISSING, "%s/spec.resolved.json is not there; run the spec again to write it",
                       r->directory);
    if (!r->spec || !tree_get(tree_get(r->spec, "search"), "use") || !tree_get(tree_get(r->spec, "search"), "guide"))
        return wn_fail(err, WN_E_FORMAT,
                       "%s/spec.resolved.json is not what winnow writes; run the spec again to write it", r->directory);
    r->manifest = cJSON_Parse(r->data->manifest);
    const struct tree_node *seed = tree_get(r->spec, "seed");
    r->seed = seed && seed->type == TREE_NUMBER ? seed->text : "0";
    return WN_OK;
}

static const struct data_trial *trial_of(const struct data *d, const char *prompt_id, uint64_t near)
{
    if (near < d->trial_count && strcmp(d->trials[near].prompt_id, prompt_id) == 0)
        return &d->trials[near];
    for (uint64_t i = 0; i < d->trial_count; i++)
        if (strcmp(d->trials[i].prompt_id, prompt_id) == 0)
            return &d->trials[i];
    return NULL;
}

static bool is_done(const struct data_trial *t)
{
    return strcmp(t->state, "done") == 0 && t->winner;
}

/* ---- common prompts -------------------------------------------------------------------------------------------- */

static wn_status check_text(const struct compare_run *a, const struct data_trial *x, const struct compare_run *b,
                            const struct data_trial *y, wn_error *err)
{
    if (strcmp(x->prompt, y->prompt) == 0)
        return WN_OK;
    return wn_fail(err, WN_E_ARG,
                   "%s and %s have other prompts: %s is \"%.60s\" in one and \"%.60s\" in the other; compare runs "
                   "of the same prompts",
                   a->directory, b->directory, x->prompt_id, x->prompt, y->prompt);
}

/* Whether all runs have finished a prompt of the first. */
static wn_status is_common(const struct compare *c, uint64_t index, bool *common, wn_error *err)
{
    const struct data_trial *t = &c->runs[0].data->trials[index];
    *common = is_done(t);
    for (uint64_t i = 1; i < c->run_count; i++) {
        const struct data_trial *other = trial_of(c->runs[i].data, t->prompt_id, index);
        if (other)
            WN_TRY(check_text(&c->runs[0], t, &c->runs[i], other, err));
        *common = *common && other && is_done(other);
    }
    return WN_OK;
}

/* The first two runs that share no finished prompt are to blame; else all together are. */
static wn_status refuse_prompts(const struct compare *c, wn_error *err)
{
    for (uint64_t i = 0; i < c->run_count; i++) {
        const struct data *d = c->runs[i].data, *first = c->runs[0].data;
        bool any = false, shared = false;
        for (uint64_t k = 0; k < d->trial_count; k++) {
            const struct data_trial *t = trial_of(first, d->trials[k].prompt_id, k);
            any |= is_done(&d->trials[k]);
            shared |= is_done(&d->trials[k]) && t && is_done(t);
        }
        if (!any)
            return wn_fail(err, WN_E_ARG, "%s has no prompt that is done; let it finish first", c->runs[i].directory);
        if (!shared)
            return wn_fail(err, WN_E_ARG,
                           "%s and %s have no prompt in common that is done in both; compare runs of the same "
                           "prompts",
                           c->runs[0].directory, c->runs[i].directory);
    }
    return wn_fail(err, WN_E_ARG, "no prompt is done in all of the %llu runs; let them finish first",
                   (unsigned long long)c->run_count);
}

static wn_status find_prompts(struct compare *c, wn_error *err)
{
    const struct data *first = c->runs[0].data;
    c->prompts = arena_array(c->memory, first->trial_count + 1, sizeof *c->prompts);
    if (!c->prompts)
        return compare_no_memory(err);
    for (uint64_t i = 0; i < first->trial_count; i++) {
        bool common;
        WN_TRY(is_common(c, i, &common, err));
        if (common)
            c->prompts[c->prompt_count++] = &first->trials[i];
    }
    for (uint64_t i = 0; i < c->run_count; i++)
        c->most_prompts =
            c->runs[i].data->trial_count > c->most_prompts ? c->runs[i].data->trial_count : c->most_prompts;
    return c->prompt_count ? WN_OK : refuse_prompts(c, err);
}

/* ---- common metrics -------------------------------------------------------------------------------------------- */

static const struct tree_node *verifier_node(const struct tree_node *spec, const char *name)
{
    return tree_get(tree_get(spec, "verifiers"), name);
}

static void write_verifier(const struct tree_node *spec, const char *name, uint32_t depth, struct json_text *j)
{
    const struct tree_node *node = verifier_node(spec, name), *inputs = tree_get(node, "inputs");
    json_object(j);
    json_key(j, "name"), json_string(j, name);
    for (const struct tree_node *n = node ? node->child : NULL; n; n = n->next)
        if (strcmp(n->key, "use") == 0 || strcmp(n->key, "options") == 0)
            json_key(j, n->key), tree_write(j, n, true);
    json_key(j, "inputs"), json_array(j);
    for (const struct tree_node *n = inputs ? inputs->child : NULL; n && depth < 16; n = n->next)
        if (n->type == TREE_STRING)
            write_verifier(spec, n->text, depth + 1, j);
    json_end(j), json_end(j);
}

void compare_verifier_text(const struct tree_node *spec, const char *verifier, struct buffer *out)
{
    struct json_text j = json_begin(out, 0);
    write_verifier(spec, verifier, 0, &j);
}

static bool same_text(const struct tree_node *a, const struct tree_node *b, const char *name)
{
    struct buffer x = BUFFER_INIT(16 << 20), y = BUFFER_INIT(16 << 20);
    compare_verifier_text(a, name, &x);
    compare_verifier_text(b, name, &y);
    const bool same = !x.failed && !y.failed && strcmp(buffer_string(&x), buffer_string(&y)) == 0;
    buffer_free(&x);
    buffer_free(&y);
    return same;
}

static const char *identity_in(const cJSON *list, const char *key, const char *name)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, list)
    {
        const char *own = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, key));
        if (own && strcmp(own, name) == 0)
            return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "identity"));
    }
    return NULL;
}

/* What the manifest says a verifier is, of the run's last start or of a rescoring: plugin, version, options and files.
 * NULL where it does not. */
static const char *identity_of(const struct compare_run *r, const char *name)
{
    const cJSON *starts = cJSON_GetObjectItemCaseSensitive(r->manifest, "starts");
    const cJSON *start = cJSON_GetArrayItem(starts, cJSON_GetArraySize(starts) - 1);
    const char *identity = identity_in(cJSON_GetObjectItemCaseSensitive(start, "plugins"), "use", name);
    return identity ? identity
                    : identity_in(cJSON_GetObjectItemCaseSensitive(r->manifest, "rescored"), "verifier", name);
}

/* By identity where both have one; else by the specs, where it stands in both. */
static bool same_verifier(const struct compare_run *a, const struct compare_run *b, const char *name)
{
    const char *x = identity_of(a, name), *y = identity_of(b, name);
    if (x && y)
        return strcmp(x, y) == 0;
    return verifier_node(a->spec, name) && verifier_node(b->spec, name) && same_text(a->spec, b->spec, name);
}

static uint64_t metric_in(const struct data *d, const struct data_metric *m)
{
    for (uint64_t i = 0; i < d->metric_count; i++)
        if (d->metrics[i].role != DATA_OTHER && strcmp(d->metrics[i].title, m->title) == 0 &&
            d->metrics[i].higher_is_better == m->higher_is_better)
            return i;
    return UINT64_MAX;
}

/* A metric is one where its verifier is the same, down to the options. */
static bool has_metric(const struct compare *c, const struct compare_run *r, const struct data_metric *m)
{
    return metric_in(r->data, m) != UINT64_MAX && same_verifier(&c->runs[0], r, m->verifier);
}

static void add_metric(struct compare *c, const struct data_metric *m)
{
    struct data_metric *out = &c->metrics[c->metric_count];
    *out = *m;
    for (uint64_t i = 0; i < c->run_count; i++) {
        const uint64_t at = metric_in(c->runs[i].data, m);
        const struct data_metric *other = &c->runs[i].data->metrics[at];
        c->runs[i].metric_of[c->metric_count] = at;
        out->largest = fmax(out->largest, other->largest);
        out->is_yes_or_no &= other->is_yes_or_no;
        out->role = other->role == DATA_GUIDE ? DATA_GUIDE : out->role;
    }
    c->metric_count++;
}

static void leave_out(struct compare *c, const char *title)
{
    for (uint64_t i = 0; i < c->left_out_count; i++)
        if (strcmp(c->left_out[i], title) == 0)
            return;
    c->left_out[c->left_out_count++] = title;
}

static wn_status refuse_metrics(const struct compare *c, wn_error *err)
{
    const struct data *a = c->runs[0].data;
    for (uint64_t i = 1; i < c->run_count; i++) {
        const struct data *b = c->runs[i].data;
        bool shared = false;
        for (uint64_t k = 0; k < a->metric_count; k++)
            shared |= a->metrics[k].role != DATA_OTHER && has_metric(c, &c->runs[i], &a->metrics[k]);
        if (!shared)
            return wn_fail(err, WN_E_ARG,
                           "%s and %s have no metric in common: %s there, %s here, or verifiers of other options; "
                           "give both the same judge",
                           a->directory, b->directory, a->metrics[0].title, b->metrics[0].title);
    }
    return wn_fail(err, WN_E_ARG,
                   "no metric is common to all of the %llu runs, of which %s is the first; give them the same "
                   "judge",
                   (unsigned long long)c->run_count, a->directory);
}

static wn_status find_metrics(struct compare *c, wn_error *err)
{
    const struct data *first = c->runs[0].data;
    uint64_t all = 0;
    for (uint64_t i = 0; i < c->run_count; i++) {
        all += c->runs[i].data->metric_count;
        c->runs[i].metric_of = arena_array(c->memory, first->metric_count + 1, sizeof *c->runs[i].metric_of);
        if (!c->runs[i].metric_of)
            return compare_no_memory(err);
    }
    c->metrics = arena_array(c->memory, first->metric_count + 1, sizeof *c->metrics);
    c->left_out = arena_array(c->memory, all + 1, sizeof *c->left_out);
    if (!c->metrics || !c->left_out)
        return compare_no_memory(err);
    for (uint64_t k = 0; k < first->metric_count; k++) {
        bool common = first->metrics[k].role != DATA_OTHER;
        for (uint64_t i = 1; i < c->run_count; i++)
            common = common && has_metric(c, &c->runs[i], &first->metrics[k]);
        if (common)
            add_metric(c, &first->metrics[k]);
    }
    for (uint64_t i = 0; i < c->run_count; i++)
        for (uint64_t k = 0; k < c->runs[i].data->metric_count; k++) {
            const struct data_metric *m = &c->runs[i].data->metrics[k];
            bool known = m->role == DATA_OTHER;
            for (uint64_t n = 0; n < c->metric_count; n++)
                known |= strcmp(c->metrics[n].title, m->title) == 0;
            if (!known)
                leave_out(c, m->title);
        }
    return c->metric_count ? WN_OK : refuse_metrics(c, err);
}

wn_status compare_load(struct compare *c, uint64_t count, const char *const *directories, wn_error *err)
{
    WN_TRY(list_runs(c, count, directories, err));
    for (uint64_t i = 0; i < c->run_count; i++)
        WN_TRY(read_run(c, &c->runs[i], err));
    WN_TRY(find_prompts(c, err));
    return find_metrics(c, err);
}
