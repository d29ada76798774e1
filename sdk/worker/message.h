/* message.h - the JSON of frames: what a peer that nobody vouches for may say, read with one error for each mistake. */
#ifndef WINNOW_WORKER_MESSAGE_H
#define WINNOW_WORKER_MESSAGE_H

#include "frame.h"

#include <winnow/verifier.h>

#include <cjson/cJSON.h>

/* A frame's text as an object with a string "op". Free with cJSON_Delete. */
wn_status wn_message_parse(const struct wn_frame *frame, cJSON **message, wn_error *err);

const char *wn_message_op(const cJSON *message);
int wn_message_is(const cJSON *message, const char *op);

/* A member, or the fallback where it is absent or null; anything else is WN_E_FORMAT. */
wn_status wn_message_text(const cJSON *object, const char *key, const char *fallback, const char **text, wn_error *err);
wn_status wn_message_number(const cJSON *object, const char *key, double fallback, double *value, wn_error *err);
wn_status wn_message_u64(const cJSON *object, const char *key, uint64_t fallback, uint64_t *value, wn_error *err);
wn_status wn_message_bool(const cJSON *object, const char *key, int fallback, int *value, wn_error *err);

/* A message {"op": op, "id": id}; NULL without memory, which the adders then pass over. */
cJSON *wn_message_new(const char *op, uint64_t id);

/* The text to send, to be freed with cJSON_free; NULL without memory. */
char *wn_message_print(const cJSON *message);

/* {"op": "error"}: a status by its name ("argument", "memory", ...), and back. */
const char *wn_message_code(wn_status status);
/* The error that it says; *is_one is 0 where it is not well formed (WN_E_FORMAT). "cancelled" and "budget" are not a
 * program's to say. */
wn_status wn_message_fail(const cJSON *message, int *is_one, wn_error *err);

/* {"text", "id", "category", "record"}; NULL without memory. */
cJSON *wn_message_prompt(const wn_prompt *prompt);

/* A verifier's nature as a worker's "ready" tells it, and back. The metrics' names point into the message. metrics has
 * room for 64. */
void wn_message_put_verifier(cJSON *message, const wn_verifier *v);
wn_status wn_message_get_verifier(const cJSON *message, wn_metric metrics[64], wn_verifier_info *info, wn_error *err);

#endif
