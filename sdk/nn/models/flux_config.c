/* flux_config.c - which FLUX.1 it is, and the host's share of its arithmetic. A config.json decides where there is one;
 * a single file tells all but the rotary widths, which are then those of the published models.
 */
#include "flux.h"

#include "scope.h"
#include "settings.h"

#include <math.h>
#include <stdlib.h>

static wn_status read_axes(const nn_config *c, nn_flux *out, wn_error *err)
{
    int64_t axes[3] = { 16, 56, 56 };
    uint32_t count = 3;
    WN_TRY(nn_config_ints(c, "axes_dims_rope", axes, 3, &count, err));
    if (count != 3)
        return wn_fail(err, WN_E_FORMAT, "%s: \"axes_dims_rope\" has %u numbers, expected 3", nn_config_file(c),
                       (unsigned)count);
    for (int i = 0; i < 3; i++) {
        if (axes[i] < 0 || axes[i] % 2 || axes[i] > INT32_MAX)
            return wn_fail(err, WN_E_FORMAT, "%s: \"axes_dims_rope\" holds %lld; widths are even and not negative",
                           nn_config_file(c), (long long)axes[i]);
        out->axes[i] = (uint64_t)axes[i];
    }
    return WN_OK;
}

static wn_status read_config(const nn_config *c, nn_flux *out, wn_error *err)
{
    WN_TRY(settings_size(c, "in_channels", 64, 4, &out->in_channels, err));
    WN_TRY(settings_size(c, "out_channels", out->in_channels, 4, &out->out_channels, err));
    WN_TRY(settings_size(c, "num_attention_heads", 24, 1, &out->heads, err));
    WN_TRY(settings_size(c, "attention_head_dim", 128, 2, &out->head_width, err));
    WN_TRY(settings_size(c, "num_layers", 19, 0, &out->double_blocks, err));
    WN_TRY(settings_size(c, "num_single_layers", 38, 0, &out->single_blocks, err));
    WN_TRY(settings_size(c, "joint_attention_dim", 4096, 1, &out->text_width, err));
    WN_TRY(settings_size(c, "pooled_projection_dim", 768, 1, &out->pooled_width, err));
    WN_TRY(settings_bool(c, "guidance_embeds", 0, &out->has_guidance, err));
    return read_axes(c, out, err);
}

static void read_sizes(const nn_weights *w, nn_flux *out)
{
    const char *p = out->prefix;
    const int is_bfl = out->layout == NN_FLUX_BFL;
    char blocks[128];
    out->in_channels = weights_dim(w, 1, "%s%s.weight", p, is_bfl ? "img_in" : "x_embedder");
    out->out_channels = weights_dim(w, 0, "%s%s.weight", p, is_bfl ? "final_layer.linear" : "proj_out");
    out->text_width = weights_dim(w, 1, "%s%s.weight", p, is_bfl ? "txt_in" : "context_embedder");
    out->pooled_width =
        weights_dim(w, 1, "%s%s.weight", p, is_bfl ? "vector_in.in_layer" : "time_text_embed.text_embedder.linear_1");
    out->has_guidance = weights_dim(w, 0, "%s%s.weight", p,
                                    is_bfl ? "guidance_in.in_layer" : "time_text_embed.guidance_embedder.linear_1") > 0;
    snprintf(blocks, sizeof blocks, "%s%s", p, is_bfl ? "double_blocks." : "transformer_blocks.");
    out->double_blocks = weights_blocks(w, blocks);
    snprintf(blocks, sizeof blocks, "%s%s", p, is_bfl ? "single_blocks." : "single_transformer_blocks.");
    out->single_blocks = weights_blocks(w, blocks);
    out->head_width = weights_dim(w, 0, "%s0.%s", blocks, is_bfl ? "norm.query_norm.scale" : "attn.norm_q.weight");
    const uint64_t d = weights_dim(w, 0, "%s%s.weight", p, is_bfl ? "img_in" : "x_embedder");
    out->heads = out->head_width ? d / out->head_width : 0;
    out->axes[0] = 16;
    out->axes[1] = out->axes[2] = 56;
}

