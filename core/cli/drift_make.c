/* drift_make.c - see drift_make.h.
 *
 * A noise that the search made is sought once, on the first side; the second gets the same bits. What the first side
 * cannot make (a search that looks at latents itself may go another way on another device) is left out and counted; on
 * the second side nothing may fail. */
#include "cli/drift_make.h"

#include "base/image_file.h"
#include "base/log.h"
#include "cli/terminal.h"
#include "engine/replay.h"
#include "engine/spill.h"

#include <winnow/device.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 32, MAX_DEVICES = 16, KEY_SIZE = 72 };

struct maker {
    const struct drift_plan *plan;
    struct drift *drift;
    int side;
    struct instances *instances;
    struct ledger *ledger;
    struct replay_prompt kept;
    char model_key[KEY_SIZE];
    struct spill *spill;
    uint64_t *place;  // [pair_count]: in the spill; UINT64_MAX: left out
    uint64_t values;  /* of a latent; 0: not known yet */
    float *floats;    // [2][values]: noise and latent of side A
    uint8_t *rgb;     /* of side A */
    wn_image *images; // [pair_count]: of the chunk that is scored next
    uint32_t *asked;  // [asked_count]: verifiers, the guide first
    uint32_t *column; // [asked_count]: the first of their metrics
    uint32_t asked_count;
    double worst; /* the largest square so far */
};

static const struct recalled *at(const struct maker *m, uint64_t i)
{
    return &m->plan->recall->all[i];
}

static uint64_t image_bytes(const struct maker *m)
{
    const wn_canvas *canvas = &m->plan->spec->canvas;
    return (uint64_t)canvas->width_px * canvas->height_px * 3;
}

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
        WN_TRY(replay_needs_search(&at(m, i)->candidate, &needs_search, err));
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

/* ---- verifiers ------------------------------------------------------------------------------------------------- */

static const wn_verifier *verifier_of(const struct maker *m, uint32_t asked)
{
    return &m->instances->verifiers[m->asked[asked]].verifier;
}

static wn_status add_metrics(struct maker *m, uint32_t v, wn_error *err)
{
    struct drift *d = m->drift;
    const struct spec_use *use = &m->plan->side[m->side]->verifiers[v];
    const wn_verifier *verifier = &m->instances->verifiers[v].verifier;
    if (verifier->flags & WN_VERIFIER_NEEDS_PREVIEW) {
        d->silent[d->silent_count++] = arena_printf(
            m->plan->arena, "%s, which looks at previews of the sampling; they are not made again", use->name);
        return d->silent[d->silent_count - 1] ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a name");
    }
    m->asked[m->asked_count] = v;
    m->column[m->asked_count++] = (uint32_t)d->metric_count;
    for (uint64_t i = 0; i < verifier->metric_count; i++) {
        struct data_metric *metric = &d->metrics[d->metric_count++];
        metric->verifier = use->name;
        metric->name = arena_string(m->plan->arena, verifier->metrics[i].name);
        metric->title = arena_printf(m->plan->arena, "%s.%s", use->name, verifier->metrics[i].name);
        metric->role = v == m->plan->spec->guide ? DATA_GUIDE : DATA_JUDGE;
        metric->higher_is_better = (verifier->metrics[i].flags & WN_METRIC_HIGHER_IS_BETTER) != 0;
        if (!metric->name || !metric->title)
            return wn_fail(err, WN_E_MEMORY, "no memory for the names of metrics");
    }
    return WN_OK;
}

static bool is_judge(const struct spec *s, uint32_t v)
{
    for (uint32_t i = 0; i < s->judge_count; i++)
        if (s->judges[i] == v)
            return true;
    return false;
}

