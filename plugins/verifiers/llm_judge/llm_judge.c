/* llm_judge.c - asks a vision language model how good a picture is (llm_judge), or which of two is better
 * (llm_judge_pairwise), in the five aspects of the inference-time scaling paper.
 *
 * Two plugins in one module rather than one with a mode: a verifier's table says whether it compares, and `winnow
 * check` reads tables only. They share everything but the template, the meaning of a number, and who is asked about
 * with whom.
 */
#include "judge.h"

#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* ---- options ---- */

#define FIRST_OPTIONS                                                                                                  \
    WN_ENUM(struct options, provider, "\"openai\"", "openai|gemini|anthropic",                                         \
            "What the server speaks; openai is also vLLM, llama.cpp, Ollama's /v1, LM Studio, OpenRouter."),           \
        WN_STRING(struct options, model, NULL, "The model's name, as the server knows it."),                           \
        WN_STRING(struct options, base_url, "\"\"",                                                                    \
                  "The server, as http://127.0.0.1:8080/v1; empty: the provider's own."),                              \
        WN_STRING(struct options, key_env, "\"\"",                                                                     \
                  "Environment variable with the API key; empty: the provider's usual one, or none with a base_url."), \
        WN_BOOL(struct options, allow_http, "false", "Allows http:// to other machines, where all can be read."),      \
        WN_PATH(struct options, ca_file, "\"\"", "Certificates (PEM) to trust instead of the system's."),              \
        WN_PATH(struct options, template, "\"\"", "A file with the words to ask with; empty: the built-in one."),      \
        WN_NUMBER(struct options, temperature, "-1", -1, 2,                                                            \
                  "Sampling temperature; -1: not sent, as newer models want."),                                        \
        WN_INT(struct options, reply_tokens, "600", 16, 65536, "Most tokens of one answer."),                          \
        WN_JSON(struct options, extra, "{}", "Members to merge into every request; null removes one (RFC 7396)."),     \
        WN_INT(struct options, votes, "1", 1, 64, "How often each question is asked; the score is the mean.")

#define LAST_OPTIONS                                                                                                   \
    WN_INT(struct options, max_side, "768", 0, 8192, "Longest side of an image that is sent, pixels; 0: as it is."),   \
        WN_INT(struct options, parallel, "4", 1, 64, "Requests at a time."),                                           \
        WN_NUMBER(struct options, timeout, "120", 0.05, 3600, "Seconds for one request."),                             \
        WN_NUMBER(struct options, body_timeout, "30", 0.05, 3600, "Seconds from a reply's first byte to its last."),   \
        WN_INT(struct options, attempts, "8", 1, 100, "Requests for a question while the server is busy or away."),    \
        WN_NUMBER(struct options, backoff, "1", 0.001, 60, "Seconds of the first wait; each further one may double."), \
        WN_NUMBER(struct options, max_wait, "120", 0.001, 3600, "Longest wait; a server that asks for more is left."), \
        WN_STRING(struct options, cache, "\"\"",                                                                       \
                  "Directory of answers; empty: ~/.cache/winnow/llm_judge; \"off\": none."),                           \
        WN_BOOL(struct options, offline, "false", "Answers from the cache only; the network is not touched."),         \
        WN_INT(struct options, max_calls, "0", 0, 1e12, "Most requests of one start; 0: no limit."),                   \
        WN_INT(struct options, max_tokens, "0", 0, 1e15, "Most tokens, in and out, of one start; 0: no limit."),       \
        WN_NUMBER(struct options, max_cost, "0", 0, 1e9, "Most cost of one start, by the two prices; 0: no limit."),   \
        WN_NUMBER(struct options, price_in, "0", 0, 1e6, "Price of a million tokens in."),                             \
        WN_NUMBER(struct options, price_out, "0", 0, 1e6, "Price of a million tokens out."), WN_OPTIONS_END

static const wn_option pointwise_options[] = { FIRST_OPTIONS, LAST_OPTIONS };

