/* utf8.c - table 3-7 of the Unicode standard: only the second byte's range depends on the first byte. */
#include "base/utf8.h"

static uint64_t length_of_first(unsigned char c, unsigned char *low, unsigned char *high)
{
    *low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    *high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    return c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
}

uint64_t utf8_length(const char *text, uint64_t bytes)
{
    if (!bytes)
        return 0;
    const unsigned char *t = (const unsigned char *)text;
    unsigned char low, high;
    uint64_t length = length_of_first(t[0], &low, &high);
    if (length > bytes)
        return 0;
    if (length > 1 && (t[1] < low || t[1] > high))
        return 0;
    for (uint64_t i = 2; i < length; i++)
        if ((t[i] & 0xc0) != 0x80)
            return 0;
    return length;
}
