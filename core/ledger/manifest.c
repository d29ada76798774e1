/* The file is small and written once for a start, so it is read, extended and replaced as a whole. */
#include "ledger/manifest.h"

#include "base/buffer.h"
#include "base/build.h"
#include "base/files.h"
#include "base/log.h"
#include "base/sha256.h"
#include "ledger/facts.h"
#include "plugin/registry.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

enum { MANIFEST_FORMAT = 1, MAX_MANIFEST_BYTES = 64 << 20 };

static void put_time(cJSON *object, const char *key, time_t time)
{
    char text[32];
    struct tm utc;
    gmtime_r(&time, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    cJSON_AddStringToObject(object, key, text);
}

/* To the nanosecond: a file may be written twice in a second, with the same size. */
static void put_exact_time(cJSON *object, const char *key, struct timespec time)
{
    char day[32], text[48];
    struct tm utc;
    gmtime_r(&time.tv_sec, &utc);
    strftime(day, sizeof day, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(text, sizeof text, "%s.%09ldZ", day, time.tv_nsec);
    cJSON_AddStringToObject(object, key, text);
}

static void put_host(cJSON *start)
{
    struct utsname u;
    char host[256] = "", system[256] = "";
    gethostname(host, sizeof host - 1);
    if (uname(&u) == 0)
        snprintf(system, sizeof system, "%.80s %.80s %.80s", u.sysname, u.release, u.machine);
    cJSON_AddStringToObject(start, "host", host);
    cJSON_AddStringToObject(start, "system", system);
}

static void put_build(cJSON *start)
{
    cJSON *build = cJSON_AddObjectToObject(start, "winnow");
    cJSON_AddStringToObject(build, "version", build_version());
    cJSON_AddStringToObject(build, "commit", build_commit());
    cJSON_AddStringToObject(build, "compiler", build_compiler());
}

static void put_devices(cJSON *start, const struct manifest_start *m)
{
    cJSON *devices = cJSON_AddArrayToObject(start, "devices");
    for (uint32_t i = 0; i < m->device_count; i++) {
        const wn_device_info *info = &m->devices[i];
        cJSON *device = cJSON_CreateObject();
        cJSON_AddItemToArray(devices, device);
        cJSON_AddStringToObject(device, "name", info->name);
        cJSON_AddStringToObject(device, "vendor", info->vendor);
        cJSON_AddStringToObject(device, "driver", info->driver);
        cJSON_AddStringToObject(device, "uuid", info->uuid);
        cJSON_AddStringToObject(device, "paths", info->paths);
        cJSON_AddNumberToObject(device, "memory_bytes", (double)info->memory_bytes);
    }
}

/* ---- plugins ---- */

static wn_status put_plugin(cJSON *plugins, const struct spec_use *use, const char *identity, wn_error *err)
{
    char hex[65];
    if (!use->plugin || !use->module)
        return WN_OK; /* a spec without a search; a plugin that is part of a test program */
    WN_TRY(registry_digest(use->module, hex, err));
    cJSON *plugin = cJSON_CreateObject();
    cJSON_AddItemToArray(plugins, plugin);
    cJSON_AddStringToObject(plugin, "use", use->name);
    cJSON_AddStringToObject(plugin, "name", use->plugin->name);
    cJSON_AddStringToObject(plugin, "version", use->plugin->version);
    cJSON_AddStringToObject(plugin, "path", use->module->path);
    cJSON_AddStringToObject(plugin, "sha256", hex);
    if (identity && *identity)
        cJSON_AddStringToObject(plugin, "identity", identity);
    return WN_OK;
}

static wn_status put_plugins(cJSON *start, const struct spec *spec, const struct instances *instances, wn_error *err)
{
    cJSON *plugins = cJSON_AddArrayToObject(start, "plugins");
    WN_TRY(put_plugin(plugins, &spec->sampler, NULL, err));
    WN_TRY(put_plugin(plugins, &spec->search, NULL, err));
    for (uint32_t i = 0; i < spec->search.part_count; i++)
        WN_TRY(put_plugin(plugins, &spec->search.parts[i], NULL, err));
    for (uint32_t i = 0; i < spec->verifier_count; i++)
        WN_TRY(put_plugin(plugins, &spec->verifiers[i], instances->verifiers ? instances->verifiers[i].identity : NULL,
                          err));
    return WN_OK;
}

/* ---- files ---- */

static const char *text_of(const cJSON *object, const char *key)
{
    const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
    return text ? text : "";
}

/* Whether an earlier start hashed the file as it is now. */
static bool hashed_before(const cJSON *starts, const cJSON *file, char hex[65])
{
    const cJSON *start, *old;
    cJSON_ArrayForEach(start, starts) cJSON_ArrayForEach(
        old, cJSON_GetObjectItemCaseSensitive(
                 start, "files")) if (strcmp(text_of(old, "path"), text_of(file, "path")) == 0 &&
                                      strcmp(text_of(old, "modified"), text_of(file, "modified")) == 0 &&
                                      cJSON_Compare(cJSON_GetObjectItemCaseSensitive(old, "bytes"),
                                                    cJSON_GetObjectItemCaseSensitive(file, "bytes"), true) &&
                                      strlen(text_of(old, "sha256")) == 64)
    {
        snprintf(hex, 65, "%s", text_of(old, "sha256"));
        return true;
    }
    return false;
}

struct hashing {
    struct process *process;
    char what[FILE_PATH_SIZE + 16];
};

static bool hash_progress(void *arg, uint64_t done, uint64_t total)
{
    struct hashing *h = arg;
    if (!h->process)
        return true;
    if (h->process->progress)
        h->process->progress(h->process->progress_arg, (double)done, (double)total, h->what);
    return !atomic_load(&h->process->cancelled);
}

static wn_status hash_file(const struct manifest_start *m, const cJSON *starts, const cJSON *file, char hex[65],
                           const char **from, wn_error *err)
{
    const char *path = text_of(file, "path");
    double bytes = cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(file, "bytes"));
    struct hashing hashing = { .process = m->process };
    hex[0] = 0;
    *from = "link";
    if (sha256_from_link(path, hex))
        return WN_OK;
    *from = "before";
    if (hashed_before(starts, file, hex))
        return WN_OK;
    *from = "not asked";
    if (bytes > (double)MANIFEST_HASH_BYTES && !m->hash_weights)
        return WN_OK;
    *from = "read";
    snprintf(hashing.what, sizeof hashing.what, "hashing %s", path);
    return sha256_file(path, hex, hash_progress, &hashing, err);
}

/* One name for a file, wherever it is looked at from; a link stays one, for hubs name files by the links' targets. */
static void canonical(const char *name, char path[FILE_PATH_SIZE])
{
    char directory[FILE_PATH_SIZE];
    const char *slash = strrchr(name, '/');
    path_directory(directory, name);
    char *real = realpath(directory, NULL);
    if (!real || snprintf(path, FILE_PATH_SIZE, "%s/%s", real, slash ? slash + 1 : name) >= FILE_PATH_SIZE)
        snprintf(path, FILE_PATH_SIZE, "%s", name);
    free(real);
}

static wn_status put_file(cJSON *files, const char *name, const struct manifest_start *m, const cJSON *starts,
                          wn_error *err)
{
    struct stat st;
    char hex[65], path[FILE_PATH_SIZE];
    const char *from;
    canonical(name, path);
    if (stat(path, &st) != 0)
        return wn_fail(err, WN_E_IO, "cannot stat %s, which a plugin uses: %s", path, strerror(errno));
    cJSON *file = cJSON_CreateObject();
    cJSON_AddItemToArray(files, file);
    cJSON_AddStringToObject(file, "path", path);
    cJSON_AddNumberToObject(file, "bytes", (double)st.st_size);
    put_exact_time(file, "modified", st.st_mtim);
    WN_TRY(hash_file(m, starts, file, hex, &from, err));
    cJSON_AddItemToObject(file, "sha256", hex[0] ? cJSON_CreateString(hex) : cJSON_CreateNull());
    cJSON_AddStringToObject(file, "sha256_from", from);
    return WN_OK;
}

/* ---- what changed since the last start ---- */

static const cJSON *list_of(const cJSON *start, const char *key)
{
    return cJSON_GetObjectItemCaseSensitive(start, key);
}

/* The item of the list that has the same text under `key`. */
static const cJSON *counterpart(const cJSON *list, const char *key, const cJSON *item)
{
    const cJSON *old;
    cJSON_ArrayForEach(old, list) if (strcmp(text_of(old, key), text_of(item, key)) == 0) return old;
    return NULL;
}

/* The same plugin in the same use: a search may have others as its parts, all under one use. */
static const cJSON *plugin_before(const cJSON *last, const cJSON *plugin)
{
    const cJSON *old, *list = list_of(last, "plugins");
    cJSON_ArrayForEach(old, list) if (strcmp(text_of(old, "use"), text_of(plugin, "use")) == 0 &&
                                      strcmp(text_of(old, "name"), text_of(plugin, "name")) == 0) return old;
    return counterpart(list, "use", plugin);
}

static bool differ(const cJSON *a, const cJSON *b, const char *key)
{
    return !cJSON_Compare(cJSON_GetObjectItemCaseSensitive(a, key), cJSON_GetObjectItemCaseSensitive(b, key), true);
}

struct changes {
    struct ledger *ledger;          /* which is told of each, as the log is; NULL: */
    struct manifest_change *change; /* the first is only noted */
};

WN_PRINTF(3, 4) static wn_status warn(const struct changes *c, wn_error *err, const char *format, ...)
{
    char text[1500];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (!c->ledger) {
        if (!*c->change->first)
            snprintf(c->change->first, sizeof c->change->first, "%.390s", text);
        return WN_OK;
    }
    log_line(WN_LOG_WARN, text);
    return ledger_event(c->ledger, "warning", text, err);
}

static wn_status compare_file(const cJSON *old, const cJSON *file, const struct changes *c, wn_error *err)
{
    const char *path = text_of(file, "path"), *hash = text_of(file, "sha256"), *old_hash = text_of(old, "sha256");
    if (!old)
        return warn(c, err, "%s is in use now and was not at the last start: scores may mix", path);
    if (differ(old, file, "bytes") || (*hash && *old_hash && strcmp(hash, old_hash) != 0))
        return wn_fail(err, WN_E_ARG,
                       "%s has changed since the last start (%.16s, %.0f bytes; now %.16s, %.0f bytes) and the run's "
                       "scores would mix: put the old file back, or choose another output",
                       path, *old_hash ? old_hash : "not hashed",
                       cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(old, "bytes")),
                       *hash ? hash : "not hashed",
                       cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(file, "bytes")));
    if (!*hash && differ(old, file, "modified"))
        return warn(c, err, "%s was written since the last start (%s, now %s): if it changed, scores mix", path,
                    text_of(old, "modified"), text_of(file, "modified"));
    return WN_OK;
}

