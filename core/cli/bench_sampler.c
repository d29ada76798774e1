/* bench_sampler.c - the parts of a sampler's model on a device: seconds, memory, and where the time goes. With random
 * weights of a known model's shapes it needs no files: a full-size FLUX.1 is measured by one command.
 *
 * The parts that encode a prompt run once, those that make pictures at every size. Runs are timed as a user sees them,
 * transfers included; then once more with each operation timed by the device itself. */
#include "cli/bench.h"
#include "base/clock.h"
#include "cli/table.h"
#include "cli/terminal.h"
#include "cli/workload.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_SIZES = 8, MOST_ROWS = 64, MOST_OPS = 8192, SHOWN_OPS = 24 };

/* Operations of one name, together. */
struct op_sum {
    char name[80];
    uint64_t count;
    double seconds, flops, bytes;
};

struct measured {
    const char *part;
    uint64_t px; /* 0: of any size */
    uint64_t items, runs;
    double load_s;         /* compiling and loading, with the first run */
    double best_s, mean_s; /* of one run of all items */
    double flops;          /* of one run */
    uint64_t activation_bytes, weight_bytes;
    double planned_activation_bytes, planned_weight_bytes;
    struct op_sum *ops; // [op_count], by falling seconds
    uint64_t op_count;
};

struct sampler_bench {
    struct cli *c;
    const char *plugin, *size, *device, *dtype;
    uint64_t px[MOST_SIZES];
    uint32_t px_count;
    uint64_t text_tokens, batch, blocks[2];
    double seconds;
    struct spec *spec;
    struct workload work;
    char device_name[640];
    bool is_large;
    struct bench_peaks peaks;
    struct measured rows[MOST_ROWS];
    uint32_t count;
};

/* ---- the command line ------------------------------------------------------------------------------------------ */

/* "256,512": how many numbers; 0 where it is no such list. */
static uint32_t read_list(const char *text, uint64_t *values, uint32_t most)
{
    uint32_t count = 0;
    for (char *end; count < most; text = end + 1) {
        if (*text < '0' || *text > '9')
            return 0;
        values[count++] = strtoull(text, &end, 10);
        if (*end == '\0')
            return count;
        if (*end != ',')
            return 0;
    }
    return 0;
}

/* A token is 16 px a side. */
static int read_tokens(struct sampler_bench *b)
{
    uint64_t tokens = 0;
    if (!cli_u64(b->c, "image-tokens", 1, 1 << 18, &tokens))
        return EXIT_USAGE;
    const uint64_t side = (uint64_t)llround(sqrt((double)tokens));
    if (side * side != tokens)
        return cli_usage(b->c, "--image-tokens %llu is no square; %llu is", (unsigned long long)tokens,
                         (unsigned long long)(side * side));
    if (tokens) {
        b->px[0] = 16 * side;
        b->px_count = 1;
    }
    return EXIT_FINE;
}

static int read_line(struct sampler_bench *b)
{
    struct cli *c = b->c;
    uint64_t seconds = 5;
    b->plugin = c->arguments[0];
    b->size = cli_value(c, "size", "flux-dev");
    b->device = cli_value(c, "device", "cpu");
    b->dtype = cli_value(c, "dtype", "bf16");
    b->batch = 1;
    b->blocks[0] = b->blocks[1] = UINT64_MAX;
    if (!cli_flag(c, "synthetic") == !cli_flag(c, "model"))
        return cli_usage(c, "what is to be measured? --synthetic (random weights) or --model MODEL");
    b->px_count = read_list(cli_value(c, "px", "256,512,1024"), b->px, MOST_SIZES);
    if (!b->px_count)
        return cli_usage(c, "--px %s: up to %d sizes are needed, as in 256,512,1024", cli_value(c, "px", ""),
                         MOST_SIZES);
    if (cli_flag(c, "blocks") && read_list(cli_value(c, "blocks", ""), b->blocks, 2) != 2)
        return cli_usage(c, "--blocks %s: two numbers are needed, as in 1,1", cli_value(c, "blocks", ""));
    if (!cli_u64(c, "text-tokens", 1, 4096, &b->text_tokens) || !cli_u64(c, "batch", 1, 256, &b->batch) ||
        !cli_u64(c, "seconds", 1, 3600, &seconds))
        return EXIT_USAGE;
    b->seconds = (double)seconds;
    return read_tokens(b);
}

