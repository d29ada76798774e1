/* mt19937.h - the Mersenne Twister that torch's CPU generator is. [serial] for one state.
 *
 * Source: Matsumoto, Nishimura, "Mersenne Twister" (ACM TOMACS 1998), 32-bit parameters.
 */
#ifndef WINNOW_ENGINE_MT19937_H
#define WINNOW_ENGINE_MT19937_H

#include <stdint.h>

enum { MT19937_WORDS = 624 };

struct mt19937 {
    uint32_t words[MT19937_WORDS];
    uint32_t next;
};

void mt19937_seed(struct mt19937 *mt, uint32_t seed);
uint32_t mt19937_u32(struct mt19937 *mt);
uint64_t mt19937_u64(struct mt19937 *mt); /* two draws, the first in the high half, as torch's random64 */

#endif
