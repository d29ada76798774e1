/* signals.h - Ctrl-C and SIGTERM: the first asks for a clean end, the second ends at once. */
#ifndef WINNOW_CLI_SIGNALS_H
#define WINNOW_CLI_SIGNALS_H

#include <stdatomic.h>

/* The first SIGINT or SIGTERM sets *cancelled; the next exits with 130 or 143. SIGPIPE and SIGXFSZ are ignored. */
void signals_install(atomic_int *cancelled);

#endif
