/* made.h - made-up runs for comparisons: scores that a test can work everything out from. */
#ifndef WINNOW_TESTS_MADE_H
#define WINNOW_TESTS_MADE_H

#include <winnow/plugin.h>

enum { PROMPTS = 7, CANDIDATES = 6 };

struct made {
    const char *folder, *search, *guide, *judge;
    int seed, nfe; /* nfe: of a candidate */
    int prompts;
    const char *prompt_prefix;
    double scale;         /* option of the judge's verifier */
    double lift;          /* added to each later candidate */
    const char *identity; /* of the judge, as the manifest has it; "" = it does not say */
    int unfinished;       /* of a prompt's candidates, the first ones, which are previews; the last one too, then */
    int calls_again;      /* of the guide, beside one for each candidate */
    double base;          /* added to what the judge says; NaN: it says nothing */
};

extern const struct made made_standard;

/* The scores that a run's candidate has. */
double made_guide_score(const struct made *m, int prompt, int k);
double made_judge_score(const struct made *m, int prompt, int k);

/* The run, in its folder of `scratch`. */
wn_status made_write(const struct made *m, const char *scratch, wn_error *err);

#endif
