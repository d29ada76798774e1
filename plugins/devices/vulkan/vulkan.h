/* vulkan.h - the Vulkan device's own types: what compile leaves behind and run works with.
 *
 *   api.c, caps.c       the library's functions; what a device can do
 *   memory.c            blocks of device memory, addresses, staging
 *   pipeline.c          kernels specialised for a use, and the cache of them on disk
 *   weights.c           one copy of every weight, shared by all programs
 *   compile.c, ops_*.c  from a checked graph to commands: one or two for each op
 *   elements.c          which activations are stored in 16 bits
 *   *_matrix.c          products and attention on matrix units; *_matrix2.c on whole groups'
 *   stream.c            weights that stay in host memory, copied up while others are multiplied
 *   order.c             which commands may run at once: barriers only where data flows
 *   record.c, run.c     command buffers of a bounded length, replayed for each run
 *   room.c              programs that are idle give way where memory is short
 *   submit.c            their way through one queue, or two where weights are streamed
 *
 * All memory is read through 64-bit addresses in push constants: nothing is bound, so that no tensor is too large for a
 * binding and recording is cheap.
 *
 * Results do not depend on items, order or submissions: a command's groups only share out rows and columns, never a
 * sum.
 */
#ifndef WINNOW_VULKAN_H
#define WINNOW_VULKAN_H

#include <device/graph.h>

#include <pthread.h>
#include <stdatomic.h>

#include "caps.h"
#include "kernels.h"

/* ---- memory ------------------------------------------------------------------------------------------------- */

enum memory_kind {
    MEMORY_DEVICE = 0,  /* fastest for kernels; mapped too where the device is unified */
    MEMORY_UPLOAD = 1,  /* written by the host */
    MEMORY_READBACK = 2 /* read by the host */
};

struct block;

/* A piece of a block; bytes 0 is none. */
struct slice {
    struct block *block;
    uint64_t offset, bytes;
    VkBuffer buffer;  /* of the block */
    uint64_t address; /* of its first byte, for kernels */
    char *mapped;     /* NULL where the host cannot see it */
};

/* Whether so many bytes more of weights leave room for what programs need beside them. [any] */
int memory_has_room(wn_device *device, uint64_t bytes);
/* Multiples of 256 bytes. Only by a program that is built, to which others give way (room.c).
 * WN_E_MEMORY names `what`, what is in use and what there is. [any] */
wn_status memory_get(wn_device *device, enum memory_kind kind, uint64_t bytes, const char *what, struct slice *slice,
                     wn_error *err);
void memory_put(wn_device *device, struct slice *slice); /* a slice of no bytes is fine. [any] */
void memory_close(wn_device *device);
/* Host memory to the device, waiting for it. [any] */
wn_status memory_upload(wn_device *device, const struct slice *to, uint64_t offset, const void *data, uint64_t bytes,
                        wn_error *err);

/* ---- pipelines ---------------------------------------------------------------------------------------------- */

enum { MAX_CONSTANTS = 24 };

/* A kernel and the values of its specialisation constants 0 .. count-1. */
struct variant {
    enum kernel kernel;
    uint32_t count;
    uint32_t value[MAX_CONSTANTS];
};

/* Found or made; lives as long as the device. [any] */
wn_status pipeline_get(wn_device *device, const struct variant *variant, VkPipeline *pipeline, wn_error *err);
wn_status pipeline_open(wn_device *device, wn_error *err);
void pipeline_close(wn_device *device);

/* ---- the device --------------------------------------------------------------------------------------------- */

struct packed;
struct pipeline_entry;

struct driver {
    const wn_host *host;
    struct instance_api api;
    struct caps *devices; /* GPUs first, software devices last */
    uint64_t device_count;
    atomic_int is_abandoned; /* a device hangs: the instance is never destroyed */
};

/* A semaphore that counts, and what it will have reached when all that was submitted has ended. */
struct timeline {
    VkSemaphore semaphore;
    uint64_t value;
};

struct wn_device {
    struct driver *driver;
    const wn_host *host;
    const struct caps *caps; /* the driver's, or less: `chosen` */
    const struct caps *listed;
    struct caps chosen;
    VkDevice handle;
    struct device_api vk;
    VkQueue queue;
    VkQueue copy_queue;          /* of streamed weights; NULL: there is one queue */
    pthread_mutex_t queue_mutex; /* of submissions, to both */
    pthread_rwlock_t use_lock;   /* read: by what uses the device; written: to open it again */
    uint64_t generation;         /* how often it was reopened after it was lost */
    atomic_int is_lost;          /* or could not be opened again */
    atomic_int is_hung;          /* it never answered: nothing of it is used or destroyed any more */