static wn_status compare_files(const cJSON *last, const cJSON *now, const struct changes *c, wn_error *err)
{
    const cJSON *file;
    cJSON_ArrayForEach(file, list_of(now, "files"))
        WN_TRY(compare_file(counterpart(list_of(last, "files"), "path", file), file, c, err));
    return WN_OK;
}

static wn_status compare_plugins(const cJSON *last, const cJSON *now, const struct changes *c, wn_error *err)
{
    const cJSON *plugin;
    cJSON_ArrayForEach(plugin, list_of(now, "plugins"))
    {
        const cJSON *old = plugin_before(last, plugin);
        if (old && differ(old, plugin, "sha256"))
            WN_TRY(warn(c, err,
                        "%s: plugin %s %s (%.16s) is another build than at the last start, %s (%.16s): scores may mix",
                        text_of(plugin, "use"), text_of(plugin, "name"), text_of(plugin, "version"),
                        text_of(plugin, "sha256"), text_of(old, "version"), text_of(old, "sha256")));
    }
    return WN_OK;
}

static wn_status compare_builds(const cJSON *last, const cJSON *now, const struct changes *c, wn_error *err)
{
    const cJSON *old = list_of(last, "winnow"), *build = list_of(now, "winnow");
    if (!differ(old, build, "version") && !differ(old, build, "commit"))
        return WN_OK;
    return warn(c, err, "winnow %s (%s) goes on with a run of winnow %s (%s): results may mix",
                text_of(build, "version"), text_of(build, "commit"), text_of(old, "version"), text_of(old, "commit"));
}

