/* Torch files that lie (make_hostile_torch.py writes them with Python's standard library): every one is refused with
 * its reason, and none makes the reader take more memory than 64 MB. The well-formed relatives stand in torch_file.c.
 */
#include "files.h"

#include "weights/torch_file.h"
#include "weights/weights.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static void refuse(const char *path, const char *reason)
{
    wn_error err = { 0 };
    nn_torch_file *f = NULL;
    const wn_status status = nn_torch_file_open(path, &f, &err);
    if (status == WN_OK)
        CHECK_FAIL("%s: accepted what should be refused: %s", path, reason);
    CHECK(f == NULL || status == WN_OK);
    CHECK_INT(err.code, status);
    CHECK_CONTAINS(err.message, path);
    CHECK_CONTAINS(err.message, reason);
    CHECK(strchr(err.message, '\n') == NULL);
    nn_torch_file_close(f);
}

static long peak_kib(void)
{
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    return r.ru_maxrss;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void refuses_what_is_listed(void)
{
    char line[512], path[512];
    double slowest = 0;
    int count = 0;
    FILE *list = fopen(in_folder("cases.txt"), "r");
    if (!list) {
        CHECK_FAIL("cannot open cases.txt");
        return;
    }
    const long before = peak_kib();
    for (; fgets(line, sizeof line, list); count++) {
        char *reason = strchr(line, '\t');
        *reason++ = '\0';
        reason[strcspn(reason, "\n")] = '\0';
        snprintf(path, sizeof path, "%.64s/%.200s", folder, line);
        const double start = now_s();
        refuse(path, reason);
        slowest = fmax(slowest, now_s() - start);
    }
    fclose(list);
    printf("%d files, slowest %.0f ms, %ld KiB\n", count, 1e3 * slowest, peak_kib() - before);
    CHECK(count >= 100);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* which keep what was freed */
    CHECK(peak_kib() - before < 64 << 10);
#endif
}

static void refuses_what_is_no_file(void)
{
    char path[512];
    refuse(folder, "is not a regular file");
    refuse(in_folder("absent"), "cannot open");
    snprintf(path, sizeof path, "%s", in_folder("fifo"));
    if (mkfifo(path, 0600) == 0)
        refuse(path, "is not a regular file");
    snprintf(path, sizeof path, "%s", write_bytes("giant", "PK\3\4aaaa", 8));
    if (truncate(path, (off_t)1 << 40) == 0)
        refuse(path, "has no end record");
}

/* The same errors come through the reader of all weights, which looks at the content alone. */
static void refuses_by_content(void)
{
    wn_error err = { 0 };
    nn_weights *w;
    CHECK_INT(nn_weights_open(in_folder("system"), &w, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "wants 'os.system', which tensors do not need and winnow never runs");
    CHECK_INT(nn_weights_open(in_folder("legacy"), &w, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, "load and save it once with a newer torch");
}

int main(void)
{
    char command[1024];
    scratch_make(folder);
    snprintf(command, sizeof command, "python3 '%s/tests/weights/make_hostile_torch.py' '%s'", WINNOW_SOURCE_DIR,
             folder);
    if (system("python3 -c ''") != 0)
        CHECK_SKIP("no python3");
    if (system(command) != 0)
        CHECK_FAIL("make_hostile_torch.py failed");
    refuses_what_is_listed();
    refuses_what_is_no_file();
    refuses_by_content();
    scratch_remove(folder);
    return CHECK_DONE();
}
