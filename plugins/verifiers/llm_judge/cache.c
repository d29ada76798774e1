#include "cache.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ENTRY_MAX = 1024 };

/* ---- the directory ---- */

static wn_status choose(char *path, const char *given, wn_error *err)
{
    const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    int length;
    if (*given)
        length = snprintf(path, PATH_MAX, "%s", given);
    else if (base && *base == '/')
        length = snprintf(path, PATH_MAX, "%s/winnow/llm_judge", base);
    else if (home && *home)
        length = snprintf(path, PATH_MAX, "%s/.cache/winnow/llm_judge", home);
    else
        return wn_fail(err, WN_E_ARG,
                       "neither XDG_CACHE_HOME nor HOME is set; name a directory with the option cache, "
                       "or say \"off\"");
    if (length < 0 || length >= PATH_MAX - 100)
        return wn_fail(err, WN_E_ARG, "the path of the cache has %d bytes; the limit is %d", length, PATH_MAX - 101);
    return WN_OK;
}

static wn_status make_directories(char *path, wn_error *err)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const bool is_there = mkdir(path, 0777) == 0 || errno == EEXIST;
        const int why = errno;
        if (!is_there)
            return wn_fail(err, WN_E_IO, "cannot make %s for the cache: %s", path, strerror(why));
        *slash = '/';
    }
    if (mkdir(path, 0777) == 0 || (errno == EEXIST && access(path, R_OK | X_OK) == 0))
        return WN_OK;
    return wn_fail(err, WN_E_IO, "cannot use %s as the cache: %s", path, strerror(errno));
}

wn_status cache_open(struct cache *c, const char *given, wn_error *err)
{
    char path[PATH_MAX];
    c->directory = NULL;
    if (strcmp(given, "off") == 0)
        return WN_OK;
    WN_TRY(choose(path, given, err));
    WN_TRY(make_directories(path, err));
    c->directory = strdup(path);
    return c->directory ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for the path of the cache");
}

void cache_close(struct cache *c)
{
    free(c->directory);
    c->directory = NULL;
}

/* ---- entries ---- */

static bool read_entry(const char *text, size_t bytes, const char key[65], struct verdict *verdict)
{
    cJSON *entry = json_read(text, bytes);
    const cJSON *values = json_member(entry, "values"), *value;
    const char *name = json_text(entry, "key");
    bool is_good = name && strcmp(name, key) == 0 && cJSON_IsArray(values) &&
                   cJSON_GetNumberValue(json_member(entry, "schema")) == VERDICT_SCHEMA &&
                   cJSON_GetArraySize(values) == VERDICT_ASPECTS;
    int i = 0;
    if (is_good)
        cJSON_ArrayForEach(value, values)
        {
            is_good &= cJSON_IsNumber(value) && value->valuedouble >= 0 && value->valuedouble <= 100;
            verdict->value[i++] = value->valuedouble;
        }
    cJSON_Delete(entry);
    return is_good;
}

bool cache_get(const struct cache *c, const char key[65], struct verdict *verdict, bool *is_damaged)
{
    char path[PATH_MAX], text[ENTRY_MAX];
    *is_damaged = false;
    if (!c->directory)
        return false;
    snprintf(path, sizeof path, "%s/%s.json", c->directory, key);
    FILE *f = fopen(path, "rbe");
    if (!f)
        return false;
    const size_t bytes = fread(text, 1, sizeof text, f);
    fclose(f);
    const bool is_good = read_entry(text, bytes, key, verdict);
    *is_damaged = !is_good;
    return is_good;
}

static bool write_entry(FILE *f, const char key[65], const struct verdict *verdict)
{
    fprintf(f, "{\"schema\": %d, \"key\": \"%s\", \"values\": [", VERDICT_SCHEMA, key);
    for (int i = 0; i < VERDICT_ASPECTS; i++)
        fprintf(f, "%s%.17g", i ? ", " : "", verdict->value[i]);
    fprintf(f, "]}\n");
    return fflush(f) == 0 && !ferror(f);
}

wn_status cache_put(const struct cache *c, const char key[65], const struct verdict *verdict, wn_error *err)
{
    char path[PATH_MAX], fresh[PATH_MAX];
    if (!c->directory)
        return WN_OK;
    snprintf(path, sizeof path, "%s/%s.json", c->directory, key);
    snprintf(fresh, sizeof fresh, "%s/new-XXXXXX", c->directory);
    const int fd = mkstemp(fresh);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "wb");
    if (!f) {
        const int why = errno;
        if (fd >= 0)
            close(fd);
        return wn_fail(err, WN_E_IO, "cannot write into the cache %s: %s", c->directory, strerror(why));
    }
    bool is_written = write_entry(f, key, verdict);
    is_written &= fclose(f) == 0;
    if (is_written && rename(fresh, path) == 0)
        return WN_OK;
    const int why = errno;
    unlink(fresh);
    return wn_fail(err, WN_E_IO, "cannot write %s: %s", path, strerror(why));
}
