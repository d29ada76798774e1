/* refusals.c - what the flux sampler says about models that are incomplete or do not fit: each message names the file,
 * the tensor or key, and both values. A good tiny pipeline is spoilt in one place at a time.
 */
#include "check.h"
#include "host.h"
#include "tiny.h"

#include <unistd.h>
#include <winnow/sampler.h>

struct refusals {
    struct host host;
    const wn_plugin *plugin;
    char folder[4096];
    char path[8192];
    char options[1024];
    wn_error err;
};

/* Replaces the first `from` in a file of the pipeline by `to`; returns what the file held. */
static char *edit(struct refusals *r, const char *name, const char *from, const char *to)
{
    snprintf(r->path, sizeof r->path, "%s/%s", r->folder, name);
    char *text = tiny_alloc(65536, 1);
    FILE *f = fopen(r->path, "r+");
    CHECK(f && fread(text, 1, 65535, f) > 0);
    char *at = strstr(text, from);
    if (!f || !at) {
        CHECK_FAIL("%s does not hold %s", r->path, from);
        exit(1);
    }
    rewind(f);
    fprintf(f, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    fflush(f);
    CHECK(ftruncate(fileno(f), ftell(f)) == 0);
    fclose(f);
    return text;
}

static void restore(struct refusals *r, const char *name, const char *text)
{
    snprintf(r->path, sizeof r->path, "%s/%s", r->folder, name);
    FILE *f = fopen(r->path, "w");
    CHECK(f && fputs(text, f) >= 0);
    if (f)
        fclose(f);
}

/* Everything up to one velocity; returns the first failing status with its message in r->err. */
static wn_status run(struct refusals *r, const char *const *pairs)
{
    const wn_sampler *s = r->plugin->vtable;
    const wn_canvas canvas = { .struct_size = sizeof canvas, .width_px = 40, .height_px = 24, .steps = 1 };
    static float x[240], v[240];
    float sigma[2];
    wn_cond *cond = NULL;
    r->err = (wn_error){ 0 };
    void *self = host_create(&r->host, r->plugin, r->options, pairs, &r->err);
    if (!self)
        return r->err.code;
    wn_status status = s->schedule(self, &canvas, sigma, &r->err);
    if (status == WN_OK)
        status = s->encode(self, &(wn_prompt){ "a", "p", "", "{}" }, &canvas, sigma, &cond, &r->err);
    if (status == WN_OK)
        status = s->velocity(self, &canvas, 1, &(wn_velocity_item){ x, v, cond, 1.0f, 0 }, &r->err);
    s->cond_free(self, cond);
    r->plugin->destroy(self);
    return status;
}

static void test_edit(struct refusals *r, const char *name, const char *from, const char *to, const char *says,
                      const char *says_too)
{
    const char *const pairs[] = { "model", r->folder, NULL };
    char *before = edit(r, name, from, to);
    const wn_status status = run(r, pairs);
    restore(r, name, before);
    printf("%d %s\n", (int)status, r->err.message);
    CHECK(status != WN_OK);
    CHECK_CONTAINS(r->err.message, says);
    CHECK_CONTAINS(r->err.message, says_too);
}

static void test_configs(struct refusals *r)
{
    test_edit(r, "transformer/config.json", "\"num_layers\": 5", "\"num_layers\": 6", "transformer_blocks.5", "[");
    test_edit(r, "transformer/config.json", "\"num_attention_heads\": 3", "\"num_attention_heads\": 4", "48", "64");
    test_edit(r, "transformer/config.json", "\"attention_head_dim\": 16", "\"attention_head_dim\": 18",
              "axes_dims_rope", "18");
    test_edit(r, "transformer/config.json", "\"joint_attention_dim\": 40", "\"joint_attention_dim\": 41", "41", "40");
    test_edit(r, "transformer/config.json", "\"num_layers\": 5", "\"num_layers\": \"5\"", "config.json", "num_layers");
    test_edit(r, "transformer/config.json", "{", "{,", "config.json", "");
    test_edit(r, "vae/config.json", "\"norm_num_groups\": 4", "\"norm_num_groups\": 5", "norm groups", "5");
    test_edit(r, "vae/config.json", "\"latent_channels\": 4", "\"latent_channels\": 8", "32", "16");
    test_edit(r, "text_encoder/config.json", "quick_gelu", "mystery", "mystery", "hidden_act");
    test_edit(r, "text_encoder/config.json", "\"hidden_size\": 24", "\"hidden_size\": 25", "25", "3 heads");
    test_edit(r, "text_encoder_2/config.json", "\"num_layers\": 3", "\"num_layers\": 4", "encoder.block.3", "");
    test_edit(r, "scheduler/scheduler_config.json", "\"exponential\"", "\"cosine\"", "cosine", "time_shift_type");
    test_edit(r, "scheduler/scheduler_config.json", "\"use_karras_sigmas\": false", "\"use_karras_sigmas\": true",
              "use_karras_sigmas", "");
}

static void read_key(struct refusals *r, char key[72])
{
    wn_sampler_info info = { .struct_size = sizeof info };
    void *self = host_create(&r->host, r->plugin, r->options, (const char *const[]){ "model", r->folder, NULL }, NULL);
    CHECK_OK(((const wn_sampler *)r->plugin->vtable)->describe(self, &info, &r->err), r->err);
    r->plugin->destroy(self);
    memcpy(key, info.model_key, sizeof info.model_key);
}

/* What decides a velocity is in the model's name. */
static void test_key(struct refusals *r)
{
    static const struct {
        const char *name, *from, *to;
    } edits[] = { { "tokenizer/tokenizer_config.json", "\"model_max_length\": 20", "\"model_max_length\": 10" },
                  { "tokenizer_2/tokenizer_config.json", "\"model_max_length\": 37", "\"model_max_length\": 36" },
                  { "text_encoder/config.json", "quick_gelu", "gelu" } };
    char key[72], other[72];
    read_key(r, key);
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        char *before = edit(r, edits[i].name, edits[i].from, edits[i].to);
        read_key(r, other);
        restore(r, edits[i].name, before);
        if (strcmp(key, other) == 0)
            CHECK_FAIL("%s changes nothing in the model's key %s", edits[i].name, key);
    }
    read_key(r, other);
    CHECK_STR(other, key);
}

