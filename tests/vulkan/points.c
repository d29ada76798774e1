/* points.c - every call that can fail in the life of a small program fails once: at each of them the plugin must give
 * one clear error, leak nothing (the sanitizer looks), and be of use again; a lost device must come back with the same
 * bits.
 *
 * The plugin's Vulkan library is faulty.c. One undisturbed life is counted first; then each function's n-th call fails,
 * for every n, in a life of its own: open, compile, run twice, and what failed once more without the fault.
 */
#include "check.h"
#include "faulty.h"
#include "ops/maker.h"
#include "ops/test_host.h"

#include <pthread.h>

enum { ROWS = 5, IN = 24, OUT = 33, VALUES = ROWS * OUT };
enum { WIDE = 256, WIDE_PRODUCTS = 12, WIDE_BYTES = WIDE * WIDE * 4 }; /* the first product's weight is small */
enum { STAGED = 1, CALM = 2, STREAMED = 4 };

#define STREAM_CAPS "no-unified,memory=3000000"

static void (*set_plan)(const char *text);
static uint64_t (*calls_of)(uint32_t function, const char **name);
static int64_t (*alive)(const char **name);
static uint64_t (*copied)(void);
static uint64_t (*overtaken)(void); /* NULL where queues.c is not the driver */
static uint32_t points;

/* Products with weights of a quarter of a MiB: the memory of STREAM_CAPS holds the first six and a ring for the others.
 */
static uint32_t make_wide(struct maker *m, uint32_t x, uint64_t *width)
{
    for (int i = 0; i < WIDE_PRODUCTS; i++) {
        const uint32_t y = maker_temp(m, ROWS, WIDE);
        maker_op(m, WN_OP_LINEAR, x, y)->weight[0] = maker_weight_f32(m, WIDE, *width);
        *width = WIDE;
        x = y;
    }
    return x;
}

/* y = norm(linear(embed(ids)) + constant): a table, weights of two types, a vector, a constant: four uploads. */
static void make_graph(struct maker *m, int mode)
{
    uint64_t width = IN;
    maker_begin(m, "small", 3);
    uint32_t ids = maker_ids(m, "ids", ROWS), x = maker_temp(m, ROWS, IN), y = maker_temp(m, ROWS, OUT);
    uint32_t sum = maker_temp(m, ROWS, OUT), z = maker_output(m, "z", ROWS, OUT);
    maker_op(m, WN_OP_EMBED, ids, x)->weight[0] = maker_weight_f32(m, 5, IN);
    if (mode & STREAMED)
        x = make_wide(m, x, &width);
    wn_op *op = maker_op(m, WN_OP_LINEAR, x, y);
    op->weight[0] = maker_weight(m, OUT, width, 1, (const int32_t[]){ WN_BF16 });
    op->weight[1] = maker_vector(m, OUT);
    op = maker_op(m, WN_OP_BINARY, y, sum);
    op->in[1] = maker_constant(m, ROWS, OUT);
    op->i[0] = 1;
    op = maker_op(m, WN_OP_NORM, sum, z);
    op->i[0] = 2;
    op->f[0] = 1e-6f;
}

static uint32_t output_of(const wn_graph *g)
{
    uint32_t i = 0;
    while (g->tensors[i].role != WN_ROLE_OUTPUT)
        i++;
    return i;
}

/* ---- a life -------------------------------------------------------------------------------------------------- */

struct life {
    struct test_device d;
    wn_device *device;
    wn_program *program;
    float z[2][VALUES];
    wn_status status; /* the first that failed */
    wn_error err;
};

static wn_status run(struct life *l, const wn_graph *g, wn_error *err)
{
    int32_t ids[2][ROWS] = { { 0, 1, 2, 3, 4 }, { 4, 4, 0, 2, 1 } };
    const uint32_t z = output_of(g);
    const wn_binding b[4] = { { 0, 0, ids[0] }, { 0, 1, ids[1] }, { z, 0, l->z[0] }, { z, 1, l->z[1] } };
    memset(l->z, 0xff, sizeof l->z);
    return l->d.api->run(l->program, 2, b, 4, err);
}

static wn_status compile(struct life *l, const wn_graph *g, wn_error *err)
{
    const wn_compile_options options = { sizeof options, WN_F32, 2 };
    return l->program ? WN_OK : l->d.api->compile(l->device, g, &options, &l->program, err);
}

static wn_status open_device(struct life *l, wn_error *err)
{
    wn_device_info info = { .struct_size = sizeof info };
    if (l->device)
        return WN_OK;
    WN_TRY(l->d.api->info(l->d.driver, 0, &info, err));
    return l->d.api->open(l->d.driver, 0, &l->device, err);
}

