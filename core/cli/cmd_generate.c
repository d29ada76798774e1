/* cmd_generate.c - one picture, without a search: to look at a model, and to compare with other implementations.
 *
 * The command line becomes a small spec, so that names, options and mistakes are treated as everywhere else. Where no
 * size or number of steps is given, the sampler is asked what its model was made for: it is made first without a
 * canvas. */
#include "base/files.h"
#include "base/image_file.h"
#include "cli/cli.h"
#include "cli/paint.h"
#include "cli/terminal.h"
#include "spec/shape.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_SETS = 256, MAX_SIDE_PX = 16384, MAX_STEPS = 1000, MAX_PNG_BYTES = 1 << 30 };

static const struct cli_option options[] = {
    { "spec", 0, "SPEC", "take sampler, canvas, seed and first prompt from a spec" },
    { "sampler", 0, "NAME", "sampler plugin; flux when not given" },
    { "model", 0, "MODEL", "the sampler's option \"model\"" },
    { "prompt", 'p', "TEXT", "what the picture shall show" },
    { "seed", 0, "N", "64 bits; 0 when not given" },
    { "stream", 0, "N", "which noise of the seed; 0 when not given" },
    { "noise-mode", 0, "MODE", SHAPE_NOISE_CHOICES },
    { "width", 0, "PX", "width of the picture" },
    { "height", 0, "PX", "height of the picture" },
    { "steps", 0, "N", "denoising steps" },
    { "image", 0, "FILE", "start from a picture with noise over it; the canvas has its size when not given" },
    { "strength", 0, "S", "with --image: share of the steps that is carried out; 0.6 when not given" },
    { "set", 0, "KEY=VALUE", "any other key of the spec: sampler.options.device=cpu, canvas.guidance=2" },
    { "noise", 0, "FILE", "start from tensor \"noise\" [C, h, w] F32 of a safetensors file" },
    { "save-noise", 0, "FILE", "write the noise as tensor \"noise\"" },
    { "save-latent", 0, "FILE", "write the clean latent as tensor \"latent\"" },
    { "save-velocity", 0, "FILE", "write tensors \"velocity\" [calls, C, h, w] and \"sigma\" [steps + 1]" },
    { "threads", 0, "N", "threads for computing; 0 = one for each processor" },
    { "output", 'o', "FILE", "the PNG to write; picture.png when not given" },
    { "json", 0, NULL, "print what was made as JSON" },
    { NULL, 0, NULL, NULL },
};

struct size {
    uint64_t width, height, steps; /* 0 = not given */
};

struct generate {
    struct cli *cli;
    struct size size;
    char image[FILE_PATH_SIZE + 16], strength[256]; /* "canvas.image=PATH", absolute, and so on; "" = not given */
    struct spec *spec;                              /* with a canvas */
    struct spec *maker;                             /* what the instance was made from: may lack the canvas */
    struct instances *instances;
    uint64_t seed, stream, threads;
};

/* ---- the spec ---- */

static void put_canvas(struct json_text *j, const struct size *size)
{
    json_key(j, "canvas"), json_object(j);
    json_key(j, "width"), json_u64(j, size->width);
    json_key(j, "height"), json_u64(j, size->height);
    json_key(j, "steps"), json_u64(j, size->steps);
    json_end(j);
}

static void write_spec(const struct generate *g, const struct size *size, struct buffer *text)
{
    struct json_text j = json_begin(text, 2);
    const char *model = cli_value(g->cli, "model", NULL);
    json_object(&j);
    json_key(&j, "winnow"), json_u64(&j, 0);
    json_key(&j, "seed"), json_u64(&j, g->seed);
    json_key(&j, "noise"), json_string(&j, cli_value(g->cli, "noise-mode", "philox"));
    json_key(&j, "sampler"), json_object(&j);
    json_key(&j, "use"), json_string(&j, cli_value(g->cli, "sampler", "flux"));
    json_key(&j, "options"), json_object(&j);
    if (model)
        json_key(&j, "model"), json_string(&j, model);
    json_end(&j), json_end(&j);
    if (size)
        put_canvas(&j, size);
    json_end(&j);
}

/* What the command line says over the spec. Without a canvas, its keys have nothing to change. */
static uint32_t collect_sets(const struct generate *g, bool with_canvas, const char **sets)
{
    const char *all[MAX_SETS];
    uint32_t n = cli_values(g->cli, "set", all, MAX_SETS), kept = 0;
    sets[kept++] = "winnow=0"; /* an empty list would mean: all of them */
    if (with_canvas && *g->image)
        sets[kept++] = g->image;
    if (with_canvas && *g->strength)
        sets[kept++] = g->strength;
    for (uint32_t i = 0; i < n; i++)
        if (with_canvas || strncmp(all[i], "canvas", 6) != 0)
            sets[kept++] = all[i];
    return kept;
}

