/* SPDX-License-Identifier: Apache-2.0 */
/* What both kinds of bench measure with: made-up pictures, order of times, memory. */
#include "bench_parts.h"

#include <stdlib.h>
#include <sys/resource.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Values in -2..2 from a fixed sequence; speed does not depend on them, but they must not be denormal or all equal. */
float *bench_input(size_t n)
{
    float *x = cli_alloc(n, sizeof *x);
    uint32_t s = 1;
    for (size_t i = 0; i < n; i++) {
        s = s * 1664525u + 1013904223u;
        x[i] = (float)(s >> 8) * (4.0f / 16777216.0f) - 2.0f;
    }
    return x;
}

void bench_sort(double *seconds, int n)
{
    if (n) qsort(seconds, (size_t)n, sizeof *seconds, ascending);
}

double bench_median(const double *sorted, int n)
{
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

double bench_rss_mb(void)
{
    struct rusage u;
    return getrusage(RUSAGE_SELF, &u) == 0 ? (double)u.ru_maxrss * 1024 / 1e6 : 0; /* Linux counts in KiB */
}
