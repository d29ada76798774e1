/* hostile.c - a worker that says what no worker should, in each way once: the host gets an error, never a crash, a hang, a
 * file descriptor or a process too many.
 *
 * The program is its own worker: `test_worker_hostile CASE` answers the hello well or not, and a request never well.
 */
#include "check.h"

#include <dirent.h>
#include <stdatomic.h>
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <worker/verifier.h>

/* ---- the worker -------------------------------------------------------------------------------------------------- */

#define READY_BODY "\"op\":\"ready\",\"protocol\":0,\"kind\":\"verifier\",\"metrics\":[{\"name\":\"m\"}]"
#define READY "{" READY_BODY "}"

struct hostile {
    const char *name;
    const char *hello;   /* text of the answer to the hello */
    const char *score;   /* text of the answer to a request; NULL: the hello is all that is wrong */
    uint64_t data_bytes; /* behind it */
    uint64_t claims;     /* what the header says there is, if not 0 */
    const char *error;   /* what the host's message contains */
};

static const struct hostile cases[] = {
    { "silence", "", NULL, 0, 0, "nothing was heard" },
    { "no json", "hello there", NULL, 0, 0, "not a JSON object" },
    { "a list", "[1, 2]", NULL, 0, 0, "not a JSON object" },
    { "no op", "{}", NULL, 0, 0, "member \"op\"" },
    { "op a number", "{\"op\":3}", NULL, 0, 0, "member \"op\"" },
    { "another op", "{\"op\":\"scores\"}", NULL, 0, 0, "where \"ready\" is called for" },
    { "no protocol", "{\"op\":\"ready\"}", NULL, 0, 0, "speaks protocol" },
    { "protocol 1", "{\"op\":\"ready\",\"protocol\":1,\"kind\":\"verifier\"}", NULL, 0, 0, "speaks protocol 1" },
    { "protocol -1", "{\"op\":\"ready\",\"protocol\":-1}", NULL, 0, 0, "\"protocol\"" },
    { "protocol 0.5", "{\"op\":\"ready\",\"protocol\":0.5}", NULL, 0, 0, "\"protocol\"" },
    { "protocol 1e300", "{\"op\":\"ready\",\"protocol\":1e300}", NULL, 0, 0, "\"protocol\"" },
    { "a sampler", "{\"op\":\"ready\",\"protocol\":0,\"kind\":\"sampler\"}", NULL, 0, 0, "a sampler where" },
    { "kind a list", "{\"op\":\"ready\",\"protocol\":0,\"kind\":[]}", NULL, 0, 0, "\"kind\"" },
    { "no metrics", "{\"op\":\"ready\",\"protocol\":0,\"kind\":\"verifier\"}", NULL, 0, 0, "\"metrics\"" },
    { "metrics a text", "{\"op\":\"ready\",\"protocol\":0,\"kind\":\"verifier\",\"metrics\":\"m\"}", NULL, 0, 0,
      "\"metrics\"" },
    { "low a text", "{\"op\":\"ready\",\"protocol\":0,\"kind\":\"verifier\",\"metrics\":[{\"name\":\"m\",\"low\":\"0\"}]}",
      NULL, 0, 0, "\"low\"" },
    { "name a number", "{\"op\":\"ready\",\"protocol\":0,\"kind\":\"verifier\",\"metrics\":[{\"name\":4}]}", NULL, 0, 0,
      "\"name\"" },
    { "batch -3", "{" READY_BODY ",\"max_batch\":-3}", NULL, 0, 0, "\"max_batch\"" },
    { "needs 7", "{" READY_BODY ",\"needs_prompt\":7}", NULL, 0, 0, "\"needs_prompt\"" },
    { "shares 7", "{" READY_BODY ",\"shared_memory\":7}", NULL, 0, 0, "\"shared_memory\"" },
    { "data with ready", READY, NULL, 8, 0, "at most 0" },
    { "a refusal", "{\"op\":\"error\",\"code\":\"missing\",\"message\":\"no weights\"}", NULL, 0, 0, "no weights" },
    { "code a number", "{\"op\":\"error\",\"code\":7}", NULL, 0, 0, "\"code\"" },
    { "code budget", "{\"op\":\"error\",\"code\":\"budget\"}", NULL, 0, 0, "unknown code" },
    { "code unknown", "{\"op\":\"error\",\"code\":\"weather\"}", NULL, 0, 0, "weather" },
    { "empty text", "\n", NULL, 0, 0, "1 bytes of text" },
    { "deep", "DEEP", NULL, 0, 0, "not a JSON object" },
    { "no id", READY, "{\"op\":\"scores\"}", 8, 0, "\"id\"" },
    { "wrong id", READY, "{\"op\":\"scores\",\"id\":99}", 8, 0, "\"id\"" },
    { "id a text", READY, "{\"op\":\"scores\",\"id\":\"1\"}", 8, 0, "\"id\"" },
    { "no scores", READY, "{\"op\":\"scores\",\"id\":1}", 0, 0, "0 bytes of data where 8" },
    { "half a score", READY, "{\"op\":\"scores\",\"id\":1}", 4, 0, "4 bytes of data where 8" },
    { "two scores", READY, "{\"op\":\"scores\",\"id\":1}", 16, 0, "at most 8" },
    { "exabytes", READY, "{\"op\":\"scores\",\"id\":1}", 8, UINT64_C(1) << 62, "at most 8" },
    { "cut", READY, "{\"op\":\"scores\",\"id\":1}", 4, 8, "closed its end" },
    { "another answer", READY, "{\"op\":\"ready\",\"id\":1}", 8, 0, "where \"scores\" is called for" },
    { "error without id", READY, "{\"op\":\"error\",\"code\":\"io\"}", 0, 0, "\"id\"" },
    { "log a number", READY, "{\"op\":\"log\",\"text\":3,\"id\":1}", 0, 0, "where \"scores\" is called for" },
    { "progress a text", READY, "{\"op\":\"progress\",\"done\":\"all\",\"id\":1}", 0, 0, "where \"scores\"" },
    { "never", READY, "", 0, 0, "nothing was heard" },
    { "scores nan", READY, "{\"op\":\"scores\",\"id\":NaN}", 8, 0, "not a JSON object" },
    { "magic", READY, "MAGIC", 0, 0, "not with 77 6e 30 0a" },
};

