/* vae_config.c - which autoencoder it is: a diffusers config.json, or the shapes of a single file's tensors. */
#include "settings.h"
#include "vae_names.h"

#include <string.h>

struct vae_attention_names vae_attention_names(const nn_scope *s, const nn_vae *c)
{
    if (c->is_bfl)
        return (struct vae_attention_names){ "norm", { "q", "k", "v" }, "proj_out" };
    if (scope_has(s, "query.weight"))
        return (struct vae_attention_names){ "group_norm", { "query", "key", "value" }, "proj_attn" };
    return (struct vae_attention_names){ "group_norm", { "to_q", "to_k", "to_v" }, "to_out.0" };
}

nn_scope vae_decoder_level(const nn_scope *tower, const nn_vae *c, uint64_t level)
{
    if (c->is_bfl)
        return scope_in(tower, "up.%u.", (unsigned)level);
    return scope_in(tower, "up_blocks.%u.", (unsigned)(c->levels - 1 - level));
}

nn_scope vae_resnet(const nn_scope *level, const nn_vae *c, uint64_t i)
{
    return scope_in(level, "%s.%u.", c->is_bfl ? "block" : "resnets", (unsigned)i);
}

/* Only the blocks that every AutoencoderKL of the latent diffusion family has. */
static wn_status check_blocks(const nn_config *c, const char *key, const char *expected, uint64_t levels, wn_error *err)
{
    for (uint32_t i = 0; i < levels; i++) {
        const char *name;
        WN_TRY(nn_config_string_at(c, key, i, &name, err));
        if (name && strcmp(name, expected) != 0)
            return wn_fail(err, WN_E_UNSUPPORTED, "%s: \"%s\" holds \"%s\"; only %s is known", nn_config_file(c), key,
                           name, expected);
    }
    return WN_OK;
}

static wn_status read_levels(const nn_config *c, nn_vae *out, wn_error *err)
{
    int64_t channels[NN_VAE_MAX_LEVELS] = { 64 };
    uint32_t count = 1;
    WN_TRY(nn_config_ints(c, "block_out_channels", channels, NN_VAE_MAX_LEVELS, &count, err));
    if (count == 0)
        return wn_fail(err, WN_E_FORMAT, "%s: \"block_out_channels\" is empty", nn_config_file(c));
    out->levels = count;
    for (uint32_t i = 0; i < count; i++) {
        if (channels[i] < 1 || channels[i] > 65536)
            return wn_fail(err, WN_E_FORMAT, "%s: \"block_out_channels\" holds %lld, expected 1..65536",
                           nn_config_file(c), (long long)channels[i]);
        out->channels[i] = (uint64_t)channels[i];
    }
    WN_TRY(check_blocks(c, "down_block_types", "DownEncoderBlock2D", count, err));
    return check_blocks(c, "up_block_types", "UpDecoderBlock2D", count, err);
}

static wn_status read_config(const nn_config *c, nn_vae *out, wn_error *err)
{
    WN_TRY(read_levels(c, out, err));
    WN_TRY(settings_size(c, "layers_per_block", 1, 1, &out->blocks, err));
    WN_TRY(settings_size(c, "norm_num_groups", 32, 1, &out->groups, err));
    WN_TRY(settings_size(c, "latent_channels", 4, 1, &out->latent_channels, err));
    WN_TRY(settings_size(c, "sample_size", 1024, 1, &out->sample_px, err));
    WN_TRY(settings_bool(c, "use_quant_conv", 1, &out->has_quant, err));
    WN_TRY(settings_bool(c, "use_post_quant_conv", 1, &out->has_post_quant, err));
    WN_TRY(settings_bool(c, "mid_block_add_attention", 1, &out->has_attention, err));
    WN_TRY(settings_float(c, "scaling_factor", 0.18215, &out->scaling, err));
    return settings_float(c, "shift_factor", 0.0, &out->shift, err);
}

static void read_sizes(const nn_weights *w, nn_vae *out)
{
    const char *p = out->prefix;
    char names[128];
    snprintf(names, sizeof names, "%sencoder.%s", p, out->is_bfl ? "down." : "down_blocks.");
    out->levels = weights_blocks(w, names);
    if (out->levels == 0) { /* decoder only */
        snprintf(names, sizeof names, "%sdecoder.%s", p, out->is_bfl ? "up." : "up_blocks.");
        out->levels = weights_blocks(w, names);
    }
    if (out->levels > NN_VAE_MAX_LEVELS)
        out->levels = 0;
    for (uint64_t i = 0; i < out->levels; i++)
        out->channels[i] = out->is_bfl ? weights_dim(w, 0, "%sdecoder.up.%u.block.0.conv1.weight", p, (unsigned)i)
                                       : weights_dim(w, 0, "%sdecoder.up_blocks.%u.resnets.0.conv1.weight", p,
                                                     (unsigned)(out->levels - 1 - i));
    snprintf(names, sizeof names, "%sdecoder.%s", p, out->is_bfl ? "up.0.block." : "up_blocks.0.resnets.");
    const uint64_t blocks = weights_blocks(w, names);
    out->blocks = blocks ? blocks - 1 : 0;
    out->groups = 32;
    out->latent_channels = weights_dim(w, 1, "%sdecoder.conv_in.weight", p);
    out->has_quant = weights_dim(w, 0, "%squant_conv.weight", p) > 0;
    out->has_post_quant = weights_dim(w, 0, "%spost_quant_conv.weight", p) > 0;
    out->has_attention =
        weights_dim(w, 0, "%sdecoder.%s", p,
                    out->is_bfl ? "mid.attn_1.norm.weight" : "mid_block.attentions.0.group_norm.weight") > 0;
    out->sample_px = 1024;
    out->scaling = 0.3611f;
    out->shift = 0.1159f;
}

static wn_status check(const char *path, const nn_vae *c, wn_error *err)
{
    if (c->levels == 0 || c->latent_channels == 0 || c->blocks == 0)
        return wn_fail(err, WN_E_FORMAT, "%s: sizes cannot be read off the weights; put config.json beside them", path);
    for (uint64_t i = 0; i < c->levels; i++)
        if (c->channels[i] % c->groups)
            return wn_fail(err, WN_E_FORMAT, "%s: %llu channels are not a multiple of %llu norm groups", path,
                           (unsigned long long)c->channels[i], (unsigned long long)c->groups);
    if (!(c->scaling > 0))
        return wn_fail(err, WN_E_FORMAT, "%s: scaling_factor is %g, expected a positive number", path,
                       (double)c->scaling);
    return WN_OK;
}

wn_status nn_vae_read(const char *path, const nn_weights *w, nn_vae *out, wn_error *err)
{
    static const char *const prefixes[] = { "", "vae.", "first_stage_model.", NULL };
    const char *prefix = weights_prefix(w, prefixes, "decoder.conv_in.weight");
    *out = (nn_vae){ 0 };
    if (!prefix)
        return wn_fail(err, WN_E_MISSING, "%s holds no autoencoder: no tensor \"decoder.conv_in.weight\"",
                       nn_weights_path(w));
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
    out->is_bfl = weights_dim(w, 0, "%sdecoder.norm_out.weight", prefix) > 0;
    nn_config *c;
    wn_status status = settings_open(path, &c, err);
    if (status == WN_OK && c)
        status = read_config(c, out, err);
    else if (status == WN_OK)
        read_sizes(w, out);
    nn_config_close(c);
    return status == WN_OK ? check(path, out, err) : status;
}
