/* ask.c - the loop: what is due is sent, what comes is read, what failed is put off, until every question is settled.
 *
 * All of it runs in the thread that scores, so nothing here is locked. Nothing about an answer depends on when or in
 * which order it came, only whether it came.
 */
#include "judge.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { COMPLAINTS_MAX = 20, CLOSE_AFTER = 5, TICK_MS = 50 };
/* What a request is taken to have cost whose reply does not say. */
enum { BYTES_OF_TOKEN = 3, TOKENS_OF_PICTURE = 1000 };

struct round {
    struct judge *j;
    struct picture *pictures;
    struct question *questions;
    uint64_t count;
    uint64_t first; /* all before it are settled */
    uint64_t open;
};

/* ---- the end of a question ---- */

static void settle(struct round *r, struct question *q)
{
    q->is_open = q->is_running = false;
    r->open--;
    for (uint32_t i = 0; i < q->picture_count; i++) {
        struct picture *p = &r->pictures[q->picture[i]];
        if (--p->questions == 0) {
            free(p->uri);
            p->uri = NULL;
        }
    }
}

static void give_up(struct round *r, struct question *q, const char *why)
{
    struct judge *j = r->j;
    const int32_t level = j->complaints < COMPLAINTS_MAX ? WN_LOG_WARN : WN_LOG_DEBUG;
    judge_log(j, level, "prompt \"%s\": no judgement after %u request%s: %s", q->prompt->id, q->requests,
              q->requests == 1 ? "" : "s", why);
    if (++j->complaints == COMPLAINTS_MAX)
        judge_log(j, WN_LOG_WARN, "%u judgements failed; more of them are told at the log's debug level",
                  j->complaints);
    j->failed++;
    settle(r, q);
}

static void keep(struct round *r, struct question *q, const struct verdict *verdict)
{
    struct judge *j = r->j;
    wn_error err;
    q->verdict = *verdict;
    q->is_answered = true;
    j->asked++;
    if (cache_put(&j->cache, q->key, verdict, &err) != WN_OK && !j->told_cache) {
        j->told_cache = true;
        judge_log(j, WN_LOG_WARN, "%s; judgements are not kept", err.message);
    }
    settle(r, q);
}

/* Ends what is open and not under way. */
static void drop_waiting(struct round *r)
{
    for (uint64_t i = r->first; i < r->count; i++)
        if (r->questions[i].is_open && !r->questions[i].is_running) {
            r->j->failed++;
            settle(r, &r->questions[i]);
        }
}

/* ---- failures ---- */

static double draw(struct judge *j)
{
    j->random ^= j->random << 13; /* Marsaglia's xorshift64 */
    j->random ^= j->random >> 7;
    j->random ^= j->random << 17;
    return (double)(j->random >> 11) * 0x1p-53;
}

static void ask_again(struct round *r, struct question *q, double wait)
{
    const struct options *o = r->j->options;
    q->is_running = false;
    q->not_before = http_now() + failure_back_off(q->attempts, o->backoff, o->max_wait, wait, draw(r->j));
}

static void meet_closed(struct round *r, struct question *q, const char *why)
{
    struct judge *j = r->j;
    give_up(r, q, why);
    if (j->is_closed || ++j->closed_in_row < CLOSE_AFTER)
        return;
    j->is_closed = true;
    judge_log(j, WN_LOG_WARN, "the server turned down %u requests in a row; it is not asked again in this run (%s)",
              j->closed_in_row, why);
}

static void meet_passing(struct round *r, struct question *q, const struct failure *f)
{
    const struct options *o = r->j->options;
    char why[500];
    judge_log(r->j, r->j->told_passing ? WN_LOG_DEBUG : WN_LOG_WARN, "prompt \"%s\": request %u: %s%s", q->prompt->id,
              q->requests, f->why,
              r->j->told_passing ? ""
                                 : "; it will be asked again, and so will others, which the log's debug level tells");
    r->j->told_passing = true; /* once aloud, so that nobody waits for a server that was never started */
    if (f->wait > 0 && f->wait <= o->max_wait) /* a limit of the account: the others would meet it too */
        r->j->not_before = fmax(r->j->not_before, http_now() + f->wait);
    if (f->wait > o->max_wait) {
        snprintf(why, sizeof why, "%s; it asks for %.0f s, more than max_wait", f->why, f->wait);
        meet_closed(r, q, why);
    } else if (q->attempts >= (uint64_t)o->attempts) {
        give_up(r, q, f->why);
    } else {
        ask_again(r, q, f->wait);
    }
}

/* Something that is no verdict: the judge may do better once. */
static void meet_garbled(struct round *r, struct question *q, const char *why)
{
    if (q->was_garbled) {
        give_up(r, q, why);
        return;
    }
    judge_log(r->j, WN_LOG_DEBUG, "prompt \"%s\": request %u: %s; asking once more", q->prompt->id, q->requests, why);
    q->was_garbled = true;
    q->attempts--; /* it came through */
    q->is_running = false;
}

