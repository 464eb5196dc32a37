/* SPDX-License-Identifier: Apache-2.0 */
/* For a given b the curve is linear in c and a, so only b is searched: on a grid, then by golden sections around its
 * best. The ends of the grid are the shapes beyond it: at the least b the curve is a straight line in log x, which
 * never bends within reach; at the largest it is flat after the first point. */
#include "scale/saturation.h"

#include "base/rng.h"

#include <math.h>
#include <stdlib.h>

enum { GRID = 120, SECTIONS = 40, DRAWS = 400 };
#define LEAST_B 0.02
#define MOST_B  6.0
#define REACH   1000.0 /* a bend beyond so many times the base is none that the points could tell of */

typedef struct fit {
    double c, a, b, error; /* error: sum of squares */
} fit;

static double squares(const double *x, const double *y, int n, double c, double a, double b)
{
    double sum = 0;
    for (int i = 0; i < n; i++) {
        const double r = y[i] - (c - a * pow(x[i], -b));
        sum += r * r;
    }
    return sum;
}

/* The best c and a for this b: a >= 0, c <= 1. */
static fit linear(const double *x, const double *y, int n, double b)
{
    double su = 0, suu = 0, sy = 0, suy = 0;
    for (int i = 0; i < n; i++) {
        const double u = pow(x[i], -b);
        su += u, suu += u * u, sy += y[i], suy += u * y[i];
    }
    fit f = { .b = b };
    const double det = n * suu - su * su;
    f.a = det > 1e-12 * n * suu ? (su * sy - n * suy) / det : 0;
    if (f.a < 0) f.a = 0;
    f.c = (sy + f.a * su) / n;
    if (f.c > 1) { /* on the border: minimise over a alone */
        f.c = 1;
        f.a = fmax(0, (su - suy) / suu);
    }
    f.error = squares(x, y, n, f.c, f.a, b);
    return f;
}

static fit search(const double *x, const double *y, int n)
{
    fit best = { .error = INFINITY };
    const double step = log(MOST_B / LEAST_B) / (GRID - 1);
    int at = 0;
    for (int i = 0; i < GRID; i++) {
        const fit f = linear(x, y, n, LEAST_B * exp(step * i));
        if (f.error < best.error) best = f, at = i;
    }
    double lo = LEAST_B * exp(step * (at ? at - 1 : 0)), hi = LEAST_B * exp(step * (at < GRID - 1 ? at + 1 : at));
    const double golden = 0.6180339887498949;
    for (int i = 0; i < SECTIONS; i++) {
        const fit p = linear(x, y, n, hi - golden * (hi - lo)), q = linear(x, y, n, lo + golden * (hi - lo));
        if (p.error < q.error)
            hi = q.b;
        else
            lo = p.b;
        const fit *const f = p.error < q.error ? &p : &q;
        if (f->error < best.error) best = *f;
    }
    return best;
}

/* Neither the straight line nor one that only the ceiling of 100 % holds down tells of an end. */
static bool saturates(const fit *f) { return f->a <= 0 || (f->b > 1.01 * LEAST_B && f->c < 1 - 1e-9); }

/* A doubling from x gains a * x^-b * (1 - 2^-b). */
static double bend_of(const fit *f, double gain)
{
    const double first = f->a * (1 - pow(2, -f->b)), bend = first <= 0 ? 0 : pow(first / gain, 1 / f->b);
    return saturates(f) && bend <= REACH ? bend : INFINITY;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void quantiles(double *v, int n, double *lo, double *hi)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    *lo = v[(int)(0.025 * (n - 1) + 0.5)];
    *hi = v[(int)(0.975 * (n - 1) + 0.5)];
}

eff_saturation eff_saturation_fit(const double *x, const double *top1, int n, double se, double gain, uint64_t seed)
{
    enum { MOST = 32 };
    eff_saturation s = { .gain = gain, .c_lo = NAN, .c_hi = NAN, .bend_lo = NAN, .bend_hi = NAN };
    double y[MOST], c[DRAWS], bend[DRAWS];
    if (n < 3 || n > MOST) return s;
    for (int i = 0; i < n; i++)
        if (!(x[i] > 0) || !isfinite(top1[i])) return s;
    const fit f = search(x, top1, n);
    s.known = true;
    s.saturates = saturates(&f);
    s.c = f.c, s.a = f.a, s.b = f.b;
    s.rms = sqrt(f.error / n);
    s.bend = bend_of(&f, gain);
    if (!(se > 0)) return s;
    for (int k = 0; k < DRAWS; k++) {
        for (int i = 0; i < n; i++) y[i] = top1[i] + se * eff_rng_normal(seed, 0x73617475u, (uint64_t)k * MOST + (uint64_t)i);
        const fit g = search(x, y, n);
        c[k] = g.c;
        bend[k] = bend_of(&g, gain);
    }
    quantiles(c, DRAWS, &s.c_lo, &s.c_hi);
    quantiles(bend, DRAWS, &s.bend_lo, &s.bend_hi);
    return s;
}

double eff_saturation_at(const eff_saturation *s, double x) { return s->c - s->a * pow(x, -s->b); }