static int load_spec(struct sampler_bench *b)
{
    struct buffer text = BUFFER_INIT(1 << 16);
    struct json_text j = json_begin(&text, 0);
    json_object(&j);
    json_key_u64(&j, "winnow", 0);
    json_key(&j, "sampler"), json_object(&j);
    json_key_string(&j, "use", b->plugin);
    json_key(&j, "options"), json_object(&j);
    json_key_string(&j, "model", cli_value(b->c, "model", b->size));
    json_key_string(&j, "device", b->device);
    json_key_string(&j, "dtype", b->dtype);
    json_end(&j), json_end(&j), json_end(&j);
    const struct spec_request request = { .path = "command line", .text = buffer_string(&text), .without_run = true };
    const int code = cli_load_spec(b->c, &request, &b->spec);
    buffer_free(&text);
    return code;
}

static wn_status open_work(struct sampler_bench *b, wn_error *err)
{
    const wn_workload_request request = {
        .synthetic = cli_flag(b->c, "synthetic") ? b->size : NULL,
        .width_px = b->px[0],
        .height_px = b->px[0],
        .steps = 28,
        .text_tokens = b->text_tokens,
        .batch = b->batch,
        .blocks = { b->blocks[0], b->blocks[1] },
    };
    return workload_open(&b->c->process, b->spec, &request, &b->work, err);
}

/* ---- the device ------------------------------------------------------------------------------------------------ */

static wn_status note_device(struct sampler_bench *b, const struct device_session *d, wn_error *err)
{
    wn_device_info info;
    WN_TRY(device_session_info(d, &info, err));
    b->is_large = info.kind == WN_DEVICE_GPU || info.kind == WN_DEVICE_INTEGRATED_GPU;
    snprintf(b->device_name, sizeof b->device_name, "%s (%.200s%s%.300s)", b->device, info.name,
             *info.paths ? "; " : "", info.paths);
    return WN_OK;
}

static wn_status find_peaks(struct sampler_bench *b, wn_error *err)
{
    struct device_session d = { 0 };
    const int64_t dtype = strcmp(b->dtype, "bf16") == 0 ? WN_BF16 : strcmp(b->dtype, "f16") == 0 ? WN_F16 : WN_F32;
    terminal_progress("what the device reaches at best");
    wn_status status = device_open(&b->c->process, b->device, &d, err);
    if (status == WN_OK)
        status = note_device(b, &d, err);
    if (status == WN_OK)
        status = bench_find_peaks(&d, dtype, b->is_large, &b->peaks, err);
    device_close(&d);
    return status;
}

/* ---- one part -------------------------------------------------------------------------------------------------- */

static int slowest_first(const void *a, const void *b)
{
    const double x = ((const struct op_sum *)a)->seconds, y = ((const struct op_sum *)b)->seconds;
    return x > y ? -1 : x < y;
}

/* Layers of the same kind have one name: "blocks.3.mlp.0.weight" is "blocks.*.mlp.0". */
static void layer_name(char *name, size_t size, const char *given)
{
    const size_t length = strlen(given), suffix = strlen(".weight");
    const bool is_weight = length > suffix && strcmp(given + length - suffix, ".weight") == 0;
    const char *end = given + length - (is_weight ? suffix : 0);
    size_t used = 0;
    while (given < end && used + 1 < size) {
        const size_t digits = strspn(given, "0123456789");
        const bool is_number = digits && used && name[used - 1] == '.' && given + digits < end && given[digits] == '.';
        name[used++] = is_number ? '*' : *given;
        given += is_number ? digits : 1;
    }
    name[used] = '\0';
}

static void add_op(struct measured *m, const wn_op_profile *op, const wn_op_profile *before)
{
    struct op_sum *sum = m->ops;
    char name[sizeof sum->name];
    layer_name(name, sizeof name, op->name);
    while (sum < m->ops + m->op_count && strcmp(sum->name, name) != 0)
        sum++;
    if (sum == m->ops + m->op_count) {
        memcpy(sum->name, name, sizeof name);
        m->op_count++;
    }
    sum->count++;
    sum->seconds += op->seconds - before->seconds;
    sum->flops += op->flops - before->flops;
    sum->bytes += op->bytes - before->bytes;
}

