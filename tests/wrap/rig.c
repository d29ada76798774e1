#include "rig.h"

#include "base/log.h"
#include "base/pool.h"
#include "plugin/registry.h"

#include <dlfcn.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROBES WINNOW_BUILD_DIR "/tests/wrap-plugins"

static void die(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void note(void *arg, int32_t level, const char *line)
{
    struct rig *r = arg;
    const size_t used = strlen(r->log);
    if (level >= WN_LOG_WARN)
        snprintf(r->log + used, sizeof r->log - used, "%s\n", line);
}

wn_status rig_open(struct rig *r, const char *verifiers)
{
    static char text[8192];
    char *report = NULL;
    memset(r, 0, sizeof *r);
    log_set_sink(note, r);
    r->process.pool = pool_create(1);
    if (!r->process.pool ||
        registry_create(WINNOW_BUILD_DIR "/lib/winnow:" PROBES, &r->process.registry, &r->err) != WN_OK)
        die("no pool or registry");
    snprintf(text, sizeof text, "{\"winnow\": 0, \"verifiers\": %s}", verifiers);
    const struct spec_request request = { .path = "rig.json", .text = text, .without_run = true };
    if (spec_load(&request, r->process.registry, &r->spec, &report, &r->err) != WN_OK)
        die(report);
    free(report);
    return instances_create(r->spec, &r->process, INSTANCES_VERIFIERS, &r->instances, &r->err);
}

void rig_close(struct rig *r)
{
    instances_destroy(r->instances);
    spec_free(r->spec);
    registry_destroy(r->process.registry);
    pool_destroy(r->process.pool);
    log_set_sink(NULL, NULL);
}

static const struct instance *find(const struct rig *r, const char *name)
{
    for (uint32_t i = 0; i < r->spec->verifier_count; i++)
        if (strcmp(r->spec->verifiers[i].name, name) == 0)
            return &r->instances->verifiers[i];
    die(name);
    return NULL;
}

const wn_verifier *rig_verifier(const struct rig *r, const char *name)
{
    return &find(r, name)->verifier;
}

const char *rig_identity(const struct rig *r, const char *name)
{
    return find(r, name)->identity;
}

wn_status rig_score(struct rig *r, const char *name, const struct rig_set *set, double *scores)
{
    const struct instance *v = find(r, name);
    wn_prompt prompts[RIG_MAX];
    const wn_prompt *pointers[RIG_MAX];
    wn_image images[RIG_MAX], previews[RIG_MAX];
    for (uint32_t i = 0; i < set->count; i++) {
        prompts[i] = (wn_prompt){ set->prompt[i] ? set->prompt[i] : "a", "id", "", "{}" };
        pointers[i] = &prompts[i];
        images[i] = (wn_image){ 1, 1, set->rgb[i] };
        previews[i] = (wn_image){ 1, 1, set->preview[i] };
    }
    for (uint64_t i = 0; i < set->count * v->verifier.metric_count; i++)
        scores[i] = NAN;
    const wn_score_request request = {
        sizeof request, set->count, pointers, images, set->has_previews ? previews : NULL, scores
    };
    return v->verifier.score(v->self, &request, &r->err);
}

struct rig_set rig_set(uint32_t count, const uint8_t (*rgb)[3])
{
    struct rig_set set = { .count = count };
    memcpy(set.rgb, rgb, count * sizeof *rgb);
    return set;
}

/* The module that the registry opened, or will open. */
int *rig_counter(const char *name)
{
    void *module = dlopen(PROBES "/probe.so", RTLD_NOW | RTLD_LOCAL);
    int *counter = module ? dlsym(module, name) : NULL;
    if (!counter)
        die(name);
    return counter;
}
