/* A cache asks once, and again only for what is new, damaged, or may have another answer. */
#include "check.h"
#include "wrap/rig.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define SPEC(options)                                                                                                  \
    "{\"v\": {\"use\": \"probe\", \"options\": " options "},"                                                          \
    " \"kept\": {\"use\": \"cache\", \"inputs\": [\"v\"], \"options\": {\"folder\": \"cache/answers\"}}}"

enum { NONE = 255 };

static const uint8_t pixels[][3] = { { 10, 1, 0 }, { 20, 2, 0 }, { NONE, 3, 0 }, { 40, 4, 0 }, { 50, 5, 0 } };

/* Opens, asks, closes; returns how many items the probe was asked. The answers must be the probe's own. */
static int ask(const char *spec, const struct rig_set *set, char *log)
{
    struct rig r;
    double scores[RIG_MAX * 2], direct[RIG_MAX * 2];
    int *items = rig_counter("probe_items");
    CHECK_OK(rig_open(&r, spec), r.err);
    const int before = *items;
    CHECK_OK(rig_score(&r, "kept", set, scores), r.err);
    const int asked = *items - before;
    for (uint32_t i = 0; i < set->count; i++) {
        struct rig_set one = *set;
        one.count = 1;
        memcpy(one.rgb[0], set->rgb[i], 3);
        memcpy(one.preview[0], set->preview[i], 3);
        CHECK_OK(rig_score(&r, "v", &one, direct + 2 * i), r.err);
    }
    for (uint32_t i = 0; i < 2 * set->count; i++)
        CHECK(memcmp(&scores[i], &direct[i], sizeof *scores) == 0 || (isnan(scores[i]) && isnan(direct[i])));
    if (log)
        snprintf(log, sizeof r.log, "%s", r.log);
    rig_close(&r);
    return asked;
}

static void check_hits(void)
{
    struct rig_set set = rig_set(5, pixels);
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 5);
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 0);
    set.rgb[2][1] = 99; /* another picture, though the probe does not look there */
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 1);
    set.prompt[0] = "b";
    set.prompt[4] = "c";
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 2);
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 0);
}

/* Another option, another verifier: none of its answers are known. */
static void check_identity(void)
{
    struct rig_set set = rig_set(5, pixels);
    CHECK_INT(ask(SPEC("{\"channel\": 1}"), &set, NULL), 5);
    CHECK_INT(ask(SPEC("{\"channel\": 1, \"max_batch\": 2}"), &set, NULL), 5);
    CHECK_INT(ask(SPEC("{\"max_batch\": 2, \"channel\": 1}"), &set, NULL), 0);
    CHECK_INT(ask(SPEC("{\"channel\": 0}"), &set, NULL), 0);
    set.has_previews = true;
    set.preview[1][0] = 77;
    CHECK_INT(ask(SPEC("{\"preview_sigma\": 0.4}"), &set, NULL), 5);
    set.preview[2][0] = 78;
    CHECK_INT(ask(SPEC("{\"preview_sigma\": 0.4}"), &set, NULL), 1);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

/* Weights that changed under their name are another verifier. */
static void check_files(void)
{
    const struct rig_set set = rig_set(3, pixels);
    const struct timespec old[2] = { { 1000, 0 }, { 1000, 5 } };
    write_file("weights", "one");
    CHECK_INT(ask(SPEC("{\"file\": \"weights\"}"), &set, NULL), 3);
    CHECK_INT(ask(SPEC("{\"file\": \"weights\"}"), &set, NULL), 0);
    write_file("weights", "three");
    CHECK_INT(ask(SPEC("{\"file\": \"weights\"}"), &set, NULL), 3);
    CHECK(utimensat(AT_FDCWD, "weights", old, 0) == 0);
    CHECK_INT(ask(SPEC("{\"file\": \"weights\"}"), &set, NULL), 3);
}

/* A wrapper is known by what it wraps. */
static void check_wrapped_identity(void)
{
    struct rig r;
    CHECK_OK(rig_open(&r, "{\"v\": {\"use\": \"probe\"}, \"w\": {\"use\": \"probe\", \"options\": {\"channel\": 0}},"
                          "\"x\": {\"use\": \"probe\", \"options\": {\"channel\": 1}},"
                          "\"rv\": {\"use\": \"retry\", \"inputs\": [\"v\"]},"
                          "\"rw\": {\"use\": \"retry\", \"inputs\": [\"w\"]},"
                          "\"rx\": {\"use\": \"retry\", \"inputs\": [\"x\"]}}"),
             r.err);
    CHECK_STR(rig_identity(&r, "v"), rig_identity(&r, "w"));
    CHECK_STR(rig_identity(&r, "rv"), rig_identity(&r, "rw"));
    CHECK(strcmp(rig_identity(&r, "v"), rig_identity(&r, "x")) != 0);
    CHECK(strcmp(rig_identity(&r, "rv"), rig_identity(&r, "rx")) != 0);
    CHECK(strcmp(rig_identity(&r, "rv"), rig_identity(&r, "v")) != 0);
    CHECK_INT(strlen(rig_identity(&r, "v")), 64);
    const wn_host *host = &r.instances->verifiers[r.spec->verifier_count - 1].host;
    CHECK_INT(strlen(host->input(host->ctx, 0)->identity), 64);
    rig_close(&r);
}

/* ---- damage ------------------------------------------------------------------------------------------------------ */

/* Calls change(path) for every file below path; returns how many there are. */
static int for_files(const char *path, void (*change)(const char *path))
{
    int count = 0;
    DIR *folder = opendir(path);
    for (struct dirent *e; folder && (e = readdir(folder)) != NULL;) {
        char below[1024];
        if (e->d_name[0] == '.')
            continue;
        snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        struct stat st;
        CHECK(stat(below, &st) == 0);
        if (S_ISDIR(st.st_mode)) {
            count += for_files(below, change);
            continue;
        }
        change(below);
        count++;
    }
    if (folder)
        closedir(folder);
    return count;
}

static void flip_a_bit(const char *path)
{
    FILE *f = fopen(path, "r+");
    CHECK(f && fseek(f, 50, SEEK_SET) == 0);
    const int byte = fgetc(f);
    CHECK(fseek(f, 50, SEEK_SET) == 0 && fputc(byte ^ 1, f) != EOF && fclose(f) == 0);
}

static void cut(const char *path)
{
    CHECK(truncate(path, 0) == 0);
}

static void lengthen(const char *path)
{
    FILE *f = fopen(path, "a");
    CHECK(f && fputc('x', f) != EOF && fclose(f) == 0);
}

static void forbid(const char *path)
{
    CHECK(unlink(path) == 0 && mkdir(path, 0777) == 0);
}

static void leave(const char *path)
{
    (void)path;
}

static void check_damage(void (*damage)(const char *path), const char *word)
{
    struct rig_set set = rig_set(4, pixels);
    char log[8192];
    CHECK_INT(system("rm -rf cache"), 0);
    CHECK_INT(ask(SPEC("{}"), &set, log), 4);
    CHECK_STR(log, "");
    CHECK_INT(for_files("cache/answers", damage), 4);
    CHECK_INT(ask(SPEC("{}"), &set, log), 4);
    CHECK_CONTAINS(log, "a kept answer is damaged and made anew");
    CHECK_CONTAINS(log, word);
    CHECK(strchr(log, '\n') == log + strlen(log) - 1); /* one line for all */
    CHECK_INT(ask(SPEC("{}"), &set, log), 0);
    CHECK_STR(log, "");
    CHECK_INT(for_files("cache/answers", leave), 4); /* no part of a file stays */
}

/* An answer in another's place is seen by its key. */
static void check_exchange(void)
{
    struct rig_set set = rig_set(1, pixels);
    CHECK_INT(system("rm -rf cache"), 0);
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 1);
    CHECK_INT(system("cp cache/answers/*/*/* other"), 0);
    CHECK_INT(system("rm -rf cache"), 0);
    set.rgb[0][0] = 66;
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 1);
    CHECK_INT(system("cp other cache/answers/*/*/*"), 0);
    char log[8192];
    CHECK_INT(ask(SPEC("{}"), &set, log), 1);
    CHECK_CONTAINS(log, "an entry of another key");
}

