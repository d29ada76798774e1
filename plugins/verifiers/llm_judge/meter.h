/* meter.h - what the requests of one start have cost, and whether another may be made. */
#ifndef LLM_JUDGE_METER_H
#define LLM_JUDGE_METER_H

#include <stdbool.h>
#include <stdint.h>

struct meter {
    uint64_t max_calls; /* 0 = no limit, for all three */
    uint64_t max_tokens;
    double max_cost; /* in the currency of the prices */
    double price_in; /* for a million tokens */
    double price_out;

    uint64_t calls; /* requests, the failed ones too */
    uint64_t tokens_in;
    uint64_t tokens_out;
    uint64_t running;
    uint64_t largest_tokens; /* of one request so far */
    double largest_cost;
};

enum meter_word { METER_GO = 1, METER_WAIT = 2, METER_STOP = 3 };

/* Where tokens or cost are limited each request under way counts as much as the largest so far, and the first one goes
 * alone: so a limit is passed by no more than one request is larger than all before it. */
enum meter_word meter_ask(const struct meter *m);

void meter_start(struct meter *m);
/* A request has ended, having used so many tokens. */
void meter_end(struct meter *m, uint64_t tokens_in, uint64_t tokens_out);
double meter_cost(const struct meter *m);

#endif
