/* fuzz_frames.c - frames under arbitrary bytes: header, text, data, and what a worker says of itself. */
#include "replay.h"

#include <worker/message.h>

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_BYTES = 32768, MAX_DATA = 4096 };

static void read_message(const struct wn_frame *frame)
{
    cJSON *message;
    wn_metric metrics[64];
    wn_verifier_info info = { .struct_size = sizeof info };
    wn_error err = { 0 };
    int is_one;
    if (wn_message_parse(frame, &message, &err) != WN_OK)
        return;
    if (wn_message_get_verifier(message, metrics, &info, &err) != WN_OK && !err.message[0])
        abort();
    if (wn_message_fail(message, &is_one, &err) == WN_OK)
        abort();
    cJSON_Delete(message);
}

int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    int ends[2];
    struct wn_frame frame;
    wn_error err = { 0 };
    if (size > MAX_BYTES || pipe(ends) != 0)
        return 0;
    if (write(ends[1], data, size) != (ssize_t)size)
        abort();
    close(ends[1]);
    const struct wn_frame_limits limits = { MAX_BYTES, MAX_DATA };
    const struct wn_pipe pipe = { .in = ends[0], .out = -1 };
    while (wn_frame_receive(&pipe, limits, &frame, &err) == WN_OK) {
        if (frame.data_bytes > MAX_DATA || strlen(frame.text) > frame.text_bytes)
            abort();
        read_message(&frame);
        wn_frame_free(&frame);
    }
    close(ends[0]);
    return 0;
}
