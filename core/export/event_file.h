/* event_file.h - TensorBoard's event files: records (as TensorFlow's TFRecord frames them) of `Event` messages in the
 * wire format of protocol buffers. Only the few fields that scalars and pictures take are written.
 *
 * Sources: tensorflow/core/lib/io/record_writer.h (framing), tensorflow/core/util/event.proto and
 * tensorflow/core/framework/summary.proto (field numbers). */
#ifndef WINNOW_EXPORT_EVENT_FILE_H
#define WINNOW_EXPORT_EVENT_FILE_H

#include "base/buffer.h"

/* Begins the file: the version that readers look for. wall_time: unix seconds, of all events. */
void event_begin(struct buffer *out, double wall_time);
void event_scalar(struct buffer *out, double wall_time, uint64_t step, const char *tag, double value);
void event_picture(struct buffer *out, double wall_time, uint64_t step, const char *tag, uint32_t width_px,
                   uint32_t height_px, const struct buffer *png);

/* CRC-32C (Castagnoli) of bytes, masked as TFRecord does: a checksum of data with checksums in it stays strong. */
uint32_t event_masked_crc(const void *data, uint64_t bytes);

#endif
