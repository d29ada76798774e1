/* gemini.c - Google's generateContent. */
#include "provider.h"

#include "picture.h"

#include <string.h>

static void path(const char *model, char *to, size_t size)
{
    snprintf(to, size, "/models/%s:generateContent", model);
}

/* ---- request ---- */

static void put_parts(const struct ask *ask, cJSON *body, bool *failed)
{
    cJSON *system = json_put_array(json_put_object(body, "systemInstruction", failed), "parts", failed);
    json_put_text(json_put_object(system, NULL, failed), "text", ask->system, failed);
    cJSON *content = json_put_object(json_put_array(body, "contents", failed), NULL, failed);
    json_put_text(content, "role", "user", failed);
    cJSON *parts = json_put_array(content, "parts", failed);
    json_put_text(json_put_object(parts, NULL, failed), "text", ask->user, failed);
    for (uint32_t i = 0; i < ask->image_count; i++) {
        cJSON *image = json_put_object(json_put_object(parts, NULL, failed), "inline_data", failed);
        json_put_text(image, "mime_type", "image/png", failed);
        json_put_text(image, "data", picture_base64(ask->images[i]), failed);
    }
}

static void request(const struct ask *ask, cJSON *body, bool *failed)
{
    put_parts(ask, body, failed);
    cJSON *config = json_put_object(body, "generationConfig", failed);
    if (ask->temperature >= 0)
        json_put_number(config, "temperature", ask->temperature, failed);
    json_put_number(config, "maxOutputTokens", (double)ask->reply_tokens, failed);
    json_put_number(config, "seed", (double)ask->seed, failed);
    json_put_text(config, "responseMimeType", "application/json", failed);
    verdict_put_schema(config, "responseSchema", VERDICT_GEMINI, ask->mode, failed);
}

/* ---- reply ---- */

/* The first part that is an answer, not a thought. */
static const char *text_of(const cJSON *candidate)
{
    const cJSON *parts = json_member(json_member(candidate, "content"), "parts"), *part;
    cJSON_ArrayForEach(part, parts) if (json_text(part, "text") &&
                                        !cJSON_IsTrue(json_member(part, "thought"))) return json_text(part, "text");
    return NULL;
}

static bool is_refusal(const char *finish)
{
    static const char *const refusals[] = { "SAFETY",       "RECITATION", "BLOCKLIST", "PROHIBITED_CONTENT",
                                            "IMAGE_SAFETY", "SPII" };
    for (size_t i = 0; finish && i < sizeof refusals / sizeof refusals[0]; i++)
        if (strcmp(finish, refusals[i]) == 0)
            return true;
    return false;
}

static void reply(const cJSON *body, struct found *found, struct answer *answer)
{
    const cJSON *usage = json_member(body, "usageMetadata");
    const cJSON *candidate = cJSON_GetArrayItem(json_member(body, "candidates"), 0);
    const char *finish = json_text(candidate, "finishReason");
    const char *block = json_text(json_member(body, "promptFeedback"), "blockReason");
    answer_add_tokens(answer, &answer->tokens_in, usage, "promptTokenCount");
    if (json_member(usage, "candidatesTokenCount") || !block) /* a blocked prompt has no answer to count */
        answer_add_tokens(answer, &answer->tokens_out, usage, "candidatesTokenCount");
    if (json_member(usage, "thoughtsTokenCount"))
        answer_add_tokens(answer, &answer->tokens_out, usage, "thoughtsTokenCount");
    found->text = text_of(candidate);
    if (block)
        answer_set(answer, ANSWER_REFUSED, "the prompt or picture is blocked: %.60s", block);
    else if (is_refusal(finish))
        answer_set(answer, ANSWER_REFUSED, "the answer is withheld: %.60s", finish);
    else if (finish && strcmp(finish, "MAX_TOKENS") == 0)
        answer_set(answer, ANSWER_UNUSABLE, "the answer was cut off at the limit of reply_tokens");
    else if (!found->text)
        answer_set(answer, ANSWER_UNUSABLE, "the reply has no candidates[0].content.parts[].text");
}

const struct provider provider_gemini = {
    .name = "gemini",
    .base_url = "https://generativelanguage.googleapis.com/v1beta",
    .key_env = "GEMINI_API_KEY",
    .key_prefix = "x-goog-api-key: ",
    .path = path,
    .request = request,
    .reply = reply,
};
