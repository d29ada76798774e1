/* Pictures in every form that people bring them: the pixels that Pillow reads, bit for bit; hostile and broken files
 * refused. Pictures of tests/image/pictures and the hashes come from tests/golden/make_pictures.py; the published ones
 * are checked where the shared data is at hand.
 */
#include "../shared_data.h"
#include "../weights/files.h"

#include "base/image_file.h"
#include "base/pool.h"

#include <stdbool.h>

#define PICTURES WINNOW_SOURCE_DIR "/tests/image/pictures/"

static wn_error err;

struct known {
    const char *name;
    uint32_t width, height;
    uint64_t hash;
};

/* Pillow 13.0.0 libjpeg-turbo 3.2.0 libwebp 1.6.0 */
static const struct known own[] = {
    { "420.jpg", 53, 37, 0x5b4e3974860001c7 },     { "422.jpg", 53, 37, 0xe395bad2ae727045 },
    { "444.jpg", 53, 37, 0x4f058f35c5be8b5b },     { "alpha.webp", 53, 37, 0xbc42bbfdfa02286f },
    { "gray.jpg", 53, 37, 0x694b249f0a750716 },    { "lossless.webp", 14, 9, 0x72fa0a41212544af },
    { "lossy.webp", 53, 37, 0x0e061e79f0221b93 },  { "progressive.jpg", 53, 37, 0x5b4e3974860001c7 },
    { "rotated.jpg", 53, 37, 0x5b4e3974860001c7 },
};

static const struct known published[] = {
    { "imagereward/1.webp", 512, 512, 0x7995f8ba91ed78a2 },
    { "imagereward/2.webp", 512, 512, 0x5becc7b712cd7035 },
    { "imagereward/3.webp", 512, 512, 0x5973bafd7b1debb4 },
    { "imagereward/4.webp", 512, 512, 0x36b90957a042b9ff },
    { "clipscore/image1.jpg", 750, 751, 0xe83d32037ba781f6 },
    { "clipscore/image2.jpg", 750, 751, 0x9cfc78eedae8a9f2 },
    { "hpsv2/demo_image.jpg", 512, 512, 0x0e3433890ac350b9 },
    { "clip/CLIP.png", 2162, 762, 0x24e0eb79c9a51c24 },
    { "simple_aesthetics/astronaut.png", 512, 512, 0x9b693fa400877e2f },
};

static uint64_t fnv_1a(const uint8_t *p, size_t n)
{
    uint64_t h = 0xcbf29ce484222325u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

/* False, the test goes on, when the file needs a library that this build lacks. */
static bool read_it(const char *path, wn_image *image)
{
    *image = (wn_image){ 0 };
    const wn_status status = image_read(path, image, &err);
    if (status == WN_E_UNSUPPORTED)
        CHECK_CONTAINS(err.message, "this build lacks libwebp");
    else
        CHECK_OK(status, err);
    return status == WN_OK;
}

static void check_known(const struct known *k, const char *path)
{
    wn_image image;
    if (read_it(path, &image)) {
        const uint64_t hash = fnv_1a(image.rgb, 3 * (size_t)image.width_px * image.height_px);
        if (image.width_px != k->width || image.height_px != k->height || hash != k->hash)
            CHECK_FAIL("%s: %u x %u, hash %016llx; want %u x %u, %016llx", k->name, image.width_px, image.height_px,
                       (unsigned long long)hash, k->width, k->height, (unsigned long long)k->hash);
    }
    image_free(&image);
}

static void own_pictures(void)
{
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        char path[1024];
        snprintf(path, sizeof path, PICTURES "%s", own[i].name);
        check_known(&own[i], path);
    }
}

/* All at once on three threads: the same, and one that is not there fails alone. */
static void several(void)
{
    enum { OWN = sizeof own / sizeof *own, JOBS = 4 * OWN + 1 };
    static char path[OWN][1024];
    static struct image_job jobs[JOBS];
    struct pool *pool = pool_create(3);
    CHECK(pool != NULL);
    for (size_t i = 0; i < OWN; i++)
        snprintf(path[i], sizeof path[i], PICTURES "%s", own[i].name);
    for (size_t i = 0; i < JOBS; i++)
        jobs[i].path = i + 1 < JOBS ? path[i % OWN] : PICTURES "none.png";
    image_read_all(pool, JOBS, jobs);
    for (size_t i = 0; i + 1 < JOBS; i++) {
        const wn_image *image = &jobs[i].image;
        if (jobs[i].status == WN_OK)
            CHECK(fnv_1a(image->rgb, 3 * (size_t)image->width_px * image->height_px) == own[i % OWN].hash);
        else
            CHECK_CONTAINS(jobs[i].err.message, "this build lacks libwebp");
        image_free(&jobs[i].image);
    }
    CHECK_INT(jobs[JOBS - 1].status, WN_E_MISSING);
    CHECK(jobs[JOBS - 1].image.rgb == NULL);
    CHECK_CONTAINS(jobs[JOBS - 1].err.message, "none.png");
    pool_destroy(pool);
}

