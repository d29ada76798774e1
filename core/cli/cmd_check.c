/* cmd_check.c - everything that can be said of a spec without loading a weight: is it right, and what will it take. */
#include "base/files.h"
#include "base/plain.h"
#include "spec/bounds.h"
#include "spec/tree.h"
#include "cli/commands.h"
#include "cli/memory_plan.h"
#include "cli/sweep.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct estimate {
    struct spec_bounds each; /* for each prompt; infinite when neither search nor budget bounds them */
    double images;           /* in all */
    double disk_bytes;
    uint64_t disk_free; /* 0 = unknown */
};

/* The sampler's evaluations for each step are not known before it is loaded: one is assumed. */
static struct estimate estimate(const struct spec *s)
{
    struct estimate e = { 0 };
    wn_error ignored;
    e.each = spec_bounds(s, 1);
    struct spec_disk disk = spec_disk(s, &e.each);
    e.images = disk.images;
    e.disk_bytes = disk.bytes;
    if (disk_free(s->output, &e.disk_free, &ignored) != WN_OK)
        e.disk_free = 0;
    return e;
}

static const char *show_count(double count, char text[32])
{
    snprintf(text, 32, isfinite(count) ? "%.0f" : "until the budget ends", count);
    return text;
}

/* Where seconds are a budget, they may end what is planned before its end. */
static void write_amount(struct buffer *out, const char *what, double each, const struct spec *s,
                         const struct estimate *e)
{
    char a[32], b[32];
    const bool is_most = isfinite(e->each.seconds) && isfinite(each);
    buffer_printf(out, "  %-12s %s%s for each prompt, %s in all\n", what, is_most ? "at most " : "",
                  show_count(each, a), show_count(each * s->prompt_count, b));
}

static void write_seconds(struct buffer *out, const struct spec *s, const struct estimate *e)
{
    if (isfinite(e->each.seconds))
        buffer_printf(out, "  seconds      at most %.6g for each prompt%s, %.6g in all, of sampling and guide\n",
                      e->each.seconds, e->each.is_shared ? " and what earlier ones leave" : "",
                      e->each.seconds * s->prompt_count);
}

static void write_text(struct buffer *out, const struct spec *s, const struct estimate *e)
{
    char a[32], b[32], c[32];
    buffer_printf(out, "%s: fine\n", *s->path ? s->path : "stdin");
    buffer_printf(out, "  experiment   %s, seed %llu, output %s\n", s->name, (unsigned long long)s->seed, s->output);
    buffer_printf(out, "  sampler      %s, %u x %u px, %u steps\n", s->sampler.plugin->name, s->canvas.width_px,
                  s->canvas.height_px, s->canvas.steps);
    for (uint32_t factor = 2; factor <= WN_SHRINK_MAX; factor++)
        if (spec_shrinks(s) >> factor & 1)
            buffer_printf(out, "  drafts on    %u x %u px\n", s->canvas.width_px / factor,
                          s->canvas.height_px / factor);
    if (s->start_image)
        buffer_printf(out, "  start        %s with noise over it: the last %u of %u steps\n", s->start_image,
                      s->canvas.steps, s->canvas.steps + s->skipped_steps);
    buffer_printf(out, "  search       %s, guided by %s (%s)\n", s->search.plugin->name, s->verifiers[s->guide].name,
                  s->verifiers[s->guide].plugin->name);
    for (uint32_t i = 0; i < s->judge_count; i++)
        buffer_printf(out, "  judge        %s (%s)\n", s->verifiers[s->judges[i]].name,
                      s->verifiers[s->judges[i]].plugin->name);
    buffer_printf(out, "  prompts      %u\n", s->prompt_count);
    write_amount(out, "candidates", e->each.candidates, s, e);
    if (e->each.candidates < 1)
        buffer_text(out, "  budget       used up before a first candidate is finished; give more\n");
    write_amount(out, "evaluations", e->each.nfe, s, e);
    write_seconds(out, s, e);
    if (isfinite(e->disk_bytes))
        buffer_printf(out, "  disk         about %s for %s images%s%s\n", cli_bytes(e->disk_bytes, a),
                      show_count(e->images, b), e->disk_free ? "; free: " : "",
                      e->disk_free ? cli_bytes((double)e->disk_free, c) : "");
    buffer_printf(out, "  spec hash    %s\n", s->hash);
}