/* The guide and the judges, as the first side has them. */
static wn_status list_metrics(struct maker *m, wn_error *err)
{
    const struct spec *spec = m->plan->side[0];
    struct drift *d = m->drift;
    uint64_t most = 0;
    for (uint32_t v = 0; v < spec->verifier_count; v++)
        most += m->instances->verifiers[v].verifier.metric_count;
    d->metrics = arena_array(m->plan->arena, most + 1, sizeof *d->metrics);
    d->silent = arena_array(m->plan->arena, spec->verifier_count + 1, sizeof *d->silent);
    m->asked = arena_array(m->plan->arena, spec->verifier_count + 1, sizeof *m->asked);
    m->column = arena_array(m->plan->arena, spec->verifier_count + 1, sizeof *m->column);
    if (!d->metrics || !d->silent || !m->asked || !m->column)
        return wn_fail(err, WN_E_MEMORY, "no memory for the metrics of %u verifiers", spec->verifier_count);
    WN_TRY(add_metrics(m, spec->guide, err));
    for (uint32_t v = 0; v < spec->verifier_count; v++)
        if (v != spec->guide && is_judge(spec, v))
            WN_TRY(add_metrics(m, v, err));
    for (uint64_t i = 0; i < d->pair_count; i++)
        for (int side = 0; side < 2; side++) {
            d->pairs[i].scores[side] = arena_array(m->plan->arena, d->metric_count + 1, sizeof(double));
            if (!d->pairs[i].scores[side])
                return wn_fail(err, WN_E_MEMORY, "no memory for scores of %llu pairs",
                               (unsigned long long)d->pair_count);
        }
    return WN_OK;
}

static void take_scores(struct maker *m, uint32_t asked, uint64_t count, const uint64_t *pairs, const double *scores)
{
    const uint64_t metrics = verifier_of(m, asked)->metric_count;
    for (uint64_t i = 0; i < count; i++)
        memcpy(m->drift->pairs[pairs[i]].scores[m->side] + m->column[asked], scores + i * metrics,
               metrics * sizeof *scores);
}

static wn_status ask(struct maker *m, uint32_t asked, uint64_t count, const uint64_t *pairs, wn_error *err)
{
    const wn_verifier *verifier = verifier_of(m, asked);
    const wn_prompt **prompts = calloc(count, sizeof(wn_prompt *));
    double *scores = calloc(count * verifier->metric_count, sizeof *scores);
    wn_status status = prompts && scores
                           ? WN_OK
                           : wn_fail(err, WN_E_MEMORY, "no memory to score %llu pictures", (unsigned long long)count);
    for (uint64_t i = 0; i < count && status == WN_OK; i++)
        prompts[i] = &m->plan->side[m->side]->prompts[at(m, pairs[i])->candidate.trial];
    for (uint64_t i = 0; i < count * verifier->metric_count && status == WN_OK; i++)
        scores[i] = (double)NAN;
    const wn_score_request request = {
        .struct_size = sizeof request, .count = count, .prompts = prompts, .images = m->images, .scores = scores
    };
    if (status == WN_OK)
        status = verifier->score(m->instances->verifiers[m->asked[asked]].self, &request, err);
    if (status == WN_OK)
        take_scores(m, asked, count, pairs, scores);
    free(prompts);
    free(scores);
    return status;
}

/* m->images are those of the pairs, all of one prompt. */
static wn_status score(struct maker *m, uint64_t count, const uint64_t *pairs, wn_error *err)
{
    wn_image *const images = m->images;
    wn_status status = WN_OK;
    for (uint32_t v = 0; v < m->asked_count && status == WN_OK; v++) {
        const wn_verifier *verifier = verifier_of(m, v);
        const uint64_t most =
            verifier->max_batch && !(verifier->flags & WN_VERIFIER_COMPARATIVE) ? verifier->max_batch : count;
        for (uint64_t first = 0; first < count && status == WN_OK; first += most) {
            m->images = images + first;
            status = ask(m, v, count - first < most ? count - first : most, pairs + first, err);
        }
    }
    m->images = images;
    for (uint64_t i = 0; i < count; i++)
        image_free(&images[i]);
    return status;
}

