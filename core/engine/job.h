/* job.h - one candidate on its way through the engine, and the set it is scored in.
 *
 * A job is made by its trial, sampled by the batcher, given an image by the decoder and scores by the lanes, and ends
 * in the recorder. It is held by its set until the set has decided about its picture, and by every judge; the last to
 * let go passes it on. The trial waits for the guide alone: judges and the recorder work behind its back.
 */
#ifndef WINNOW_ENGINE_JOB_H
#define WINNOW_ENGINE_JOB_H

#include "engine/trial.h"

struct job {
    struct task task; /* owner: the job */
    struct trial *trial;
    struct set *set; /* until the guide has spoken */
    uint32_t entry;  /* of the set */
    atomic_uint holders;
    atomic_bool is_discarded; /* failed or interrupted: not to be recorded */
    bool keeps_picture;
    bool is_cached;      /* its image came from the cache */
    struct claim *claim; /* of reuse.h: others wait for its image; NULL = none */
    bool has_room;       /* its image counts as alive, or its place is reserved */
    wn_image image;      /* rgb is the job's own */
    struct ledger_candidate record;
    char *lineage;
    uint32_t score_count;
    struct ledger_score *scores; /* [score_count]: the columns, of which an unfinished sample has the guide's; without a
                                  * metric where the verifier failed */
    bool *is_known;              /* [score_count]: from the cache, nobody is asked */
    struct job **next;           /* one link for each queue */
};

/* One sample of a set, in the search's order. */
struct entry {
    struct job *job; /* NULL: its score was known */
    bool is_finished;
    bool is_judged;  /* finished, and new to the trial: judges are to see it */
    bool is_decoded; /* its job has an image */
    bool is_done;
    double score; /* higher is better */
};

/* The samples of one call of score. Lives on the trial's thread; guarded by the trial's mutex. */
struct set {
    struct trial *trial;
    uint32_t count;
    struct entry *entries;
    uint32_t decided;   /* entries of whose pictures is known whether they are kept */
    bool has_lost;      /* one of those failed or was interrupted */
    uint32_t remaining; /* jobs without the guide's word, and those who still read the set */
    uint32_t judges;    /* comparative ones that read the set */
    uint32_t undecoded; /* jobs that neither have an image nor failed; kept where someone compares */
    double seconds;     /* the jobs', as budgets count them */
    wn_status status;
    wn_error err;
};

enum { LINK_DECODER, LINK_RECORDER, LINK_FIRST_LANE };

/* Jobs handed from thread to thread, linked through next[link]: pushing needs no memory and cannot fail. */
struct job_queue {
    pthread_mutex_t mutex;
    pthread_cond_t filled;
    struct job *head;
    struct job **tail;
    uint32_t link;
    bool is_closed;
};

void job_queue_init(struct job_queue *q, uint32_t link);
void job_queue_finish(struct job_queue *q);
void job_queue_push(struct job_queue *q, uint32_t count, struct job *const *jobs);
/* Waits for jobs and takes up to max of them; 0 once the queue is closed and empty. */
uint32_t job_queue_pop(struct job_queue *q, uint32_t max, struct job **jobs);
void job_queue_close(struct job_queue *q);

/* A job of entry `entry`, held by its set; NULL when memory ran out. lanes: number of links beyond the fixed ones. */
struct job *job_create(struct set *set, uint32_t entry, uint32_t score_count, uint32_t lanes);
void job_release(struct job *job); /* the last one passes it to the recorder, or frees it when discarded */
void job_free(struct job *job);

/* Decides about pictures as far as scores are known, in the search's order, whatever the order in which they come. */
void set_decide(struct set *set);
/* The guide has spoken of the job (or it failed): its score stands in job->scores. Wakes the trial after the last. */
void set_guide_done(struct set *set, struct job *job);
/* The set stays while somebody reads it: released by comparative judges, which make_jobs counts in, and whoever holds
 * it. */
void set_hold(struct set *set);
void set_release(struct set *set);
/* The first failure is the set's. */
void set_note_failure(struct set *set, wn_status status, const wn_error *err);
/* The job cannot be scored. */
void set_fail(struct job *job, wn_status status, const wn_error *err);

#endif