/* What cannot be kept is said once, and the answers are still given. */
static void check_no_room(void)
{
    struct rig_set set = rig_set(4, pixels);
    char log[8192];
    CHECK_INT(system("rm -rf cache"), 0);
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 4);
    for_files("cache/answers", forbid);
    CHECK_INT(ask(SPEC("{}"), &set, log), 4);
    CHECK_CONTAINS(log, "a kept answer is damaged");
    CHECK_CONTAINS(log, "answers are used but cannot be kept: cannot rename");
    CHECK_INT(for_files("cache/answers", leave), 0);
}

static void check_refusals(void)
{
    struct rig r;
    CHECK_INT(rig_open(&r, SPEC("{\"compares\": true}")), WN_E_ARG);
    CHECK_CONTAINS(r.err.message, "/verifiers/kept (cache): input v compares the candidates of a set");
    rig_close(&r);
    write_file("file", "");
    CHECK_INT(rig_open(&r, "{\"v\": {\"use\": \"probe\"}, \"kept\": {\"use\": \"cache\", \"inputs\": [\"v\"],"
                           "\"options\": {\"folder\": \"file/below\"}}}"),
              WN_E_IO);
    CHECK_CONTAINS(r.err.message, "cannot make the folder file: Not a directory");
    rig_close(&r);
    CHECK_INT(rig_open(&r, "{\"v\": {\"use\": \"probe\"}, \"kept\": {\"use\": \"cache\", \"inputs\": [\"v\"],"
                           "\"options\": {\"folder\": \"\"}}}"),
              WN_E_ARG);
    CHECK_CONTAINS(r.err.message, "a path of 0 bytes");
    rig_close(&r);
}

static void check_failure(void)
{
    struct rig r;
    double scores[RIG_MAX * 2];
    const uint8_t fresh[][3] = { { 1, 1, 7 }, { 2, 2, 7 } };
    const struct rig_set set = rig_set(2, fresh);
    *rig_counter("probe_failures_left") = 1;
    *rig_counter("probe_failure") = WN_E_IO;
    CHECK_OK(rig_open(&r, SPEC("{}")), r.err);
    CHECK_INT(rig_verifier(&r, "kept")->metric_count, 2);
    CHECK_INT(rig_score(&r, "kept", &set, scores), WN_E_IO);
    CHECK_STR(r.err.message, "input v: the probe was told to fail");
    rig_close(&r);
    CHECK_INT(ask(SPEC("{}"), &set, NULL), 2); /* nothing of a failed request is kept */
}

int main(void)
{
    char folder[] = "/tmp/winnow-cache-XXXXXX", command[100];
    if (!mkdtemp(folder) || chdir(folder) != 0)
        CHECK_SKIP("no temporary directory");
    check_hits();
    check_identity();
    check_files();
    check_wrapped_identity();
    check_damage(flip_a_bit, "its hash does not match its bytes");
    check_damage(cut, "0 bytes, not 96");
    check_damage(lengthen, "97 bytes, not 96");
    check_exchange();
    check_no_room();
    check_refusals();
    check_failure();
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CHECK_INT(system(command), 0);
    return CHECK_DONE();
}
