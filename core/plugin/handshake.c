/* handshake.c - the only code that reads a foreign container.
 *
 * A container says its author's sizeof first. min(theirs, ours) bytes are copied into zeroed memory, so a member that
 * an older plugin has not reads as NULL, and what a newer one has beyond ours is not looked at. After that every
 * mandatory member is asked for by name, with one message for each, and what may be left out is filled in: nobody
 * behind this file asks again whether it is there.
 */
#include "plugin/handshake.h"

#include "base/log.h"
#include "plugin/options.h"

#include <winnow/sampler.h>
#include <winnow/search.h>
#include <winnow/verifier.h>

#include <string.h>

/* A member that must not be NULL; all of them are pointers. */
struct member {
    uint64_t offset;
    const char *name;
};

#define MEMBER(type, name) { offsetof(type, name), #name }
#define MEMBERS_END { 0, NULL }

static const struct member sampler_members[] = {
    MEMBER(wn_sampler, describe), MEMBER(wn_sampler, schedule), MEMBER(wn_sampler, encode),
    MEMBER(wn_sampler, cond_free), MEMBER(wn_sampler, velocity), MEMBER(wn_sampler, decode), MEMBERS_END
};
static const struct member verifier_members[] = { MEMBER(wn_verifier, score), MEMBERS_END };
static const struct member search_members[] = { MEMBER(wn_search, plan), MEMBER(wn_search, run), MEMBERS_END };
static const struct member device_members[] = {
    MEMBER(wn_device_api, count), MEMBER(wn_device_api, info), MEMBER(wn_device_api, open),
    MEMBER(wn_device_api, close), MEMBER(wn_device_api, compile), MEMBER(wn_device_api, free_program),
    MEMBER(wn_device_api, run), MEMBER(wn_device_api, memory), MEMBER(wn_device_api, profile), MEMBERS_END
};
static const struct member plugin_members[] = {
    MEMBER(wn_plugin, name), MEMBER(wn_plugin, version), MEMBER(wn_plugin, summary), MEMBER(wn_plugin, vtable),
    MEMBERS_END
};

static const struct { const char *name; uint64_t vtable_size; const struct member *members; } kinds[] = {
    { "plugin", 0, NULL },
    { "sampler", sizeof(wn_sampler), sampler_members },
    { "verifier", sizeof(wn_verifier), verifier_members },
    { "search", sizeof(wn_search), search_members },
    { "device", sizeof(wn_device_api), device_members },
};

static bool is_kind(int64_t kind)
{
    return kind >= WN_KIND_SAMPLER && kind <= WN_KIND_DEVICE;
}

const char *plugin_kind_name(int64_t kind)
{
    return kinds[is_kind(kind) ? kind : 0].name;
}

int64_t plugin_kind_from(const char *name)
{
    for (int64_t kind = WN_KIND_SAMPLER; kind <= WN_KIND_DEVICE; kind++)
        if (strcmp(kinds[kind].name, name) == 0)
            return kind;
    return 0;
}

static wn_status copy_min(const void *foreign, uint64_t our_size, struct arena *arena, void **copy, wn_error *err)
{
    uint64_t size;
    memcpy(&size, foreign, sizeof size);
    if (size < sizeof size)
        return wn_fail(err, WN_E_FORMAT, "struct_size is %llu; it must be sizeof of the struct",
                       (unsigned long long)size);
    if (size > our_size)
        size = our_size;
    *copy = arena_alloc(arena, our_size);
    if (!*copy)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    memcpy(*copy, foreign, size);
    memcpy(*copy, &size, sizeof size);
    return WN_OK;
}

static wn_status check_members(const void *container, const struct member *members, const char *what, wn_error *err)
{
    for (const struct member *m = members; m->name; m++) {
        const void *pointer;
        memcpy(&pointer, (const char *)container + m->offset, sizeof pointer);
        if (!pointer)
            return wn_fail(err, WN_E_FORMAT, "%s has no `%s`; every plugin of its kind must", what, m->name);
    }
    return WN_OK;
}

