/* provider.c - what the three dialects share. */
#include "provider.h"

#include <math.h>
#include <string.h>

const struct provider *provider_by_name(const char *name)
{
    static const struct provider *const all[] = { &provider_openai, &provider_gemini, &provider_anthropic };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i]->name, name) == 0)
            return all[i];
    return NULL;
}

char *provider_request(const struct provider *p, const struct ask *ask)
{
    bool failed = false;
    cJSON *body = cJSON_CreateObject();
    p->request(ask, body, &failed);
    if (body && ask->extra)
        json_merge(body, ask->extra, &failed);
    char *text = body && !failed ? cJSON_PrintUnformatted(body) : NULL;
    cJSON_Delete(body);
    return text;
}

void answer_set(struct answer *answer, enum answer_kind kind, const char *format, ...)
{
    va_list args;
    answer->kind = kind;
    va_start(args, format);
    vsnprintf(answer->why, sizeof answer->why, format, args);
    va_end(args);
}

void answer_add_tokens(struct answer *answer, uint64_t *tokens, const cJSON *usage, const char *name)
{
    const cJSON *item = json_member(usage, name);
    const double count = cJSON_IsNumber(item) ? item->valuedouble : -1;
    if (count >= 0 && count <= 1e9 && floor(count) == count)
        *tokens += (uint64_t)count;
    else
        answer->has_usage = false;
}

static void read_found(const struct found *found, struct answer *answer)
{
    char why[160];
    cJSON *parsed = found->text ? json_read(found->text, strlen(found->text)) : NULL;
    const cJSON *reply = found->text ? parsed : found->object;
    if (!reply)
        answer_set(answer, ANSWER_UNUSABLE, "the model's answer is not one JSON object");
    else if (!verdict_read(reply, &answer->verdict, why))
        answer_set(answer, ANSWER_UNUSABLE, "%s", why);
    else
        answer->kind = ANSWER_VERDICT;
    cJSON_Delete(parsed);
}

void provider_answer(const struct provider *p, const char *body, size_t bytes, struct answer *answer)
{
    struct found found = { NULL, NULL };
    *answer = (struct answer){ .has_usage = true };
    cJSON *root = json_read(body, bytes);
    if (!root) {
        answer->has_usage = false;
        answer_set(answer, ANSWER_UNUSABLE, "the server's reply of %zu bytes is not JSON without repeated keys", bytes);
        return;
    }
    p->reply(root, &found, answer);
    if (!answer->kind)
        read_found(&found, answer);
    cJSON_Delete(root);
}
