/* workload.c - see workload.h. */
#include "cli/workload.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const struct workload_type workload_types[] = {
    { "f32", 4, 4, 4 },
    { "bf16", 2, 2, 2 },
    { "Q8_0", 34.0 / 32, 34.0 / 32, 2 },   /* 32 values and a scale */
    { "Q4_K", 144.0 / 256, 34.0 / 32, 2 }, /* 256 values; rows that are no multiple of it fall back to Q8_0 */
    { NULL, 0, 0, 0 },
};

const wn_workload_api *workload_of(const wn_plugin *sampler)
{
    const wn_sampler *vtable = sampler->vtable;
    return WN_HAS(wn_sampler, vtable, extension) && vtable->extension ? vtable->extension(NULL, WN_WORKLOAD_1) : NULL;
}

static wn_status ask(struct workload *w, const wn_workload_request *request, wn_error *err)
{
    WN_TRY(w->api->open(request, &w->self, err));
    const uint64_t count = w->api->count(w->self);
    if (count > WORKLOAD_PARTS)
        return wn_fail(err, WN_E_UNSUPPORTED, "%llu parts; %d can be shown", (unsigned long long)count, WORKLOAD_PARTS);
    for (; w->count < count; w->count++) {
        w->parts[w->count].struct_size = sizeof w->parts[w->count];
        WN_TRY(w->api->part(w->self, w->count, &w->parts[w->count], err));
    }
    return WN_OK;
}

wn_status workload_open(struct process *process, const struct spec *spec, const wn_workload_request *change,
                        struct workload *w, wn_error *err)
{
    wn_workload_request request = *change;
    *w = (struct workload){ .api = workload_of(spec->sampler.plugin) };
    if (!w->api)
        return wn_fail(err, WN_E_UNSUPPORTED, "sampler %s does not say what its model takes",
                       spec->sampler.plugin->name);
    WN_TRY(host_session_open(process, spec, &w->host, err));
    request.struct_size = sizeof request;
    request.host = &w->host.host;
    request.options = spec->sampler.options;
    request.width_px = request.width_px ? request.width_px : spec->canvas.width_px;
    request.height_px = request.height_px ? request.height_px : spec->canvas.height_px;
    request.steps = request.steps ? request.steps : spec->canvas.steps;
    return ask(w, &request, err);
}

wn_status workload_add_canvas(struct workload *w, uint64_t width_px, uint64_t height_px, wn_error *err)
{
    WN_TRY(w->api->resize(w->self, width_px, height_px, err));
    for (uint32_t i = 0; i < w->count; i++) {
        wn_workload_part part = { .struct_size = sizeof part };
        if (w->parts[i].per_prompt)
            continue;
        WN_TRY(w->api->part(w->self, i, &part, err));
        w->parts[i].activation_bytes += part.activation_bytes;
    }
    return WN_OK;
}

void workload_close(struct workload *w)
{
    if (w->self)
        w->api->close(w->self);
    host_session_close(&w->host);
    *w = (struct workload){ 0 };
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

double workload_weights(const wn_workload_part *part, const struct workload_type *type)
{
    return (double)part->product_values * type->product + (double)part->odd_product_values * type->odd +
           (double)part->other_values * type->other + 4 * (double)part->vector_values;
}

static double bytes_of(const wn_workload_part *part, const struct workload_type *type)
{
    return workload_weights(part, type) + (double)part->activation_bytes;
}

/* Of the parts that are there together while a prompt is encoded. */
static double bytes_of_group(const struct workload *w, const struct workload_type *type, uint64_t transient)
{
    double sum = 0;
    for (uint32_t i = 0; i < w->count; i++)
        if (w->parts[i].transient == transient)
            sum += bytes_of(&w->parts[i], type);
    return sum;
}

double workload_peak(const struct workload *w, const struct workload_type *type, enum workload_mode mode)
{
    double giving_way = 0, sum = 0, most = 0;
    for (uint32_t i = 0; i < w->count; i++)
        giving_way += w->parts[i].transient == 0 && w->parts[i].gives_way ? bytes_of(&w->parts[i], type) : 0;
    for (uint64_t group = 1; group <= WORKLOAD_PARTS; group++) {
        const double bytes = bytes_of_group(w, type, group);
        sum += bytes;
        most = bytes > most ? bytes : most;
    }
    const double staying = bytes_of_group(w, type, 0) - giving_way;
    if (mode == WORKLOAD_SWAP)
        return staying + (most > giving_way ? most : giving_way);
    return staying + giving_way + (mode == WORKLOAD_KEEP ? sum : most);
}

bool workload_read_bytes(const char *text, double *bytes)
{
    static const struct {
        const char *name;
        double bytes;
    } units[] = { { "GB", 1e9 }, { "GiB", 1073741824.0 }, { "MB", 1e6 }, { "MiB", 1048576.0 } };
    char *end;
    const double number = strtod(text, &end);
    end += strspn(end, " ");
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (number > 0 && number < 1e9 && strcasecmp(end, units[i].name) == 0) {
            *bytes = number * units[i].bytes;
            return true;
        }
    return false;
}
