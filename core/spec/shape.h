/* shape.h - the spec's own keys as option tables: what is checked, defaulted, written back, and put into the schema. */
#ifndef WINNOW_SPEC_SHAPE_H
#define WINNOW_SPEC_SHAPE_H

#include <winnow/plugin.h>

struct shape_top {
    int64_t winnow;
    const char *name;
    const char *output;
    uint64_t seed;
    const char *noise;
};

struct shape_canvas {
    int64_t width;
    int64_t height;
    int64_t steps;
    const char *solver;
};

struct shape_start {
    const char *image;
    double strength;
    const char *image_sha256;
};

struct shape_prompts {
    const char *file;
    int64_t limit; /* 0 = all */
    const char *sha256;
};

struct shape_search {
    const char *use;
    const char *guide;
};

struct shape_use {
    const char *use;
};

struct shape_verifier {
    const char *use;
    int32_t isolate;
    double patience_s;
};

struct shape_budget { /* 0 = none */
    int64_t nfe;
    double seconds;
    int64_t verifier_calls;
    int64_t candidates;
    int64_t run_nfe;
    double run_seconds;
    int64_t run_verifier_calls;
    int64_t run_candidates;
    int32_t share;
};

struct shape_engine {
    int64_t batch;
    int64_t live;
    int64_t threads;
    double state_memory;
    int32_t save_images;
    int64_t save_previews;
    const char *cache;
    double cache_size;
};

struct shape_sweep {
    int64_t max_points;
};

extern const wn_option shape_top_options[];
extern const wn_option shape_canvas_options[];
extern const wn_option shape_start_options[]; /* more keys of the canvas, where it has the first */
extern const wn_option shape_prompts_options[];
extern const wn_option shape_search_options[];
extern const wn_option shape_use_options[];
extern const wn_option shape_verifier_options[];
extern const wn_option shape_budget_options[];
extern const wn_option shape_engine_options[];
extern const wn_option shape_sweep_options[];

/* In the order of enum spec_noise and enum spec_solver, which begin with 1. */
#define SHAPE_NOISE_CHOICES "philox|torch-cpu|torch-cpu-bf16|torch-cuda|torch-cpu-bf16-legacy"
#define SHAPE_SOLVER_CHOICES "euler|heun"

enum { SHAPE_WORD = 32 };
/* The place, from 1, of a word that is one of the choices; and the word at a place, "unknown" where there is none. */
int32_t shape_choice_index(const char *choices, const char *word);
const char *shape_choice(const char *choices, int32_t index, char word[SHAPE_WORD]);

/* Keys beside those of the tables: objects and lists that are read by code, separated by '|'. */
#define SHAPE_TOP_KEYS "$schema|prompts|canvas|sampler|verifiers|devices|search|judge|budget|engine"
#define SHAPE_PROMPTS_KEYS "list|ids"
#define SHAPE_SAMPLER_KEYS "options"
#define SHAPE_VERIFIER_KEYS "options|inputs"
#define SHAPE_SEARCH_KEYS "options"
#define SHAPE_SWEEP_KEYS "grid|list"

#endif
