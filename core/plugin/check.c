/* check.c - what only a live sampler can say: sizes it accepts, and whether it has what the search needs. */
#include "plugin/host.h"

#include "spec/bounds.h"

static wn_status check_side(const char *key, uint32_t px, const wn_sampler_info *info, const char *sampler,
                            wn_error *err)
{
    if (info->size_multiple_px && px % info->size_multiple_px)
        return wn_fail(err, WN_E_ARG, "/canvas/%s: %u is not a multiple of %llu, which %s asks for; %llu is", key, px,
                       (unsigned long long)info->size_multiple_px, sampler,
                       (unsigned long long)((px / info->size_multiple_px + 1) * info->size_multiple_px));
    if (px < info->min_size_px || (info->max_size_px && px > info->max_size_px))
        return wn_fail(err, WN_E_ARG, "/canvas/%s: %u is outside %llu..%llu, which %s can make", key, px,
                       (unsigned long long)info->min_size_px, (unsigned long long)info->max_size_px, sampler);
    return WN_OK;
}

static wn_status check_search(const struct spec *spec, const wn_sampler_info *info, wn_error *err)
{
    const wn_search *search = spec->search.plugin->vtable;
    const char *name = spec->search.plugin->name, *sampler = spec->sampler.plugin->name;
    uint64_t flags = search->flags;
    for (uint32_t i = 0; i < spec->search.part_count; i++)
        flags |= ((const wn_search *)spec->search.parts[i].plugin->vtable)->flags;
    if ((flags & WN_SEARCH_NEEDS_PREVIEW) && !(info->flags & WN_SAMPLER_PREVIEW))
        return wn_fail(err, WN_E_ARG, "/search/use: %s scores unfinished samples, but sampler %s has no previews; take "
                       "another search, or give the sampler its preview option", name, sampler);
    return WN_OK;
}

/* The smaller canvases that the search draws on. That factors divide both sides was checked with the spec. */
static wn_status check_shrinks(const struct spec *spec, const wn_sampler_info *info, wn_error *err)
{
    const uint64_t shrinks = spec_shrinks(spec);
    for (uint32_t factor = 2; factor <= WN_SHRINK_MAX; factor++) {
        wn_error why = { 0 };
        if (!(shrinks >> factor & 1))
            continue;
        wn_status status = check_side("width", spec->canvas.width_px / factor, info, spec->sampler.plugin->name, &why);
        if (status == WN_OK)
            status = check_side("height", spec->canvas.height_px / factor, info, spec->sampler.plugin->name, &why);
        if (status != WN_OK)
            return wn_fail(err, status, "/search: %s shrinks the canvas by %u: %.800s", spec->search.plugin->name,
                           factor, why.message);
    }
    return WN_OK;
}

wn_status host_check_sampler(const struct spec *spec, const struct instance *sampler, wn_error *err)
{
    wn_sampler_info info = { .struct_size = sizeof info };
    const wn_sampler *s = spec->sampler.plugin->vtable;
    const char *name = spec->sampler.plugin->name;
    WN_TRY(s->describe(sampler->self, &info, err));
    if (info.parametrisation != WN_PARAMETRISATION_FLOW)
        return wn_fail(err, WN_E_UNSUPPORTED, "/sampler/use: %s has parametrisation %lld; this winnow knows flow (%d)",
                       name, (long long)info.parametrisation, WN_PARAMETRISATION_FLOW);
    if (!info.latent_channels || !info.latent_stride_px || !info.evals_per_velocity || !info.max_batch)
        return wn_fail(err, WN_E_FORMAT, "/sampler/use: %s describes itself with a zero among latent_channels, "
                       "latent_stride_px, evals_per_velocity and max_batch", name);
    if (spec->canvas.width_px) {
        WN_TRY(check_side("width", spec->canvas.width_px, &info, name, err));
        WN_TRY(check_side("height", spec->canvas.height_px, &info, name, err));
    }
    if (spec->search.plugin && spec->canvas.width_px)
        WN_TRY(check_shrinks(spec, &info, err));
    return spec->search.plugin ? check_search(spec, &info, err) : WN_OK;
}
