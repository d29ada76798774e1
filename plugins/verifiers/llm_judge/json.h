/* json.h - JSON as strangers send it, read without cJSON's leniencies; and JSON built with one check at the end. */
#ifndef LLM_JUDGE_JSON_H
#define LLM_JUDGE_JSON_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>

/* One JSON value with nothing behind it, no object with a key twice; NULL otherwise. cJSON_Delete it. [any] */
cJSON *json_read(const char *text, size_t bytes);

/* A member by its exact name; NULL where object is none or has none. */
const cJSON *json_member(const cJSON *object, const char *name);
/* The member's text; NULL where it is none. */
const char *json_text(const cJSON *object, const char *name);

/* Puts a member into an object, or (name NULL) an item into an array, and returns it. What fails for want of memory
 * sets *failed and returns NULL; a NULL parent is fine, so only the end needs a look. text is not copied: it must live
 * as long as the tree. */
cJSON *json_put(cJSON *parent, const char *name, cJSON *item, bool *failed);
cJSON *json_put_object(cJSON *parent, const char *name, bool *failed);
cJSON *json_put_array(cJSON *parent, const char *name, bool *failed);
void json_put_text(cJSON *parent, const char *name, const char *text, bool *failed);
void json_put_number(cJSON *parent, const char *name, double number, bool *failed);

/* RFC 7396: members of patch replace those of target, objects are merged, null removes. */
void json_merge(cJSON *target, const cJSON *patch, bool *failed);

#endif