/* One more run in which the device times each operation. */
static wn_status profile(struct sampler_bench *b, uint32_t part, struct measured *m, wn_error *err)
{
    double seconds;
    wn_op_profile *before = calloc(MOST_OPS, sizeof *before), *after = calloc(MOST_OPS, sizeof *after);
    m->ops = calloc(MOST_OPS, sizeof *m->ops);
    wn_status status = before && after && m->ops ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a profile");
    const wn_workload_api *api = b->work.api;
    if (status == WN_OK) {
        api->profile(b->work.self, part, before, MOST_OPS); /* from here on it counts */
        status = api->run(b->work.self, part, m->items, &seconds, err);
        api->profile(b->work.self, part, before, MOST_OPS);
    }
    if (status == WN_OK)
        status = api->run(b->work.self, part, m->items, &seconds, err);
    const uint64_t count = status == WN_OK ? api->profile(b->work.self, part, after, MOST_OPS) : 0;
    for (uint64_t i = 0; i < count && i < MOST_OPS; i++)
        add_op(m, &after[i], &before[i]);
    if (status == WN_OK)
        qsort(m->ops, m->op_count, sizeof *m->ops, slowest_first);
    free(before);
    free(after);
    return status;
}

/* At least two runs beyond the first; one where a run takes long. */
static wn_status time_part(struct sampler_bench *b, uint32_t part, struct measured *m, wn_error *err)
{
    double seconds, spent = 0;
    const double start = clock_seconds();
    WN_TRY(b->work.api->run(b->work.self, part, m->items, &seconds, err));
    m->load_s = clock_seconds() - start - seconds;
    m->best_s = 1e30;
    const uint64_t least = seconds > 20 ? 1 : 2;
    while (m->runs < least || spent < b->seconds) {
        if (atomic_load(&b->c->process.cancelled))
            return wn_fail(err, WN_E_CANCELLED, "interrupted");
        WN_TRY(b->work.api->run(b->work.self, part, m->items, &seconds, err));
        m->runs++;
        spent += seconds;
        m->best_s = seconds < m->best_s ? seconds : m->best_s;
    }
    m->mean_s = spent / (double)m->runs;
    return WN_OK;
}

/* Weights of f16 are as large as those of bf16. */
static const struct workload_type *type_of(const char *dtype)
{
    const struct workload_type *t = workload_types;
    const char *name = strcmp(dtype, "f16") == 0 ? "bf16" : dtype;
    while (t->name && strcmp(t->name, name) != 0)
        t++;
    return t->name ? t : &workload_types[0];
}

static wn_status measure_part(struct sampler_bench *b, uint32_t index, uint64_t px, wn_error *err)
{
    wn_workload_part part = { .struct_size = sizeof part };
    char line[160];
    if (b->count == MOST_ROWS)
        return WN_OK;
    WN_TRY(b->work.api->part(b->work.self, index, &part, err));
    struct measured *m = &b->rows[b->count++];
    *m = (struct measured){ .part = part.name, .px = part.per_prompt ? 0 : px, .items = part.max_items };
    snprintf(line, sizeof line, "%s, %llu px", part.name, (unsigned long long)px);
    terminal_progress(line);
    m->flops = part.flops * (double)m->items;
    m->planned_activation_bytes = (double)part.activation_bytes;
    m->planned_weight_bytes = workload_weights(&part, type_of(b->dtype));
    WN_TRY(time_part(b, index, m, err));
    b->work.api->memory(b->work.self, index, &m->activation_bytes, &m->weight_bytes);
    return profile(b, index, m, err);
}

static bool is_wanted(const struct sampler_bench *b, const char *part)
{
    const char *given[WORKLOAD_PARTS];
    const uint32_t count = cli_values(b->c, "part", given, WORKLOAD_PARTS);
    for (uint32_t i = 0; i < count; i++)
        if (strcasestr(part, given[i]))
            return true;
    return count == 0;
}

