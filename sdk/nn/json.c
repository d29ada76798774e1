/* json.c - a JSON file as a cJSON tree.
 *
 * cJSON stops at the first complete value and keeps both of two equal keys, of which a lookup then finds the first. A
 * settings file with either is damaged or wants to be read in two ways, so both are refused here.
 */
#include "json.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_MAX_BYTES (64u << 20) /* a tokenizer.json of a large vocabulary has 20 MB */

static wn_status read_stream(FILE *from, const char *path, char **text, size_t *bytes, wn_error *err)
{
    struct stat s;
    if (fstat(fileno(from), &s) != 0 || !S_ISREG(s.st_mode))
        return wn_fail(err, WN_E_IO, "%s: is not a regular file", path);
    if (s.st_size > FILE_MAX_BYTES)
        return wn_fail(err, WN_E_FORMAT, "%s: has %lld bytes, at most %u are read", path, (long long)s.st_size,
                       FILE_MAX_BYTES);
    *text = malloc((size_t)s.st_size + 1);
    if (!*text)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %lld bytes", path, (long long)s.st_size);
    *bytes = fread(*text, 1, (size_t)s.st_size, from);
    (*text)[*bytes] = '\0';
    if (*bytes != (size_t)s.st_size)
        return wn_fail(err, WN_E_IO, "%s: cannot read: %s", path, ferror(from) ? strerror(errno) : "it became shorter");
    return WN_OK;
}

wn_status nn_file_read(const char *path, char **text, size_t *bytes, wn_error *err)
{
    *text = NULL;
    FILE *from = fopen(path, "rbe");
    if (!from)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", path, strerror(errno));
    wn_status status = read_stream(from, path, text, bytes, err);
    fclose(from);
    if (status != WN_OK) {
        free(*text);
        *text = NULL;
    }
    return status;
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* keys is scratch for as many pointers as the object has members. */
static wn_status check_object(const char *path, const cJSON *object, const char **keys, wn_error *err)
{
    size_t n = 0;
    for (const cJSON *item = object->child; item; item = item->next)
        keys[n++] = item->string;
    qsort(keys, n, sizeof(*keys), by_text);
    for (size_t i = 1; i < n; i++)
        if (strcmp(keys[i - 1], keys[i]) == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: key '%.200s' stands twice in one object", path, keys[i]);
    return WN_OK;
}

/* Recursion is as deep as cJSON allows: 1000. */
static wn_status check_keys(const char *path, const cJSON *node, wn_error *err)
{
    if (cJSON_IsObject(node) && node->child) {
        const char **keys = malloc((size_t)cJSON_GetArraySize(node) * sizeof(*keys));
        if (!keys)
            return wn_fail(err, WN_E_MEMORY, "%s: no memory to check its keys", path);
        wn_status status = check_object(path, node, keys, err);
        free(keys);
        WN_TRY(status);
    }
    for (const cJSON *item = node->child; item; item = item->next)
        if (item->child)
            WN_TRY(check_keys(path, item, err));
    return WN_OK;
}

wn_status nn_json_parse(const char *path, const char *text, size_t bytes, cJSON **out, wn_error *err)
{
    const char *stop = NULL;
    *out = cJSON_ParseWithLengthOpts(text, bytes + 1, &stop, 1); /* 1: the terminating 0 must follow the value */
    if (!*out || stop != text + bytes) {
        cJSON_Delete(*out);
        *out = NULL;
        return wn_fail(err, WN_E_FORMAT, "%s: is not JSON from byte %td on", path, stop ? stop - text : (ptrdiff_t)0);
    }
    wn_status status = check_keys(path, *out, err);
    if (status != WN_OK) {
        cJSON_Delete(*out);
        *out = NULL;
    }
    return status;
}

wn_status nn_json_read(const char *path, cJSON **out, wn_error *err)
{
    char *text;
    size_t bytes;
    *out = NULL;
    WN_TRY(nn_file_read(path, &text, &bytes, err));
    wn_status status = nn_json_parse(path, text, bytes, out, err);
    free(text);
    return status;
}
