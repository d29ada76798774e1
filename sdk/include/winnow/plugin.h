/* plugin.h - the rules every winnow plugin and its host keep, and the module they meet through.
 *
 * A plugin is a shared object that exports one data symbol, `wn_module_v0`. The module lists plugins; each plugin is
 * a sampler, a verifier, a search or a device, has one static table of options, and makes instances. A complete
 * verifier is about 30 lines; see examples/verifier-c.
 *
 * Rules. They hold for every header of the SDK and are not repeated.
 *
 *   Growth    Containers begin with `struct_size` (sizeof when compiled) and only grow at the end, in 8-byte steps.
 *             The reader copies min(its size, theirs) into zeroed memory and looks at nothing else; WN_HAS() asks
 *             whether a member is there. Leaf structs that stand in arrays (wn_image, wn_metric, wn_option, ...) are
 *             frozen: new per-item data comes as a parallel array. sdk/doc/abi.md keeps the ledger.
 *             A container that the callee fills (wn_sampler_info, wn_verifier_info, ...) has the same size in
 *             the whole major: new members take the place of its reserved words. The caller passes it zeroed, but for
 *             struct_size; the callee may write every member it knows, and leaves the reserved words alone.
 *   Enums     are int32_t; 0 is never a valid choice, except WN_OK.
 *   Strings   are UTF-8 and NUL-terminated. Nothing depends on the locale.
 *   Errors    A call that can fail returns wn_status and takes `wn_error *err` last (never NULL). On failure it
 *             returns wn_fail(err, code, "what: both values; remedy"): lower case, no newline, no prefix; the host
 *             prepends the instance's name. WN_E_CANCELLED and WN_E_BUDGET are outcomes, not faults.
 *   Output    A plugin never prints, exits, aborts, installs signal handlers or changes global state. It logs through
 *             the host; a call that fails does not also log.
 *   Memory    Outputs go to buffers of the caller, whose size is known before the call. No ownership crosses the
 *             boundary unless a function says so. destroy() accepts NULL.
 *   Threads   Every function carries one tag:
 *               [setup]   called once for an instance, before or after all others, from one thread
 *               [serial]  never two calls at once on one instance, but from any thread
 *               [any]     any thread at any time
 *             Plugins do not start thread pools; they use wn_host.parallel_for.
 *   Version   Major 0: no promise until two plugins exist outside the tree. The symbol's name carries the major.
 */
#ifndef WINNOW_PLUGIN_H
#define WINNOW_PLUGIN_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_ABI_MAJOR 0
#define WN_ABI_MINOR 4

/* ---- status and errors ------------------------------------------------------------------------------------- */

typedef int32_t wn_status;

enum {
    WN_OK = 0,
    WN_E_ARG = 1,         /* the caller's argument or option is wrong: fix the spec */
    WN_E_MEMORY = 2,      /* host or device memory ran out; the message has the numbers */
    WN_E_IO = 3,          /* the system refused a read or write; errno's text is in the message */
    WN_E_FORMAT = 4,      /* a file's content is not what its format allows */
    WN_E_MISSING = 5,     /* a model, tensor, plugin, device or file is not there */
    WN_E_UNSUPPORTED = 6, /* well formed, but not something this build, device or host can do */
    WN_E_DEVICE = 7,      /* a compute device failed */
    WN_E_CANCELLED = 8,   /* the user interrupted; the run can be resumed */
    WN_E_BUDGET = 9,      /* the call would pass the budget; nothing was done */
    WN_E_INTERNAL = 10    /* a bug: please report */
};

typedef struct wn_error {
    wn_status code;
    char message[1020];
} wn_error;

#if defined(__GNUC__)
#define WN_PRINTF(fmt, first) __attribute__((format(printf, fmt, first)))
#define WN_EXPORT __attribute__((visibility("default")))
#define WN_UNUSED __attribute__((unused))
#else
#define WN_PRINTF(fmt, first)
#define WN_EXPORT
#define WN_UNUSED
#endif

/* Fills *err and returns code, so that a failing function ends in `return wn_fail(err, WN_E_ARG, "...")`. [any] */
WN_UNUSED WN_PRINTF(3, 4) static wn_status wn_fail(wn_error *err, wn_status code, const char *format, ...)
{
    va_list args;
    err->code = code;
    va_start(args, format);
    vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return code;
}

/* Forwards a failing status to the caller; the only macro of the SDK that hides a return. */
#define WN_TRY(call)                                                                                                   \
    do {                                                                                                               \
        wn_status wn_try_status = (call);                                                                              \
        if (wn_try_status != WN_OK)                                                                                    \
            return wn_try_status;                                                                                      \
    } while (0)

