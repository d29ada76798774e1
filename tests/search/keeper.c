/* States that memory has no room for come back to the bit, those used longest ago go first, and what a disk refuses is
 * told. */
#include "check.h"
#include "engine/keeper.h"
#include "engine/spill.h"

enum { VALUES = 50, STATES = 6, ROOM = 3, MEMORY = 77 };

static const struct solver solver = { .values = VALUES, .memory_bytes = MEMORY, .glimpse_count = 1 };
static const struct noise_source source = { .mode = SPEC_NOISE_PHILOX, .seed = 1, .aux_seed = 2 };
static struct stats stats;
static struct walk walks[STATES];
static struct kept states[STATES];

static struct keeper new_keeper(const char *directory)
{
    const uint64_t each = solver_floats(&solver) * sizeof(float);
    return (struct keeper){
        .largest = &solver, .source = &source, .directory = directory, .stats = &stats, .limit = ROOM * each
    };
}

/* State i: the noise of stream i; with `begun`, one that has gone on from there. */
static void make(struct keeper *k, int i, bool begun)
{
    walks[i] = (struct walk){
        .solver = &solver, .x = calloc(solver_floats(&solver), sizeof(float)), .done = begun, .point = begun
    };
    states[i] = (struct kept){ .walk = &walks[i], .has_stream = true, .stream = (uint64_t)i };
    noise_source_fill(&source, (uint64_t)i, walks[i].x, VALUES);
    if (begun)
        walks[i].x[VALUES] = (float)i;
    keeper_touch(k, &states[i]);
}

static void check_state(struct keeper *k, int i, bool begun)
{
    float want[2 * VALUES] = { 0 };
    wn_error err;
    noise_source_fill(&source, (uint64_t)i, want, VALUES);
    want[VALUES] = begun ? (float)i : 0;
    CHECK_OK(keeper_fetch(k, &states[i], &err), err);
    CHECK_INT(memcmp(walks[i].x, want, sizeof want), 0);
}

static void drop_all(struct keeper *k)
{
    for (int i = 0; i < STATES; i++) {
        keeper_forget(k, &states[i]);
        walk_finish(&walks[i]);
    }
    CHECK_INT(k->held, 0);
    CHECK(!k->newest && !k->oldest);
    keeper_finish(k);
}

static void check_order(bool begun)
{
    struct keeper k = new_keeper(".");
    wn_error err;
    for (int i = 0; i < STATES; i++)
        make(&k, i, begun);
    keeper_touch(&k, &states[0]); /* the oldest three are now 1, 2, 3 */
    CHECK_OK(keeper_settle(&k, &err), err);
    for (int i = 0; i < STATES; i++) {
        CHECK_INT(states[i].is_away, i >= 1 && i <= 3);
        CHECK_INT(states[i].is_on_disk, begun && i >= 1 && i <= 3);
    }
    for (int i = 0; i < STATES; i++) {
        check_state(&k, i, begun);
        CHECK_OK(keeper_settle(&k, &err), err);
        CHECK(k.held <= k.limit);
    }
    drop_all(&k);
}

/* A velocity that is paid for is never given up. */
static void check_velocity(void)
{
    struct keeper k = new_keeper(".");
    wn_error err;
    for (int i = 0; i < STATES; i++)
        make(&k, i, false);
    walks[0].v = malloc(VALUES * sizeof(float));
    noise_source_fill(&source, 100, walks[0].v, VALUES);
    walks[0].has_velocity = true;
    k.limit = 0;
    CHECK_OK(keeper_settle(&k, &err), err);
    CHECK(states[0].is_on_disk && !states[1].is_on_disk && !walks[0].v);
    float want[VALUES];
    noise_source_fill(&source, 100, want, VALUES);
    check_state(&k, 0, false);
    CHECK_INT(memcmp(walks[0].v, want, sizeof want), 0);
    drop_all(&k);
}

/* Nor is what a sampler remembers of a sample, with a velocity or without, and it counts. */
static void check_memory(void)
{
    struct keeper k = new_keeper(".");
    wn_error err;
    for (int i = 0; i < 2; i++) {
        make(&k, i, i == 1);
        const uint64_t without = k.held;
        walks[i].memory = malloc(MEMORY);
        memset(walks[i].memory, 'a' + i, MEMORY);
        walks[i].has_memory = true;
        keeper_touch(&k, &states[i]);
        CHECK_INT(k.held, without + MEMORY);
    }
    k.limit = 0;
    CHECK_OK(keeper_settle(&k, &err), err);
    CHECK(states[0].is_on_disk && states[1].is_on_disk && !walks[0].memory && k.held == 0);
    for (int i = 0; i < 2; i++) {
        char want[MEMORY];
        check_state(&k, i, i == 1);
        memset(want, 'a' + i, MEMORY);
        CHECK(walks[i].has_memory && memcmp(walks[i].memory, want, MEMORY) == 0);
    }
    struct walk walk = { .solver = &solver };
    struct kept kept = { .walk = &walk };
    keeper_move(&k, &kept, &states[1]);
    CHECK(walk.has_memory && walk.memory && !walks[1].has_memory && !walks[1].memory);
    walk_forget(&walk);
    CHECK(!walk.has_memory && !walk.memory);
    keeper_forget(&k, &kept);
    walk_finish(&walk);
    drop_all(&k);
}

/* Wherever it is, a state moves from walk to walk. */
static void check_move(void)
{
    struct keeper k = new_keeper(".");
    wn_error err;
    for (int i = 0; i < STATES; i++)
        make(&k, i, true);
    CHECK_OK(keeper_settle(&k, &err), err);
    for (int i = 0; i < STATES; i++) {
        struct walk walk = { .solver = &solver };
        struct kept kept = { .walk = &walk };
        keeper_move(&k, &kept, &states[i]);
        CHECK(!walks[i].x && !states[i].is_away && states[i].bytes == 0);
        keeper_move(&k, &states[i], &kept);
        check_state(&k, i, true);
        CHECK_OK(keeper_settle(&k, &err), err);
    }
    drop_all(&k);
}

static void check_refused(void)
{
    struct keeper k = new_keeper("no/such/place");
    wn_error err;
    for (int i = 0; i < STATES; i++)
        make(&k, i, true);
    CHECK_INT(keeper_settle(&k, &err), WN_E_IO);
    CHECK_CONTAINS(err.message, "no/such/place/states.");
    check_state(&k, 0, true); /* nothing is lost */
    drop_all(&k);
}

/* Places of records that are gone are used again. */
static void check_places(void)
{
    struct spill *s;
    wn_error err;
    uint64_t place, text[2];
    CHECK_OK(spill_create(".", 16, &s, &err), err);
    for (uint64_t i = 0; i < 1000; i++) {
        uint64_t first = i, second = ~i;
        CHECK_OK(spill_put(s, 2, (struct spill_part[]){ { &first, 8 }, { &second, 8 } }, &place, &err), err);
        CHECK_INT(place, i % 10 + i / 10);
        if (i % 10 == 9)
            for (uint64_t gone = i / 10 + 9; gone > i / 10; gone--)
                spill_free(s, gone);
    }
    for (uint64_t i = 0; i < 100; i++) {
        CHECK_OK(spill_get(s, i, 2, (struct spill_part[]){ { &text[0], 8 }, { &text[1], 8 } }, &err), err);
        CHECK(text[0] == 10 * i && text[1] == ~(10 * i));
    }
    spill_destroy(s);
}

int main(void)
{
    check_order(false);
    check_order(true);
    check_velocity();
    check_memory();
    check_move();
    check_refused();
    check_places();
    return CHECK_DONE();
}
