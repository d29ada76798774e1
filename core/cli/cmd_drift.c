/* cmd_drift.c - a run's candidates on two devices, or in two types: what a change of the machine changes.
 *
 * Searches select on scores, so small differences matter only where they turn an order; that is what is looked at,
 * beside the differences themselves. Nothing of the run is changed: drift.html and drift.json are added to it. */
#include "base/files.h"
#include "cli/commands.h"
#include "cli/drift_make.h"
#include "cli/terminal.h"

#include <string.h>

enum { MAX_SETS = 200, MAX_OUTPUT = 1 << 28 };

struct drifting {
    struct cli *c;
    const char *run_dir;
    struct arena *arena;
    struct recall recall;
    struct rerun run, side[2];
    struct drift drift;
    const char *devices[2], *dtypes[2]; /* NULL: as in the run */
    const char *sets[MAX_SETS];
    uint32_t set_count;
};

/* ---- the sides ------------------------------------------------------------------------------------------------- */

static const wn_option *option_of(const struct spec_use *use, const char *name)
{
    for (const wn_option *o = use->plugin->options; o && o->name; o++)
        if (strcmp(o->name, name) == 0)
            return o;
    return NULL;
}

static const char *text_of(const struct spec_use *use, const char *name)
{
    const wn_option *o = option_of(use, name);
    return o && (o->type == WN_OPTION_STRING || o->type == WN_OPTION_ENUM)
               ? *(const char *const *)((const char *)use->options + o->offset)
               : NULL;
}

/* One or two values of an option of the command: the one for both sides. */
static int read_pair(struct cli *c, const char *name, const char *pair[2])
{
    const char *given[3];
    const uint32_t count = cli_values(c, name, given, 3);
    if (count > 2)
        return cli_usage(c, "--%s is given more than twice; there are two sides", name);
    for (uint32_t i = 0; i < count; i++)
        if (given[i][strcspn(given[i], "\"\\")] != '\0')
            return cli_usage(c, "--%s %s: quotes and backslashes are in no name", name, given[i]);
    pair[0] = count ? given[0] : NULL;
    pair[1] = count ? given[count - 1] : NULL;
    return EXIT_FINE;
}

static int read_sides(struct drifting *d)
{
    int code = read_pair(d->c, "device", d->devices);
    if (code == EXIT_FINE)
        code = read_pair(d->c, "dtype", d->dtypes);
    if (code == EXIT_FINE && !d->devices[0] && !d->dtypes[0])
        return cli_usage(d->c, "nothing to compare: give --device twice, or --dtype twice");
    d->set_count = cli_values(d->c, "set", d->sets, MAX_SETS);
    return code;
}

static const char *set_text(struct drifting *d, const struct spec_use *use, bool is_verifier, const char *option,
                            const char *value)
{
    return arena_printf(d->arena, "%s%s.options.%s=\"%s\"", is_verifier ? "verifiers." : "", use->name, option, value);
}

/* Lays a value over the sampler, and over the verifiers that have such an option. */
static wn_status lay(struct drifting *d, const char *option, const char *value, const char **sets, uint32_t *count,
                     wn_error *err)
{
    const struct spec *spec = d->run.spec;
    if (!value)
        return WN_OK;
    if (!option_of(&spec->sampler, option))
        return wn_fail(err, WN_E_ARG, "sampler %s has no option \"%s\", so it cannot be made on two of them",
                       spec->sampler.plugin->name, option);
    sets[(*count)++] = set_text(d, &spec->sampler, false, option, value);
    for (uint32_t v = 0; v < spec->verifier_count && !cli_flag(d->c, "sampler-only"); v++)
        if (option_of(&spec->verifiers[v], option)) {
            if (*count >= MAX_SETS)
                return wn_fail(err, WN_E_ARG, "too many verifiers and --set: %d values are possible", MAX_SETS);
            sets[(*count)++] = set_text(d, &spec->verifiers[v], true, option, value);
        }
    return WN_OK;
}