/* Whether container *p, as its author compiled it, has `member`. */
#define WN_HAS(type, p, member) ((p)->struct_size >= offsetof(type, member) + sizeof((p)->member))

/* ---- leaf values -------------------------------------------------------------------------------------------- */

/* 8-bit sRGB, rows top to bottom, 3 bytes for each pixel, no padding. The pixels belong to whoever passes the image. */
typedef struct wn_image {
    uint32_t width_px;
    uint32_t height_px;
    const uint8_t *rgb; /* [height_px][width_px][3] */
} wn_image;

/* What a spec's prompt file says of one prompt. */
typedef struct wn_prompt {
    const char *text;
    const char *id;       /* [a-z0-9._-]{1,64}, unique in the run */
    const char *category; /* "" when the file gives none */
    const char *json;     /* the whole record as JSON text: a verifier may read its own fields (noun phrases, answers) */
} wn_prompt;

/* ---- host services ------------------------------------------------------------------------------------------ */

enum { WN_LOG_DEBUG = 1, WN_LOG_INFO = 2, WN_LOG_WARN = 3 };

struct wn_device_api;   /* device.h */
struct wn_device;       /* device.h */
struct wn_device_info;  /* device.h */
struct wn_verifier_ref; /* verifier.h */

/* What the host offers to an instance. The table and ctx stay valid until after destroy. */
typedef struct wn_host {
    uint64_t struct_size;
    void *ctx; /* pass back as the first argument */

    /* One line for the run's log. [any] */
    void (*log)(void *ctx, int32_t level, const char *line);

    /* Non-zero once the user has interrupted: long work returns WN_E_CANCELLED soon after. [any] */
    int32_t (*cancelled)(void *ctx);

    /* Says how far a long setup is, for the progress line: done of total, what ("packing weights"). [any] */
    void (*progress)(void *ctx, double done, double total, const char *what);

    /* Calls fn(arg, i) for every i in [0, n) on the process's one pool and returns when all are done. The caller
     * works too; calls may come from several threads and may be nested (an inner call runs on its caller). Which
     * thread runs which i is open, so results must not depend on it. [any] */
    void (*parallel_for)(void *ctx, uint64_t n, void (*fn)(void *arg, uint64_t i), void *arg);

    /* Threads of the pool, the caller included; >= 1. [any] */
    uint32_t (*thread_count)(void *ctx);

    /* Standard normal values first .. first+n-1 of a stream: Philox4x32-10, a pure function of (run seed, stream,
     * index), the same on every machine. [any] */
    void (*normal_f32)(void *ctx, uint64_t stream, uint64_t first, float *dst, uint64_t n);

    /* Turns a model or file name of a spec into a path: relative to the spec, then the model directories
     * (WINNOW_MODEL_PATH, the installed and built-in ones), then the Hugging Face cache for `org/name[@revision]`.
     * WN_E_MISSING names every place looked at and the command that would fetch it. path has path_size bytes. [any] */
    wn_status (*resolve)(void *ctx, const char *name, char *path, uint64_t path_size, wn_error *err);

    /* Opens (or shares) a device by its spec name: `cpu`, `vulkan`, `vulkan:0`, `vulkan:PART-OF-NAME`. The host owns
     * it and closes it after all instances. [setup] */
    wn_status (*open_device)(void *ctx, const char *name, const struct wn_device_api **api,
                             struct wn_device **device, wn_error *err);

    /* Child i of the instance's `inputs`, in the spec's order; NULL past the last. Owned by the host. [setup] */
    const struct wn_verifier_ref *(*input)(void *ctx, uint32_t i);

    /* Tells the manifest about a file the instance uses (weights, tokenizers): it is hashed there. [setup] */
    void (*uses_file)(void *ctx, const char *path);

    /* An extension table by id ("winnow.name/1"), or NULL. [any] */
    const void *(*extension)(void *ctx, const char *id);

    /* What open_device gave says of itself; *info comes with struct_size. [any] */
    wn_status (*device_info)(void *ctx, const struct wn_device *device, struct wn_device_info *info, wn_error *err);
} wn_host;

/* ---- options ------------------------------------------------------------------------------------------------ */

enum {
    WN_OPTION_BOOL = 1,   /* int32_t, 0 or 1 */
    WN_OPTION_INT = 2,    /* int64_t, minimum..maximum */
    WN_OPTION_U64 = 3,    /* uint64_t, exact from the JSON text */
    WN_OPTION_NUMBER = 4, /* double, minimum..maximum, finite */
    WN_OPTION_STRING = 5, /* const char *, owned by the host, valid until after destroy */
    WN_OPTION_ENUM = 6,   /* const char *, one of `choices` separated by '|' */
    WN_OPTION_PATH = 7,   /* const char *, a name for wn_host.resolve; not resolved by the binder */
    WN_OPTION_JSON = 8,   /* const char *, the value's JSON text: lists and objects the plugin reads itself */
    WN_OPTION_SEARCHES = 9 /* const wn_search_parts *, see search.h: a list of searches; in a search, without fallback */
};

