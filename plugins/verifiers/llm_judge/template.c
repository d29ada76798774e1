/* template.c - checked once at the start, so that rendering cannot fail but for memory. */
#include "template.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEMPLATE_MAX = 1 << 16 };

static const char placeholder[] = "{prompt}";

/* ---- parsing ---- */

static wn_status check_head(const char *name, const char *text, enum judge_mode mode, wn_error *err)
{
    const char *want =
        mode == JUDGE_PAIRWISE ? "winnow judge template 1, pairwise\n" : "winnow judge template 1, pointwise\n";
    if (strncmp(text, want, strlen(want)) == 0)
        return WN_OK;
    return wn_fail(err, WN_E_FORMAT, "%s: its first line is \"%.*s\"; this verifier reads \"%.*s\"", name,
                   (int)(strcspn(text, "\n") < 80 ? strcspn(text, "\n") : 80), text, (int)strlen(want) - 1, want);
}

static int line_of(const char *text, const char *at)
{
    int line = 1;
    for (; text < at; text++)
        line += *text == '\n';
    return line;
}

/* Checks the braces of a section, and counts its placeholders. */
static wn_status check_braces(const char *name, const char *whole, const char *section, size_t offset, int *prompts,
                              wn_error *err)
{
    *prompts = 0;
    for (const char *c = section; *c;) {
        if (strncmp(c, placeholder, sizeof placeholder - 1) == 0) {
            ++*prompts;
            c += sizeof placeholder - 1;
        } else if (strncmp(c, "{{", 2) == 0 || strncmp(c, "}}", 2) == 0) {
            c += 2;
        } else if (*c == '{' || *c == '}') {
            return wn_fail(err, WN_E_FORMAT,
                           "%s: line %d: \"%.*s\" is no placeholder; there is {prompt}, and {{ and }} for braces", name,
                           line_of(whole, whole + offset + (c - section)), (int)strcspn(c, " \n"), c);
        } else {
            c++;
        }
    }
    return WN_OK;
}

/* {{ becomes { and }} becomes }, in place. */
static void resolve_braces(char *text)
{
    char *to = text;
    for (const char *from = text; *from; from++) {
        *to++ = *from;
        from += *from == '{' || *from == '}';
    }
    *to = '\0';
}

static wn_status cut(struct template *t, const char *name, wn_error *err)
{
    static const char system_line[] = "\n[system]\n", user_line[] = "\n[user]\n";
    char *system = strstr(t->text, system_line), *user = system ? strstr(system + 1, user_line) : NULL;
    if (!user)
        return wn_fail(err, WN_E_FORMAT, "%s: the lines [system] and [user] are wanted, in this order", name);
    *user = '\0';
    t->system = system + sizeof system_line - 1;
    t->user = user + sizeof user_line - 1;
    if (t->system > user)
        t->system = user; /* [user] follows [system] at once */
    return WN_OK;
}

static wn_status parse(struct template *t, const char *name, const char *text, enum judge_mode mode, wn_error *err)
{
    int in_system, in_user;
    WN_TRY(check_head(name, text, mode, err));
    t->text = strdup(text);
    t->whole = strdup(text);
    if (!t->text || !t->whole)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory for %zu bytes", name, strlen(text));
    WN_TRY(cut(t, name, err));
    WN_TRY(check_braces(name, t->whole, t->system, (size_t)(t->system - t->text), &in_system, err));
    WN_TRY(check_braces(name, t->whole, t->user, (size_t)(t->user - t->text), &in_user, err));
    if (in_system || !in_user)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: {prompt} stands %d times in [system] and %d times in [user]; it belongs "
                       "into [user]",
                       name, in_system, in_user);
    resolve_braces(t->system);
    return WN_OK;
}

wn_status template_parse(struct template *t, const char *name, const char *text, enum judge_mode mode, wn_error *err)
{
    *t = (struct template){ 0 };
    const wn_status status = parse(t, name, text, mode, err);
    if (status != WN_OK)
        template_finish(t);
    return status;
}

wn_status template_open(struct template *t, const char *path, enum judge_mode mode, wn_error *err)
{
    *t = (struct template){ 0 };
    char *text = malloc(TEMPLATE_MAX + 1);
    FILE *f = text ? fopen(path, "rbe") : NULL;
    if (!f) {
        free(text);
        return text ? wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", path,
                              strerror(errno))
                    : wn_fail(err, WN_E_MEMORY, "%s: no memory for %d bytes", path, TEMPLATE_MAX);
    }
    const size_t bytes = fread(text, 1, TEMPLATE_MAX + 1, f);
    const bool is_bad = ferror(f) != 0;
    fclose(f);
    wn_status status = WN_OK;
    if (is_bad)
        status = wn_fail(err, WN_E_IO, "%s: cannot read", path);
    else if (bytes > TEMPLATE_MAX || memchr(text, '\0', bytes))
        status = wn_fail(err, WN_E_FORMAT, "%s: has a byte 0 or more than %d bytes; a template is a short text", path,
                         TEMPLATE_MAX);
    if (status == WN_OK) {
        text[bytes] = '\0';
        status = template_parse(t, path, text, mode, err);
    }
    free(text);
    return status;
}

void template_finish(struct template *t)
{
    free(t->text);
    free(t->whole);
    *t = (struct template){ 0 };
}

/* ---- rendering ---- */

static size_t count_prompts(const char *text)
{
    size_t n = 0;
    while ((text = strstr(text, placeholder)) != NULL) {
        n++;
        text++;
    }
    return n;
}

char *template_render(const struct template *t, const char *prompt)
{
    const size_t length = strlen(prompt);
    char *rendered = malloc(strlen(t->user) + count_prompts(t->user) * length + 1), *to = rendered;
    for (const char *from = t->user; rendered && *from; from++) {
        if (strncmp(from, placeholder, sizeof placeholder - 1) == 0) {
            memcpy(to, prompt, length);
            to += length;
            from += sizeof placeholder - 2;
            continue;
        }
        *to++ = *from;
        from += *from == '{' || *from == '}'; /* doubled */
    }
    if (rendered)
        *to = '\0';
    return rendered;
}
