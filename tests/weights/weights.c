/* Checkpoints as folders and shards; one mapping for a file however often it is opened. */
#include "files.h"

#include "weights/safetensors.h"

#include <sys/stat.h>

static wn_error err;

static void write_shard(const char *name, const char *const *tensors, uint32_t count)
{
    static const float value[2] = { 1.5f, -2 };
    nn_tensor list[4] = { 0 };
    for (uint32_t i = 0; i < count; i++)
        list[i] = (nn_tensor){ .name = tensors[i], .dtype = WN_F32, .rank = 1, .shape = { 2 }, .data = value };
    CHECK_OK(nn_safetensors_write(in_folder(name), list, count, NULL, 0, &err), err);
}

static nn_weights *must_open(const char *name)
{
    nn_weights *w = NULL;
    CHECK_OK(nn_weights_open(in_folder(name), &w, &err), err);
    if (!w)
        exit(CHECK_DONE());
    return w;
}

static void must_fail(const char *name, wn_status code, const char *reason)
{
    nn_weights *w = NULL;
    CHECK_INT(nn_weights_open(in_folder(name), &w, &err), code);
    CHECK_CONTAINS(err.message, reason);
    CHECK(w == NULL);
}

static void opens_files_and_folders(void)
{
    mkdir(in_folder("vae"), 0700);
    must_fail("vae", WN_E_MISSING,
              "looked for diffusion_pytorch_model.safetensors, diffusion_pytorch_model.safetensors.index.json, "
              "model.safetensors, model.safetensors.index.json, open_clip_model.safetensors, pytorch_model.bin, "
              "pytorch_model.bin.index.json, open_clip_pytorch_model.bin");
    must_fail("nowhere", WN_E_MISSING, "nowhere: cannot open weights");
    write_shard("vae/model.safetensors", (const char *const[]){ "b", "a" }, 2);
    nn_weights *folder_form = must_open("vae"), *file_form = must_open("vae/model.safetensors");
    CHECK_INT(nn_weights_count(folder_form), 2);
    CHECK_INT(nn_weights_file_count(folder_form), 1);
    CHECK_CONTAINS(nn_weights_file(folder_form, 0), "vae/model.safetensors");
    CHECK_CONTAINS(nn_weights_path(folder_form), "/vae");
    CHECK_STR(nn_weights_at(folder_form, 0)->name, "a");
    CHECK(nn_weights_find(folder_form, "c") == NULL);
    CHECK(nn_weights_find(folder_form, "b")->data == nn_weights_find(file_form, "b")->data);
    nn_weights_close(folder_form);
    float second;
    nn_tensor_to_f32(nn_weights_find(file_form, "b"), 1, &second, 1);
    CHECK_NEAR((double)second, -2, 0);

    write_shard("vae/model.safetensors", (const char *const[]){ "other" }, 1); /* replaced: a new file */
    nn_weights *newer = must_open("vae");
    CHECK(nn_weights_find(newer, "other") && !nn_weights_find(newer, "a"));
    CHECK(nn_weights_find(file_form, "a") != NULL);
    nn_weights_close(newer);
    nn_weights_close(file_form);
}

static void opens_shards(void)
{
    mkdir(in_folder("t"), 0700);
    write_shard("t/one.safetensors", (const char *const[]){ "x", "spare" }, 2);
    write_shard("t/two.safetensors", (const char *const[]){ "w", "y" }, 2);
    write_text("t/diffusion_pytorch_model.safetensors.index.json",
               "{\"metadata\":{\"total_size\":32},\"weight_map\":"
               "{\"y\":\"two.safetensors\",\"x\":\"one.safetensors\",\"w\":\"two.safetensors\"}}");
    nn_weights *w = must_open("t");
    CHECK_INT(nn_weights_count(w), 3);
    CHECK_INT(nn_weights_file_count(w), 2);
    CHECK_STR(nn_weights_at(w, 0)->name, "w");
    CHECK(nn_weights_find(w, "spare") == NULL);
    CHECK_CONTAINS(nn_weights_find(w, "x")->file, "one.safetensors");
    nn_weights_close(w);
}

static void index_must_fail(const char *json, wn_status code, const char *reason)
{
    write_text("t/model.safetensors.index.json", json);
    must_fail("t/model.safetensors.index.json", code, reason);
}

static void refuses_bad_shards(void)
{
    index_must_fail("{\"weight_map\":{\"x\":\"../t/one.safetensors\"}}", WN_E_FORMAT, "not the plain name");
    index_must_fail("{\"weight_map\":{\"x\":\"/etc/passwd\"}}", WN_E_FORMAT, "not the plain name");
    index_must_fail("{\"weight_map\":{\"x\":\"..\"}}", WN_E_FORMAT, "not the plain name");
    index_must_fail("{\"weight_map\":{\"x\":\"\"}}", WN_E_FORMAT, "not the plain name");
    index_must_fail("{\"weight_map\":{\"x\":7}}", WN_E_FORMAT, "is not a string");
    index_must_fail("{\"weight_map\":{\"x\":\"three.safetensors\"}}", WN_E_MISSING, "three.safetensors: cannot open");
    index_must_fail("{\"weight_map\":{\"x\":\"two.safetensors\"}}", WN_E_MISSING, "tensor 'x' is not in");
    index_must_fail("{\"weight_map\":{\"x\":\"one.safetensors\",\"x\":\"two.safetensors\"}}", WN_E_FORMAT,
                    "stands twice");
    index_must_fail("{}", WN_E_FORMAT, "no object \"weight_map\"");
    index_must_fail("{\"weight_map\":{}} 1", WN_E_FORMAT, "is not JSON");
}

int main(void)
{
    scratch_make(folder);
    opens_files_and_folders();
    opens_shards();
    refuses_bad_shards();
    nn_weights_close(NULL);
    scratch_remove(folder);
    return CHECK_DONE();
}
