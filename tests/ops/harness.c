/* harness.c - see harness.h. */
#include "harness.h"

#include "check.h"
#include "reference.h"
#include "test_host.h"

#define ITEMS 5

struct worst {
    const char *name;
    int64_t dtype;
    double error, bound;
};

static struct test_device devices[2];
static struct worst worst[64];
static int worst_count;

void harness_open(void)
{
    test_device_open(&devices[0], 1);
    test_device_open(&devices[1], 3);
}

int harness_is_vulkan(void)
{
    return strcmp(devices[0].plugin->name, "vulkan") == 0;
}

const char *harness_paths(void)
{
    static wn_device_info info;
    wn_error err;
    info.struct_size = sizeof info;
    devices[0].api->info(devices[0].driver, 0, &info, &err);
    return info.paths;
}

static const char *dtype_name(int64_t dtype)
{
    return dtype == WN_F32 ? "f32" : dtype == WN_F16 ? "f16" : "bf16";
}

void harness_close(void)
{
    for (int i = 0; i < worst_count; i++)
        printf("%-24s %-5s worst NMSE %.2e, bound %.0e\n", worst[i].name, dtype_name(worst[i].dtype), worst[i].error,
               worst[i].bound);
    test_device_close(&devices[0]);
    test_device_close(&devices[1]);
}

static void note_error(const char *name, int64_t dtype, double error, double bound)
{
    int i = 0;
    while (i < worst_count && (worst[i].dtype != dtype || strcmp(worst[i].name, name) != 0))
        i++;
    if (i == worst_count && worst_count < 64)
        worst[worst_count++] = (struct worst){ name, dtype, 0, bound };
    if (i < worst_count && worst[i].error < error)
        worst[i].error = error;
}

/* ---- data --------------------------------------------------------------------------------------------------- */

/* Memory of every input and output of ITEMS items, [tensor][item]. */
struct data {
    const wn_graph *g;
    void *memory[MAKER_MAX][ITEMS];
};

static uint64_t elements(const wn_tensor *t)
{
    return t->rows * t->cols;
}

static uint64_t items_of(const wn_tensor *t)
{
    return t->role == WN_ROLE_INPUT && t->flags & WN_TENSOR_SHARED ? 1 : ITEMS;
}

static int is_bound(const wn_tensor *t)
{
    return t->role == WN_ROLE_INPUT || t->role == WN_ROLE_OUTPUT;
}

static void data_alloc(struct data *d, const wn_graph *g)
{
    memset(d, 0, sizeof *d);
    d->g = g;
    for (uint64_t i = 0; i < g->tensor_count; i++) {
        for (uint64_t item = 0; is_bound(&g->tensors[i]) && item < items_of(&g->tensors[i]); item++)
            d->memory[i][item] = malloc(elements(&g->tensors[i]) * 4);
    }
}

static void data_free(struct data *d)
{
    for (uint64_t i = 0; i < d->g->tensor_count; i++) {
        for (int item = 0; item < ITEMS; item++)
            free(d->memory[i][item]);
    }
}

/* Ids are small: every table of the tests has at least 3 rows. */
static void fill(void *memory, const wn_tensor *t, uint64_t *seed, int is_poison)
{
    for (uint64_t k = 0; k < elements(t); k++) {
        if (t->dtype == WN_I32)
            ((int32_t *)memory)[k] = (int32_t)((maker_random(seed) + 1) * 1.5f);
        else
            ((float *)memory)[k] = is_poison ? NAN : 2 * maker_random(seed);
    }
}

static void data_fill(struct data *d, uint64_t seed, int is_poison)
{
    for (uint64_t i = 0; i < d->g->tensor_count; i++) {
        const wn_tensor *t = &d->g->tensors[i];
        for (uint64_t item = 0; is_bound(t) && item < items_of(t); item++)
            fill(d->memory[i][item], t, &seed, is_poison || t->role == WN_ROLE_OUTPUT);
    }
}

/* ---- running ------------------------------------------------------------------------------------------------ */

/* Runs items order[0..count) of d; outputs are poisoned before. */
static void run(struct test_device *device, wn_program *program, struct data *d, uint64_t count, const uint32_t *order)
{
    wn_binding b[MAKER_MAX * ITEMS];
    uint64_t n = 0, seed = 1;
    wn_error err = { 0 };
    for (uint32_t i = 0; i < d->g->tensor_count; i++) {
        const wn_tensor *t = &d->g->tensors[i];
        for (uint32_t item = 0; is_bound(t) && item < (items_of(t) == 1 ? 1 : count); item++) {
            void *memory = d->memory[i][items_of(t) == 1 ? 0 : order[item]];
            if (t->role == WN_ROLE_OUTPUT)
                fill(memory, t, &seed, 1);
            b[n++] = (wn_binding){ i, item, memory };
        }
    }
    CHECK_OK(device->api->run(program, count, b, n, &err), err);
}

enum { SLICE_BYTES = 256 }; /* what memory is rounded up to when it is taken */

/* What is planned before a program is made is what it takes, 16-bit activations included. */
static void check_plan(struct test_device *device, const wn_graph *g, const wn_compile_options *options,
                       const wn_program *program)
{
    wn_error err = { 0 };
    uint64_t planned = 0, taken = 0, weights;
    if (!program || !device->api->plan)
        return;
    CHECK_OK(device->api->plan(device->device, g, options, &planned, &err), err);
    device->api->memory(program, &taken, &weights);
    if (taken < planned || taken - planned >= 2 * SLICE_BYTES)
        CHECK_FAIL("graph %s: %llu bytes of activations are planned, %llu taken", g->name, (unsigned long long)planned,
                   (unsigned long long)taken);
}

