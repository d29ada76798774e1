/* directions.h - where to go from a noise, without leaving the noises: turning on their sphere, orthogonal directions,
 * the coarsest Haar band. All in float64 over float32 noises. Pure functions, [any]. */
#ifndef WINNOW_EXPLORE_DIRECTIONS_H
#define WINNOW_EXPLORE_DIRECTIONS_H

#include <winnow/search.h>

/* direction [n] becomes a neighbour of pivot [n] at this cosine, in the half plane that direction lay in:
 * |p| (c u + sqrt(1 - c^2) w), u = p / |p|, w the unit vector of what in direction is orthogonal to u. It has pivot's
 * length to the last bits of a float. */
void wn_turn(uint64_t n, const float *pivot, double cosine, float *direction);

/* vectors [count][n] become orthonormal (Gram-Schmidt, twice, which is enough; count <= n). */
void wn_orthonormalise(uint64_t count, uint64_t n, float *vectors);

/* The coarsest band of an orthonormal Haar transform of `levels` levels over each channel: one number for each block of
 * 2^levels x 2^levels values, their sum over the square root of their count. Blocks that the border cuts are smaller,
 * so a latent may have any size; the transform stays orthonormal, so the band of a standard normal noise is standard
 * normal. Other bands are never computed: to set one number of the band is to add the same to each value of its block.
 */
struct wn_band {
    uint64_t channels, height, width; /* of the latent */
    uint64_t block;                   /* 2^levels */
    uint64_t rows, columns;           /* of the band, in each channel */
    uint64_t values;                  /* channels x rows x columns */
};

/* With fewer levels than asked for, when the band would have less than min_side rows or columns; 0 levels, every value
 * its own block, if it must be. */
struct wn_band wn_band_of(const wn_env *env, uint64_t levels, uint64_t min_side);
void wn_band_get(const struct wn_band *band, const float *noise, double *values);
/* The other bands of noise stay. */
void wn_band_set(const struct wn_band *band, const double *values, float *noise);

#endif