/* 1 to 64 small letters, digits and others. */
static bool is_name(const char *name, const char *others)
{
    uint64_t length = 0;
    for (; name[length]; length++)
        if (length == 64 ||
            !(strchr("abcdefghijklmnopqrstuvwxyz0123456789", name[length]) || strchr(others, name[length])))
            return false;
    return length > 0;
}

wn_status plugin_check_metrics(uint64_t count, const wn_metric *metrics, wn_error *err)
{
    if (count < 1 || count > 64 || !metrics)
        return wn_fail(err, WN_E_FORMAT, "it has %llu metrics%s; 1 to 64 are possible", (unsigned long long)count,
                       metrics ? "" : " at NULL");
    for (uint64_t i = 0; i < count; i++) {
        const char *name = metrics[i].name;
        if (!name || !is_name(name, "_"))
            return wn_fail(err, WN_E_FORMAT, "metric %llu is named \"%.80s\"; a name is of the form [a-z0-9_]{1,64}",
                           (unsigned long long)i, name ? name : "");
        for (uint64_t k = 0; k < i; k++)
            if (strcmp(metrics[k].name, name) == 0)
                return wn_fail(err, WN_E_FORMAT, "two metrics are named \"%s\"; names must be unique", name);
    }
    return WN_OK;
}

/* A verifier whose instances describe themselves may leave its metrics open. */
static wn_status check_verifier(const wn_verifier *v, wn_error *err)
{
    if (v->metric_count > 0 || !v->describe)
        WN_TRY(plugin_check_metrics(v->metric_count, v->metrics, err));
    if (v->min_inputs > v->max_inputs)
        return wn_fail(err, WN_E_FORMAT, "min_inputs %llu is more than max_inputs %llu",
                       (unsigned long long)v->min_inputs, (unsigned long long)v->max_inputs);
    return WN_OK;
}

/* Searches alone may be made of searches. */
static wn_status check_parts(const wn_plugin *p, wn_error *err)
{
    uint32_t lists = 0;
    for (const wn_option *row = p->options; row && row->name; row++) {
        lists += row->type == WN_OPTION_SEARCHES;
        if (lists > (p->kind == WN_KIND_SEARCH))
            return wn_fail(err, WN_E_FORMAT, "option \"%s\" is a list of searches, which a search may have one of, and "
                           "other plugins none", row->name);
    }
    if (p->kind != WN_KIND_SEARCH)
        return WN_OK;
    const wn_search *search = p->vtable;
    WN_TRY(options_check_table(search->part_options, search->part_options_size, err));
    for (const wn_option *row = search->part_options; row && row->name; row++)
        if (row->type == WN_OPTION_SEARCHES || strcmp(row->name, "use") == 0 || strcmp(row->name, "options") == 0)
            return wn_fail(err, WN_E_FORMAT, "part_options: \"%s\" cannot be a part's own option", row->name);
    return WN_OK;
}

static wn_status check_plugin(const wn_plugin *p, wn_error *err)
{
    wn_error why;
    if (!is_name(p->name, "_.-"))
        return wn_fail(err, WN_E_FORMAT, "plugin name \"%.80s\" is not of the form [a-z0-9_.-]{1,64}", p->name);
    wn_status status = options_check_table(p->options, p->options_size, &why);
    if (status)
        return wn_fail(err, status, "plugin \"%s\": %s", p->name, why.message);
    if (p->kind == WN_KIND_VERIFIER && (status = check_verifier(p->vtable, &why)) != WN_OK)
        return wn_fail(err, status, "plugin \"%s\": %s", p->name, why.message);
    if ((status = check_parts(p, &why)) != WN_OK)
        return wn_fail(err, status, "plugin \"%s\": %s", p->name, why.message);
    if (p->kind != WN_KIND_SAMPLER)
        return WN_OK;
    const wn_sampler *sampler = p->vtable;
    status = options_check_table(sampler->canvas_options, sampler->canvas_options_size, &why);
    return status ? wn_fail(err, status, "plugin \"%s\": canvas: %s", p->name, why.message) : WN_OK;
}

