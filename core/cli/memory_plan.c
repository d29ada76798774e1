/* memory_plan.c - see memory_plan.h. Weights by the type in which they are kept; activations as the spec's device
 * stores them where it is here, else as float32; both from the graphs that the sampler runs. */
#include "cli/memory_plan.h"

#include "spec/bounds.h"

#include <string.h>

enum { TYPES = 4 };

/* What drivers, pipelines and staging buffers take is not in the plan. */
static const double usable = 0.95;

/* ---- making ---------------------------------------------------------------------------------------------------- */

static int read_devices(struct cli *c, struct memory_plan *plan)
{
    static const double usual[] = { 24e9, 16e9, 12e9, 8e9 };
    const char *given[WORKLOAD_DEVICES];
    plan->device_count = cli_values(c, "device-memory", given, WORKLOAD_DEVICES);
    for (uint32_t i = 0; i < plan->device_count; i++)
        if (!workload_read_bytes(given[i], &plan->devices[i]))
            return cli_usage(c, "--device-memory %s: a number and GB, GiB, MB or MiB is needed, as in 24GB", given[i]);
    if (!plan->device_count) {
        memcpy(plan->devices, usual, sizeof usual);
        plan->device_count = sizeof usual / sizeof *usual;
    }
    return EXIT_FINE;
}

static const char *text_option(const struct spec_use *use, const char *name)
{
    for (const wn_option *o = use->plugin->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0 &&
            (o->type == WN_OPTION_STRING || o->type == WN_OPTION_ENUM || o->type == WN_OPTION_PATH))
            return *(const char *const *)((const char *)use->options + o->offset);
    return NULL;
}

static bool is_known(const wn_workload_api *api, const char *synthetic)
{
    for (const char *const *name = api->synthetic; name && *name; name++)
        if (strcmp(*name, synthetic) == 0)
            return true;
    return false;
}

/* The whole canvas and those that the search drafts on are there together. */
static wn_status open_one(struct process *process, const struct spec *spec, const wn_workload_request *request,
                          struct workload *w, wn_error *err)
{
    const uint64_t shrinks = spec_shrinks(spec);
    WN_TRY(workload_open(process, spec, request, w, err));
    for (uint32_t factor = 2; factor <= WN_SHRINK_MAX; factor++)
        if (shrinks >> factor & 1)
            WN_TRY(workload_add_canvas(w, spec->canvas.width_px / factor, spec->canvas.height_px / factor, err));
    return WN_OK;
}

static wn_status open_all(struct cli *c, const struct spec *spec, const char *synthetic, struct memory_plan *plan,
                          wn_error *err)
{
    const wn_workload_request as_it_is = { .synthetic = synthetic, .blocks = { UINT64_MAX, UINT64_MAX } };
    wn_workload_request tiled = as_it_is;
    tiled.tiles = 1;
    wn_workload_request single = tiled;
    single.batch = 1;
    WN_TRY(open_one(&c->process, spec, &as_it_is, &plan->now, err));
    WN_TRY(open_one(&c->process, spec, &tiled, &plan->tiled, err));
    return open_one(&c->process, spec, &single, &plan->single, err);
}

int memory_plan_make(struct cli *c, const struct spec *spec, struct memory_plan *plan, bool *is_there)
{
    const char *synthetic = cli_value(c, "synthetic", NULL);
    const wn_workload_api *api = workload_of(spec->sampler.plugin);
    *plan = (struct memory_plan){ 0 };
    *is_there = api != NULL;
    if (!api && (synthetic || cli_flag(c, "device-memory")))
        return cli_usage(c, "sampler %s does not say what its model takes", spec->sampler.plugin->name);
    if (api && synthetic && !is_known(api, synthetic))
        return cli_usage(c, "--synthetic %s: sampler %s has no model of that name", synthetic,
                         spec->sampler.plugin->name);
    const int code = read_devices(c, plan);
    if (code != EXIT_FINE || !api)
        return code;
    plan->model = synthetic ? synthetic : text_option(&spec->sampler, "model");
    plan->dtype = text_option(&spec->sampler, "dtype");
    if (!cli_process(c, 1)) /* the device may be asked */
        return EXIT_FAILED;
    open_all(c, spec, synthetic, plan, &plan->why);
    return EXIT_FINE;
}

void memory_plan_end(struct memory_plan *plan)
{
    workload_close(&plan->now);
    workload_close(&plan->tiled);
    workload_close(&plan->single);
}

/* ---- what fits ------------------------------------------------------------------------------------------------- */

/* How a device can hold it, what costs least time first: a picture decoded in tiles takes a hundredth more at
 * most, a prompt whose weights are loaded anew some seconds. */
enum fit { FIT_KEPT, FIT_TILED, FIT_RELEASED, FIT_RELEASED_TILED, FIT_SWAPPED, FIT_SWAPPED_TILED, FIT_SINGLE, FIT_NOT };

#define IN_TILES "\"decode\": \"tiles\""
#define RELEASED "\"encoders\": \"release\""
#define SWAPPED  "\"encoders\": \"swap\""

