/* The threads that record must not wait for the disk, so what they record is copied: first its size is summed, then one
 * allocation is cut into the struct and its strings. */
#include "ledger/op.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct op *make(int32_t kind, uint64_t extra, char **room)
{
    uint64_t bytes;
    if (__builtin_add_overflow(sizeof(struct op), extra, &bytes))
        return NULL;
    struct op *op = calloc(1, (size_t)bytes);
    if (!op)
        return NULL;
    op->kind = kind;
    op->bytes = bytes;
    *room = (char *)(op + 1);
    return op;
}

static uint64_t room_for(const char *text)
{
    return text ? strlen(text) + 1 : 1;
}

static const char *keep(char **room, const char *text)
{
    char *copy = *room;
    uint64_t bytes = room_for(text);
    if (text)
        memcpy(copy, text, (size_t)bytes);
    *room += bytes;
    return copy;
}

struct op *op_trial(const struct ledger_trial *t)
{
    const wn_prompt *p = t->prompt;
    char *room;
    struct op *op = make(OP_TRIAL,
                         room_for(p->id) + room_for(p->text) + room_for(p->category) + room_for(p->json) +
                             room_for(t->state) + room_for(t->ended),
                         &room);
    if (!op)
        return NULL;
    op->trial.row = *t;
    op->trial.row.prompt = &op->trial.prompt;
    op->trial.row.state = keep(&room, t->state);
    op->trial.row.ended = keep(&room, t->ended);
    op->trial.prompt.id = keep(&room, p->id);
    op->trial.prompt.text = keep(&room, p->text);
    op->trial.prompt.category = keep(&room, p->category);
    op->trial.prompt.json = keep(&room, p->json);
    return op;
}

static uint64_t candidate_room(const char *image, const struct ledger_candidate *c, uint64_t png_bytes,
                               uint64_t score_count, const struct ledger_score *scores)
{
    uint64_t bytes = room_for(image) + room_for(c->lineage) + png_bytes + score_count * sizeof *scores;
    for (uint64_t i = 0; i < score_count; i++)
        bytes += room_for(scores[i].verifier) + room_for(scores[i].metric);
    return bytes;
}

struct op *op_candidate(const char *image, const struct ledger_candidate *c, const void *png, uint64_t png_bytes,
                        uint64_t score_count, const struct ledger_score *scores)
{
    char *room;
    struct op *op = make(OP_CANDIDATE, candidate_room(image, c, png_bytes, score_count, scores), &room);
    if (!op)
        return NULL;
    op->candidate.scores = (struct ledger_score *)(void *)room; /* first, where it is aligned */
    op->candidate.score_count = score_count;
    room += score_count * sizeof *scores;
    for (uint64_t i = 0; i < score_count; i++) {
        op->candidate.scores[i] = scores[i];
        op->candidate.scores[i].verifier = keep(&room, scores[i].verifier);
        op->candidate.scores[i].metric = keep(&room, scores[i].metric);
    }
    op->candidate.row = *c;
    op->candidate.row.lineage = keep(&room, c->lineage);
    op->candidate.image = image ? keep(&room, image) : NULL;
    op->candidate.png = png ? memcpy(room, png, (size_t)png_bytes) : NULL;
    op->candidate.png_bytes = png_bytes;
    return op;
}

struct op *op_offer(uint64_t trial, uint64_t ordinal, const char *candidate)
{
    char *room;
    struct op *op = make(OP_OFFER, 0, &room);
    if (!op)
        return NULL;
    op->offer.trial = trial;
    op->offer.ordinal = ordinal;
    snprintf(op->offer.candidate, sizeof op->offer.candidate, "%s", candidate);
    return op;
}

static void stamp(char out[32])
{
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t n = strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &utc);
    snprintf(out + n, 32 - n, ".%03dZ", (int)(now.tv_nsec / 1000000));
}

struct op *op_event(const char *kind, const char *text)
{
    char *room;
    struct op *op = make(OP_EVENT, room_for(kind) + room_for(text), &room);
    if (!op)
        return NULL;
    op->event.kind = keep(&room, kind);
    op->event.text = keep(&room, text);
    stamp(op->event.time);
    return op;
}
