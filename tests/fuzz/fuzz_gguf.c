/* fuzz_gguf.c - the reader of GGUF files under arbitrary bytes; every value of what opens is computed.
 *
 * Built with clang and WINNOW_LIBFUZZER=ON this is a libFuzzer target (`fuzz_gguf CORPUS`). Everywhere else it is a
 * test that replays the files of the folder it is given, each as it is, cut short everywhere, and with every byte wrong
 * in turn.
 */
#include "weights/files.h"

#include "replay.h"
#include "weights/gguf.h"

static volatile float sum; /* so that every value is really read */

static void clean_up(void)
{
    scratch_remove(folder);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    nn_gguf *f;
    wn_error err = { 0 };
    if (!folder[0]) {
        scratch_make(folder);
        atexit(clean_up);
    }
    const wn_status status = nn_gguf_open(write_bytes("f", data, size), &f, &err);
    if (status != WN_OK && (err.code != status || !err.message[0]))
        abort();
    for (uint64_t i = 0; f && i < nn_gguf_count(f); i++) {
        const nn_tensor *t = nn_gguf_at(f, i);
        uint64_t n = 1;
        for (uint32_t d = 0; d < t->rank; d++)
            n *= t->shape[d];
        for (uint64_t at = 0; at < n; at++) {
            float value;
            nn_tensor_to_f32(t, at, &value, 1);
            sum += value;
        }
    }
    nn_gguf_close(f);
    return 0;
}
