/* drift_make.c - see drift_make.h: the sides, and their candidates in batches as large as in a run.
 *
 * A noise that the search made is sought once, on the first side; the second gets the same bits. What the first side
 * cannot make (a search that looks at latents itself may go another way on another device) is left out and counted; on
 * the second side nothing may fail. */
#include "cli/drift_maker.h"

#include "base/clock.h"
#include "base/image_file.h"
#include "cli/terminal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32, MAX_DEVICES = 16 };

/* ---- ground ---------------------------------------------------------------------------------------------------- */

static wn_status read_key(struct maker *m, wn_error *err)
{
    const wn_sampler *sampler = m->plan->spec->sampler.plugin->vtable;
    wn_sampler_info info = { .struct_size = sizeof info };
    struct instances *instances;
    WN_TRY(instances_create(m->plan->spec, &m->plan->c->process, INSTANCES_SAMPLER, &instances, err));
    const wn_status status = sampler->describe(instances->sampler.self, &info, err);
    info.model_key[sizeof info.model_key - 1] = '\0';
    snprintf(m->model_key, sizeof m->model_key, "%s", info.model_key);
    instances_destroy(instances);
    return status;
}

static wn_status which_instances(const struct maker *m, uint32_t *which, wn_error *err)
{
    *which = INSTANCES_SAMPLER | INSTANCES_VERIFIERS;
    for (uint64_t i = 0; i < m->plan->recall->count && m->side == 0; i++) {
        bool needs_search;
        WN_TRY(replay_needs_search(&drift_pair_at(m, i)->candidate, &needs_search, err));
        if (needs_search)
            *which |= INSTANCES_SEARCH;
    }
    return WN_OK;
}

static wn_status name_machines(struct maker *m, wn_error *err)
{
    wn_device_info info[MAX_DEVICES];
    const uint32_t count = instances_devices(m->instances, info, MAX_DEVICES);
    const char *text = "";
    for (uint32_t i = 0; i < count && text; i++)
        text = arena_printf(m->plan->arena, "%s%s%s (%s%s%s)", text, i ? "; " : "", info[i].name, info[i].driver,
                            *info[i].driver && *info[i].paths ? "; " : "", info[i].paths);
    m->drift->side[m->side].machines = text;
    return text ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for the names of devices");
}

/* As many at once as a run of this side would make. */
static wn_status find_batch(struct maker *m, wn_error *err)
{
    const struct spec *spec = m->plan->side[m->side];
    const wn_sampler *sampler = spec->sampler.plugin->vtable;
    wn_sampler_info info = { .struct_size = sizeof info };
    WN_TRY(sampler->describe(m->instances->sampler.self, &info, err));
    m->batch = spec->engine.batch < info.max_batch ? spec->engine.batch : (uint32_t)info.max_batch;
    return WN_OK;
}

/* ---- a batch --------------------------------------------------------------------------------------------------- */

/* Candidates of one prompt, made at once. */
struct batch {
    uint64_t count;
    uint64_t *pair;               // [count]
    float **noise;                // [count], on the second side
    struct replay *replay;        // [count]
    struct replay_result *result; // [count]
    wn_error *error;              // [count]
};

static bool batch_begin(struct batch *b, uint64_t most)
{
    *b = (struct batch){ 0,
                         calloc(most, sizeof *b->pair),
                         calloc(most, sizeof(float *)),
                         calloc(most, sizeof *b->replay),
                         calloc(most, sizeof *b->result),
                         calloc(most, sizeof *b->error) };
    return b->pair && b->noise && b->replay && b->result && b->error;
}

static void batch_end(struct batch *b)
{
    for (uint64_t i = 0; i < b->count; i++) {
        free(b->noise[i]);
        replay_result_finish(&b->result[i]);
    }
    free(b->pair);
    free(b->noise);
    free(b->replay);
    free(b->result);
    free(b->error);
}

static wn_status add_to(struct batch *b, struct maker *m, uint64_t pair, wn_error *err)
{
    const uint64_t i = b->count;
    if (m->side == 1 && m->place[pair] == UINT64_MAX)
        return WN_OK;
    if (m->side == 1)
        WN_TRY(drift_noise(m, pair, &b->noise[i], err));
    b->pair[i] = pair;
    b->replay[i] = (struct replay){ .spec = m->plan->side[m->side],
                                    .instances = m->instances,
                                    .process = &m->plan->c->process,
                                    .ledger = m->ledger,
                                    .candidate = &drift_pair_at(m, pair)->candidate,
                                    .spent = m->plan->spent,
                                    .kept = &m->kept,
                                    .model_key = m->model_key,
                                    .noise = b->noise[i] };
    b->count++;
    return WN_OK;
}