static wn_status check(const char *path, const nn_flux *c, wn_error *err)
{
    const uint64_t sum = c->axes[0] + c->axes[1] + c->axes[2];
    if (c->heads == 0 || c->in_channels == 0 || c->text_width == 0 || c->pooled_width == 0)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: sizes cannot be read off the weights (heads %llu, features %llu, text "
                       "%llu, pooled %llu); put config.json beside them",
                       path, (unsigned long long)c->heads, (unsigned long long)c->in_channels,
                       (unsigned long long)c->text_width, (unsigned long long)c->pooled_width);
    if (sum != c->head_width)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: rotary widths %llu + %llu + %llu are not the head's %llu; config.json "
                       "says them as axes_dims_rope",
                       path, (unsigned long long)c->axes[0], (unsigned long long)c->axes[1],
                       (unsigned long long)c->axes[2], (unsigned long long)c->head_width);
    if (c->heads > 1024 || c->head_width > 1024 || c->double_blocks + c->single_blocks > 1000)
        return wn_fail(err, WN_E_FORMAT, "%s: %llu heads of %llu and %llu + %llu blocks are more than is sane", path,
                       (unsigned long long)c->heads, (unsigned long long)c->head_width,
                       (unsigned long long)c->double_blocks, (unsigned long long)c->single_blocks);
    return WN_OK;
}

wn_status nn_flux_read(const char *path, const nn_weights *w, nn_flux *out, wn_error *err)
{
    static const char *const prefixes[] = { "", "model.diffusion_model.", NULL };
    const char *prefix = weights_prefix(w, prefixes, "img_in.weight");
    *out = (nn_flux){ .layout = prefix ? NN_FLUX_BFL : NN_FLUX_DIFFUSERS };
    if (!prefix)
        prefix = weights_prefix(w, prefixes, "x_embedder.weight");
    if (!prefix)
        return wn_fail(err, WN_E_MISSING,
                       "%s holds no FLUX.1 transformer: neither \"img_in.weight\" (original layout) "
                       "nor \"x_embedder.weight\" (diffusers)",
                       nn_weights_path(w));
    snprintf(out->prefix, sizeof out->prefix, "%s", prefix);
    nn_config *c;
    wn_status status = settings_open(path, &c, err);
    if (status == WN_OK && c)
        status = read_config(c, out, err);
    else if (status == WN_OK)
        read_sizes(w, out);
    nn_config_close(c);
    return status == WN_OK ? check(path, out, err) : status;
}

/* diffusers get_timestep_embedding, flip_sin_to_cos, downscale_freq_shift 0. */
void nn_flux_sinusoid(float value, float out[NN_FLUX_SINUSOID])
{
    const int half = NN_FLUX_SINUSOID / 2;
    const float log_period = (float)-log(10000.0);
    const float t = value * 1000.0f;
    for (int i = 0; i < half; i++) {
        const float angle = t * expf(log_period * (float)i / (float)half);
        out[i] = cosf(angle);
        out[half + i] = sinf(angle);
    }
}

void nn_flux_pack(const float *x, uint64_t channels, uint64_t h, uint64_t w, float *tokens)
{
    for (uint64_t r = 0; r < h / 2; r++)
        for (uint64_t s = 0; s < w / 2; s++)
            for (uint64_t c = 0; c < channels; c++)
                for (uint64_t p = 0; p < 4; p++)
                    *tokens++ = x[(c * h + 2 * r + p / 2) * w + 2 * s + p % 2];
}

void nn_flux_unpack(const float *tokens, uint64_t channels, uint64_t h, uint64_t w, float *x)
{
    for (uint64_t r = 0; r < h / 2; r++)
        for (uint64_t s = 0; s < w / 2; s++)
            for (uint64_t c = 0; c < channels; c++)
                for (uint64_t p = 0; p < 4; p++)
                    x[(c * h + 2 * r + p / 2) * w + 2 * s + p % 2] = *tokens++;
}