    pthread_mutex_t memory_mutex;
    struct block *blocks;
    uint64_t memory_used; /* bytes of blocks of device memory */
    uint64_t slices_used; /* bytes of slices in them */
    pthread_mutex_t staging_mutex;
    struct slice staging;
    VkCommandPool staging_pool;
    VkCommandBuffer staging_commands;
    VkFence staging_fence;

    pthread_mutex_t pipeline_mutex;
    VkPipelineCache cache;
    VkPipelineLayout layout;
    struct pipeline_entry *pipelines;
    char cache_path[4096];
    uint64_t cache_file_hash; /* of the data in the file; 0: there is none to be believed */

    pthread_mutex_t weights_mutex;
    struct packed *packed;
    pthread_mutex_t build_mutex; /* one program is built at a time */
    pthread_mutex_t programs_mutex;
    pthread_cond_t programs_changed;
    wn_program *programs;   /* that have parts on the device, the last used first */
    int is_short;           /* one that is built waits until others give way */
    int takes_turns;        /* one has given way */
    uint64_t streamed_told; /* the most bytes of streamed weights that were told of; under weights_mutex */

    _Atomic double work_per_s; /* seen in submissions, see struct command; 0 before the first */
    _Atomic double caution;    /* 1; halved by each loss, so that submissions are shorter after it */
};

wn_status device_start(wn_device *device, wn_error *err); /* the VkDevice and everything under it */
void device_stop(wn_device *device);
/* Work that needs the device: calls fn with use_lock held. When the device is lost in it, a new VkDevice is made (by
 * the first of several threads that notice) and fn is called again, twice at most; then WN_E_DEVICE. What programs had
 * on the old one went with it: they are built again when they run. A later call tries anew. [any] */
wn_status device_use(wn_device *device, wn_status (*fn)(void *arg, wn_error *err), void *arg, wn_error *err);
/* Submits all or nothing, and waits until it has ended; in slices, so that a driver that hangs is noticed: it is given
 * up for good, since what was submitted may still write to its memory. [any] */
wn_status device_submit(wn_device *device, uint32_t count, const VkSubmitInfo *submits, VkFence fence, const char *what,
                        wn_error *err);
/* The two halves of it, for what is ordered by semaphores. [any] */
wn_status device_send(wn_device *device, VkQueue queue, uint32_t count, const VkSubmitInfo *submits, VkFence fence,
                      const char *what, wn_error *err);
wn_status device_wait(wn_device *device, const struct timeline *timeline, uint64_t value, const char *what,
                      wn_error *err);
/* Whether what lives on the device can be destroyed. */
int device_is_there(const wn_device *device);
/* Fails with the result's name; notes that the device is lost. */
wn_status device_check(wn_device *device, VkResult result, const char *what, wn_error *err);

/* ---- weights ------------------------------------------------------------------------------------------------ */

enum packing {
    PACK_VECTOR = 1, /* float [n] */
    PACK_ROWS = 2,   /* [rows, stride] of `type`, (tap, channel) order, rows padded to ROW_ALIGNMENT elements */
    PACK_BLOCKS = 4, /* quantised blocks, row by row, as quantised.glsl reads them */
    PACK_PANELS = 3  /* [rows / S][K / 4][S][4], K padded to 8, S lanes: as product_software.comp reads them */
};

/* Element types in device memory, as kernels know them. */
enum element {
    ELEMENT_F32 = 0,
    ELEMENT_F16 = 1,
    ELEMENT_BF16 = 2,
    ELEMENT_Q8_0 = 3,
    ELEMENT_Q4_0 = 4,
    ELEMENT_Q4_K = 5,
    ELEMENT_Q5_K = 6,
    ELEMENT_Q6_K = 7
};

enum { ROW_ALIGNMENT = 32, PANEL_ALIGNMENT = 8 }; /* elements that a row is padded to */

struct packed {
    struct packed *next;
    uint64_t refs;
    wn_weight source; /* the key, with packing, type and taps; its name is not */
    enum packing packing;
    enum element type;
    uint64_t taps;   /* kernel * kernel of a convolution, else 1 */
    uint64_t lanes;  /* rows that lie side by side: S of PACK_PANELS, else 1 */
    uint64_t stride; /* elements of a row, padded; of PACK_BLOCKS words */
    int is_streamed; /* the slice is the host's: the device had no room for it */
    struct slice slice;
};

uint64_t element_bytes(enum element type);

/* blocks.c: the type of a weight that is all of one quantised type, else ELEMENT_F32. */
enum element blocks_element(const wn_weight *w);
uint64_t blocks_row_bytes(enum element type, uint64_t cols);
/* One row, as it lies in its file. */
void blocks_pack_row(enum element type, const void *row, uint64_t cols, char *to);

/* Finds or packs; *packed is released by weights_release. [any] */
wn_status weights_get(wn_device *device, const wn_weight *weight, enum packing packing, enum element type,
                      uint64_t taps, const struct packed **packed, wn_error *err);
