/* t5_spm.c - T5's tokenizer around a SentencePiece model.
 *
 * The model file holds the pieces; T5 adds 100 sentinels after them, <extra_id_0> last, which the file does not know.
 * The names of sentinels and special tokens are recognised in the text before SentencePiece sees it, each stretch
 * between them is tokenized by itself, </s> ends the row and <pad> fills it.
 */
#include "t5_spm.h"

#include "../json.h"
#include "spm_check.h"
#include "spm_shim.h"
#include "tokenizer_config.h"

#include <stdlib.h>
#include <string.h>

#define TEXT_MAX_BYTES 65536

struct nn_t5_spm {
    struct spm *model;
    int32_t end, pad, unknown;
    int32_t extra_ids; /* sentinels behind the model's pieces */
    uint32_t max_length;
    nn_files files;
};

/* ---- opening ---- */

static wn_status find_special(const nn_t5_spm *t, const char *folder, const char *name, int32_t *id, wn_error *err)
{
    *id = spm_find(t->model, name);
    return *id >= 0 ? WN_OK : wn_fail(err, WN_E_FORMAT, "%s/spiece.model: has no piece '%s'", folder, name);
}

static wn_status read_config(nn_t5_spm *t, const nn_config *c, wn_error *err)
{
    int64_t extra = 100;
    WN_TRY(tokenizer_config_max_length(c, 512, &t->max_length, err));
    if (c)
        WN_TRY(nn_config_int(c, "extra_ids", extra, &extra, err));
    if (extra < 0 || extra > 100000)
        return wn_fail(err, WN_E_FORMAT, "%s: /extra_ids is %lld, want 0 to 100000", nn_config_file(c),
                       (long long)extra);
    t->extra_ids = (int32_t)extra;
    return WN_OK;
}

static wn_status open_checked(nn_t5_spm *t, const char *path, wn_error *err)
{
    char *bytes;
    size_t size;
    WN_TRY(nn_file_read(path, &bytes, &size, err));
    wn_status status = spm_check(path, (const unsigned char *)bytes, size, err);
    if (status == WN_OK)
        status = spm_open(path, (const unsigned char *)bytes, size, &t->model, err);
    free(bytes);
    return status;
}

static wn_status open_model(nn_t5_spm *t, const char *folder, wn_error *err)
{
    char *path = NULL;
    if (asprintf(&path, "%s/spiece.model", folder) < 0)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    wn_status status = open_checked(t, path, err);
    if (status == WN_OK)
        status = nn_files_add(&t->files, path, "", err);
    free(path);
    WN_TRY(status);
    WN_TRY(find_special(t, folder, "</s>", &t->end, err));
    WN_TRY(find_special(t, folder, "<pad>", &t->pad, err));
    return find_special(t, folder, "<unk>", &t->unknown, err);
}

wn_status nn_t5_spm_open(const char *folder, nn_t5_spm **out, wn_error *err)
{
    nn_config *c;
    *out = NULL;
    nn_t5_spm *t = calloc(1, sizeof *t);
    if (!t)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", folder);
    wn_status status = tokenizer_config_open(folder, &t->files, &c, err);
    if (status == WN_OK)
        status = read_config(t, c, err);
    nn_config_close(c);
    if (status == WN_OK)
        status = open_model(t, folder, err);
    if (status != WN_OK) {
        nn_t5_spm_close(t);
        return status;
    }
    *out = t;
    return WN_OK;
}

void nn_t5_spm_close(nn_t5_spm *t)
{
    if (!t)
        return;
    spm_close(t->model);
    nn_files_finish(&t->files);
    free(t);
}

const nn_files *nn_t5_spm_files(const nn_t5_spm *t)
{
    return &t->files;
}

int32_t nn_t5_spm_end(const nn_t5_spm *t)
{
    return t->end;
}

int32_t nn_t5_spm_pad(const nn_t5_spm *t)
{
    return t->pad;
}

uint32_t nn_t5_spm_max_length(const nn_t5_spm *t)
{
    return t->max_length;
}

/* ---- special tokens in the text ---- */

/* Number of the sentinel "<extra_id_N>" at text, -1 when there is none. */
static int32_t sentinel_number(const nn_t5_spm *t, const char *text, size_t *length)
{
    static const char prefix[] = "<extra_id_";
    int32_t number = 0;
    const char *at = text + sizeof prefix - 1;
    if (strncmp(text, prefix, sizeof prefix - 1) != 0)
        return -1;
    const char *first = at;
    for (; *at >= '0' && *at <= '9' && number < t->extra_ids; at++)
        number = 10 * number + (*at - '0');
    if (at == first || *at != '>' || (*first == '0' && at > first + 1) || number >= t->extra_ids)
        return -1;
    *length = (size_t)(at + 1 - text);
    return number;
}

/* Id of the special token at text and its length in bytes; -1 when there is none. */
static int32_t special_at(const nn_t5_spm *t, const char *text, size_t *length)
{
    const struct {
        const char *name;
        int32_t id;
    } specials[] = { { "</s>", t->end }, { "<pad>", t->pad }, { "<unk>", t->unknown } };
    for (size_t i = 0; i < sizeof specials / sizeof specials[0]; i++) {
        *length = strlen(specials[i].name);
        if (strncmp(text, specials[i].name, *length) == 0)
            return specials[i].id;
    }
    int32_t number = sentinel_number(t, text, length);
    return number < 0 ? -1 : spm_size(t->model) + t->extra_ids - 1 - number;
}

/* ---- encoding ---- */

struct row {
    int32_t *ids;
    uint32_t count, capacity;
    bool truncated;
};

static void put(struct row *r, int32_t id)
{
    if (r->count < r->capacity)
        r->ids[r->count++] = id;
    else
        r->truncated = true;
}

static wn_status put_plain(const nn_t5_spm *t, const char *text, size_t bytes, struct row *r, wn_error *err)
{
    int32_t *ids;
    size_t count;
    if (bytes == 0)
        return WN_OK;
    WN_TRY(spm_encode(t->model, text, bytes, &ids, &count, err));
    for (size_t i = 0; i < count; i++)
        put(r, ids[i]);
    free(ids);
    return WN_OK;
}

static wn_status put_text(const nn_t5_spm *t, const char *text, struct row *r, wn_error *err)
{
    const char *plain = text;
    size_t length;
    while (*text) {
        int32_t id = *text == '<' ? special_at(t, text, &length) : -1;
        if (id < 0) {
            text++;
            continue;
        }
        WN_TRY(put_plain(t, plain, (size_t)(text - plain), r, err));
        put(r, id);
        plain = text += length;
    }
    return put_plain(t, plain, (size_t)(text - plain), r, err);
}

wn_status nn_t5_spm_encode(const nn_t5_spm *t, const char *text, uint32_t length, int32_t *ids, uint32_t *count,
                           bool *truncated, wn_error *err)
{
    struct row r = { ids, 0, length - 1, false };
    size_t bytes = strlen(text);
    if (length < 1)
        return wn_fail(err, WN_E_ARG, "length 0 has no room for the end token");
    if (bytes > TEXT_MAX_BYTES)
        return wn_fail(err, WN_E_ARG, "the text has %zu bytes, at most %d are tokenized", bytes, TEXT_MAX_BYTES);
    WN_TRY(put_text(t, text, &r, err));
    ids[r.count++] = t->end;
    *count = r.count;
    *truncated = r.truncated;
    for (uint32_t i = r.count; i < length; i++)
        ids[i] = t->pad;
    return WN_OK;
}
