/* workload.h - a sampler's parts for `winnow check` and `winnow bench`: opened, asked, and put into a plan of memory.
 */
#ifndef WINNOW_CLI_WORKLOAD_H
#define WINNOW_CLI_WORKLOAD_H

#include "cli/cli.h"
#include "plugin/device.h"

#include <winnow/sampler.h>
#include <winnow/workload.h>

enum { WORKLOAD_PARTS = 16, WORKLOAD_DEVICES = 16 };

struct workload {
    const wn_workload_api *api;
    wn_workload *self;
    struct host_session host;
    uint32_t count;
    wn_workload_part parts[WORKLOAD_PARTS];
    uint64_t turn_bytes[WORKLOAD_PARTS]; /* of activation_bytes what the largest canvas takes */
};

/* NULL: the sampler does not say what its parts are. */
const wn_workload_api *workload_of(const wn_plugin *sampler);

/* Of the spec's sampler and canvas; change->host and ->options are filled here, sizes that are 0 taken from the canvas.
 * WN_E_ARG where synthetic is no size that the sampler knows. workload_close, also after a failure, ends it. */
wn_status workload_open(struct process *process, const struct spec *spec, const wn_workload_request *change,
                        struct workload *w, wn_error *err);
/* What is compiled for a canvas of another size too adds to activation_bytes: of pictures, not of prompts. */
wn_status workload_add_canvas(struct workload *w, uint64_t width_px, uint64_t height_px, wn_error *err);
void workload_close(struct workload *w); /* a zeroed one is fine */

/* ---- memory ---- */

/* Types in which a device may keep the weights of products: bytes of a value by the kind of its row (workload.h). */
struct workload_type {
    const char *name;
    double product, odd, other;
};
extern const struct workload_type workload_types[]; /* f32, bf16, Q8_0, Q4_K; ends with a NULL name */

double workload_weights(const wn_workload_part *part, const struct workload_type *type);
/* Most bytes on the device at one time. */
enum workload_mode {
    WORKLOAD_KEEP,    /* all stays */
    WORKLOAD_RELEASE, /* what encodes a prompt leaves */
    WORKLOAD_SWAP     /* and what makes pictures gives way to it */
};
/* in_turn: what is idle gives its activations back where they are needed, as on vulkan; then those of one part and one
 * canvas lie there at a time. */
double workload_peak(const struct workload *w, const struct workload_type *type, enum workload_mode mode, bool in_turn);

/* "24GB", "16 GiB", "512MB" -> bytes; false for anything else. */
bool workload_read_bytes(const char *text, double *bytes);

#endif
