/* schedule.c - diffusers' sigmas, to the last bit: numpy float64 up to the linspace, float32 from there on, with the
 * scalars rounded to float32 when they meet an array.
 */
#include "schedule.h"

#include <config.h>

#include <math.h>
#include <string.h>

struct schedule schedule_default(int has_guidance)
{
    return (struct schedule){ .is_dynamic = has_guidance,
                              .shift = 1.0,
                              .base_shift = 0.5,
                              .max_shift = 1.15,
                              .base_tokens = 256,
                              .max_tokens = 4096 };
}

static wn_status refuse(const nn_config *c, const char *key, wn_error *err)
{
    bool is_on;
    WN_TRY(nn_config_bool(c, key, false, &is_on, err));
    if (is_on)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: \"%s\" is true; only shifted linear schedules are known",
                       nn_config_file(c), key);
    return WN_OK;
}

static wn_status read_numbers(const nn_config *c, struct schedule *s, wn_error *err)
{
    bool is_dynamic;
    const char *form;
    WN_TRY(nn_config_bool(c, "use_dynamic_shifting", false, &is_dynamic, err));
    WN_TRY(nn_config_number(c, "shift", 1.0, &s->shift, err));
    WN_TRY(nn_config_number(c, "base_shift", 0.5, &s->base_shift, err));
    WN_TRY(nn_config_number(c, "max_shift", 1.15, &s->max_shift, err));
    WN_TRY(nn_config_number(c, "base_image_seq_len", 256, &s->base_tokens, err));
    WN_TRY(nn_config_number(c, "max_image_seq_len", 4096, &s->max_tokens, err));
    WN_TRY(nn_config_number(c, "shift_terminal", 0.0, &s->terminal, err));
    WN_TRY(nn_config_string(c, "time_shift_type", "exponential", &form, err));
    s->is_dynamic = is_dynamic;
    s->is_linear = strcmp(form, "linear") == 0;
    if (!s->is_linear && strcmp(form, "exponential") != 0)
        return wn_fail(err, WN_E_UNSUPPORTED, "%s: \"time_shift_type\" is \"%s\", expected exponential or linear",
                       nn_config_file(c), form);
    if (!(s->shift > 0) || s->max_tokens == s->base_tokens)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: shift %g, image lengths %g and %g: shift must be positive and the "
                       "lengths differ",
                       nn_config_file(c), s->shift, s->base_tokens, s->max_tokens);
    return WN_OK;
}

static wn_status read(const nn_config *c, struct schedule *out, wn_error *err)
{
    static const char *const unknown[] = { "invert_sigmas", "use_karras_sigmas", "use_exponential_sigmas",
                                           "use_beta_sigmas" };
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        WN_TRY(refuse(c, unknown[i], err));
    return read_numbers(c, out, err);
}

wn_status schedule_read(const char *folder, struct schedule *out, wn_error *err)
{
    char file[4096 + 32];
    nn_config *c;
    snprintf(file, sizeof file, "%s/scheduler_config.json", folder);
    WN_TRY(nn_config_open(file, &c, err));
    const wn_status status = read(c, out, err);
    nn_config_close(c);
    return status;
}

static float dynamic_shift(const struct schedule *s, uint64_t image_tokens, float sigma)
{
    const double slope = (s->max_shift - s->base_shift) / (s->max_tokens - s->base_tokens);
    const double mu = (double)image_tokens * slope + (s->base_shift - slope * s->base_tokens);
    const float e = (float)(s->is_linear ? mu : exp(mu));
    return e / (e + (1.0f / sigma - 1.0f));
}

static float static_shift(const struct schedule *s, float sigma)
{
    return (float)s->shift * sigma / (1.0f + (float)(s->shift - 1.0) * sigma);
}

/* Rescales 1 - sigma so that the last one equals the terminal value. */
static void stretch(const struct schedule *s, uint32_t steps, float *sigma)
{
    const float factor = (1.0f - sigma[steps - 1]) / (float)(1.0 - s->terminal);
    for (uint32_t i = 0; i < steps; i++)
        sigma[i] = 1.0f - (1.0f - sigma[i]) / factor;
}

void schedule_fill(const struct schedule *s, uint64_t image_tokens, uint32_t steps, float *sigma)
{
    const double last = 1.0 / (double)steps;
    const double step = steps > 1 ? (last - 1.0) / (double)(steps - 1) : 0.0;
    for (uint32_t i = 0; i < steps; i++) {
        const double base = i > 0 && i + 1 == steps ? last : (double)i * step + 1.0;
        sigma[i] = s->is_dynamic ? dynamic_shift(s, image_tokens, (float)base) : static_shift(s, (float)base);
    }
    if (s->terminal != 0.0)
        stretch(s, steps, sigma);
    sigma[steps] = 0.0f;
}
