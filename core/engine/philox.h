/* philox.h - the Philox4x32-10 counter-based random function.
 *
 * Source: Salmon, Moraes, Dror, Shaw, "Parallel Random Numbers: As Easy as 1, 2, 3" (SC 2011). [any]
 */
#ifndef WINNOW_ENGINE_PHILOX_H
#define WINNOW_ENGINE_PHILOX_H

#include <stdint.h>

/* out = Philox4x32-10 of a 128-bit counter under a 64-bit key, low words first. */
void philox_4x32(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