static void test_files(struct refusals *r)
{
    static const char f[] = "transformer/diffusion_pytorch_model.safetensors";
    char alone[5000];
    snprintf(alone, sizeof alone, "%s/transformer", r->folder);
    CHECK(run(r, (const char *const[]){ "model", alone, NULL }) == WN_E_MISSING);
    CHECK_CONTAINS(r->err.message, "option \"vae\"");
    CHECK(run(r, (const char *const[]){ "model", "/no/such/model", NULL }) != WN_OK);
    CHECK_CONTAINS(r->err.message, "/no/such/model");
    snprintf(r->path, sizeof r->path, "%s/%s", r->folder, f);
    CHECK(truncate(r->path, 100000) == 0);
    CHECK(run(r, (const char *const[]){ "model", r->folder, NULL }) == WN_E_FORMAT);
    CHECK_CONTAINS(r->err.message, f);
    printf("%s\n", r->err.message);
    CHECK(unlink(r->path) == 0);
    CHECK(run(r, (const char *const[]){ "model", r->folder, NULL }) == WN_E_MISSING);
    CHECK_CONTAINS(r->err.message, "transformer");
    printf("%s\n", r->err.message);
}

int main(void)
{
    static struct refusals r;
    snprintf(r.folder, sizeof r.folder, "%s", tiny_folder("guided", "refusals"));
    r.plugin = host_plugin("flux");
    host_open(&r.host, 1);
    CHECK(run(&r, (const char *const[]){ "model", r.folder, NULL }) == WN_OK);
    test_configs(&r);
    test_key(&r);
    test_files(&r);
    host_close(&r.host);
    return CHECK_DONE();
}
