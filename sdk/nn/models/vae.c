/* vae.c - AutoencoderKL as two graphs. A picture is [positions, channels], so a 1x1 convolution and the attention in
 * the middle are ordinary matrix operations; upsampling is part of the convolution that follows it. Residual blocks are
 * made in bands of rows, see vae_bands.h.
 */
#include "vae.h"

#include "scope.h"
#include "settings.h"
#include "vae_bands.h"
#include "vae_names.h"
#include "vae_tiles.h"

#include <math.h>

uint64_t nn_vae_stride(const nn_vae *c)
{
    return UINT64_C(1) << (c->levels - 1);
}

static nn_t conv3(const nn_scope *s, const char *leaf, struct picture p, uint64_t channels, uint64_t upsample)
{
    const nn_layer l = scope_layer(s, leaf, channels, 9 * nn_cols(s->g, p.x));
    const nn_conv_shape shape = { .height = p.height,
                                  .width = p.width,
                                  .kernel = 3,
                                  .stride = 1,
                                  .pad_before = 1,
                                  .pad_after = 1,
                                  .upsample = upsample };
    return nn_conv(s->g, p.x, l.w, l.b, &shape, NULL);
}

static nn_t norm(const nn_scope *s, const nn_vae *c, const char *leaf, nn_t x)
{
    const nn_layer l = vae_norm_layer(s, leaf, nn_cols(s->g, x));
    return nn_group_norm(s->g, x, l.w, l.b, c->groups, vae_eps, WN_ACT_NONE);
}

static const char *shortcut_name(const nn_vae *c)
{
    return c->is_bfl ? "nin_shortcut" : "conv_shortcut";
}

/* x + conv2(silu(norm2(conv1(silu(norm1 x))))), x through a 1x1 convolution when the channels change. The sum takes the
 * place of the one of its operands that has its shape, so that no more than x and h are ever there. */
static void resnet(const nn_scope *s, const nn_vae *c, struct picture *p, uint64_t channels)
{
    struct picture h = *p;
    h.x = nn_temp(s->g, "hidden", nn_rows(s->g, p->x), channels, 0);
    vae_conv_normed(s, c, "norm1", "conv1", p, 0, &h);
    if (nn_cols(s->g, p->x) == channels) {
        vae_conv_normed(s, c, "norm2", "conv2", &h, p->x, p);
        return;
    }
    vae_conv_normed(s, c, "norm2", "conv2", &h, 0, &h);
    vae_add_shortcut(s, shortcut_name(c), p, &h);
    *p = h;
}

static void attention(const nn_scope *s, const nn_vae *c, struct picture *p)
{
    const struct vae_attention_names names = vae_attention_names(s, c);
    nn_graph *g = s->g;
    const uint64_t t = nn_rows(g, p->x);
    const uint64_t d = nn_cols(g, p->x);
    const nn_layer qkv = scope_join(s, 3, names.qkv, d, d);
    const nn_t a = nn_linear(g, norm(s, c, names.norm, p->x), qkv.w, qkv.b, NULL); // [t, 3 d]
    const nn_t o = nn_attention(g, nn_window(g, a, 0, t, 0, d), nn_window(g, a, 0, t, d, d),
                                nn_window(g, a, 0, t, 2 * d, d), 1, 1.0f / sqrtf((float)d), 0, 0, 0);
    p->x = scope_linear(s, names.out, o, d, &(nn_epilogue){ .residual = p->x });
}

static void middle(const nn_scope *tower, const nn_vae *c, struct picture *p)
{
    const nn_scope first = scope_in(tower, "%s", c->is_bfl ? "mid.block_1." : "mid_block.resnets.0.");
    const nn_scope between = scope_in(tower, "%s", c->is_bfl ? "mid.attn_1." : "mid_block.attentions.0.");
    const nn_scope second = scope_in(tower, "%s", c->is_bfl ? "mid.block_2." : "mid_block.resnets.1.");
    const uint64_t channels = nn_cols(tower->g, p->x);
    resnet(&first, c, p, channels);
    if (c->has_attention)
        attention(&between, c, p);
    resnet(&second, c, p, channels);
}

static void output(const nn_scope *tower, const nn_vae *c, struct picture p, uint64_t channels, const char *name)
{
    struct picture out = p;
    out.x = nn_temp(tower->g, name, nn_rows(tower->g, p.x), channels, 0);
    vae_conv_normed(tower, c, c->is_bfl ? "norm_out" : "conv_norm_out", "conv_out", &p, 0, &out);
    if (c->has_quant && channels != 3) {
        const nn_scope file = { tower->g, tower->w, "" };
        const nn_scope top = scope_in(&file, "%s", c->prefix);
        out.x = scope_linear(&top, "quant_conv", out.x, channels, NULL);
    }
    nn_output(tower->g, name, out.x);
}