static wn_program *compile(struct test_device *device, const wn_graph *g, int64_t dtype)
{
    wn_error err = { 0 };
    wn_program *program = NULL;
    wn_compile_options options = { sizeof options, dtype, ITEMS };
    CHECK_OK(device->api->compile(device->device, g, &options, &program, &err), err);
    check_plan(device, g, &options, program);
    return program;
}

/* ---- comparing ---------------------------------------------------------------------------------------------- */

static double **reference_item(const struct data *d, int item, int64_t dtype)
{
    double **tensors = calloc(d->g->tensor_count, sizeof *tensors);
    for (uint64_t i = 0; i < d->g->tensor_count; i++) {
        const wn_tensor *t = &d->g->tensors[i];
        const void *from = d->memory[i][items_of(t) == 1 ? 0 : item];
        tensors[i] = calloc(elements(t), sizeof **tensors);
        for (uint64_t k = 0; t->role == WN_ROLE_INPUT && k < elements(t); k++)
            tensors[i][k] = t->dtype == WN_I32 ? (double)((const int32_t *)from)[k] : (double)((const float *)from)[k];
    }
    reference_run(d->g, tensors, dtype);
    return tensors;
}

static void compare_item(const struct data *d, int item, int64_t dtype, double bound)
{
    double **want = reference_item(d, item, dtype);
    for (uint64_t i = 0; i < d->g->tensor_count; i++) {
        double error = 0, size = 1e-30;
        const float *got = d->memory[i][item];
        for (uint64_t k = 0; d->g->tensors[i].role == WN_ROLE_OUTPUT && k < elements(&d->g->tensors[i]); k++) {
            error += pow((double)got[k] - want[i][k], 2);
            size += pow(want[i][k], 2);
        }
        note_error(d->g->name, dtype, error / size, bound);
        if (!(error / size <= bound))
            CHECK_FAIL("%s [%llu, %llu], output \"%s\", item %d: NMSE %.3g, bound %.3g", d->g->name,
                       (unsigned long long)d->g->tensors[i].rows, (unsigned long long)d->g->tensors[i].cols,
                       d->g->tensors[i].name, item, error / size, bound);
        free(want[i]);
    }
    free(want);
}

/* The outputs of b's items must be bitwise a's items order[0..count). */
static void compare_bits(const struct data *a, const struct data *b, uint64_t count, const uint32_t *order,
                         const char *what)
{
    for (uint64_t i = 0; i < a->g->tensor_count; i++) {
        const wn_tensor *t = &a->g->tensors[i];
        for (uint64_t item = 0; t->role == WN_ROLE_OUTPUT && item < count; item++) {
            if (memcmp(a->memory[i][order[item]], b->memory[i][order[item]], elements(t) * 4) != 0)
                CHECK_FAIL("%s, output \"%s\", item %u: other bits with %s", a->g->name, t->name, order[item], what);
        }
    }
}

/* Each item's result must be there whatever ran before, beside and around it. */
static void check_independence(struct data *all, wn_program *const *programs, uint64_t seed)
{
    static const uint32_t forward[ITEMS] = { 0, 1, 2, 3, 4 }, shuffled[ITEMS] = { 3, 0, 4, 2, 1 };
    struct data other;
    data_alloc(&other, all->g);
    data_fill(&other, seed, 0);
    run(&devices[0], programs[0], &other, 1, shuffled);
    compare_bits(all, &other, 1, shuffled, "one item alone");
    run(&devices[0], programs[0], &other, ITEMS, shuffled);
    compare_bits(all, &other, ITEMS, forward, "items in another order");
    run(&devices[1], programs[1], &other, ITEMS, forward);
    compare_bits(all, &other, ITEMS, forward, "3 threads instead of 1");
    data_free(&other);
}

void harness_check(const struct maker *m, int64_t dtype, double bound)
{
    static const uint32_t forward[ITEMS] = { 0, 1, 2, 3, 4 };
    wn_graph g = maker_graph(m);
    wn_program *programs[2] = { compile(&devices[0], &g, dtype), compile(&devices[1], &g, dtype) };
    struct data data;
    data_alloc(&data, &g);
    if (programs[0] && programs[1]) {
        data_fill(&data, 1, 1); /* NaN in, so that NaN lies all over the planned memory */
        run(&devices[0], programs[0], &data, ITEMS, forward);
        data_fill(&data, m->seed, 0);
        run(&devices[0], programs[0], &data, ITEMS, forward);
        for (int item = 0; item < ITEMS; item += ITEMS - 1)
            compare_item(&data, item, dtype, bound);
        check_independence(&data, programs, m->seed);
    }
    data_free(&data);
    devices[0].api->free_program(programs[0]);
    devices[1].api->free_program(programs[1]);
}

void harness_refuses(const struct maker *m, int32_t code, const char *part, const char *other)
{
    wn_graph g = maker_graph(m);
    wn_error err = { 0 };
    wn_program *program = NULL;
    wn_compile_options options = { sizeof options, WN_F32, ITEMS };
    CHECK_INT(devices[0].api->compile(devices[0].device, &g, &options, &program, &err), code);
    CHECK_CONTAINS(err.message, part);
    CHECK_CONTAINS(err.message, other);
    CHECK(program == NULL);
    devices[0].api->free_program(program);
}
