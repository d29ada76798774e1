/* What is known of published CLIP checkpoints that have no config: image size and heads by the shapes of their tensors
 * (the files here have real widths, few tensors and no content), and that an activation is taken from whoever knows it,
 * or asked for, but never guessed.
 */
#include "files.h"

#include "models/clip_preset.h"
#include "sha256.h"
#include "weights/safetensors.h"

static wn_error err;

static const struct architecture {
    const char *name;
    uint64_t width, patch_px, tokens, text_width, image_px, heads, text_heads;
    const char *activation; /* NULL: must be asked for */
} published[] = {
    { "B/32", 768, 32, 50, 512, 224, 12, 8, NULL },          { "B/16", 768, 16, 197, 512, 224, 12, 8, NULL },
    { "L/14", 1024, 14, 257, 768, 224, 16, 12, NULL },       { "L/14@336", 1024, 14, 577, 768, 336, 16, 12, NULL },
    { "H/14", 1280, 14, 257, 1024, 224, 16, 16, NULL },      { "g/14", 1408, 14, 257, 1024, 224, 16, 16, "gelu" },
    { "bigG/14", 1664, 14, 257, 1280, 224, 16, 20, "gelu" },
};

static nn_weights *open_shapes(const struct architecture *a)
{
    static const float zeros[1 << 21];
    const nn_tensor tensors[] = {
        { "vision_model.embeddings.class_embedding", NULL, WN_F16, 1, { a->width }, 0, zeros },
        { "vision_model.embeddings.patch_embedding.weight",
          NULL,
          WN_F16,
          4,
          { a->width, 3, a->patch_px, a->patch_px },
          0,
          zeros },
        { "vision_model.embeddings.position_embedding.weight", NULL, WN_F16, 2, { a->tokens, a->width }, 0, zeros },
        { "text_model.embeddings.token_embedding.weight", NULL, WN_F16, 2, { 9, a->text_width }, 0, zeros },
    };
    nn_weights *w;
    CHECK_OK(nn_safetensors_write(in_folder("shapes.safetensors"), tensors, 4, NULL, 0, &err), err);
    CHECK_OK(nn_weights_open(in_folder("shapes.safetensors"), &w, &err), err);
    return w;
}

static wn_status settle(const nn_weights *w, int is_openai, const char *activation, nn_clip_text *text,
                        nn_clip_vision *vision)
{
    nn_files files = { 0 };
    const wn_status status = clip_preset_read(folder, w, is_openai, activation, text, vision, &files, &err);
    nn_files_finish(&files);
    return status;
}

static void check_published(const struct architecture *a)
{
    nn_weights *w = open_shapes(a);
    nn_clip_text text;
    nn_clip_vision vision;
    CHECK_OK(settle(w, 0, "gelu", &text, &vision), err);
    CHECK_INT(vision.image_px, a->image_px);
    CHECK_INT(vision.shape.heads, a->heads);
    CHECK_INT(text.shape.heads, a->text_heads);
    CHECK_INT(vision.shape.activation, WN_ACT_GELU_ERF);
    CHECK_INT(text.eos, 2);
    CHECK_NEAR(vision.shape.eps, 1e-5f, 0);
    if (a->activation)
        CHECK_OK(settle(w, 0, "", &text, &vision), err);
    else {
        CHECK_INT(settle(w, 0, NULL, &text, &vision), WN_E_MISSING);
        CHECK_CONTAINS(err.message, "set \"activation\": quick_gelu for weights by OpenAI");
    }
    CHECK_OK(settle(w, 1, NULL, &text, &vision), err);
    CHECK_INT(vision.shape.activation, WN_ACT_QUICK_GELU);
    CHECK_INT(settle(w, 1, "gelu", &text, &vision), WN_E_ARG);
    CHECK_INT(settle(w, 0, "swish2", &text, &vision), WN_E_ARG);
    nn_weights_close(w);
}

