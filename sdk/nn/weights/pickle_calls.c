/* pickle_calls.c - the names a pickle of tensors may use, and what "calling" them gives. Nothing else is known, so
 * nothing else can happen: a pickle that names os.system is refused like one that names an optimizer.
 */
#include "pickle.h"
#include "safetensors.h"

#include <string.h>

enum call { CALL_DICT = 1, CALL_TENSOR, CALL_FIRST, CALL_CLASS, CALL_STORAGE };

struct pickle_global {
    const char *module;
    const char *name;
    enum call call;
    int32_t dtype; /* of a storage */
};

static const struct pickle_global globals[] = {
    { "collections", "OrderedDict", CALL_DICT, 0 },
    { "torch._utils", "_rebuild_tensor_v2", CALL_TENSOR, 0 },
    { "torch._utils", "_rebuild_parameter", CALL_FIRST, 0 },
    { "torch.jit._pickle", "build_intlist", CALL_FIRST, 0 },
    { "torch.jit._pickle", "build_doublelist", CALL_FIRST, 0 },
    { "torch.jit._pickle", "build_boollist", CALL_FIRST, 0 },
    { "torch.jit._pickle", "build_tensorlist", CALL_FIRST, 0 },
    { "torch.jit._pickle", "restore_type_tag", CALL_FIRST, 0 },
    { "torch", "FloatStorage", CALL_STORAGE, WN_F32 },
    { "torch", "HalfStorage", CALL_STORAGE, WN_F16 },
    { "torch", "BFloat16Storage", CALL_STORAGE, WN_BF16 },
    { "torch", "DoubleStorage", CALL_STORAGE, NN_DTYPE_F64 },
    { "torch", "LongStorage", CALL_STORAGE, WN_I64 },
    { "torch", "IntStorage", CALL_STORAGE, WN_I32 },
    { "torch", "ShortStorage", CALL_STORAGE, NN_DTYPE_I16 },
    { "torch", "CharStorage", CALL_STORAGE, NN_DTYPE_I8 },
    { "torch", "ByteStorage", CALL_STORAGE, WN_U8 },
    { "torch", "BoolStorage", CALL_STORAGE, NN_DTYPE_BOOL },
    { "torch", "ComplexFloatStorage", CALL_STORAGE, NN_DTYPE_C64 },
};

static const struct pickle_global script_class = { "__torch__", "", CALL_CLASS, 0 };

/* Classes of a TorchScript archive, "__torch__.open_clip.model.CLIP": the names of its own code, which is not run. */
static bool is_script_class(const char *module)
{
    const size_t n = strlen(script_class.module);
    return strncmp(module, script_class.module, n) == 0 && (module[n] == '.' || module[n] == '\0');
}

wn_status pickle_find_global(struct pickle_machine *m, const char *module, const char *name, struct pickle_value *out)
{
    *out = (struct pickle_value){ .type = PICKLE_GLOBAL, .global = is_script_class(module) ? &script_class : NULL };
    for (size_t i = 0; i < sizeof globals / sizeof *globals && !out->global; i++)
        if (strcmp(globals[i].module, module) == 0 && strcmp(globals[i].name, name) == 0)
            out->global = &globals[i];
    if (out->global)
        return WN_OK;
    return wn_fail(m->err, WN_E_UNSUPPORTED,
                   "%s: the pickle wants '%.100s.%.100s', which tensors do not need and winnow never runs; save the "
                   "state dict alone, torch.save(model.state_dict(), ...), or convert it to safetensors",
                   m->path, module, name);
}

static wn_status alloc(struct pickle_machine *m, uint64_t bytes, void *out)
{
    return pickle_alloc(m->path, m->out, bytes, out, m->err);
}

/* ---- tensors ---- */

/* Copies the items of a tuple into an array; at most `capacity`. */
static wn_status unpack(const struct pickle_machine *m, const struct pickle_value *tuple, uint64_t least,
                        uint64_t capacity, struct pickle_value *out)
{
    if (tuple->type != PICKLE_TUPLE || tuple->items->count < least || tuple->items->count > capacity)
        return pickle_refuse(m, "a call with other arguments than torch writes");
    for (const struct pickle_item *i = tuple->items->first; i; i = i->next)
        *out++ = i->value;
    return WN_OK;
}

