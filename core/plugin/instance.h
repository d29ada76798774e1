/* instance.h - live plugin instances: the host table each is given, and the graph of verifiers over verifiers. */
#ifndef WINNOW_PLUGIN_INSTANCE_H
#define WINNOW_PLUGIN_INSTANCE_H

#include "spec/spec.h"

#include <stdatomic.h>

struct pool;
struct registry;
struct wn_device_info;
struct wn_question; /* winnow/choice.h */

/* What all instances of a process share; owned by the command. */
struct process {
    struct registry *registry;
    struct pool *pool;
    atomic_int cancelled; /* set by the signal handler */
    void (*progress)(void *arg, double done, double total, const char *what); /* may be NULL */
    void *progress_arg;
    /* As wn_choice.ask; NULL where nobody can be asked. */
    wn_status (*ask)(void *arg, const struct wn_question *question, int32_t *answer, wn_error *err);
    void *ask_arg;
};

struct instance {
    const struct spec_use *use;
    wn_host host;
    void *self;
    wn_verifier verifier; /* a verifier's vtable, with the metrics, flags and limits of this instance */
    char identity[65];    /* a verifier's, see wn_verifier_ref; a sampler's is made in the same way */
};

struct instances {
    struct instance sampler;
    struct instance search;
    struct instance *verifiers; /* spec.verifier_count, same order */
    const char **files;         /* every file named through uses_file, without duplicates */
    uint32_t file_count;
    void *memory;
};

enum { INSTANCES_SAMPLER = 1, INSTANCES_SEARCH = 2, INSTANCES_VERIFIERS = 4 };

/* Creates what `which` names, in order: sampler, verifiers (inputs first), search. Error messages are prefixed with the
 * instance's JSON pointer and plugin name. */
wn_status instances_create(const struct spec *spec, struct process *process, uint32_t which, struct instances **out,
                           wn_error *err);
void instances_destroy(struct instances *i); /* NULL is fine */

/* Runs one after the other can share sampler and verifiers, so that models are loaded once. instances_fit: whether
 * spec's would be made as these were; not where a verifier asks a network, whose limits count for one run. Then
 * instances_serve has them work for spec, with its search, until instances_rest ends that search; the first spec, whose
 * options the others read, is there all the time. After a failure of instances_serve only destruction is left. */
bool instances_fit(const struct instances *i, const struct spec *spec);
wn_status instances_serve(struct instances *i, const struct spec *spec, wn_error *err);
void instances_rest(struct instances *i);

/* What is known of the devices that are open, into info[capacity]; returns how many were filled. */
uint32_t instances_devices(const struct instances *i, struct wn_device_info *info, uint32_t capacity);

/* wn_host.resolve: see plugin.h. directory: where relative names start. */
wn_status resolve_name(const char *directory, const char *name, char *path, uint64_t path_size, wn_error *err);

#endif
