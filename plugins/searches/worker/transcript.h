/* transcript.h - what env answered to a search, call by call, for the process that goes on where another died. */
#ifndef WINNOW_SEARCH_WORKER_TRANSCRIPT_H
#define WINNOW_SEARCH_WORKER_TRANSCRIPT_H

#include <worker/message.h>

#include <stdbool.h>

struct transcript_entry {
    uint64_t call; /* transcript_hash of the frame that called */
    cJSON *answer;
    void *data;
    uint64_t data_bytes;
    bool is_lost; /* the data were more than is kept */
};

enum { TRANSCRIPT_MAX_BYTES = 256 << 20 }; /* of data: states that a search looked at are large */

struct transcript {
    struct transcript_entry *entries; /* [count] */
    uint64_t count;
    uint64_t capacity;
    uint64_t bytes; /* of data */
    uint64_t next;  /* the entry that answers the next call; count = the call is new */
};

/* FNV-1a of text and data: calls that differ by mistake are told apart, not forgeries. */
uint64_t transcript_hash(const struct wn_frame *frame);

void transcript_rewind(struct transcript *t);
const struct transcript_entry *transcript_next(struct transcript *t); /* NULL past the last; moves on */

/* Takes answer and data, on failure (WN_E_MEMORY) too. */
wn_status transcript_add(struct transcript *t, const struct wn_frame *call, cJSON *answer, void *data,
                         uint64_t data_bytes);
void transcript_free(struct transcript *t);

#endif