/* The create of a plugin that has none: the options are the instance. const goes, because an instance is a void *. */
static wn_status take_options(const wn_host *host, const void *options, void **self, wn_error *err)
{
    (void)host;
    (void)err;
    *self = (void *)(uintptr_t)options;
    return WN_OK;
}

static void destroy_nothing(void *self)
{
    (void)self;
}

static wn_status fill_in(wn_plugin *p, wn_error *err)
{
    if (p->destroy && !p->create)
        return wn_fail(err, WN_E_FORMAT, "plugin \"%.64s\" has `destroy` but no `create`: its instance would be the "
                       "host's options, which are not its to destroy; have both, or leave `destroy` out", p->name);
    if (!p->create)
        p->create = take_options;
    if (!p->destroy)
        p->destroy = destroy_nothing;
    if (!p->source)
        p->source = "";
    return WN_OK;
}

/* *plugin = NULL when its kind is not known here. */
static wn_status copy_plugin(const wn_plugin *foreign, const char *path, struct arena *arena, const wn_plugin **plugin,
                             wn_error *err)
{
    wn_error why;
    void *copy, *vtable;
    *plugin = NULL;
    if (!foreign)
        return wn_fail(err, WN_E_FORMAT, "its list of plugins holds NULL");
    WN_TRY(copy_min(foreign, sizeof(wn_plugin), arena, &copy, err));
    wn_plugin *p = copy;
    if (!is_kind(p->kind)) {
        log_printf(WN_LOG_WARN, "%s: skipped a plugin of kind %lld, which this winnow does not know", path,
                   (long long)p->kind);
        return WN_OK;
    }
    char what[100];
    snprintf(what, sizeof what, "plugin \"%.64s\"", p->name ? p->name : "");
    WN_TRY(check_members(p, plugin_members, what, err));
    wn_status status = copy_min(p->vtable, kinds[p->kind].vtable_size, arena, &vtable, &why);
    if (status)
        return wn_fail(err, status, "%s: vtable: %s", what, why.message);
    snprintf(what, sizeof what, "%s \"%.64s\"", kinds[p->kind].name, p->name);
    WN_TRY(check_members(vtable, kinds[p->kind].members, what, err));
    p->vtable = vtable;
    WN_TRY(fill_in(p, err));
    WN_TRY(check_plugin(p, err));
    *plugin = p;
    return WN_OK;
}

wn_status handshake(const wn_module *foreign, const char *path, struct arena *arena, struct registry_module *module,
                    wn_error *err)
{
    void *copy;
    WN_TRY(copy_min(foreign, sizeof(wn_module), arena, &copy, err));
    const wn_module *m = copy;
    if (m->abi_major != WN_ABI_MAJOR)
        return wn_fail(err, WN_E_UNSUPPORTED, "made for plugin ABI %llu, this winnow speaks %d; rebuild it against the "
                       "installed headers", (unsigned long long)m->abi_major, WN_ABI_MAJOR);
    if (!m->plugins || m->plugin_count < 1 || m->plugin_count > 256)
        return wn_fail(err, WN_E_FORMAT, "its module lists %llu plugins; 1 to 256 are possible",
                       (unsigned long long)(m->plugins ? m->plugin_count : 0));
    const wn_plugin **plugins = arena_array(arena, m->plugin_count, sizeof *plugins);
    if (!plugins)
        return wn_fail(err, WN_E_MEMORY, "no memory");
    for (uint64_t i = 0; i < m->plugin_count; i++) {
        WN_TRY(copy_plugin(m->plugins[i], path, arena, &plugins[module->plugin_count], err));
        module->plugin_count += plugins[module->plugin_count] != NULL;
    }
    module->abi_minor = m->abi_minor;
    module->plugins = plugins;
    return WN_OK;
}
