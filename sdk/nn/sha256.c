/* sha256.c - FIPS 180-4. The command has one of its own (core knows nothing of the toolkit, nor the other way round).
 */
#include "sha256.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 16, BLOCK = 64 };

struct sha256 {
    uint32_t h[8];
    uint32_t k[64];
};

/* The constants are the first 32 fractional bits of square (h) and cube roots (k) of the first primes; long double has
 * the bits to compute them. */
static void begin(struct sha256 *s)
{
    for (int n = 0, candidate = 2; n < 64; candidate++) {
        int is_prime = 1;
        for (int d = 2; d * d <= candidate; d++)
            is_prime &= candidate % d != 0;
        if (!is_prime)
            continue;
        const long double square = sqrtl(candidate), cube = cbrtl(candidate);
        if (n < 8)
            s->h[n] = (uint32_t)((square - floorl(square)) * 0x1p32L);
        s->k[n++] = (uint32_t)((cube - floorl(cube)) * 0x1p32L);
    }
}

static uint32_t rotate(uint32_t x, int n)
{
    return x >> n | x << (32 - n);
}

static void add_block(struct sha256 *s, const unsigned char *p)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        const uint32_t a = w[i - 15], b = w[i - 2];
        w[i] =
            w[i - 16] + (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[i - 7] + (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
    }
    uint32_t a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4], f = s->h[5], g = s->h[6], h = s->h[7];
    for (int i = 0; i < 64; i++) {
        const uint32_t t1 = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + ((e & f) ^ (~e & g)) + s->k[i] + w[i];
        const uint32_t t2 = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
        h = g, g = f, f = e, e = d + t1;
        d = c, c = b, b = a, a = t1 + t2;
    }
    const uint32_t sums[8] = { a, b, c, d, e, f, g, h };
    for (int i = 0; i < 8; i++)
        s->h[i] += sums[i];
}

static void add_end(struct sha256 *s, const unsigned char *rest, size_t rest_bytes, uint64_t bytes)
{
    unsigned char last[2 * BLOCK] = { 0 };
    const size_t size = rest_bytes + 9 > BLOCK ? 2 * BLOCK : BLOCK;
    memcpy(last, rest, rest_bytes);
    last[rest_bytes] = 0x80;
    for (size_t i = 0; i < 8; i++)
        last[size - 1 - i] = (unsigned char)(bytes * 8 >> 8 * i);
    for (size_t at = 0; at < size; at += BLOCK)
        add_block(s, last + at);
}

static wn_status add_file(struct sha256 *s, FILE *file, const char *path, unsigned char *chunk, wn_error *err)
{
    uint64_t bytes = 0;
    size_t n;
    do { /* fread gives whole chunks but for the last */
        n = fread(chunk, 1, CHUNK, file);
        size_t at = 0;
        for (; n - at >= BLOCK; at += BLOCK)
            add_block(s, chunk + at);
        bytes += n;
        if (n < CHUNK)
            add_end(s, chunk + at, n - at, bytes);
    } while (n == CHUNK);
    return ferror(file) ? wn_fail(err, WN_E_IO, "%s: cannot read: %s", path, strerror(errno)) : WN_OK;
}

wn_status nn_sha256_file(const char *path, char text[65], wn_error *err)
{
    struct sha256 s;
    FILE *file = fopen(path, "rbe");
    unsigned char *chunk = malloc(CHUNK);
    wn_status status = file && chunk
                           ? WN_OK
                           : wn_fail(err, file ? WN_E_MEMORY : WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
    begin(&s);
    if (status == WN_OK)
        status = add_file(&s, file, path, chunk, err);
    for (int i = 0; i < 8; i++)
        snprintf(text + 8 * i, 9, "%08x", s.h[i]);
    if (file)
        fclose(file);
    free(chunk);
    return status;
}
