/* json.c - cJSON stops at the first complete value and keeps both of two equal keys, of which a lookup finds the first.
 * What can be read in two ways is refused here. */
#include "json.h"

#include <stdlib.h>
#include <string.h>

/* ---- reading ---- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has_key_twice(const cJSON *object)
{
    const size_t count = (size_t)cJSON_GetArraySize(object);
    const char **keys = malloc(count * sizeof *keys);
    bool is_twice = !keys; /* without memory it is not taken */
    size_t n = 0;
    for (const cJSON *item = object->child; item && keys; item = item->next)
        keys[n++] = item->string;
    if (keys)
        qsort(keys, n, sizeof *keys, by_text);
    for (size_t i = 1; i < n; i++)
        is_twice |= strcmp(keys[i - 1], keys[i]) == 0;
    free(keys);
    return is_twice;
}

/* Recursion is as deep as cJSON let the text be: 1000. */
static bool is_plain(const cJSON *node)
{
    if (cJSON_IsObject(node) && node->child && has_key_twice(node))
        return false;
    for (const cJSON *item = node->child; item; item = item->next)
        if (item->child && !is_plain(item))
            return false;
    return true;
}

static bool is_space(const char *text, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        if (!strchr(" \t\r\n", text[i]) || !text[i])
            return false;
    return true;
}

cJSON *json_read(const char *text, size_t bytes)
{
    const char *stop = NULL;
    if (memchr(text, '\0', bytes))
        return NULL; /* would end a string of cJSON's */
    cJSON *root = cJSON_ParseWithLengthOpts(text, bytes, &stop, 0);
    if (root && is_space(stop, bytes - (size_t)(stop - text)) && is_plain(root))
        return root;
    cJSON_Delete(root);
    return NULL;
}

const cJSON *json_member(const cJSON *object, const char *name)
{
    return cJSON_IsObject(object) ? cJSON_GetObjectItemCaseSensitive(object, name) : NULL;
}

const char *json_text(const cJSON *object, const char *name)
{
    return cJSON_GetStringValue(json_member(object, name));
}

/* ---- building ---- */

cJSON *json_put(cJSON *parent, const char *name, cJSON *item, bool *failed)
{
    if (parent && item && (name ? cJSON_AddItemToObject(parent, name, item) : cJSON_AddItemToArray(parent, item)))
        return item;
    cJSON_Delete(item);
    *failed = true;
    return NULL;
}

cJSON *json_put_object(cJSON *parent, const char *name, bool *failed)
{
    return json_put(parent, name, cJSON_CreateObject(), failed);
}

cJSON *json_put_array(cJSON *parent, const char *name, bool *failed)
{
    return json_put(parent, name, cJSON_CreateArray(), failed);
}

void json_put_text(cJSON *parent, const char *name, const char *text, bool *failed)
{
    json_put(parent, name, cJSON_CreateStringReference(text), failed);
}

void json_put_number(cJSON *parent, const char *name, double number, bool *failed)
{
    json_put(parent, name, cJSON_CreateNumber(number), failed);
}

void json_merge(cJSON *target, const cJSON *patch, bool *failed)
{
    for (const cJSON *item = patch ? patch->child : NULL; item; item = item->next) {
        cJSON *old = cJSON_GetObjectItemCaseSensitive(target, item->string);
        if (cJSON_IsObject(old) && cJSON_IsObject(item)) {
            json_merge(old, item, failed);
            continue;
        }
        cJSON_DeleteItemFromObjectCaseSensitive(target, item->string);
        if (!cJSON_IsNull(item))
            json_put(target, item->string, cJSON_Duplicate(item, 1), failed);
    }
}
