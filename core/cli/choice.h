/* choice.h - the command's side of "winnow.choice/1": puts two pictures on the terminal, or the paths of two files
 * where it shows no pictures, and waits for a key. */
#ifndef WINNOW_CLI_CHOICE_H
#define WINNOW_CLI_CHOICE_H

#include "plugin/instance.h"

struct choice;

/* Offers it to the instances of the process. directory: the run's, for the record. pictures: one of PICTURES_CHOICES.
 * Where there is no terminal *out is NULL, and whoever wants to ask is told that nobody is there. */
wn_status choice_begin(struct process *process, const char *directory, const char *pictures, struct choice **out,
                       wn_error *err);
void choice_end(struct choice *c); /* NULL is fine */

#endif