static void check_config(const char *text_of_config, const char *activation, int32_t want, const char *reason)
{
    nn_weights *w = open_shapes(&published[4]);
    nn_clip_text text;
    nn_clip_vision vision;
    write_text("open_clip_config.json", text_of_config);
    const wn_status status = settle(w, 0, activation, &text, &vision);
    if (reason) {
        CHECK(status != WN_OK);
        CHECK_CONTAINS(err.message, reason);
    } else {
        CHECK_OK(status, err);
        CHECK_INT(vision.shape.activation, want);
        CHECK_INT(vision.shape.heads, 20);
    }
    unlink(in_folder("open_clip_config.json"));
    nn_weights_close(w);
}

static void test_configs(void)
{
#define CONFIG(quick, more)                                                                                            \
    "{\"model_cfg\":{" quick "\"vision_cfg\":{\"width\":1280" more "},\"text_cfg\":{\"heads\":16}}}"
    check_config(CONFIG("\"quick_gelu\":true,", ""), "", WN_ACT_QUICK_GELU, NULL);
    check_config(CONFIG("", ",\"no_ln_pre\":false"), NULL, WN_ACT_GELU_ERF, NULL);
    check_config(CONFIG("", ""), "quick_gelu", WN_ACT_QUICK_GELU, NULL); /* the option is the user's */
    check_config(CONFIG("", ",\"no_ln_pre\":true"), NULL, 0, "not a plain CLIP");
    check_config(CONFIG("", ",\"timm_model_name\":\"vit\""), NULL, 0, "not a plain CLIP");
    check_config("{\"model_cfg\":{}}", NULL, 0, "no /model_cfg/vision_cfg");
    check_config("{}", NULL, 0, "no /model_cfg");
}

static void test_images(void)
{
    nn_preprocess p;
    int is_given;
    CHECK_OK(clip_preset_images(folder, 224, &p, &is_given, &err), err);
    CHECK(!is_given && p.short_px == 224 && p.crop == NN_CROP_HALF_EVEN);
    write_text("open_clip_config.json", "{\"preprocess_cfg\":{\"mean\":[0.5,0.5,0.5],\"std\":[0.5,0.25,0.5],"
                                        "\"interpolation\":\"bilinear\",\"resize_mode\":\"squash\"}}");
    CHECK_OK(clip_preset_images(folder, 224, &p, &is_given, &err), err);
    CHECK(is_given && p.short_px == 0 && p.resize_width_px == 224 && p.filter == NN_FILTER_BILINEAR);
    CHECK_NEAR(p.mean[1], 0.5f, 0);
    CHECK_NEAR(p.std[1], 0.25f, 0);
    write_text("open_clip_config.json", "{\"preprocess_cfg\":{\"resize_mode\":\"longest\"}}");
    CHECK_INT(clip_preset_images(folder, 224, &p, &is_given, &err), WN_E_UNSUPPORTED);
}

/* FIPS 180-4's own examples, and lengths around a block of 64 bytes (by Python's hashlib). */
static void test_sha256(void)
{
    static const struct {
        size_t length;
        const char *start, *digest;
    } cases[] = {
        { 0, "", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
        { 3, "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
        { 55, "", "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318" },
        { 56, "", "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a" },
        { 64, "", "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb" },
        { 200000, "", "2287d207f24a941ff3b56c04c8a25ad56b63e3023207b3bb5b4ac0c9869d74be" },
    };
    static char text[200000], digits[65];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        memset(text, 'a', sizeof text);
        memcpy(text, cases[i].start, strlen(cases[i].start));
        CHECK_OK(nn_sha256_file(write_bytes("hashed", text, cases[i].length), digits, &err), err);
        CHECK_STR(digits, cases[i].digest);
    }
    CHECK(nn_sha256_file(in_folder("absent"), digits, &err) != WN_OK);
}

int main(void)
{
    scratch_make(folder);
    for (size_t i = 0; i < sizeof published / sizeof *published; i++)
        check_published(&published[i]);
    test_configs();
    test_images();
    test_sha256();
    scratch_remove(folder);
    return CHECK_DONE();
}
