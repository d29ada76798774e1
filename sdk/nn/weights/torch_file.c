/* torch_file.c - from a zip archive and the objects of its pickle to named tensors.
 *
 * An archive is <name>/data.pkl, the pickle, and <name>/data/<key>, the bytes of each storage. The pickle says that
 * a tensor is a window of a storage; that the window lies inside, and the storage inside the file, is proved here.
 * Objects of a pickle may contain one another in every way, also in circles: depth and count of what is walked are
 * bounded.
 */
#include "torch_file.h"

#include "mapping.h"
#include "pickle.h"
#include "safetensors.h"
#include "zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTH = 64, MAX_VISITS = 1 << 20, MAX_TENSORS = 100000, NAME_BYTES = 1024 };

struct nn_torch_file {
    struct mapping file;
    struct zip zip;
    char folder[256]; /* <name> of the archive */
    struct pickle pickle;
    nn_tensor *tensors; /* sorted by name */
    uint64_t count, capacity;
    unsigned char **copies; /* data put in order */
    uint64_t copy_count, copied_bytes;
};

/* ---- mapping ---- */

int nn_torch_file_is(const unsigned char first[8])
{
    static const unsigned char zeros[4]; /* a safetensors header of 640 bytes begins like a pickle, but for these */
    return memcmp(first, "PK\3\4", 4) == 0 ||
           (first[0] == 0x80 && first[1] >= 2 && first[1] <= 5 && memcmp(first + 4, zeros, 4) != 0);
}

/* Before 1.6 torch wrote pickles one behind the other, and the older ones are tar archives. */
static wn_status check_kind(const nn_torch_file *f, wn_error *err)
{
    if (memcmp(f->file.data, "PK\3\4", 4) == 0)
        return WN_OK;
    if (f->file.data[0] == 0x80)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "%s: is a torch file of the form before 1.6, which is not read; load and save it once with a "
                       "newer torch: torch.save(torch.load(file, weights_only=True), file)",
                       f->file.path);
    return wn_fail(err, WN_E_FORMAT, "%s: is no torch file: it begins with neither a zip archive nor a pickle",
                   f->file.path);
}

/* ---- the archive ---- */

/* Finds the one <name>/data.pkl. */
static wn_status find_pickle(nn_torch_file *f, const struct zip_member **out, wn_error *err)
{
    static const char tail[] = "/data.pkl";
    const size_t tail_bytes = sizeof tail - 1;
    *out = NULL;
    for (uint64_t i = 0; i < f->zip.count; i++) {
        const struct zip_member *m = &f->zip.members[i];
        if (m->name_bytes <= tail_bytes || m->name_bytes - tail_bytes >= sizeof f->folder ||
            memcmp(m->name + m->name_bytes - tail_bytes, tail, tail_bytes) != 0 ||
            memchr(m->name, '/', m->name_bytes - tail_bytes))
            continue;
        if (*out)
            return wn_fail(err, WN_E_FORMAT, "%s: holds two pickles, %.*s and %.*s", f->file.path,
                           (int)(*out)->name_bytes, (*out)->name, (int)m->name_bytes, m->name);
        *out = m;
        snprintf(f->folder, sizeof f->folder, "%.*s", (int)(m->name_bytes - tail_bytes), m->name);
    }
    if (!*out)
        return wn_fail(err, WN_E_FORMAT, "%s: is a zip archive, but not one of torch: it holds no data.pkl",
                       f->file.path);
    return WN_OK;
}

static wn_status check_stored(const nn_torch_file *f, const struct zip_member *m, wn_error *err)
{
    if (m->method == 0)
        return WN_OK;
    return wn_fail(
        err, WN_E_UNSUPPORTED,
        "%s: member '%.*s' is compressed (method %u), torch stores it as it is; save the file again with torch",
        f->file.path, (int)m->name_bytes, m->name, m->method);
}

static wn_status check_byte_order(const nn_torch_file *f, wn_error *err)
{
    char name[sizeof f->folder + 16];
    snprintf(name, sizeof name, "%s/byteorder", f->folder);
    const struct zip_member *m = zip_find(&f->zip, name);
    if (!m || (m->method == 0 && m->bytes == 6 && memcmp(m->data, "little", 6) == 0))
        return WN_OK;
    return wn_fail(err, WN_E_UNSUPPORTED, "%s: %s is not 'little': it was written on a machine of the other byte order",
                   f->file.path, name);
}

