/* isa.c - which kernels this processor gets. */
#include "isa.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct candidate {
    const struct isa *isa;
    int is_available;
};

/* Best first. */
static uint64_t list_candidates(struct candidate list[5])
{
    uint64_t n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    int avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                 __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    list[n++] = (struct candidate){ &isa_avx512_bf16, avx512 && __builtin_cpu_supports("avx512bf16") };
    list[n++] = (struct candidate){ &isa_avx512, avx512 };
    list[n++] = (struct candidate){ &isa_avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") };
#endif
    list[n++] = (struct candidate){ &isa_openblas, 1 };
    list[n++] = (struct candidate){ &isa_portable, 1 };
    return n;
}

const struct isa *isa_choose(char *reason, uint64_t reason_size)
{
    struct candidate list[5];
    uint64_t n = list_candidates(list);
    const char *wanted = getenv("WINNOW_CPU_ISA");
    for (uint64_t i = 0; i < n; i++) {
        if (wanted && wanted[0] && strcmp(wanted, list[i].isa->name) != 0)
            continue;
        if (list[i].is_available) {
            if (list[i].isa == &isa_openblas)
                isa_openblas_begin();
            return list[i].isa;
        }
        if (wanted && wanted[0]) {
            snprintf(reason, reason_size, "WINNOW_CPU_ISA is \"%s\", which this processor lacks", wanted);
            return NULL;
        }
    }
    snprintf(reason, reason_size, "WINNOW_CPU_ISA is \"%s\", must be portable, openblas, avx2, avx512 or avx512_bf16",
             wanted);
    return NULL;
}