static const wn_option pairwise_options[] = {
    FIRST_OPTIONS,
    WN_INT(struct options, opponents, "4", 2, 1000, "How many others an image is compared with; odd: one fewer."),
    LAST_OPTIONS,
};

/* ---- what both say ---- */

void judge_log(const struct judge *j, int32_t level, const char *format, ...)
{
    char line[900];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    secret_mask(&j->secret, line);
    j->host->log(j->host->ctx, level, line);
}

void judge_put_row(double *row, const double value[VERDICT_ASPECTS])
{
    row[0] = verdict_overall(value);
    memcpy(row + 1, value, VERDICT_ASPECTS * sizeof *value);
}

static void say_counts(const struct judge *j)
{
    const struct meter *m = &j->meter;
    judge_log(j, WN_LOG_INFO,
              "%llu judgements: %llu from the cache, %llu asked for, %llu failed; %llu requests, %llu tokens in, %llu "
              "out, cost %.4f",
              (unsigned long long)(j->from_cache + j->asked + j->failed), (unsigned long long)j->from_cache,
              (unsigned long long)j->asked, (unsigned long long)j->failed, (unsigned long long)m->calls,
              (unsigned long long)m->tokens_in, (unsigned long long)m->tokens_out, meter_cost(m));
    if (j->first_count > 0)
        judge_log(j, WN_LOG_INFO,
                  "whichever picture came first was preferred by %+.1f points (taken out of the scores)",
                  j->first_sum / (double)j->first_count);
}

/* ---- life ---- */

static wn_status read_extra(struct judge *j, wn_error *err)
{
    static const char *const ours[] = { "model", "messages",    "contents", "system", "systemInstruction",
                                        "tools", "tool_choice", "stream",   "n" };
    const char *text = j->options->extra;
    j->extra = json_read(text, strlen(text));
    if (!cJSON_IsObject(j->extra))
        return wn_fail(err, WN_E_ARG, "extra is not an object with every key once; give members of the request");
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        if (json_member(j->extra, ours[i]))
            return wn_fail(err, WN_E_ARG, "extra has the member %s, which the verifier writes itself; remove it",
                           ours[i]);
    return WN_OK;
}

static wn_status check_options(const struct judge *j, wn_error *err)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const struct options *o = j->options;
    const bool is_in_url = j->provider == &provider_gemini;
    if (!*o->model || strlen(o->model) > 200 || (is_in_url && o->model[strspn(o->model, plain)]))
        return wn_fail(err, WN_E_ARG, "model \"%.200s\": a name of 1 to 200 bytes is wanted%s", o->model,
                       is_in_url ? ", of letters, digits, '.', '_' and '-'" : "");
    if (o->max_cost > 0 && !(o->price_in > 0) && !(o->price_out > 0))
        return wn_fail(err, WN_E_ARG, "max_cost is %g, but price_in and price_out are 0; give the model's prices",
                       o->max_cost);
    if (o->offline && strcmp(o->cache, "off") == 0)
        return wn_fail(err, WN_E_ARG,
                       "offline is true and cache is \"off\": there is nothing to answer from; name a cache");
    return WN_OK;
}

static wn_status open_template(struct judge *j, wn_error *err)
{
    const char *name = j->options->template;
    char path[4096];
    if (!*name)
        return template_parse(&j->template, "the built-in template",
                              j->mode == JUDGE_PAIRWISE ? template_pairwise : template_pointwise, j->mode, err);
    WN_TRY(j->host->resolve(j->host->ctx, name, path, sizeof path, err));
    WN_TRY(template_open(&j->template, path, j->mode, err));
    j->host->uses_file(j->host->ctx, path);
    return WN_OK;
}

/* What all questions of the instance have in common goes into the cache's keys first. The schema's number stands for
 * its text; the server's address is there since one name may be another model elsewhere. */
