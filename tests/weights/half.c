/* 16-bit floats: every half is itself again, and what lies between two goes to the nearer, a tie to the even one. */
#include "check.h"

#include <device/half.h>

static void check(uint16_t (*to)(float), float (*from)(uint16_t), uint32_t finite, const char *name)
{
    for (uint32_t h = 0; h < finite; h++) {
        const float low = from((uint16_t)h), high = from((uint16_t)(h + 1)), tie = low / 2 + high / 2;
        const uint32_t even = h + (h & 1);
        if (to(low) != h || to(-low) != (h | 0x8000))
            CHECK_FAIL("%s 0x%04x becomes 0x%04x", name, (unsigned)h, (unsigned)to(low));
        if (h + 1 == finite)
            break; /* the next is infinity */
        if (to(tie) != even || to(nextafterf(tie, low)) != h || to(nextafterf(tie, high)) != h + 1)
            CHECK_FAIL("%s between 0x%04x and the next rounds wrongly", name, (unsigned)h);
    }
}

static float from_bf16(uint16_t h)
{
    return float_from_bits((uint32_t)h << 16);
}

int main(void)
{
    check(f16_from_float, float_from_f16, 0x7c00, "half");
    check(bf16_from_float, from_bf16, 0x7f80, "bfloat16");
    CHECK_INT(f16_from_float(65519.99f), 0x7bff);
    CHECK_INT(f16_from_float(65520.0f), 0x7c00);
    CHECK_INT(f16_from_float(-INFINITY), 0xfc00);
    CHECK_INT(bf16_from_float(INFINITY), 0x7f80);
    CHECK(isnan(float_from_f16(f16_from_float(NAN))));
    CHECK(isnan(from_bf16(bf16_from_float(NAN))));
    return CHECK_DONE();
}
