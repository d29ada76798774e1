/* A list from the newest to the oldest; putting away takes from its end. */
#include "engine/keeper.h"

#include "engine/spill.h"

#include <stdlib.h>
#include <string.h>

/* ---- the list ---------------------------------------------------------------------------------------------------- */

static void unlink_state(struct keeper *k, struct kept *s)
{
    if (s->bytes == 0)
        return;
    *(s->newer ? &s->newer->older : &k->newest) = s->older;
    *(s->older ? &s->older->newer : &k->oldest) = s->newer;
    k->held -= s->bytes;
    s->bytes = 0;
}

static uint64_t x_bytes(const struct solver *solver)
{
    return solver_floats(solver) * sizeof(float);
}

static uint64_t v_bytes(const struct solver *solver)
{
    return solver->values * sizeof(float);
}

static uint64_t record_bytes(const struct solver *solver)
{
    return x_bytes(solver) + v_bytes(solver) + solver->memory_bytes;
}

void keeper_touch(struct keeper *k, struct kept *s)
{
    unlink_state(k, s);
    const struct solver *solver = s->walk->solver;
    s->bytes = x_bytes(solver) + (s->walk->v ? v_bytes(solver) : 0) + (s->walk->memory ? solver->memory_bytes : 0);
    s->newer = NULL;
    s->older = k->newest;
    *(s->older ? &s->older->newer : &k->oldest) = s;
    k->newest = s;
    k->held += s->bytes;
}

/* ---- putting away ------------------------------------------------------------------------------------------------ */

/* The walk has not begun, and its noise can be drawn again. */
static bool is_drawn(const struct kept *s)
{
    const struct walk *w = s->walk;
    return s->has_stream && w->done == 0 && w->point == 0 && !w->is_halfway && !w->has_velocity && !w->has_memory;
}

enum { STATE_PARTS = 3 };

static void parts_of(const struct walk *w, struct spill_part parts[STATE_PARTS])
{
    parts[0] = (struct spill_part){ w->x, x_bytes(w->solver) };
    parts[1] = (struct spill_part){ w->v, w->has_velocity ? v_bytes(w->solver) : 0 };
    parts[2] = (struct spill_part){ w->memory, w->has_memory ? w->solver->memory_bytes : 0 };
}

static wn_status write_state(struct keeper *k, struct kept *s, wn_error *err)
{
    struct spill_part parts[STATE_PARTS];
    if (!k->file)
        WN_TRY(spill_create(k->directory, record_bytes(k->largest), &k->file, err));
    parts_of(s->walk, parts);
    WN_TRY(spill_put(k->file, STATE_PARTS, parts, &s->place, err));
    s->is_on_disk = true;
    return WN_OK;
}

static void free_state(struct walk *w)
{
    free(w->x);
    free(w->v);
    free(w->memory);
    w->x = w->v = NULL;
    w->memory = NULL;
}

static wn_status put_away(struct keeper *k, struct kept *s, wn_error *err)
{
    if (is_drawn(s))
        stats_add(&k->stats->states_dropped, 1);
    else
        WN_TRY(write_state(k, s, err));
    stats_add(&k->stats->states_spilled, s->is_on_disk);
    unlink_state(k, s);
    free_state(s->walk);
    s->is_away = true;
    return WN_OK;
}

wn_status keeper_settle(struct keeper *k, wn_error *err)
{
    while (k->held > k->limit)
        WN_TRY(put_away(k, k->oldest, err));
    return WN_OK;
}

/* ---- bringing back ----------------------------------------------------------------------------------------------- */

static wn_status draw(struct keeper *k, struct kept *s, wn_error *err)
{
    const struct solver *solver = s->walk->solver;
    const uint64_t values = solver_noise_values(solver);
    float *noise = malloc(values * sizeof *noise);
    if (!noise)
        return wn_fail(err, WN_E_MEMORY, "no memory for a noise of %llu values", (unsigned long long)values);
    noise_source_fill(k->source, s->stream, noise, values);
    solver_begin(solver, noise, s->walk->x);
    free(noise);
    return WN_OK;
}

static wn_status fill(struct keeper *k, struct kept *s, wn_error *err)
{
    struct walk *w = s->walk;
    struct spill_part parts[STATE_PARTS];
    if (!s->is_on_disk)
        return draw(k, s, err);
    parts_of(w, parts);
    WN_TRY(spill_get(k->file, s->place, STATE_PARTS, parts, err));
    spill_free(k->file, s->place);
    s->is_on_disk = false;
    return WN_OK;
}

static wn_status bring_back(struct keeper *k, struct kept *s, wn_error *err)
{
    struct walk *w = s->walk;
    w->x = calloc(1, x_bytes(w->solver));
    w->v = w->has_velocity ? malloc(v_bytes(w->solver)) : NULL;
    w->memory = w->has_memory ? malloc(w->solver->memory_bytes) : NULL;
    const bool has_room = w->x && (w->v || !w->has_velocity) && (w->memory || !w->has_memory);
    const wn_status status = has_room ? fill(k, s, err)
                                      : wn_fail(err, WN_E_MEMORY, "no memory for a state of up to %llu bytes",
                                                (unsigned long long)record_bytes(w->solver));
    if (status == WN_OK) {
        s->is_away = false;
        return WN_OK;
    }
    free_state(w);
    return status;
}

wn_status keeper_fetch(struct keeper *k, struct kept *s, wn_error *err)
{
    if (s->is_away)
        WN_TRY(bring_back(k, s, err));
    if (s->walk->x)
        keeper_touch(k, s);
    return WN_OK;
}

/* ---- moving and ending ------------------------------------------------------------------------------------------- */

void keeper_forget(struct keeper *k, struct kept *s)
{
    unlink_state(k, s);
    if (s->is_on_disk)
        spill_free(k->file, s->place);
    s->is_away = s->is_on_disk = false;
}

void keeper_move(struct keeper *k, struct kept *to, struct kept *from)
{
    unlink_state(k, from);
    walk_move_state(to->walk, from->walk);
    to->has_stream = from->has_stream;
    to->stream = from->stream;
    to->is_away = from->is_away;
    to->is_on_disk = from->is_on_disk;
    to->place = from->place;
    from->is_away = from->is_on_disk = false;
    if (to->walk->x)
        keeper_touch(k, to);
}

void keeper_finish(struct keeper *k)
{
    spill_destroy(k->file);
    k->file = NULL;
}
