/* schedule.h - the sigmas of diffusers' FlowMatchEulerDiscreteScheduler as FluxPipeline calls it. */
#ifndef WINNOW_FLUX_SCHEDULE_H
#define WINNOW_FLUX_SCHEDULE_H

#include <winnow/plugin.h>

struct schedule {
    int32_t is_dynamic; /* shift by the number of image tokens */
    int32_t is_linear;  /* the dynamic shift's form: linear instead of exponential */
    double shift;
    double base_shift;
    double max_shift;
    double base_tokens;
    double max_tokens;
    double terminal; /* 0 = none */
};

/* FLUX.1-dev's, or, without guidance, FLUX.1-schnell's: for weights that come without a scheduler_config.json. */
struct schedule schedule_default(int has_guidance);
/* folder/scheduler_config.json. */
wn_status schedule_read(const char *folder, struct schedule *out, wn_error *err);
/* sigma [steps + 1], from 1 to 0. */
void schedule_fill(const struct schedule *s, uint64_t image_tokens, uint32_t steps, float *sigma);

#endif
