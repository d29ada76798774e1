/* dtype.c - names and sizes of the types a weight file may hold, in one table. Types of blocks, which have no bits for
 * a single value, are in GGUF files only. */
#include "safetensors.h"

#include <string.h>

struct dtype {
    int32_t id;
    uint32_t bits;
    const char *name;
};

static const struct dtype dtypes[] = {
    { WN_F32, 32, "F32" },
    { WN_F16, 16, "F16" },
    { WN_BF16, 16, "BF16" },
    { WN_F8_E4M3, 8, "F8_E4M3" },
    { WN_F8_E5M2, 8, "F8_E5M2" },
    { WN_I32, 32, "I32" },
    { WN_I64, 64, "I64" },
    { WN_U8, 8, "U8" },
    { NN_DTYPE_BOOL, 8, "BOOL" },
    { NN_DTYPE_I8, 8, "I8" },
    { NN_DTYPE_I16, 16, "I16" },
    { NN_DTYPE_U16, 16, "U16" },
    { NN_DTYPE_U32, 32, "U32" },
    { NN_DTYPE_U64, 64, "U64" },
    { NN_DTYPE_F64, 64, "F64" },
    { NN_DTYPE_C64, 64, "C64" },
    { NN_DTYPE_F8_E8M0, 8, "F8_E8M0" },
    { NN_DTYPE_F8_E4M3FNUZ, 8, "F8_E4M3FNUZ" },
    { NN_DTYPE_F8_E5M2FNUZ, 8, "F8_E5M2FNUZ" },
    { NN_DTYPE_F6_E2M3, 6, "F6_E2M3" },
    { NN_DTYPE_F6_E3M2, 6, "F6_E3M2" },
    { NN_DTYPE_F4, 4, "F4" },
    { WN_Q8_0, 0, "Q8_0" },
    { WN_Q4_0, 0, "Q4_0" },
    { WN_Q4_K, 0, "Q4_K" },
    { WN_Q5_K, 0, "Q5_K" },
    { WN_Q6_K, 0, "Q6_K" },
};

enum { N_DTYPES = sizeof dtypes / sizeof dtypes[0] };

static const struct dtype *find(int32_t id)
{
    for (int i = 0; i < N_DTYPES; i++)
        if (dtypes[i].id == id)
            return &dtypes[i];
    return NULL;
}

const char *nn_dtype_name(int32_t dtype)
{
    const struct dtype *d = find(dtype);
    return d ? d->name : "?";
}

uint32_t nn_dtype_bits(int32_t dtype)
{
    const struct dtype *d = find(dtype);
    return d ? d->bits : 0;
}

int32_t nn_dtype_parse(const char *name)
{
    for (int i = 0; i < N_DTYPES; i++)
        if (dtypes[i].bits && strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].id;
    return 0;
}
