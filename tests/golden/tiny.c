#include "tiny.h"

#include <weights/safetensors.h>

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_TENSORS = 1024, LINE = 4096, PATH = 3 * LINE };

static void die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

void *tiny_alloc(uint64_t count, uint64_t size)
{
    static struct block {
        struct block *next;
        max_align_t data[];
    } * all;
    struct block *b = calloc(1, sizeof *b + count * size);
    if (!b)
        die("test", "out of memory");
    b->next = all;
    all = b;
    return b->data;
}

/* make_models.py value(): a * uniform(-1, 1) + b, from FNV-1a of the name and SplitMix64 of the index. */
static void fill(float *out, const char *name, float a, float b, uint64_t first, uint64_t count)
{
    uint64_t key = UINT64_C(0xcbf29ce484222325);
    for (const char *c = name; *c; c++)
        key = (key ^ (unsigned char)*c) * UINT64_C(0x100000001b3);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t z = key + (first + i + 1) * UINT64_C(0x9e3779b97f4a7c15);
        z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
        z ^= z >> 31;
        const float u = (float)(z >> 40) * 0x1p-23f - 1.0f;
        const float scaled = a * u;
        out[i] = scaled + b;
    }
}

/* "name AxBxC (or - for a scalar) source a b first count [source ...]" */
static void read_tensor(char *line, nn_tensor *t)
{
    char *save;
    uint64_t n = 1;
    *t = (nn_tensor){ .name = strdup(strtok_r(line, " \n", &save)), .dtype = WN_F32 };
    char *shape = strtok_r(NULL, " \n", &save);
    for (char *end; *shape && *shape != '-'; shape = *end ? end + 1 : end) {
        t->shape[t->rank] = strtoull(shape, &end, 10);
        n *= t->shape[t->rank++];
    }
    float *data = calloc(n, sizeof *data);
    uint64_t used = 0;
    for (char *source; (source = strtok_r(NULL, " \n", &save)) != NULL;) {
        const float a = strtof(strtok_r(NULL, " \n", &save), NULL);
        const float b = strtof(strtok_r(NULL, " \n", &save), NULL);
        const uint64_t first = strtoull(strtok_r(NULL, " \n", &save), NULL, 10);
        const uint64_t count = strtoull(strtok_r(NULL, " \n", &save), NULL, 10);
        if (used + count > n)
            die(t->name, "more values than the shape has");
        fill(data + used, source, a, b, first, count);
        used += count;
    }
    if (used != n)
        die(t->name, "fewer values than the shape has");
    t->data = data;
    t->bytes = n * sizeof *data;
}

static void write_file(const char *folder, const char *name, nn_tensor *tensors, uint64_t count)
{
    char path[PATH];
    wn_error err;
    if (count == 0)
        return;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    char *slash = strrchr(path, '/');
    *slash = 0;
    mkdir(path, 0777);
    *slash = '/';
    if (nn_safetensors_write(path, tensors, count, NULL, 0, &err) != WN_OK)
        die(path, err.message);
    for (uint64_t i = 0; i < count; i++) {
        free((void *)tensors[i].name);
        free((void *)tensors[i].data);
    }
}

static void write_weights(const char *source, const char *folder)
{
    static nn_tensor tensors[MAX_TENSORS];
    char line[LINE], name[LINE] = "", path[PATH];
    uint64_t count = 0;
    snprintf(path, sizeof path, "%s/weights.txt", source);
    FILE *file = fopen(path, "r");
    if (!file)
        die(path, strerror(errno));
    while (fgets(line, sizeof line, file)) {
        if (*line == '[') {
            write_file(folder, name, tensors, count);
            snprintf(name, sizeof name, "%.*s", (int)strcspn(line + 1, "]"), line + 1);
            count = 0;
        } else if (count < MAX_TENSORS) {
            read_tensor(line, &tensors[count++]);
        } else {
            die(name, "more tensors than this test thinks");
        }
    }
    fclose(file);
    write_file(folder, name, tensors, count);
}

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    if (!in || !out)
        die(in ? to : from, strerror(errno));
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;)
        if (fwrite(block, 1, n, out) != n)
            die(to, strerror(errno));
    fclose(in);
    fclose(out);
}

static void copy_tree(const char *from, const char *to)
{
    char a[PATH], b[PATH];
    struct stat st;
    mkdir(to, 0777);
    DIR *dir = opendir(from);
    if (!dir)
        die(from, strerror(errno));
    for (struct dirent *e; (e = readdir(dir)) != NULL;) {
        if (e->d_name[0] == '.')
            continue;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        if (stat(a, &st) == 0 && S_ISDIR(st.st_mode))
            copy_tree(a, b);
        else
            copy_file(a, b);
    }
    closedir(dir);
}

const char *tiny_folder(const char *case_name, const char *user)
{
    static char folder[LINE];
    char source[LINE];
    snprintf(source, sizeof source, "%s/tests/golden/models/%s", WINNOW_SOURCE_DIR, case_name);
    snprintf(folder, sizeof folder, "%s/tests/golden-%s-%s", WINNOW_BUILD_DIR, case_name, user);
    copy_tree(source, folder);
    write_weights(source, folder);
    return folder;
}

const float *tiny_golden(const nn_weights *golden, const char *name, uint64_t *count)
{
    const nn_tensor *t = nn_weights_find(golden, name);
    if (!t)
        die(name, "not in golden.safetensors");
    uint64_t n = 1;
    for (uint32_t i = 0; i < t->rank; i++)
        n *= t->shape[i];
    float *values = tiny_alloc(n, sizeof *values);
    if (t->dtype == WN_U8)
        for (uint64_t i = 0; i < n; i++)
            values[i] = ((const uint8_t *)t->data)[i];
    else
        nn_tensor_to_f32(t, 0, values, n);
    if (count)
        *count = n;
    return values;
}

double relative_l2(const float *a, const float *b, uint64_t n)
{
    double difference = 0, norm = 0;
    for (uint64_t i = 0; i < n; i++) {
        difference += ((double)a[i] - (double)b[i]) * ((double)a[i] - (double)b[i]);
        norm += (double)b[i] * (double)b[i];
    }
    return norm > 0 ? sqrt(difference / norm) : difference > 0 ? INFINITY : 0;
}
