/* SPDX-License-Identifier: Apache-2.0 */
/* Time that passes, whatever the date does. */
#ifndef EFF_BASE_CLOCK_H
#define EFF_BASE_CLOCK_H

#include <time.h>

/** Seconds since some moment in the past. */
static inline double eff_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
