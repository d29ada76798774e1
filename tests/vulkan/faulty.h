/* faulty.h - how a test talks to the faulty Vulkan library: both are found in it with dlsym. */
#ifndef WINNOW_TESTS_FAULTY_H
#define WINNOW_TESTS_FAULTY_H

#include <stdint.h>

#define FAULTY_EXPORT __attribute__((visibility("default")))

/* Takes the place of the plan so far; calls are counted from 1 again. faulty.c says what a plan is. No call may be
 * under way. */
FAULTY_EXPORT void faulty_plan(const char *text);
/* Calls since the plan, of the function with that number, and its name; NULL behind the last. */
FAULTY_EXPORT uint64_t faulty_calls(uint32_t function, const char **name);
/* Objects of the driver that were made and not ended, of the first kind that has some, and who makes that; 0: none. */
FAULTY_EXPORT int64_t faulty_alive(const char **name);

/* queues.c: how many submissions ran before one that was submitted to the other queue before them. */
FAULTY_EXPORT uint64_t queues_overtaken(void);
/* Bytes that copies have copied since the plan: of command buffers, each time they were submitted. */
FAULTY_EXPORT uint64_t faulty_copied(void);

#endif
