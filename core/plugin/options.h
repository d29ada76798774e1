/* options.h - the binder: a JSON object, checked against a wn_option table and stored into the plugin's struct.
 *
 * Core's own keys (canvas, budget, engine, ...) are wn_option tables too, so checks, messages, defaults, the resolved
 * spec, the schema and `winnow describe` are one mechanism.
 */
#ifndef WINNOW_PLUGIN_OPTIONS_H
#define WINNOW_PLUGIN_OPTIONS_H

#include "spec/problems.h"

/* Fills dst (zeroed, options_size bytes) from object, or from the fallbacks where it, or a key of it, is missing.
 * `at` is where a missing required option is reported: the object, or its parent with at_key. Strings go to the arena.
 * Keys that are not in the table are not looked at: see options_check_keys. Of a list of searches it is only checked
 * that it is one: see load_parts. */
void options_bind(const wn_option *table, const struct tree_node *object, const struct tree_node *at,
                  const char *at_key, void *dst, struct arena *arena, struct problems *problems);

/* Reports every key of object that stands in none of the tables nor in `others` (separated by '|', may be NULL). */
void options_check_keys(const struct tree_node *object, const wn_option *const *tables, uint32_t table_count,
                        const char *others, struct problems *problems);

/* Puts every option of a filled struct into object as its JSON value, but for lists of searches. False when memory ran
 * out. */
bool options_write(const wn_option *table, const void *src, struct tree_node *object, struct arena *arena);

/* A plugin author's mistakes: unnamed or doubled rows, unknown types, members outside the struct, fallbacks that the
 * row itself does not accept. */
wn_status options_check_table(const wn_option *table, uint64_t options_size, wn_error *err);

const char *options_type_name(int32_t type); /* "number" */
/* "1..64", "cosine|gaussian" or "" into text. */
const char *options_range(const wn_option *option, char *text, uint64_t size);

#endif
