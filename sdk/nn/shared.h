/* shared.h - one object for each key in the process: two verifiers that name the same CLIP folder on the same device
 * use one copy of its weights and programs.
 */
#ifndef WINNOW_NN_SHARED_H
#define WINNOW_NN_SHARED_H

#include "nn.h"

/* The object made for `key`, made now if it is not there: make(arg) fills *object, end(object) ends it. Others who ask
 * for the same key meanwhile wait. make must not call nn_shared_get. Each success is returned by one nn_shared_put.
 * [any] */
NN_API wn_status nn_shared_get(const char *key, wn_status (*make)(const void *arg, void **object, wn_error *err),
                               void (*end)(void *object), const void *arg, void **object, wn_error *err);
/* The last one ends the object. NULL is fine. [any] */
NN_API void nn_shared_put(void *object);

#endif