static const struct {
    enum workload_mode mode;
    int is_tiled;
    const char *word, *key, *options;
} fits[] = {
    [FIT_KEPT] = { WORKLOAD_KEEP, 0, "fits", "keep", NULL },
    [FIT_TILED] = { WORKLOAD_KEEP, 1, "tiles", "keep, tiles", IN_TILES },
    [FIT_RELEASED] = { WORKLOAD_RELEASE, 0, "release", "release", RELEASED },
    [FIT_RELEASED_TILED] = { WORKLOAD_RELEASE, 1, "rel+tiles", "release, tiles", RELEASED " and " IN_TILES },
    [FIT_SWAPPED] = { WORKLOAD_SWAP, 0, "swap", "swap", SWAPPED },
    [FIT_SWAPPED_TILED] = { WORKLOAD_SWAP, 1, "swap+tiles", "swap, tiles", SWAPPED " and " IN_TILES },
    [FIT_SINGLE] = { WORKLOAD_SWAP, 1, "batch 1", "swap, tiles, batch 1", SWAPPED ", " IN_TILES " and \"batch\": 1" },
    [FIT_NOT] = { WORKLOAD_SWAP, 1, NULL, "too large", NULL },
};

static const struct workload *plan_of(const struct memory_plan *p, enum fit fit)
{
    return fit >= FIT_SINGLE ? &p->single : fits[fit].is_tiled ? &p->tiled : &p->now;
}

/* *in_turn: only if programs take turns, which costs less than any option. */
static enum fit fit_of(const struct memory_plan *p, const struct workload_type *type, double device, bool *in_turn)
{
    for (int fit = FIT_KEPT; fit < FIT_NOT; fit++)
        for (int turns = 0; turns < 2; turns++) {
            *in_turn = turns;
            if (workload_peak(plan_of(p, (enum fit)fit), type, fits[fit].mode, turns) <= usable * device)
                return (enum fit)fit;
        }
    *in_turn = false;
    return FIT_NOT;
}

static double missing(const struct memory_plan *p, const struct workload_type *type, double device)
{
    return workload_peak(&p->single, type, WORKLOAD_SWAP, true) - usable * device;
}

static const char *size(double bytes, char text[32])
{
    snprintf(text, 32, bytes < 0.9995e9 ? "%.1f MB" : "%.2f GB", bytes / (bytes < 0.9995e9 ? 1e6 : 1e9));
    return text;
}

/* ---- for people ------------------------------------------------------------------------------------------------ */

static void write_parts(const struct memory_plan *p, struct buffer *out)
{
    char text[32];
    buffer_printf(out, "    %-24s", "weights");
    for (int t = 0; t < TYPES; t++)
        buffer_printf(out, " %10s", workload_types[t].name);
    buffer_printf(out, "  activations\n");
    for (uint32_t i = 0; i < p->now.count; i++) {
        const wn_workload_part *part = &p->now.parts[i];
        buffer_printf(out, "    %-24s", part->name);
        for (int t = 0; t < TYPES; t++)
            buffer_printf(out, " %10s", size(workload_weights(part, &workload_types[t]), text));
        buffer_printf(out, "  %s", size((double)part->activation_bytes, text));
        if (part->max_items > 1)
            buffer_printf(out, " (%llu at once)", (unsigned long long)part->max_items);
        buffer_text(out, "\n");
    }
}

static void write_samples(const struct memory_plan *p, struct buffer *out)
{
    char text[32];
    for (uint32_t i = 0; i < p->now.count; i++)
        if (p->now.parts[i].sample_bytes)
            buffer_printf(out, "    %-24s %10s  of the host's memory; engine.state_memory counts it\n",
                          "each sample remembers", size((double)p->now.parts[i].sample_bytes, text));
}

static void write_peak(const struct memory_plan *p, const char *name, enum workload_mode mode, bool in_turn,
                       struct buffer *out)
{
    char text[32];
    buffer_printf(out, "    %-24s", name);
    for (int t = 0; t < TYPES; t++)
        buffer_printf(out, " %10s", size(workload_peak(&p->now, &workload_types[t], mode, in_turn), text));
    buffer_text(out, "\n");
}

static void write_peaks(const struct memory_plan *p, struct buffer *out)
{
    static const char *const names[] = { "the most, encoders keep", "the most, release", "the most, swap" };
    for (int mode = WORKLOAD_KEEP; mode <= WORKLOAD_SWAP; mode++) {
        write_peak(p, names[mode], (enum workload_mode)mode, false, out);
        write_peak(p, "  and programs in turn", (enum workload_mode)mode, true, out);
    }
}

static void write_fit(const struct memory_plan *p, const struct workload_type *type, double device, struct buffer *out)
{
    bool in_turn;
    const enum fit fit = fit_of(p, type, device, &in_turn);
    char bytes[32], text[48];
    if (fit == FIT_NOT)
        snprintf(text, sizeof text, "-%s", size(missing(p, type, device), bytes));
    else
        snprintf(text, sizeof text, "%s%s", fits[fit].word, in_turn ? "*" : "");
    buffer_printf(out, " %10s", text);
}