/* Not where a run goes on, which may move: the devices that are open now and were not, or are driven otherwise. */
static wn_status compare_devices(const cJSON *last, const cJSON *now, const struct changes *c, wn_error *err)
{
    const cJSON *device;
    cJSON_ArrayForEach(device, list_of(now, "devices"))
    {
        const cJSON *old = counterpart(list_of(last, "devices"), "name", device);
        if (!old || differ(old, device, "driver") || differ(old, device, "paths"))
            WN_TRY(warn(c, err, "device %s (%s) computes now, not %s (%s)", text_of(device, "name"),
                        text_of(device, "driver"), old ? text_of(old, "name") : "the run's",
                        old ? text_of(old, "driver") : "another"));
    }
    return WN_OK;
}

/* ---- the whole ---- */

/* What a replay must know to read the spec without its files. */
static void put_place(cJSON *root, const struct spec *spec)
{
    const char *directory = spec->directory ? spec->directory : ".";
    char *path = realpath(directory, NULL);
    cJSON_DeleteItemFromObjectCaseSensitive(root, "directory");
    cJSON_AddStringToObject(root, "directory", path ? path : directory);
    cJSON_DeleteItemFromObjectCaseSensitive(root, "prompts");
    cJSON_AddNumberToObject(root, "prompts", spec->prompt_count);
    free(path);
}

