/* Every message that a wrong spec can lead to, as its author sees it.
 *
 * tests/spec/errors.txt holds the cases. In each: "# title"; "set a.b=1" lines laid over a good spec, or "| ..." lines
 * that are a whole spec of their own; then the report, line by line, behind "> ". `errors --print FILE DIR` writes the
 * file anew from what really comes, to be read before it is kept. */
#include "plugin/registry.h"
#include "spec/spec.h"

#include "check.h"

#include <stdbool.h>
#include <unistd.h>

enum { TEXT = 1 << 16, SETS = 128 };

static const char good[] =
    "{ \"winnow\": 0,\n"
    "  \"prompts\": { \"list\": [\"a red circle\"] },\n"
    "  \"canvas\": { \"width\": 64, \"height\": 64, \"steps\": 4 },\n"
    "  \"sampler\": { \"use\": \"mock\", \"options\": { \"model\": \"m\" } },\n"
    "  \"verifiers\": { \"clip\": { \"use\": \"mockscore\" }, \"says\": { \"use\": \"mockscore\" } },\n"
    "  \"search\": { \"use\": \"mockrandom\", \"guide\": \"clip\" } }\n";

struct test_case {
    char title[200];
    char spec[TEXT];
    char want[TEXT];
    char sets[SETS][300];
    const char *set[SETS];
    uint32_t set_count;
};

static void append(char *text, const char *line)
{
    size_t length = strlen(text);
    snprintf(text + length, TEXT - length, "%s\n", line);
}

/* False at the end of the file. */
static bool read_case(FILE *file, struct test_case *t)
{
    char line[4096];
    memset(t, 0, sizeof *t);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (!*line && t->title[0])
            return true;
        if (strncmp(line, "# ", 2) == 0)
            snprintf(t->title, sizeof t->title, "%.190s", line + 2);
        else if (strncmp(line, "| ", 2) == 0)
            append(t->spec, line + 2);
        else if (strncmp(line, "> ", 2) == 0)
            append(t->want, line + 2);
        else if (strncmp(line, "set ", 4) == 0 && t->set_count < SETS) {
            snprintf(t->sets[t->set_count], sizeof t->sets[0], "%.290s", line + 4);
            t->set[t->set_count] = t->sets[t->set_count];
            t->set_count++;
        }
    }
    return t->title[0];
}

/* Paths of this machine become BUILD and SOURCE. */
static void replace_path(char *text, const char *path, const char *name)
{
    for (char *at; (at = strstr(text, path)) != NULL;) {
        memcpy(at, name, strlen(name));
        memmove(at + strlen(name), at + strlen(path), strlen(at + strlen(path)) + 1);
    }
}

static char *report_of(struct registry *registry, const struct test_case *t)
{
    wn_error err = { 0 };
    struct spec *spec;
    char *report;
    struct spec_request request = { .path = "spec.json", .text = t->spec[0] ? t->spec : good, .set = t->set,
                                    .set_count = t->set_count };
    if (spec_load(&request, registry, &spec, &report, &err) == WN_OK) {
        spec_free(spec);
        return strdup("fine\n");
    }
    CHECK(err.code != WN_OK && err.message[0]);
    replace_path(report, WINNOW_BUILD_DIR, "BUILD");
    replace_path(report, WINNOW_SOURCE_DIR, "SOURCE");
    return report;
}

static void print_case(const struct test_case *t, const char *report)
{
    printf("# %s\n", t->title);
    for (uint32_t i = 0; i < t->set_count; i++)
        printf("set %s\n", t->set[i]);
    for (const char *p = t->spec; *p; p += strcspn(p, "\n") + 1)
        printf("| %.*s\n", (int)strcspn(p, "\n"), p);
    for (const char *p = report; *p; p += strcspn(p, "\n"), p += *p == '\n')
        printf("> %.*s\n", (int)strcspn(p, "\n"), p);
    printf("\n");
}

int main(int argc, char **argv)
{
    bool print = argc == 4 && strcmp(argv[1], "--print") == 0;
    const char *path = print ? argv[2] : WINNOW_SOURCE_DIR "/tests/spec/errors.txt";
    const char *plugins = print ? argv[3] : WINNOW_BUILD_DIR "/tests/spec-plugins";
    struct registry *registry;
    wn_error err = { 0 };
    int cases = 0;
    FILE *file = fopen(path, "r");
    struct test_case *t = malloc(sizeof *t);
    CHECK_OK(registry_create(plugins, &registry, &err), err);
    if (!file || !t || chdir(WINNOW_SOURCE_DIR "/tests/spec") != 0)
        return CHECK_FAIL("cannot read %s", path), 1;
    for (; read_case(file, t); cases++) {
        char *report = report_of(registry, t);
        if (print)
            print_case(t, report);
        else if (strcmp(report, t->want) != 0)
            CHECK_FAIL("%s:\n%sbut wanted:\n%s", t->title, report, t->want);
        free(report);
    }
    CHECK(print || cases >= 60);
    fclose(file);
    free(t);
    registry_destroy(registry);
    return CHECK_DONE();
}
