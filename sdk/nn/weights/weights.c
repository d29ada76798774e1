/* weights.c - the tensors of a checkpoint, whether it is one file, a list of shards or a component's folder, and
 * whether they are of safetensors, torch or GGUF: content decides, not the name.
 *
 * Every file is mapped once in the process: open files stand in a list with a count of their users, found again by what
 * the file system says they are (device, inode, size, time), so that a file replaced on disk is a different one. A list
 * of shards comes from a stranger like any other file: its names must be plain file names, and every tensor must be in
 * the shard that is named for it.
 */
#include "weights.h"

#include "gguf.h"
#include "json.h"
#include "safetensors.h"
#include "synthetic.h"
#include "torch_file.h"

#include <cjson/cJSON.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- a file of any kind ---- */

/* One of the three. */
struct tensor_file {
    nn_safetensors *safetensors;
    nn_torch_file *torch;
    nn_gguf *gguf;
};

/* The first bytes; zeros for what cannot be read, which has its error later. */
static void read_first(const char *path, unsigned char first[8])
{
    memset(first, 0, 8);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd >= 0 && pread(fd, first, 8, 0) != 8)
        memset(first, 0, 8);
    if (fd >= 0)
        close(fd);
}

static wn_status tensor_file_open(const char *path, struct tensor_file *f, wn_error *err)
{
    unsigned char first[8];
    read_first(path, first);
    if (nn_torch_file_is(first))
        return nn_torch_file_open(path, &f->torch, err);
    if (nn_gguf_is(first))
        return nn_gguf_open(path, &f->gguf, err);
    return nn_safetensors_open(path, &f->safetensors, err);
}

static void tensor_file_close(struct tensor_file *f)
{
    nn_safetensors_close(f->safetensors);
    nn_torch_file_close(f->torch);
    nn_gguf_close(f->gguf);
}

static const char *tensor_file_path(const struct tensor_file *f)
{
    return f->torch  ? nn_torch_file_path(f->torch)
           : f->gguf ? nn_gguf_path(f->gguf)
                     : nn_safetensors_path(f->safetensors);
}

static uint64_t tensor_file_count(const struct tensor_file *f)
{
    return f->torch  ? nn_torch_file_count(f->torch)
           : f->gguf ? nn_gguf_count(f->gguf)
                     : nn_safetensors_count(f->safetensors);
}

static const nn_tensor *tensor_file_at(const struct tensor_file *f, uint64_t i)
{
    return f->torch  ? nn_torch_file_at(f->torch, i)
           : f->gguf ? nn_gguf_at(f->gguf, i)
                     : nn_safetensors_at(f->safetensors, i);
}

static const nn_tensor *tensor_file_find(const struct tensor_file *f, const char *name)
{
    return f->torch  ? nn_torch_file_find(f->torch, name)
           : f->gguf ? nn_gguf_find(f->gguf, name)
                     : nn_safetensors_find(f->safetensors, name);
}

static const char *tensor_file_metadata(const struct tensor_file *f, const char *key)
{
    const uint64_t count = f->torch  ? 0
                           : f->gguf ? nn_gguf_metadata_count(f->gguf)
                                     : nn_safetensors_metadata_count(f->safetensors);
    for (uint64_t i = 0; i < count; i++) {
        const nn_metadata *m =
            f->gguf ? nn_gguf_metadata_at(f->gguf, i) : nn_safetensors_metadata_at(f->safetensors, i);
        if (strcmp(m->key, key) == 0)
            return m->value;
    }
    return NULL;
}

/* ---- files shared in the process ---- */

struct shared_file {
    struct shared_file *next;
    struct tensor_file file;
    struct stat identity;
    uint64_t users;
};

static struct shared_file *shared_files;
static pthread_mutex_t shared_lock = PTHREAD_MUTEX_INITIALIZER;

static int same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

static wn_status add_shared(const char *path, const struct stat *identity, struct shared_file **out, wn_error *err)
{
    struct shared_file *s = calloc(1, sizeof *s);
    if (!s)
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
    wn_status status = tensor_file_open(path, &s->file, err);
    if (status != WN_OK) {
        free(s);
        return status;
    }
    s->identity = *identity;
    s->next = shared_files;
    *out = shared_files = s;
    return WN_OK;
}

