#include "watch/feed.h"

#include "base/clock.h"
#include "base/files.h"
#include "ledger/lock.h"
#include "report/numbers.h"
#include "watch/events.h"
#include "watch/live_page.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#define REST_SECONDS     0.25 /* between looks, at least */
#define REST_SHARE       9    /* times as long as a look took: a tenth of the time is looking */
#define REST_MAX_SECONDS 60
#define PROGRESS_SECONDS 5 /* a running run's rate is told anew, also when nothing came */
enum { PARTS_MAX = 64 << 20, LINE_MAX_BYTES = 4096, READ_BYTES = 64 << 10 };

/* What tells that a file was written, without opening it. */
struct stamp {
    long long seconds, nanoseconds, bytes;
};
struct stamps {
    struct stamp ledger, log, manifest;
    bool is_live;
};

struct feed {
    char *run_dir;
    char epoch[FEED_EPOCH_SIZE];
    pthread_t thread;

    /* The thread's own. */
    struct stamps seen;
    struct pace pace;
    struct live_key newest[FEED_NEWEST]; /* newest first */
    uint64_t newest_count;
    double told; /* when progress was told last */

    /* Under the lock. */
    pthread_mutex_t lock;
    pthread_cond_t ending;
    bool is_ending;
    struct snapshot *now;
    char *events[FEED_EVENTS]; /* number n at n % FEED_EVENTS */
    uint64_t head;
    char *progress; /* the data of the last progress event */
};

/* ---- events ---- */

/* An event's number and text are made under the lock, so numbers rise in the order in which clients see them. */
static void add_event(void *arg, const char *kind, const char *json)
{
    struct feed *f = arg;
    char *text = NULL;
    pthread_mutex_lock(&f->lock);
    if (asprintf(&text, "id: %s-%llu\nevent: %s\ndata: %s\n\n", f->epoch, (unsigned long long)f->head + 1, kind, json) <
        0)
        text = NULL; /* without memory for one event, whoever misses it is reset */
    f->head++;
    free(f->events[f->head % FEED_EVENTS]);
    f->events[f->head % FEED_EVENTS] = text;
    pthread_mutex_unlock(&f->lock);
}

static void add_newest(void *arg, const struct data_trial *t, const struct data_candidate *c)
{
    struct feed *f = arg;
    if (!c->image[0] || strlen(c->id) >= sizeof f->newest->id)
        return;
    memmove(f->newest + 1, f->newest, (FEED_NEWEST - 1) * sizeof *f->newest);
    f->newest_count += f->newest_count < FEED_NEWEST;
    f->newest[0].trial = t->id;
    memcpy(f->newest[0].id, c->id, strlen(c->id) + 1);
}

static bool has_all(const struct feed *f, uint64_t after)
{
    for (uint64_t n = after + 1; n <= f->head; n++)
        if (!f->events[n % FEED_EVENTS])
            return false;
    return true;
}

void feed_read(struct feed *f, uint64_t *after, struct buffer *out)
{
    pthread_mutex_lock(&f->lock);
    if (*after > f->head || f->head - *after > FEED_EVENTS || !has_all(f, *after)) {
        buffer_printf(out, "id: %s-%llu\nevent: reset\ndata: {}\n\n", f->epoch, (unsigned long long)f->head);
        *after = f->head;
    }
    while (*after < f->head && out->size < READ_BYTES)
        buffer_text(out, f->events[++*after % FEED_EVENTS]);
    pthread_mutex_unlock(&f->lock);
}

uint64_t feed_hello(struct feed *f, struct buffer *out)
{
    pthread_mutex_lock(&f->lock);
    const uint64_t head = f->head;
    buffer_printf(out, "id: %s-%llu\nevent: progress\ndata: %s\n\n", f->epoch, (unsigned long long)head,
                  f->progress ? f->progress : "{}");
    pthread_mutex_unlock(&f->lock);
    return head;
}

uint64_t feed_head(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    const uint64_t head = f->head;
    pthread_mutex_unlock(&f->lock);
    return head;
}

/* ---- snapshots ---- */

static struct snapshot *snapshot_create(uint64_t version)
{
    struct snapshot *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->version = version;
    buffer_init(&s->title, LINE_MAX_BYTES);
    buffer_init(&s->line, LINE_MAX_BYTES);
    buffer_init(&s->parts, PARTS_MAX);
    atomic_store(&s->holders, 1);
    return s;
}

void feed_give_back(struct snapshot *s)
{
    if (!s || atomic_fetch_sub(&s->holders, 1) > 1)
        return;
    data_free(s->data);
    buffer_free(&s->title);
    buffer_free(&s->line);
    buffer_free(&s->parts);
    free(s);
}

