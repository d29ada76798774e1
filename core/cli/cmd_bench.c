/* cmd_bench.c - what this machine gives: steps through the engine when a step costs nothing, and the two operations
 * that models spend their time in, on every device.
 *
 * The engine is measured by a real run (search, batcher, solver, decoder, verifier, ledger) with the analytic sampler,
 * in a directory of its own under TMPDIR that is removed afterwards. Operations are measured through the device
 * interface, as a model sees it. Best of several, because a busy machine only ever makes things slower.
 */
#include "base/clock.h"
#include "base/files.h"
#include "base/pool.h"
#include "cli/bench.h"
#include "cli/commands.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "engine/experiment.h"
#include "engine/timeline.h"
#include "plugin/device.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One line of the result. */
struct measurement {
    char what[120];
    double value;
    const char *unit;
    double gb_per_s; /* read and written, as the device counts; 0 = not of a device */
    uint64_t memory_bytes;
};

struct bench {
    struct cli *c;
    double seconds; /* for each measurement */
    struct measurement rows[64];
    uint32_t count;
};

static void add(struct bench *b, const struct measurement *m)
{
    if (b->count < sizeof b->rows / sizeof *b->rows)
        b->rows[b->count++] = *m;
}

/* ---- the engine ---- */

static const char engine_spec[] =
    "{ \"winnow\": 0, \"name\": \"bench\", \"prompts\": { \"list\": [\"1\", \"2\", \"3\", \"4\"] },\n"
    "  \"canvas\": { \"width\": 32, \"height\": 32, \"steps\": 30 },\n"
    "  \"sampler\": { \"use\": \"analytic\" }, \"verifiers\": { \"near\": { \"use\": \"analytic\" } },\n"
    "  \"search\": { \"use\": \"random\", \"guide\": \"near\", \"options\": { \"candidates\": 2000 } },\n"
    "  \"engine\": { \"batch\": 256, \"live\": 4, \"save_images\": false } }\n";

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static wn_status run_engine(struct bench *b, const struct spec *spec, struct process *process, wn_error *err)
{
    struct instances *instances = NULL;
    struct ledger *ledger;
    struct experiment_result result = { 0 };
    wn_error ignored;
    WN_TRY(ledger_open(spec->output, spec->hash, &ledger, err));
    wn_status status =
        instances_create(spec, process, INSTANCES_SAMPLER | INSTANCES_VERIFIERS | INSTANCES_SEARCH, &instances, err);
    if (!status)
        status = experiment_run(spec, instances, process, ledger, NULL, NULL, &result, err);
    timeline_destroy(result.timeline);
    instances_destroy(instances);
    (void)ledger_close(ledger, &ignored);
    const struct experiment_status *s = &result.status;
    if (!status)
        add(b, &(struct measurement){ .what = "engine, analytic sampler, batch 256",
                                      .value = (double)s->nfe_sampled / s->seconds,
                                      .unit = "steps/s" });
    return status;
}

static int bench_engine(struct bench *b, struct process *process)
{
    const char *tmp = getenv("TMPDIR");
    char directory[FILE_PATH_SIZE];
    struct spec *spec;
    wn_error err = { 0 };
    snprintf(directory, sizeof directory, "%s/winnow-bench-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(directory)) {
        wn_fail(&err, WN_E_IO, "%s: cannot make a directory: %s", directory, strerror(errno));
        return cli_fail(b->c, WN_E_IO, &err);
    }
    int code =
        cli_load_spec(b->c, &(struct spec_request){ .path = "bench", .text = engine_spec, .output = directory }, &spec);
    wn_status status = code == EXIT_FINE ? run_engine(b, spec, process, &err) : WN_OK;
    if (status)
        code = cli_fail(b->c, status, &err);
    spec_free(spec);
    nftw(directory, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
    return code;
}

/* ---- operations ---- */

enum { ROWS = 1024, WIDTH = 3072, HEADS = 24 };

struct operation {
    const char *name;
    wn_graph graph; /* of one op */
};

/* out[ROWS, WIDTH] = x W^T, a layer at the width of FLUX.1. */
static const wn_tensor linear_tensors[] = {
    { "x", WN_ROLE_INPUT, WN_F32, ROWS, WIDTH, WN_NONE, 0, 0, 0, NULL },
    { "out", WN_ROLE_OUTPUT, WN_F32, ROWS, WIDTH, WN_NONE, 0, 0, 0, NULL },
};
static const wn_op linear_op = { .kind = WN_OP_LINEAR,
                                 .activation = WN_ACT_NONE,
                                 .in = { 0, WN_NONE, WN_NONE, WN_NONE },
                                 .weight = { 0, WN_NONE },
                                 .out = 1 };

/* Self-attention over ROWS tokens, q = k = v = x. */
static const wn_op attention_op = { .kind = WN_OP_ATTENTION,
                                    .activation = WN_ACT_NONE,
                                    .in = { 0, 0, 0, WN_NONE },
                                    .weight = { WN_NONE, WN_NONE },
                                    .out = 1,
                                    .i = { HEADS },
                                    .f = { 0.0884f } };

static void fill(float *values, uint64_t count)
{
    uint32_t state = 1;
    for (uint64_t i = 0; i < count; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) / (1 << 24) - 0.5f;
    }
}

