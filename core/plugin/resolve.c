/* resolve.c - from a model's or a file's name to a path, by looking in a few places and never fetching anything.
 *
 * The Hugging Face cache is read as its documentation describes it: HUB/models--ORG--NAME/refs/REVISION holds a commit,
 * snapshots/COMMIT/ the files. It is never written to.
 */
#include "base/buffer.h"
#include "base/home.h"
#include "plugin/instance.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct lookup {
    const char *name;
    char *path;
    uint64_t path_size;
    struct buffer tried;
};

/* Whether directory/name is there; then it is the result. */
static bool try_path(struct lookup *l, const char *directory, uint64_t length, const char *name)
{
    if (length == 0)
        return false;
    int size = snprintf(l->path, l->path_size, "%.*s/%s", (int)length, directory, name);
    if (size < 0 || (uint64_t)size >= l->path_size)
        return false;
    const char *tidy = strncmp(l->path, "./", 2) == 0 ? l->path + 2 : l->path; /* a spec in the working directory */
    if (access(l->path, F_OK) == 0) {
        memmove(l->path, tidy, strlen(tidy) + 1);
        return true;
    }
    buffer_printf(&l->tried, "%s%s", l->tried.size ? ", " : "", tidy);
    return false;
}

static bool try_list(struct lookup *l, const char *list)
{
    while (list && *list) {
        uint64_t length = strcspn(list, ":");
        if (try_path(l, list, length, l->name))
            return true;
        list += length + (list[length] == ':');
    }
    return false;
}

static bool try_home(struct lookup *l)
{
    char directory[PATH_MAX];
    home_models(directory, sizeof directory, 0);
    return try_path(l, directory, strlen(directory), l->name);
}

/* ---- the hub's cache ---- */

struct hub_name { /* org/name[@revision][/inner/path] */
    char org[128];
    char name[128];
    char revision[128];
    const char *inner;
};