struct snapshot *feed_take(struct feed *f)
{
    pthread_mutex_lock(&f->lock);
    struct snapshot *s = f->now;
    atomic_fetch_add(&s->holders, 1);
    pthread_mutex_unlock(&f->lock);
    return s;
}

const char *feed_epoch(const struct feed *f)
{
    return f->epoch;
}

/* ---- a look ---- */

static struct stamp stamp_of(const struct feed *f, const char *name)
{
    char path[FILE_PATH_SIZE];
    struct stat st;
    wn_error ignored;
    if (path_join(path, f->run_dir, name, &ignored) != WN_OK || stat(path, &st) != 0)
        return (struct stamp){ 0 };
    return (struct stamp){ st.st_mtim.tv_sec, st.st_mtim.tv_nsec, st.st_size };
}

/* Reading makes an empty log and removes it again: that is no change. */
static struct stamps look_at_files(const struct feed *f)
{
    struct stamps s = { stamp_of(f, "ledger.db"), stamp_of(f, "ledger.db-wal"), stamp_of(f, "manifest.json"),
                        lock_is_held(f->run_dir) };
    if (s.log.bytes == 0)
        s.log = (struct stamp){ 0 };
    return s;
}

static bool is_equal(const struct stamp *a, const struct stamp *b)
{
    return a->seconds == b->seconds && a->nanoseconds == b->nanoseconds && a->bytes == b->bytes;
}

static bool has_changed(const struct stamps *a, const struct stamps *b)
{
    return !is_equal(&a->ledger, &b->ledger) || !is_equal(&a->log, &b->log) || !is_equal(&a->manifest, &b->manifest) ||
           a->is_live != b->is_live;
}

/* The line under the title, where there are no numbers to show. */
static void write_line(const struct feed *f, struct snapshot *s, const wn_error *err)
{
    if (s->progress.state == PROGRESS_WAITING)
        buffer_printf(&s->line, "There is no run in %.900s yet. When one begins, it will be shown here.", f->run_dir);
    else if (s->progress.state == PROGRESS_STARTING)
        buffer_text(&s->line, "The run is being started: models are loaded.");
    else if (s->progress.state == PROGRESS_BROKEN)
        buffer_text(&s->line, err->message);
    else
        progress_text(&s->progress, &s->line);
}

/* Fills s from the ledger; what cannot be read is what the page says. */
static void read_run(struct feed *f, struct snapshot *s, struct numbers **n, bool is_live)
{
    wn_error err = { 0 };
    wn_status status = data_load(f->run_dir, &s->data, &err);
    if (status == WN_OK)
        status = numbers_compute(s->data, n, &err);
    if (status != WN_OK) {
        data_free(s->data);
        s->data = NULL;
    }
    s->progress = progress_of(s->data, is_live);
    if (status != WN_OK && status != WN_E_MISSING)
        s->progress.state = PROGRESS_BROKEN;
    pace_add(&f->pace, clock_seconds(), &s->progress);
    buffer_text(&s->title, s->data ? s->data->name : f->run_dir);
    write_line(f, s, &err);
}

static char *progress_event(const struct snapshot *s, const struct progress *p, const struct buffer *line)
{
    struct buffer b = BUFFER_INIT(1 << 16);
    struct json_text j = json_begin(&b, 0);
    json_object(&j);
    json_key(&j, "version"), json_u64(&j, s->version);
    json_key(&j, "name"), json_string(&j, buffer_string(&s->title));
    progress_json(p, &j);
    json_key(&j, "text"), json_string(&j, buffer_string(line));
    json_end(&j);
    return buffer_take(&b);
}

/* The data of the last event is kept for clients that come later. */
static void tell_progress(struct feed *f, const struct snapshot *s, const struct progress *p, const struct buffer *line)
{
    char *text = progress_event(s, p, line);
    if (!text)
        return;
    add_event(f, "progress", text);
    pthread_mutex_lock(&f->lock);
    free(f->progress);
    f->progress = text;
    pthread_mutex_unlock(&f->lock);
    f->told = clock_seconds();
}

/* At the first look nothing is new: the open prompts' last candidates stand for the newest. */
static void guess_newest(struct feed *f, const struct data *d)
{
    f->newest_count = 0;
    for (int open = 0; d && open < 2; open++)
        for (uint64_t i = 0; i < d->trial_count; i++)
            for (uint64_t k = 0; k < d->trials[i].candidate_count; k++)
                if ((strcmp(d->trials[i].state, "open") == 0) == (open == 1) && d->trials[i].candidates[k].finished)
                    add_newest(f, &d->trials[i], &d->trials[i].candidates[k]);
}

static void publish(struct feed *f, struct snapshot *s)
{
    pthread_mutex_lock(&f->lock);
    struct snapshot *old = f->now;
    f->now = s;
    pthread_mutex_unlock(&f->lock);
    feed_give_back(old);
}

