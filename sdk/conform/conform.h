/* conform.h - does a plugin keep the rules of the headers? The kit behind `winnow conform`.
 *
 * Each rule is a check with a name and a verdict. The kit makes instances of its own, calls them as the engine would
 * and as it never should (odd sizes, long prompts, no memory), and looks at what must not change meanwhile: output,
 * files, threads, locale, the module's own data. It needs the SDK's headers and POSIX only, so that it can be linked
 * elsewhere.
 */
#ifndef WINNOW_CONFORM_H
#define WINNOW_CONFORM_H

#include <winnow/plugin.h>

enum { CONFORM_PASS = 1, CONFORM_FAIL = 2, CONFORM_SKIP = 3 };

/* One verdict. why: the finding, or the reason of a skip; "" for a pass. */
typedef void conform_tell(void *arg, int32_t verdict, const char *check, const char *why);

struct conform_subject {
    const wn_plugin *plugin;
    const void *options;      /* filled, as a spec would */
    const void *canvas_extra; /* a sampler's canvas options, filled; NULL where it has none */
    const wn_host *host;      /* of a live instance; the kit's instances are given copies of it */
    const char *path;         /* of the module */
    conform_tell *tell;
    void *arg;
};

/* Runs all checks of the plugin's kind; returns how many failed. What is printed meanwhile, by whomever, is caught, so
 * tell keeps its lines for later. Forks: the caller should have no other threads at work. [setup] */
uint32_t conform_run(const struct conform_subject *subject);

#endif
