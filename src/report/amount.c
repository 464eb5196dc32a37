/* SPDX-License-Identifier: Apache-2.0 */
#include "report/amount.h"

#include <math.h>
#include <stdio.h>

void eff_amount_count(char *out, size_t room, double v)
{
    static const char unit[] = " kMGT";
    int u = 0;
    while (v >= 999.5 && u < 4) v /= 1000, u++;
    if (u)
        snprintf(out, room, v < 9.995 ? "%.2f%c" : v < 99.95 ? "%.1f%c" : "%.0f%c", v, unit[u]);
    else
        snprintf(out, room, "%.0f", v);
}

void eff_amount_span(char *out, size_t room, double seconds)
{
    const long s = lround(seconds);
    if (s < 100)
        snprintf(out, room, "%ld s", s);
    else if (s < 6000)
        snprintf(out, room, "%ld min %02ld s", s / 60, s % 60);
    else
        snprintf(out, room, "%ld h %02ld min", s / 3600, s / 60 % 60);
}

void eff_amount_percent(char *out, size_t room, double v)
{
    if (isnan(v))
        snprintf(out, room, "\xe2\x80\x93");
    else
        snprintf(out, room, "%.1f\xc2\xa0%%", 100 * v);
}
