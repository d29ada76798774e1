/* verdict.h - what a judge is asked to say, and the check that it said just that.
 *
 * The five aspects are those of the inference-time scaling paper (Ma et al. 2025, figure 16). The servers are given a
 * JSON schema of them, but none is trusted to keep to it.
 */
#ifndef LLM_JUDGE_VERDICT_H
#define LLM_JUDGE_VERDICT_H

#include "json.h"

#include <stdint.h>

/* Counts up whenever the schema or the meaning of an answer changes: part of the cache's keys. */
enum { VERDICT_SCHEMA = 1, VERDICT_ASPECTS = 5 };

/* POINTWISE: a number is the quality of the one image, 0 to 100. PAIRWISE: how much the first image is to be preferred
 * to the second, 0 (the second by far) over 50 (neither) to 100. */
enum judge_mode { JUDGE_POINTWISE = 1, JUDGE_PAIRWISE = 2 };

/* JSON Schema; or the subset of OpenAPI's that Gemini's responseSchema takes. */
enum verdict_dialect { VERDICT_JSON_SCHEMA = 1, VERDICT_GEMINI = 2 };

struct verdict {
    double value[VERDICT_ASPECTS]; /* 0..100 */
};

extern const char *const verdict_aspects[VERDICT_ASPECTS];

/* Puts the schema into parent as `name`. */
void verdict_put_schema(cJSON *parent, const char *name, enum verdict_dialect dialect, enum judge_mode mode,
                        bool *failed);

/* Whether the reply is exactly one object of the schema: every member there and no other, numbers that are numbers and
 * in range. Says what is wrong in why. [any] */
bool verdict_read(const cJSON *reply, struct verdict *verdict, char why[160]);

/* The mean of the aspects: the paper's overall score. */
double verdict_overall(const double value[VERDICT_ASPECTS]);

#endif