/* What encodes a prompt first, each leaving before the next comes; then pictures, the smallest first. */
static wn_status measure_all(struct sampler_bench *b, wn_error *err)
{
    for (uint32_t i = 0; i < b->work.count; i++)
        if (b->work.parts[i].per_prompt && is_wanted(b, b->work.parts[i].name)) {
            WN_TRY(measure_part(b, i, b->px[0], err));
            b->work.api->release(b->work.self, i);
        }
    for (uint32_t i = 0; i < b->work.count; i++) {
        for (uint32_t s = 0; s < b->px_count && !b->work.parts[i].per_prompt && is_wanted(b, b->work.parts[i].name);
             s++) {
            WN_TRY(b->work.api->resize(b->work.self, b->px[s], b->px[s], err));
            WN_TRY(measure_part(b, i, b->px[s], err));
        }
        b->work.api->release(b->work.self, i);
    }
    return b->count ? WN_OK : wn_fail(err, WN_E_ARG, "--part: none of the model's parts has such a name");
}

/* ---- results --------------------------------------------------------------------------------------------------- */

static void write_parts(const struct sampler_bench *b, struct buffer *out)
{
    buffer_printf(out, "%-16s %6s %5s %12s %12s %9s %6s %12s %12s %7s\n", "part", "px", "items", "s/run, best",
                  "s/run, mean", "GFLOP/s", "peak", "activations", "weights", "load s");
    for (uint32_t i = 0; i < b->count; i++) {
        const struct measured *m = &b->rows[i];
        const double rate = m->flops / m->best_s;
        buffer_printf(out, "%-16s %6llu %5llu %12.4f %12.4f %9.1f %4.0f %% %9.1f MB %9.1f MB %7.2f\n", m->part,
                      (unsigned long long)m->px, (unsigned long long)m->items, m->best_s, m->mean_s, rate * 1e-9,
                      100 * rate / b->peaks.product, (double)m->activation_bytes * 1e-6, (double)m->weight_bytes * 1e-6,
                      m->load_s);
    }
}

static void write_ops(const struct sampler_bench *b, const struct measured *m, struct buffer *out)
{
    double all = 0;
    for (uint64_t i = 0; i < m->op_count; i++)
        all += m->ops[i].seconds;
    buffer_printf(out, "\n%s", m->part);
    if (m->px)
        buffer_printf(out, ", %llu px", (unsigned long long)m->px);
    buffer_printf(out, ", by operation: %.4f s\n%-44s %6s %10s %7s %10s %6s %9s %6s\n", all, "operation", "times", "ms",
                  "share", "GFLOP/s", "peak", "GB/s", "peak");
    for (uint64_t i = 0; i < m->op_count && i < SHOWN_OPS; i++) {
        const struct op_sum *o = &m->ops[i];
        const double s = o->seconds > 0 ? o->seconds : (double)INFINITY;
        buffer_printf(out, "%-44s %6llu %10.3f %5.1f %% %10.1f %4.0f %% %9.1f %4.0f %%\n", o->name,
                      (unsigned long long)o->count, o->seconds * 1e3, 100 * o->seconds / (all > 0 ? all : 1),
                      o->flops / s * 1e-9, 100 * o->flops / s / b->peaks.product, o->bytes / s * 1e-9,
                      100 * o->bytes / s / b->peaks.copy);
    }
}

static void write_peaks(const struct bench_peaks *p, struct buffer *out)
{
    buffer_printf(out, "at best: product %llu x %llu x %llu", (unsigned long long)p->rows, (unsigned long long)p->depth,
                  (unsigned long long)p->columns);
    for (uint32_t i = 0; i < p->way_count; i++)
        buffer_printf(out, "%s %.1f GFLOP/s%s%s", i ? "," : "", p->ways[i].flops * 1e-9, p->ways[i].name ? " by " : "",
                      p->ways[i].name ? p->ways[i].name : "");
    buffer_printf(out, "; copy %.1f GB/s\n\n", p->copy * 1e-9);
}

static void write_table(const struct sampler_bench *b, struct buffer *out)
{
    buffer_printf(out, "%s, %s, on %s, %s\n", b->plugin, cli_value(b->c, "model", b->size), b->device_name, b->dtype);
    write_peaks(&b->peaks, out);
    write_parts(b, out);
    for (uint32_t i = 0; i < b->count; i++)
        write_ops(b, &b->rows[i], out);
}

