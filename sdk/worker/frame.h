/* frame.h - how winnow and a program in another process put words and numbers into one stream.
 *
 * A frame is a header, a JSON object and raw data:
 *
 *     bytes 0..3    'w' 'n' '0' '\n'
 *     bytes 4..7    length of the JSON text, uint32
 *     bytes 8..15   length of the data, uint64
 *     then          the text (UTF-8, not terminated), then the data (pixels, float32, float64)
 *
 * All numbers are little-endian. sdk/doc/protocol.md says which frames there are.
 *
 * Threads: one reader and one writer at a time on a pipe.
 */
#ifndef WINNOW_WORKER_FRAME_H
#define WINNOW_WORKER_FRAME_H

#include <winnow/plugin.h>

enum { WN_FRAME_HEADER = 16, WN_FRAME_MAX_TEXT = 64 << 20 };

/* What a reader can want: of JSON text, which takes some thirty times its size when parsed, and of data. */
struct wn_frame_limits {
    uint64_t text_bytes; /* at most WN_FRAME_MAX_TEXT */
    uint64_t data_bytes;
};

/* One frame as it was read; free with wn_frame_free. */
struct wn_frame {
    char *text; /* NUL-terminated behind its text_bytes */
    uint64_t text_bytes;
    void *data; /* NULL where there is none */
    uint64_t data_bytes;
};

struct wn_part {
    const void *data;
    uint64_t bytes;
};

/* Two ends of file descriptors. Where they do not block, `wait` is called until they can go on; it may give up. */
struct wn_pipe {
    int in;
    int out;
    wn_status (*wait)(void *arg, int is_writing, wn_error *err); /* NULL: the descriptors block */
    void *arg;
};

void wn_frame_write_header(uint8_t header[WN_FRAME_HEADER], uint64_t text_bytes, uint64_t data_bytes);

/* What a header announces. WN_E_FORMAT where it is none, or announces more than the limits. */
wn_status wn_frame_read_header(const uint8_t header[WN_FRAME_HEADER], struct wn_frame_limits limits,
                               uint64_t *text_bytes, uint64_t *data_bytes, wn_error *err);

/* Writes one frame whose data are the parts, in order. WN_E_IO when the other side is gone; never a SIGPIPE on sockets.
 */
wn_status wn_frame_send(const struct wn_pipe *pipe, const char *text, uint64_t part_count, const struct wn_part *parts,
                        wn_error *err);

/* Reads one frame within the limits. WN_E_IO: the other side is gone; WN_E_FORMAT: this is no frame. On
 * failure *frame is empty. */
wn_status wn_frame_receive(const struct wn_pipe *pipe, struct wn_frame_limits limits, struct wn_frame *frame,
                           wn_error *err);

void wn_frame_free(struct wn_frame *frame); /* leaves it empty; an empty one is fine */

#endif
