/* provider.h - the dialects that judges are asked in: a request's JSON, and what to make of the reply's.
 *
 *   openai     POST {base}/chat/completions: OpenAI, OpenRouter, vLLM, llama.cpp's server, Ollama's /v1, LM Studio
 *   gemini     POST {base}/models/{model}:generateContent
 *   anthropic  POST {base}/messages, where the verdict is the input of a tool that the model has to use
 */
#ifndef LLM_JUDGE_PROVIDER_H
#define LLM_JUDGE_PROVIDER_H

#include "verdict.h"

#include <winnow/plugin.h>

/* One question to a model. */
struct ask {
    enum judge_mode mode;
    const char *model;
    const char *system;
    const char *user;
    const char *images[2]; /* data URIs of PNG */
    uint32_t image_count;
    double temperature; /* below 0: the server's own */
    int64_t reply_tokens;
    int64_t seed;
    const cJSON *extra; /* merged into the request; NULL = nothing */
};

enum answer_kind {
    ANSWER_VERDICT = 1,
    ANSWER_UNUSABLE = 2, /* not what was asked for: worth asking once more */
    ANSWER_REFUSED = 3   /* the model or its filter will not */
};

struct answer {
    enum answer_kind kind;
    struct verdict verdict;
    bool has_usage;
    uint64_t tokens_in;
    uint64_t tokens_out;
    char why[200]; /* of the last two; may quote the server */
};

/* Where a reply has its verdict: in a text that is JSON, or as an object. */
struct found {
    const char *text;
    const cJSON *object;
};

struct provider {
    const char *name;
    const char *base_url;
    const char *key_env;
    const char *key_prefix; /* the header that carries the key, up to the key */
    const char *header;     /* another one, or NULL */

    /* What follows the base in the URL. */
    void (*path)(const char *model, char *path, size_t size);
    void (*request)(const struct ask *ask, cJSON *body, bool *failed);
    /* Fills *found and the usage, or sets kind and why. */
    void (*reply)(const cJSON *body, struct found *found, struct answer *answer);
};

extern const struct provider provider_openai;
extern const struct provider provider_gemini;
extern const struct provider provider_anthropic;

const struct provider *provider_by_name(const char *name); /* one of the three, else NULL */

/* The request as JSON text, for cJSON_free(); NULL without memory. [any] */
char *provider_request(const struct provider *p, const struct ask *ask);
/* Reads the body of a reply with status 200. [any] */
void provider_answer(const struct provider *p, const char *body, size_t bytes, struct answer *answer);

/* ---- for the three ---- */

WN_PRINTF(3, 4) void answer_set(struct answer *answer, enum answer_kind kind, const char *format, ...);
/* Adds a count of tokens; one that is no whole number of at most 1e9 is no count, and has_usage becomes false. */
void answer_add_tokens(struct answer *answer, uint64_t *tokens, const cJSON *usage, const char *name);

#endif
