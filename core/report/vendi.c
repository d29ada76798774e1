#include "report/vendi.h"

#include <math.h>

enum { MOST_SWEEPS = 40 }; /* convergence is quadratic: eight are usual */

static double off_diagonal(uint64_t n, const double *a)
{
    double sum = 0;

    for (uint64_t i = 0; i < n; i++)
        for (uint64_t k = i + 1; k < n; k++)
            sum += a[i * n + k] * a[i * n + k];
    return sum;
}

/* Turns the plane of axes p and q so that a[p][q] becomes 0. */
static void rotate(uint64_t n, double *a, uint64_t p, uint64_t q)
{
    const double apq = a[p * n + q], theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
    const double t = copysign(1, theta) / (fabs(theta) + hypot(theta, 1)), c = 1 / hypot(t, 1), s = t * c;

    for (uint64_t i = 0; i < n; i++) {
        const double ip = a[i * n + p], iq = a[i * n + q];
        a[i * n + p] = c * ip - s * iq;
        a[i * n + q] = s * ip + c * iq;
    }
    for (uint64_t i = 0; i < n; i++) {
        const double pi = a[p * n + i], qi = a[q * n + i];
        a[p * n + i] = c * pi - s * qi;
        a[q * n + i] = s * pi + c * qi;
    }
}

static void diagonalise(uint64_t n, double *a)
{
    for (int sweep = 0; sweep < MOST_SWEEPS && off_diagonal(n, a) > 1e-24 * (double)(n * n); sweep++)
        for (uint64_t p = 0; p < n; p++)
            for (uint64_t q = p + 1; q < n; q++)
                if (fabs(a[p * n + q]) > 1e-300)
                    rotate(n, a, p, q);
}

double vendi_score(uint64_t n, double *kernel)
{
    double entropy = 0;

    diagonalise(n, kernel);
    for (uint64_t i = 0; i < n; i++) {
        const double share = kernel[i * n + i] / (double)n;
        entropy -= share > 0 ? share * log(share) : 0;
    }
    return n > 0 ? exp(entropy) : NAN;
}