static void published_pictures(void)
{
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        char name[256];
        snprintf(name, sizeof name, "goldens/%s", published[i].name);
        if (!shared_has(name))
            CHECK_SKIP("%s is not there (the other checks: %d failures)", shared_path(name), check_failures);
        check_known(&published[i], shared_path(name));
    }
}

/* ---- what is refused ---- */

struct bytes {
    unsigned char data[1 << 14];
    size_t size;
};

static struct bytes load(const char *name)
{
    struct bytes b = { .size = 0 };
    char path[1024];
    snprintf(path, sizeof path, PICTURES "%s", name);
    FILE *f = fopen(path, "rb");
    CHECK(f != NULL);
    b.size = f ? fread(b.data, 1, sizeof b.data, f) : 0;
    if (f)
        fclose(f);
    return b;
}

static wn_status read_bytes(const struct bytes *b, size_t size, uint64_t *hash)
{
    wn_image image = { 0 };
    const wn_status status = image_read(write_bytes("picture", b->data, size), &image, &err);
    *hash = status == WN_OK ? fnv_1a(image.rgb, 3 * (size_t)image.width_px * image.height_px) : 0;
    CHECK(status == WN_OK || (image.rgb == NULL && err.message[0]));
    image_free(&image);
    return status;
}

static void refuse(const struct bytes *b, const char *reason)
{
    uint64_t hash;
    const wn_status status = read_bytes(b, b->size, &hash);
    CHECK(status != WN_OK);
    if (status != WN_E_UNSUPPORTED)
        CHECK_CONTAINS(err.message, reason);
}

/* Cut anywhere: refused, or complete because only padding was lost. Any damaged byte: refused or read, without a
 * trespass. */
static void damage(const char *name)
{
    struct bytes b = load(name);
    uint64_t whole, hash;
    if (read_bytes(&b, b.size, &whole) == WN_E_UNSUPPORTED)
        return;
    for (size_t n = 0; n < b.size; n++)
        if (read_bytes(&b, n, &hash) == WN_OK && (hash != whole || n + 2 < b.size))
            CHECK_FAIL("%s cut to %zu of %zu bytes is read", name, n, b.size);
    for (size_t n = 0; n < b.size; n++) {
        b.data[n] ^= (unsigned char)(1u << n % 8);
        read_bytes(&b, b.size, &hash);
        b.data[n] ^= (unsigned char)(1u << n % 8);
    }
}

/* The frame header of a JPEG: precision, height, width. */
static unsigned char *frame_of(struct bytes *b)
{
    for (size_t i = 0; i + 9 < b->size; i++)
        if (b->data[i] == 0xff && (b->data[i + 1] == 0xc0 || b->data[i + 1] == 0xc2))
            return b->data + i + 4;
    CHECK_FAIL("no frame in the JPEG");
    return b->data;
}

static void hostile_headers(void)
{
    struct bytes b = load("420.jpg");
    memcpy(frame_of(&b) + 1, "\x40\x01\x00\x08", 4); /* 16385 high */
    refuse(&b, "larger than 16384 x 16384");
    memcpy(frame_of(&b) + 1, "\x40\x00\x40\x00", 4); /* 268 million pixels in 1.7 kB */
    refuse(&b, "not a JPEG that can be read");
    b = load("progressive.jpg");
    memcpy(frame_of(&b) + 1, "\x40\x00\x40\x00", 4);
    refuse(&b, "not a JPEG that can be read");
    b = load("420.jpg");
    memcpy(frame_of(&b) + 1, "\x00\x00\x00\x08", 4); /* no height */
    refuse(&b, "not a JPEG that can be read");
    b = load("444.jpg");
    frame_of(&b)[0] = 12;
    refuse(&b, "not a JPEG that can be read");
    b = load("cmyk.jpg");
    refuse(&b, "it is CMYK");
    b = load("animated.webp");
    refuse(&b, "is an animated WebP");
    b = load("lossy.webp");
    b.data[12 + 3] = 'X'; /* no such chunk */
    refuse(&b, "header is damaged");
}

int main(void)
{
    static const char *const damaged[] = { "420.jpg",    "progressive.jpg", "gray.jpg",
                                           "lossy.webp", "lossless.webp",   "alpha.webp" };
    scratch_make(folder);
    own_pictures();
    several();
    for (size_t i = 0; i < sizeof damaged / sizeof *damaged; i++)
        damage(damaged[i]);
    hostile_headers();
    scratch_remove(folder);
    published_pictures();
    return CHECK_DONE();
}