static wn_status acquire_file(const char *path, struct tensor_file **out, wn_error *err)
{
    struct stat identity;
    wn_status status = WN_OK;
    if (stat(path, &identity) != 0)
        return wn_fail(err, errno == ENOENT ? WN_E_MISSING : WN_E_IO, "%s: cannot open: %s", path, strerror(errno));
    pthread_mutex_lock(&shared_lock);
    struct shared_file *s = shared_files;
    while (s && !same_file(&s->identity, &identity))
        s = s->next;
    if (!s)
        status = add_shared(path, &identity, &s, err);
    if (status == WN_OK) {
        s->users++;
        *out = &s->file;
    }
    pthread_mutex_unlock(&shared_lock);
    return status;
}

static void release_file(struct tensor_file *file)
{
    pthread_mutex_lock(&shared_lock);
    struct shared_file **link = &shared_files;
    while (&(*link)->file != file)
        link = &(*link)->next;
    struct shared_file *s = *link;
    if (--s->users == 0) {
        *link = s->next;
        tensor_file_close(&s->file);
        free(s);
    }
    pthread_mutex_unlock(&shared_lock);
}

/* ---- a checkpoint ---- */

struct nn_weights {
    char *path;
    struct tensor_file **files;
    char **names; /* of the files, as a list of shards gives them; NULL for a single file */
    uint64_t file_count;
    const nn_tensor **tensors; /* sorted by name */
    uint64_t count;
    nn_weights *base; /* of a view, NULL otherwise */
    nn_tensor *view;  /* [count], with names of their own */
    void *owned;
    struct nn_synthetic *synthetic; /* NULL: tensors of files */
};

static wn_status no_memory(const nn_weights *w, wn_error *err)
{
    return wn_fail(err, WN_E_MEMORY, "%s: no memory for its list of tensors", w->path);
}

static wn_status open_single(nn_weights *w, const char *path, wn_error *err)
{
    w->files = calloc(1, sizeof(*w->files));
    if (!w->files)
        return no_memory(w, err);
    WN_TRY(acquire_file(path, &w->files[0], err));
    w->file_count = 1;
    w->count = tensor_file_count(w->files[0]);
    w->tensors = calloc(w->count + 1, sizeof(*w->tensors));
    if (!w->tensors)
        return no_memory(w, err);
    for (uint64_t i = 0; i < w->count; i++)
        w->tensors[i] = tensor_file_at(w->files[0], i);
    return WN_OK;
}

/* ---- shards ---- */

static wn_status check_shard_name(const char *index, const char *name, wn_error *err)
{
    if (!*name || strchr(name, '/') || strchr(name, '\\') || strstr(name, ".."))
        return wn_fail(err, WN_E_FORMAT, "%s: weight_map: '%.200s' is not the plain name of a file beside it", index,
                       name);
    return WN_OK;
}

static char *beside(const char *path, const char *name)
{
    const char *slash = strrchr(path, '/');
    char *joined = NULL;
    if (asprintf(&joined, "%.*s%s", slash ? (int)(slash - path + 1) : 0, path, name) < 0)
        return NULL;
    return joined;
}

/* Opens shard `name` unless it is open. files and names have room for one more. */
static wn_status find_shard(nn_weights *w, const char *index, const char *name, struct tensor_file **out, wn_error *err)
{
    for (uint64_t i = w->file_count; i-- > 0;)
        if (strcmp(w->names[i], name) == 0) {
            *out = w->files[i];
            return WN_OK;
        }
    WN_TRY(check_shard_name(index, name, err));
    char *path = beside(index, name), *copy = strdup(name);
    wn_status status = path && copy ? acquire_file(path, out, err) : no_memory(w, err);
    if (status == WN_OK) {
        w->files[w->file_count] = *out;
        w->names[w->file_count++] = copy;
    } else
        free(copy);
    free(path);
    return status;
}

static int by_name(const void *a, const void *b)
{
    return strcmp((*(const nn_tensor *const *)a)->name, (*(const nn_tensor *const *)b)->name);
}

