/* frame.c - see frame.h. Nothing that the other side says is believed before it is checked: a length is compared with
 * what the reader can want before memory is asked for. */
#include "frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "frames are little-endian, and so is all that stands in them");

static const char magic[4] = { 'w', 'n', '0', '\n' };

void wn_frame_write_header(uint8_t header[WN_FRAME_HEADER], uint64_t text_bytes, uint64_t data_bytes)
{
    const uint32_t length = (uint32_t)text_bytes;
    memcpy(header, magic, 4);
    memcpy(header + 4, &length, 4);
    memcpy(header + 8, &data_bytes, 8);
}

wn_status wn_frame_read_header(const uint8_t header[WN_FRAME_HEADER], struct wn_frame_limits limits,
                               uint64_t *text_bytes, uint64_t *data_bytes, wn_error *err)
{
    uint32_t length;
    memcpy(&length, header + 4, 4);
    memcpy(data_bytes, header + 8, 8);
    *text_bytes = length;
    if (memcmp(header, magic, 4) != 0)
        return wn_fail(err, WN_E_FORMAT,
                       "a frame begins with bytes %02x %02x %02x %02x, not with 77 6e 30 0a; nothing but frames may be "
                       "written to the standard output of a worker",
                       header[0], header[1], header[2], header[3]);
    if (length < 2 || length > limits.text_bytes)
        return wn_fail(err, WN_E_FORMAT, "a frame announces %u bytes of text where 2 to %llu can be meant", length,
                       (unsigned long long)limits.text_bytes);
    if (*data_bytes > limits.data_bytes)
        return wn_fail(err, WN_E_FORMAT, "a frame announces %llu bytes of data where at most %llu can be meant",
                       (unsigned long long)*data_bytes, (unsigned long long)limits.data_bytes);
    return WN_OK;
}

/* ---- bytes ------------------------------------------------------------------------------------------------------- */

/* After a call that moved nothing: WN_OK when it is to be made again. */
static wn_status try_again(const struct wn_pipe *pipe, int is_writing, wn_error *err)
{
    if (errno == EINTR)
        return WN_OK;
    if (errno == EAGAIN && pipe->wait)
        return pipe->wait(pipe->arg, is_writing, err);
    return wn_fail(err, WN_E_IO, "%s the other process: %s", is_writing ? "writing to" : "reading from",
                   strerror(errno));
}

/* send() spares a signal that would end the process; what is not a socket (a shell's pipe) is written plainly. */
static ssize_t write_some(int fd, const void *data, uint64_t bytes)
{
    const ssize_t sent = send(fd, data, bytes, MSG_NOSIGNAL);
    return sent < 0 && errno == ENOTSOCK ? write(fd, data, bytes) : sent;
}

static wn_status write_all(const struct wn_pipe *pipe, const void *data, uint64_t bytes, wn_error *err)
{
    for (const uint8_t *p = data; bytes > 0;) {
        const ssize_t moved = write_some(pipe->out, p, bytes);
        if (moved < 0) {
            WN_TRY(try_again(pipe, 1, err));
            continue;
        }
        p += moved;
        bytes -= (uint64_t)moved;
    }
    return WN_OK;
}

static wn_status read_all(const struct wn_pipe *pipe, void *data, uint64_t bytes, wn_error *err)
{
    for (uint8_t *p = data; bytes > 0;) {
        const ssize_t moved = read(pipe->in, p, bytes);
        if (moved == 0)
            return wn_fail(err, WN_E_IO, "the other process has closed its end");
        if (moved < 0) {
            WN_TRY(try_again(pipe, 0, err));
            continue;
        }
        p += moved;
        bytes -= (uint64_t)moved;
    }
    return WN_OK;
}

/* ---- frames ------------------------------------------------------------------------------------------------------ */

wn_status wn_frame_send(const struct wn_pipe *pipe, const char *text, uint64_t part_count, const struct wn_part *parts,
                        wn_error *err)
{
    uint8_t header[WN_FRAME_HEADER];
    const uint64_t length = strlen(text);
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < part_count; i++)
        bytes += parts[i].bytes;
    if (length > WN_FRAME_MAX_TEXT)
        return wn_fail(err, WN_E_ARG, "a frame with %llu bytes of text; %d are possible", (unsigned long long)length,
                       WN_FRAME_MAX_TEXT);
    wn_frame_write_header(header, length, bytes);
    WN_TRY(write_all(pipe, header, sizeof header, err));
    WN_TRY(write_all(pipe, text, length, err));
    for (uint64_t i = 0; i < part_count; i++)
        WN_TRY(write_all(pipe, parts[i].data, parts[i].bytes, err));
    return WN_OK;
}

static wn_status receive_body(const struct wn_pipe *pipe, struct wn_frame *f, wn_error *err)
{
    f->text = malloc(f->text_bytes + 1);
    f->data = f->data_bytes ? malloc(f->data_bytes) : NULL;
    if (!f->text || (f->data_bytes && !f->data))
        return wn_fail(err, WN_E_MEMORY, "no memory for a frame of %llu bytes",
                       (unsigned long long)(f->text_bytes + f->data_bytes));
    WN_TRY(read_all(pipe, f->text, f->text_bytes, err));
    f->text[f->text_bytes] = '\0';
    return read_all(pipe, f->data, f->data_bytes, err);
}

wn_status wn_frame_receive(const struct wn_pipe *pipe, struct wn_frame_limits limits, struct wn_frame *frame,
                           wn_error *err)
{
    uint8_t header[WN_FRAME_HEADER];
    *frame = (struct wn_frame){ 0 };
    WN_TRY(read_all(pipe, header, sizeof header, err));
    WN_TRY(wn_frame_read_header(header, limits, &frame->text_bytes, &frame->data_bytes, err));
    const wn_status status = receive_body(pipe, frame, err);
    if (status != WN_OK)
        wn_frame_free(frame);
    return status;
}

void wn_frame_free(struct wn_frame *frame)
{
    free(frame->text);
    free(frame->data);
    *frame = (struct wn_frame){ 0 };
}
