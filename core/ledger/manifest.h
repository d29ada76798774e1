/* manifest.h - RUN/manifest.json: with what a run was made; one entry for every start, the first and each resumption.
 *
 *     { "format": 1, "spec": HASH, "directory": where the spec's relative names start, "prompts": 12,
 *       "starts": [ {
 *         "time": "2026-11-23T08:00:00Z", "host": ..., "system": ..., "threads": 2,
 *         "winnow": { "version", "commit", "compiler" },
 *         "devices": [ { "name", "vendor", "driver", "uuid", "paths", "memory_bytes" } ],
 *         "plugins": [ { "use": "sampler", "name", "version", "path", "sha256", "identity" } ],
 *         "files":   [ { "path", "bytes", "modified", "sha256", "sha256_from" } ] } ],
 *       "rescored": [ { "verifier", "identity", "metrics": [ { "metric", "higher_is_better" } ] } ],
 *       "report": facts.h }
 *
 * sha256_from is "read", "link" (a hub cache's blob name), "before" (an earlier start read the same path, bytes and
 * time), or "not asked": then sha256 is null and size and time are all that is known. identity: a verifier's, see wn_verifier_ref.
 *
 * A start that goes on with recorded candidates is compared with the one before it: old and new scores must not mix. */
#ifndef WINNOW_LEDGER_MANIFEST_H
#define WINNOW_LEDGER_MANIFEST_H

#include "ledger/ledger.h"
#include "plugin/instance.h"

#include <winnow/device.h>

/* Larger files are hashed on request only. */
#define MANIFEST_HASH_BYTES ((uint64_t)2 << 30)

struct manifest_start {
    const struct spec *spec;
    const struct instances *instances;
    const wn_device_info *devices; // [device_count]
    uint32_t device_count;
    uint32_t threads;
    bool hash_weights;       /* --hash-weights: all files, whatever their size */
    struct ledger *ledger;   /* the run's; NULL: nothing is compared */
    struct process *process; /* progress and cancelled while files are hashed; may be NULL */
};

/* WN_E_ARG names a file that has changed under candidates that the ledger has, both hashes and the remedy. What may
 * change results but need not (another build of a plugin or of winnow, another file in use) is a warning in the log and
 * the ledger. */
wn_status manifest_append(const char *run_dir, const struct manifest_start *start, wn_error *err);

struct manifest_change {
    char first[400]; /* what differs first, of what may change results: a plugin, a file, the build, a device; "" = none */
};

/* Compares without writing anything: what is made now, of the instances that there are, with the run's last start.
 * WN_E_ARG names a file that has changed, with both hashes. Devices count too, which a run goes on without. */
wn_status manifest_compare(const char *run_dir, const struct manifest_start *now, struct manifest_change *change,
                           wn_error *err);

/* Lets a verifier that is not the spec's score the run's candidates under a name: the manifest's "rescored" keeps it,
 * and it is a judge of the report. WN_E_ARG when the run knows another verifier by that name. */
wn_status manifest_admit(const char *run_dir, const char *spec_hash, const char *name, const struct instance *verifier,
                         wn_error *err);

#endif