enum { CASES = sizeof cases / sizeof cases[0] };

static void put(const void *data, size_t bytes)
{
    if (write(STDOUT_FILENO, data, bytes) < 0)
        _exit(1);
}

static void say(const char *text, uint64_t data_bytes, uint64_t claims)
{
    static const char zeros[64];
    static char deep[100000];
    uint8_t header[WN_FRAME_HEADER];
    if (!*text)
        pause();
    if (strcmp(text, "DEEP") == 0)
        text = memset(deep, '[', sizeof deep - 1);
    wn_frame_write_header(header, strlen(text), claims ? claims : data_bytes);
    if (strcmp(text, "MAGIC") == 0)
        header[0] = 'W';
    put(header, sizeof header);
    put(text, strlen(text));
    put(zeros, data_bytes);
}

static int work(const struct hostile *h)
{
    const struct wn_pipe in = { .in = STDIN_FILENO, .out = STDOUT_FILENO };
    const struct wn_frame_limits limits = { WN_FRAME_MAX_TEXT, UINT64_MAX };
    struct wn_frame frame;
    wn_error err;
    fprintf(stderr, "the case is %s\n", h->name);
    if (wn_frame_receive(&in, limits, &frame, &err) != WN_OK)
        return 1;
    wn_frame_free(&frame);
    say(h->hello, h->score ? 0 : h->data_bytes, h->score ? 0 : h->claims);
    if (wn_frame_receive(&in, limits, &frame, &err) != WN_OK)
        return 0;
    wn_frame_free(&frame);
    say(h->score, h->data_bytes, h->claims);
    return 0;
}

/* ---- the host ---------------------------------------------------------------------------------------------------- */

static atomic_int is_cancelled;
static char last_line[300];