static void begin_keys(struct judge *j, const char *base)
{
    const struct options *o = j->options;
    char numbers[200];
    nn_sha256_begin(&j->key_head);
    snprintf(numbers, sizeof numbers, "llm_judge schema %d mode %d temperature %.17g tokens %lld side %lld",
             VERDICT_SCHEMA, (int)j->mode, o->temperature, (long long)o->reply_tokens, (long long)o->max_side);
    const char *const fields[] = { numbers, j->provider->name, base, o->model, j->template.whole, o->extra };
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        nn_sha256_add_field(&j->key_head, fields[i], strlen(fields[i]));
}

/* The key is sent where the provider itself is asked, or where key_env says so: a spec with another server's address
 * does not get it by accident. */
static wn_status find_key(struct judge *j, wn_error *err)
{
    const struct options *o = j->options;
    const char *variable = *o->key_env ? o->key_env : *o->base_url ? "" : j->provider->key_env;
    return *variable ? secret_read(&j->secret, variable, j->provider->key_prefix, err) : WN_OK;
}

static wn_status open_server(struct judge *j, const char *base, bool is_local, wn_error *err)
{
    const struct options *o = j->options;
    char path[300], url[1024], ca_file[4096] = "";
    j->provider->path(o->model, path, sizeof path);
    snprintf(url, sizeof url, "%s%s", base, path);
    WN_TRY(find_key(j, err));
    if (*o->ca_file)
        WN_TRY(j->host->resolve(j->host->ctx, o->ca_file, ca_file, sizeof ca_file, err));
    const struct http_settings settings = { .url = url,
                                            .ca_file = ca_file,
                                            .secret = &j->secret,
                                            .header = j->provider->header,
                                            .timeout_s = o->timeout,
                                            .body_timeout_s = o->body_timeout };
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return wn_fail(err, WN_E_UNSUPPORTED, "libcurl %s does not start", curl_version());
    j->has_curl = true;
    return http_open(&j->http, &settings, is_local, (uint32_t)o->parallel, err);
}

static wn_status open(struct judge *j, wn_error *err)
{
    const struct options *o = j->options;
    char base[600];
    bool is_local;
    j->provider = provider_by_name(o->provider);
    WN_TRY(check_options(j, err));
    WN_TRY(read_extra(j, err));
    if (strlen(o->base_url) > 500)
        return wn_fail(err, WN_E_ARG, "base_url has %zu bytes; the limit is 500", strlen(o->base_url));
    snprintf(base, sizeof base, "%s", *o->base_url ? o->base_url : j->provider->base_url);
    for (size_t n = strlen(base); n > 0 && base[n - 1] == '/'; n--)
        base[n - 1] = '\0';
    WN_TRY(http_check_base(base, o->allow_http != 0, &is_local, err));
    WN_TRY(open_template(j, err));
    WN_TRY(cache_open(&j->cache, o->cache, err));
    begin_keys(j, base);
    if (getrandom(&j->random, sizeof j->random, GRND_NONBLOCK) != sizeof j->random || j->random == 0)
        j->random = (uint64_t)time(NULL) | 1; /* spreads waits, nothing more */
    return o->offline ? WN_OK : open_server(j, base, is_local, err);
}

static void destroy(void *self)
{
    struct judge *j = self;
    if (!j)
        return;
    if (j->from_cache + j->asked + j->failed > 0)
        say_counts(j);
    http_close(&j->http);
    if (j->has_curl)
        curl_global_cleanup();
    secret_finish(&j->secret);
    cache_close(&j->cache);
    template_finish(&j->template);
    cJSON_Delete(j->extra);
    free(j);
}

static wn_status create(enum judge_mode mode, const wn_host *host, const void *given, void **self, wn_error *err)
{
    struct judge *j = calloc(1, sizeof *j);
    if (!j)
        return wn_fail(err, WN_E_MEMORY, "out of memory");
    j->host = host;
    j->options = given;
    j->mode = mode;
    j->meter = (struct meter){ .max_calls = (uint64_t)j->options->max_calls,
                               .max_tokens = (uint64_t)j->options->max_tokens,
                               .max_cost = j->options->max_cost,
                               .price_in = j->options->price_in,
                               .price_out = j->options->price_out };
    const wn_status status = open(j, err);
    if (status != WN_OK)
        destroy(j);
    else
        *self = j;
    return status;
}

