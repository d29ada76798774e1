/* terminal.h - the command's stderr: messages, and one line that shows how far things are.
 *
 * On a terminal the line is redrawn in place and gone at the end. Elsewhere (a file, a cluster's log, TERM=dumb) it is
 * printed as an ordinary line every few seconds. Colours are used on terminals unless NO_COLOR is set. Any thread.
 */
#ifndef WINNOW_CLI_TERMINAL_H
#define WINNOW_CLI_TERMINAL_H

#include <winnow/plugin.h>

#include <stdbool.h>

enum terminal_colour { TERMINAL_AUTO = 1, TERMINAL_NEVER, TERMINAL_ALWAYS };

/* quiet: no progress and no info lines. Sets the log's sink. */
void terminal_start(bool quiet, enum terminal_colour colour);
void terminal_stop(void); /* erases the line */

bool terminal_has_colour(FILE *file);
void terminal_progress(const char *line); /* one line without a line end; cut to the terminal's width */
void terminal_message(const char *line);  /* a whole line above the progress */

void terminal_show(const void *data, uint64_t bytes); /* above the progress, as it is: lines end in "\r\n" */
/* Takes the place of the progress line until it is "": a question that waits. For terminals only. */
void terminal_question(const char *line);

/* A process.progress function: "packing weights 40 %". */
void terminal_setup_progress(void *arg, double done, double total, const char *what);

#endif
