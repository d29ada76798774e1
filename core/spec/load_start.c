/* load_start.c - the picture that candidates start from: canvas.image, and how far from it they may go.
 *
 * The keys are of a table of their own, written to the resolved spec only where there is a picture, so that specs
 * without one are what they were. As of a prompt file, content counts, not the name.
 */
#include "spec/load.h"

#include "base/arena.h"
#include "base/files.h"
#include "base/sha256.h"
#include "plugin/instance.h"
#include "spec/shape.h"
#include "spec/source.h"
#include "spec/tree.h"

#include <string.h>

/* Everything but the picture itself, which is read when the sampler is there. */
static void find_image(struct loader *l, const struct tree_node *name, const struct shape_start *start,
                       struct tree_node *resolved)
{
    wn_error err = { 0 };
    char path[FILE_PATH_SIZE], hex[65];
    const bool is_beside = name->line && !l->request->directory; /* of the file that it stands in */
    const char *directory = is_beside ? source_directory(l->arena, name->source) : l->spec->directory;
    wn_status status = resolve_name(directory ? directory : ".", name->text, path, sizeof path, &err);
    if (status == WN_OK)
        status = sha256_file(path, hex, NULL, NULL, &err);
    if (status != WN_OK) {
        problems_add(&l->problems, status == WN_E_MISSING ? WN_E_ARG : status, name, NULL, "%s", err.message);
        return;
    }
    if (*start->image_sha256 && strcmp(start->image_sha256, hex) != 0)
        problems_add(&l->problems, WN_E_ARG, name, NULL, "%s has SHA-256 %s, the spec asks for %.64s; it was changed",
                     path, hex, start->image_sha256);
    tree_put(resolved, "image_sha256", tree_new_string(l->arena, hex));
    l->spec->start_image = arena_string(l->arena, path);
    memcpy(l->spec->start_sha256, hex, sizeof hex);
}

/* Of N steps the last N strength are carried out, rounded up, as by diffusers' image-to-image pipelines. */
static uint32_t steps_skipped(uint32_t steps, double strength)
{
    const double skipped = (double)steps - (double)steps * strength;
    return (uint32_t)(skipped > 0 ? skipped : 0);
}

void load_start(struct loader *l, const struct tree_node *object, struct tree_node *resolved)
{
    struct spec *s = l->spec;
    const struct tree_node *image = tree_get(object, "image");
    for (int i = 0; i < 2 && !image; i++) {
        static const char *const keys[] = { "strength", "image_sha256" };
        if (tree_get(object, keys[i]))
            problems_add(&l->problems, WN_E_ARG, object, keys[i],
                         "says how a picture is used, and there is none; give \"image\"");
    }
    if (!image)
        return;
    const struct shape_start *start = load_bind(l, shape_start_options, sizeof *start, object, object, NULL, resolved);
    if (!start || !start->image || !start->image_sha256)
        return;
    s->strength = start->strength;
    s->skipped_steps = steps_skipped(s->canvas.steps, start->strength);
    s->canvas.steps -= s->skipped_steps;
    if (!*start->image)
        problems_add(&l->problems, WN_E_ARG, image, NULL, "names no file; give one, or take the key away");
    else
        find_image(l, image, start, resolved);
}