static wn_status fill(cJSON *start, const struct manifest_start *m, const cJSON *starts, wn_error *err)
{
    put_time(start, "time", time(NULL));
    put_host(start);
    cJSON_AddNumberToObject(start, "threads", m->threads);
    put_build(start);
    put_devices(start, m);
    WN_TRY(put_plugins(start, m->spec, m->instances, err));
    cJSON *files = cJSON_AddArrayToObject(start, "files");
    for (uint32_t i = 0; i < m->instances->file_count; i++)
        WN_TRY(put_file(files, m->instances->files[i], m, starts, err));
    return WN_OK;
}

static const cJSON *last_of(const cJSON *starts)
{
    return cJSON_GetArrayItem(starts, cJSON_GetArraySize(starts) - 1);
}

static wn_status compare_all(const cJSON *last, const cJSON *now, const struct changes *c, wn_error *err)
{
    WN_TRY(compare_files(last, now, c, err));
    WN_TRY(compare_plugins(last, now, c, err));
    return compare_builds(last, now, c, err);
}

static wn_status compare(const cJSON *starts, const cJSON *now, struct ledger *ledger, wn_error *err)
{
    const struct changes c = { .ledger = ledger };
    const cJSON *last = last_of(starts);
    return last && ledger && ledger_candidates(ledger) > 0 ? compare_all(last, now, &c, err) : WN_OK;
}

static cJSON *fresh(const char *spec_hash)
{
    cJSON *root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "format", MANIFEST_FORMAT);
    cJSON_AddStringToObject(root, "spec", spec_hash);
    cJSON_AddArrayToObject(root, "starts");
    return root;
}

