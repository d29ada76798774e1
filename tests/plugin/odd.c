/* One module with one thing wrong, or odd, in it; CMake compiles it once for each name of ODD_... */
#include <winnow/sampler.h>
#include <winnow/verifier.h>

#ifdef ODD_UNDEFINED
void nobody_has_this(void);
#endif

WN_UNUSED static wn_status create(const wn_host *host, const void *options, void **self, wn_error *err)
{
    (void)options;
    (void)err;
#ifdef ODD_UNDEFINED
    nobody_has_this();
#endif
#ifdef ODD_CREATE_FAILS
    return wn_fail(err, WN_E_MISSING, "model \"m\" has no tensor x; download it again");
#endif
    *self = host->ctx;
    return WN_OK;
}

WN_UNUSED static void destroy(void *self)
{
    (void)self;
}

struct options {
    int64_t count;
};

static const wn_option options[] = {
#if defined ODD_BAD_DEFAULT
    WN_INT(struct options, count, "17", 1, 16, "how many"),
#elif defined ODD_BAD_OFFSET
    { "count", WN_OPTION_INT, 8, "1", 1, 16, NULL, "how many" },
#elif defined ODD_BAD_TYPE
    { "count", 99, 0, "1", 1, 16, NULL, "how many" },
#elif defined ODD_TWICE
    WN_INT(struct options, count, "1", 1, 16, "how many"),
    WN_INT(struct options, count, "1", 1, 16, "how many"),
#elif defined ODD_NO_HELP
    WN_INT(struct options, count, "1", 1, 16, ""),
#else
    WN_INT(struct options, count, "1", 1, 16, "how many"),
#endif
    WN_OPTIONS_END
};

WN_UNUSED static wn_status score(void *self, const wn_score_request *request, wn_error *err)
{
    (void)self;
    (void)request;
    (void)err;
    return WN_OK;
}

WN_UNUSED static const wn_metric metrics[] = {
#ifdef ODD_METRIC_NAME
    { "Odd one", "a number", 0, 1, WN_METRIC_HIGHER_IS_BETTER },
#else
    { "odd", "a number", 0, 1, WN_METRIC_HIGHER_IS_BETTER },
#endif
#ifdef ODD_METRIC_TWICE
    { "odd", "another", 0, 1, WN_METRIC_HIGHER_IS_BETTER },
#endif
};

/* A plugin of the future: more members than this winnow knows. */
struct newer_verifier {
    wn_verifier v;
    void (*unknown)(void);
    uint64_t more[8];
};

static const struct newer_verifier verifier = {
    .v = {
#if defined ODD_SHORT
        .struct_size = 4,
#elif defined ODD_OLDER /* an old one ends before score's successors; here, before preview_sigma */
        .struct_size = offsetof(wn_verifier, max_inputs),
#else
        .struct_size = sizeof(struct newer_verifier),
#endif
#ifndef ODD_NO_METRICS
        .metrics = metrics,
        .metric_count = sizeof metrics / sizeof *metrics,
#endif
        .max_inputs = 1,
        .preview_sigma = 0.25,
#ifndef ODD_NO_SCORE
        .score = score,
#endif
    },
    .unknown = NULL,
    .more = { 1, 2, 3 },
};

WN_UNUSED static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
#ifdef ODD_KIND
    .kind = 99,
#else
    .kind = WN_KIND_VERIFIER,
#endif
#if defined ODD_NAME
    .name = "Odd One",
#elif !defined ODD_NO_NAME
    .name = "odd",
#endif
    .version = "1.0",
    .summary = "odd",
    .options = options,
    .options_size = sizeof(struct options),
#if !defined ODD_NO_CREATE && !defined ODD_ONLY_DESTROY
    .create = create,
#endif
#if !defined ODD_NO_CREATE && !defined ODD_NO_DESTROY
    .destroy = destroy,
#endif
    .vtable = &verifier,
};

static const wn_plugin *const plugins[] = {
#ifdef ODD_NULL
    NULL
#else
    &plugin
#endif
};

#ifdef ODD_OTHER_SYMBOL
#define SYMBOL wn_module_v1
#elif defined ODD_NO_SYMBOL
#define SYMBOL wn_modul
#else
#define SYMBOL wn_module_v0
#endif

WN_EXPORT extern const wn_module SYMBOL;
const wn_module SYMBOL = {
    sizeof(wn_module),
#ifdef ODD_MAJOR
    7,
#else
    WN_ABI_MAJOR,
#endif
    WN_ABI_MINOR, plugins,
#ifdef ODD_EMPTY
    0
#else
    1
#endif
};