/* ---- one candidate --------------------------------------------------------------------------------------------- */

static wn_status make_room(struct maker *m, uint64_t values, wn_error *err)
{
    if (m->spill)
        return WN_OK;
    m->values = values;
    m->floats = calloc(values, 2 * sizeof *m->floats);
    m->rgb = malloc(image_bytes(m));
    if (!m->floats || !m->rgb)
        return wn_fail(err, WN_E_MEMORY, "no memory for a latent of %llu values", (unsigned long long)values);
    return spill_create(m->plan->directory, 2 * values * sizeof *m->floats + image_bytes(m), &m->spill, err);
}

static wn_status set_aside(struct maker *m, uint64_t pair, const struct replay_result *made, wn_error *err)
{
    WN_TRY(make_room(m, made->values, err));
    memcpy(m->floats, made->noise, m->values * sizeof *m->floats);
    memcpy(m->floats + m->values, made->latent, m->values * sizeof *m->floats);
    memcpy(m->rgb, made->image.rgb, image_bytes(m));
    const struct spill_part parts[] = { { m->floats, 2 * m->values * sizeof *m->floats }, { m->rgb, image_bytes(m) } };
    return spill_put(m->spill, 2, parts, &m->place[pair], err);
}

static wn_status fetch(const struct maker *m, uint64_t pair, wn_error *err)
{
    const struct spill_part parts[] = { { m->floats, 2 * m->values * sizeof *m->floats }, { m->rgb, image_bytes(m) } };
    return spill_get(m->spill, m->place[pair], 2, parts, err);
}

static void compare_latents(const struct maker *m, struct drift_pair *p, const float *b)
{
    const float *a = m->floats + m->values;
    double size = 0, difference = 0;
    for (uint64_t i = 0; i < m->values; i++) {
        const double d = (double)b[i] - (double)a[i];
        size += (double)a[i] * (double)a[i];
        difference += d * d;
        p->latent_most = fabs(d) > p->latent_most ? fabs(d) : p->latent_most;
    }
    p->latent_share = difference > 0 ? sqrt(difference / size) : 0;
}

static void compare_pixels(const struct maker *m, struct drift_pair *p, const uint8_t *b)
{
    const uint64_t bytes = image_bytes(m);
    uint64_t squares = 0;
    int most = 0;
    for (uint64_t i = 0; i < bytes; i++) {
        const int d = abs(b[i] - m->rgb[i]);
        squares += (uint64_t)(d * d);
        most = d > most ? d : most;
    }
    p->square = (double)squares / (double)bytes;
    p->pixel_most = most;
}

static wn_status keep_worst(struct maker *m, uint64_t pair, const uint8_t *b, wn_error *err)
{
    struct drift *d = m->drift;
    const wn_canvas *canvas = &m->plan->spec->canvas;
    const uint8_t *const from[2] = { m->rgb, b };
    if (d->worst_side[0].rgb && !(d->pairs[pair].square > m->worst))
        return WN_OK;
    m->worst = d->pairs[pair].square;
    d->worst = pair;
    for (int side = 0; side < 2; side++) {
        uint8_t *rgb = malloc(image_bytes(m));
        if (!rgb)
            return wn_fail(err, WN_E_MEMORY, "no memory for a picture");
        memcpy(rgb, from[side], image_bytes(m));
        image_free(&d->worst_side[side]);
        d->worst_side[side] = (wn_image){ canvas->width_px, canvas->height_px, rgb };
    }
    return WN_OK;
}

/* A difference from what is not a number would read as none. */
static wn_status check_latent(const struct maker *m, uint64_t pair, const struct replay_result *made, wn_error *err)
{
    for (uint64_t i = 0; i < made->values; i++)
        if (!isfinite(made->latent[i]))
            return wn_fail(err, WN_E_INTERNAL,
                           "candidate %s on side %c (%s): value %llu of its latent is %g; a dtype of more range is "
                           "needed there, bf16 or f32",
                           at(m, pair)->candidate.id, 'A' + m->side, m->drift->side[m->side].name,
                           (unsigned long long)i, (double)made->latent[i]);
    return WN_OK;
}

