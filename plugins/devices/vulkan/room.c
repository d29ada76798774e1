/* room.c - programs take turns on a device that has no room for all of them at once.
 *
 * A program holds memory for its activations for as long as it lives, though mostly one runs at a time. Where a program
 * that is built finds no room, the one that was used longest ago gives way: it keeps its weights, which are shared and
 * take longest to bring back, and gives back everything else. Before its next run it is built again. Then the next one,
 * until there is room or all have given way.
 *
 * One that runs is not idle, but ends without asking for more: it is waited for. So that two do not wait for each
 * other, one is built at a time, and while it waits none that is built begins a run.
 */
#include "vulkan.h"

/* ---- the list, in order of use --------------------------------------------------------------------------------- */

static void put_first(wn_program *p)
{
    p->next = p->device->programs;
    p->link = &p->device->programs;
    if (p->next)
        p->next->link = &p->next;
    *p->link = p;
}

static void take_out(wn_program *p)
{
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
    p->next = NULL;
    p->link = NULL;
}

void room_join(wn_program *p)
{
    pthread_mutex_lock(&p->device->programs_mutex);
    if (!p->link)
        put_first(p);
    pthread_mutex_unlock(&p->device->programs_mutex);
}

int room_quit(wn_program *p)
{
    pthread_mutex_lock(&p->device->programs_mutex);
    const int was_listed = p->link != NULL;
    if (was_listed) {
        take_out(p);
        program_give_back(p); /* before another looks for room */
    }
    pthread_mutex_unlock(&p->device->programs_mutex);
    return was_listed;
}

/* ---- use ------------------------------------------------------------------------------------------------------- */

void room_enter(wn_program *p)
{
    wn_device *d = p->device;
    pthread_mutex_lock(&d->programs_mutex);
    while (d->is_short && p->is_built)
        pthread_cond_wait(&d->programs_changed, &d->programs_mutex);
    p->is_used = 1;
    if (p->link) {
        take_out(p);
        put_first(p);
    }
    pthread_mutex_unlock(&d->programs_mutex);
}

void room_leave(wn_program *p)
{
    wn_device *d = p->device;
    pthread_mutex_lock(&d->programs_mutex);
    p->is_used = 0;
    pthread_cond_broadcast(&d->programs_changed);
    pthread_mutex_unlock(&d->programs_mutex);
}

/* ---- giving way ------------------------------------------------------------------------------------------------ */

static void give_way(wn_program *p)
{
    wn_device *d = p->device;
    char line[400];
    snprintf(line, sizeof line, "vulkan: graph \"%.100s\" gives way, %.1f MiB%s", p->bindings.graph_name,
             (double)(p->memory.bytes + p->constants.bytes + p->ring.bytes) / (1 << 20),
             d->takes_turns ? ""
                            : ": the device has no room for all at once. They take turns, and each is built again "
                              "before its next run");
    d->host->log(d->host->ctx, d->takes_turns ? WN_LOG_DEBUG : WN_LOG_INFO, line);
    d->takes_turns = 1;
    program_give_back(p);
}

/* The idle one that was used longest ago. */
static wn_program *find_idle(const wn_device *d, int *is_any_used)
{
    wn_program *idle = NULL;
    *is_any_used = 0;
    for (wn_program *p = d->programs; p; p = p->next) {
        idle = p->is_built && !p->is_used ? p : idle;
        *is_any_used |= p->is_built && p->is_used;
    }
    return idle;
}

int room_make(wn_device *d)
{
    int is_any_used;
    wn_program *idle;
    pthread_mutex_lock(&d->programs_mutex);
    d->is_short = 1;
    while (!(idle = find_idle(d, &is_any_used)) && is_any_used)
        pthread_cond_wait(&d->programs_changed, &d->programs_mutex);
    if (idle)
        give_way(idle);
    d->is_short = 0;
    pthread_cond_broadcast(&d->programs_changed);
    pthread_mutex_unlock(&d->programs_mutex);
    return idle != NULL;
}