/* ---- tensors ---- */

/* The member that holds a storage: exactly its elements. */
static wn_status find_storage(const nn_torch_file *f, const char *name, const struct pickle_storage *s,
                              const struct zip_member **out, wn_error *err)
{
    char member[sizeof f->folder + 128];
    uint64_t bytes;
    const int n = snprintf(member, sizeof member, "%s/data/%s", f->folder, s->key);
    *out = n >= 0 && (size_t)n < sizeof member ? zip_find(&f->zip, member) : NULL;
    if (!*out)
        return wn_fail(err, WN_E_FORMAT, "%s: tensor '%.200s': its data, '%.150s', are not in the archive",
                       f->file.path, name, member);
    WN_TRY(check_stored(f, *out, err));
    if (__builtin_mul_overflow(s->count, nn_dtype_bits(s->dtype) / 8, &bytes) || bytes != (*out)->bytes)
        return wn_fail(err, WN_E_FORMAT,
                       "%s: tensor '%.200s': its storage of %" PRIu64 " %s has %" PRIu64 " bytes in the archive",
                       f->file.path, name, s->count, nn_dtype_name(s->dtype), (*out)->bytes);
    return WN_OK;
}

/* Number of elements, and whether they stand in order; that the last one lies inside the storage. */
static wn_status check_window(const nn_torch_file *f, const char *name, const struct pickle_tensor *t, uint64_t *count,
                              bool *is_dense, wn_error *err)
{
    uint64_t last = t->offset, step;
    int overflow = 0;
    *count = 1;
    *is_dense = true;
    for (uint32_t i = t->rank; i-- > 0;) {
        *is_dense = *is_dense && (t->shape[i] <= 1 || t->stride[i] == *count);
        overflow |= __builtin_mul_overflow(*count, t->shape[i], count);
        overflow |= t->shape[i] > 0 && (__builtin_mul_overflow(t->shape[i] - 1, t->stride[i], &step) ||
                                        __builtin_add_overflow(last, step, &last));
    }
    if (overflow || (*count > 0 && last >= t->storage->count) || t->offset > t->storage->count)
        return wn_fail(err, WN_E_FORMAT, "%s: tensor '%.200s': reaches beyond its storage of %" PRIu64 " elements",
                       f->file.path, name, t->storage->count);
    *is_dense = *is_dense || *count == 0;
    return WN_OK;
}

static void gather(const struct pickle_tensor *t, const unsigned char *from, uint64_t size, uint64_t count,
                   unsigned char *to)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t place = 0, rest = i;
        for (uint32_t d = t->rank; d-- > 0; rest /= t->shape[d])
            place += rest % t->shape[d] * t->stride[d];
        memcpy(to + i * size, from + place * size, size);
    }
}

/* Puts elements in order. All copies together stay below the file's size, so that no small file makes a big one. */
static wn_status copy_in_order(nn_torch_file *f, const char *name, const struct pickle_tensor *t,
                               const unsigned char *from, uint64_t count, const void **out, wn_error *err)
{
    const uint64_t size = nn_dtype_bits(t->storage->dtype) / 8;
    if (count > t->storage->count || count * size > f->file.bytes - f->copied_bytes)
        return wn_fail(err, WN_E_UNSUPPORTED,
                       "%s: tensor '%.200s': its elements are not in order and there are more of them than the file "
                       "holds (an expanded view); save it with .contiguous()",
                       f->file.path, name);
    unsigned char **grown = realloc(f->copies, (f->copy_count + 1) * sizeof *grown), *copy = malloc(count * size);
    if (grown)
        f->copies = grown;
    if (!grown || !copy) {
        free(copy);
        return wn_fail(err, WN_E_MEMORY, "%s: tensor '%.200s': no memory for %" PRIu64 " bytes", f->file.path, name,
                       count * size);
    }
    gather(t, from, size, count, copy);
    f->copied_bytes += count * size;
    f->copies[f->copy_count++] = copy;
    *out = copy;
    return WN_OK;
}