static void host_log(void *ctx, int32_t level, const char *line)
{
    (void)ctx, (void)level;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static int32_t host_cancelled(void *ctx)
{
    (void)ctx;
    return is_cancelled;
}

static void host_progress(void *ctx, double done, double total, const char *what)
{
    (void)ctx, (void)done, (void)total, (void)what;
}

static uint32_t host_threads(void *ctx)
{
    (void)ctx;
    return 1;
}

static void host_uses_file(void *ctx, const char *path)
{
    (void)ctx, (void)path;
}

static const wn_host host = { .struct_size = sizeof host,
                              .log = host_log,
                              .cancelled = host_cancelled,
                              .progress = host_progress,
                              .thread_count = host_threads,
                              .uses_file = host_uses_file };

static struct wn_worker_setup setup_for(const char *const *argv, double patience_s)
{
    return (struct wn_worker_setup){ .host = &host,
                                     .name = "hostile",
                                     .argv = argv,
                                     .kind = "verifier",
                                     .options = "{}",
                                     .start_s = patience_s,
                                     .answer_s = patience_s,
                                     .attempts = 1 };
}

static wn_status score_once(struct wn_worker_verifier *v, wn_error *err)
{
    static const uint8_t pixels[3] = { 1, 2, 3 };
    const wn_prompt prompt = { "a", "p1", "", "{}" }, *of[1] = { &prompt };
    const wn_image image = { 1, 1, pixels };
    double score = 7;
    const wn_score_request r = { sizeof r, 1, of, &image, NULL, &score };
    const wn_status status = wn_worker_verifier_score(v, &r, err);
    CHECK(score == 7); /* a failure leaves nothing behind */
    return status;
}

static void check_case(const char *self, const struct hostile *h)
{
    const char *argv[] = { self, h->name, NULL };
    const int waits = !*h->hello || (h->score && !*h->score);
    const struct wn_worker_setup setup = setup_for(argv, waits ? 0.3 : 20);
    struct wn_worker_verifier *v = NULL;
    wn_error err = { 0 };
    wn_status status = wn_worker_verifier_open(&setup, &v, &err);
    if (h->score)
        CHECK_OK(status, err);
    if (status == WN_OK)
        status = score_once(v, &err);
    if (status == WN_OK || !strstr(err.message, h->error))
        CHECK_FAIL("%s: status %d, \"%s\", want \"%s\"", h->name, status, err.message, h->error);
    CHECK_INT(err.code, status);
    wn_worker_verifier_close(v);
}

/* ---- more than one sentence --------------------------------------------------------------------------------------- */

static void check_errors_are_told(const char *self)
{
    const char *argv[] = { self, "no json", NULL };
    const struct wn_worker_setup setup = setup_for(argv, 20);
    struct wn_worker_verifier *v = NULL;
    wn_error err = { 0 };
    CHECK(wn_worker_verifier_open(&setup, &v, &err) != WN_OK);
    CHECK_STR(last_line, "the case is no json");
}

static void check_missing_program(void)
{
    const char *argv[] = { "/nowhere/at-all", NULL };
    const struct wn_worker_setup setup = setup_for(argv, 20);
    struct wn_worker_verifier *v = NULL;
    wn_error err = { 0 };
    CHECK_INT(wn_worker_verifier_open(&setup, &v, &err), WN_E_MISSING);
    CHECK_CONTAINS(err.message, "/nowhere/at-all cannot be started");
}

static void check_cancelled(const char *self)
{
    const char *argv[] = { self, "silence", NULL };
    const struct wn_worker_setup setup = setup_for(argv, 20);
    struct wn_worker_verifier *v = NULL;
    wn_error err = { 0 };
    is_cancelled = 1;
    CHECK_INT(wn_worker_verifier_open(&setup, &v, &err), WN_E_CANCELLED);
    is_cancelled = 0;
}

static int open_descriptors(void)
{
    int count = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (dir && readdir(dir))
        count++;
    closedir(dir);
    return count;
}

static int parent(const char *self)
{
    const int before = open_descriptors();
    for (int i = 0; i < CASES; i++)
        check_case(self, &cases[i]);
    check_errors_are_told(self);
    check_missing_program();
    check_cancelled(self);
    CHECK_INT(open_descriptors(), before);
    CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
    CHECK_INT(errno, ECHILD); /* no child, alive or dead, is left */
    printf("%d hostile workers\n", CASES);
    return CHECK_DONE();
}

int main(int argc, char **argv)
{
    for (int i = 0; argc > 1 && i < CASES; i++)
        if (strcmp(argv[1], cases[i].name) == 0)
            return work(&cases[i]);
    return argc > 1 ? 2 : parent(argv[0]);
}
