/* registry.h - finds plugins: search path, dlopen, handshake.
 *
 * Search path: --plugin-dir, WINNOW_PLUGIN_PATH (colon separated), ../lib/winnow relative to the command. A name given
 * as a path (with a slash) loads that file. Modules are loaded with RTLD_NOW | RTLD_LOCAL and never unloaded.
 */
#ifndef WINNOW_PLUGIN_REGISTRY_H
#define WINNOW_PLUGIN_REGISTRY_H

#include <winnow/device.h>
#include <winnow/plugin.h>

#include <sys/stat.h>

struct registry;

struct registry_module {
    const char *path;
    struct stat loaded; /* the file before it was loaded */
    char *digest;       /* [65] SHA-256 of that file; "" until registry_digest was asked */
    uint64_t abi_minor;
    const wn_plugin *const *plugins; /* host-side copies by copy-min: every member may be read */
    uint32_t plugin_count;
};

/* extra_dirs: colon separated or NULL. Missing directories are skipped silently; a module that fails to load is kept
 * as a failure and reported when its name is asked for, and by registry_failures. */
wn_status registry_create(const char *extra_dirs, struct registry **out, wn_error *err);
void registry_destroy(struct registry *r);
const char *registry_extra_dirs(const struct registry *r); /* as given; "" = none */

/* kind 0 = any. WN_E_MISSING lists near names, what was searched, and load failures that may be the reason. */
wn_status registry_find(struct registry *r, int64_t kind, const char *name, const wn_plugin **plugin,
                        const struct registry_module **module, wn_error *err);
/* SHA-256 of the file that a module was loaded from. WN_E_MISSING when another lies there by now and it was not asked
 * before, or that one has other bytes: what runs is no longer on disk. [setup] */
wn_status registry_digest(const struct registry_module *module, char hex[65], wn_error *err);

uint32_t registry_module_count(const struct registry *r); /* loads all of the search path first */
const struct registry_module *registry_module_at(const struct registry *r, uint32_t i);
uint32_t registry_failure_count(const struct registry *r);
const char *registry_failure_at(const struct registry *r, uint32_t i); /* "path: reason" */

#endif