static int load_text(struct generate *g, const struct size *size, struct spec **spec)
{
    const char *sets[MAX_SETS + 3];
    struct buffer text = BUFFER_INIT(1 << 20);
    write_spec(g, size, &text);
    struct spec_request request = {
        .path = "command line", .text = buffer_string(&text), .set = sets, .without_run = true
    };
    request.set_count = collect_sets(g, size != NULL, sets);
    int code = cli_load_spec(g->cli, &request, spec);
    buffer_free(&text);
    return code;
}

/* A spec file: what the command line gives is set over it. */
static int load_file(struct generate *g, const char *path)
{
    static const char *const names[][2] = { { "seed", "seed" },
                                            { "noise-mode", "noise" },
                                            { "width", "canvas.width" },
                                            { "height", "canvas.height" },
                                            { "steps", "canvas.steps" },
                                            { "sampler", "sampler.use" },
                                            { "model", "sampler.options.model" } };
    enum { NAMES = sizeof names / sizeof *names };
    const char *sets[MAX_SETS + 3 + NAMES];
    char texts[NAMES][FILE_PATH_SIZE];
    struct spec_request request = { .path = path, .set = sets, .without_run = true };
    request.set_count = collect_sets(g, true, sets);
    for (size_t i = 0; i < NAMES; i++) {
        const char *value = cli_value(g->cli, names[i][0], NULL);
        if (!value)
            continue;
        snprintf(texts[i], sizeof texts[i], "%s=%s", names[i][1], value);
        sets[request.set_count++] = texts[i];
    }
    return cli_load_spec(g->cli, &request, &g->spec);
}

/* ---- the sampler ---- */

static int make_sampler(struct generate *g, const struct spec *spec)
{
    wn_error err = { 0 };
    if (!spec->sampler.plugin)
        return cli_usage(g->cli, "%s names no sampler", spec->path);
    struct process *process = cli_process(g->cli, (uint32_t)g->threads);
    if (!process)
        return EXIT_FAILED;
    wn_status status = instances_create(spec, process, INSTANCES_SAMPLER, &g->instances, &err);
    return status == WN_OK ? EXIT_FINE : cli_fail(g->cli, status, &err);
}

static int ask_for_size(struct generate *g)
{
    wn_error err = { 0 };
    wn_sampler_info info = { .struct_size = sizeof info };
    const wn_sampler *sampler = g->maker->sampler.plugin->vtable;
    if (sampler->describe(g->instances->sampler.self, &info, &err) != WN_OK)
        return cli_fail(g->cli, err.code, &err);
    struct size *s = &g->size;
    s->width = s->width ? s->width : info.usual_size_px;
    s->height = s->height ? s->height : info.usual_size_px;
    s->steps = s->steps ? s->steps : info.usual_steps;
    if (!s->width || !s->height || !s->steps)
        return cli_usage(g->cli,
                         "sampler %s does not say what size and steps are usual; give --width, --height and --steps",
                         g->maker->sampler.plugin->name);
    return EXIT_FINE;
}

static int prepare_without_spec(struct generate *g)
{
    bool is_whole = g->size.width && g->size.height && g->size.steps;
    int code = load_text(g, is_whole ? &g->size : NULL, &g->maker);
    if (code == EXIT_FINE)
        code = make_sampler(g, g->maker);
    if (code == EXIT_FINE && !is_whole)
        code = ask_for_size(g);
    if (code == EXIT_FINE)
        code = load_text(g, &g->size, &g->spec);
    return code;
}

static int prepare(struct generate *g)
{
    const char *path = cli_value(g->cli, "spec", NULL);
    if (!path)
        return prepare_without_spec(g);
    int code = load_file(g, path);
    if (code == EXIT_FINE && !g->spec->canvas.width_px)
        return cli_usage(g->cli, "%s has no canvas", path);
    return code == EXIT_FINE ? make_sampler(g, g->spec) : code;
}

/* ---- the picture ---- */

static wn_status save_all(const struct generate *g, const struct paint *p, const char *output, wn_error *err)
{
    struct buffer png = BUFFER_INIT(MAX_PNG_BYTES);
    const char *path;
    if ((path = cli_value(g->cli, "save-noise", NULL)) != NULL)
        WN_TRY(paint_save(p, path, "noise", p->noise, err));
    if ((path = cli_value(g->cli, "save-latent", NULL)) != NULL)
        WN_TRY(paint_save(p, path, "latent", p->x, err));
    if ((path = cli_value(g->cli, "save-velocity", NULL)) != NULL)
        WN_TRY(paint_save_velocity(p, path, err));
    wn_status status = paint_png(p, cli_value(g->cli, "noise", NULL), g->stream, &png, err);
    if (status == WN_OK)
        status = file_write(output, png.data, png.size, err);
    buffer_free(&png);
    return status;
}

static wn_status check_outputs(const struct generate *g, const char *output, wn_error *err)
{
    static const char *const names[] = { "save-noise", "save-latent", "save-velocity" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *path = cli_value(g->cli, names[i], NULL);
        if (path)
            WN_TRY(file_check(path, err));
    }
    return file_check(output, err);
}

