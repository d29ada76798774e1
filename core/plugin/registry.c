/* registry.c - from names to plugins.
 *
 * Asking for NAME first loads the files whose names contain NAME, and all others only when that was not enough: so a
 * spec is checked without loading, say, a device's BLAS. Modules stay loaded until the process ends, because code and
 * strings of theirs may be in use anywhere. Setup only: not for several threads at once.
 */
#include "plugin/registry.h"

#include "base/arena.h"
#include "base/buffer.h"
#include "base/home.h"
#include "base/sha256.h"
#include "base/suggest.h"
#include "plugin/handshake.h"

#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct list { /* growable array of pointers */
    void **items;
    uint32_t count;
};

struct registry {
    struct arena *arena;
    const char *extra_dirs;
    struct list dirs;     /* char * */
    struct list modules;  /* struct registry_module * */
    struct list failures; /* char *, "path: reason" */
    struct list seen;     /* char *, real paths that were tried */
};

static wn_status no_memory(wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "plugins: no memory");
}

static bool list_add(struct list *list, void *item)
{
    if (!item)
        return false;
    if ((list->count & (list->count - 1)) == 0) { /* full at every power of two */
        void **items = realloc(list->items, (list->count ? 2 * (size_t)list->count : 1) * sizeof *items);
        if (!items)
            return false;
        list->items = items;
    }
    list->items[list->count++] = item;
    return true;
}

static bool list_has(const struct list *list, const char *text)
{
    for (uint32_t i = 0; i < list->count; i++)
        if (strcmp(list->items[i], text) == 0)
            return true;
    return false;
}

/* ---- loading one file ---- */

static wn_status check_file(const char *path, struct stat *st, wn_error *err)
{
    if (stat(path, st) != 0)
        return wn_fail(err, WN_E_MISSING, "%s", strerror(errno));
    if (!S_ISREG(st->st_mode))
        return wn_fail(err, WN_E_FORMAT, "not a regular file");
    if (st->st_mode & S_IWOTH)
        return wn_fail(err, WN_E_ARG, "everybody may write to it (mode %03o), so it is not loaded; chmod o-w it",
                       (unsigned)(st->st_mode & 0777));
    return WN_OK;
}

/* A module of another major has its symbol under another name. */
static wn_status fail_symbol(void *handle, wn_error *err)
{
    for (int major = 0; major < 10; major++) {
        char symbol[32];
        snprintf(symbol, sizeof symbol, "wn_module_v%d", major);
        if (major != WN_ABI_MAJOR && dlsym(handle, symbol))
            return wn_fail(err, WN_E_UNSUPPORTED,
                           "made for plugin ABI %d, this winnow speaks %d; rebuild it against "
                           "the installed headers",
                           major, WN_ABI_MAJOR);
    }
    return wn_fail(err, WN_E_FORMAT, "exports no wn_module_v%d: not a winnow plugin, or WN_MODULE is missing in it",
                   WN_ABI_MAJOR);
}

static wn_status open_module(struct registry *r, const char *path, struct registry_module *module, wn_error *err)
{
    WN_TRY(check_file(path, &module->loaded, err));
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!handle) {
        const char *why = dlerror();
        uint64_t length = strlen(path); /* dlerror repeats the path */
        if (why && strncmp(why, path, length) == 0 && strncmp(why + length, ": ", 2) == 0)
            why += length + 2;
        return wn_fail(err, WN_E_FORMAT, "%s", why ? why : "cannot be loaded");
    }
    const wn_module *foreign = dlsym(handle, "wn_module_v0");
    if (!foreign)
        return fail_symbol(handle, err);
    return handshake(foreign, path, r->arena, module, err);
}

/* Loads a file once; what goes wrong is kept as a failure. Only memory is an error here. */
static wn_status load_file(struct registry *r, const char *path, wn_error *err)
{
    wn_error why = { 0 };
    char real[PATH_MAX];
    if (!realpath(path, real))
        snprintf(real, sizeof real, "%s", path);
    if (list_has(&r->seen, real))
        return WN_OK;
    struct registry_module *module = arena_alloc(r->arena, sizeof *module);
    if (!module || !(module->digest = arena_alloc(r->arena, 65)) || !list_add(&r->seen, arena_string(r->arena, real)))
        return no_memory(err);
    module->path = r->seen.items[r->seen.count - 1];
    if (open_module(r, module->path, module, &why) == WN_OK)
        return list_add(&r->modules, module) ? WN_OK : no_memory(err);
    char *line = arena_printf(r->arena, "%s: %s", path, why.message);
    return list_add(&r->failures, line) ? WN_OK : no_memory(err);
}

/* ---- whether a file is still the one that was loaded ---- */

