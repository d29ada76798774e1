/* cmd_inspect.c - what is in a file: the tensors of safetensors, of torch's files or of GGUF, the recipe of a picture.
 * Content decides, not the name.
 */
#include "base/image_file.h"
#include "base/plain.h"
#include "base/png.h"
#include "cli/cli.h"
#include "weights/gguf.h"
#include "weights/safetensors.h"
#include "weights/torch_file.h"

#include <cjson/cJSON.h>
#include <string.h>

enum { MAX_PNG_BYTES = 1 << 30, MAX_TEXT_BYTES = 256 << 20 };

static const struct cli_option options[] = {
    { "json", 0, NULL, "print JSON" },
    { NULL, 0, NULL, NULL },
};

/* ---- tensors ---- */

/* One of the three. */
struct tensors {
    nn_safetensors *safetensors;
    nn_torch_file *torch;
    nn_gguf *gguf;
};

static uint64_t tensor_count(const struct tensors *f)
{
    return f->torch  ? nn_torch_file_count(f->torch)
           : f->gguf ? nn_gguf_count(f->gguf)
                     : nn_safetensors_count(f->safetensors);
}

static const nn_tensor *tensor_at(const struct tensors *f, uint64_t i)
{
    return f->torch  ? nn_torch_file_at(f->torch, i)
           : f->gguf ? nn_gguf_at(f->gguf, i)
                     : nn_safetensors_at(f->safetensors, i);
}

static const char *format_of(const struct tensors *f)
{
    return f->torch ? "torch" : f->gguf ? "gguf" : "safetensors";
}

static uint64_t metadata_count(const struct tensors *f)
{
    return f->torch ? 0 : f->gguf ? nn_gguf_metadata_count(f->gguf) : nn_safetensors_metadata_count(f->safetensors);
}

static const nn_metadata *metadata_at(const struct tensors *f, uint64_t i)
{
    return f->gguf ? nn_gguf_metadata_at(f->gguf, i) : nn_safetensors_metadata_at(f->safetensors, i);
}

static void put_shape(const nn_tensor *t, struct buffer *out)
{
    buffer_byte(out, '[');
    for (uint32_t i = 0; i < t->rank; i++)
        buffer_printf(out, "%s%llu", i ? ", " : "", (unsigned long long)t->shape[i]);
    buffer_byte(out, ']');
}

static uint64_t total_bytes(const struct tensors *f)
{
    uint64_t sum = 0;
    for (uint64_t i = 0; i < tensor_count(f); i++)
        sum += tensor_at(f, i)->bytes;
    return sum;
}

static void tensors_as_text(const char *path, const struct tensors *f, struct buffer *out)
{
    plain_text(out, path, 0);
    buffer_printf(out, ": %s, %llu tensors, ", format_of(f), (unsigned long long)tensor_count(f));
    plain_bytes(out, total_bytes(f));
    buffer_byte(out, '\n');
    for (uint64_t i = 0; i < metadata_count(f); i++) {
        const nn_metadata *m = metadata_at(f, i);
        buffer_text(out, "  ");
        plain_text(out, m->key, 0);
        buffer_text(out, " = ");
        plain_text(out, m->value, 0);
        buffer_byte(out, '\n');
    }
    for (uint64_t i = 0; i < tensor_count(f); i++) {
        const nn_tensor *t = tensor_at(f, i);
        struct buffer shape = BUFFER_INIT(400);
        put_shape(t, &shape);
        buffer_printf(out, "%-8s %-20s %12llu  ", nn_dtype_name(t->dtype), buffer_string(&shape),
                      (unsigned long long)t->bytes);
        plain_text(out, t->name, 0);
        buffer_byte(out, '\n');
        buffer_free(&shape);
    }
}

static void tensor_as_json(const nn_tensor *t, struct json_text *j)
{
    json_object(j);
    json_key(j, "name"), json_string(j, t->name);
    json_key(j, "dtype"), json_string(j, nn_dtype_name(t->dtype));
    json_key(j, "shape"), json_array(j);
    for (uint32_t i = 0; i < t->rank; i++)
        json_u64(j, t->shape[i]);
    json_end(j);
    json_key(j, "bytes"), json_u64(j, t->bytes);
    json_end(j);
}

static void tensors_as_json(const char *path, const struct tensors *f, struct buffer *out)
{
    struct json_text j = json_begin(out, 1);
    json_object(&j);
    json_key(&j, "file"), json_string(&j, path);
    json_key(&j, "format"), json_string(&j, format_of(f));
    json_key(&j, "metadata"), json_object(&j);
    for (uint64_t i = 0; i < metadata_count(f); i++) {
        const nn_metadata *m = metadata_at(f, i);
        json_key(&j, m->key), json_string(&j, m->value);
    }
    json_end(&j);
    json_key(&j, "tensors"), json_array(&j);
    for (uint64_t i = 0; i < tensor_count(f); i++)
        tensor_as_json(tensor_at(f, i), &j);
    json_end(&j), json_end(&j);
    buffer_byte(out, '\n');
}