static int load_side(struct drifting *d, int side)
{
    const char *sets[MAX_SETS];
    uint32_t count = d->set_count;
    wn_error err = { 0 };
    memcpy(sets, d->sets, count * sizeof *sets);
    wn_status status = lay(d, "device", d->devices[side], sets, &count, &err);
    if (status == WN_OK)
        status = lay(d, "dtype", d->dtypes[side], sets, &count, &err);
    for (uint32_t i = 0; i < count && status == WN_OK; i++)
        if (!sets[i])
            status = wn_fail(&err, WN_E_MEMORY, "no memory for the values of side %c", 'A' + side);
    if (status != WN_OK)
        return cli_fail(d->c, status, &err);
    return rerun_load(d->c, d->run_dir, &d->recall, count, sets, &d->side[side]);
}

/* The run's own sampler says what the model is called. It is only asked for that, on side A's device, because the run's
 * may not be here. */
static int load_run(struct drifting *d)
{
    const char *device;
    int code = rerun_load(d->c, d->run_dir, &d->recall, d->set_count, d->sets, &d->run);
    if (code != EXIT_FINE || !d->devices[0] || !option_of(&d->run.spec->sampler, "device"))
        return code;
    const char *sets[MAX_SETS];
    memcpy(sets, d->sets, d->set_count * sizeof *sets);
    if (d->set_count == MAX_SETS || !(device = set_text(d, &d->run.spec->sampler, false, "device", d->devices[0])))
        return cli_usage(d->c, "too many --set: %d are possible", MAX_SETS - 1);
    sets[d->set_count] = device;
    rerun_finish(&d->run);
    return rerun_load(d->c, d->run_dir, &d->recall, d->set_count + 1, sets, &d->run);
}

static int load(struct drifting *d)
{
    int code = load_run(d);
    for (int side = 0; side < 2 && code == EXIT_FINE; side++)
        code = load_side(d, side);
    return code;
}

static wn_status name_sides(struct drifting *d, wn_error *err)
{
    for (int side = 0; side < 2; side++) {
        const struct spec_use *use = &d->side[side].spec->sampler;
        const char *device = text_of(use, "device"), *dtype = text_of(use, "dtype");
        d->drift.side[side].name =
            arena_printf(d->arena, "%s%s%s%s", device ? device : use->plugin->name, dtype ? ", " : "",
                         dtype ? dtype : "", cli_flag(d->c, "sampler-only") ? " (verifiers as in the run)" : "");
        if (!d->drift.side[side].name)
            return wn_fail(err, WN_E_MEMORY, "no memory for the names of the sides");
    }
    return WN_OK;
}

/* ---- which candidates ------------------------------------------------------------------------------------------ */

static wn_status choose(struct drifting *d, uint64_t most, wn_error *err)
{
    uint64_t kept = 0, of_prompt = 0, trial = UINT64_MAX;
    WN_TRY(recall_finished(d->run_dir, d->arena, &d->recall, err));
    for (uint64_t i = 0; i < d->recall.count; i++) {
        of_prompt = d->recall.all[i].candidate.trial == trial ? of_prompt + 1 : 1;
        trial = d->recall.all[i].candidate.trial;
        if (!most || of_prompt <= most)
            d->recall.all[kept++] = d->recall.all[i];
    }
    d->recall.count = kept;
    return kept ? WN_OK : wn_fail(err, WN_E_ARG, "%s has no finished candidate yet", d->run_dir);
}

/* ---- the whole ------------------------------------------------------------------------------------------------- */

static wn_status place(const struct buffer *text, const char *directory, const char *name, wn_error *err)
{
    char path[FILE_PATH_SIZE];
    WN_TRY(buffer_status(text, name, err));
    WN_TRY(path_join(path, directory, name, err));
    return file_write(path, text->data, text->size, err);
}

static wn_status write_files(const struct drift *d, const char *directory, wn_error *err)
{
    struct buffer text = BUFFER_INIT(MAX_OUTPUT);
    drift_json(d, &text);
    wn_status status = place(&text, directory, "drift.json", err);
    buffer_clear(&text);
    if (status == WN_OK)
        status = drift_page(d, &text, err);
    if (status == WN_OK)
        status = place(&text, directory, "drift.html", err);
    buffer_free(&text);
    return status;
}