/* Seconds of the quickest run, and how many there were. */
static wn_status time_runs(const struct bench *b, const wn_device_api *api, wn_program *program, float *x, float *out,
                           double *best, uint64_t *runs, wn_error *err)
{
    wn_binding bindings[] = { { 0, 0, x }, { 1, 0, out } };
    double started = clock_seconds();
    *best = 1e30;
    for (*runs = 0; *runs < 3 || clock_seconds() - started < b->seconds; ++*runs) {
        double before = clock_seconds();
        WN_TRY(api->run(program, 1, bindings, 2, err));
        double took = clock_seconds() - before;
        *best = took < *best ? took : *best;
    }
    return WN_OK;
}

/* The work in a run and the memory are what the device says of them. */
static wn_status measure(const struct bench *b, const wn_device_api *api, wn_program *program, struct measurement *m,
                         wn_error *err)
{
    float *x = malloc(sizeof *x * ROWS * WIDTH), *out = malloc(sizeof *out * ROWS * WIDTH);
    wn_status status = x && out ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory");
    double best;
    uint64_t runs, activation_bytes, weight_bytes;
    wn_op_profile work = { 0 };
    if (!status) {
        fill(x, (uint64_t)ROWS * WIDTH);
        api->profile(program, &work, 1); /* from here on it counts */
        status = time_runs(b, api, program, x, out, &best, &runs, err);
    }
    if (!status) {
        api->profile(program, &work, 1);
        api->memory(program, &activation_bytes, &weight_bytes);
        m->value = work.flops / (double)runs / best * 1e-9;
        m->gb_per_s = work.bytes / (double)runs / best * 1e-9;
        m->memory_bytes = activation_bytes + weight_bytes;
    }
    free(x);
    free(out);
    return status;
}

static wn_status bench_operation(struct bench *b, const char *name, const wn_device_api *api, wn_device *device,
                                 const struct operation *op, int64_t dtype, wn_error *err)
{
    wn_program *program = NULL;
    struct measurement m = { .unit = "GFLOP/s" };
    wn_compile_options options = { sizeof options, dtype, 1 };
    snprintf(m.what, sizeof m.what, "%s, %s, %s", name, op->name, dtype == WN_F32 ? "f32" : "bf16");
    WN_TRY(api->compile(device, &op->graph, &options, &program, err));
    wn_status status = measure(b, api, program, &m, err);
    api->free_program(program);
    if (!status)
        add(b, &m);
    return status;
}

static wn_status bench_device(struct bench *b, const char *name, const wn_device_api *api, wn_device *device,
                              const float *weight_data, wn_error *err)
{
    const wn_weight weight = { "W", WIDTH, WIDTH, { { weight_data, WN_F32, 1, WIDTH } }, 1 };
    const struct operation operations[] = {
        { "linear 1024 x 3072 x 3072", { sizeof(wn_graph), "linear", linear_tensors, 2, &weight, 1, &linear_op, 1 } },
        { "attention 1024 tokens, 24 heads of 128",
          { sizeof(wn_graph), "attention", linear_tensors, 2, NULL, 0, &attention_op, 1 } },
    };
    for (uint32_t i = 0; i < 2; i++) {
        terminal_progress(operations[i].name);
        WN_TRY(bench_operation(b, name, api, device, &operations[i], WN_F32, err));
        WN_TRY(bench_operation(b, name, api, device, &operations[i], WN_BF16, err));
    }
    return WN_OK;
}

static int bench_operations(struct bench *b, struct process *process)
{
    const char *name = cli_value(b->c, "device", "cpu");
    struct device_session d = { 0 };
    wn_error err = { 0 };
    float *weight = malloc(sizeof *weight * WIDTH * WIDTH);
    wn_status status =
        weight ? device_open(process, name, &d, &err) : wn_fail(&err, WN_E_MEMORY, "no memory for a weight");
    if (!status) {
        fill(weight, (uint64_t)WIDTH * WIDTH);
        status = bench_device(b, name, d.api, d.device, weight, &err);
    }
    device_close(&d);
    free(weight);
    return status ? cli_fail(b->c, status, &err) : EXIT_FINE;
}

