/* openai.c - OpenAI's chat completions, which most servers of local models speak as well. */
#include "provider.h"

#include <string.h>

static void path(const char *model, char *to, size_t size)
{
    (void)model; /* in the body */
    snprintf(to, size, "/chat/completions");
}

/* ---- request ---- */

static cJSON *put_part(cJSON *content, const char *type, bool *failed)
{
    cJSON *part = json_put_object(content, NULL, failed);
    json_put_text(part, "type", type, failed);
    return part;
}

static void put_messages(const struct ask *ask, cJSON *body, bool *failed)
{
    cJSON *messages = json_put_array(body, "messages", failed);
    cJSON *system = json_put_object(messages, NULL, failed);
    json_put_text(system, "role", "system", failed);
    json_put_text(system, "content", ask->system, failed);
    cJSON *user = json_put_object(messages, NULL, failed);
    json_put_text(user, "role", "user", failed);
    cJSON *content = json_put_array(user, "content", failed);
    json_put_text(put_part(content, "text", failed), "text", ask->user, failed);
    for (uint32_t i = 0; i < ask->image_count; i++) {
        cJSON *part = put_part(content, "image_url", failed);
        json_put_text(json_put_object(part, "image_url", failed), "url", ask->images[i], failed);
    }
}

static void put_format(const struct ask *ask, cJSON *body, bool *failed)
{
    cJSON *format = json_put_object(body, "response_format", failed);
    json_put_text(format, "type", "json_schema", failed);
    cJSON *schema = json_put_object(format, "json_schema", failed);
    json_put_text(schema, "name", "verdict", failed);
    json_put(schema, "strict", cJSON_CreateTrue(), failed);
    verdict_put_schema(schema, "schema", VERDICT_JSON_SCHEMA, ask->mode, failed);
}

static void request(const struct ask *ask, cJSON *body, bool *failed)
{
    json_put_text(body, "model", ask->model, failed);
    put_messages(ask, body, failed);
    put_format(ask, body, failed);
    if (ask->temperature >= 0)
        json_put_number(body, "temperature", ask->temperature, failed);
    json_put_number(body, "max_tokens", (double)ask->reply_tokens, failed);
    json_put_number(body, "seed", (double)ask->seed, failed);
}

/* ---- reply ---- */

static void reply(const cJSON *body, struct found *found, struct answer *answer)
{
    const cJSON *usage = json_member(body, "usage");
    const cJSON *choice = cJSON_GetArrayItem(json_member(body, "choices"), 0),
                *message = json_member(choice, "message");
    const char *finish = json_text(choice, "finish_reason"), *refusal = json_text(message, "refusal");
    answer_add_tokens(answer, &answer->tokens_in, usage, "prompt_tokens");
    answer_add_tokens(answer, &answer->tokens_out, usage, "completion_tokens");
    found->text = json_text(message, "content");
    if (refusal && *refusal)
        answer_set(answer, ANSWER_REFUSED, "the model refuses: %.120s", refusal);
    else if (finish && strcmp(finish, "content_filter") == 0)
        answer_set(answer, ANSWER_REFUSED, "the server's content filter stopped the answer");
    else if (finish && strcmp(finish, "length") == 0)
        answer_set(answer, ANSWER_UNUSABLE, "the answer was cut off at the limit of reply_tokens");
    else if (!found->text)
        answer_set(answer, ANSWER_UNUSABLE, "the reply has no choices[0].message.content");
}

const struct provider provider_openai = {
    .name = "openai",
    .base_url = "https://api.openai.com/v1",
    .key_env = "OPENAI_API_KEY",
    .key_prefix = "Authorization: Bearer ",
    .path = path,
    .request = request,
    .reply = reply,
};
