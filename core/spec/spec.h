/* spec.h - an experiment as the spec's JSON says it, checked and bound to plugins, with nothing created yet.
 *
 * Loading goes text -> tree (every node remembers file, line, column and JSON pointer) -> extends, include and --set
 * -> resolved tree (every default written) -> struct spec (every plugin found, every option stored in its struct).
 * All mistakes of a spec are reported together.
 */
#ifndef WINNOW_SPEC_SPEC_H
#define WINNOW_SPEC_SPEC_H

#include <winnow/sampler.h>
#include <winnow/search.h>
#include <winnow/verifier.h>

#include <stdbool.h>

struct registry;        /* plugin/registry.h */
struct registry_module; /* plugin/registry.h */
struct sweep_changes;   /* spec/sweep.h */

enum spec_noise {
    SPEC_NOISE_PHILOX = 1,
    SPEC_NOISE_TORCH_CPU,
    SPEC_NOISE_TORCH_CPU_BF16,
    SPEC_NOISE_TORCH_CUDA,
    SPEC_NOISE_TORCH_CPU_BF16_LEGACY /* torch up to 2.12 */
};

enum spec_solver { SPEC_SOLVER_EULER = 1, SPEC_SOLVER_HEUN };

/* One {"use": NAME, "options": {...}} of the spec. */
struct spec_use {
    const char *name;    /* key in "verifiers"; "sampler" and "search" for those */
    const char *pointer; /* JSON pointer of the node, for errors */
    const wn_plugin *plugin;
    const struct registry_module *module;
    const void *options; /* filled struct of plugin->options_size bytes */
    struct spec_use *parts; /* the searches that a search is made of */
    uint32_t part_count;
    uint32_t *inputs;    /* verifiers only: indices into spec.verifiers, each smaller than this one's */
    uint32_t input_count;
    bool isolate; /* verifiers only: in a process of its own */
    double patience_s;
};

struct spec_budget { /* +infinity where not given */
    double nfe;
    double seconds;
    double verifier_calls;
    double candidates;
};

struct spec_engine {
    uint32_t batch;   /* samples in one velocity call, at most */
    uint32_t live;    /* searches alive at once */
    uint32_t threads; /* 0 = all processors */
    double state_memory; /* bytes for states at rest; +infinity = no limit */
    bool save_images; /* every finished candidate's PNG, or only the first and every new best */
    uint64_t save_previews; /* prompts, the first so many, that keep the pictures of unfinished samples too */
    const char *cache;    /* directory shared with other runs; "" = none */
    uint64_t cache_bytes; /* that it may take; 0 = no limit */
};

struct spec {
    const char *path;      /* of the spec file, "" for stdin */
    const char *directory; /* relative names in the spec start here */
    const char *name;
    const char *output; /* run directory, relative to the working directory */
    uint64_t seed;
    int32_t noise;  /* enum spec_noise */
    int32_t solver; /* enum spec_solver */

    wn_prompt *prompts;
    uint32_t prompt_count;
    const char *prompts_path; /* "" when they stand in the spec */

    wn_canvas canvas; /* extra bound through the sampler's canvas_options; steps: those that are carried out */
    uint32_t skipped_steps;  /* of the schedule's beginning, before canvas.steps: a picture takes their place */
    const char *start_image; /* path of the picture that candidates start from; NULL = from noise alone */
    char start_sha256[65];   /* of its file */
    double strength;         /* of the noise over it */
    struct spec_use sampler;
    struct spec_use search;
    struct spec_use *devices; /* options of device plugins that are not the defaults, by the plugins' names */
    uint32_t device_count;
    struct spec_use *verifiers; /* in an order where inputs come first */
    uint32_t verifier_count;
    uint32_t guide; /* index into verifiers */
    uint32_t *judges;
    uint32_t judge_count;

    struct spec_budget budget;     /* of each prompt */
    struct spec_budget run_budget; /* of all together: each prompt has an equal part */
    bool shares_budget;            /* what one leaves over goes to later ones */
    struct spec_engine engine;

    const char *text;     /* the file as given */
    const char *resolved; /* canonical JSON with every default, and what extends and --set changed */
    char hash[65];        /* SHA-256 of `resolved` less "name", "output" and "engine": what results depend on */
    void *memory;         /* arena that owns all of the above */
};

struct spec_request {
    const char *path;           /* spec file, or "-" for standard input */
    const char *text;           /* the spec's text where it is at hand already (path names it in messages), or NULL */
    const char *const *set;     /* "a.b=VALUE" overrides in order */
    uint32_t set_count;
    const char *output;         /* --output, or NULL */
    const char *directory;      /* where relative names start; NULL: the spec file's */
    const struct sweep_changes *changes; /* of one point of a sweep, laid over all of that; or NULL */
    bool without_run;           /* only sampler and verifiers are used: either, search, prompts, ... may be absent */
};

/* Loads and binds. On failure *report holds one line for each mistake, `file:line:col: /pointer: what; remedy`, to be
 * freed with free(); err holds the first. */
wn_status spec_load(const struct spec_request *request, struct registry *registry, struct spec **out, char **report,
                    wn_error *err);
void spec_free(struct spec *spec); /* NULL is fine */

/* The draft-07 JSON Schema of specs, with the options of every plugin in the registry. free() the text. */
wn_status spec_schema(const struct registry *registry, char **json, wn_error *err);

#endif
