/* keys.h - single keys from the terminal that the command runs in, and what the terminal answers to questions of ours.
 *
 * One thread at a time. Ctrl-C stays a signal. */
#ifndef WINNOW_CLI_KEYS_H
#define WINNOW_CLI_KEYS_H

#include <winnow/plugin.h>

#include <stdbool.h>
#include <termios.h>

struct keys {
    struct termios before;
    int32_t state; /* of a sequence that is on its way */
    uint32_t parameters;
};

/* Keys: characters from ' ' on as themselves, and these. */
enum { KEY_NONE = 0, KEY_END = 4, KEY_LEFT = 0x100, KEY_RIGHT };

/* Whether there is a terminal to ask at: standard input and standard error. */
bool keys_are_there(void);

/* Keys come at once, unseen, until keys_close puts everything back. WN_E_IO. */
wn_status keys_open(struct keys *k, wn_error *err);
void keys_close(struct keys *k);

/* The next key, or KEY_NONE after `ms` without one; KEY_END also when the terminal is gone. Sequences that are no key
 * of ours, late answers of the terminal among them, are dropped whole. */
int32_t keys_wait(struct keys *k, int32_t ms);

/* Writes a question to the terminal and reads bytes until the reply contains `end` behind `mark`, or `ms` are over.
 * Returns how many bytes reply[size] took, which are ended by a NUL. */
uint64_t keys_query(const char *question, char mark, char end, int32_t ms, char *reply, uint64_t size);

/* One byte into the parser; KEY_NONE while a sequence is on its way. For tests. */
int32_t keys_take(struct keys *k, unsigned char byte);

#endif
