/* A candidate's id changes with everything that made it, and with nothing else; the tables that are keyed by it hold.
 */
#include "check.h"
#include "engine/trial.h"

#include <stdbool.h>

struct extra {
    double guidance;
    const char *style;
    int32_t tiled;
    uint64_t shift;
};

static const wn_option extra_options[] = { WN_NUMBER(struct extra, guidance, "1", 0, 10, "guidance"),
                                           WN_STRING(struct extra, style, "\"\"", "style"),
                                           WN_BOOL(struct extra, tiled, "false", "tiled"),
                                           WN_U64(struct extra, shift, "0", "shift"), WN_OPTIONS_END };

static char ids[64][IDENTITY_DIGITS + 1];
static int id_count;

static void check_new(const struct identity *id)
{
    CHECK_INT(strlen(id->text), IDENTITY_DIGITS);
    for (int i = 0; i < id_count; i++)
        if (strcmp(ids[i], id->text) == 0)
            CHECK_FAIL("ids %d and %d are equal: %s", i, id_count, id->text);
    memcpy(ids[id_count++], id->text, sizeof id->text);
}

static void check_contexts(void)
{
    static const float sigma[3] = { 1, 0.5f, 0 };
    static const float other[3] = { 1, 0.6f, 0 };
    char style[] = "plain";
    struct extra extra = { 1, style, 0, 7 };
    struct spec spec = { .solver = 1, .canvas = { sizeof(wn_canvas), 32, 16, 2, 0, &extra } };
    const struct identity first = identity_context(&spec, "m", extra_options, sigma, "cat");
    check_new(&first);
    for (int i = 0; i < 10; i++) {
        struct extra e = extra;
        struct spec s = spec;
        s.canvas.extra = &e;
        s.canvas.width_px += i == 0;
        s.canvas.height_px += i == 1;
        s.solver += i == 2;
        e.guidance += i == 3 ? 0.5 : 0;
        e.style = i == 4 ? "gaudy" : style;
        e.tiled = i == 5;
        e.shift += i == 6;
        const struct identity id =
            identity_context(&s, i == 7 ? "mc" : "m", extra_options, i == 8 ? other : sigma, i == 9 ? "at" : "cat");
        check_new(&id);
    }
    char same_style[] = "plain"; /* another pointer, the same text */
    extra.style = same_style;
    const struct identity again = identity_context(&spec, "m", extra_options, sigma, "cat");
    CHECK_STR(again.text, first.text);
}

static void check_candidates(void)
{
    static const float noise[2] = { 1, 2 }, zero[2] = { 0, 0 }, minus_zero[2] = { -0.0f, 0 };
    const struct identity context = { "0123456789abcdef0123456789abcdef" };
    const struct identity a = identity_noise(noise, 2), b = identity_noise(zero, 2), c = identity_noise(minus_zero, 2);
    const struct noise_source source = { .mode = SPEC_NOISE_PHILOX, .seed = 1, .aux_seed = 2 }, other = { .mode = SPEC_NOISE_PHILOX, .seed = 1, .aux_seed = 3 };
    const struct move kick = { .kind = MOVE_KICK, .point = 2, .stream = 5, .kernel = { WN_KERNEL_CPS, 0.5 } };
    const struct move moves[] = { { .kind = MOVE_ADVANCE, .point = 2 },
                                  { .kind = MOVE_RENOISE, .point = 1, .stream = 5 },
                                  kick };
    check_new(&a), check_new(&b), check_new(&c);
    for (uint32_t n = 0; n <= 3; n++) {
        const struct identity id = identity_candidate(&context, &a, &source, n, moves);
        check_new(&id);
    }
    for (int64_t kind = WN_KERNEL_CPS + 1; kind <= WN_KERNEL_RBF_VP; kind++) {
        struct move another = kick;
        another.kernel.kind = kind;
        const struct identity id = identity_candidate(&context, &a, &source, 1, &another);
        check_new(&id);
    }
    struct move stronger = kick;
    stronger.kernel.scale = 0.75;
    const struct identity strong = identity_candidate(&context, &a, &source, 1, &stronger);
    check_new(&strong);
    const struct identity elsewhere = identity_candidate(&context, &a, &other, 3, moves);
    check_new(&elsewhere); /* its moves draw from another seed */
    const struct identity plain = identity_candidate(&context, &a, &source, 1, moves);
    const struct identity plain_elsewhere = identity_candidate(&context, &a, &other, 1, moves);
    CHECK_STR(plain.text, plain_elsewhere.text); /* an advance draws nothing */
}

static void check_seen(void)
{
    enum { N = 20000 };
    struct seen_table table = { 0 };
    const struct identity unknown = { "ffffffffffffffffffffffffffffffff" };
    CHECK(seen_find(&table, &unknown) == NULL);
    for (int i = 0; i < N; i++) {
        struct identity id;
        snprintf(id.text, sizeof id.text, "%032x", i);
        CHECK(seen_add(&table, &id)->ordinal == (uint64_t)i + 1);
        CHECK(seen_add(&table, &id)->ordinal == (uint64_t)i + 1);
    }
    for (int i = 0; i < N; i++) {
        struct identity id;
        snprintf(id.text, sizeof id.text, "%032x", i);
        const struct seen *seen = seen_find(&table, &id);
        CHECK(seen && seen->ordinal == (uint64_t)i + 1);
    }
    CHECK(seen_find(&table, &unknown) == NULL);
    free(table.slots);
}

static void check_budget(void)
{
    wn_error err;
    struct budget b = { .limit = { 10, 5, 3, INFINITY } };
    CHECK_OK(budget_take(&b, (struct charge){ .nfe = 10, .verifier_calls = 2, .candidates = 1000 }, &err), err);
    CHECK_INT(budget_take(&b, (struct charge){ .nfe = 1 }, &err), WN_E_BUDGET);
    CHECK_STR(err.message, "10 evaluations and 1 more would pass the budget of 10");
    CHECK_INT(budget_take(&b, (struct charge){ .verifier_calls = 2, .candidates = 1 }, &err), WN_E_BUDGET);
    CHECK_INT(b.verifier_calls, 2);
    CHECK_INT(b.candidates, 1000);
    CHECK_NEAR(budget_left(&b, WN_CURRENCY_NFE), 0, 0);
    CHECK_NEAR(budget_left(&b, WN_CURRENCY_VERIFIER_CALLS), 1, 0);
    CHECK(isinf(budget_left(&b, WN_CURRENCY_CANDIDATES)));
    b.seconds = 6;
    CHECK_NEAR(budget_left(&b, WN_CURRENCY_SECONDS), 0, 0);
    CHECK_INT(budget_take(&b, (struct charge){ .candidates = 1 }, &err), WN_E_BUDGET);
    CHECK_OK(budget_take(&b, (struct charge){ 0 }, &err), err); /* what costs nothing goes on */
}

int main(void)
{
    check_contexts();
    check_candidates();
    check_seen();
    check_budget();
    return CHECK_DONE();
}
