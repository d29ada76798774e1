/* host.h - the wn_host table that core hands to plugins. Internal to core/plugin. */
#ifndef WINNOW_PLUGIN_HOST_H
#define WINNOW_PLUGIN_HOST_H

#include "base/arena.h"
#include "base/sha256.h"
#include "plugin/instance.h"

#include <winnow/device.h>
#include <winnow/places.h>

#include <limits.h>
#include <stdatomic.h>

/* A device that is open, for everybody who asks for it. */
struct host_device {
    struct host_device *next;
    const wn_plugin *plugin;
    const wn_device_api *api;
    void *driver;
    wn_device *device;
    uint64_t index;
};

/* What the instances of one instances_create share. */
struct host_shared {
    struct arena *arena;
    const struct spec *spec; /* that sampler and verifiers were made of */
    uint64_t seed;           /* of the spec that they work for */
    atomic_bool has_drawn;   /* somebody took numbers that depend on it */
    struct process *process;
    struct instances *instances;
    struct host_device *devices;
    uint32_t file_capacity;
    wn_places places;
    char command[PATH_MAX], python[PATH_MAX]; /* places' */
};

/* Behind wn_host.ctx: one for each instance. */
struct host_context {
    struct host_shared *shared;
    const char *label; /* "/verifiers/clip (clipscore)" */
    wn_verifier_ref *inputs;
    uint32_t input_count;
    struct sha256 files; /* size and time of each that the instance uses, in the order told */
};

/* Fills *host; false when memory ran out. */
bool host_init(wn_host *host, struct host_shared *shared, const char *label, wn_verifier_ref *inputs,
               uint32_t input_count);

void host_find_places(struct host_shared *shared);

/* device.c: wn_host.open_device and device_info, and the end of all that was opened. */
wn_status host_device_info(void *ctx, const wn_device *device, wn_device_info *info, wn_error *err);
wn_status host_open_device(void *ctx, const char *name, const wn_device_api **api, wn_device **device, wn_error *err);
void host_close_devices(struct host_shared *shared);

/* check.c: whether the sampler that was made can do what canvas, search and verifiers ask of it. */
wn_status host_check_sampler(const struct spec *spec, const struct instance *sampler, wn_error *err);

#endif
