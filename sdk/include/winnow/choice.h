/* choice.h - asks the person in front of the terminal which of two pictures is better: the extension "winnow.choice/1" of
 * the host. Only a command that has a terminal and somebody at it offers it.
 *
 *     const wn_choice *choice = host->extension(host->ctx, WN_CHOICE_1);   // NULL: nobody can be asked
 */
#ifndef WINNOW_CHOICE_H
#define WINNOW_CHOICE_H

#include <winnow/plugin.h>

#ifdef __cplusplus
extern "C" {
#endif

#define WN_CHOICE_1 "winnow.choice/1"

enum { WN_CHOICE_FIRST = 1, WN_CHOICE_SECOND = 2, WN_CHOICE_EQUAL = 3 };

/* Strings and pixels are the caller's, for the call. */
typedef struct wn_question {
    uint64_t struct_size;
    const wn_prompt *prompt;
    const char *text; /* "which picture fits the prompt better?" */
    const wn_image *first;
    const wn_image *second;
    uint64_t number; /* this is number `number` of `count`, from 1; 0: not told */
    uint64_t count;
} wn_question;

typedef struct wn_choice {
    uint64_t struct_size;
    /* Waits for an answer. The host decides which picture stands where on the screen, and records the answer with the run:
     * the same text, prompt and pictures, in either order, are asked about once. WN_E_CANCELLED when the person has
     * enough for now; the run goes on another time. ctx: the wn_host's. [any]: one question at a time is shown. */
    wn_status (*ask)(void *ctx, const wn_question *question, int32_t *answer, wn_error *err);
} wn_choice;

#ifdef __cplusplus
}
#endif

#endif