static bool is_hub_part(const char *part)
{
    return *part && *part != '.' && *part != '-' &&
           part[strspn(part, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")] == '\0';
}

/* "pebble/prompts.jsonl" is a file that is missing, not a repository. */
static bool is_file_name(const char *text)
{
    static const char *const endings[] = { ".jsonl", ".txt", ".json", ".safetensors", ".gguf", ".png", ".so" };
    const char *dot = strrchr(text, '.');
    for (uint32_t i = 0; dot && i < sizeof endings / sizeof endings[0]; i++)
        if (strcmp(dot, endings[i]) == 0)
            return true;
    return false;
}

static bool split_hub_name(const char *text, struct hub_name *h)
{
    memset(h, 0, sizeof *h);
    const char *slash = strchr(text, '/');
    if (!slash || (uint64_t)(slash - text) >= sizeof h->org)
        return false;
    memcpy(h->org, text, (uint64_t)(slash - text));
    const char *end = slash + 1 + strcspn(slash + 1, "/");
    const char *at = memchr(slash + 1, '@', (uint64_t)(end - slash - 1)), *stop = at ? at : end;
    if ((uint64_t)(stop - slash) > sizeof h->name || (at && (uint64_t)(end - at) > sizeof h->revision))
        return false;
    memcpy(h->name, slash + 1, (uint64_t)(stop - slash - 1));
    if (at)
        memcpy(h->revision, at + 1, (uint64_t)(end - at - 1));
    h->inner = *end ? end + 1 : "";
    if (!*end && is_file_name(h->name))
        return false;
    return is_hub_part(h->org) && is_hub_part(h->name) && (!at || is_hub_part(h->revision));
}

static void hub_directory(char *dst, uint64_t size)
{
    const char *cache = getenv("HF_HUB_CACHE"), *home = getenv("HF_HOME"), *xdg = getenv("XDG_CACHE_HOME"),
               *user = getenv("HOME");
    if (cache && *cache)
        snprintf(dst, size, "%s", cache);
    else if (home && *home)
        snprintf(dst, size, "%s/hub", home);
    else if (xdg && *xdg)
        snprintf(dst, size, "%s/huggingface/hub", xdg);
    else
        snprintf(dst, size, "%s/.cache/huggingface/hub", user ? user : "");
}

static bool is_commit(const char *text)
{
    return strlen(text) == 40 && strspn(text, "0123456789abcdef") == 40;
}

static bool read_ref(const char *repository, const char *revision, char commit[64])
{
    char path[PATH_MAX];
    wn_error ignored;
    struct buffer text = BUFFER_INIT(63);
    if ((uint64_t)snprintf(path, sizeof path, "%s/refs/%s", repository, revision) >= sizeof path)
        return false;
    bool fine = buffer_read_file(&text, path, &ignored) == WN_OK;
    snprintf(commit, 64, "%.*s", (int)strcspn(buffer_string(&text), " \r\n"), buffer_string(&text));
    buffer_free(&text);
    return fine && is_commit(commit);
}

static bool try_hub(struct lookup *l, const struct hub_name *h)
{
    char hub[PATH_MAX / 2], repository[PATH_MAX], snapshot[PATH_MAX], commit[64];
    const char *revision = h->revision[0] ? h->revision : "main";
    hub_directory(hub, sizeof hub);
    snprintf(repository, sizeof repository, "%s/models--%s--%s", hub, h->org, h->name);
    if (is_commit(revision))
        snprintf(commit, sizeof commit, "%.40s", revision);
    else if (!read_ref(repository, revision, commit)) {
        buffer_printf(&l->tried, ", %s", repository);
        return false;
    }
    if ((uint64_t)snprintf(snapshot, sizeof snapshot, "%s/snapshots/%s", repository, commit) >= sizeof snapshot)
        return false;
    return try_path(l, snapshot, strlen(snapshot), h->inner);
}

static wn_status fail_lookup(struct lookup *l, const struct hub_name *hub, wn_error *err)
{
    const char *tried = buffer_string(&l->tried);
    if (hub)
        return wn_fail(err, WN_E_MISSING, "%s is not there; looked at %s; if it is a model of the Hugging Face hub, "
                       "`hf download %s/%s%s%s` fetches it", l->name, tried, hub->org, hub->name,
                       hub->revision[0] ? " --revision " : "", hub->revision);
    return wn_fail(err, WN_E_MISSING, "%s is not there; looked at %s; give a path that exists or add its directory to "
                   "WINNOW_MODEL_PATH", l->name, tried);
}

/* Names that are paths beyond doubt are not looked for elsewhere. */
static bool is_plain_path(const char *name)
{
    return strncmp(name, "./", 2) == 0 || strncmp(name, "../", 3) == 0;
}

static wn_status look_up(struct lookup *l, const char *directory, wn_error *err)
{
    struct hub_name hub;
    if (try_path(l, directory, strlen(directory), l->name))
        return WN_OK;
    if (is_plain_path(l->name))
        return fail_lookup(l, NULL, err);
    if (try_list(l, getenv("WINNOW_MODEL_PATH")) || try_home(l))
        return WN_OK;
    bool is_hub = split_hub_name(l->name, &hub);
    if (is_hub && try_hub(l, &hub))
        return WN_OK;
    return fail_lookup(l, is_hub ? &hub : NULL, err);
}

wn_status resolve_name(const char *directory, const char *name, char *path, uint64_t path_size, wn_error *err)
{
    struct lookup l = { name, path, path_size, BUFFER_INIT(700) };
    if (!*name)
        return wn_fail(err, WN_E_ARG, "an empty name; give a path or the name of a model");
    if (strlen(name) >= path_size)
        return wn_fail(err, WN_E_ARG, "a name of %llu bytes; the limit is %llu", (unsigned long long)strlen(name),
                       (unsigned long long)path_size - 1);
    if (name[0] == '/') {
        snprintf(path, path_size, "%s", name);
        return access(path, F_OK) == 0 ? WN_OK : wn_fail(err, WN_E_MISSING, "%s is not there", name);
    }
    wn_status status = look_up(&l, directory, err);
    buffer_free(&l.tried);
    return status;
}
