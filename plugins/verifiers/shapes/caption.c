/* caption.c - a word-by-word reader for captions such as "two red circles and a blue square".
 *
 * The text is split into lower-case words (a comma is a word of its own, one final full stop is dropped); every rule of
 * the grammar then takes words from the front or takes none.
 */
#include "caption.h"

#include "world.h"

#include <string.h>

enum { WORDS = 64, WORD_BYTES = 16 };

struct words {
    char word[WORDS][WORD_BYTES];
    int count;
    int next;
};

struct term {
    const char *text;
    int value;
};

static const struct term numbers[] = {
    { "a", 1 },   { "an", 1 },    { "one", 1 },   { "two", 2 },  { "three", 3 }, { "four", 4 }, { "five", 5 },
    { "six", 6 }, { "seven", 7 }, { "eight", 8 }, { "nine", 9 }, { "ten", 10 },  { NULL, 0 },
};
static const struct term colours[] = {
    { "red", SHAPES_RED },
    { "orange", SHAPES_ORANGE },
    { "yellow", SHAPES_YELLOW },
    { "green", SHAPES_GREEN },
    { "blue", SHAPES_BLUE },
    { "purple", SHAPES_PURPLE },
    { NULL, 0 },
};
static const struct term shapes[] = {
    { "circle", SHAPES_CIRCLE },
    { "circles", SHAPES_CIRCLE },
    { "square", SHAPES_SQUARE },
    { "squares", SHAPES_SQUARE },
    { "triangle", SHAPES_TRIANGLE },
    { "triangles", SHAPES_TRIANGLE },
    { NULL, 0 },
};
static const struct term relations[] = {
    { "to the left of", CAPTION_LEFT },   { "on the left of", CAPTION_LEFT },   { "left of", CAPTION_LEFT },
    { "to the right of", CAPTION_RIGHT }, { "on the right of", CAPTION_RIGHT }, { "right of", CAPTION_RIGHT },
    { "above", CAPTION_ABOVE },           { "below", CAPTION_BELOW },           { NULL, 0 },
};

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* False when there are more words, or longer ones, than any caption has. */
static bool split(const char *text, struct words *w)
{
    size_t end = strlen(text);

    memset(w, 0, sizeof *w);
    while (end > 0 && is_space(text[end - 1]))
        end--;
    if (end > 0 && text[end - 1] == '.')
        end--;
    for (size_t i = 0; i < end;) {
        size_t n = 0;
        if (is_space(text[i])) {
            i++;
            continue;
        }
        if (w->count == WORDS)
            return false;
        do {
            if (n == WORD_BYTES - 1)
                return false;
            w->word[w->count][n++] = lower(text[i]);
        } while (text[i++] != ',' && i < end && !is_space(text[i]) && text[i] != ',');
        w->count++;
    }
    return true;
}

static bool take(struct words *w, const char *word)
{
    if (w->next == w->count || strcmp(w->word[w->next], word) != 0)
        return false;
    w->next++;
    return true;
}

static int take_term(struct words *w, const struct term *terms)
{
    for (; terms->text; terms++)
        if (take(w, terms->text))
            return terms->value;
    return 0;
}

static bool take_phrase(struct words *w, const char *phrase)
{
    int start = w->next;

    while (*phrase) {
        char word[WORD_BYTES] = { 0 };
        size_t n = strcspn(phrase, " ");
        memcpy(word, phrase, n);
        if (!take(w, word)) {
            w->next = start;
            return false;
        }
        phrase += n + (phrase[n] == ' ');
    }
    return true;
}

static int take_relation(struct words *w)
{
    for (const struct term *t = relations; t->text; t++)
        if (take_phrase(w, t->text))
            return t->value;
    return 0;
}

static bool take_group(struct words *w, struct caption *c)
{
    struct caption_group g;

    if (c->group_count == CAPTION_GROUPS)
        return false;
    g.count = take_term(w, numbers);
    g.colour = take_term(w, colours);
    g.shape = take_term(w, shapes);
    if (!g.count || !g.colour || !g.shape)
        return false;
    for (int i = 0; i < c->group_count; i++)
        if (c->groups[i].colour == g.colour && c->groups[i].shape == g.shape)
            return false;
    c->groups[c->group_count++] = g;
    return true;
}

static bool take_joint(struct words *w)
{
    bool comma = take(w, ",");

    return take(w, "and") || comma;
}

bool caption_parse(const char *text, struct caption *out)
{
    struct words w;

    memset(out, 0, sizeof *out);
    if (!split(text, &w) || !take_group(&w, out))
        return false;
    out->relation = take_relation(&w);
    if (out->relation)
        return take_group(&w, out) && w.next == w.count;
    while (w.next < w.count)
        if (!take_joint(&w) || !take_group(&w, out))
            return false;
    return true;
}
