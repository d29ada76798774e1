/* host.c - the services of the host, each a few lines over what core has. */
#include "plugin/host.h"

#include "base/home.h"
#include "base/log.h"
#include "base/pool.h"
#include "engine/noise.h"

#include <winnow/choice.h>

#include <string.h>
#include <sys/stat.h>

static struct process *process_of(void *ctx)
{
    return ((struct host_context *)ctx)->shared->process;
}

static void host_log(void *ctx, int32_t level, const char *line)
{
    const struct host_context *c = ctx;
    log_printf(level, "%s: %s", c->label, line);
}

static int32_t host_cancelled(void *ctx)
{
    return atomic_load(&process_of(ctx)->cancelled) != 0;
}

static void host_progress(void *ctx, double done, double total, const char *what)
{
    struct process *p = process_of(ctx);
    if (p->progress)
        p->progress(p->progress_arg, done, total, what);
}

static void host_parallel_for(void *ctx, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg)
{
    pool_parallel_for(process_of(ctx)->pool, n, fn, arg);
}

static uint32_t host_thread_count(void *ctx)
{
    return pool_threads(process_of(ctx)->pool);
}

static void host_normal_f32(void *ctx, uint64_t stream, uint64_t first, float *dst, uint64_t n)
{
    struct host_shared *s = ((struct host_context *)ctx)->shared;
    atomic_store_explicit(&s->has_drawn, true, memory_order_relaxed);
    noise_normal_f32(s->seed, stream, first, dst, n);
}

static wn_status host_resolve(void *ctx, const char *name, char *path, uint64_t path_size, wn_error *err)
{
    const struct host_context *c = ctx;
    return resolve_name(c->shared->spec->directory, name, path, path_size, err);
}

static const wn_verifier_ref *host_input(void *ctx, uint32_t i)
{
    const struct host_context *c = ctx;
    return i < c->input_count ? &c->inputs[i] : NULL;
}

/* Not its path: the same file elsewhere is the same to a verifier. */
static void note_file(struct sha256 *files, const char *path)
{
    struct stat st = { 0 };
    char facts[80] = "missing";
    if (stat(path, &st) == 0)
        snprintf(facts, sizeof facts, "%lld bytes of %lld.%09ld", (long long)st.st_size, (long long)st.st_mtim.tv_sec,
                 st.st_mtim.tv_nsec);
    sha256_add(files, facts, strlen(facts) + 1);
}

/* The list is for the manifest only: without memory it stays shorter, and nothing else is wrong. */
static void host_uses_file(void *ctx, const char *path)
{
    struct host_shared *s = ((struct host_context *)ctx)->shared;
    note_file(&((struct host_context *)ctx)->files, path);
    struct instances *all = s->instances;
    for (uint32_t i = 0; i < all->file_count; i++)
        if (strcmp(all->files[i], path) == 0)
            return;
    if (all->file_count == s->file_capacity) {
        uint32_t capacity = s->file_capacity ? 2 * s->file_capacity : 16;
        const char **files = arena_array(s->arena, capacity, sizeof *files);
        if (!files)
            return;
        if (all->file_count)
            memcpy(files, all->files, all->file_count * sizeof *files);
        all->files = files;
        s->file_capacity = capacity;
    }
    const char *copy = arena_string(s->arena, path);
    if (copy)
        all->files[all->file_count++] = copy;
}

static wn_status host_ask(void *ctx, const wn_question *question, int32_t *answer, wn_error *err)
{
    const struct process *p = process_of(ctx);
    return p->ask(p->ask_arg, question, answer, err);
}

static const wn_choice choice = { .struct_size = sizeof choice, .ask = host_ask };

static const void *host_extension(void *ctx, const char *id)
{
    struct host_shared *s = ((struct host_context *)ctx)->shared;
    if (strcmp(id, WN_CHOICE_1) == 0)
        return s->process->ask ? &choice : NULL;
    return strcmp(id, WN_PLACES_1) == 0 ? &s->places : NULL;
}

void host_find_places(struct host_shared *s)
{
    home_command(s->command, sizeof s->command);
    home_python(s->python, sizeof s->python);
    s->places = (wn_places){ sizeof s->places, s->command, s->python };
}

bool host_init(wn_host *host, struct host_shared *shared, const char *label, wn_verifier_ref *inputs,
               uint32_t input_count)
{
    struct host_context *c = arena_alloc(shared->arena, sizeof *c);
    if (!c)
        return false;
    *c = (struct host_context){ .shared = shared, .label = label, .inputs = inputs, .input_count = input_count };
    sha256_init(&c->files);
    *host = (wn_host){
        .struct_size = sizeof *host,
        .ctx = c,
        .log = host_log,
        .cancelled = host_cancelled,
        .progress = host_progress,
        .parallel_for = host_parallel_for,
        .thread_count = host_thread_count,
        .normal_f32 = host_normal_f32,
        .resolve = host_resolve,
        .open_device = host_open_device,
        .input = host_input,
        .uses_file = host_uses_file,
        .extension = host_extension,
        .device_info = host_device_info,
    };
    return true;
}
