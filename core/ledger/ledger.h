/* ledger.h - what happened: one SQLite database for a run, the truth that resume, report and export read.
 *
 * One writer for a run (a lock on RUN/lock holds its pid; a second is refused with WN_E_ARG naming it); readers at any
 * time (WAL). Writes are queued and committed in groups: a row is durable within 100 ms, and an image is on disk,
 * whole, synced and under its name, before the row that names it is committed. Functions tagged [any] may be called from
 * every thread.
 *
 * Tables (all deterministic columns are functions of spec, seed and scores; times stand in columns of their own):
 *   meta(key TEXT PRIMARY KEY, value TEXT)                    -- schema version, spec hash, winnow version
 *   trials(id INTEGER PRIMARY KEY,                            -- index of the prompt in the run
 *          prompt_id TEXT, prompt TEXT, category TEXT, json TEXT,
 *          state TEXT, ended TEXT,                            -- open|done|failed; finished|budget, or the error
 *          nfe INTEGER, verifier_calls INTEGER, seconds REAL)
 *   candidates(trial INTEGER, id TEXT,                        -- id: hex of the hash of what made it
 *          ordinal INTEGER,                                   -- 1.. in the order in which the search first scored it
 *          point INTEGER, finished INTEGER,                   -- where on the schedule it was scored; 1 = clean
 *          parent TEXT, lineage TEXT,                         -- id or NULL; JSON: noise stream and operations
 *          nfe INTEGER,                                       -- spent on this candidate's own path
 *          nfe_total INTEGER,                                 -- the trial's total when it was scored
 *          image TEXT,                                        -- relative path or NULL
 *          sample_seconds REAL, decode_seconds REAL,
 *          PRIMARY KEY(trial, id))
 *   scores(trial INTEGER, candidate TEXT, verifier TEXT, metric TEXT, value REAL,  -- NULL = no opinion (NaN)
 *          seconds REAL, PRIMARY KEY(trial, candidate, verifier, metric))
 *   offers(trial INTEGER, ordinal INTEGER, candidate TEXT, PRIMARY KEY(trial, ordinal))
 *   events(time TEXT, kind TEXT, text TEXT)                   -- start, stop, warnings
 */
#ifndef WINNOW_LEDGER_LEDGER_H
#define WINNOW_LEDGER_LEDGER_H

#include <winnow/plugin.h>

#include <stdbool.h>

struct ledger;
struct sqlite3;

struct ledger_trial {
    uint64_t id;
    const wn_prompt *prompt;
    const char *state;
    const char *ended;
    uint64_t nfe;
    uint64_t verifier_calls;
    double seconds;
};

struct ledger_candidate {
    uint64_t trial;
    char id[33];
    uint64_t ordinal;
    uint64_t point;
    bool finished;
    char parent[33]; /* "" = none */
    const char *lineage;
    uint64_t nfe;
    uint64_t nfe_total;
    double sample_seconds;
    double decode_seconds;
};

struct ledger_score {
    const char *verifier;
    const char *metric;
    double value; /* NaN = no opinion */
    double seconds;
};

/* Opens or makes run_dir/ledger.db for writing. A run of another spec_hash is refused with WN_E_ARG naming both hashes
 * and the remedy. Existing rows stay: that is resume. */
wn_status ledger_open(const char *run_dir, const char *spec_hash, struct ledger **out, wn_error *err);
/* The same to look things up in, whoever writes at the time: nothing is made or locked, and what is recorded, offered
 * or told is forgotten. WN_E_MISSING: no run there. */
wn_status ledger_open_reading(const char *run_dir, struct ledger **out, wn_error *err);
/* Commits what is queued, checkpoints, gives up the lock. */
wn_status ledger_close(struct ledger *l, wn_error *err); /* NULL is fine */

/* Insert or update a trial's row; one that is done is never open again. With any state but "open" ledger_find no longer
 * knows its candidates: who asked for them has ended. [any] */
wn_status ledger_trial(struct ledger *l, const struct ledger_trial *t, wn_error *err);

/* Whether a trial's candidate is recorded with all `count` scores named by verifier and metric; fills their values.
 * Answers from an index in memory: what was recorded at open, and since, of trials that have not ended since.
 * found->lineage lives until then, or as long as the ledger.
 * [any] */
bool ledger_find(struct ledger *l, uint64_t trial, const char *candidate, uint64_t count, struct ledger_score *scores,
                 struct ledger_candidate *found);

/* Records a candidate with its scores, and its image (png bytes, copied; NULL = no image) under
 * images/PROMPT_ID/ID.png. Recording the same candidate again adds the scores it did not have. [any] */
wn_status ledger_record(struct ledger *l, const char *prompt_id, const struct ledger_candidate *c, const void *png,
                        uint64_t png_bytes, uint64_t score_count, const struct ledger_score *scores, wn_error *err);
wn_status ledger_offer(struct ledger *l, uint64_t trial, uint64_t ordinal, const char *candidate,
                       wn_error *err);                                                       /* [any] */
wn_status ledger_event(struct ledger *l, const char *kind, const char *text, wn_error *err); /* [any] */

uint64_t ledger_candidates(struct ledger *l); /* how many are recorded. [any] */

/* Waits until everything recorded before is durable. [any] */
wn_status ledger_flush(struct ledger *l, wn_error *err);

/* A failed write (disk full) makes every later call return the same error; err then says what is safe. [any] */
wn_status ledger_health(struct ledger *l, wn_error *err);

/* For readers (report, export): a read-only connection. Close with sqlite3_close. */
wn_status ledger_read(const char *run_dir, struct sqlite3 **db, wn_error *err);

#endif