static void write_op_json(struct json_text *j, const struct op_sum *o)
{
    json_object(j);
    json_key_string(j, "op", o->name);
    json_key_u64(j, "times", o->count);
    json_key_number(j, "seconds", o->seconds);
    json_key_number(j, "flops", o->flops);
    json_key_number(j, "bytes", o->bytes);
    json_end(j);
}

static void write_row_json(const struct sampler_bench *b, struct json_text *j, const struct measured *m)
{
    json_object(j);
    json_key_string(j, "part", m->part);
    json_key_u64(j, "px", m->px);
    json_key_u64(j, "items", m->items);
    json_key_u64(j, "runs", m->runs);
    json_key_number(j, "best_s", m->best_s);
    json_key_number(j, "mean_s", m->mean_s);
    json_key_number(j, "load_s", m->load_s);
    json_key_number(j, "flops", m->flops);
    json_key_number(j, "product_share", m->flops / m->best_s / b->peaks.product);
    json_key_u64(j, "activation_bytes", m->activation_bytes);
    json_key_u64(j, "weight_bytes", m->weight_bytes);
    json_key_number(j, "planned_activation_bytes", m->planned_activation_bytes);
    json_key_number(j, "planned_weight_bytes", m->planned_weight_bytes);
    json_key(j, "ops");
    json_array(j);
    for (uint64_t i = 0; i < m->op_count; i++)
        write_op_json(j, &m->ops[i]);
    json_end(j);
    json_end(j);
}

static void write_ways_json(struct json_text *j, const struct bench_peaks *p)
{
    const uint64_t shape[3] = { p->rows, p->depth, p->columns };
    json_key(j, "product_shape"), json_array(j);
    for (int i = 0; i < 3; i++)
        json_u64(j, shape[i]);
    json_end(j);
    json_key(j, "product_ways"), json_array(j);
    for (uint32_t i = 0; i < p->way_count; i++) {
        json_object(j);
        if (p->ways[i].name)
            json_key_string(j, "way", p->ways[i].name);
        json_key_number(j, "flops_per_s", p->ways[i].flops);
        json_end(j);
    }
    json_end(j);
}

static void write_json(const struct sampler_bench *b, struct buffer *out)
{
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key_string(&j, "sampler", b->plugin);
    json_key_string(&j, "model", cli_value(b->c, "model", b->size));
    json_key(&j, "synthetic"), json_bool(&j, cli_flag(b->c, "synthetic"));
    json_key_string(&j, "device", b->device_name);
    json_key_string(&j, "dtype", b->dtype);
    json_key_number(&j, "product_flops_per_s", b->peaks.product);
    write_ways_json(&j, &b->peaks);
    json_key_number(&j, "copy_bytes_per_s", b->peaks.copy);
    json_key(&j, "parts");
    json_array(&j);
    for (uint32_t i = 0; i < b->count; i++)
        write_row_json(b, &j, &b->rows[i]);
    json_end(&j);
    json_end(&j);
    buffer_byte(out, '\n');
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static int measure(struct sampler_bench *b)
{
    wn_error err = { 0 };
    struct buffer out = BUFFER_INIT(1 << 26);
    wn_status status = open_work(b, &err);
    if (status == WN_OK)
        status = find_peaks(b, &err);
    if (status == WN_OK)
        status = measure_all(b, &err);
    terminal_stop();
    if (status != WN_OK)
        return cli_fail(b->c, status, &err);
    if (cli_flag(b->c, "json"))
        write_json(b, &out);
    else
        write_table(b, &out);
    return cli_print(b->c, &out);
}

int bench_sampler(struct cli *c)
{
    struct sampler_bench *b = calloc(1, sizeof *b);
    if (!b)
        return EXIT_FAILED;
    b->c = c;
    int code = read_line(b);
    if (code == EXIT_FINE)
        code = load_spec(b);
    if (code == EXIT_FINE && !cli_process(c, 0))
        code = EXIT_FAILED;
    if (code == EXIT_FINE)
        code = measure(b);
    for (uint32_t i = 0; i < b->count; i++)
        free(b->rows[i].ops);
    workload_close(&b->work);
    spec_free(b->spec);
    free(b);
    return code;
}
