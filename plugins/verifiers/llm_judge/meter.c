#include "meter.h"

static double cost_of(const struct meter *m, uint64_t tokens_in, uint64_t tokens_out)
{
    return ((double)tokens_in * m->price_in + (double)tokens_out * m->price_out) / 1e6;
}

double meter_cost(const struct meter *m)
{
    return cost_of(m, m->tokens_in, m->tokens_out);
}

static bool fits(const struct meter *m)
{
    const uint64_t tokens = m->tokens_in + m->tokens_out + (m->running + 1) * m->largest_tokens;
    const double cost = meter_cost(m) + (double)(m->running + 1) * m->largest_cost;
    return (m->max_tokens == 0 || tokens <= m->max_tokens) && (!(m->max_cost > 0) || cost <= m->max_cost);
}

enum meter_word meter_ask(const struct meter *m)
{
    const bool is_metered = m->max_tokens > 0 || m->max_cost > 0;
    if (m->max_calls > 0 && m->calls >= m->max_calls)
        return METER_STOP;
    if (!is_metered)
        return METER_GO;
    if (m->largest_tokens == 0 && m->running > 0)
        return METER_WAIT;
    if (fits(m))
        return METER_GO;
    return m->running > 0 ? METER_WAIT : METER_STOP;
}

void meter_start(struct meter *m)
{
    m->calls++;
    m->running++;
}

void meter_end(struct meter *m, uint64_t tokens_in, uint64_t tokens_out)
{
    const double cost = cost_of(m, tokens_in, tokens_out);
    m->running--;
    m->tokens_in += tokens_in;
    m->tokens_out += tokens_out;
    if (tokens_in + tokens_out > m->largest_tokens)
        m->largest_tokens = tokens_in + tokens_out;
    if (cost > m->largest_cost)
        m->largest_cost = cost;
}
