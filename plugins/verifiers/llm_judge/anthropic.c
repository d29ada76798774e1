/* anthropic.c - Anthropic's messages. The model has to use a tool whose input is the verdict: that works with every
 * model that sees pictures, where the newer structured outputs do not. */
#include "provider.h"

#include "picture.h"

#include <string.h>

static const char tool_name[] = "verdict";

static void path(const char *model, char *to, size_t size)
{
    (void)model; /* in the body */
    snprintf(to, size, "/messages");
}

/* ---- request ---- */

static void put_message(const struct ask *ask, cJSON *body, bool *failed)
{
    cJSON *message = json_put_object(json_put_array(body, "messages", failed), NULL, failed);
    json_put_text(message, "role", "user", failed);
    cJSON *content = json_put_array(message, "content", failed);
    cJSON *text = json_put_object(content, NULL, failed);
    json_put_text(text, "type", "text", failed);
    json_put_text(text, "text", ask->user, failed);
    for (uint32_t i = 0; i < ask->image_count; i++) {
        cJSON *image = json_put_object(content, NULL, failed);
        json_put_text(image, "type", "image", failed);
        cJSON *source = json_put_object(image, "source", failed);
        json_put_text(source, "type", "base64", failed);
        json_put_text(source, "media_type", "image/png", failed);
        json_put_text(source, "data", picture_base64(ask->images[i]), failed);
    }
}

static void put_tool(const struct ask *ask, cJSON *body, bool *failed)
{
    cJSON *tool = json_put_object(json_put_array(body, "tools", failed), NULL, failed);
    json_put_text(tool, "name", tool_name, failed);
    json_put_text(tool, "description", "Hands in the verdict.", failed);
    verdict_put_schema(tool, "input_schema", VERDICT_JSON_SCHEMA, ask->mode, failed);
    cJSON *choice = json_put_object(body, "tool_choice", failed);
    json_put_text(choice, "type", "tool", failed);
    json_put_text(choice, "name", tool_name, failed);
    json_put(choice, "disable_parallel_tool_use", cJSON_CreateTrue(), failed); /* one verdict */
}

static void request(const struct ask *ask, cJSON *body, bool *failed)
{
    json_put_text(body, "model", ask->model, failed);
    json_put_number(body, "max_tokens", (double)ask->reply_tokens, failed);
    json_put_text(body, "system", ask->system, failed);
    put_message(ask, body, failed);
    put_tool(ask, body, failed);
    if (ask->temperature >= 0)
        json_put_number(body, "temperature", ask->temperature, failed);
}

/* ---- reply ---- */

static const cJSON *tool_input(const cJSON *content)
{
    const cJSON *block;
    cJSON_ArrayForEach(block, content)
    {
        const char *type = json_text(block, "type"), *name = json_text(block, "name");
        if (type && name && strcmp(type, "tool_use") == 0 && strcmp(name, tool_name) == 0)
            return json_member(block, "input");
    }
    return NULL;
}

static void reply(const cJSON *body, struct found *found, struct answer *answer)
{
    const cJSON *usage = json_member(body, "usage");
    const char *stop = json_text(body, "stop_reason");
    answer_add_tokens(answer, &answer->tokens_in, usage, "input_tokens");
    answer_add_tokens(answer, &answer->tokens_out, usage, "output_tokens");
    found->object = tool_input(json_member(body, "content"));
    if (stop && strcmp(stop, "refusal") == 0)
        answer_set(answer, ANSWER_REFUSED, "the model refuses");
    else if (stop && strcmp(stop, "max_tokens") == 0)
        answer_set(answer, ANSWER_UNUSABLE, "the answer was cut off at the limit of reply_tokens");
    else if (!found->object)
        answer_set(answer, ANSWER_UNUSABLE, "the reply has no use of the tool %s", tool_name);
}

const struct provider provider_anthropic = {
    .name = "anthropic",
    .base_url = "https://api.anthropic.com/v1",
    .key_env = "ANTHROPIC_API_KEY",
    .key_prefix = "x-api-key: ",
    .header = "anthropic-version: 2023-06-01",
    .path = path,
    .request = request,
    .reply = reply,
};
