/* pickle.h - a pickle machine that can build the objects around tensors and nothing else.
 *
 * A pickle is a program for a small stack machine that may call any function of the reader's Python. This machine knows
 * the opcodes that torch writes and a short list of names (pickle_calls.c); any other name is refused by its name, and
 * nothing is ever run. Storages are left as what the file says of them: the caller knows where their bytes are.
 * Memory is bounded, whatever a pickle asks for (the limits below). Internal to the reader of torch files. [any]
 */
#ifndef WINNOW_NN_PICKLE_H
#define WINNOW_NN_PICKLE_H

#include "weights.h"

#include <stdbool.h>

enum pickle_type {
    PICKLE_NONE,
    PICKLE_BOOL,
    PICKLE_INT,
    PICKLE_FLOAT,
    PICKLE_STRING,
    PICKLE_TUPLE,
    PICKLE_LIST,
    PICKLE_DICT, /* of Python, ordered or not, or the attributes of an object of a TorchScript archive */
    PICKLE_GLOBAL,
    PICKLE_STORAGE,
    PICKLE_TENSOR,
    PICKLE_MARK /* on the stack only */
};

struct pickle_value {
    enum pickle_type type;
    union {
        int64_t integer; /* also a bool's */
        double number;
        const char *text; /* terminated, without zero characters inside */
        struct pickle_items *items;
        const struct pickle_global *global;
        const struct pickle_storage *storage;
        const struct pickle_tensor *tensor;
    };
};

/* A tuple's or list's values; a dict's keys, each followed by its value. */
struct pickle_item {
    struct pickle_item *next;
    struct pickle_value value;
};
struct pickle_items {
    struct pickle_item *first, *last;
    uint64_t count;
};

struct pickle_storage {
    int32_t dtype;   /* WN_F32 ... NN_DTYPE_... */
    const char *key; /* of its bytes */
    uint64_t count;  /* elements */
};

/* Elements storage[offset + sum index[i] * stride[i]]; as the file says, nothing checked. */
struct pickle_tensor {
    const struct pickle_storage *storage;
    uint64_t offset;
    uint32_t rank;
    uint64_t shape[NN_MAX_RANK];
    uint64_t stride[NN_MAX_RANK];
};

struct pickle {
    struct pickle_value root;
    struct pickle_block *blocks; /* memory of all objects */
    uint64_t block_bytes;
};

/* Runs a pickle and leaves its object as root. path is for errors. Free with pickle_finish, even after a failure. */
wn_status pickle_read(const char *path, const unsigned char *text, uint64_t bytes, struct pickle *out, wn_error *err);
void pickle_finish(struct pickle *p);

/* A tensor takes about 600 bytes and 20 places. */
enum {
    PICKLE_MAX_BYTES = 64 << 20,  /* of the pickle */
    PICKLE_MAX_MEMORY = 32 << 20, /* of the objects made */
    PICKLE_MAX_VALUES = 1 << 19   /* of the stack, and of the memo */
};

/* Zeroed memory that lives as long as the pickle; out is the address of a pointer to any object. */
wn_status pickle_alloc(const char *path, struct pickle *p, uint64_t bytes, void *out, wn_error *err);

/* ---- between pickle.c and pickle_calls.c ---- */

struct pickle_machine {
    const char *path;
    const unsigned char *text;
    uint64_t bytes, at;
    uint64_t opcode; /* where it stands, for errors */
    struct pickle *out;
    struct pickle_value *stack;
    uint64_t depth, stack_capacity;
    struct pickle_value *memo;
    uint64_t memo_count, memo_capacity;
    wn_error *err;
};

void pickle_say_damaged(const struct pickle_machine *m, const char *what);
static inline wn_status pickle_refuse(const struct pickle_machine *m, const char *what)
{
    pickle_say_damaged(m, what);
    return WN_E_FORMAT; /* here, where a compiler sees that what a failed step would fill is never read */
}
wn_status pickle_append(struct pickle_machine *m, struct pickle_items *to, struct pickle_value value);

wn_status pickle_find_global(struct pickle_machine *m, const char *module, const char *name, struct pickle_value *out);
/* What calling a global, or making an object of it (is_class), gives. */
wn_status pickle_call(struct pickle_machine *m, const struct pickle_value *callee, const struct pickle_value *arguments,
                      bool is_class, struct pickle_value *out);
/* The storage that a persistent id describes. */
wn_status pickle_persistent(struct pickle_machine *m, const struct pickle_value *id, struct pickle_value *out);

#endif
