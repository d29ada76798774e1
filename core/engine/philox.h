/* philox.h - the Philox4x32-10 counter-based random function.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011). [any]
 */
#ifndef WINNOW_ENGINE_PHILOX_H
#define WINNOW_ENGINE_PHILOX_H

#include <stdint.h>

enum { PHILOX_LANES = 64 };

#define PHILOX_M0 0xd2511f53u
#define PHILOX_M1 0xcd9e8d57u
#define PHILOX_W0 0x9e3779b9u
#define PHILOX_W1 0xbb67ae85u

/* out = Philox of a 128-bit counter under a 64-bit key, low words first. */
void philox_4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* out[j][i] = word j of Philox of the counter (first + i, high), each 64 bits, for all lanes i. */
void philox_lanes(uint64_t first, uint64_t high, const uint32_t key[2], uint32_t out[4][PHILOX_LANES]);

#endif