/* Goes as far as it can; what is there from before stays. */
static wn_status live(struct life *l, const wn_graph *g, wn_error *err)
{
    if (!l->d.driver)
        WN_TRY(l->d.plugin->create(&l->d.host, &test_device_options, &l->d.driver, err));
    WN_TRY(open_device(l, err));
    WN_TRY(compile(l, g, err));
    WN_TRY(run(l, g, err));
    return run(l, g, err);
}

static void end_life(struct life *l)
{
    l->d.api->free_program(l->program);
    l->d.api->close(l->device);
    l->d.plugin->destroy(l->d.driver);
    l->d.driver = NULL;
    l->device = NULL;
    l->program = NULL;
}

/* ---- points -------------------------------------------------------------------------------------------------- */

static int is_clear(const wn_error *err, wn_status status)
{
    int digits = 0;
    for (const char *c = err->message; *c; c++)
        digits += *c >= '0' && *c <= '9';
    return err->code == status && digits > 0 && strchr(err->message, '\n') == NULL;
}

/* The leak checker sees memory of ours alone; what the driver made for us is counted. */
static void check_nothing_is_left(const char *plan)
{
    const char *name;
    const int64_t left = alive(&name);
    if (left != 0)
        CHECK_FAIL("%s: %lld of %s are left", plan, (long long)left, name);
}

/* What may come of it: `allowed` is a set of 1 << status. */
static void point(const struct life *base, const wn_graph *g, const float *want, const char *plan, uint32_t allowed)
{
    struct life l = *base;
    wn_error err = { 0 };
    points++;
    set_plan(plan);
    const wn_status status = live(&l, g, &err);
    if (!(allowed >> status & 1))
        CHECK_FAIL("%s: status %d, message \"%s\"", plan, status, err.message);
    if (status != WN_OK && !is_clear(&err, status))
        CHECK_FAIL("%s: status %d with the unclear message \"%s\"", plan, status, err.message);
    if (status == WN_OK && memcmp(l.z, want, sizeof l.z) != 0)
        CHECK_FAIL("%s: another result", plan);
    set_plan("");
    if (!l.device && l.d.driver) /* what listed no device lists none later: begin again */
        end_life(&l);
    const wn_status again = live(&l, g, &err);
    if (again != WN_OK || memcmp(l.z, want, sizeof l.z) != 0)
        CHECK_FAIL("%s: afterwards status %d, message \"%s\"", plan, again, again ? err.message : "another result");
    end_life(&l);
    check_nothing_is_left(plan);
}

enum { FINE = 1 << WN_OK, MEMORY = 1 << WN_E_MEMORY, DEVICE = 1 << WN_E_DEVICE, MISSING = 1 << WN_E_MISSING };

/* What streaming does that other programs do not. */
static int streams(const char *name)
{
    static const char *const names[] = { "QueueSubmit", "CreateSemaphore", "WaitSemaphores", "AllocateCommandBuffers",
                                         "CreateCommandPool" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return 1;
    return 0;
}

/* Every n of every function, as an undisturbed life calls them. */
static void fail_each(const struct life *base, const wn_graph *g, const float *want, const char *result,
                      uint32_t allowed, int mode)
{
    uint64_t count[64];
    const char *name[64];
    uint32_t functions = 0;
    struct life l = *base;
    wn_error err = { 0 };
    set_plan("");
    CHECK_OK(live(&l, g, &err), err);
    end_life(&l);
    for (; functions < 63; functions++) {
        count[functions] = calls_of(functions, &name[functions]);
        if (!name[functions])
            break;
    }
    for (uint32_t f = 0; f < functions; f++) {
        for (uint64_t n = 1; n <= count[f] && (!(mode & STREAMED) || streams(name[f])); n++) {
            char plan[100];
            snprintf(plan, sizeof plan, "%s=%llu:%s", name[f], (unsigned long long)n, result);
            point(base, g, want, plan, allowed);
        }
    }
}

/* Lost again and again: an error after two retries, and a device that comes back when it is asked later. */
static void lose_for_good(const struct life *base, const wn_graph *g, const float *want)
{
    for (int n = 1; n <= 6; n++) {
        char plan[100];
        snprintf(plan, sizeof plan, "WaitForFences=%d:lost:always", n);
        point(base, g, want, plan, n <= 2 ? DEVICE : DEVICE | FINE);
        snprintf(plan, sizeof plan, "QueueSubmit=%d:lost:always", n);
        point(base, g, want, plan, n <= 2 ? DEVICE : DEVICE | FINE);
    }
}

/* Lost, and something fails while it is opened and built again. */
static void fail_twice(const struct life *base, const wn_graph *g, const float *want)
{
    static const char *const second[] = { "CreateDevice=2:init",         "CreateDevice=2:lost",
                                          "CreateFence=3:host",          "CreateBuffer=3:device",
                                          "CreatePipelineLayout=2:host", "AllocateMemory=3:device:always",
                                          "CreateCommandPool=3:host",    "CreateComputePipelines=5:init",
                                          "CreateShaderModule=6:host" };
    for (size_t i = 0; i < sizeof second / sizeof *second; i++) {
        char plan[100];
        snprintf(plan, sizeof plan, "QueueSubmit=1:lost %s", second[i]);
        point(base, g, want, plan, DEVICE | MEMORY | FINE);
    }
}

/* Drivers that lack something: there is no device, and the message says why. */
static void lack(const struct life *base, const wn_graph *g, const float *want)
{
    static const char *const plans[] = { "version=0",
                                         "version=1",
                                         "no-addresses",
                                         "EnumeratePhysicalDevices=1:none",
                                         "missing=vkCreateInstance",
                                         "missing=vkGetDeviceProcAddr",
                                         "missing=vkWaitForFences",
                                         "missing=vkGetDeviceQueue",

                                         "missing=vkDestroyFence",
                                         "missing=vkEnumerateInstanceVersion",
                                         "missing=vkGetBufferDeviceAddress" };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++)
        point(base, g, want, plans[i], MISSING);
}

