/* The host's services as an instance meets them, resolution of names, and failing creations. */
#include "plugin/instance.h"

#include "base/pool.h"
#include "engine/noise.h"
#include "plugin/registry.h"

#include "check.h"

#include <sys/stat.h>
#include <unistd.h>

#include <winnow/verifier.h>

#define PLUGINS WINNOW_BUILD_DIR "/tests/spec-plugins:" WINNOW_BUILD_DIR "/tests/odd-plugins"

static struct process process;

static struct spec *load(const char *text)
{
    wn_error err = { 0 };
    struct spec *spec = NULL;
    char *report = NULL;
    if (spec_load(&(struct spec_request){ .path = "x.json", .text = text, .without_run = true }, process.registry,
                  &spec, &report, &err) != WN_OK)
        CHECK_FAIL("%s", report);
    free(report);
    return spec;
}

static void test_services(void)
{
    wn_error err = { 0 };
    struct instances *all = NULL;
    struct spec *spec =
        load("{\"winnow\": 0, \"seed\": 5, \"verifiers\": {\"sum\": {\"use\": \"mocksum\", \"inputs\": [\"b\","
             "\"a\"]}, \"a\": {\"use\": \"mockscore\"}, \"b\": {\"use\": \"mockscore\"}}}");
    if (!spec)
        return;
    CHECK_OK(instances_create(spec, &process, INSTANCES_VERIFIERS, &all, &err), err);
    const wn_host *host = &all->verifiers[2].host;
    float direct[7], served[7];
    host->normal_f32(host->ctx, 3, 2, served, 7);
    noise_normal_f32(5, 3, 2, direct, 7);
    CHECK(memcmp(direct, served, sizeof direct) == 0);
    CHECK_STR(host->input(host->ctx, 0)->name, "b");
    CHECK(host->input(host->ctx, 1)->self == all->verifiers[1].self ||
          host->input(host->ctx, 1)->self == all->verifiers[0].self);
    CHECK(!host->input(host->ctx, 2));
    CHECK(!host->extension(host->ctx, "winnow.nothing/1"));
    CHECK_INT(host->thread_count(host->ctx), 2);
    host->uses_file(host->ctx, "/a");
    host->uses_file(host->ctx, "/b");
    host->uses_file(host->ctx, "/a");
    CHECK_INT(all->file_count, 2);
    CHECK_INT(host->cancelled(host->ctx), 0);
    process.cancelled = 1;
    CHECK_INT(host->cancelled(host->ctx), 1);
    process.cancelled = 0;
    const struct wn_device_api *api;
    struct wn_device *device;
    CHECK_INT(host->open_device(host->ctx, "nosuchdevice:0", &api, &device, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "no device is named \"nosuchdevice\"");
    instances_destroy(all);
    instances_destroy(NULL);
    spec_free(spec);
}

static void test_sampler_checks(const char *canvas, const char *message)
{
    char text[500];
    wn_error err = { 0 };
    struct instances *all = NULL;
    snprintf(text, sizeof text,
             "{\"winnow\": 0, \"sampler\": {\"use\": \"mock\", \"options\": {\"model\": \"m\"}}, %s}", canvas);
    struct spec *spec = load(text);
    if (!spec)
        return;
    CHECK_INT(instances_create(spec, &process, INSTANCES_SAMPLER, &all, &err), WN_E_ARG);
    CHECK_STR(err.message, message);
    CHECK(!all);
    spec_free(spec);
}

static void test_failing_create(void)
{
    wn_error err = { 0 };
    struct instances *all = NULL;
    struct spec *spec = load("{\"winnow\": 0, \"verifiers\": {\"a\": {\"use\": \"mockscore\"}, \"bad\": {\"use\": \""
                             WINNOW_BUILD_DIR "/tests/odd-plugins/create_fails.so\"}}}");
    if (!spec)
        return;
    CHECK_INT(instances_create(spec, &process, INSTANCES_VERIFIERS, &all, &err), WN_E_MISSING);
    CHECK_STR(err.message, "/verifiers/bad (odd): model \"m\" has no tensor x; download it again");
    spec_free(spec);
}

static void make_file(const char *directory, const char *name)
{
    char path[500];
    snprintf(path, sizeof path, "%s/%s", directory, name);
    for (char *p = path + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        mkdir(path, 0755);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    if (f) {
        if (strstr(name, "refs/"))
            fputs("0123456789abcdef0123456789abcdef01234567\n", f);
        fclose(f);
    }
}

static void check_resolves(const char *name, const char *want)
{
    wn_error err = { 0 };
    char path[500];
    CHECK_OK(resolve_name("spec", name, path, sizeof path, &err), err);
    CHECK_STR(path, want);
}

static void check_missing(const char *name, const char *part)
{
    wn_error err = { 0 };
    char path[500];
    CHECK_INT(resolve_name("spec", name, path, sizeof path, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, part);
}

static void test_resolve(void)
{
    char dir[] = "/tmp/winnow-resolve-XXXXXX", path[500];
    wn_error err = { 0 };
    if (!mkdtemp(dir) || chdir(dir) != 0)
        CHECK_SKIP("no temporary directory");
    make_file(".", "spec/model.txt");
    make_file(".", "models/one/a");
    make_file(".", "hub/models--org--name/refs/main");
    make_file(".", "hub/models--org--name/snapshots/0123456789abcdef0123456789abcdef01234567/config.json");
    make_file(".", "hub/models--org--name/snapshots/89abcdef0123456789abcdef0123456789abcdef/config.json");
    setenv("WINNOW_MODEL_PATH", "/nowhere:models", 1);
    setenv("HF_HUB_CACHE", "hub", 1);
    check_resolves("model.txt", "spec/model.txt");
    check_resolves("./model.txt", "spec/./model.txt");
    check_resolves("one", "models/one");
    check_resolves("one/a", "models/one/a");
    check_resolves("/tmp", "/tmp");
    check_resolves("org/name", "hub/models--org--name/snapshots/0123456789abcdef0123456789abcdef01234567/");
    check_resolves("org/name@main/config.json",
                   "hub/models--org--name/snapshots/0123456789abcdef0123456789abcdef01234567/config.json");
    check_resolves("org/name@89abcdef0123456789abcdef0123456789abcdef",
                   "hub/models--org--name/snapshots/89abcdef0123456789abcdef0123456789abcdef/");
    check_missing("org/other@v2", "`hf download org/other --revision v2` fetches it");
    check_missing("one/b.txt", "looked at spec/one/b.txt, /nowhere/one/b.txt, models/one/b.txt");
    check_missing("./nothing", "./nothing is not there; looked at spec/./nothing; give a path that exists");
    check_missing("/no/such", "/no/such is not there");
    CHECK_INT(resolve_name("spec", "", path, sizeof path, &err), WN_E_ARG);
    CHECK_INT(resolve_name("spec", "model.txt", path, 5, &err), WN_E_ARG);
}

int main(void)
{
    wn_error err = { 0 };
    process.pool = pool_create(2);
    CHECK_OK(registry_create(PLUGINS, &process.registry, &err), err);
    test_services();
    test_failing_create();
    test_sampler_checks("\"canvas\": {\"width\": 72, \"height\": 64, \"steps\": 1}",
                        "/canvas/width: 72 is not a multiple of 16, which mock asks for; 80 is");
    test_sampler_checks("\"canvas\": {\"width\": 64, \"height\": 1024, \"steps\": 1}",
                        "/canvas/height: 1024 is outside 32..512, which mock can make");
    test_sampler_checks(
        "\"canvas\": {\"width\": 64, \"height\": 64, \"steps\": 1}, \"verifiers\": {\"v\": {\"use\": \"mockscore\"}},"
        "\"search\": {\"use\": \"mockpreview\", \"guide\": \"v\"}",
        "/search/use: mockpreview scores unfinished samples, but sampler mock has no previews; take another "
        "search, or give the sampler its preview option");
    test_resolve();
    registry_destroy(process.registry);
    pool_destroy(process.pool);
    return CHECK_DONE();
}
