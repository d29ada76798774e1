/* rig.h - verifiers made from a spec, asked about one-pixel pictures. */
#ifndef WINNOW_TESTS_RIG_H
#define WINNOW_TESTS_RIG_H

#include "plugin/instance.h"

#include <stdbool.h>

enum { RIG_MAX = 64 }; /* pictures in a request, and metrics of a verifier */

struct rig {
    struct process process;
    struct spec *spec;
    struct instances *instances;
    char log[8192]; /* lines so far */
    wn_error err;   /* of the last call */
};

struct rig_set {
    uint32_t count;
    uint8_t rgb[RIG_MAX][3];
    uint8_t preview[RIG_MAX][3];
    bool has_previews;
    const char *prompt[RIG_MAX]; /* NULL = "a" */
};

/* verifiers: the JSON object of a spec. */
wn_status rig_open(struct rig *r, const char *verifiers);
void rig_close(struct rig *r);

const wn_verifier *rig_verifier(const struct rig *r, const char *name);
const char *rig_identity(const struct rig *r, const char *name);
/* scores: [count][metric_count]. */
wn_status rig_score(struct rig *r, const char *name, const struct rig_set *set, double *scores);

/* Fills a set from rows of (a, b, c). */
struct rig_set rig_set(uint32_t count, const uint8_t (*rgb)[3]);

int *rig_counter(const char *name); /* of probe.c */

#endif