/* ---- two programs -------------------------------------------------------------------------------------------- */

struct worker {
    struct life life;
    const wn_graph *g;
    const float *want;
    int failures;
};

static void *work(void *arg)
{
    struct worker *w = arg;
    wn_error err = { 0 };
    for (int i = 0; i < 12; i++)
        if (run(&w->life, w->g, &err) != WN_OK || memcmp(w->life.z, w->want, sizeof w->life.z) != 0)
            w->failures++;
    return NULL;
}

/* Two programs at once; with a plan that loses the device under them both go on. */
static void share(const struct life *base, const wn_graph *g, const float *want, const char *plan)
{
    struct worker w[2] = { { *base, g, want, 0 }, { *base, g, want, 0 } };
    pthread_t thread[2];
    wn_error err = { 0 };
    points++;
    set_plan("");
    CHECK_OK(live(&w[0].life, g, &err), err);
    w[1].life.d = w[0].life.d;
    w[1].life.device = w[0].life.device;
    CHECK_OK(compile(&w[1].life, g, &err), err);
    set_plan(plan);
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&thread[i], NULL, work, &w[i]), 0);
    for (int i = 0; i < 2; i++) {
        pthread_join(thread[i], NULL);
        CHECK_INT(w[i].failures, 0);
    }
    set_plan("");
    w[0].life.d.api->free_program(w[1].life.program);
    end_life(&w[0].life);
    check_nothing_is_left(plan);
}

/* A driver that does not answer is given up: an error for this and all that come, and nothing is destroyed under it. */
static void hang(const struct life *base, const wn_graph *g, const char *plan)
{
    struct life l = *base;
    wn_error err = { 0 };
    points++;
    set_plan("");
    CHECK_OK(live(&l, g, &err), err);
    set_plan(plan);
    CHECK_INT(run(&l, g, &err), WN_E_DEVICE);
    CHECK_CONTAINS(err.message, "no answer in 600 s (VK_TIMEOUT)");
    set_plan("");
    CHECK_INT(run(&l, g, &err), WN_E_DEVICE);
    CHECK_CONTAINS(err.message, "was lost and is not open");
    end_life(&l);
}

/* ---- streamed weights ---------------------------------------------------------------------------------------- */

static uint64_t count_copied(struct life *l, const wn_graph *g, uint64_t items)
{
    int32_t ids[2][ROWS] = { { 0, 1, 2, 3, 4 }, { 4, 4, 0, 2, 1 } };
    const uint32_t z = output_of(g);
    const wn_binding b[4] = { { 0, 0, ids[0] }, { z, 0, l->z[0] }, { 0, 1, ids[1] }, { z, 1, l->z[1] } };
    wn_error err = { 0 };
    set_plan("");
    CHECK_OK(l->d.api->run(l->program, items, b, 2 * items, &err), err);
    return copied();
}

/* Weights are copied once for a run, whatever the number of items in it; inputs and outputs once for each. Where
 * copies have a queue of their own, kernels do not wait for the copies of the next leg: when these come late, kernels
 * overtake them. */
