/* host.h - a host with one device (which_device.h), for tests that use plugins without the command. */
#ifndef WINNOW_TESTS_GOLDEN_HOST_H
#define WINNOW_TESTS_GOLDEN_HOST_H

#include <graph.h>
#include <winnow/plugin.h>

struct pool;

struct host {
    wn_host table;
    char log[8192]; /* lines so far */
    int log_size;
    uint64_t files; /* told through uses_file: all must be there */
    nn_device device;
    void *driver;
    const wn_plugin *plugin; /* the device's */
    struct pool *pool;
};

/* Prints and exits on failure: nothing can be tested without it. threads: 0 = all processors. */
void host_open(struct host *h, uint32_t threads);
void host_close(struct host *h);

/* The plugin of lib/winnow/NAME.so. */
const wn_plugin *host_plugin(const char *name);
/* Fills an options struct from the table's fallbacks and then from pairs "name", "value", ..., NULL. The strings must
 * outlive it. */
void host_bind(const wn_option *table, void *options, const char *const *pairs);
/* Binds, creates; exits with the message on failure unless err is given. */
void *host_create(struct host *h, const wn_plugin *plugin, void *options, const char *const *pairs, wn_error *err);

#endif