static wn_status leave_out(struct maker *m, const char *why, wn_error *err)
{
    if (m->drift->left_out++ == 0)
        m->drift->why = arena_string(m->plan->arena, why);
    return m->drift->why ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a message");
}

/* What the first side cannot make is left out. */
static wn_status take_one(struct maker *m, struct batch *b, uint64_t i, uint64_t *pairs, uint64_t *count, wn_error *err)
{
    const wn_error *why = &b->error[i];
    if (m->side == 0 && (why->code == WN_E_MISSING || why->code == WN_E_ARG))
        return leave_out(m, why->message, err);
    if (why->code != WN_OK)
        return (*err = *why).code;
    if (b->result[i].image.width_px != m->plan->spec->canvas.width_px)
        return leave_out(m, "a draft on a smaller canvas has no pixels to compare", err);
    WN_TRY(drift_take(m, b->pair[i], &b->result[i], err));
    m->images[*count] = b->result[i].image;
    b->result[i].image = (wn_image){ 0 };
    pairs[(*count)++] = b->pair[i];
    return WN_OK;
}

/* Adds the pictures of pairs [first, end) to m->images, and who they are to pairs[*count ...]. */
static wn_status make_batch(struct maker *m, uint64_t first, uint64_t end, uint64_t *pairs, uint64_t *count,
                            wn_error *err)
{
    struct batch b;
    wn_status status = batch_begin(&b, end - first) ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a batch");
    for (uint64_t i = first; i < end && status == WN_OK; i++)
        status = add_to(&b, m, i, err);
    if (status == WN_OK && b.count)
        replay_run_all(b.count, b.replay, b.result, b.error);
    for (uint64_t i = 0; i < b.count && status == WN_OK; i++)
        status = take_one(m, &b, i, pairs, count, err);
    batch_end(&b);
    return status;
}

/* ---- one side -------------------------------------------------------------------------------------------------- */

/* Its speed, and how long the rest of the side will take. */
static void show(const struct maker *m, uint64_t done)
{
    char line[240];
    const double seconds = clock_seconds() - m->started, rate = seconds > 0 ? (double)done / seconds : 0;
    const int used =
        snprintf(line, sizeof line, "%c %.100s: %llu of %llu candidates", 'A' + m->side, m->drift->side[m->side].name,
                 (unsigned long long)done, (unsigned long long)m->drift->pair_count);
    if (rate > 0)
        snprintf(line + used, sizeof line - (size_t)used, ", %.2g a second, %.0f s to go", rate,
                 (double)(m->drift->pair_count - done) / rate);
    terminal_progress(line);
}

/* Where a chunk that begins here ends: at its prompt's end where somebody compares sets. */
static uint64_t end_of_chunk(const struct maker *m, uint64_t first)
{
    const uint64_t most = drift_compares_sets(m) ? UINT64_MAX : CHUNK > m->batch ? CHUNK : m->batch;
    uint64_t end = first;
    while (end < m->drift->pair_count && end - first < most &&
           drift_pair_at(m, end)->candidate.trial == drift_pair_at(m, first)->candidate.trial)
        end++;
    return end;
}

static wn_status make_chunk(struct maker *m, uint64_t first, uint64_t end, uint64_t *pairs, wn_error *err)
{
    uint64_t count = 0;
    wn_status status = WN_OK;
    for (uint64_t i = first; i < end && status == WN_OK; i += m->batch) {
        show(m, i);
        status = make_batch(m, i, end - i < m->batch ? end : i + m->batch, pairs, &count, err);
    }
    if (status == WN_OK && count)
        return drift_score(m, count, pairs, err);
    for (uint64_t i = 0; i < count; i++)
        image_free(&m->images[i]);
    return status;
}

static wn_status make_candidates(struct maker *m, wn_error *err)
{
    uint64_t *pairs = calloc(m->drift->pair_count, sizeof *pairs);
    wn_status status = pairs ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a list of candidates");
    for (uint64_t first = 0, end; first < m->drift->pair_count && status == WN_OK; first = end) {
        end = end_of_chunk(m, first);
        status = make_chunk(m, first, end, pairs, err);
    }
    free(pairs);
    return status;
}

