/* SPDX-License-Identifier: Apache-2.0 */
#include "train/schedule.h"

#include <math.h>

static double cosine(double from, double to, double at)
{
    const double pi = 3.14159265358979323846;
    return to + 0.5 * (from - to) * (1 + cos(pi * (at < 0 ? 0 : at > 1 ? 1 : at)));
}

double eff_schedule_at(const eff_schedule *s, long step)
{
    if (s->kind != EFF_SCHED_ONE_CYCLE && step < s->warmup) return s->start + (s->base - s->start) * (double)step / (double)s->warmup;
    switch (s->kind) {
    case EFF_SCHED_CONSTANT: return s->base;
    case EFF_SCHED_EXPONENTIAL: {
        const double n = (double)step / s->every;
        return s->base * pow(s->rate, s->smooth ? n : floor(n));
    }
    case EFF_SCHED_COSINE: return cosine(s->base, s->final, (double)step / (double)s->steps);
    case EFF_SCHED_ONE_CYCLE: {
        const double top = s->peak * (double)(s->steps - 1), last = (double)(s->steps - 1);
        if ((double)step <= top) return top > 0 ? cosine(s->start, s->base, (double)step / top) : s->base;
        return cosine(s->base, s->final, ((double)step - top) / (last - top));
    }
    }
    return s->base;
}
