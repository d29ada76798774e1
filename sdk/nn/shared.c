/* shared.c - the process's list of shared objects: a handful, so a linked list under one lock. */
#include "shared.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *next;
    void *object;
    void (*end)(void *object);
    uint64_t users;
    char key[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;

static struct entry *find(const char *key)
{
    struct entry *e = entries;
    while (e && strcmp(e->key, key) != 0)
        e = e->next;
    return e;
}

static wn_status add(const char *key, wn_status (*make)(const void *arg, void **object, wn_error *err),
                     void (*end)(void *object), const void *arg, struct entry **out, wn_error *err)
{
    struct entry *e = calloc(1, sizeof *e + strlen(key) + 1);
    if (!e)
        return wn_fail(err, WN_E_MEMORY, "out of memory for \"%s\"", key);
    const wn_status status = make(arg, &e->object, err);
    if (status != WN_OK) {
        free(e);
        return status;
    }
    memcpy(e->key, key, strlen(key) + 1);
    e->end = end;
    e->next = entries;
    entries = *out = e;
    return WN_OK;
}

wn_status nn_shared_get(const char *key, wn_status (*make)(const void *arg, void **object, wn_error *err),
                        void (*end)(void *object), const void *arg, void **object, wn_error *err)
{
    pthread_mutex_lock(&lock);
    struct entry *e = find(key);
    const wn_status status = e ? WN_OK : add(key, make, end, arg, &e, err);
    if (status == WN_OK) {
        e->users++;
        *object = e->object;
    }
    pthread_mutex_unlock(&lock);
    return status;
}

void nn_shared_put(void *object)
{
    if (!object)
        return;
    pthread_mutex_lock(&lock);
    struct entry **at = &entries;
    while (*at && (*at)->object != object)
        at = &(*at)->next;
    struct entry *e = *at;
    if (e && --e->users == 0) {
        *at = e->next;
        e->end(e->object);
        free(e);
    }
    pthread_mutex_unlock(&lock);
}