static wn_status open_tensors(const char *path, const uint8_t start[8], struct tensors *f, wn_error *err)
{
    if (nn_torch_file_is(start))
        return nn_torch_file_open(path, &f->torch, err);
    if (nn_gguf_is(start))
        return nn_gguf_open(path, &f->gguf, err);
    return nn_safetensors_open(path, &f->safetensors, err);
}

static wn_status inspect_tensors(const char *path, const uint8_t start[8], bool is_json, struct buffer *out,
                                 wn_error *err)
{
    struct tensors f = { 0 };
    WN_TRY(open_tensors(path, start, &f, err));
    if (is_json)
        tensors_as_json(path, &f, out);
    else
        tensors_as_text(path, &f, out);
    nn_torch_file_close(f.torch);
    nn_gguf_close(f.gguf);
    nn_safetensors_close(f.safetensors);
    return WN_OK;
}

/* ---- pictures ---- */

static void text_as_text(void *arg, const char *key, const char *value)
{
    struct buffer *out = arg;
    buffer_byte(out, '\n');
    plain_text(out, key, 0);
    buffer_text(out, ":\n");
    plain_text(out, value, 1);
    buffer_byte(out, '\n');
}

static void text_as_json(void *arg, const char *key, const char *value)
{
    struct json_text *j = arg;
    json_object(j);
    json_key(j, "key"), json_string(j, key);
    json_key(j, "value"), json_string(j, value);
    json_end(j);
}

/* Our own block as JSON rather than as a string of it; a damaged one is no recipe. */
static void recipe_as_json(void *arg, const char *key, const char *value)
{
    struct json_text *j = arg;
    cJSON *recipe = strcmp(key, "winnow") == 0 ? cJSON_ParseWithOpts(value, NULL, true) : NULL;
    if (recipe)
        json_key(j, "recipe"), json_raw(j, value);
    cJSON_Delete(recipe);
}

static wn_status png_as_json(const char *path, const struct buffer *file, const wn_image *image, struct buffer *out,
                             wn_error *err)
{
    struct json_text j = json_begin(out, 1);
    json_object(&j);
    json_key(&j, "file"), json_string(&j, path);
    json_key(&j, "format"), json_string(&j, "png");
    json_key(&j, "width"), json_u64(&j, image->width_px);
    json_key(&j, "height"), json_u64(&j, image->height_px);
    json_key(&j, "texts"), json_array(&j);
    WN_TRY(png_read_texts(path, file->data, file->size, text_as_json, &j, err));
    json_end(&j);
    WN_TRY(png_read_texts(path, file->data, file->size, recipe_as_json, &j, err));
    json_end(&j);
    buffer_byte(out, '\n');
    return WN_OK;
}

static wn_status inspect_png(const char *path, bool is_json, const struct buffer *file, struct buffer *out,
                             wn_error *err)
{
    wn_image image;
    WN_TRY(image_read(path, &image, err));
    image_free(&image);
    if (is_json)
        return png_as_json(path, file, &image, out, err);
    plain_text(out, path, 0);
    buffer_printf(out, ": PNG, %u x %u px\n", image.width_px, image.height_px);
    return png_read_texts(path, file->data, file->size, text_as_text, out, err);
}

/* ---- both ---- */

static wn_status read_start(const char *path, uint8_t start[8], uint64_t *bytes, wn_error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return wn_fail(err, WN_E_MISSING, "cannot open %s", path);
    *bytes = fread(start, 1, 8, file);
    fclose(file);
    return WN_OK;
}

static wn_status inspect(const char *path, bool is_json, struct buffer *out, wn_error *err)
{
    uint8_t start[8] = { 0 };
    uint64_t bytes = 0;
    WN_TRY(read_start(path, start, &bytes, err));
    if (!png_is(start, bytes))
        return inspect_tensors(path, start, is_json, out, err);
    struct buffer file = BUFFER_INIT(MAX_PNG_BYTES);
    wn_status status = buffer_read_file(&file, path, err);
    if (status == WN_OK)
        status = inspect_png(path, is_json, &file, out, err);
    buffer_free(&file);
    return status;
}

static int run(struct cli *c)
{
    wn_error err = { 0 };
    struct buffer out = BUFFER_INIT(MAX_TEXT_BYTES);
    wn_status status = inspect(c->arguments[0], cli_flag(c, "json"), &out, &err);
    if (status == WN_OK)
        return cli_print(c, &out);
    buffer_free(&out);
    return cli_fail(c, status, &err);
}

const struct command cmd_inspect = {
    .name = "inspect",
    .arguments = "FILE",
    .summary = "show the tensors of a file of safetensors, torch or GGUF, or the recipe of a picture",
    .options = options,
    .minimum_arguments = 1,
    .maximum_arguments = 1,
    .run = run,
};