/* The snapshot is whole before it is published, and published before the events that speak of it. */
static void look(struct feed *f, const struct stamps *stamps)
{
    struct snapshot *s = snapshot_create(f->now ? f->now->version + 1 : 1), *was = f->now ? feed_take(f) : NULL;
    const struct data *before = was ? was->data : NULL;
    struct numbers *n = NULL;
    if (!s) {
        feed_give_back(was);
        return; /* and try again */
    }
    read_run(f, s, &n, stamps->is_live);
    if (!before)
        guess_newest(f, s->data);
    events_compare(&(struct events){ .found = add_newest, .arg = f }, before, s->data);
    if (s->data)
        live_parts(s->data, n, f->epoch, f->newest_count, f->newest, &s->parts);
    numbers_free(n);
    publish(f, s);
    events_compare(&(struct events){ .each = add_event, .arg = f, .epoch = f->epoch }, before, s->data);
    tell_progress(f, s, &s->progress, &s->line);
    feed_give_back(was);
    f->seen = *stamps;
}

/* The rate falls while nothing comes. */
static void tell_pace(struct feed *f)
{
    struct buffer line = BUFFER_INIT(LINE_MAX_BYTES);
    struct progress p = f->now->progress;
    if (p.state != PROGRESS_RUNNING || clock_seconds() - f->told < PROGRESS_SECONDS)
        return;
    p.nfe_per_second = p.eta_seconds = NAN;
    pace_add(&f->pace, clock_seconds(), &p);
    progress_text(&p, &line);
    tell_progress(f, f->now, &p, &line);
    buffer_free(&line);
}

static void look_if_changed(struct feed *f)
{
    const struct stamps stamps = look_at_files(f);
    if (!f->now || has_changed(&stamps, &f->seen))
        look(f, &stamps);
    else
        tell_pace(f);
}

/* ---- the thread ---- */

/* False when it is time to end. */
static bool rest(struct feed *f, double seconds)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    const double wait = fmin(fmax(seconds, REST_SECONDS), REST_MAX_SECONDS), end = (double)until.tv_nsec * 1e-9 + wait;
    until.tv_sec += (time_t)end;
    until.tv_nsec = (long)((end - floor(end)) * 1e9);
    pthread_mutex_lock(&f->lock);
    while (!f->is_ending && pthread_cond_timedwait(&f->ending, &f->lock, &until) == 0)
        ;
    const bool goes_on = !f->is_ending;
    pthread_mutex_unlock(&f->lock);
    return goes_on;
}

static void *feed_main(void *arg)
{
    struct feed *f = arg;
    double took = 0;
    while (rest(f, REST_SHARE * took)) {
        const double begun = clock_seconds();
        look_if_changed(f);
        took = clock_seconds() - begun;
    }
    return NULL;
}

static void set_up(struct feed *f)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->ending, &monotonic);
    pthread_condattr_destroy(&monotonic);
}

static void free_all(struct feed *f)
{
    feed_give_back(f->now);
    for (int i = 0; i < FEED_EVENTS; i++)
        free(f->events[i]);
    free(f->progress);
    free(f->run_dir);
    pthread_mutex_destroy(&f->lock);
    pthread_cond_destroy(&f->ending);
    free(f);
}

static wn_status start(struct feed *f, const char *run_dir, wn_error *err)
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        return wn_fail(err, WN_E_IO, "the system gives no random numbers");
    snprintf(f->epoch, sizeof f->epoch, "%016llx", (unsigned long long)random);
    f->run_dir = strdup(run_dir);
    if (f->run_dir)
        look_if_changed(f);
    if (!f->now)
        return wn_fail(err, WN_E_MEMORY, "no memory to watch %s", run_dir);
    const int code = pthread_create(&f->thread, NULL, feed_main, f);
    return code == 0 ? WN_OK : wn_fail(err, WN_E_MEMORY, "cannot start a thread: %s", strerror(code));
}

wn_status feed_create(const char *run_dir, struct feed **out, wn_error *err)
{
    struct feed *f = calloc(1, sizeof *f);
    if (!f)
        return wn_fail(err, WN_E_MEMORY, "no memory to watch %s", run_dir);
    set_up(f);
    const wn_status status = start(f, run_dir, err);
    if (status == WN_OK)
        *out = f;
    else
        free_all(f);
    return status;
}

void feed_destroy(struct feed *f)
{
    if (!f)
        return;
    pthread_mutex_lock(&f->lock);
    f->is_ending = true;
    pthread_cond_signal(&f->ending);
    pthread_mutex_unlock(&f->lock);
    pthread_join(f->thread, NULL);
    free_all(f);
}
