/* harness.h - runs an experiment from a spec's text and tells what it left in the ledger. */
#ifndef WINNOW_TESTS_HARNESS_H
#define WINNOW_TESTS_HARNESS_H

#include "engine/experiment.h"

struct harness_run {
    const char *spec;                /* JSON text; the output is given by `directory` */
    const char *const *set;          /* "a.b=VALUE", as --set takes them; ends with NULL; may be NULL */
    const char *directory;           /* run directory */
    double cancel_after_ms;          /* 0 = never; cancels as Ctrl-C does */
    struct experiment_result result; /* out */
    wn_search_plan plan;             /* out: for one prompt */
    wn_error err;                    /* out */
};

/* A fresh directory for a test's runs: below the build tree, emptied first. */
const char *harness_directory(const char *test, const char *run);

wn_status harness_execute(struct harness_run *run);

/* Everything deterministic in the run's ledger as text: rows and the names and bytes (hashes) of its pictures. free()
 * it. */
char *harness_digest(const char *directory);
/* The first line in which two digests differ, as "got ... want ..."; "" when they are equal. Static memory. */
const char *harness_difference(const char *got, const char *want);
/* One number from the ledger; NaN for NULL. */
double harness_number(const char *directory, const char *sql);

#endif