static wn_status load(const char *path, const char *spec_hash, cJSON **root, wn_error *err)
{
    struct buffer file = BUFFER_INIT(MAX_MANIFEST_BYTES);
    *root = NULL;
    if (!file_exists(path)) {
        *root = fresh(spec_hash);
        return *root ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %s", path);
    }
    wn_status status = buffer_read_file(&file, path, err);
    if (status == WN_OK)
        *root = cJSON_ParseWithLength(buffer_string(&file), (size_t)file.size);
    buffer_free(&file);
    if (status == WN_OK && !cJSON_IsArray(cJSON_GetObjectItemCaseSensitive(*root, "starts")))
        return wn_fail(err, WN_E_FORMAT, "%s is damaged: no list \"starts\"; move it away", path);
    const char *other = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(*root, "spec"));
    if (status == WN_OK && (!other || strcmp(other, spec_hash) != 0)) { /* the ledger took this spec: nothing had run */
        cJSON_Delete(*root);
        *root = fresh(spec_hash);
        return *root ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for %s", path);
    }
    return status;
}

static wn_status save(const char *path, const cJSON *root, wn_error *err)
{
    char *text = cJSON_Print(root);
    if (!text)
        return wn_fail(err, WN_E_MEMORY, "no memory for %s", path);
    wn_status status = file_write(path, text, strlen(text), err);
    cJSON_free(text);
    return status;
}

wn_status manifest_append(const char *run_dir, const struct manifest_start *m, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    cJSON *root = NULL, *start = cJSON_CreateObject();
    wn_status status =
        start ? path_join(path, run_dir, "manifest.json", err) : wn_fail(err, WN_E_MEMORY, "no memory for a manifest");
    if (status == WN_OK)
        status = load(path, m->spec->hash, &root, err);
    cJSON *starts = cJSON_GetObjectItemCaseSensitive(root, "starts");
    if (status == WN_OK)
        status = fill(start, m, starts, err);
    if (status == WN_OK)
        status = compare(starts, start, m->ledger, err);
    if (status == WN_OK && m->spec->search.plugin)
        facts_put(root, m->spec, m->instances);
    if (status == WN_OK)
        put_place(root, m->spec);
    if (status == WN_OK && cJSON_AddItemToArray(starts, start)) {
        start = NULL;
        status = save(path, root, err);
    }
    cJSON_Delete(start);
    cJSON_Delete(root);
    return status;
}

wn_status manifest_compare(const char *run_dir, const struct manifest_start *now, struct manifest_change *change,
                           wn_error *err)
{
    char path[FILE_PATH_SIZE];
    const struct changes c = { .change = change };
    cJSON *root = NULL, *start = cJSON_CreateObject();
    change->first[0] = '\0';
    wn_status status =
        start ? path_join(path, run_dir, "manifest.json", err) : wn_fail(err, WN_E_MEMORY, "no memory for a manifest");
    if (status == WN_OK)
        status = load(path, now->spec->hash, &root, err);
    const cJSON *starts = cJSON_GetObjectItemCaseSensitive(root, "starts");
    if (status == WN_OK && !last_of(starts))
        status = wn_fail(err, WN_E_MISSING, "%s does not say with what the run was made", path);
    if (status == WN_OK)
        status = fill(start, now, starts, err);
    if (status == WN_OK)
        status = compare_all(last_of(starts), start, &c, err);
    if (status == WN_OK)
        status = compare_devices(last_of(starts), start, &c, err);
    cJSON_Delete(start);
    cJSON_Delete(root);
    return status;
}

wn_status manifest_admit(const char *run_dir, const char *spec_hash, const char *name, const struct instance *verifier,
                         wn_error *err)
{
    char path[FILE_PATH_SIZE];
    cJSON *root = NULL;
    bool is_new = false;
    WN_TRY(path_join(path, run_dir, "manifest.json", err));
    wn_status status = load(path, spec_hash, &root, err);
    if (status == WN_OK && !last_of(list_of(root, "starts")))
        status = wn_fail(err, WN_E_MISSING, "%s does not say with what the run was made", path);
    if (status == WN_OK)
        status = facts_admit(root, last_of(list_of(root, "starts")), name, verifier, &is_new, err);
    if (status == WN_OK && is_new)
        status = save(path, root, err);
    cJSON_Delete(root);
    return status;
}