static wn_status create_pointwise(const wn_host *host, const void *given, void **self, wn_error *err)
{
    return create(JUDGE_POINTWISE, host, given, self, err);
}

static wn_status create_pairwise(const wn_host *host, const void *given, void **self, wn_error *err)
{
    return create(JUDGE_PAIRWISE, host, given, self, err);
}

/* ---- tables ---- */

static wn_status score_each(void *self, const wn_score_request *request, wn_error *err)
{
    return score_pointwise(self, request, err);
}

static wn_status score_set(void *self, const wn_score_request *request, wn_error *err)
{
    return score_pairwise(self, request, err);
}

#define ROWS(overall, flags)                                                                                           \
    { "overall", overall, 0, 100, flags }, { "accuracy_to_prompt", "shows what the prompt says", 0, 100, flags },      \
        { "originality", "has an idea of its own", 0, 100, flags },                                                    \
        { "visual_quality", "is well made", 0, 100, flags },                                                           \
        { "internal_consistency", "its parts belong together", 0, 100, flags },                                        \
    {                                                                                                                  \
        "emotional_resonance", "carries a mood", 0, 100, flags                                                         \
    }

static const wn_metric pointwise_metrics[JUDGE_METRICS] = { ROWS(
    "mean of the five aspects, 0..100", WN_METRIC_HIGHER_IS_BETTER | WN_METRIC_ACROSS_PROMPTS) };

static const wn_metric pairwise_metrics[JUDGE_METRICS] = { ROWS(
    "mean of the five aspects; 50 = as good as those it was compared with", WN_METRIC_HIGHER_IS_BETTER) };

static const wn_verifier pointwise = {
    .struct_size = sizeof pointwise,
    .metrics = pointwise_metrics,
    .metric_count = JUDGE_METRICS,
    .flags = WN_VERIFIER_NEEDS_PROMPT | WN_VERIFIER_NEEDS_NETWORK,
    .score = score_each,
};

static const wn_verifier pairwise = {
    .struct_size = sizeof pairwise,
    .metrics = pairwise_metrics,
    .metric_count = JUDGE_METRICS,
    .flags = WN_VERIFIER_NEEDS_PROMPT | WN_VERIFIER_NEEDS_NETWORK | WN_VERIFIER_COMPARATIVE,
    .score = score_set,
};

static const wn_plugin pointwise_plugin = {
    .struct_size = sizeof pointwise_plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "llm_judge",
    .version = "1.0",
    .summary = "A vision language model grades each picture in five aspects.",
    .source = "Ma et al. 2025, arXiv:2501.09732",
    .options = pointwise_options,
    .options_size = sizeof(struct options),
    .create = create_pointwise,
    .destroy = destroy,
    .vtable = &pointwise,
};

static const wn_plugin pairwise_plugin = {
    .struct_size = sizeof pairwise_plugin,
    .kind = WN_KIND_VERIFIER,
    .name = "llm_judge_pairwise",
    .version = "1.0",
    .summary = "A vision language model compares the pictures of a set, two by two.",
    .source = "Ma et al. 2025, arXiv:2501.09732",
    .options = pairwise_options,
    .options_size = sizeof(struct options),
    .create = create_pairwise,
    .destroy = destroy,
    .vtable = &pairwise,
};

static const wn_plugin *const plugins[] = { &pointwise_plugin, &pairwise_plugin };

WN_EXPORT extern const wn_module wn_module_v0;
const wn_module wn_module_v0 = { sizeof(wn_module), WN_ABI_MAJOR, WN_ABI_MINOR, plugins,
                                 sizeof plugins / sizeof plugins[0] };
