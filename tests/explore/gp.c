/* The Gaussian process of search bayesian against make_gp.py, which has the same from Bessel functions, another solver
 * and numerical integration. */
#include "check.h"

#include <gp.h>

static const struct {
    double place[2], mean, deviation, improvement;
} wanted[] = {
    { { 0.5, 0.1 }, 0.750604675091, 0.157655990602, 0.00161314361105 },
    { { 1.0, 0.2 }, 1.09999904145, 0.000705642392755, 0.000616202482464 },
    { { 3.0, 3.0 }, 0.408430714485, 0.498914429033, 0.0413523668774 },
    { { 0.9, -0.4 }, 0.993583859668, 0.263073541892, 0.132028865238 },
};

/* Measured: 2e-12 and less. */
static void check_predictions(void)
{
    static const double places[5][2] = { { 0, 0 }, { 1, 0.2 }, { -0.4, 0.9 }, { 0.3, -1.1 }, { -1.2, -0.5 } };
    static const double scores[] = { 0.3, 1.1, -0.2, 0.7, 0.1 };
    struct gp gp;
    wn_error err;
    CHECK_OK(gp_open(2, 5, &gp, &err), err);
    for (int i = 0; i < 5; i++)
        gp_add(&gp, places[i], scores[i]);
    CHECK_OK(gp_fit(&gp, 2, &err), err);
    CHECK_NEAR(gp.length, 1, 0);
    for (int i = 0; i < 4; i++) {
        double mean, deviation;
        gp_predict(&gp, wanted[i].place, &mean, &deviation);
        fprintf(stderr, "errors %.2g %.2g %.2g\n", mean - wanted[i].mean, deviation - wanted[i].deviation,
                gp_expected_improvement(&gp, wanted[i].place) - wanted[i].improvement);
        CHECK_NEAR(mean, wanted[i].mean, 1e-10);
        CHECK_NEAR(deviation, wanted[i].deviation, 1e-10);
        CHECK_NEAR(gp_expected_improvement(&gp, wanted[i].place), wanted[i].improvement, 1e-10);
    }
    gp_close(&gp);
}

/* The same score everywhere, the same place twice: it goes on. */
static void check_odd(void)
{
    const double place[] = { 1 }, other[] = { 2 };
    struct gp gp;
    wn_error err;
    CHECK_OK(gp_open(1, 3, &gp, &err), err);
    gp_add(&gp, place, 5);
    gp_add(&gp, place, 5);
    gp_add(&gp, other, 5);
    CHECK_OK(gp_fit(&gp, 1, &err), err);
    double mean, deviation;
    gp_predict(&gp, other, &mean, &deviation);
    CHECK_NEAR(mean, 5, 1e-9);
    CHECK(gp_expected_improvement(&gp, other) >= 0);
    gp_close(&gp);
    gp_close(&gp);
}

int main(void)
{
    check_predictions();
    check_odd();
    return CHECK_DONE();
}
