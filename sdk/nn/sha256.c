/* sha256.c - the plain rounds, as the standard has them. The constants are the first 32 bits of the fractional parts of
 * the cube roots of the first 64 primes. The command has one of its own: core knows nothing of the toolkit, nor the
 * other way round. */
#include "sha256.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 1 << 16 };

static const uint32_t constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t turn(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void fill_schedule(uint32_t w[64], const uint8_t *block)
{
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 64; i++)
        w[i] = w[i - 16] + w[i - 7] + (turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3) +
               (turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10);
}

static void compress(uint32_t state[8], const uint8_t *block)
{
    enum { A, B, C, D, E, F, G, H };
    uint32_t w[64], v[8];
    fill_schedule(w, block);
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        const uint32_t e = turn(v[E], 6) ^ turn(v[E], 11) ^ turn(v[E], 25);
        const uint32_t a = turn(v[A], 2) ^ turn(v[A], 13) ^ turn(v[A], 22);
        const uint32_t one = v[H] + e + ((v[E] & v[F]) ^ (~v[E] & v[G])) + constants[i] + w[i];
        const uint32_t two = a + ((v[A] & v[B]) ^ (v[A] & v[C]) ^ (v[B] & v[C]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[E] += one;
        v[A] = one + two;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

void nn_sha256_begin(nn_sha256 *s)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    memcpy(s->state, start, sizeof start);
    s->bytes = 0;
}

void nn_sha256_add(nn_sha256 *s, const void *data, uint64_t bytes)
{
    const uint8_t *at = data;
    while (bytes > 0) {
        const size_t held = s->bytes % 64, n = bytes < 64 - held ? bytes : 64 - held;
        memcpy(s->block + held, at, n);
        s->bytes += n;
        at += n;
        bytes -= n;
        if (held + n == 64)
            compress(s->state, s->block);
    }
}

void nn_sha256_add_field(nn_sha256 *s, const void *data, uint64_t bytes)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = (uint8_t)((uint64_t)bytes >> 8 * i);
    nn_sha256_add(s, length, sizeof length);
    nn_sha256_add(s, data, bytes);
}

void nn_sha256_end(nn_sha256 *s, char hex[65])
{
    const uint64_t bits = s->bytes * 8;
    uint8_t tail[72] = { 0x80 };
    const size_t pad = 64 - (s->bytes + 8) % 64; /* 1..64: what follows ends a block */
    for (size_t i = 0; i < 8; i++)
        tail[pad + i] = (uint8_t)(bits >> (56 - 8 * i));
    nn_sha256_add(s, tail, pad + 8);
    for (size_t i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08x", s->state[i]);
}

static wn_status add_file(nn_sha256 *s, FILE *file, const char *path, unsigned char *chunk, wn_error *err)
{
    size_t n;
    while ((n = fread(chunk, 1, CHUNK, file)) > 0)
        nn_sha256_add(s, chunk, n);
    return ferror(file) ? wn_fail(err, WN_E_IO, "%s: cannot read: %s", path, strerror(errno)) : WN_OK;
}

wn_status nn_sha256_file(const char *path, char hex[65], wn_error *err)
{
    nn_sha256 s;
    FILE *file = fopen(path, "rbe");
    unsigned char *chunk = malloc(CHUNK);
    wn_status status = file && chunk
                           ? WN_OK
                           : wn_fail(err, file ? WN_E_MEMORY : WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
    nn_sha256_begin(&s);
    if (status == WN_OK)
        status = add_file(&s, file, path, chunk, err);
    nn_sha256_end(&s, hex);
    if (file)
        fclose(file);
    free(chunk);
    return status;
}
