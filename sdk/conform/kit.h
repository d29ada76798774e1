/* kit.h - what the checks share. Internal to sdk/conform. */
#ifndef WINNOW_CONFORM_KIT_H
#define WINNOW_CONFORM_KIT_H

#include "conform.h"

#include <stdbool.h>

struct kit {
    const struct conform_subject *subject;
    wn_host host;        /* the subject's, with the kit's hands in between */
    bool is_cancelled;   /* what host.cancelled says */
    bool runs_backwards; /* parallel_for counts down */
    uint32_t failures;
    char why[1400]; /* of the check under way; "" = it holds */
};

/* One check: notes at most one finding with kit_fail. */
struct check {
    const char *name;
    void (*run)(struct kit *k, void *self);
    bool without_instance; /* self is NULL */
};

/* The first finding of a check stays. */
WN_PRINTF(2, 3) void kit_fail(struct kit *k, const char *format, ...);
/* The check cannot be made here. */
WN_PRINTF(2, 3) void kit_skip(struct kit *k, const char *format, ...);
bool kit_make(struct kit *k, void **self); /* a finding and false when create fails */
void kit_end(struct kit *k, void *self);
/* What a call that may fail should have said: a known code, and a message of one line. */
void kit_check_error(struct kit *k, const char *what, wn_status status, const wn_error *err);

/* Pseudo-random bytes and normal values that are the same everywhere. */
uint32_t kit_random(uint64_t *state);
void kit_noise(uint64_t seed, float *dst, uint64_t n);

/* Checks of a kind, ended by a NULL name. `exercise` calls what there is to call once: for checks that look at what
 * happens meanwhile. It returns the first failure. */
struct kind_checks {
    const struct check *checks;
    wn_status (*exercise)(struct kit *k, void *self, wn_error *err);
};
const struct kind_checks *kit_verifier_checks(void);
const struct kind_checks *kit_sampler_checks(void);
const struct kind_checks *kit_search_checks(void);

/* What is printed until kit_hear goes to a file without a name. */
struct kit_catcher {
    int file, out, error;
};
bool kit_listen(struct kit_catcher *c); /* false: the system gave no file */
/* Whether anything was printed; text: its first line that is not empty. */
bool kit_hear(struct kit_catcher *c, char *text, uint64_t size);

/* surroundings.c: checks of every kind. */
void kit_check_symbols(struct kit *k, void *self);
void kit_check_lives(struct kit *k, void *self);
void kit_check_leaks(struct kit *k, void *self);
void kit_check_silence(struct kit *k, void *self);
void kit_check_state(struct kit *k, void *self);
void kit_check_globals(struct kit *k, void *self);
void kit_check_memory(struct kit *k, void *self);
wn_status kit_exercise(struct kit *k, void *self, wn_error *err);

#endif