static void meet_failure(struct round *r, struct question *q, const struct failure *f)
{
    if (f->kind == FAILURE_PASSING)
        meet_passing(r, q, f);
    else if (f->kind == FAILURE_GARBLED)
        meet_garbled(r, q, f->why);
    else if (f->kind == FAILURE_CLOSED)
        meet_closed(r, q, f->why);
    else
        give_up(r, q, f->why);
}

/* ---- replies ---- */

static void pay(struct judge *j, const struct question *q, const struct answer *answer, bool is_free)
{
    uint64_t in = answer->tokens_in, out = answer->tokens_out;
    if (is_free) {
        in = out = 0;
    } else if (!answer->has_usage) {
        const uint64_t text = strlen(j->template.system) + strlen(j->template.user) + strlen(q->prompt->text);
        in = text / BYTES_OF_TOKEN + q->picture_count * TOKENS_OF_PICTURE;
        out = (uint64_t)j->options->reply_tokens;
    }
    meter_end(&j->meter, in, out);
}

static void read_reply(struct round *r, struct http_slot *s, struct question *q)
{
    struct answer answer;
    provider_answer(r->j->provider, s->body ? s->body : "", s->size, &answer);
    pay(r->j, q, &answer, false);
    r->j->closed_in_row = 0;
    if (answer.kind == ANSWER_VERDICT)
        keep(r, q, &answer.verdict);
    else if (answer.kind == ANSWER_REFUSED)
        give_up(r, q, answer.why);
    else
        meet_garbled(r, q, answer.why);
}

static void meet_end(struct round *r, struct http_slot *s, long status, struct failure *f)
{
    struct question *q = s->user;
    const struct answer unknown = { 0 };
    if (status == 200) {
        read_reply(r, s, q);
        return;
    }
    pay(r->j, q, &unknown, status != 0 || !s->was_sent); /* whose reply got lost may be billed for it */
    if (status != 0)
        failure_of_status(f, status, s->retry_after, s->body ? s->body : "", s->size);
    meet_failure(r, q, f);
}

/* How many requests have ended. */
static uint32_t collect(struct round *r)
{
    struct failure failure;
    struct http_slot *s;
    uint32_t ended = 0;
    long status;
    while ((s = http_next_done(&r->j->http, &status, &failure)) != NULL) {
        meet_end(r, s, status, &failure);
        http_release(s);
        ended++;
    }
    return ended;
}

/* ---- requests ---- */

static wn_status make_request(struct round *r, const struct question *q, char **request, wn_error *err)
{
    struct judge *j = r->j;
    struct ask ask = { .mode = j->mode,
                       .model = j->options->model,
                       .system = j->template.system,
                       .image_count = q->picture_count,
                       .temperature = j->options->temperature,
                       .reply_tokens = j->options->reply_tokens,
                       .extra = j->extra };
    ask.seed = (int64_t)q->vote + (q->was_garbled ? 1000 : 0);
    for (uint32_t i = 0; i < q->picture_count; i++) {
        struct picture *p = &r->pictures[q->picture[i]];
        if (!p->uri)
            WN_TRY(picture_data_uri(p->image, j->options->max_side, &p->uri, err));
        ask.images[i] = p->uri;
    }
    char *user = template_render(&j->template, q->prompt->text);
    ask.user = user;
    *request = user ? provider_request(j->provider, &ask) : NULL;
    free(user);
    return *request ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a request");
}

static wn_status start(struct round *r, struct question *q, struct http_slot *slot, wn_error *err)
{
    char *request;
    WN_TRY(make_request(r, q, &request, err));
    WN_TRY(http_start(&r->j->http, slot, request, q, err));
    meter_start(&r->j->meter);
    q->is_running = true;
    q->attempts++;
    q->requests++;
    return WN_OK;
}

static void stop_at_limit(struct round *r)
{
    struct judge *j = r->j;
    if (!j->told_limit)
        judge_log(
            j, WN_LOG_WARN,
            "a limit is reached after %llu requests, %llu tokens in, %llu out, cost %.4f: no more is asked, what is "
            "left has no score",
            (unsigned long long)j->meter.calls, (unsigned long long)j->meter.tokens_in,
            (unsigned long long)j->meter.tokens_out, meter_cost(&j->meter));
    j->told_limit = true;
    drop_waiting(r);
}

