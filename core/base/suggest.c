/* suggest.c - edit distance (Damerau-Levenshtein, optimal string alignment) over three rows. */
#include "base/suggest.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LENGTH = 63 };

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + 32) : c;
}

static uint32_t smallest(uint32_t a, uint32_t b, uint32_t c)
{
    uint32_t d = a < b ? a : b;
    return d < c ? d : c;
}

static uint64_t name_length(const char *name)
{
    return strcspn(name, "|");
}

uint32_t suggest_distance(const char *a, const char *b)
{
    uint64_t n = name_length(a), m = name_length(b);
    if (n > MAX_LENGTH || m > MAX_LENGTH)
        return UINT32_MAX;
    uint32_t rows[3][MAX_LENGTH + 1];
    for (uint32_t k = 0; k <= m; k++)
        rows[0][k] = k;
    for (uint32_t i = 1; i <= n; i++) {
        uint32_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (uint32_t k = 1; k <= m; k++) {
            uint32_t change = lower(a[i - 1]) != lower(b[k - 1]);
            row[k] = smallest(above[k] + 1, row[k - 1] + 1, above[k - 1] + change);
            if (i > 1 && k > 1 && lower(a[i - 1]) == lower(b[k - 2]) && lower(a[i - 2]) == lower(b[k - 1]) &&
                above2[k - 2] + 1 < row[k])
                row[k] = above2[k - 2] + 1;
        }
    }
    return rows[n % 3][m];
}

struct suggest suggest_begin(const char *word)
{
    return (struct suggest){ .word = word, .distance = UINT32_MAX };
}

/* Two edits, or a third of the word: "candidats", "candiates", "candidate"; a beginning of the name counts as one. */
void suggest_try(struct suggest *s, const char *name)
{
    uint64_t length = strlen(s->word);
    uint32_t distance = suggest_distance(s->word, name);
    if (distance > 1 && length >= 3 && strncmp(s->word, name, length) == 0)
        distance = 1;
    uint32_t allowed = length < 3 ? 1 : length < 6 ? 2 : (uint32_t)(length / 3 > 4 ? 4 : length / 3);
    if (distance <= allowed && distance < s->distance) {
        s->best = name;
        s->distance = distance;
    }
}

void suggest_try_choices(struct suggest *s, const char *choices)
{
    while (choices && *choices) {
        suggest_try(s, choices);
        choices = strchr(choices, '|');
        choices = choices ? choices + 1 : NULL;
    }
}

const char *suggest_text(const struct suggest *s, char text[128])
{
    if (s->best)
        snprintf(text, 128, "; did you mean \"%.*s\"?", (int)name_length(s->best), s->best);
    else
        text[0] = '\0';
    return text;
}
