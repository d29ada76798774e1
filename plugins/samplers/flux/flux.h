/* flux.h - the flux sampler's instance and what its files do for one another. */
#ifndef WINNOW_FLUX_H
#define WINNOW_FLUX_H

#include "schedule.h"

#include <winnow/device.h>
#include <winnow/image_to_latent.h>
#include <winnow/memory.h>
#include <winnow/sampler.h>
#include <winnow/workload.h>

#include <models/clip.h>
#include <models/flux.h>
#include <models/flux_lora.h>
#include <models/program.h>
#include <models/t5.h>
#include <models/taef1.h>
#include <models/vae.h>
#include <text/clip_bpe.h>
#include <text/t5_spm.h>
#include <weights/weights.h>

#include <stdbool.h>

struct flux_options {
    const char *model;
    const char *transformer;
    const char *vae;
    const char *text_encoder;
    const char *text_encoder_2;
    const char *tokenizer;
    const char *tokenizer_2;
    const char *scheduler;
    const char *preview;
    const char *device;
    const char *dtype;
    const char *encoders;
    const char *decode;
    const char *loras;
    int64_t text_length;
    int64_t batch;
    const char *reuse;
    double reuse_threshold;
    int64_t reuse_every;
    double reuse_from;
    double reuse_to;
};

struct flux_canvas_options {
    double guidance;
};

/* The parts of a pipeline, in the order of `parts.c`'s table. */
enum {
    PART_TRANSFORMER,
    PART_VAE,
    PART_TEXT_ENCODER,
    PART_TEXT_ENCODER_2,
    PART_TOKENIZER,
    PART_TOKENIZER_2,
    PART_SCHEDULER,
    PART_PREVIEW,
    PART_COUNT
};

enum { PATH_SIZE = 4096 };

struct flux_parts {
    char path[PART_COUNT][PATH_SIZE]; /* "" where there is none */
    nn_weights *weights[PART_COUNT];  /* NULL for tokenizers and the scheduler */
};

enum { MAX_LORAS = 16 };

struct flux_loras {
    nn_lora lora[MAX_LORAS];
    nn_weights *weights[MAX_LORAS];
    uint64_t count;
};

/* A program for pictures of one size. */
struct sized_program {
    uint64_t height; /* latent rows */
    uint64_t width;
    int32_t quality;
    uint64_t used; /* when, for eviction */
    nn_program program;
};

enum { PROGRAM_SIZES = 4 };

/* The graphs of a velocity: all of it, or three for those who reuse. */
enum { VELOCITY_WHOLE, VELOCITY_HEAD, VELOCITY_REST, VELOCITY_TAIL, VELOCITY_GRAPHS };

/* A device that computes velocities. */
struct runner {
    nn_device device;
    char name[256]; /* as the option has it */
    struct sized_program velocity[VELOCITY_GRAPHS][PROGRAM_SIZES];
    uint64_t clock;
    float *tokens; // [2, max_items, image tokens * features]
    uint64_t tokens_size;
    float *between; /* the three graphs of a velocity, reuse.c's */
    uint64_t between_size;
    double items_per_second; /* lately; 0: not known */
};

enum { RUNNERS = 16 };

struct flux {
    const wn_host *host;
    const struct flux_options *options;
    nn_device device;
    int64_t dtype;          /* of all parts but the transformer, which 16-bit floats would be too small for */
    int64_t velocity_dtype; /* of the transformer */
    struct flux_parts parts;
    struct flux_loras loras;

    nn_flux flux;
    nn_vae vae;
    nn_clip_text clip;
    nn_t5 t5;
    nn_taef1 taef1;
    nn_clip_bpe *clip_tokenizer;
    nn_t5_spm *t5_tokenizer;
    struct schedule schedule;
    uint64_t text_length;
    bool release_encoders; /* free the encoders before each velocity */
    bool swap_transformer; /* and the transformer before one */
    char model_key[72];

    /* encode */
    nn_program clip_program;
    nn_program t5_program;
    nn_program context_program;
    nn_program conditioning[2]; /* for a whole schedule, for one sigma */
    uint64_t conditioning_count;
    wn_cond *conds; /* that are alive */

    /* velocity */
    struct runner runner[RUNNERS]; // [runner_count]; the first is `device`, which does all the rest
    uint64_t runner_count;
    uint64_t velocity_bytes; /* of activations at once; 0: as of other parts */
    uint64_t clock;          /* calls, for the eviction of rows */

    /* decode, on its own lane */
    struct sized_program decoder[PROGRAM_SIZES];
    uint64_t decode_clock;
    float *pictures;
    uint64_t pictures_size;
};

/* A prompt, encoded for one canvas. Rows are modulation vectors, nn_flux_modulation_width floats each. */
struct extra_row {
    float sigma;
    uint64_t used;
    float *row;
};

struct wn_cond {
    struct wn_cond *next;
    char *prompt;  /* its text */
    float *text;   // [text_length, D]
    float *pooled; // [pooled_width]
    float guidance;
    uint64_t count;          /* of the schedule's rows */
    float *sigma;            // [count]
    float *rows;             // [count, modulation width]
    bool has_rows;
    struct extra_row *extra; // [extra_capacity]
    uint64_t extra_capacity;
    uint64_t extra_count;
};