/* ---- results ---- */

static void write_json(const struct bench *b, uint32_t threads, struct buffer *out)
{
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key(&j, "threads"), json_u64(&j, threads);
    json_key(&j, "measurements"), json_array(&j);
    for (uint32_t i = 0; i < b->count; i++) {
        json_object(&j);
        json_key(&j, "what"), json_string(&j, b->rows[i].what);
        json_key(&j, "value"), json_number(&j, b->rows[i].value);
        json_key(&j, "unit"), json_string(&j, b->rows[i].unit);
        if (b->rows[i].gb_per_s > 0) {
            json_key(&j, "gb_per_s"), json_number(&j, b->rows[i].gb_per_s);
            json_key(&j, "memory_bytes"), json_u64(&j, b->rows[i].memory_bytes);
        }
        json_end(&j);
    }
    json_end(&j);
    json_end(&j);
    buffer_byte(out, '\n');
}

static void write_table(const struct bench *b, struct buffer *out)
{
    struct table t;
    table_start(&t, 4);
    for (uint32_t i = 0; i < b->count; i++) {
        table_cell(&t, "%s", b->rows[i].what);
        table_cell(&t, "%12.0f", b->rows[i].value);
        table_cell(&t, "%s", b->rows[i].unit);
        if (b->rows[i].gb_per_s > 0)
            table_cell(&t, "%.1f GB/s, %.0f MB", b->rows[i].gb_per_s, (double)b->rows[i].memory_bytes * 1e-6);
        else
            table_cell(&t, "%s", "");
    }
    table_write(&t, 0, out);
}

static int run(struct cli *c)
{
    if (c->argument_count)
        return bench_sampler(c);
    uint64_t seconds = 1;
    struct buffer out = BUFFER_INIT(1 << 16);
    struct bench b = { .c = c };
    if (!cli_u64(c, "seconds", 1, 3600, &seconds))
        return EXIT_USAGE;
    struct process *process = cli_process(c, 0);
    if (!process)
        return EXIT_FAILED;
    b.seconds = (double)seconds;
    terminal_progress("engine");
    int code = bench_engine(&b, process);
    if (code == EXIT_FINE)
        code = bench_operations(&b, process);
    terminal_stop();
    if (cli_flag(c, "json"))
        write_json(&b, pool_threads(process->pool), &out);
    else
        write_table(&b, &out);
    int printed = cli_print(c, &out);
    return code == EXIT_FINE ? printed : code;
}

static const struct cli_option options[] = {
    { "device", 0, "NAME", "device whose operations are measured; cpu when not given" },
    { "seconds", 0, "N", "seconds for each operation (1 when not given), or for each part of a model (5)" },
    { "synthetic", 0, NULL, "a model of random weights, without files" },
    { "size", 0, "NAME", "which: flux-dev (when not given), flux-schnell, small, pebble" },
    { "model", 0, "MODEL", "the sampler's model, in the place of a synthetic one" },
    { "dtype", 0, "TYPE", "type of the matrix products; bf16 when not given" },
    { "px", 0, "PX,...", "sides of the pictures; 256,512,1024 when not given" },
    { "batch", 0, "N", "pictures at once, at most; 1 when not given" },
    { "image-tokens", 0, "N", "in the place of --px: a square, 16 px a side each" },
    { "text-tokens", 0, "N", "of the text encoder; the model's when not given" },
    { "blocks", 0, "D,S", "only so many double and single blocks of a synthetic model" },
    { "part", 0, "NAME", "only this part: transformer, T5, VAE, ...; repeatable" },
    { "json", 0, NULL, "as JSON" },
    { NULL, 0, NULL, NULL }
};

const struct command cmd_bench = {
    .name = "bench",
    .arguments = "[SAMPLER]",
    .summary = "measure the engine and a device's main operations, or a sampler's model part by part",
    .details =
        "  winnow bench flux --synthetic --device vulkan:0\n"
        "  winnow bench flux --synthetic --blocks 1,1 --image-tokens 256 --text-tokens 512 --part transformer\n\n"
        "With a sampler, each part of its model (text encoders, transformer, decoder) is run on the device: "
        "seconds\n"
        "of a run, memory, and GFLOP/s and GB/s by operation as shares of what the device reaches on a plain "
        "product and\n"
        "a plain copy.",
    .options = options,
    .maximum_arguments = 1,
    .run = run,
};