static wn_status execute(struct drifting *d, const char *directory, wn_error *err)
{
    const struct drift_plan plan = {
        .c = d->c,
        .run_dir = d->run_dir,
        .directory = directory,
        .recall = &d->recall,
        .spec = d->run.spec,
        .side = { d->side[0].spec, d->side[1].spec },
        .spent = d->run.spent,
        .arena = d->arena,
    };
    d->drift.run_dir = d->run_dir;
    d->drift.name = d->run.spec->name;
    WN_TRY(name_sides(d, err));
    WN_TRY(dir_make(directory, err));
    WN_TRY(drift_make(&plan, &d->drift, err));
    WN_TRY(drift_count(&d->drift, d->arena, err));
    return write_files(&d->drift, directory, err);
}

static int say(struct drifting *d, const char *directory)
{
    struct buffer out = BUFFER_INIT(MAX_OUTPUT);
    char line[FILE_PATH_SIZE + 40];
    if (cli_flag(d->c, "json"))
        drift_json(&d->drift, &out);
    else
        drift_table(&d->drift, &out);
    const int code = cli_print(d->c, &out);
    snprintf(line, sizeof line, "drift: %s/drift.html", directory);
    if (code == EXIT_FINE && !cli_flag(d->c, "quiet"))
        terminal_message(line);
    return code;
}

static int drift(struct drifting *d)
{
    const char *directory = cli_value(d->c, "output", d->run_dir);
    uint64_t threads = 0, most = 0;
    wn_error err = { 0 };
    if (!cli_u64(d->c, "threads", 0, 1024, &threads) || !cli_u64(d->c, "candidates", 1, UINT64_MAX, &most))
        return EXIT_USAGE;
    int code = read_sides(d);
    if (code != EXIT_FINE)
        return code;
    wn_status status = d->arena ? choose(d, most, &err) : wn_fail(&err, WN_E_MEMORY, "no memory to read a run");
    if (status != WN_OK)
        return cli_fail(d->c, status, &err);
    if ((code = load(d)) != EXIT_FINE)
        return code;
    if (!cli_process(d->c, (uint32_t)threads))
        return EXIT_FAILED;
    status = execute(d, directory, &err);
    terminal_stop();
    return status == WN_OK ? say(d, directory) : cli_fail(d->c, status, &err);
}

static int run(struct cli *c)
{
    struct drifting d = { .c = c, .run_dir = c->arguments[0], .arena = arena_create() };
    const int code = drift(&d);
    drift_make_finish(&d.drift);
    for (int side = 0; side < 2; side++)
        rerun_finish(&d.side[side]);
    rerun_finish(&d.run);
    arena_destroy(d.arena);
    return code;
}

static const struct cli_option options[] = {
    { "device", 0, "NAME",
      "the first is A's, the second B's; one alone is both's: cpu, vulkan:0, vulkan:PART-OF-NAME" },
    { "dtype", 0, "TYPE", "in the same way: f32, bf16, ..." },
    { "sampler-only", 0, NULL, "verifiers stay as in the run: what the pictures alone change" },
    { "candidates", 0, "N", "of each prompt only the N that the run's search scored first" },
    { "set", 's', "KEY=VALUE", "change how both are computed" },
    { "output", 'o', "DIR", "where drift.html and drift.json go; the run's directory when not given" },
    { "threads", 0, "N", "threads for computing; 0 = one for each processor" },
    { "json", 0, NULL, "print the numbers (drift.json) instead of the table" },
    { NULL, 0, NULL, NULL },
};

const struct command cmd_drift = {
    .name = "drift",
    .arguments = "RUN",
    .summary = "make a run's candidates on two devices, and say what differs",
    .details =
        "  winnow drift runs/quickstart --device cpu --device vulkan:0\n"
        "  winnow drift runs/quickstart --device cpu --dtype f32 --dtype bf16\n\n"
        "Each finished candidate is made twice, from the same noise by the same moves, and scored on both sides by "
        "the\n"
        "run's guide and judges. The table has the differences of latents, pixels and scores, and in how many prompts\n"
        "each metric would have chosen another candidate. Models and verifiers without such an option stay as they "
        "are.\n"
        "The run is not changed; drift.html and drift.json are added to it.",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
