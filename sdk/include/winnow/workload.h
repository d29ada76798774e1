/* workload.h - what a sampler's model takes, part by part: memory and time, before anything is sampled. The extension
 * "winnow.workload/1" of a sampler, asked for without an instance:
 *
 *     const wn_workload_api *w = sampler->extension(NULL, WN_WORKLOAD_1);   // NULL: this sampler does not say
 *
 * A part is one graph that the sampler compiles (a text encoder, a velocity, a decoder). What is said of memory comes
 * from the graphs that are really run and from headers of weight files, and reads no weight; `run` compiles a part on
 * the options' device and runs it on made-up inputs. With `synthetic` there need be no files at all: the model has a
 * known one's sizes and random weights.
 */
#ifndef WINNOW_WORKLOAD_H
#define WINNOW_WORKLOAD_H

#include <winnow/device.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_WORKLOAD_1 "winnow.workload/1"

typedef struct wn_workload_request {
    uint64_t struct_size;
    const wn_host *host;   /* outlives the workload */
    const void *options;   /* the sampler's, bound; outlive the workload */
    const char *synthetic; /* a size that the sampler knows; NULL: the model that the options name */
    uint64_t width_px;
    uint64_t height_px;
    uint64_t steps;       /* of a schedule */
    uint64_t text_tokens; /* 0: as many as the options or the model say */
    uint64_t batch;       /* most pictures in one run; 0: as the options say */
    uint64_t blocks[2];   /* with synthetic: so many blocks of the transformer, of either kind; UINT64_MAX: all */
    uint64_t tiles;       /* 1: pictures are decoded in tiles, whatever the options say, if the sampler can */
} wn_workload_request;

typedef struct wn_workload_part {
    uint64_t struct_size;
    const char *name; /* static */
    /* When it is on the device. 0: always. n > 0: where memory is short, only while a prompt is encoded, together with
     * parts of the same number and with those that stay. */
    uint64_t transient;
    uint64_t gives_way;  /* 1: where memory is shorter still, it leaves while a prompt is encoded */
    uint64_t per_prompt; /* runs of one prompt's encoding; 0: it runs for pictures */
    uint64_t max_items;  /* in one run */
    /* Values of weights, by what a device may do with them. */
    uint64_t product_values;     /* of matrix products whose rows are multiples of 256 values */
    uint64_t odd_product_values; /* of others whose rows are multiples of 32 */
    uint64_t other_values;       /* of products that no block format fits, and of tables: as large as the dtype's */
    uint64_t vector_values;      /* biases, norms: float32 */
    /* For max_items, with constants: as the options' device plans them where it is here and says so (wn_device_api.plan),
     * else as the toolkit's planner places float32. */
    uint64_t activation_bytes;
    double flops;                /* of one item */
    uint64_t sample_bytes;       /* that each sample remembers of its last run, in the host's memory (memory.h) */
    uint64_t reserved[7];
} wn_workload_part;

typedef struct wn_workload wn_workload;

/* Errors are those of the model's files, of the canvas and of the device. */
typedef struct wn_workload_api {
    uint64_t struct_size;
    const char *const *synthetic; /* the sizes that are known, the largest first; ends with NULL */
    wn_status (*open)(const wn_workload_request *request, wn_workload **out, wn_error *err);
    void (*close)(wn_workload *w); /* NULL is fine */
    uint64_t (*count)(const wn_workload *w);
    /* Pictures of another size from here on. What is compiled stays on the device until its part runs anew, so that
     * weights need not be loaded again. [serial] */
    wn_status (*resize)(wn_workload *w, uint64_t width_px, uint64_t height_px, wn_error *err);
    /* *part comes with struct_size. [serial] */
    wn_status (*part)(wn_workload *w, uint64_t index, wn_workload_part *part, wn_error *err);
    /* One run of `items` items, 1 .. max_items; compiles the part first where it is not, and says how long the run
     * itself took. [serial] */
    wn_status (*run)(wn_workload *w, uint64_t index, uint64_t items, double *seconds, wn_error *err);
    /* Of a part that has run, as wn_device_api's. [serial] */
    uint64_t (*profile)(wn_workload *w, uint64_t index, wn_op_profile *out, uint64_t capacity);
    void (*memory)(const wn_workload *w, uint64_t index, uint64_t *activation_bytes, uint64_t *weight_bytes);
    void (*release)(wn_workload *w, uint64_t index); /* its program and memory. [serial] */
} wn_workload_api;

#ifdef __cplusplus
}
#endif

#endif