static wn_status start_due(struct round *r, wn_error *err)
{
    const double now = http_now();
    struct http_slot *slot;
    if (now < r->j->not_before)
        return WN_OK;
    while (r->first < r->count && !r->questions[r->first].is_open)
        r->first++;
    for (uint64_t i = r->first; i < r->count && (slot = http_free_slot(&r->j->http)) != NULL; i++) {
        struct question *q = &r->questions[i];
        if (!q->is_open || q->is_running || q->not_before > now)
            continue;
        const enum meter_word word = meter_ask(&r->j->meter);
        if (word == METER_STOP)
            stop_at_limit(r);
        if (word != METER_GO)
            break;
        WN_TRY(start(r, q, slot, err));
    }
    return WN_OK;
}

/* Until the next question is due, but never so long that the user's interrupt waits. */
static double idle_time(const struct round *r)
{
    double wait = TICK_MS / 1000.0;
    const double now = http_now();
    if (r->j->not_before > now)
        return fmin(wait, r->j->not_before - now);
    for (uint64_t i = r->first; i < r->count; i++)
        if (r->questions[i].is_open && !r->questions[i].is_running && r->questions[i].not_before > now)
            wait = fmin(wait, r->questions[i].not_before - now);
    return wait;
}

static wn_status serve(struct round *r, wn_error *err)
{
    struct judge *j = r->j;
    while (r->open > 0) {
        if (j->host->cancelled(j->host->ctx))
            return wn_fail(err, WN_E_CANCELLED, "interrupted with %llu questions open", (unsigned long long)r->open);
        if (j->is_closed)
            drop_waiting(r);
        WN_TRY(start_due(r, err));
        WN_TRY(http_move(&j->http, err));
        if (collect(r) == 0 && r->open > 0)
            WN_TRY(http_wait(&j->http, idle_time(r), err));
    }
    return WN_OK;
}

/* ---- pictures ---- */

static void hash_picture(void *arg, uint64_t i)
{
    struct picture *p = (struct picture *)arg + i;
    picture_hash(p->image, p->hash);
}

wn_status make_pictures(const struct judge *j, const wn_score_request *request, struct picture **pictures,
                        wn_error *err)
{
    *pictures = calloc(request->count, sizeof **pictures);
    if (!*pictures)
        return wn_fail(err, WN_E_MEMORY, "no memory for %llu pictures", (unsigned long long)request->count);
    for (uint64_t i = 0; i < request->count; i++)
        (*pictures)[i].image = &request->images[i];
    j->host->parallel_for(j->host->ctx, request->count, hash_picture, *pictures);
    return WN_OK;
}

void free_pictures(struct picture *pictures, uint64_t count)
{
    for (uint64_t i = 0; pictures && i < count; i++)
        free(pictures[i].uri);
    free(pictures);
}

/* ---- the cache ---- */

static void name_question(const struct judge *j, const struct picture *pictures, struct question *q)
{
    nn_sha256 s = j->key_head;
    nn_sha256_add_field(&s, q->prompt->text, strlen(q->prompt->text));
    for (uint32_t i = 0; i < q->picture_count; i++)
        nn_sha256_add_field(&s, pictures[q->picture[i]].hash, 64);
    const uint8_t vote[4] = { (uint8_t)q->vote, (uint8_t)(q->vote >> 8), (uint8_t)(q->vote >> 16),
                              (uint8_t)(q->vote >> 24) };
    nn_sha256_add_field(&s, vote, sizeof vote);
    nn_sha256_end(&s, q->key);
}

static void look_up(struct round *r, struct question *q)
{
    struct judge *j = r->j;
    bool is_damaged;
    name_question(j, r->pictures, q);
    q->is_answered = cache_get(&j->cache, q->key, &q->verdict, &is_damaged);
    if (is_damaged && !j->told_damage) {
        j->told_damage = true;
        judge_log(j, WN_LOG_WARN, "%s/%s.json is damaged; it and others like it count as absent", j->cache.directory,
                  q->key);
    }
    if (q->is_answered) {
        j->from_cache++;
        return;
    }
    q->is_open = true;
    r->open++;
    for (uint32_t i = 0; i < q->picture_count; i++)
        r->pictures[q->picture[i]].questions++;
}

static void stay_offline(struct round *r)
{
    struct judge *j = r->j;
    if (r->open > 0 && !j->told_offline)
        judge_log(j, WN_LOG_WARN, "offline: %llu of %llu judgements are not in the cache and have no score",
                  (unsigned long long)r->open, (unsigned long long)r->count);
    j->told_offline |= r->open > 0;
    drop_waiting(r);
}

wn_status ask_all(struct judge *j, struct picture *pictures, struct question *questions, uint64_t count, wn_error *err)
{
    struct round r = { j, pictures, questions, count, 0, 0 };
    for (uint64_t i = 0; i < count; i++)
        look_up(&r, &questions[i]);
    if (j->options->offline) {
        stay_offline(&r);
        return WN_OK;
    }
    const wn_status status = serve(&r, err);
    if (status != WN_OK) {
        http_stop_all(&j->http);
        j->meter.running = 0;
    }
    return status;
}