static wn_status grow(nn_torch_file *f, wn_error *err)
{
    if (f->count < f->capacity)
        return WN_OK;
    const uint64_t more = f->capacity ? 2 * f->capacity : 256;
    nn_tensor *p = f->count < MAX_TENSORS ? realloc(f->tensors, more * sizeof *p) : NULL;
    if (!p)
        return f->count < MAX_TENSORS
                   ? wn_fail(err, WN_E_MEMORY, "%s: no memory for its tensors", f->file.path)
                   : wn_fail(err, WN_E_UNSUPPORTED, "%s: holds more than %d tensors", f->file.path, MAX_TENSORS);
    f->tensors = p;
    f->capacity = more;
    return WN_OK;
}

static wn_status add_tensor(nn_torch_file *f, const char *name, const struct pickle_tensor *t, wn_error *err)
{
    const struct zip_member *m;
    uint64_t count;
    bool is_dense;
    char *kept;
    WN_TRY(grow(f, err));
    WN_TRY(find_storage(f, name, t->storage, &m, err));
    WN_TRY(check_window(f, name, t, &count, &is_dense, err));
    WN_TRY(pickle_alloc(f->file.path, &f->pickle, strlen(name) + 1, &kept, err));
    strcpy(kept, name);
    const uint64_t size = nn_dtype_bits(t->storage->dtype) / 8;
    nn_tensor *out = &f->tensors[f->count];
    *out = (nn_tensor){ .name = kept,
                        .file = f->file.path,
                        .dtype = t->storage->dtype,
                        .rank = t->rank,
                        .bytes = count * size,
                        .data = m->data + t->offset * size };
    memcpy(out->shape, t->shape, sizeof out->shape);
    if (!is_dense)
        WN_TRY(copy_in_order(f, name, t, out->data, count, &out->data, err));
    f->count++;
    return WN_OK;
}

/* ---- walking ---- */

struct walk {
    nn_torch_file *archive;
    char name[NAME_BYTES]; /* of the value in hand */
    uint64_t visits;
    wn_error *err;
};

