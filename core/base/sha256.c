/* Weight files have gigabytes, so x86's SHA instructions are used where there are any (some 4 times as fast); elsewhere
 * the plain rounds, which follow the standard line by line. */
#include "base/sha256.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#include <immintrin.h>
#endif

static const uint32_t round_constants[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* ---- plain rounds ---- */

static uint32_t turn(uint32_t x, unsigned n)
{
    return x >> n | x << (32 - n);
}

static void schedule(uint32_t w[64], const uint8_t *block)
{
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 |
               block[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t s0 = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t s1 = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + s0 + w[i - 7] + s1;
    }
}

static void compress_plain(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64], v[8]; /* v: a b c d e f g h */
    schedule(w, block);
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        uint32_t s1 = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25);
        uint32_t t1 = v[7] + s1 + ((v[4] & v[5]) ^ (~v[4] & v[6])) + round_constants[i] + w[i];
        uint32_t s0 = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22);
        uint32_t t2 = s0 + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof *v);
        v[4] += t1;
        v[0] = t1 + t2;
    }
    for (int i = 0; i < 8; i++)
        state[i] += v[i];
}

static void blocks_plain(uint32_t state[8], const uint8_t *data, uint64_t count)
{
    for (; count > 0; count--, data += 64)
        compress_plain(state, data);
}

/* ---- x86 SHA instructions ---- */

#if defined(__x86_64__)

static bool has_sha(void)
{
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_SSE4_1) || !(c & bit_SSSE3))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & (1u << 29));
}

/* Sixteen message words live in m[0..3]; every group of four rounds makes the next four: w[16+i] from w[i], w[i+1],
 * w[i+9] and w[i+14]. sha256rnds2 does two rounds on (a b e f | c d g h). */
__attribute__((target("sha,sse4.1,ssse3"))) static void compress_sha(__m128i *abef, __m128i *cdgh, const uint8_t *block)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    __m128i m[4], x = *abef, y = *cdgh;
    for (int i = 0; i < 4; i++)
        m[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(block + 16 * i)), swap);
    for (int i = 0; i < 16; i++) {
        const __m128i k = _mm_loadu_si128((const __m128i *)(const void *)(round_constants + 4 * i));
        __m128i wk = _mm_add_epi32(m[i & 3], k);
        y = _mm_sha256rnds2_epu32(y, x, wk);
        x = _mm_sha256rnds2_epu32(x, y, _mm_shuffle_epi32(wk, 0x0e));
        __m128i sum = _mm_sha256msg1_epu32(m[i & 3], m[(i + 1) & 3]);
        sum = _mm_add_epi32(sum, _mm_alignr_epi8(m[(i + 3) & 3], m[(i + 2) & 3], 4));
        m[i & 3] = _mm_sha256msg2_epu32(sum, m[(i + 3) & 3]);
    }
    *abef = _mm_add_epi32(x, *abef);
    *cdgh = _mm_add_epi32(y, *cdgh);
}

__attribute__((target("sha,sse4.1,ssse3"))) static void blocks_sha(uint32_t state[8], const uint8_t *data,
                                                                   uint64_t count)
{
    __m128i abef = _mm_set_epi32((int)state[0], (int)state[1], (int)state[4], (int)state[5]);
    __m128i cdgh = _mm_set_epi32((int)state[2], (int)state[3], (int)state[6], (int)state[7]);
    for (; count > 0; count--, data += 64)
        compress_sha(&abef, &cdgh, data);
    static const int from_abef[4] = { 5, 4, 1, 0 }, from_cdgh[4] = { 7, 6, 3, 2 };
    uint32_t low[4], high[4];
    _mm_storeu_si128((__m128i *)(void *)low, abef);
    _mm_storeu_si128((__m128i *)(void *)high, cdgh);
    for (int i = 0; i < 4; i++) {
        state[from_abef[i]] = low[i];
        state[from_cdgh[i]] = high[i];
    }
}

#endif