static wn_status add_mapped(nn_weights *w, const char *index, const cJSON *entry, wn_error *err)
{
    struct tensor_file *shard;
    if (!cJSON_IsString(entry))
        return wn_fail(err, WN_E_FORMAT, "%s: weight_map: the file of '%.200s' is not a string", index, entry->string);
    WN_TRY(find_shard(w, index, entry->valuestring, &shard, err));
    const nn_tensor *t = tensor_file_find(shard, entry->string);
    if (!t)
        return wn_fail(err, WN_E_MISSING, "%s: tensor '%.200s' is not in %s, where the list of shards puts it", index,
                       entry->string, tensor_file_path(shard));
    w->tensors[w->count++] = t;
    return WN_OK;
}

static wn_status add_shards(nn_weights *w, const char *index, const cJSON *root, wn_error *err)
{
    const cJSON *map = cJSON_GetObjectItemCaseSensitive(root, "weight_map");
    if (!cJSON_IsObject(map))
        return wn_fail(err, WN_E_FORMAT, "%s: no object \"weight_map\"", index);
    size_t n = (size_t)cJSON_GetArraySize(map);
    w->tensors = calloc(n + 1, sizeof(*w->tensors));
    w->files = calloc(n + 1, sizeof(*w->files));
    w->names = calloc(n + 1, sizeof(*w->names));
    if (!w->tensors || !w->files || !w->names)
        return no_memory(w, err);
    for (const cJSON *entry = map->child; entry; entry = entry->next)
        WN_TRY(add_mapped(w, index, entry, err));
    qsort(w->tensors, w->count, sizeof(*w->tensors), by_name);
    return WN_OK;
}

static wn_status open_index(nn_weights *w, const char *path, wn_error *err)
{
    cJSON *root;
    WN_TRY(nn_json_read(path, &root, err));
    wn_status status = add_shards(w, path, root, err);
    cJSON_Delete(root);
    return status;
}

/* ---- opening ---- */

static wn_status open_file(nn_weights *w, const char *path, wn_error *err)
{
    const char *dot = strrchr(path, '.');
    return dot && strcmp(dot, ".json") == 0 ? open_index(w, path, err) : open_single(w, path, err);
}

/* What a folder's weights are called, in the order in which they are looked for. */
static const char *const folder_names[] = { "diffusion_pytorch_model.safetensors",
                                            "diffusion_pytorch_model.safetensors.index.json",
                                            "model.safetensors",
                                            "model.safetensors.index.json",
                                            "open_clip_model.safetensors",
                                            "pytorch_model.bin",
                                            "pytorch_model.bin.index.json",
                                            "open_clip_pytorch_model.bin",
                                            "diffusion_pytorch_model.gguf",
                                            "model.gguf" };
enum { FOLDER_NAMES = sizeof folder_names / sizeof *folder_names };

static wn_status holds_none(const nn_weights *w, wn_error *err)
{
    char list[512] = "";
    for (size_t i = 0; i < FOLDER_NAMES; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", folder_names[i]);
    return wn_fail(err, WN_E_MISSING, "%s: holds no weights: looked for %s", w->path, list);
}

static wn_status open_folder(nn_weights *w, wn_error *err)
{
    struct stat s;
    for (size_t i = 0; i < FOLDER_NAMES; i++) {
        char *path = NULL;
        if (asprintf(&path, "%s/%s", w->path, folder_names[i]) < 0)
            return no_memory(w, err);
        int found = stat(path, &s) == 0;
        wn_status status = found ? open_file(w, path, err) : WN_OK;
        free(path);
        if (found)
            return status;
    }
    return holds_none(w, err);
}

static wn_status open_path(nn_weights *w, wn_error *err)
{
    struct stat s;
    if (stat(w->path, &s) != 0)
        return wn_fail(err, errno == ENOENT || errno == ENOTDIR ? WN_E_MISSING : WN_E_IO, "%s: cannot open weights: %s",
                       w->path, strerror(errno));
    return S_ISDIR(s.st_mode) ? open_folder(w, err) : open_file(w, w->path, err);
}

wn_status nn_weights_open(const char *path, nn_weights **out, wn_error *err)
{
    *out = NULL;
    nn_weights *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(path))) {
        free(w);
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", path);
    }
    wn_status status = open_path(w, err);
    if (status != WN_OK) {
        nn_weights_close(w);
        return status;
    }
    *out = w;
    return WN_OK;
}