static bool is_as_loaded(const struct registry_module *module)
{
    struct stat now;
    const struct stat *then = &module->loaded;
    return stat(module->path, &now) == 0 && now.st_ino == then->st_ino && now.st_size == then->st_size &&
           now.st_mtim.tv_sec == then->st_mtim.tv_sec && now.st_mtim.tv_nsec == then->st_mtim.tv_nsec;
}

/* Looked at after it was read, so that a file that changes meanwhile is noticed too. A plugin that was built again to
 * the same bytes is the same plugin. */
wn_status registry_digest(const struct registry_module *module, char hex[65], wn_error *err)
{
    WN_TRY(sha256_file(module->path, hex, NULL, NULL, err));
    if (*module->digest ? strcmp(module->digest, hex) == 0 : is_as_loaded(module)) {
        snprintf(module->digest, 65, "%s", hex);
        return WN_OK;
    }
    const bool is_known = *module->digest != '\0';
    return wn_fail(err, WN_E_MISSING,
                   "%s is not the file any more that was loaded (%s%.16s, now %.16s): it was built or installed anew "
                   "meanwhile, and nobody could say with what the run was made; start the command again",
                   module->path, is_known ? "" : "not hashed in time", module->digest, hex);
}

/* ---- directories ---- */

static int is_module_file(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".so") == 0;
}

/* Loads the files of a directory whose names contain `part`, in alphabetical order. */
static wn_status load_directory(struct registry *r, const char *directory, const char *part, wn_error *err)
{
    struct dirent **entries;
    int count = scandir(directory, &entries, is_module_file, alphasort);
    wn_status status = WN_OK;
    for (int i = 0; i < count; i++) {
        char path[PATH_MAX];
        int length = snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name);
        if (!status && length < PATH_MAX && strstr(entries[i]->d_name, part))
            status = load_file(r, path, err);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
    return status;
}

static wn_status load_matching(struct registry *r, const char *part, wn_error *err)
{
    for (uint32_t i = 0; i < r->dirs.count; i++)
        WN_TRY(load_directory(r, r->dirs.items[i], part, err));
    return WN_OK;
}

static bool add_dir(struct registry *r, const char *path, uint64_t length)
{
    return length == 0 || list_add(&r->dirs, arena_copy(r->arena, path, length));
}

static bool add_dirs(struct registry *r, const char *list)
{
    while (list && *list) {
        uint64_t length = strcspn(list, ":");
        if (!add_dir(r, list, length))
            return false;
        list += length + (list[length] == ':');
    }
    return true;
}

static bool add_home_dirs(struct registry *r)
{
    char path[PATH_MAX];
    for (uint32_t i = 0; i < 2; i++) {
        home_plugins(path, sizeof path, i);
        if (!add_dir(r, path, strlen(path)))
            return false;
    }
    return true;
}

wn_status registry_create(const char *extra_dirs, struct registry **out, wn_error *err)
{
    struct registry *r = calloc(1, sizeof *r);
    *out = r;
    if (r && (r->arena = arena_create()) && (r->extra_dirs = arena_string(r->arena, extra_dirs ? extra_dirs : "")) &&
        add_dirs(r, extra_dirs) && add_dirs(r, getenv("WINNOW_PLUGIN_PATH")) && add_home_dirs(r))
        return WN_OK;
    registry_destroy(r);
    *out = NULL;
    return no_memory(err);
}

const char *registry_extra_dirs(const struct registry *r)
{
    return r->extra_dirs;
}

void registry_destroy(struct registry *r)
{
    if (!r)
        return;
    free(r->dirs.items);
    free(r->modules.items);
    free(r->failures.items);
    free(r->seen.items);
    arena_destroy(r->arena);
    free(r);
}

/* ---- finding ---- */

static bool find_loaded(const struct registry *r, int64_t kind, const char *name, const wn_plugin **plugin,
                        const struct registry_module **module)
{
    for (uint32_t i = 0; i < r->modules.count; i++) {
        const struct registry_module *m = r->modules.items[i];
        for (uint32_t k = 0; k < m->plugin_count; k++)
            if ((!kind || m->plugins[k]->kind == kind) && strcmp(m->plugins[k]->name, name) == 0) {
                *plugin = m->plugins[k];
                *module = m;
                return true;
            }
    }
    return false;
}