static void blocks(uint32_t state[8], const uint8_t *data, uint64_t count)
{
#if defined(__x86_64__)
    static atomic_int known; /* cpuid is slow in a virtual machine: 0 not asked yet, 1 no, 2 yes */
    if (atomic_load_explicit(&known, memory_order_relaxed) == 0)
        atomic_store_explicit(&known, has_sha() ? 2 : 1, memory_order_relaxed);
    if (atomic_load_explicit(&known, memory_order_relaxed) == 2) {
        blocks_sha(state, data, count);
        return;
    }
#endif
    blocks_plain(state, data, count);
}

/* ---- messages ---- */

void sha256_init(struct sha256 *s)
{
    static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                       0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };
    memset(s, 0, sizeof *s);
    memcpy(s->state, start, sizeof start);
}

void sha256_add(struct sha256 *s, const void *data, uint64_t bytes)
{
    const uint8_t *at = data;
    uint64_t held = s->bytes % 64;
    s->bytes += bytes;
    if (held > 0) {
        uint64_t n = bytes < 64 - held ? bytes : 64 - held;
        memcpy(s->block + held, at, (size_t)n);
        if (held + n < 64)
            return;
        blocks(s->state, s->block, 1);
        at += n;
        bytes -= n;
    }
    blocks(s->state, at, bytes / 64);
    if (bytes % 64)
        memcpy(s->block, at + bytes / 64 * 64, (size_t)(bytes % 64));
}

void sha256_hex(struct sha256 *s, char hex[65])
{
    uint8_t tail[72] = { 0x80 };
    uint64_t bits = s->bytes * 8, pad = 64 - (s->bytes + 8) % 64; /* 1..64, so that length ends a block */
    for (int i = 0; i < 8; i++)
        tail[pad + (uint64_t)i] = (uint8_t)(bits >> (56 - 8 * i));
    sha256_add(s, tail, pad + 8);
    for (size_t i = 0; i < 8; i++)
        snprintf(hex + 8 * i, 9, "%08x", s->state[i]);
}

void sha256_of(const void *data, uint64_t bytes, char hex[65])
{
    struct sha256 s;
    sha256_init(&s);
    sha256_add(&s, data, bytes);
    sha256_hex(&s, hex);
}

/* ---- files ---- */

enum { CHUNK_BYTES = 1 << 20 };

static wn_status add_file(struct sha256 *s, int fd, const char *path, uint8_t *chunk,
                          bool (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, wn_error *err)
{
    struct stat st;
    uint64_t total = fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
    ssize_t n;
    while ((n = read(fd, chunk, CHUNK_BYTES)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return wn_fail(err, WN_E_IO, "cannot read %s: %s", path, strerror(errno));
        sha256_add(s, chunk, (uint64_t)n);
        if (progress && !progress(arg, s->bytes, total))
            return wn_fail(err, WN_E_CANCELLED, "hashing %s was interrupted", path);
    }
    return WN_OK;
}

wn_status sha256_file(const char *path, char hex[65], bool (*progress)(void *arg, uint64_t done, uint64_t total),
                      void *arg, wn_error *err)
{
    struct sha256 s;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "cannot open %s: %s", path, strerror(errno));
    uint8_t *chunk = malloc(CHUNK_BYTES);
    sha256_init(&s);
    wn_status status = chunk ? add_file(&s, fd, path, chunk, progress, arg, err)
                             : wn_fail(err, WN_E_MEMORY, "no memory to hash %s", path);
    free(chunk);
    close(fd);
    if (status == WN_OK)
        sha256_hex(&s, hex);
    return status;
}

bool sha256_from_link(const char *path, char hex[65])
{
    char target[4096];
    ssize_t n = readlink(path, target, sizeof target - 1);
    if (n < 64 + 6)
        return false;
    target[n] = 0;
    const char *name = target + n - 64;
    if (strspn(name, "0123456789abcdef") != 64 || memcmp(name - 6, "blobs/", 6) != 0)
        return false;
    memcpy(hex, name, 65);
    return true;
}
