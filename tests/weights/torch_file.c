/* Files that torch itself wrote (make_torch_files.py): types, views, nesting, checkpoints, TorchScript; and those that
 * are refused for what they are rather than for lying.
 */
#include "files.h"

#include "weights/safetensors.h"
#include "weights/torch_file.h"
#include "weights/weights.h"

static wn_error err;

static nn_weights *must_open(const char *name)
{
    char path[512];
    nn_weights *w = NULL;
    snprintf(path, sizeof path, "%s/tests/weights/data/%s", WINNOW_SOURCE_DIR, name);
    CHECK_OK(nn_weights_open(path, &w, &err), err);
    if (!w)
        exit(1);
    return w;
}

/* values: the elements in order, then NAN. */
static void check_tensor(const nn_weights *w, const char *name, int32_t dtype, const char *shape, const float *values)
{
    char got[64] = "";
    const nn_tensor *t = nn_weights_find(w, name);
    if (!t) {
        CHECK_FAIL("%s: no tensor %s", nn_weights_path(w), name);
        return;
    }
    CHECK_INT(t->dtype, dtype);
    for (uint32_t i = 0; i < t->rank; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", i ? "x" : "", (int)t->shape[i]);
    CHECK_STR(got, shape);
    for (uint64_t i = 0; !isnan(values[i]); i++) {
        float value;
        nn_tensor_to_f32(t, i, &value, 1);
        if (!(value == values[i]))
            CHECK_FAIL("%s: element %d is %g, want %g", name, (int)i, (double)value, (double)values[i]);
    }
}

#define VALUES(...) ((const float[]){ __VA_ARGS__, NAN })

static void reads_types(void)
{
    static const int32_t types[] = { WN_F32, WN_F16,       WN_BF16,     NN_DTYPE_F64, WN_I64,
                                     WN_I32, NN_DTYPE_I16, NN_DTYPE_I8, WN_U8,        NN_DTYPE_BOOL };
    nn_weights *w = must_open("types.pt");
    CHECK_INT(nn_weights_count(w), 10);
    for (int i = 0; i < 10; i++) {
        char name[8];
        snprintf(name, sizeof name, "t%d", i);
        check_tensor(w, name, types[i], "3", VALUES(0, 1, 1));
    }
    nn_weights_close(w);
}

static void reads_views(void)
{
    nn_weights *w = must_open("views.pt");
    CHECK_INT(nn_weights_count(w), 12);
    check_tensor(w, "all", WN_F32, "2x3x4", VALUES(0, 1, 2, 3, 4));
    check_tensor(w, "row", WN_F32, "3x4", VALUES(12, 13, 14, 15, 16));
    check_tensor(w, "turned", WN_F32, "4x2x3", VALUES(0, 4, 8, 12, 16, 20, 1, 5));
    check_tensor(w, "every", WN_F32, "2x2x3", VALUES(1, 2, 3, 9, 10, 11, 13));
    check_tensor(w, "empty", WN_F32, "2x0x4", VALUES(NAN));
    check_tensor(w, "number", WN_F32, "", VALUES(7));
    check_tensor(w, "head", WN_I64, "3", VALUES(0, 1, 2));
    check_tensor(w, "tail", WN_I64, "7", VALUES(3, 4, 5));
    check_tensor(w, "nested.list.0", WN_F32, "1", VALUES(1));
    check_tensor(w, "nested.list.1.x", WN_F32, "1", VALUES(0));
    check_tensor(w, "nested.5", WN_F32, "2", VALUES(1, 1));
    check_tensor(w, "parameter", WN_F32, "2", VALUES(1, 1));
    nn_weights_close(w);
}

static void reads_models(void)
{
    static const char *const files[] = { "checkpoint.pt", "script.pt", "trace.pt" };
    for (int i = 0; i < 3; i++) {
        nn_weights *w = must_open(files[i]);
        CHECK_INT(nn_weights_count(w), 4);
        check_tensor(w, "inner.lin.weight", WN_F32, "2x3", VALUES(0, 1, 2, 3, 4, 5));
        check_tensor(w, "inner.lin.bias", WN_F32, "2", VALUES(-1, 2.5f));
        check_tensor(w, "scale", WN_F16, "", VALUES(0.5f));
        check_tensor(w, "input_resolution", WN_I64, "", VALUES(224));
        nn_weights_close(w);
    }
}

static void refuses(const char *name, const char *reason)
{
    char path[512];
    nn_weights *w;
    snprintf(path, sizeof path, "%s/tests/weights/data/%s", WINNOW_SOURCE_DIR, name);
    CHECK_INT(nn_weights_open(path, &w, &err), WN_E_UNSUPPORTED);
    CHECK_CONTAINS(err.message, reason);
}

/* A safetensors header of 640 bytes begins with the bytes of a pickle. */
static void is_not_fooled(void)
{
    static char header[641];
    nn_weights *w;
    memset(header, ' ', 640);
    memcpy(header, "{}", 2);
    CHECK_OK(nn_weights_open(write_st("a.bin", header, 640, 0), &w, &err), err);
    nn_weights_close(w);
}

int main(void)
{
    scratch_make(folder);
    reads_types();
    reads_views();
    reads_models();
    refuses("legacy.pt", "of the form before 1.6");
    refuses("module.pt", "wants '__main__.Outer'");
    is_not_fooled();
    nn_torch_file_close(NULL);
    scratch_remove(folder);
    return CHECK_DONE();
}