static wn_status find_in_file(struct registry *r, int64_t kind, const char *path, const wn_plugin **plugin,
                              const struct registry_module **module, wn_error *err)
{
    char real[PATH_MAX];
    WN_TRY(load_file(r, path, err));
    if (!realpath(path, real))
        return wn_fail(err, WN_E_MISSING, "%s: %s", path, strerror(errno));
    for (uint32_t i = 0; i < r->modules.count; i++) {
        const struct registry_module *m = r->modules.items[i];
        for (uint32_t k = 0; strcmp(m->path, real) == 0 && k < m->plugin_count; k++)
            if (!kind || m->plugins[k]->kind == kind) {
                *plugin = m->plugins[k];
                *module = m;
                return WN_OK;
            }
    }
    for (uint32_t i = 0; i < r->failures.count; i++)
        if (strncmp(r->failures.items[i], path, strlen(path)) == 0)
            return wn_fail(err, WN_E_MISSING, "%s", (const char *)r->failures.items[i]);
    return wn_fail(err, WN_E_MISSING, "%s: holds no %s", path, plugin_kind_name(kind));
}

static void suggest_names(const struct registry *r, int64_t kind, struct suggest *s)
{
    for (uint32_t i = 0; i < r->modules.count; i++) {
        const struct registry_module *m = r->modules.items[i];
        for (uint32_t k = 0; k < m->plugin_count; k++)
            if (!kind || m->plugins[k]->kind == kind)
                suggest_try(s, m->plugins[k]->name);
    }
}

static void append_names(const struct registry *r, int64_t kind, struct buffer *text)
{
    const char *separator = "; there are ";
    for (uint32_t i = 0; i < r->modules.count; i++) {
        const struct registry_module *m = r->modules.items[i];
        for (uint32_t k = 0; k < m->plugin_count; k++)
            if (!kind || m->plugins[k]->kind == kind) {
                buffer_printf(text, "%s%s", separator, m->plugins[k]->name);
                separator = ", ";
            }
    }
}

/* A file that did not load may be the reason; others are only counted. */
static void append_failures(const struct registry *r, const char *name, struct buffer *text)
{
    uint32_t others = 0;
    for (uint32_t i = 0; i < r->failures.count; i++) {
        const char *failure = r->failures.items[i];
        if (strstr(failure, name))
            buffer_printf(text, "; not loaded: %s", failure);
        else
            others++;
    }
    if (others)
        buffer_printf(text, "; %u files could not be loaded, see `winnow plugins`", others);
}

/* When no name is near: all there are, where they were looked for, and what may be the reason. */
static void append_search(const struct registry *r, int64_t kind, const char *name, struct buffer *text)
{
    append_names(r, kind, text);
    for (uint32_t i = 0; i < r->dirs.count; i++)
        buffer_printf(text, "%s%s", i ? ":" : "; searched ", (const char *)r->dirs.items[i]);
    append_failures(r, name, text);
}

static wn_status fail_missing(const struct registry *r, int64_t kind, const char *name, wn_error *err)
{
    const wn_plugin *other;
    const struct registry_module *module;
    char hint[128];
    struct buffer text = BUFFER_INIT(900);
    struct suggest s = suggest_begin(name);
    suggest_names(r, kind, &s);
    buffer_printf(&text, "no %s is named \"%.64s\"%s", plugin_kind_name(kind), name, suggest_text(&s, hint));
    bool is_other = find_loaded(r, 0, name, &other, &module);
    if (is_other)
        buffer_printf(&text, "; \"%s\" is a %s", name, plugin_kind_name(other->kind));
    if (!is_other && !s.best)
        append_search(r, kind, name, &text);
    wn_fail(err, WN_E_MISSING, "%s", buffer_string(&text));
    buffer_free(&text);
    return WN_E_MISSING;
}

wn_status registry_find(struct registry *r, int64_t kind, const char *name, const wn_plugin **plugin,
                        const struct registry_module **module, wn_error *err)
{
    if (strchr(name, '/'))
        return find_in_file(r, kind, name, plugin, module, err);
    if (find_loaded(r, kind, name, plugin, module))
        return WN_OK;
    WN_TRY(load_matching(r, name, err));
    if (find_loaded(r, kind, name, plugin, module))
        return WN_OK;
    WN_TRY(load_matching(r, "", err));
    if (find_loaded(r, kind, name, plugin, module))
        return WN_OK;
    return fail_missing(r, kind, name, err);
}

/* Takes a registry that is logically constant: loading what is there changes no answer. */
uint32_t registry_module_count(const struct registry *r)
{
    wn_error ignored;
    (void)load_matching((struct registry *)r, "", &ignored);
    return r->modules.count;
}

const struct registry_module *registry_module_at(const struct registry *r, uint32_t i)
{
    return i < r->modules.count ? r->modules.items[i] : NULL;
}

uint32_t registry_failure_count(const struct registry *r)
{
    return r->failures.count;
}

const char *registry_failure_at(const struct registry *r, uint32_t i)
{
    return i < r->failures.count ? r->failures.items[i] : NULL;
}