void weights_release(wn_device *device, const struct packed *packed); /* NULL is fine */
/* A warning when more weights than ever before stay in host memory: a model's programs are made again and again. [any]
 */
void weights_tell_streamed(wn_device *device);

/* ---- programs ----------------------------------------------------------------------------------------------- */

enum { PUSH_BYTES = 128 };

/* A rectangle of a tensor that a command reads or writes, in all items. */
struct touch {
    uint64_t first, last; /* bytes of the program's memory, of the whole base tensor or workspace */
    uint32_t base;        /* tensor, or WN_NONE of a workspace */
    uint64_t row0, rows, col0, cols;
};

enum { MAX_READS = 7 }; /* of operands, and a place of the ring */

/* One dispatch. Groups of a run of n items: ceil(n * rows / rows_per_group) * columns; a kernel finds its items, rows
 * and columns from its number. push begins with struct push_head. */
struct command {
    struct variant variant;
    VkPipeline pipeline;
    uint8_t push[PUSH_BYTES];
    uint32_t push_bytes;
    uint64_t rows, rows_per_group, columns;
    struct touch read[MAX_READS], write;
    uint32_t reads;
    uint64_t op;    /* of the graph */
    uint64_t level; /* commands of one level may run at once */
    double work;    /* of one item, what a submission is measured by: FLOP, or 50 for each byte where that is more */
    /* A weight that is streamed, and where its address lies in push; of a copy, what is copied. NULL: none. */
    const struct packed *streamed;
    uint32_t streamed_at;
    int is_copy; /* no dispatch: the streamed weight is copied to its place in the ring */
    uint64_t ring_offset;
};

enum { RING_PLACES = 2 };

/* Commands that lie between two waits for streamed weights; the last one's end with the program. */
struct leg {
    uint64_t first_command;
    VkCommandBuffer copies; /* of its weights */
};

/* record.c: what is submitted for a run of `count` items. */
struct recording {
    uint64_t count; /* items; 0: free */
    double budget;  /* work of a buffer, as it was recorded */
    double work;    /* of all */
    VkCommandBuffer *buffers;
    uint64_t buffer_count;
    uint64_t *leg_buffer; /* that each leg begins with */
    VkQueryPool queries;  /* begin and end of every command; only where times are measured */
};

/* The first words of every kernel's push constants. */
struct push_head {
    uint32_t group0; /* number of the dispatch's first group */
    uint32_t items;
};

struct op_record {
    double flops, bytes; /* of one item */
    double seconds;
    uint64_t items;
};

struct wn_program {
    wn_device *device;
    wn_graph *graph; /* a copy: what is built once more after the device was lost */
    int64_t dtype;
    uint64_t max_items;
    uint8_t *types; /* of tensors: enum element */
    struct plan plan;
    struct bind_table bindings;
    struct op_record *ops;
    int is_measured;

    wn_program *next, **link; /* in the device's list, while anything that follows is there; else NULL */
    int is_used;              /* it gives way to nobody */
    int is_built;             /* all is there; of what gave way the weights alone are */
    struct slice memory, constants, io;
    struct slice ring; /* where streamed weights lie while they are read */
    struct leg *legs;  /* where a queue of its own fills the ring; else NULL */
    uint64_t leg_count;
    struct timeline copied, computed; /* legs; buffers of kernels */
    VkCommandPool copy_pool;
    struct command *commands;
    uint64_t command_count, command_capacity;
    const struct packed **packed;
    uint64_t packed_count;
    struct recording *recordings; /* the last few, by count of items */
    VkCommandPool pool;
    VkFence fence;
};

/* copy.c: one block of memory with everything of a graph but the weights' data; free() ends it. NULL: no memory. */
wn_graph *copy_graph(const wn_graph *graph);

/* The parts of a program that live on the device. [serial], with the device's use_lock, between room_enter and
 * room_leave
 */
wn_status program_build(wn_program *p, wn_error *err);
void program_give_back(wn_program *p); /* all of them but the weights */
void program_unbuild(wn_program *p);

/* room.c: from enter to leave the program gives way to nobody. */
void room_enter(wn_program *p);
void room_leave(wn_program *p);
/* By who is being built: one program more gives way, one that runs after its run; 0 when there is none. */
int room_make(wn_device *device);
void room_join(wn_program *p); /* the device's list; again is fine */
int room_quit(wn_program *p);  /* and gives back what gives way; 0: it was not there */

wn_status program_compile(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                          wn_program **program, wn_error *err);
void program_free(wn_program *p);
wn_status program_run(wn_program *p, uint64_t count, const wn_binding *bindings, uint64_t binding_count, wn_error *err);
void program_memory(const wn_program *p, uint64_t *activation_bytes, uint64_t *weight_bytes);
wn_status program_plan(wn_device *device, const wn_graph *graph, const wn_compile_options *options,
                       uint64_t *activation_bytes, wn_error *err);
