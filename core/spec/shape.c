/* shape.c - core's rows. Helps are one sentence each: they are shown in errors, in editors and in the manual. */
#include "spec/shape.h"

#include <string.h>

const wn_option shape_top_options[] = {
    WN_INT(struct shape_top, winnow, NULL, 0, 0, "version of the spec's format, which is 0"),
    WN_STRING(struct shape_top, name, "\"\"", "name of the experiment; the file's name when not given"),
    WN_STRING(struct shape_top, output, "\"\"",
              "directory of the run, relative to the working directory; runs/NAME when not given"),
    WN_U64(struct shape_top, seed, "0", "all random numbers are functions of it; 64 bits"),
    WN_ENUM(struct shape_top, noise, "\"philox\"", SHAPE_NOISE_CHOICES,
            "how initial noise is drawn; the torch ones repeat what torch.randn gives for a seed"),
    WN_OPTIONS_END
};

const wn_option shape_canvas_options[] = {
    WN_INT(struct shape_canvas, width, NULL, 16, 16384, "width of the images in pixels"),
    WN_INT(struct shape_canvas, height, NULL, 16, 16384, "height of the images in pixels"),
    WN_INT(struct shape_canvas, steps, NULL, 1, 1000, "denoising steps from noise to image"),
    WN_ENUM(struct shape_canvas, solver, "\"euler\"", SHAPE_SOLVER_CHOICES,
            "how a step is taken: euler, or heun, of order 2, which takes two velocities for each but the last"),
    WN_OPTIONS_END
};

const wn_option shape_start_options[] = {
    WN_STRING(struct shape_start, image, "\"\"",
              "picture, of the canvas' size, that all candidates start from, with noise over it; none when not given"),
    WN_NUMBER(struct shape_start, strength, "0.6", 0.001, 1,
              "with image: share of the steps that is carried out; the more, the farther from the picture"),
    WN_STRING(struct shape_start, image_sha256, "\"\"", "refuse the picture when its file's SHA-256 is another"),
    WN_OPTIONS_END
};

const wn_option shape_prompts_options[] = {
    WN_STRING(struct shape_prompts, file, "\"\"",
              "prompt file: .jsonl (a member \"prompt\"), .csv (a column \"prompt\") or .txt (one prompt a line)"),
    WN_INT(struct shape_prompts, limit, "0", 0, 1000000, "take only the first ones; 0 takes all"),
    WN_STRING(struct shape_prompts, sha256, "\"\"", "refuse the file when its SHA-256 is another"),
    WN_OPTIONS_END
};

const wn_option shape_search_options[] = {
    WN_STRING(struct shape_search, use, NULL, "name of the search plugin"),
    WN_STRING(struct shape_search, guide, NULL, "the verifier whose first metric the search climbs"),
    WN_OPTIONS_END
};

const wn_option shape_use_options[] = {
    WN_STRING(struct shape_use, use, NULL, "name of the plugin, or the path of its file"),
    WN_OPTIONS_END
};

const wn_option shape_verifier_options[] = {
    WN_STRING(struct shape_verifier, use, NULL, "name of the plugin, or the path of its file"),
    WN_BOOL(struct shape_verifier, isolate, "false",
            "run it in a process of its own: one that crashes or hangs is started anew, and costs no more than scores"),
    WN_NUMBER(struct shape_verifier, patience_s, "600", 0.1, 1e6,
              "with isolate: seconds without an answer after which its process is taken for hung"),
    WN_OPTIONS_END
};

const wn_option shape_budget_options[] = {
    WN_INT(struct shape_budget, nfe, "0", 0, 1e15, "network evaluations for each prompt; 0 = no limit"),
    WN_NUMBER(struct shape_budget, seconds, "0", 0, 1e9, "seconds for each prompt; 0 = no limit"),
    WN_INT(struct shape_budget, verifier_calls, "0", 0, 1e15,
           "images scored by the guide for each prompt; 0 = no limit"),
    WN_INT(struct shape_budget, candidates, "0", 0, 1e15, "finished images for each prompt; 0 = no limit"),
    WN_INT(struct shape_budget, run_nfe, "0", 0, 1e15, "network evaluations of the whole run; 0 = no limit"),
    WN_NUMBER(struct shape_budget, run_seconds, "0", 0, 1e9, "seconds of the whole run; 0 = no limit"),
    WN_INT(struct shape_budget, run_verifier_calls, "0", 0, 1e15,
           "images scored by the guide in the whole run; 0 = no limit"),
    WN_INT(struct shape_budget, run_candidates, "0", 0, 1e15, "finished images of the whole run; 0 = no limit"),
    WN_BOOL(struct shape_budget, share, "false",
            "what a prompt leaves over of its part of the run's budget goes to later ones"),
    WN_OPTIONS_END
};

const wn_option shape_engine_options[] = {
    WN_INT(struct shape_engine, batch, "16", 1, 4096, "samples in one call of the sampler, at most"),
    WN_INT(struct shape_engine, live, "16", 1, 1024, "prompts searched at the same time"),
    WN_INT(struct shape_engine, threads, "0", 0, 1024, "threads for computing; 0 = one for each processor"),
    WN_NUMBER(struct shape_engine, state_memory, "2048", 0, 1e9,
              "MiB for the states of samples at rest; beyond, those used longest ago wait on disk; 0 = no limit"),
    WN_BOOL(struct shape_engine, save_images, "true",
            "keep every finished candidate's image, not only each prompt's first and every new best"),
    WN_INT(struct shape_engine, save_previews, "1", 0, 1e9,
           "prompts, the first so many, that also keep the images by which unfinished samples were scored"),
    WN_STRING(struct shape_engine, cache, "\"\"",
              "directory, relative to the working directory, in which runs that name it share pictures and scores, so "
              "that nothing is sampled twice; none when not given"),
    WN_NUMBER(struct shape_engine, cache_size, "16384", 0, 1e9,
              "MiB that the cache may take; beyond, what was used longest ago is forgotten; 0 = no limit"),
    WN_OPTIONS_END
};

const wn_option shape_sweep_options[] = {
    WN_INT(struct shape_sweep, max_points, "100", 1, 100000,
           "a sweep of more points is refused: most are mistakes, and each point is a run"),
    WN_OPTIONS_END
};

int32_t shape_choice_index(const char *choices, const char *word)
{
    int32_t i = 1;
    uint64_t length = strlen(word);
    for (const char *c = choices; strncmp(c, word, length) != 0 || (c[length] && c[length] != '|'); i++)
        c = strchr(c, '|') + 1;
    return i;
}

const char *shape_choice(const char *choices, int32_t index, char word[SHAPE_WORD])
{
    const char *c = index < 1 ? NULL : choices;
    for (int32_t i = 1; c && i < index; i++)
        c = strchr(c, '|') ? strchr(c, '|') + 1 : NULL;
    snprintf(word, SHAPE_WORD, "%.*s", c ? (int)strcspn(c, "|") : 7, c ? c : "unknown");
    return word;
}