/* Appends a key to the name; a key that is no string or number names nothing. */
static wn_status enter(struct walk *w, size_t length, const struct pickle_value *key)
{
    const char *dot = length ? "." : "";
    int n;
    if (key->type == PICKLE_STRING)
        n = snprintf(w->name + length, sizeof w->name - length, "%s%s", dot, key->text);
    else
        n = snprintf(w->name + length, sizeof w->name - length, "%s%" PRId64, dot, key->integer);
    if (n < 0 || (size_t)n >= sizeof w->name - length)
        return wn_fail(w->err, WN_E_FORMAT, "%s: the name of a tensor is longer than %d bytes: '%.80s...'",
                       w->archive->file.path, NAME_BYTES - 1, w->name);
    for (const char *c = w->name + length; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return wn_fail(w->err, WN_E_FORMAT, "%s: the name of a tensor holds control character 0x%02x",
                           w->archive->file.path, (unsigned)(unsigned char)*c);
    return WN_OK;
}

static bool is_container(const struct pickle_value *v)
{
    return v->type == PICKLE_DICT || v->type == PICKLE_LIST || v->type == PICKLE_TUPLE;
}

/* Adds the tensors of a container, by their paths. */
static wn_status walk(struct walk *w, const struct pickle_value *container, int depth)
{
    const size_t length = strlen(w->name);
    struct pickle_value key = { .type = PICKLE_INT, .integer = -1 };
    if (depth > MAX_DEPTH)
        return wn_fail(w->err, WN_E_FORMAT, "%s: objects within objects, more than %d deep: '%.200s'",
                       w->archive->file.path, MAX_DEPTH, w->name);
    for (const struct pickle_item *i = container->items->first; i; i = i->next) {
        key.integer++;
        if (container->type == PICKLE_DICT) {
            key = i->value;
            i = i->next; /* the machine adds keys with their values */
        }
        if (++w->visits > MAX_VISITS)
            return wn_fail(w->err, WN_E_FORMAT, "%s: more than %d objects to walk through", w->archive->file.path,
                           MAX_VISITS);
        if ((i->value.type != PICKLE_TENSOR && !is_container(&i->value)) ||
            (key.type != PICKLE_STRING && key.type != PICKLE_INT))
            continue;
        WN_TRY(enter(w, length, &key));
        WN_TRY(i->value.type == PICKLE_TENSOR ? add_tensor(w->archive, w->name, i->value.tensor, w->err)
                                              : walk(w, &i->value, depth + 1));
        w->name[length] = '\0';
    }
    return WN_OK;
}

/* The dict under a key, or NULL; NULL also when the outer dict has tensors of its own. */
static const struct pickle_value *inner(const struct pickle_value *dict, const char *wanted)
{
    const struct pickle_value *found = NULL;
    for (const struct pickle_item *i = dict->items->first; i; i = i->next->next) {
        if (i->next->value.type == PICKLE_TENSOR)
            return NULL;
        if (i->value.type == PICKLE_STRING && i->next->value.type == PICKLE_DICT && strcmp(i->value.text, wanted) == 0)
            found = &i->next->value;
    }
    return found;
}

static const struct pickle_value *unwrap(const struct pickle_value *root)
{
    for (int depth = 0; root->type == PICKLE_DICT && depth < MAX_DEPTH; depth++) {
        const struct pickle_value *next = inner(root, "state_dict");
        if (!next)
            next = inner(root, "model");
        if (!next)
            break;
        root = next;
    }
    return root;
}

/* What training on several processors puts in front of every name. */
static void drop_module(nn_torch_file *f)
{
    static const char prefix[] = "module.";
    for (uint64_t i = 0; i < f->count; i++)
        if (strncmp(f->tensors[i].name, prefix, sizeof prefix - 1) != 0)
            return;
    for (uint64_t i = 0; i < f->count; i++)
        f->tensors[i].name += sizeof prefix - 1;
}

static int by_name(const void *a, const void *b)
{
    const nn_tensor *x = a, *y = b;
    return strcmp(x->name, y->name);
}

static wn_status name_tensors(nn_torch_file *f, wn_error *err)
{
    struct walk w = { .archive = f, .err = err };
    const struct pickle_value *root = unwrap(&f->pickle.root);
    if (!is_container(root))
        return wn_fail(err, WN_E_FORMAT, "%s: holds neither a dict nor a list of tensors; save model.state_dict()",
                       f->file.path);
    WN_TRY(walk(&w, root, 0));
    if (f->count == 0)
        return wn_fail(err, WN_E_FORMAT, "%s: holds no tensors", f->file.path);
    drop_module(f);
    qsort(f->tensors, f->count, sizeof *f->tensors, by_name);
    for (uint64_t i = 1; i < f->count; i++)
        if (by_name(&f->tensors[i - 1], &f->tensors[i]) == 0)
            return wn_fail(err, WN_E_FORMAT, "%s: tensor '%.200s' stands there twice", f->file.path,
                           f->tensors[i].name);
    return WN_OK;
}

/* ---- opening ---- */

static wn_status load(nn_torch_file *f, const char *path, wn_error *err)
{
    const struct zip_member *m;
    WN_TRY(mapping_open(path, 8, "a torch file", &f->file, err));
    WN_TRY(check_kind(f, err));
    WN_TRY(zip_read(f->file.path, f->file.data, f->file.bytes, &f->zip, err));
    WN_TRY(find_pickle(f, &m, err));
    WN_TRY(check_stored(f, m, err));
    WN_TRY(check_byte_order(f, err));
    WN_TRY(pickle_read(f->file.path, m->data, m->bytes, &f->pickle, err));
    return name_tensors(f, err);
}

wn_status nn_torch_file_open(const char *path, nn_torch_file **out, wn_error *err)
{
    *out = NULL;
    nn_torch_file *f = calloc(1, sizeof *f);
    if (!f)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
    const wn_status status = load(f, path, err);
    if (status == WN_OK)
        *out = f;
    else
        nn_torch_file_close(f);
    return status;
}

void nn_torch_file_close(nn_torch_file *f)
{
    if (!f)
        return;
    for (uint64_t i = 0; i < f->copy_count; i++)
        free(f->copies[i]);
    free(f->copies);
    free(f->tensors);
    pickle_finish(&f->pickle);
    zip_finish(&f->zip);
    mapping_close(&f->file);
    free(f);
}

/* ---- looking ---- */

const char *nn_torch_file_path(const nn_torch_file *f)
{
    return f->file.path;
}

uint64_t nn_torch_file_count(const nn_torch_file *f)
{
    return f->count;
}

const nn_tensor *nn_torch_file_at(const nn_torch_file *f, uint64_t i)
{
    return &f->tensors[i];
}

const nn_tensor *nn_torch_file_find(const nn_torch_file *f, const char *name)
{
    const nn_tensor key = { .name = name };
    return f->count ? bsearch(&key, f->tensors, f->count, sizeof key, by_name) : NULL;
}