uint64_t program_profile(wn_program *p, wn_op_profile *out, uint64_t capacity);

/* matrix2_check.c: WN_OK when products on matrices of whole groups come out right. */
wn_status matrix2_check(wn_device *device, wn_error *err);

/* stream.c: the ring, where a command reads a streamed weight; then, with one queue, a copy before each such command,
 * or with two, when the commands are in their order, legs. */
wn_status stream_open(wn_program *p, wn_error *err);
wn_status stream_in_commands(wn_program *p, wn_error *err);
wn_status stream_in_legs(wn_program *p, wn_error *err);
void stream_copy(const wn_program *p, const struct command *k, VkCommandBuffer commands);
void stream_close(wn_program *p);

/* order.c: sets the level of every command (given in an order that works) and sorts them by it. */
void order_commands(struct command *commands, uint64_t count);

/* record.c: the command buffers of a run of `count` items. */
wn_status record_get(wn_program *p, uint64_t count, struct recording **out, wn_error *err);
/* submit.c: submits them and waits; adds to the ops' times where they are measured. */
wn_status record_submit(wn_program *p, struct recording *r, wn_error *err);
void record_free_all(wn_program *p);

/* ---- compile.c's services for ops_*.c ------------------------------------------------------------------------- */

struct compiler {
    wn_device *device;
    const wn_graph *g;
    wn_program *p;
    uint64_t *workspace_bytes;
    uint64_t weights; /* that were asked for */
    uint64_t op;      /* that is being lowered */
    wn_error *err;
};

/* A tensor or window for a kernel: element (item, r, c) is number item * item_stride + r * ld + c from address on. */
struct operand {
    uint64_t address;  /* 0: absent */
    enum element type; /* F32, but see elements.c */
    uint32_t rows, cols, ld, item_stride;
    struct touch touch;
};

/* elements.c: how each tensor is stored, an enum element; windows as their base. */
void elements_choose(const struct compiler *c, uint8_t *types);

struct operand operand_of(const struct compiler *c, uint32_t tensor);
/* The op's own memory while it runs. */
struct operand workspace_of(const struct compiler *c);
/* Appends a command for the op at hand; NULL when memory ran out (the error is set). Fill push, geometry, then
 * command_reads for each operand and command_writes once. */
struct command *command_new(struct compiler *c, enum kernel kernel, const void *push, size_t push_bytes);
void command_constant(struct command *k, uint32_t value);
void command_reads(struct command *k, const struct operand *o);
void command_writes(struct command *k, const struct operand *o);
/* The command reads `packed` through the address at byte `at` of its push constants. */
void command_weight(struct command *k, const struct packed *packed, size_t at);
wn_status weight_of(struct compiler *c, int slot, enum packing packing, enum element type, uint64_t taps,
                    const struct packed **packed);
/* Mesa's llvmpipe counts the turns of all loops of an invocation together. After 65535 every loop ends at its first
 * turn, and nothing tells: results would be wrong. What is missing from that is for short loops, as of epilogues. */
enum { MAX_TURNS = 65000 };

/* Fails on a software device where an invocation makes more than MAX_TURNS. A loop of n turns counts as n + 1, nested
 * ones as often as they are entered; loops of a few turns need not be counted. */
wn_status check_turns(const struct compiler *c, uint64_t turns);

struct lowering {
    wn_status (*lower)(struct compiler *c, const wn_op *op);
    uint64_t (*workspace)(const struct compiler *c, const wn_op *op); /* bytes for all items; NULL: none */
};
const struct lowering *lowering_of(int32_t kind);

wn_status lower_linear(struct compiler *c, const wn_op *op);
wn_status lower_conv(struct compiler *c, const wn_op *op);
wn_status lower_attention(struct compiler *c, const wn_op *op);
wn_status lower_norm(struct compiler *c, const wn_op *op);
wn_status lower_head_norm_rope(struct compiler *c, const wn_op *op);
wn_status lower_group_norm(struct compiler *c, const wn_op *op);
wn_status lower_group_moments(struct compiler *c, const wn_op *op);
wn_status lower_group_table(struct compiler *c, const wn_op *op);
uint64_t group_norm_workspace(const struct compiler *c, const wn_op *op);
wn_status lower_embed(struct compiler *c, const wn_op *op);
wn_status lower_binary(struct compiler *c, const wn_op *op);
wn_status lower_unary(struct compiler *c, const wn_op *op);
wn_status lower_copy(struct compiler *c, const wn_op *op);
wn_status lower_pick_row(struct compiler *c, const wn_op *op);
wn_status lower_weight(struct compiler *c, const wn_op *op);

#endif
