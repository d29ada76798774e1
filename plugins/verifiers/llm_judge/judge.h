/* judge.h - an instance, and the questions it asks. */
#ifndef LLM_JUDGE_JUDGE_H
#define LLM_JUDGE_JUDGE_H

#include "cache.h"
#include "http.h"
#include "meter.h"
#include "picture.h"
#include "provider.h"
#include "secret.h"
#include "template.h"

#include <winnow/verifier.h>

struct options {
    const char *provider;
    const char *model;
    const char *base_url;
    const char *key_env;
    int32_t allow_http;
    const char *ca_file;
    const char *template;
    double temperature;
    int64_t reply_tokens;
    const char *extra;
    int64_t votes;
    int64_t opponents; /* pairwise only */
    int64_t max_side;
    int64_t parallel;
    double timeout;
    double body_timeout;
    int64_t attempts;
    double backoff;
    double max_wait;
    const char *cache;
    int32_t offline;
    int64_t max_calls;
    int64_t max_tokens;
    double max_cost;
    double price_in;
    double price_out;
};

struct judge {
    const wn_host *host;
    const struct options *options;
    enum judge_mode mode;
    const struct provider *provider;
    struct template template;
    struct secret secret;
    struct cache cache;
    struct http http; /* all zero when offline */
    struct meter meter;
    cJSON *extra;
    nn_sha256 key_head; /* what all keys of the cache begin with */
    bool has_curl;

    bool is_closed;         /* the server will serve nobody: no more is asked */
    uint32_t closed_in_row; /* failures of that kind without a reply in between */
    bool told_limit, told_offline, told_damage, told_cache, told_passing;
    uint32_t complaints;
    double not_before; /* the server asked for quiet: nobody is asked about before */
    uint64_t from_cache, asked, failed;
    double first_sum; /* pairwise: preference for whichever picture came first, less 50 */
    uint64_t first_count;
    uint64_t random;
};

/* An image of a request; its text for the server is made when a question first needs it and freed after the last. */
struct picture {
    const wn_image *image;
    char hash[65];
    char *uri;
    uint64_t questions; /* open ones that show it */
};

/* One call to the model, and how it went. */
struct question {
    const wn_prompt *prompt;
    uint32_t picture[2];
    uint32_t picture_count;
    uint32_t vote;

    bool is_open, is_running, is_answered;
    uint32_t attempts; /* requests that met a passing failure, or run */
    uint32_t requests; /* all of them */
    bool was_garbled;  /* asked once more already */
    double not_before;
    struct verdict verdict;
    char key[65];
};

/* The images of a request with their hashes; free with free_pictures. */
wn_status make_pictures(const struct judge *j, const wn_score_request *request, struct picture **pictures,
                        wn_error *err);
void free_pictures(struct picture *pictures, uint64_t count); /* NULL is fine */

/* Answers the questions, from the cache or by asking; one that stays without an answer is no error, and the log says
 * why. WN_E_CANCELLED soon after the user interrupts. [serial] */
wn_status ask_all(struct judge *j, struct picture *pictures, struct question *questions, uint64_t count, wn_error *err);

/* One image at a time; scores as in wn_score_request. [serial] */
wn_status score_pointwise(struct judge *j, const wn_score_request *request, wn_error *err);
/* Every image against others of its prompt. [serial] */
wn_status score_pairwise(struct judge *j, const wn_score_request *request, wn_error *err);

/* A line for the log, with the key masked. */
WN_PRINTF(3, 4) void judge_log(const struct judge *j, int32_t level, const char *format, ...);

enum { JUDGE_METRICS = VERDICT_ASPECTS + 1 };
/* Sets an image's row: the overall score, then the aspects. */
void judge_put_row(double *row, const double value[VERDICT_ASPECTS]);

#endif
