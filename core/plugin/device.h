/* device.h - compute devices without an experiment: what is there, and one opened by its spec name. */
#ifndef WINNOW_PLUGIN_DEVICE_H
#define WINNOW_PLUGIN_DEVICE_H

#include "plugin/instance.h"

#include <winnow/device.h>

/* Who is told what is there. name: what a spec says, "cpu:0". A device that cannot describe itself has the reason, in
 * parentheses, as info->name; a plugin that does not start is told to failed. */
struct device_visitor {
    void *arg;
    void (*found)(void *arg, const char *name, const wn_device_info *info);
    void (*failed)(void *arg, const wn_error *err);
};

/* Every device of every device plugin, in the registry's order. */
wn_status devices_visit(struct process *process, const struct device_visitor *visitor, wn_error *err);

struct device_session {
    const wn_device_api *api;
    wn_device *device;
    struct host_shared *shared; /* what keeps it alive */
};

/* Opens a device by its spec name; device_close, also after a failure, ends it. */
wn_status device_open(struct process *process, const char *name, struct device_session *s, wn_error *err);
void device_close(struct device_session *s);
wn_status device_session_info(const struct device_session *s, wn_device_info *info, wn_error *err);

/* The services of a host for what a plugin is asked without an instance. directory: where relative names start.
 * host_session_close, also after a failure, ends it, and the devices that were opened through it. */
struct host_session {
    wn_host host;
    struct host_shared *shared;
};

wn_status host_session_open(struct process *process, const struct spec *of, struct host_session *s, wn_error *err);
void host_session_close(struct host_session *s);

#endif