static wn_status make_side(struct maker *m, int side, wn_error *err)
{
    uint32_t which;
    m->side = side;
    m->started = clock_seconds();
    WN_TRY(which_instances(m, &which, err));
    WN_TRY(instances_create(m->plan->side[side], &m->plan->c->process, which, &m->instances, err));
    wn_status status = name_machines(m, err);
    if (status == WN_OK)
        status = find_batch(m, err);
    if (status == WN_OK && side == 0)
        status = drift_list_metrics(m, err);
    if (status == WN_OK)
        status = make_candidates(m, err);
    if (status == WN_OK && side == 0 && m->drift->left_out == m->drift->pair_count)
        status = wn_fail(err, WN_E_MISSING, "no candidate could be made again; the first: %.900s", m->drift->why);
    const struct replay r = { .spec = m->plan->side[side], .instances = m->instances, .kept = &m->kept };
    replay_forget(&r);
    instances_destroy(m->instances);
    m->instances = NULL;
    return status;
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static wn_status list_pairs(struct maker *m, wn_error *err)
{
    struct drift *d = m->drift;
    d->pair_count = m->plan->recall->count;
    d->pairs = arena_array(m->plan->arena, d->pair_count, sizeof *d->pairs);
    d->prompts = arena_array(m->plan->arena, d->pair_count, sizeof *d->prompts);
    m->place = arena_array(m->plan->arena, d->pair_count, sizeof *m->place);
    m->images = arena_array(m->plan->arena, d->pair_count + 1, sizeof *m->images);
    if (!d->pairs || !d->prompts || !m->place || !m->images)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu candidates", (unsigned long long)d->pair_count);
    for (uint64_t i = 0; i < d->pair_count; i++) {
        d->pairs[i].id = drift_pair_at(m, i)->candidate.id;
        m->place[i] = UINT64_MAX;
    }
    return WN_OK;
}

/* Drops those that were left out, and finds what the others' prompts are. */
static void gather(struct maker *m)
{
    struct drift *d = m->drift;
    uint64_t count = 0;
    for (uint64_t i = 0; i < d->pair_count; i++) {
        if (m->place[i] == UINT64_MAX)
            continue;
        const wn_prompt *prompt = &drift_pair_at(m, i)->prompt;
        if (!d->prompt_count || strcmp(d->prompts[d->prompt_count - 1].id, prompt->id) != 0)
            d->prompts[d->prompt_count++] = (struct drift_prompt){ prompt->id, prompt->text, count, 0 };
        d->prompts[d->prompt_count - 1].count++;
        d->worst = d->worst == i ? count : d->worst;
        d->pairs[count] = d->pairs[i];
        d->pairs[count++].prompt = d->prompt_count - 1;
    }
    d->pair_count = count;
}

/* How the reports show a metric depends on the values it takes. */
static void measure_metrics(struct drift *d)
{
    for (uint64_t k = 0; k < d->metric_count; k++) {
        d->metrics[k].is_yes_or_no = true;
        for (uint64_t i = 0; i < 2 * d->pair_count; i++) {
            const double value = d->pairs[i / 2].scores[i % 2][k];
            d->metrics[k].is_yes_or_no &= isnan(value) || value == 0 || value == 1;
            d->metrics[k].largest = fmax(d->metrics[k].largest, fabs(value));
        }
    }
}

wn_status drift_make(const struct drift_plan *plan, struct drift *out, wn_error *err)
{
    struct maker m = { .plan = plan, .drift = out };
    wn_error ignored;
    wn_status status = list_pairs(&m, err);
    if (status == WN_OK)
        status = ledger_open_reading(plan->run_dir, &m.ledger, err);
    if (status == WN_OK)
        status = read_key(&m, err);
    for (int side = 0; side < 2 && status == WN_OK; side++)
        status = make_side(&m, side, err);
    if (status == WN_OK) {
        gather(&m);
        measure_metrics(out);
        out->model = arena_string(plan->arena, m.model_key);
    }
    ledger_close(m.ledger, &ignored);
    spill_destroy(m.spill);
    free(m.floats);
    free(m.rgb);
    return status;
}

void drift_make_finish(struct drift *d)
{
    for (int side = 0; side < 2; side++)
        image_free(&d->worst_side[side]);
}