/* A note for each word that the table uses. */
static void write_notes(const struct memory_plan *p, struct buffer *out)
{
    bool used[FIT_NOT + 1] = { false }, is_any_in_turn = false;
    for (uint32_t d = 0; d < p->device_count; d++)
        for (int t = 0; t < TYPES; t++) {
            bool in_turn;
            const enum fit fit = fit_of(p, &workload_types[t], p->devices[d], &in_turn);
            used[fit] = true;
            is_any_in_turn |= in_turn;
        }
    for (int fit = FIT_KEPT; fit < FIT_NOT; fit++)
        if (used[fit] && fits[fit].options)
            buffer_printf(out, "    %s: fits with %s\n", fits[fit].word, fits[fit].options);
    if (is_any_in_turn)
        buffer_text(out,
                    "    *: in turn: idle programs give their activations back and are built again, as vulkan does "
                    "by itself\n");
    if (used[FIT_NOT])
        buffer_text(out, "    -N: too large by N with swap, tiles and batch 1, in turn; so much of the weights is "
                         "streamed from the host in each step\n");
}

static void write_devices(const struct memory_plan *p, struct buffer *out)
{
    char text[32], name[48];
    for (uint32_t d = 0; d < p->device_count; d++) {
        snprintf(text, sizeof text, "%.4g GB", p->devices[d] / 1e9);
        snprintf(name, sizeof name, "on a device of %s", text);
        buffer_printf(out, "    %-24s", name);
        for (int t = 0; t < TYPES; t++)
            write_fit(p, &workload_types[t], p->devices[d], out);
        buffer_text(out, "\n");
    }
}

void memory_plan_text(const struct memory_plan *p, struct buffer *out)
{
    if (p->why.code != WN_OK) {
        buffer_printf(out, "  memory       not known: %s\n", p->why.message);
        return;
    }
    buffer_printf(out, "  memory       of the device, %s%s%s\n", p->model ? p->model : "", p->dtype ? ", dtype " : "",
                  p->dtype ? p->dtype : "");
    write_parts(p, out);
    write_peaks(p, out);
    write_devices(p, out);
    write_samples(p, out);
    write_notes(p, out);
}

/* ---- for programs ---------------------------------------------------------------------------------------------- */

static void write_type_numbers(struct json_text *j, const char *key, const double values[TYPES])
{
    json_key(j, key);
    json_object(j);
    for (int t = 0; t < TYPES; t++)
        json_key_number(j, workload_types[t].name, values[t]);
    json_end(j);
}

static void write_part(struct json_text *j, const wn_workload_part *part)
{
    double weights[TYPES];
    for (int t = 0; t < TYPES; t++)
        weights[t] = workload_weights(part, &workload_types[t]);
    json_object(j);
    json_key_string(j, "part", part->name);
    write_type_numbers(j, "weight_bytes", weights);
    json_key_u64(j, "activation_bytes", part->activation_bytes);
    json_key_u64(j, "items", part->max_items);
    json_key_number(j, "flops", part->flops);
    json_key_u64(j, "sample_bytes", part->sample_bytes);
    json_key(j, "stays"), json_bool(j, part->transient == 0);
    json_end(j);
}

static void write_device(struct json_text *j, const struct memory_plan *p, double device)
{
    json_object(j);
    json_key_number(j, "memory_bytes", device);
    json_key(j, "fit");
    json_object(j);
    double streamed[TYPES];
    for (int t = 0; t < TYPES; t++) {
        bool in_turn;
        char key[64];
        const enum fit fit = fit_of(p, &workload_types[t], device, &in_turn);
        snprintf(key, sizeof key, "%s%s", fits[fit].key, in_turn ? ", in turn" : "");
        json_key_string(j, workload_types[t].name, key);
        streamed[t] = fit == FIT_NOT ? missing(p, &workload_types[t], device) : 0;
    }
    json_end(j);
    write_type_numbers(j, "missing_bytes", streamed);
    json_end(j);
}

void memory_plan_json(const struct memory_plan *p, struct json_text *j)
{
    static const char *const keys[] = { "peak_bytes_keep",    "peak_bytes_keep_in_turn",
                                        "peak_bytes_release", "peak_bytes_release_in_turn",
                                        "peak_bytes_swap",    "peak_bytes_swap_in_turn" };
    double peaks[TYPES];
    json_object(j);
    json_key_string(j, "model", p->model);
    if (p->why.code != WN_OK) {
        json_key_string(j, "unknown", p->why.message);
        json_end(j);
        return;
    }
    json_key(j, "parts");
    json_array(j);
    for (uint32_t i = 0; i < p->now.count; i++)
        write_part(j, &p->now.parts[i]);
    json_end(j);
    for (int i = 0; i < 6; i++) {
        for (int t = 0; t < TYPES; t++)
            peaks[t] = workload_peak(&p->now, &workload_types[t], (enum workload_mode)(i / 2), i % 2);
        write_type_numbers(j, keys[i], peaks);
    }
    json_key(j, "devices");
    json_array(j);
    for (uint32_t d = 0; d < p->device_count; d++)
        write_device(j, p, p->devices[d]);
    json_end(j);
    json_end(j);
}
