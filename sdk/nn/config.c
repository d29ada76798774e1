/* config.c - typed reading of JSON settings, with errors that say where and what.
 *
 * When a file is opened every object in it that is reached by keys gets a node that knows its JSON pointer, so that
 * reading later needs neither memory nor locks.
 */
#include "config.h"

#include "json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct nn_config {
    const struct nn_config *root;
    struct nn_config *next; /* the root's list of all its nodes */
    const char *file;
    char *pointer; /* "" for the root, "/text_config" below it */
    const cJSON *json;
    cJSON *tree;     /* owned; root only */
    char *file_name; /* owned; root only */
};

/* ---- opening ---- */

static wn_status add_children(nn_config *root, const nn_config *parent, wn_error *err);

static wn_status add_node(nn_config *root, const nn_config *parent, const cJSON *json, wn_error *err)
{
    nn_config *c = calloc(1, sizeof *c);
    if (!c || asprintf(&c->pointer, "%s/%s", parent->pointer, json->string) < 0) {
        free(c);
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", root->file);
    }
    c->root = root;
    c->file = root->file;
    c->json = json;
    c->next = root->next;
    root->next = c;
    return add_children(root, c, err);
}

static wn_status add_children(nn_config *root, const nn_config *parent, wn_error *err)
{
    for (const cJSON *item = parent->json->child; item; item = item->next)
        if (cJSON_IsObject(item))
            WN_TRY(add_node(root, parent, item, err));
    return WN_OK;
}

/* text: NULL = read the file `name`. */
static wn_status load(nn_config *root, const char *name, const char *text, wn_error *err)
{
    root->root = root;
    root->file = root->file_name = strdup(name);
    root->pointer = strdup("");
    if (!root->file || !root->pointer)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", name);
    WN_TRY(text ? nn_json_parse(name, text, strlen(text), &root->tree, err) : nn_json_read(name, &root->tree, err));
    if (!cJSON_IsObject(root->tree))
        return wn_fail(err, WN_E_FORMAT, "%s: is not a JSON object", name);
    root->json = root->tree;
    return add_children(root, root, err);
}

static wn_status open(const char *name, const char *text, nn_config **out, wn_error *err)
{
    *out = NULL;
    nn_config *root = calloc(1, sizeof *root);
    if (!root)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", name);
    wn_status status = load(root, name, text, err);
    if (status != WN_OK) {
        nn_config_close(root);
        return status;
    }
    *out = root;
    return WN_OK;
}

wn_status nn_config_open(const char *path, nn_config **out, wn_error *err)
{
    return open(path, NULL, out, err);
}

wn_status nn_config_parse(const char *name, const char *text, nn_config **out, wn_error *err)
{
    return open(name, text, out, err);
}

void nn_config_close(nn_config *root)
{
    if (!root)
        return;
    cJSON_Delete(root->tree);
    free(root->file_name);
    for (nn_config *c = root, *next; c; c = next) {
        next = c->next;
        free(c->pointer);
        free(c);
    }
}

/* ---- reading ---- */

const char *nn_config_file(const nn_config *c)
{
    return c->file;
}

/* The value of a key, or NULL where it is absent or null. */
static const cJSON *get(const nn_config *c, const char *key)
{
    const cJSON *item = cJSON_GetObjectItemCaseSensitive(c->json, key);
    return cJSON_IsNull(item) ? NULL : item;
}

static wn_status wrong_type(const nn_config *c, const char *key, const char *wanted, const cJSON *item, wn_error *err)
{
    char *found = cJSON_PrintUnformatted(item);
    wn_fail(err, WN_E_FORMAT, "%s: %s/%s is %.100s, want %s", c->file, c->pointer, key, found ? found : "?", wanted);
    cJSON_free(found);
    return err->code;
}

bool nn_config_has(const nn_config *c, const char *key)
{
    return get(c, key) != NULL;
}

wn_status nn_config_require(const nn_config *c, const char *key, wn_error *err)
{
    if (!get(c, key))
        return wn_fail(err, WN_E_MISSING, "%s: no %s/%s", c->file, c->pointer, key);
    return WN_OK;
}

