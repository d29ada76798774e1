/* utf8.h - whether bytes of a file are text. */
#ifndef WINNOW_NN_UTF8_H
#define WINNOW_NN_UTF8_H

/* Length of the well-formed sequence at p (RFC 3629: shortest form, no surrogates, up to U+10FFFF), 0 if there is
 * none. May look at up to three bytes behind a lead byte; stops at the first that is no continuation. */
static inline int utf8_length(const unsigned char *p)
{
    unsigned char low = 0x80, high = 0xbf;
    if (p[0] < 0x80)
        return 1;
    int n = p[0] >= 0xc2 && p[0] <= 0xdf ? 2 : (p[0] & 0xf0) == 0xe0 ? 3 : p[0] >= 0xf0 && p[0] <= 0xf4 ? 4 : 0;
    if (p[0] == 0xe0)
        low = 0xa0;
    else if (p[0] == 0xed)
        high = 0x9f;
    else if (p[0] == 0xf0)
        low = 0x90;
    else if (p[0] == 0xf4)
        high = 0x8f;
    for (int i = 1; i < n; i++, low = 0x80, high = 0xbf)
        if (p[i] < low || p[i] > high)
            return 0;
    return n;
}

#endif