/* One row: the host parses, checks, documents and stores the value at `offset` of the instance's options struct.
 * fallback is JSON text ("0.95", "\"cosine\""); NULL makes the option required. Frozen. */
typedef struct wn_option {
    const char *name;
    int32_t type;
    uint32_t offset;
    const char *fallback;
    double minimum;
    double maximum;
    const char *choices; /* WN_OPTION_ENUM only, else NULL */
    const char *help;    /* one sentence; units and meaning */
} wn_option;

#define WN_OPTIONS_END { NULL, 0, 0, NULL, 0, 0, NULL, NULL }

#define WN_BOOL(type, member, fallback, help)                                                                          \
    { #member, WN_OPTION_BOOL, (uint32_t)offsetof(type, member), fallback, 0, 1, NULL, help }
#define WN_INT(type, member, fallback, low, high, help)                                                                \
    { #member, WN_OPTION_INT, (uint32_t)offsetof(type, member), fallback, low, high, NULL, help }
#define WN_U64(type, member, fallback, help)                                                                           \
    { #member, WN_OPTION_U64, (uint32_t)offsetof(type, member), fallback, 0, 0, NULL, help }
#define WN_NUMBER(type, member, fallback, low, high, help)                                                             \
    { #member, WN_OPTION_NUMBER, (uint32_t)offsetof(type, member), fallback, low, high, NULL, help }
#define WN_STRING(type, member, fallback, help)                                                                        \
    { #member, WN_OPTION_STRING, (uint32_t)offsetof(type, member), fallback, 0, 0, NULL, help }
#define WN_ENUM(type, member, fallback, choices, help)                                                                 \
    { #member, WN_OPTION_ENUM, (uint32_t)offsetof(type, member), fallback, 0, 0, choices, help }
#define WN_PATH(type, member, fallback, help)                                                                          \
    { #member, WN_OPTION_PATH, (uint32_t)offsetof(type, member), fallback, 0, 0, NULL, help }
#define WN_JSON(type, member, fallback, help)                                                                          \
    { #member, WN_OPTION_JSON, (uint32_t)offsetof(type, member), fallback, 0, 0, NULL, help }
#define WN_SEARCHES(type, member, help)                                                                                \
    { #member, WN_OPTION_SEARCHES, (uint32_t)offsetof(type, member), NULL, 0, 0, NULL, help }

/* ---- plugin and module -------------------------------------------------------------------------------------- */

enum { WN_KIND_SAMPLER = 1, WN_KIND_VERIFIER = 2, WN_KIND_SEARCH = 3, WN_KIND_DEVICE = 4 };

/* One plugin. `vtable` is a wn_sampler, wn_verifier, wn_search or wn_device_api as `kind` says.
 * A spec can be checked from this table alone: nothing is created for `winnow check`. */
typedef struct wn_plugin {
    uint64_t struct_size;
    int64_t kind;
    const char *name;    /* what a spec's "use" names: [a-z0-9_.-]+ */
    const char *version; /* "1.0" */
    const char *summary; /* one sentence */
    const char *source;  /* paper or origin, "" when none */

    const wn_option *options; /* ends with WN_OPTIONS_END */
    uint64_t options_size;    /* sizeof the options struct */

    /* Makes an instance. options points to a filled options struct that lives until after destroy. May be NULL (since
     * 0.3) where an instance would keep nothing else: then the options are the instance, and `self` points to them, for
     * reading only. [setup] */
    wn_status (*create)(const wn_host *host, const void *options, void **self, wn_error *err);
    /* Ends an instance; it is given NULL too. May be NULL (since 0.3) where there is nothing to end; must be NULL
     * where create is. [setup] */
    void (*destroy)(void *self);

    const void *vtable;
} wn_plugin;

typedef struct wn_module {
    uint64_t struct_size;
    uint64_t abi_major;
    uint64_t abi_minor;
    const wn_plugin *const *plugins; /* plugin_count pointers */
    uint64_t plugin_count;
} wn_module;

/* Defines the module of a shared object that holds one plugin: WN_MODULE(&plugin); */
#define WN_MODULE(plugin_address)                                                                                      \
    static const wn_plugin *const wn_module_plugins[] = { plugin_address };                                            \
    WN_EXPORT extern const wn_module wn_module_v0;                                                                     \
    const wn_module wn_module_v0 = { sizeof(wn_module), WN_ABI_MAJOR, WN_ABI_MINOR, wn_module_plugins, 1 }

#ifdef __cplusplus
}
#endif

#endif