static const char *upsampler_name(const nn_vae *c)
{
    return c->is_bfl ? "upsample.conv" : "upsamplers.0.conv";
}

/* Upsampling by level 1, and level 0. */
static void tiled_level(const nn_scope *tower, const nn_vae *c, struct picture *p)
{
    const nn_scope above = vae_decoder_level(tower, c, 1), s = vae_decoder_level(tower, c, 0);
    const uint64_t in = c->channels[1];
    const struct upsampled u = { *p, scope_layer(&above, upsampler_name(c), in, 9 * in) };
    const nn_scope first = vae_resnet(&s, c, 0);
    *p = vae_tiled_first(&first, c, &u, c->channels[0], shortcut_name(c));
    for (uint64_t i = 1; i <= c->blocks; i++) {
        const nn_scope r = vae_resnet(&s, c, i);
        vae_tiled_block(&r, c, p);
    }
}

nn_graph *nn_vae_decoder_graph(const nn_vae *c, const nn_weights *w, uint64_t height, uint64_t width,
                               const nn_vae_bands *bands)
{
    nn_graph *g = nn_graph_new("vae decoder");
    const nn_scope file = { g, w, "" };
    const nn_scope top = scope_in(&file, "%s", c->prefix);
    const nn_scope tower = scope_in(&top, "decoder.");
    const uint64_t band = bands ? bands->positions : 0;
    const uint64_t kept = bands && bands->is_tiled && c->levels > 1 ? 1 : 0; /* the last level that is made whole */
    struct picture p = { nn_input(g, "z", WN_F32, height * width, c->latent_channels, 0), height, width, band };
    if (c->has_post_quant)
        p.x = scope_linear(&top, "post_quant_conv", p.x, c->latent_channels, NULL);
    p.x = conv3(&tower, "conv_in", p, c->channels[c->levels - 1], 1);
    middle(&tower, c, &p);
    for (uint64_t level = c->levels; level-- > kept;) {
        const nn_scope s = vae_decoder_level(&tower, c, level);
        for (uint64_t i = 0; i <= c->blocks; i++) {
            const nn_scope r = vae_resnet(&s, c, i);
            resnet(&r, c, &p, c->channels[level]);
        }
        if (level > kept) {
            p.x = conv3(&s, upsampler_name(c), p, c->channels[level], 2);
            p.height *= 2;
            p.width *= 2;
        }
    }
    if (kept > 0)
        tiled_level(&tower, c, &p);
    output(&tower, c, p, 3, "image");
    return g;
}

static void downsample(const nn_scope *s, const nn_vae *c, struct picture *p)
{
    const uint64_t channels = nn_cols(s->g, p->x);
    const nn_layer l = scope_layer(s, c->is_bfl ? "downsample.conv" : "downsamplers.0.conv", channels, 9 * channels);
    const nn_conv_shape shape = {
        .height = p->height, .width = p->width, .kernel = 3, .stride = 2, .pad_after = 1, .upsample = 1
    };
    p->x = nn_conv(s->g, p->x, l.w, l.b, &shape, NULL);
    p->height /= 2;
    p->width /= 2;
}

nn_graph *nn_vae_encoder_graph(const nn_vae *c, const nn_weights *w, uint64_t height_px, uint64_t width_px,
                               const nn_vae_bands *bands)
{
    nn_graph *g = nn_graph_new("vae encoder");
    const nn_scope file = { g, w, "" };
    const nn_scope top = scope_in(&file, "%s", c->prefix);
    const nn_scope tower = scope_in(&top, "encoder.");
    const uint64_t band = bands ? bands->positions : 0;
    struct picture p = { nn_input(g, "image", WN_F32, height_px * width_px, 3, 0), height_px, width_px, band };
    p.x = conv3(&tower, "conv_in", p, c->channels[0], 1);
    for (uint64_t level = 0; level < c->levels; level++) {
        const nn_scope s = scope_in(&tower, "%s.%u.", c->is_bfl ? "down" : "down_blocks", (unsigned)level);
        for (uint64_t i = 0; i < c->blocks; i++) {
            const nn_scope r = vae_resnet(&s, c, i);
            resnet(&r, c, &p, c->channels[level]);
        }
        if (level + 1 < c->levels)
            downsample(&s, c, &p);
    }
    middle(&tower, c, &p);
    output(&tower, c, p, 2 * c->latent_channels, "moments");
    return g;
}