/* flux.c: the parts, what they say of themselves, and whether they belong together: all but the device. */
wn_status models_open(struct flux *f, wn_error *err);
void take_dtype(struct flux *f, const char *name); /* "f32", "bf16" or "f16" */
void models_close(struct flux *f);

/* parts.c: finds the parts of the model and opens their weights; tells the host of the files. */
wn_status parts_open(struct flux *f, wn_error *err);
void parts_tell_tokenizers(const struct flux *f); /* once they are open */
void parts_close(struct flux_parts *p);

/* loras.c: opens what the option names, tells the host of the files, and merges them into the transformer
 * and CLIP, once both are known. */
wn_status loras_merge(struct flux *f, wn_error *err);
void loras_close(struct flux_loras *l);

/* key.c: what the model is, as a short text: weights, LoRAs, tokenizers, type and text length. */
wn_status model_key(struct flux *f, wn_error *err);

/* text.c: fills prompt, text and pooled; of a text that another canvas was encoded for, and is alive, by copying. */
wn_status text_encode(struct flux *f, const wn_prompt *prompt, wn_cond *cond, wn_error *err);
void text_release(struct flux *f);

/* conditioning.c */
wn_status conditioning_begin(struct flux *f, wn_cond *cond, uint64_t count, const float *sigma, wn_error *err);
wn_status conditioning_schedule(struct flux *f, wn_cond *cond, wn_error *err); /* the rows of its schedule */
/* Where memory is short, before a velocity: the encoders go, and the prompts that they encoded since the last one get
 * their rows. */
wn_status conditioning_settle(struct flux *f, wn_error *err);
/* The modulation row of sigma, computed now when it is not of the schedule; valid until the next velocity call. */
wn_status conditioning_row(struct flux *f, wn_cond *cond, float sigma, float **row, wn_error *err);
void conditioning_release(struct flux *f);
void cond_end(wn_cond *cond);

/* velocity.c, decode.c. memory may be NULL. */
wn_status velocity_run(struct flux *f, const wn_canvas *canvas, uint64_t count, const wn_velocity_item *items,
                       wn_memory_item *memory, wn_error *err);
wn_status decode_run(struct flux *f, const wn_canvas *canvas, uint64_t count, const float *const *x0, int32_t quality,
                     uint8_t *const *rgb, wn_error *err);

void velocity_release(struct flux *f); /* all of its programs, and so the transformer's weights */
void velocity_end(struct flux *f);

/* What the runners of one call of velocity share. */
struct call {
    struct flux *f;
    uint64_t h, w;
    const wn_velocity_item *items;
    wn_memory_item *memory; // [count], or NULL
    float **rows;           // [count]: each item's modulation
    bool always_reuses;     /* whatever the rule says: to see the programs at work */
};

/* The runner's program for the call's size; *is_new: it was compiled now, else as it was. */
wn_status velocity_program(const struct call *c, struct runner *r, int which, const nn_program **out, bool *is_new,
                           wn_error *err);

/* For at least so many floats; what was there is lost. */
wn_status velocity_reserve(float **memory, uint64_t *size, uint64_t floats, wn_error *err);

/* reuse.c: velocities of samples that remember. */
wn_status reuse_check(const struct flux *f, wn_error *err);
bool reuse_key(const struct flux *f, char text[128]); /* all that decides what is reused; false when nothing is */
uint64_t reuse_bytes(const struct flux *f, uint64_t h, uint64_t w); /* that a sample remembers; 0 = nothing */
/* Items [first, first + count) of the call; x and v are tokens, [count, image tokens * features]. */
wn_status reuse_chunk(const struct call *c, struct runner *r, uint64_t first, uint64_t count, float *x, float *v,
                      wn_error *err);

/* encode.c: wn_image_to_latent. */
wn_status encode_image(void *self, const wn_canvas *canvas, const wn_image *image, float *latent, wn_error *err);

/* The slot of a size: the one that has it, else the one unused for longest, emptied. */
struct sized_program *sized_find(struct sized_program *slots, uint64_t *clock, uint64_t height, uint64_t width,
                                 int32_t quality);
/* How many items of `floats` float32 of activations to run at once: about 1 GiB, at most the option's batch. */
uint64_t items_for(const struct flux *f, uint64_t floats);
/* velocity.c: how much activations may take. Weights that do not fit the device are copied to it for every run of the
 * program, so that its items share the copy: then a quarter of the memory is theirs, and not 1 GiB. */
wn_status velocity_plan(struct flux *f, wn_error *err);
/* Of h x w latents, in one run. */
uint64_t velocity_items(const struct flux *f, uint64_t h, uint64_t w);
uint64_t decoder_items(const struct flux *f, uint64_t h, uint64_t w);
nn_graph *decoder_graph(const struct flux *f, uint64_t h, uint64_t w);

/* workload.c: "winnow.workload/1". */
extern const wn_workload_api workload;

#endif
