#include "export/event_file.h"

#include <string.h>

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };
enum { EVENT_WALL_TIME = 1, EVENT_STEP = 2, EVENT_FILE_VERSION = 3, EVENT_SUMMARY = 5 };
enum { SUMMARY_VALUE = 1, VALUE_TAG = 1, VALUE_SIMPLE = 2, VALUE_IMAGE = 4 };
enum { IMAGE_HEIGHT = 1, IMAGE_WIDTH = 2, IMAGE_COLORSPACE = 3, IMAGE_ENCODED = 4, COLORSPACE_RGB = 3 };
enum { EVENT_MAX = 80 << 20 };

/* ---- records: length, its checksum, data, its checksum; little endian ---- */

static uint32_t crc32c(const uint8_t *p, uint64_t bytes)
{
    uint32_t table[256], crc = ~0u;
    for (uint32_t i = 0; i < 256; i++) {
        table[i] = i;
        for (int k = 0; k < 8; k++)
            table[i] = table[i] >> 1 ^ (table[i] & 1 ? 0x82f63b78u : 0);
    }
    while (bytes--)
        crc = crc >> 8 ^ table[(crc ^ *p++) & 0xff];
    return ~crc;
}

uint32_t event_masked_crc(const void *data, uint64_t bytes)
{
    const uint32_t crc = crc32c(data, bytes);
    return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

static void put_little(struct buffer *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        buffer_byte(out, (char)(value >> 8 * i & 0xff));
}

static void put_record(struct buffer *out, struct buffer *event)
{
    uint8_t length[8];
    for (int i = 0; i < 8; i++)
        length[i] = event->size >> 8 * i & 0xff;
    if (event->failed)
        out->failed = event->failed;
    buffer_append(out, length, 8);
    put_little(out, event_masked_crc(length, 8), 4);
    buffer_append(out, event->data, event->size);
    put_little(out, event_masked_crc(event->data, event->size), 4);
    buffer_free(event);
}

/* ---- messages ---- */

static void put_varint(struct buffer *out, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        buffer_byte(out, (char)((value & 0x7f) | 0x80));
    buffer_byte(out, (char)value);
}

static void put_key(struct buffer *out, uint32_t field, uint32_t wire)
{
    put_varint(out, field << 3 | wire);
}

static void put_bytes(struct buffer *out, uint32_t field, const void *data, uint64_t bytes)
{
    put_key(out, field, WIRE_BYTES);
    put_varint(out, bytes);
    buffer_append(out, data, bytes);
}

static void put_u64(struct buffer *out, uint32_t field, uint64_t value)
{
    put_key(out, field, WIRE_VARINT);
    put_varint(out, value);
}

static void put_double(struct buffer *out, uint32_t field, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, WIRE_64);
    put_little(out, bits, 8);
}

static void put_float(struct buffer *out, uint32_t field, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_key(out, field, WIRE_32);
    put_little(out, bits, 4);
}

/* Embeds `inner` and frees it. */
static void put_message(struct buffer *out, uint32_t field, struct buffer *inner)
{
    if (inner->failed)
        out->failed = inner->failed;
    put_bytes(out, field, inner->data, inner->size);
    buffer_free(inner);
}

/* ---- events ---- */

void event_begin(struct buffer *out, double wall_time)
{
    static const char version[] = "brain.Event:2";
    struct buffer event = BUFFER_INIT(EVENT_MAX);
    put_double(&event, EVENT_WALL_TIME, wall_time);
    put_bytes(&event, EVENT_FILE_VERSION, version, sizeof version - 1);
    put_record(out, &event);
}

/* An event of one summary with one value, whose bytes are taken over. */
static void put_value(struct buffer *out, double wall_time, uint64_t step, struct buffer *value)
{
    struct buffer summary = BUFFER_INIT(EVENT_MAX), event = BUFFER_INIT(EVENT_MAX);
    put_message(&summary, SUMMARY_VALUE, value);
    put_double(&event, EVENT_WALL_TIME, wall_time);
    put_u64(&event, EVENT_STEP, step);
    put_message(&event, EVENT_SUMMARY, &summary);
    put_record(out, &event);
}

void event_scalar(struct buffer *out, double wall_time, uint64_t step, const char *tag, double value)
{
    struct buffer b = BUFFER_INIT(EVENT_MAX);
    put_bytes(&b, VALUE_TAG, tag, strlen(tag));
    put_float(&b, VALUE_SIMPLE, (float)value);
    put_value(out, wall_time, step, &b);
}

void event_picture(struct buffer *out, double wall_time, uint64_t step, const char *tag, uint32_t width_px,
                   uint32_t height_px, const struct buffer *png)
{
    struct buffer b = BUFFER_INIT(EVENT_MAX), image = BUFFER_INIT(EVENT_MAX);
    put_u64(&image, IMAGE_HEIGHT, height_px);
    put_u64(&image, IMAGE_WIDTH, width_px);
    put_u64(&image, IMAGE_COLORSPACE, COLORSPACE_RGB);
    put_bytes(&image, IMAGE_ENCODED, png->data, png->size);
    put_bytes(&b, VALUE_TAG, tag, strlen(tag));
    put_message(&b, VALUE_IMAGE, &image);
    put_value(out, wall_time, step, &b);
}
