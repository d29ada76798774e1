/* The bins of a timeline hold every busy second, however long the run. */
#include "check.h"
#include "engine/timeline.h"

static double sum(const struct timeline_lane *lane)
{
    double all = 0;
    for (int i = 0; i < TIMELINE_BINS; i++)
        all += lane->busy[i];
    return all;
}

int main(void)
{
    struct timeline *t = timeline_create(1);
    CHECK(t != NULL);
    double busy = 0;
    for (int i = 0; i < 1000; i++) { /* spans that grow, with gaps, over 500 s: the row folds on the way */
        const double from = t->start + 0.001 * i * i * 0.5, length = 0.0004 * i;
        timeline_add(t, TIMELINE_VERIFIERS, from, from + length, 2);
        busy += length;
    }
    const struct timeline_lane *lane = &t->lanes[TIMELINE_VERIFIERS];
    CHECK_NEAR(lane->seconds, busy, 1e-6);
    CHECK_NEAR(sum(lane), busy, 1e-6);
    CHECK_INT(lane->items, 2000);
    CHECK(t->end - t->start <= t->bin_seconds * TIMELINE_BINS);
    for (int i = 0; i < TIMELINE_BINS; i++)
        CHECK(lane->busy[i] >= 0 && lane->busy[i] <= t->bin_seconds * (1 + 1e-9));
    timeline_add(NULL, 0, 0, 1, 1);
    CHECK_STR(t->lanes[TIMELINE_SAMPLE].name, "sampling");
    timeline_destroy(t);
    timeline_destroy(NULL);
    return CHECK_DONE();
}
