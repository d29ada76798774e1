/* Modules that must not be taken, each with the reason that its author will read; and old and new ones that must. */
#include "plugin/registry.h"

#include "plugin/handshake.h"

#include "check.h"

#include <stdbool.h>
#include <sys/stat.h>
#include <unistd.h>

#include <winnow/verifier.h>

#define ODD WINNOW_BUILD_DIR "/tests/odd-plugins/"

static const struct {
    const char *file;
    wn_status status;
    const char *message;
} cases[] = {
    { "no_symbol", WN_E_MISSING, "exports no wn_module_v0: not a winnow plugin, or WN_MODULE is missing in it" },
    { "other_symbol", WN_E_MISSING, "made for plugin ABI 1, this winnow speaks 0; rebuild it" },
    { "major", WN_E_MISSING, "made for plugin ABI 7, this winnow speaks 0; rebuild it" },
    { "short", WN_E_MISSING, "plugin \"odd\": vtable: struct_size is 4; it must be sizeof of the struct" },
    { "older", WN_E_MISSING, "verifier \"odd\" has no `score`; every plugin of its kind must" },
    { "only_destroy", WN_E_MISSING, "plugin \"odd\" has `destroy` but no `create`" },
    { "no_name", WN_E_MISSING, "plugin \"\" has no `name`" },
    { "no_score", WN_E_MISSING, "verifier \"odd\" has no `score`" },
    { "no_metrics", WN_E_MISSING, "plugin \"odd\": it has 0 metrics at NULL" },
    { "metric_name", WN_E_MISSING,
      "plugin \"odd\": metric 0 is named \"Odd one\"; a name is of the form [a-z0-9_]{1,64}" },
    { "metric_twice", WN_E_MISSING, "plugin \"odd\": two metrics are named \"odd\"; names must be unique" },
    { "name", WN_E_MISSING, "plugin name \"Odd One\" is not of the form [a-z0-9_.-]{1,64}" },
    { "empty", WN_E_MISSING, "its module lists 0 plugins" },
    { "null", WN_E_MISSING, "its list of plugins holds NULL" },
    { "kind", WN_E_MISSING, "holds no plugin" }, /* skipped, with a warning */
    { "bad_default", WN_E_MISSING, "plugin \"odd\": option \"count\" has a bad default: 17 is outside 1..16" },
    { "bad_offset", WN_E_MISSING, "option \"count\" at offset 8 lies outside the struct of 8 bytes" },
    { "bad_type", WN_E_MISSING, "option \"count\" has unknown type 99" },
    { "twice", WN_E_MISSING, "option \"count\" stands in the table twice" },
    { "no_help", WN_E_MISSING, "option \"count\" has no help" },
    { "undefined", WN_E_MISSING, "undefined symbol: nobody_has_this" },
};

static void test_refused(void)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct registry *r;
        wn_error err = { 0 };
        const wn_plugin *p;
        const struct registry_module *m;
        char path[500];
        snprintf(path, sizeof path, ODD "%s.so", cases[i].file);
        CHECK_OK(registry_create(NULL, &r, &err), err);
        CHECK_INT(registry_find(r, 0, path, &p, &m, &err), cases[i].status);
        CHECK_CONTAINS(err.message, cases[i].message);
        CHECK_CONTAINS(err.message, path);
        registry_destroy(r);
    }
}

