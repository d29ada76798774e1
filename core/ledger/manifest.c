/* The file is small and written once for a start, so it is read, extended and replaced as a whole. */
#include "ledger/manifest.h"

#include "base/buffer.h"
#include "base/build.h"
#include "base/files.h"
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

static wn_status put_plugin(cJSON *plugins, const struct spec_use *use, wn_error *err)
{
    char hex[65];
    if (!use->plugin || !use->module)
        return WN_OK; /* a spec without a search; a plugin that is part of a test program */
    WN_TRY(sha256_file(use->module->path, hex, NULL, NULL, err));
    cJSON *plugin = cJSON_CreateObject();
    cJSON_AddItemToArray(plugins, plugin);
    cJSON_AddStringToObject(plugin, "use", use->name);
    cJSON_AddStringToObject(plugin, "name", use->plugin->name);
    cJSON_AddStringToObject(plugin, "version", use->plugin->version);
    cJSON_AddStringToObject(plugin, "path", use->module->path);
    cJSON_AddStringToObject(plugin, "sha256", hex);
    return WN_OK;
}

static wn_status put_plugins(cJSON *start, const struct spec *spec, wn_error *err)
{
    cJSON *plugins = cJSON_AddArrayToObject(start, "plugins");
    WN_TRY(put_plugin(plugins, &spec->sampler, err));
    WN_TRY(put_plugin(plugins, &spec->search, err));
    for (uint32_t i = 0; i < spec->verifier_count; i++)
        WN_TRY(put_plugin(plugins, &spec->verifiers[i], err));
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

static wn_status put_file(cJSON *files, const char *path, const struct manifest_start *m, const cJSON *starts,
                          wn_error *err)
{
    struct stat st;
    char hex[65];
    const char *from;
    if (stat(path, &st) != 0)
        return wn_fail(err, WN_E_IO, "cannot stat %s, which a plugin uses: %s", path, strerror(errno));
    cJSON *file = cJSON_CreateObject();
    cJSON_AddItemToArray(files, file);
    cJSON_AddStringToObject(file, "path", path);
    cJSON_AddNumberToObject(file, "bytes", (double)st.st_size);
    put_time(file, "modified", st.st_mtim.tv_sec);
    WN_TRY(hash_file(m, starts, file, hex, &from, err));
    cJSON_AddItemToObject(file, "sha256", hex[0] ? cJSON_CreateString(hex) : cJSON_CreateNull());
    cJSON_AddStringToObject(file, "sha256_from", from);
    return WN_OK;
}

/* ---- the whole ---- */

static wn_status fill(cJSON *start, const struct manifest_start *m, const cJSON *starts, wn_error *err)
{
    put_time(start, "time", time(NULL));
    put_host(start);
    cJSON_AddNumberToObject(start, "threads", m->threads);
    put_build(start);
    put_devices(start, m);
    WN_TRY(put_plugins(start, m->spec, err));
    cJSON *files = cJSON_AddArrayToObject(start, "files");
    for (uint32_t i = 0; i < m->instances->file_count; i++)
        WN_TRY(put_file(files, m->instances->files[i], m, starts, err));
    return WN_OK;
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
    if (status == WN_OK && m->spec->search.plugin)
        facts_put(root, m->spec);
    if (status == WN_OK && cJSON_AddItemToArray(starts, start)) {
        start = NULL;
        status = save(path, root, err);
    }
    cJSON_Delete(start);
    cJSON_Delete(root);
    return status;
}
