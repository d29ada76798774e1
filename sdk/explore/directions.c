/* directions.c - see directions.h. */
#include "directions.h"

#include <math.h>

static double dot(uint64_t n, const float *a, const float *b)
{
    double sum = 0;
    for (uint64_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

void wn_turn(uint64_t n, const float *pivot, double cosine, float *direction)
{
    const double length = sqrt(dot(n, pivot, pivot));
    const double along = dot(n, direction, pivot) / length;
    const double across = sqrt(fmax(dot(n, direction, direction) - along * along, 0));
    const double sine = sqrt(1 - cosine * cosine);
    const double tangent = across > 0 ? length * sine / across : 0;
    for (uint64_t i = 0; i < n; i++) {
        const double u = (double)pivot[i] / length;
        direction[i] = (float)(cosine * (double)pivot[i] + tangent * ((double)direction[i] - along * u));
    }
}

static void take_out(uint64_t n, const float *unit, float *from)
{
    const double along = dot(n, unit, from);
    for (uint64_t i = 0; i < n; i++)
        from[i] = (float)((double)from[i] - along * (double)unit[i]);
}

static void to_unit(uint64_t n, float *v)
{
    const double length = sqrt(dot(n, v, v));
    for (uint64_t i = 0; i < n; i++)
        v[i] = (float)((double)v[i] / length);
}

void wn_orthonormalise(uint64_t count, uint64_t n, float *vectors)
{
    for (uint64_t i = 0; i < count; i++) {
        float *v = vectors + i * n;
        to_unit(n, v);
        for (int again = 0; again < 2; again++) {
            for (uint64_t k = 0; k < i; k++)
                take_out(n, vectors + k * n, v);
            to_unit(n, v);
        }
    }
}

/* ---- the coarsest Haar band ----------------------------------------------------------------------------------- */

static uint64_t blocks(uint64_t size, uint64_t block)
{
    return (size + block - 1) / block;
}

struct wn_band wn_band_of(const wn_env *env, uint64_t levels, uint64_t min_side)
{
    const uint64_t side = env->latent_height < env->latent_width ? env->latent_height : env->latent_width;
    uint64_t block = 1;
    while (levels > 0 && block < side && blocks(side, 2 * block) >= min_side) {
        block *= 2;
        levels--;
    }
    struct wn_band band = { env->latent_channels, env->latent_height, env->latent_width, block, 0, 0, 0 };
    band.rows = blocks(band.height, block);
    band.columns = blocks(band.width, block);
    band.values = band.channels * band.rows * band.columns;
    return band;
}

/* Calls for block i of the band: the place of its first value, and its size. */
struct block {
    uint64_t first, height, width;
};

static struct block block_at(const struct wn_band *b, uint64_t i)
{
    const uint64_t column = i % b->columns * b->block;
    const uint64_t row = i / b->columns % b->rows * b->block;
    const uint64_t channel = i / b->columns / b->rows;
    const uint64_t below = b->height - row, right = b->width - column;
    return (struct block){ (channel * b->height + row) * b->width + column, below < b->block ? below : b->block,
                           right < b->block ? right : b->block };
}

static double value_of(const struct wn_band *b, const struct block *k, const float *noise)
{
    double sum = 0;
    for (uint64_t y = 0; y < k->height; y++)
        for (uint64_t x = 0; x < k->width; x++)
            sum += (double)noise[k->first + y * b->width + x];
    return sum / sqrt((double)(k->height * k->width));
}

void wn_band_get(const struct wn_band *band, const float *noise, double *values)
{
    for (uint64_t i = 0; i < band->values; i++) {
        const struct block k = block_at(band, i);
        values[i] = value_of(band, &k, noise);
    }
}

void wn_band_set(const struct wn_band *band, const double *values, float *noise)
{
    for (uint64_t i = 0; i < band->values; i++) {
        const struct block k = block_at(band, i);
        const double more = (values[i] - value_of(band, &k, noise)) / sqrt((double)(k.height * k.width));
        for (uint64_t y = 0; y < k.height; y++)
            for (uint64_t x = 0; x < k.width; x++) {
                float *value = &noise[k.first + y * band->width + x];
                *value = (float)((double)*value + more);
            }
    }
}
