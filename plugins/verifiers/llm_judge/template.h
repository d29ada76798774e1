/* template.h - the words that a judge is asked with: a text file with a version, two sections and one placeholder.
 *
 *     winnow judge template 1, pointwise
 *     [system]
 *     what the judge is told once
 *     [user]
 *     what it is told of a picture, with {prompt} where the prompt goes
 *
 * {{ and }} stand for braces. Any other brace is an error: a misspelt placeholder would silently ask about nothing.
 */
#ifndef LLM_JUDGE_TEMPLATE_H
#define LLM_JUDGE_TEMPLATE_H

#include "verdict.h"

#include <winnow/plugin.h>

struct template
{
    char *text;   /* the file, cut into sections; owned */
    char *system; /* into text, braces resolved */
    char *user;   /* into text, as written */
    char *whole;  /* the file as it was read, for the cache's keys; owned */
};

extern const char template_pointwise[];
extern const char template_pairwise[];

/* Takes text, a NUL-terminated copy of the file; name is for messages. [setup] */
wn_status template_parse(struct template *t, const char *name, const char *text, enum judge_mode mode, wn_error *err);
wn_status template_open(struct template *t, const char *path, enum judge_mode mode, wn_error *err);
void template_finish(struct template *t);

/* The user's part with the prompt in its place, which is not read for placeholders; free() it. NULL without memory. */
char *template_render(const struct template *t, const char *prompt);

#endif