/* A module of a newer minor: what this winnow does not know is cut off, the rest is there. */
static void test_newer(void)
{
    struct registry *r;
    wn_error err = { 0 };
    const wn_plugin *p = NULL;
    const struct registry_module *m = NULL;
    CHECK_OK(registry_create(NULL, &r, &err), err);
    CHECK_OK(registry_find(r, WN_KIND_VERIFIER, ODD "newer.so", &p, &m, &err), err);
    if (p) {
        const wn_verifier *v = p->vtable;
        CHECK_INT(v->struct_size, sizeof *v);
        CHECK_INT(v->max_inputs, 1);
        CHECK(v->score != NULL);
        CHECK_STR(p->source, "");
        CHECK_INT(m->plugin_count, 1);
    }
    CHECK_INT(registry_find(r, WN_KIND_SEARCH, ODD "newer.so", &p, &m, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "holds no search");
    registry_destroy(r);
}

/* Without create the options are the instance; without destroy there is nothing to end. */
static void test_left_out(const char *file, bool has_create)
{
    struct registry *r;
    wn_host host = { .struct_size = sizeof host, .ctx = &host };
    wn_error err = { 0 };
    const wn_plugin *p = NULL;
    const struct registry_module *m;
    const int64_t options = 3;
    void *self = NULL;
    CHECK_OK(registry_create(NULL, &r, &err), err);
    CHECK_OK(registry_find(r, WN_KIND_VERIFIER, file, &p, &m, &err), err);
    if (p) {
        CHECK_OK(p->create(&host, &options, &self, &err), err);
        CHECK(self == (has_create ? (const void *)&host : (const void *)&options));
        p->destroy(self);
        p->destroy(NULL);
    }
    registry_destroy(r);
}

/* copy-min alone: nothing beyond struct_size is looked at, and what is missing reads as nothing. */
static void test_copy_min(void)
{
    static const wn_metric metric = { "m", "h", 0, 1, 0 };
    wn_error err = { 0 };
    struct arena *a = arena_create();
    struct registry_module module = { 0 };
    wn_verifier v = { .struct_size = sizeof v, .metrics = &metric, .metric_count = 1 };
    wn_plugin p = { .struct_size = offsetof(wn_plugin, vtable),
                    .kind = WN_KIND_VERIFIER,
                    .name = "x",
                    .version = "1",
                    .summary = "s",
                    .vtable = &v };
    const wn_plugin *list[] = { &p };
    wn_module m = { sizeof m, WN_ABI_MAJOR, 99, list, 1 };
    memset(&p.create, 0xff, sizeof p.create);
    memset(&p.destroy, 0xff, sizeof p.destroy);
    CHECK_INT(handshake(&m, "x.so", a, &module, &err), WN_E_FORMAT);
    CHECK_CONTAINS(err.message, "plugin \"x\" has no `vtable`");
    arena_destroy(a);
}

static void write_file(const char *path, const char *text, mode_t mode)
{
    FILE *f = fopen(path, "w");
    CHECK(f != NULL);
    if (f) {
        fputs(text, f);
        fclose(f);
    }
    CHECK(chmod(path, mode) == 0);
}

static void test_files(void)
{
    struct registry *r;
    wn_error err = { 0 };
    const wn_plugin *p;
    const struct registry_module *m;
    char dir[] = "/tmp/winnow-registry-XXXXXX", path[100], open_path[100];
    if (!mkdtemp(dir))
        CHECK_SKIP("no temporary directory");
    snprintf(path, sizeof path, "%s/text.so", dir);
    snprintf(open_path, sizeof open_path, "%s/open.so", dir);
    write_file(path, "not a library\n", 0644);
    write_file(open_path, "not a library\n", 0646);
    CHECK_OK(registry_create(dir, &r, &err), err);
    CHECK_INT(registry_find(r, 0, path, &p, &m, &err), WN_E_MISSING);
    CHECK_INT(registry_find(r, 0, open_path, &p, &m, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "everybody may write to it (mode 646), so it is not loaded; chmod o-w it");
    CHECK_INT(registry_find(r, 0, "/no/such.so", &p, &m, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "No such file or directory");
    CHECK_INT(registry_find(r, WN_KIND_VERIFIER, "nothinglikeit", &p, &m, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, dir);
    registry_module_count(r);
    CHECK_INT(registry_failure_count(r) >= 2, 1);
    unlink(path);
    unlink(open_path);
    rmdir(dir);
    registry_destroy(r);
    registry_destroy(NULL);
}

static void copy(const char *from, const char *to, const char *tail)
{
    char temporary[120], block[65536];
    snprintf(temporary, sizeof temporary, "%s.new", to);
    FILE *in = fopen(from, "r"), *out = fopen(temporary, "w");
    CHECK(in != NULL && out != NULL);
    for (size_t n; in && out && (n = fread(block, 1, sizeof block, in)) > 0;)
        CHECK(fwrite(block, 1, n, out) == n);
    if (in)
        fclose(in);
    if (out) {
        fputs(tail, out);
        fclose(out);
    }
    CHECK(chmod(temporary, 0755) == 0 && rename(temporary, to) == 0);
}

/* A plugin that is built anew while it is loaded, as an install does it: another file under the same name. */
static void test_rebuilt(bool asked_before)
{
    struct registry *r;
    wn_error err = { 0 };
    const wn_plugin *p;
    const struct registry_module *m = NULL;
    char dir[] = "/tmp/winnow-registry-XXXXXX", path[100], first[65] = "", again[65] = "";
    if (!mkdtemp(dir))
        CHECK_SKIP("no temporary directory");
    snprintf(path, sizeof path, "%s/odd.so", dir);
    copy(ODD "newer.so", path, "");
    CHECK_OK(registry_create(NULL, &r, &err), err);
    CHECK_OK(registry_find(r, 0, path, &p, &m, &err), err);
    if (m && asked_before) {
        CHECK_OK(registry_digest(m, first, &err), err);
        copy(ODD "newer.so", path, ""); /* to the same bytes: the same plugin */
        CHECK_OK(registry_digest(m, again, &err), err);
        CHECK_STR(again, first);
    }
    copy(ODD "newer.so", path, "another build");
    for (int i = 0; m && i < 2; i++) {
        CHECK_INT(registry_digest(m, again, &err), WN_E_MISSING);
        CHECK_CONTAINS(err.message, path);
        CHECK_CONTAINS(err.message, "is not the file any more that was loaded");
        CHECK_CONTAINS(err.message, asked_before ? "start the command again" : "not hashed in time");
    }
    unlink(path);
    if (m)
        CHECK_INT(registry_digest(m, again, &err), WN_E_MISSING);
    rmdir(dir);
    registry_destroy(r);
}

int main(void)
{
    test_rebuilt(false);
    test_rebuilt(true);
    test_refused();
    test_newer();
    test_left_out(ODD "no_create.so", false);
    test_left_out(ODD "no_destroy.so", true);
    test_copy_min();
    test_files();
    return CHECK_DONE();
}