static wn_status paint_all(const struct generate *g, struct paint *p, const char *output, wn_error *err)
{
    const char *noise = cli_value(g->cli, "noise", NULL);
    WN_TRY(check_outputs(g, output, err));
    WN_TRY(paint_begin(p, err));
    if (noise)
        WN_TRY(paint_read_noise(p, noise, err));
    else
        paint_draw_noise(p, g->stream);
    WN_TRY(paint_run(p, err));
    return save_all(g, p, output, err);
}

static int say(const struct generate *g, const struct paint *p, const char *output)
{
    struct buffer text = BUFFER_INIT(1 << 20);
    const wn_canvas *canvas = &p->spec->canvas;
    if (!cli_flag(g->cli, "json")) {
        buffer_printf(&text, "%s\n", output);
        return cli_print(g->cli, &text);
    }
    struct json_text j = json_begin(&text, 2);
    json_object(&j);
    json_key(&j, "image"), json_string(&j, output);
    json_key(&j, "width"), json_u64(&j, canvas->width_px);
    json_key(&j, "height"), json_u64(&j, canvas->height_px);
    json_key(&j, "nfe"), json_u64(&j, p->calls * p->info.evals_per_velocity);
    json_key(&j, "model"), json_string(&j, p->info.model_key);
    json_end(&j);
    buffer_byte(&text, '\n');
    return cli_print(g->cli, &text);
}

static int paint_picture(const struct generate *g, const wn_prompt *prompt)
{
    wn_error err = { 0 };
    const char *output = cli_value(g->cli, "output", "picture.png");
    struct paint p = { .spec = g->spec,
                       .instance = &g->instances->sampler,
                       .process = &g->cli->process,
                       .prompt = prompt,
                       .keep_velocity = cli_flag(g->cli, "save-velocity") };
    wn_status status = paint_all(g, &p, output, &err);
    int code = status == WN_OK ? say(g, &p, output) : cli_fail(g->cli, status, &err);
    paint_end(&p);
    return code;
}

/* The picture's name as the spec takes it, wherever the spec lies; its size where no other is given. */
static int take_image(struct generate *g)
{
    const char *image = cli_value(g->cli, "image", NULL), *strength = cli_value(g->cli, "strength", NULL);
    char path[FILE_PATH_SIZE];
    wn_error err = { 0 };
    wn_image picture;
    if (strength)
        snprintf(g->strength, sizeof g->strength, "canvas.strength=%.200s", strength);
    if (!image)
        return EXIT_FINE;
    if (image_read(image, &picture, &err) != WN_OK)
        return cli_fail(g->cli, err.code, &err);
    image_free(&picture);
    if (!realpath(image, path))
        return cli_usage(g->cli, "%s: %s", image, strerror(errno));
    snprintf(g->image, sizeof g->image, "canvas.image=%s", path);
    g->size.width = g->size.width ? g->size.width : picture.width_px;
    g->size.height = g->size.height ? g->size.height : picture.height_px;
    return EXIT_FINE;
}

static int generate(struct generate *g)
{
    struct buffer record = BUFFER_INIT(1 << 20);
    const char *text = cli_value(g->cli, "prompt", NULL);
    int code = take_image(g);
    if (code == EXIT_FINE)
        code = prepare(g);
    if (code != EXIT_FINE)
        return code;
    if (!text && g->spec->prompt_count == 0)
        return cli_usage(g->cli, "a picture of what? give --prompt");
    struct json_text j = json_begin(&record, 0);
    json_object(&j), json_key(&j, "prompt"), json_string(&j, text), json_end(&j);
    wn_prompt own = { .text = text, .id = "prompt", .category = "", .json = buffer_string(&record) };
    code = paint_picture(g, text ? &own : &g->spec->prompts[0]);
    buffer_free(&record);
    return code;
}

static int run(struct cli *c)
{
    struct generate g = { .cli = c };
    if (!cli_u64(c, "seed", 0, UINT64_MAX, &g.seed) || !cli_u64(c, "stream", 0, UINT64_MAX, &g.stream) ||
        !cli_u64(c, "width", 16, MAX_SIDE_PX, &g.size.width) ||
        !cli_u64(c, "height", 16, MAX_SIDE_PX, &g.size.height) || !cli_u64(c, "steps", 1, MAX_STEPS, &g.size.steps) ||
        !cli_u64(c, "threads", 0, 1024, &g.threads))
        return EXIT_USAGE;
    int code = generate(&g);
    instances_destroy(g.instances);
    spec_free(g.maker);
    spec_free(g.spec);
    return code;
}

const struct command cmd_generate = {
    .name = "generate",
    .arguments = "",
    .summary = "make one picture from one noise",
    .details =
        "The PNG carries its recipe: `winnow inspect` shows it.\n\n"
        "  winnow generate --model pebble --prompt \"a red circle\" --seed 7 -o red.png\n\n"
        "With --image the path begins at that picture with noise over it, --strength steps of the way back:\n\n"
        "  winnow generate --model pebble --prompt \"a blue circle\" --image red.png --strength 0.8 -o blue.png\n\n"
        "The tensors that --noise reads and the --save options write are what other implementations can be given, "
        "to be compared step by step.",
    .options = options,
    .minimum_arguments = 0,
    .maximum_arguments = 0,
    .run = run,
};