static void write_json(struct buffer *out, const struct spec *s, const struct estimate *e,
                       const struct memory_plan *memory)
{
    struct json_text j = json_begin(out, 2);
    json_object(&j);
    json_key(&j, "spec_hash"), json_string(&j, s->hash);
    json_key(&j, "name"), json_string(&j, s->name);
    json_key(&j, "output"), json_string(&j, s->output);
    json_key(&j, "shrinks"), json_array(&j);
    for (uint32_t factor = 2; factor <= WN_SHRINK_MAX; factor++)
        if (spec_shrinks(s) >> factor & 1)
            json_u64(&j, factor);
    json_end(&j);
    json_key(&j, "prompts"), json_u64(&j, s->prompt_count);
    json_key(&j, "candidates_per_prompt"), json_number(&j, e->each.candidates);
    json_key(&j, "nfe_per_prompt"), json_number(&j, e->each.nfe);
    json_key(&j, "verifier_calls_per_prompt"), json_number(&j, e->each.verifier_calls);
    json_key(&j, "seconds_per_prompt"), json_number(&j, e->each.seconds);
    json_key(&j, "images"), json_number(&j, e->images);
    json_key(&j, "disk_bytes"), json_number(&j, e->disk_bytes);
    json_key(&j, "disk_free_bytes"), json_u64(&j, e->disk_free);
    if (memory)
        json_key(&j, "memory"), memory_plan_json(memory, &j);
    json_end(&j);
    buffer_byte(out, '\n');
}

static int check_one(struct cli *c, const struct spec_request *request)
{
    struct buffer out = BUFFER_INIT(TREE_MAX_BYTES * 8), text = BUFFER_INIT(TREE_MAX_BYTES * 8);
    struct spec *spec;
    int code = cli_load_spec(c, request, &spec);
    if (code != EXIT_FINE)
        return code;
    struct estimate e = estimate(spec);
    struct memory_plan memory = { 0 };
    bool has_plan = false;
    if (!cli_flag(c, "resolved"))
        code = memory_plan_make(c, spec, &memory, &has_plan);
    if (cli_flag(c, "resolved"))
        buffer_text(&out, spec->resolved);
    else if (cli_flag(c, "json"))
        write_json(&out, spec, &e, has_plan ? &memory : NULL);
    else {
        write_text(&text, spec, &e);
        if (has_plan)
            memory_plan_text(&memory, &text);
        plain_text(&out, buffer_string(&text), 1);
    }
    memory_plan_end(&memory);
    buffer_free(&text);
    spec_free(spec);
    if (code == EXIT_FINE)
        return cli_print(c, &out);
    buffer_free(&out);
    return code;
}

/* Every point's spec with all defaults, as a list. */
static int print_points(struct cli *c, const struct sweep *s)
{
    struct buffer out = BUFFER_INIT(UINT32_MAX);
    for (uint32_t i = 0; i < s->count; i++) {
        struct spec *spec = NULL;
        char *report = NULL;
        wn_error err = { 0 };
        const wn_status status = sweep_point_load(s, cli_registry(c), i, NULL, &spec, &report, &err);
        free(report);
        if (status) {
            buffer_free(&out);
            return cli_fail(c, status, &err);
        }
        buffer_printf(&out, "%s", i ? "," : "[");
        buffer_text(&out, spec->resolved);
        spec_free(spec);
    }
    buffer_text(&out, "]\n");
    return cli_print(c, &out);
}

static int run(struct cli *c)
{
    const char *sets[256];
    struct sweep *sweep;
    const struct spec_request request = { .path = c->arguments[0],
                                          .output = cli_value(c, "output", NULL),
                                          .set = sets,
                                          .set_count = cli_values(c, "set", sets, 256) };
    int code = cli_load_sweep(c, &request, &sweep);
    if (code == EXIT_FINE && !sweep->points)
        code = check_one(c, &sweep->request);
    else if (code == EXIT_FINE)
        code = cli_flag(c, "resolved") ? print_points(c, sweep) : sweep_plan(c, sweep);
    sweep_free(sweep);
    return code;
}

static const struct cli_option options[] = {
    { "set", 's', "KEY=VALUE", "change a value of the spec: --set search.options.candidates=8" },
    { "output", 'o', "DIR", "the run's directory" },
    { "resolved", 0, NULL, "print the spec with every default written" },
    { "device-memory", 0, "SIZE", "a device to plan for: 24GB; repeatable; 24, 16, 12 and 8 GB when not given" },
    { "synthetic", 0, "MODEL", "plan for a known model without its files: flux-dev, flux-schnell" },
    { "json", 0, NULL, "as JSON" },
    { NULL, 0, NULL, NULL }
};

const struct command cmd_check = {
    .name = "check",
    .arguments = "SPEC",
    .summary = "check a spec and say what it will take, without loading a model",
    .details =
        "Reports every mistake of the spec with its place and remedy. SPEC may be \"-\" for "
        "standard input.\n\n"
        "Where the sampler can say it, also what will lie on the device: weights by part and type, activations for\n"
        "this canvas, the most at one time, and what to change where a device is too small. It comes from the\n"
        "model's headers and graphs; no weight is read.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