static wn_status take(struct maker *m, uint64_t pair, const struct replay_result *made, wn_error *err)
{
    struct drift_pair *p = &m->drift->pairs[pair];
    WN_TRY(check_latent(m, pair, made, err));
    if (m->side == 0)
        return set_aside(m, pair, made, err);
    compare_latents(m, p, made->latent);
    compare_pixels(m, p, made->image.rgb);
    return keep_worst(m, pair, made->image.rgb, err);
}

/* Into *image, which the caller ends; left out when its rgb is NULL. */
static wn_status make(struct maker *m, uint64_t pair, wn_image *image, wn_error *err)
{
    struct replay_result made = { 0 };
    *image = (wn_image){ 0 };
    if (m->side == 1 && m->place[pair] == UINT64_MAX)
        return WN_OK;
    if (m->side == 1)
        WN_TRY(fetch(m, pair, err));
    const struct replay r = { .spec = m->plan->side[m->side],
                              .instances = m->instances,
                              .process = &m->plan->c->process,
                              .ledger = m->ledger,
                              .candidate = &at(m, pair)->candidate,
                              .spent = m->plan->spent,
                              .kept = &m->kept,
                              .model_key = m->model_key,
                              .noise = m->side == 1 ? m->floats : NULL };
    wn_status status = replay_run(&r, &made, err);
    if (m->side == 0 && (status == WN_E_MISSING || status == WN_E_ARG)) {
        if (m->drift->left_out++ == 0)
            m->drift->why = arena_string(m->plan->arena, err->message);
        return m->drift->why ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a message");
    }
    if (status == WN_OK)
        status = take(m, pair, &made, err);
    if (status == WN_OK) {
        *image = made.image;
        made.image = (wn_image){ 0 };
    }
    replay_result_finish(&made);
    return status;
}

/* ---- one side -------------------------------------------------------------------------------------------------- */

static void show(const struct maker *m, uint64_t done)
{
    char line[200];
    snprintf(line, sizeof line, "%c %.100s: %llu of %llu candidates", 'A' + m->side, m->drift->side[m->side].name,
             (unsigned long long)done, (unsigned long long)m->drift->pair_count);
    terminal_progress(line);
}

/* Where a chunk that begins here ends: at its prompt's end where somebody compares sets. */
static uint64_t end_of_chunk(const struct maker *m, uint64_t first)
{
    uint64_t most = CHUNK, end = first;
    for (uint32_t v = 0; v < m->asked_count; v++)
        if (verifier_of(m, v)->flags & WN_VERIFIER_COMPARATIVE)
            most = UINT64_MAX;
    while (end < m->drift->pair_count && end - first < most &&
           at(m, end)->candidate.trial == at(m, first)->candidate.trial)
        end++;
    return end;
}

static wn_status make_chunk(struct maker *m, uint64_t first, uint64_t end, uint64_t *pairs, wn_error *err)
{
    uint64_t count = 0;
    wn_status status = WN_OK;
    for (uint64_t i = first; i < end && status == WN_OK; i++) {
        show(m, i);
        status = make(m, i, &m->images[count], err);
        pairs[count] = i;
        count += m->images[count].rgb != NULL;
    }
    if (status == WN_OK && count)
        return score(m, count, pairs, err);
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
    WN_TRY(which_instances(m, &which, err));
    WN_TRY(instances_create(m->plan->side[side], &m->plan->c->process, which, &m->instances, err));
    wn_status status = name_machines(m, err);
    if (status == WN_OK && side == 0)
        status = list_metrics(m, err);
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
        d->pairs[i].id = at(m, i)->candidate.id;
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
        const wn_prompt *prompt = &at(m, i)->prompt;
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