/* ---- views ---- */

static wn_status fill_view(nn_weights *w, const nn_tensor *tensors, uint64_t count, wn_error *err)
{
    w->view = calloc(count + 1, sizeof *w->view);
    w->tensors = calloc(count + 1, sizeof(*w->tensors));
    if (!w->view || !w->tensors)
        return no_memory(w, err);
    for (; w->count < count; w->count++) {
        w->view[w->count] = tensors[w->count];
        if (!(w->view[w->count].name = strdup(tensors[w->count].name)))
            return no_memory(w, err);
        w->tensors[w->count] = &w->view[w->count];
    }
    qsort(w->tensors, w->count, sizeof(*w->tensors), by_name);
    return WN_OK;
}

wn_status nn_weights_view(nn_weights *base, const nn_tensor *tensors, uint64_t count, void *owned, nn_weights **out,
                          wn_error *err)
{
    nn_weights *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w || !(w->path = strdup(base->path))) {
        free(w);
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", base->path);
    }
    const wn_status status = fill_view(w, tensors, count, err);
    if (status != WN_OK) {
        nn_weights_close(w);
        return status;
    }
    w->base = base;
    w->owned = owned;
    *out = w;
    return WN_OK;
}

void nn_weights_close(nn_weights *w)
{
    if (!w)
        return;
    for (uint64_t i = 0; w->view && i < w->count; i++)
        free((char *)w->view[i].name);
    free(w->view);
    free(w->owned);
    synthetic_free(w->synthetic);
    nn_weights_close(w->base);
    for (uint64_t i = 0; i < w->file_count; i++) {
        release_file(w->files[i]);
        if (w->names)
            free(w->names[i]);
    }
    free(w->files);
    free(w->names);
    free(w->tensors);
    free(w->path);
    free(w);
}

/* ---- of no file ---- */

wn_status nn_weights_synthetic(const char *name, int32_t dtype, nn_weights **out, wn_error *err)
{
    *out = NULL;
    nn_weights *w = calloc(1, sizeof *w);
    if (!w || !(w->path = strdup(name))) {
        free(w);
        return wn_fail(err, WN_E_MEMORY, "%s: no memory", name);
    }
    const wn_status status = synthetic_new(name, dtype, &w->synthetic, err);
    if (status == WN_OK)
        *out = w;
    else
        nn_weights_close(w);
    return status;
}

/* ---- looking ---- */

const char *nn_weights_path(const nn_weights *w)
{
    return w->path;
}

uint64_t nn_weights_count(const nn_weights *w)
{
    return w->count;
}

const nn_tensor *nn_weights_at(const nn_weights *w, uint64_t i)
{
    return w->tensors[i];
}

const nn_tensor *nn_weights_find(const nn_weights *w, const char *name)
{
    const nn_tensor wanted = { .name = name }, *key = &wanted;
    if (w->synthetic)
        return synthetic_find(w->synthetic, name);
    if (w->count == 0)
        return NULL;
    const nn_tensor **found = bsearch(&key, w->tensors, w->count, sizeof(*w->tensors), by_name);
    return found ? *found : NULL;
}

const nn_tensor *nn_weights_shaped(const nn_weights *w, const char *name, uint64_t rows, uint64_t cols)
{
    return w->synthetic ? synthetic_make(w->synthetic, name, rows, cols) : nn_weights_find(w, name);
}

uint64_t nn_weights_file_count(const nn_weights *w)
{
    return w->base ? nn_weights_file_count(w->base) : w->file_count;
}

const char *nn_weights_file(const nn_weights *w, uint64_t i)
{
    return w->base ? nn_weights_file(w->base, i) : tensor_file_path(w->files[i]);
}

const char *nn_weights_metadata(const nn_weights *w, const char *key)
{
    const char *value = w->base ? nn_weights_metadata(w->base, key) : NULL;
    for (uint64_t i = 0; i < w->file_count && !value; i++)
        value = tensor_file_metadata(w->files[i], key);
    return value;
}