static bool is_integer(const cJSON *item)
{
    return cJSON_IsNumber(item) && fabs(item->valuedouble) <= 0x1p53 && item->valuedouble == floor(item->valuedouble);
}

wn_status nn_config_int(const nn_config *c, const char *key, int64_t fallback, int64_t *out, wn_error *err)
{
    const cJSON *item = get(c, key);
    if (item && !is_integer(item))
        return wrong_type(c, key, "an integer", item, err);
    *out = item ? (int64_t)item->valuedouble : fallback;
    return WN_OK;
}

wn_status nn_config_number(const nn_config *c, const char *key, double fallback, double *out, wn_error *err)
{
    const cJSON *item = get(c, key);
    if (item && !(cJSON_IsNumber(item) && isfinite(item->valuedouble)))
        return wrong_type(c, key, "a number", item, err);
    *out = item ? item->valuedouble : fallback;
    return WN_OK;
}

wn_status nn_config_bool(const nn_config *c, const char *key, bool fallback, bool *out, wn_error *err)
{
    const cJSON *item = get(c, key);
    if (item && !cJSON_IsBool(item))
        return wrong_type(c, key, "true or false", item, err);
    *out = item ? cJSON_IsTrue(item) : fallback;
    return WN_OK;
}

wn_status nn_config_string(const nn_config *c, const char *key, const char *fallback, const char **out, wn_error *err)
{
    const cJSON *item = get(c, key);
    if (item && !cJSON_IsString(item))
        return wrong_type(c, key, "a string", item, err);
    *out = item ? item->valuestring : fallback;
    return WN_OK;
}

/* The list under a key, NULL when absent; at most `capacity` items. */
static wn_status get_list(const nn_config *c, const char *key, uint32_t capacity, const cJSON **out, wn_error *err)
{
    *out = get(c, key);
    if (*out && !cJSON_IsArray(*out))
        return wrong_type(c, key, "a list", *out, err);
    if (*out && (uint32_t)cJSON_GetArraySize(*out) > capacity)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: %s/%s has %d items, at most %u are supported", c->file, c->pointer,
                       key, cJSON_GetArraySize(*out), capacity);
    return WN_OK;
}

wn_status nn_config_ints(const nn_config *c, const char *key, int64_t *out, uint32_t capacity, uint32_t *count,
                         wn_error *err)
{
    const cJSON *list;
    WN_TRY(get_list(c, key, capacity, &list, err));
    if (!list)
        return WN_OK;
    *count = 0;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!is_integer(item))
            return wrong_type(c, key, "a list of integers", list, err);
        out[(*count)++] = (int64_t)item->valuedouble;
    }
    return WN_OK;
}

wn_status nn_config_numbers(const nn_config *c, const char *key, double *out, uint32_t capacity, uint32_t *count,
                            wn_error *err)
{
    const cJSON *list;
    WN_TRY(get_list(c, key, capacity, &list, err));
    if (!list)
        return WN_OK;
    *count = 0;
    for (const cJSON *item = list->child; item; item = item->next) {
        if (!cJSON_IsNumber(item))
            return wrong_type(c, key, "a list of numbers", list, err);
        out[(*count)++] = item->valuedouble;
    }
    return WN_OK;
}

wn_status nn_config_string_at(const nn_config *c, const char *key, uint32_t i, const char **out, wn_error *err)
{
    const cJSON *list;
    *out = NULL;
    WN_TRY(get_list(c, key, UINT32_MAX, &list, err));
    const cJSON *item = list && i <= INT32_MAX ? cJSON_GetArrayItem(list, (int)i) : NULL;
    if (!item || cJSON_IsNull(item))
        return WN_OK;
    if (!cJSON_IsString(item))
        return wrong_type(c, key, "a list of strings", list, err);
    *out = item->valuestring;
    return WN_OK;
}

wn_status nn_config_object(const nn_config *c, const char *key, const nn_config **out, wn_error *err)
{
    const cJSON *item = get(c, key);
    *out = NULL;
    if (!item)
        return WN_OK;
    if (!cJSON_IsObject(item))
        return wrong_type(c, key, "an object", item, err);
    for (const nn_config *node = c->root; node; node = node->next)
        if (node->json == item)
            *out = node;
    return WN_OK;
}