static wn_status read_sizes(const struct pickle_machine *m, const struct pickle_value *tuple, uint64_t *out,
                            uint32_t *rank)
{
    struct pickle_value v[NN_MAX_RANK];
    if (tuple->type == PICKLE_TUPLE && tuple->items->count > NN_MAX_RANK)
        return wn_fail(m->err, WN_E_UNSUPPORTED, "%s: a tensor of %llu dimensions, at most %d are supported", m->path,
                       (unsigned long long)tuple->items->count, NN_MAX_RANK);
    WN_TRY(unpack(m, tuple, 0, NN_MAX_RANK, v));
    *rank = (uint32_t)tuple->items->count;
    for (uint32_t i = 0; i < *rank; i++) {
        if (v[i].type != PICKLE_INT || v[i].integer < 0)
            return pickle_refuse(m, "a size or stride of a tensor that is not a number from 0");
        out[i] = (uint64_t)v[i].integer;
    }
    return WN_OK;
}

/* (storage, offset, shape, strides, requires_grad, hooks[, metadata]) */
static wn_status rebuild_tensor(struct pickle_machine *m, const struct pickle_value *arguments,
                                struct pickle_value *out)
{
    struct pickle_value v[7];
    struct pickle_tensor *t;
    uint32_t strides;
    WN_TRY(unpack(m, arguments, 6, 7, v));
    if (v[0].type != PICKLE_STORAGE || v[1].type != PICKLE_INT || v[1].integer < 0)
        return pickle_refuse(m, "a tensor without a storage or with a negative offset");
    WN_TRY(alloc(m, sizeof *t, &t));
    t->storage = v[0].storage;
    t->offset = (uint64_t)v[1].integer;
    WN_TRY(read_sizes(m, &v[2], t->shape, &t->rank));
    WN_TRY(read_sizes(m, &v[3], t->stride, &strides));
    if (strides != t->rank)
        return pickle_refuse(m, "a tensor with other numbers of sizes and strides");
    *out = (struct pickle_value){ .type = PICKLE_TENSOR, .tensor = t };
    return WN_OK;
}

/* ('storage', type, key, device, elements) */
wn_status pickle_persistent(struct pickle_machine *m, const struct pickle_value *id, struct pickle_value *out)
{
    struct pickle_value v[5];
    struct pickle_storage *s;
    WN_TRY(unpack(m, id, 5, 5, v));
    if (v[0].type != PICKLE_STRING || strcmp(v[0].text, "storage") != 0 || v[1].type != PICKLE_GLOBAL ||
        v[1].global->call != CALL_STORAGE || v[2].type != PICKLE_STRING || v[4].type != PICKLE_INT || v[4].integer < 0)
        return pickle_refuse(m, "a persistent id that is not a storage of torch");
    WN_TRY(alloc(m, sizeof *s, &s));
    *s = (struct pickle_storage){ v[1].global->dtype, v[2].text, (uint64_t)v[4].integer };
    *out = (struct pickle_value){ .type = PICKLE_STORAGE, .storage = s };
    return WN_OK;
}

/* ---- calls ---- */

static wn_status new_dict(struct pickle_machine *m, struct pickle_value *out)
{
    *out = (struct pickle_value){ .type = PICKLE_DICT };
    return alloc(m, sizeof *out->items, &out->items);
}

static wn_status first_argument(const struct pickle_machine *m, const struct pickle_value *arguments,
                                struct pickle_value *out)
{
    struct pickle_value v[3];
    WN_TRY(unpack(m, arguments, 1, 3, v));
    *out = v[0];
    return WN_OK;
}

wn_status pickle_call(struct pickle_machine *m, const struct pickle_value *callee, const struct pickle_value *arguments,
                      bool is_class, struct pickle_value *out)
{
    struct pickle_value nothing[1];
    if (callee->type != PICKLE_GLOBAL)
        return pickle_refuse(m, "calls something that is not a function");
    const enum call call = callee->global->call;
    if (is_class != (call == CALL_CLASS) && !(is_class && call == CALL_DICT))
        return pickle_refuse(m, is_class ? "makes an object of a function" : "calls a class");
    switch (call) {
    case CALL_TENSOR:
        return rebuild_tensor(m, arguments, out);
    case CALL_FIRST:
        return first_argument(m, arguments, out);
    case CALL_DICT:
    case CALL_CLASS:
        WN_TRY(unpack(m, arguments, 0, 0, nothing));
        return new_dict(m, out);
    default:
        return pickle_refuse(m, "calls a type of storage");
    }
}
