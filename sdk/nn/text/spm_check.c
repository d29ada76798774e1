/* spm_check.c - looks at the one part of a SentencePiece model that the library follows without looking.
 *
 * A model is a protobuf message. Its normalizer holds a "precompiled character map": a trie as a double array of 32-bit
 * units, and a pool of strings for its values. The library walks that array by offsets from the file; in a damaged file
 * they lead out of it. Here every unit's offset is followed once, so that no text can lead further later. The rest of
 * the message is parsed and checked by the library itself.
 *
 * A unit is a value (bit 31) or a node: label in bits 0-7, bit 8 says that its first child is a value, and its children
 * stand at index ^ offset ^ label. Format: darts-clone, https://github.com/s-yata/darts-clone.
 */
#include "spm_check.h"

#include <inttypes.h>
#include <string.h>

struct view {
    const unsigned char *at;
    const unsigned char *end;
};

static uint32_t read_u32(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* ---- the double array ---- */

static uint32_t child_base(uint32_t i, uint32_t unit)
{
    return i ^ (unit >> 10) << ((unit & 1u << 9) >> 6);
}

static const char *check_unit(const unsigned char *units, uint32_t count, uint32_t i, uint64_t pool)
{
    uint32_t unit = read_u32(units + 4 * (size_t)i);
    if (unit >> 31)
        return NULL;
    uint32_t base = child_base(i, unit);
    if ((base | 0xff) >= count)
        return "a node points out of the trie";
    if (unit & 1u << 8 && (read_u32(units + 4 * (size_t)base) & 0x7fffffff) >= pool)
        return "a value points out of the strings";
    return NULL;
}

static wn_status check_map(const char *path, struct view map, wn_error *err)
{
    uint64_t size = (uint64_t)(map.end - map.at);
    const char *fault = NULL;
    if (size == 0) /* no map: the text is taken as it is */
        return WN_OK;
    uint64_t trie = size > 4 ? read_u32(map.at) : UINT64_MAX;
    if (trie >= size - 4 || trie % 4 || trie == 0)
        return wn_fail(err, WN_E_FORMAT, "%s: character map of %" PRIu64 " bytes with a trie of %" PRIu64, path, size,
                       trie);
    if (map.end[-1] != 0)
        fault = "the last string has no end";
    for (uint32_t i = 0, count = (uint32_t)(trie / 4); !fault && i < count; i++)
        fault = check_unit(map.at + 4, count, i, size - 4 - trie);
    return fault ? wn_fail(err, WN_E_FORMAT, "%s: character map: %s; the file is damaged", path, fault) : WN_OK;
}

/* ---- protobuf ---- */

static int read_varint(struct view *v, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; shift < 64 && v->at < v->end; shift += 7) {
        *out |= (uint64_t)(*v->at & 0x7f) << shift;
        if (!(*v->at++ & 0x80))
            return 1;
    }
    return 0;
}

/* Steps over one field; *content is what a length-delimited one (wire type 2) holds. Returns its tag, 0 at a fault. */
static uint64_t next_field(struct view *v, struct view *content)
{
    uint64_t tag, length = 0;
    *content = (struct view){ v->at, v->at };
    if (!read_varint(v, &tag))
        return 0;
    switch (tag & 7) {
    case 0:
        return read_varint(v, &length) ? tag : 0;
    case 1:
        length = 8;
        break;
    case 2:
        if (!read_varint(v, &length))
            return 0;
        break;
    case 5:
        length = 4;
        break;
    default:
        return 0;
    }
    if (length > (uint64_t)(v->end - v->at))
        return 0;
    *content = (struct view){ v->at, v->at + length };
    v->at += length;
    return tag;
}

enum {
    BYTES = 2,
    MODEL_NORMALIZER = 3 << 3 | BYTES,
    MODEL_DENORMALIZER = 5 << 3 | BYTES,
    NORMALIZER_MAP = 2 << 3 | BYTES
};

static wn_status check_normalizer(const char *path, struct view spec, wn_error *err)
{
    struct view content;
    while (spec.at < spec.end) {
        uint64_t tag = next_field(&spec, &content);
        if (tag == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: is no SentencePiece model: broken normalizer", path);
        if (tag == NORMALIZER_MAP)
            WN_TRY(check_map(path, content, err));
    }
    return WN_OK;
}

wn_status spm_check(const char *path, const unsigned char *bytes, uint64_t size, wn_error *err)
{
    struct view model = { bytes, bytes + size }, content;
    while (model.at < model.end) {
        const unsigned char *at = model.at;
        uint64_t tag = next_field(&model, &content);
        if (tag == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: is no SentencePiece model: broken at byte %td", path, at - bytes);
        if (tag == MODEL_NORMALIZER || tag == MODEL_DENORMALIZER)
            WN_TRY(check_normalizer(path, content, err));
    }
    return WN_OK;
}
