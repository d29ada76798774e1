/* chaotic.c - brightness, by a plugin that ends its process in one way after the other, as WINNOW_TROUBLE counts (see
 * trouble.py), or at every picture whose brightness is a multiple of its option `poison`: for `"isolate": true`. */
#include <winnow/verifier.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options {
    int64_t poison;
};

static const wn_option options[] = {
    WN_INT(struct options, poison, "0", 0, 255, "Brightness whose multiples kill; 0 = none."),
    WN_OPTIONS_END,
};

static long count(const char *suffix)
{
    char path[4096];
    struct stat st = { 0 };
    snprintf(path, sizeof path, "%s%s", getenv("WINNOW_TROUBLE"), suffix);
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0 || write(fd, ".", 1) != 1 || fstat(fd, &st) != 0)
        abort();
    close(fd);
    return (long)st.st_size - 1;
}

static void strike(void)
{
    static const char garbage[] = "Segmentation fault (core dumped)\n";
    const long way = count(".kills");
    if (way % 5 == 0)
        raise(SIGSEGV);
    else if (way % 5 == 1)
        abort();
    else if (way % 5 == 2)
        _exit(0);
    for (int fd = 3; way % 5 == 3 && fd < 16; fd++)
        if (write(fd, garbage, sizeof garbage) < 0)
            continue;
    pause();
}

static double brightness(const wn_image *image)
{
    const uint64_t n = 3 * (uint64_t)image->width_px * image->height_px;
    uint64_t sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += image->rgb[i];
    return (double)sum / (double)n;
}

static wn_status create(const wn_host *host, const void *o, void **self, wn_error *err)
{
    (void)host, (void)err;
    *self = (void *)(uintptr_t)o;
    return WN_OK;
}

static void destroy(void *self)
{
    (void)self;
}

static wn_status score(void *self, const wn_score_request *r, wn_error *err)
{
    const struct options *o = self;
    const long number = getenv("WINNOW_TROUBLE") ? count("") : 1;
    (void)err;
    if (number % 2 == 0)
        strike();
    for (uint64_t i = 0; i < r->count; i++) {
        r->scores[i] = brightness(&r->images[i]);
        if (o->poison > 0 && (int64_t)r->scores[i] % o->poison == 0)
            raise(SIGSEGV);
    }
    return WN_OK;
}

static const wn_metric metrics[] = {
    { "brightness", "mean of all bytes", 0, 255, WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS },
};

static const wn_verifier verifier = {
    .struct_size = sizeof verifier, .metrics = metrics, .metric_count = 1, .max_batch = 4, .score = score
};

static const wn_plugin plugin = {
    .struct_size = sizeof plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "chaotic",
    .version = "1.0",
    .summary = "brightness, with trouble",
    .source = "",
    .options = options,
    .options_size = sizeof(struct options),
    .create = create,
    .destroy = destroy,
    .vtable = &verifier,
};

WN_MODULE(&plugin);