static void stream_once(const struct life *base, const wn_graph *g)
{
    struct life l = *base;
    wn_error err = { 0 };
    const uint64_t item_bytes = ROWS * sizeof(int32_t) + VALUES * sizeof(float);
    CHECK_OK(live(&l, g, &err), err);
    const uint64_t before = overtaken ? overtaken() : 0, one = count_copied(&l, g, 1), two = count_copied(&l, g, 2);
    CHECK_INT(two - one, item_bytes);
    CHECK_INT((one - item_bytes) % WIDE_BYTES, 0);
    if (one - item_bytes < 4 * WIDE_BYTES)
        CHECK_FAIL("%llu bytes are copied, too few for this test", (unsigned long long)one);
    const uint64_t ahead = (overtaken ? overtaken() : 0) - before;
    if (overtaken && strstr(getenv("WINNOW_QUEUES"), "late") && ahead < 4)
        CHECK_FAIL("%llu submissions were overtaken: kernels wait for copies that they do not need",
                   (unsigned long long)ahead);
    end_life(&l);
}

static void check_all(struct life *base, const wn_graph *g, int mode)
{
    struct life first = *base;
    static float want[2 * VALUES];
    wn_error err = { 0 };
    CHECK_OK(live(&first, g, &err), err);
    memcpy(want, first.z, sizeof want);
    end_life(&first);
    if (mode & STREAMED) { /* the same bits as when all fits */
        setenv("WINNOW_VULKAN_CAPS", STREAM_CAPS, 1);
        point(base, g, want, "", FINE);
        stream_once(base, g);
    }
    share(base, g, want, "");
    if (mode & CALM)
        return;
    fail_each(base, g, want, "device", FINE | MEMORY | MISSING, mode);
    if (!(mode & STREAMED))
        fail_each(base, g, want, "init", FINE | DEVICE | MISSING, mode);
    fail_each(base, g, want, "lost", FINE | DEVICE | MISSING, mode);
    lose_for_good(base, g, want);
    fail_twice(base, g, want);
    share(base, g, want, "WaitForFences=9:lost");
    share(base, g, want, mode & STREAMED ? "QueueSubmit=5:lost" : "QueueSubmit=5:lost AllocateMemory=3:device");
    if (mode & STREAMED)
        hang(base, g, overtaken ? "WaitSemaphores=1:timeout:always" : "WaitForFences=1:timeout:always");
    if (mode & (STAGED | STREAMED))
        return;
    lack(base, g, want);
    hang(base, g, "WaitForFences=1:timeout:always");
}

/* The plugin on the faulty library; skips where there is no software driver. */
static void begin(struct life *base)
{
    test_device_open(&base->d, 2);
    base->d.api->close(base->d.device);
    base->d.plugin->destroy(base->d.driver);
    base->d.driver = NULL;
    setenv("WINNOW_VULKAN_LIBRARY", WINNOW_FAULTY_LIBRARY, 1);
    void *library = dlopen(WINNOW_FAULTY_LIBRARY, RTLD_NOW | RTLD_LOCAL);
    test_require(library != NULL, library ? "" : dlerror());
    *(void **)&set_plan = dlsym(library, "faulty_plan");
    *(void **)&calls_of = dlsym(library, "faulty_calls");
    *(void **)&alive = dlsym(library, "faulty_alive");
    *(void **)&copied = dlsym(library, "faulty_copied");
    void *driver =
        getenv("WINNOW_QUEUES") ? dlopen(WINNOW_QUEUES_LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE) : NULL;
    if (driver)
        *(void **)&overtaken = dlsym(driver, "queues_overtaken");
}

/* `staged`: on a device whose memory the host does not see; `streamed`: and too small for the weights; `calm`: without
 * faults, for the validation layers. */
int main(int argc, char **argv)
{
    struct life base = { 0 };
    struct maker m;
    int mode = 0;
    for (int i = 1; i < argc; i++)
        mode |= strcmp(argv[i], "staged") == 0     ? STAGED
                : strcmp(argv[i], "streamed") == 0 ? STREAMED
                : strcmp(argv[i], "calm") == 0     ? CALM
                                                   : 0;
    setenv("WINNOW_TEST_DEVICE", "vulkan", 1);
    setenv("WINNOW_VULKAN_CAPS", mode & (STAGED | STREAMED) ? "no-unified" : "", 1);
    begin(&base);
    make_graph(&m, mode);
    const wn_graph g = maker_graph(&m);
    check_all(&base, &g, mode);
    printf("%u fault points\n", points);
    maker_end(&m);
    pool_destroy(base.d.pool);
    return CHECK_DONE();
}
