/* unicode.c - categories, lower case and normal forms: plain code for ASCII, utf8proc for the rest.
 *
 * A build without utf8proc still tokenizes ASCII prompts, which nearly all are, and says what it lacks for the others.
 */
#include "unicode.h"

#include <stdlib.h>
#include <string.h>

int unicode_put(int32_t point, char out[4])
{
    static const unsigned char lead[] = { 0, 0xc0, 0xe0, 0xf0 };
    int more = point < 0x80 ? 0 : point < 0x800 ? 1 : point < 0x10000 ? 2 : 3;
    out[0] = (char)(lead[more] | (point >> 6 * more));
    for (int i = 1; i <= more; i++)
        out[i] = (char)(0x80 | (point >> 6 * (more - i) & 0x3f));
    return more + 1;
}

static enum unicode_class classify_ascii(int32_t p)
{
    if (p == ' ' || (p >= 9 && p <= 13))
        return UNICODE_SPACE;
    if ((p >= 'a' && p <= 'z') || (p >= 'A' && p <= 'Z'))
        return UNICODE_LETTER;
    return p >= '0' && p <= '9' ? UNICODE_NUMBER : UNICODE_OTHER;
}

static bool is_ascii_control(int32_t p)
{
    return p < 0x20 || p == 0x7f;
}

/* ASCII has no other signs: what is neither control, space, letter nor number, is punctuation or a symbol. */
static bool is_ascii_punctuation(int32_t p)
{
    static const char signs[] = "!\"#%&'()*,-./:;?@[\\]_{}";
    return p > 0 && strchr(signs, p) != NULL;
}

static wn_status allocate(size_t count, int32_t **points, wn_error *err)
{
    *points = malloc((count + 1) * sizeof **points);
    return *points ? WN_OK : wn_fail(err, WN_E_MEMORY, "no memory for a text of %zu characters", count);
}

/* The first byte that is not ASCII, or the end. */
static const char *skip_ascii(const char *text)
{
    while ((unsigned char)(*text - 1) < 0x7f)
        text++;
    return text;
}

static wn_status decode_ascii(const char *text, int32_t **points, size_t *count, wn_error *err)
{
    *count = strlen(text);
    WN_TRY(allocate(*count, points, err));
    for (size_t i = 0; i < *count; i++)
        (*points)[i] = text[i];
    return WN_OK;
}

#ifdef WINNOW_HAVE_UTF8PROC

#include <utf8proc.h>

enum unicode_class unicode_classify(int32_t point)
{
    if (point < 0x80)
        return classify_ascii(point);
    utf8proc_category_t c = utf8proc_category(point);
    if (c >= UTF8PROC_CATEGORY_LU && c <= UTF8PROC_CATEGORY_LO)
        return UNICODE_LETTER;
    if (c >= UTF8PROC_CATEGORY_ND && c <= UTF8PROC_CATEGORY_NO)
        return UNICODE_NUMBER;
    if (c >= UTF8PROC_CATEGORY_ZS && c <= UTF8PROC_CATEGORY_ZP)
        return UNICODE_SPACE;
    return point == 0x85 ? UNICODE_SPACE : UNICODE_OTHER;
}

int unicode_lower(int32_t point, int32_t out[2])
{
    if (point == 0x130) { /* capital I with dot: the one unconditional mapping to two points */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = utf8proc_tolower(point);
    return 1;
}

static wn_status malformed(const char *text, wn_error *err)
{
    const char *at = text;
    utf8proc_int32_t point;
    for (utf8proc_ssize_t n; (n = utf8proc_iterate((const utf8proc_uint8_t *)at, -1, &point)) > 0 && point != 0;)
        at += n;
    return wn_fail(err, WN_E_ARG, "the text is not valid UTF-8 at byte %td (0x%02x)", at - text,
                   (unsigned)(unsigned char)*at);
}

bool unicode_is_mark(int32_t point)
{
    return point >= 0x80 && utf8proc_category(point) == UTF8PROC_CATEGORY_MN;
}

bool unicode_is_control(int32_t point)
{
    if (point < 0x80)
        return is_ascii_control(point);
    const utf8proc_category_t c = utf8proc_category(point);
    return c == UTF8PROC_CATEGORY_CC || c == UTF8PROC_CATEGORY_CF || c == UTF8PROC_CATEGORY_CO;
}

bool unicode_is_punctuation(int32_t point)
{
    if (point < 0x80)
        return is_ascii_punctuation(point);
    const utf8proc_category_t c = utf8proc_category(point);
    return c >= UTF8PROC_CATEGORY_PC && c <= UTF8PROC_CATEGORY_PO;
}

static wn_status decode(const char *text, utf8proc_option_t form, int32_t **points, size_t *count, wn_error *err)
{
    const utf8proc_option_t options = UTF8PROC_NULLTERM | UTF8PROC_STABLE | form;
    const utf8proc_uint8_t *bytes = (const utf8proc_uint8_t *)text;
    *points = NULL;
    if (!*skip_ascii(text))
        return decode_ascii(text, points, count, err);
    utf8proc_ssize_t n = utf8proc_decompose(bytes, 0, NULL, 0, options);
    if (n < 0)
        return malformed(text, err);
    WN_TRY(allocate((size_t)n, points, err));
    utf8proc_decompose(bytes, 0, *points, n, options);
    *count = (size_t)utf8proc_normalize_utf32(*points, n, options);
    return WN_OK;
}

wn_status unicode_decode_nfc(const char *text, int32_t **points, size_t *count, wn_error *err)
{
    return decode(text, UTF8PROC_COMPOSE, points, count, err);
}

wn_status unicode_decode_nfd(const char *text, int32_t **points, size_t *count, wn_error *err)
{
    return decode(text, UTF8PROC_DECOMPOSE, points, count, err);
}

#else

enum unicode_class unicode_classify(int32_t point)
{
    return classify_ascii(point);
}

int unicode_lower(int32_t point, int32_t out[2])
{
    out[0] = point >= 'A' && point <= 'Z' ? point + 'a' - 'A' : point;
    return 1;
}

bool unicode_is_mark(int32_t point)
{
    (void)point;
    return false;
}

bool unicode_is_control(int32_t point)
{
    return is_ascii_control(point);
}

bool unicode_is_punctuation(int32_t point)
{
    return is_ascii_punctuation(point);
}

wn_status unicode_decode_nfc(const char *text, int32_t **points, size_t *count, wn_error *err)
{
    const char *stop = skip_ascii(text);
    *points = NULL;
    if (*stop)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "the text is not ASCII at byte %td and this build lacks utf8proc: install %s", stop - text,
                       "libutf8proc-dev and configure again");
    return decode_ascii(text, points, count, err);
}

wn_status unicode_decode_nfd(const char *text, int32_t **points, size_t *count, wn_error *err)
{
    return unicode_decode_nfc(text, points, count, err); /* ASCII has one form */
}

#endif
