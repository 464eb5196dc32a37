/* SPDX-License-Identifier: Apache-2.0 */
/* Costs are counted, not predicted. Along a direction they never fall, in steps, so the nearest network is found by
 * halving: the last one not above the target or the first one above it. */
#include "scale/network.h"

#include "model/count.h"

#include <math.h>
#include <stdio.h>

enum { HALVINGS = 48, DOUBLINGS = 12 };

static int scaled_side(int side, double by, int multiple)
{
    const double n = floor(side * by / multiple + 0.5) * multiple;
    return n < multiple ? multiple : n > EFF_MAX_SIDE ? EFF_MAX_SIDE + 1 : (int)n;
}

eff_status eff_network_make(eff_network *out, const eff_table *base, eff_factors by, int multiple, uint64_t base_macs,
                            eff_error *err)
{
    eff_network n = { .by = by };
    eff_graph *g = NULL;
    eff_counts c;
    eff_table t;
    eff_status s = eff_table_scale(&t, base, by.width, by.depth, 0, err);
    if (s != EFF_OK) return s;
    if (by.resolution != 1 || multiple > 1) {
        t.height = scaled_side(base->height, by.resolution, multiple);
        t.width_px = scaled_side(base->width_px, by.resolution, multiple);
    }
    snprintf(t.name, sizeof t.name, "scaled"); /* nor do the coefficients tell networks apart */
    t.width = t.depth = 1;
    s = eff_table_check(&t, err);
    const int stride = eff_table_stride(&t), side = t.height < t.width_px ? t.height : t.width_px;
    if (s == EFF_OK && side < stride)
        s = eff_fail(err, EFF_EARG, "resolution: expected at least the network's stride of %d pixels, found %d", stride,
                     side);
    if (s == EFF_OK) s = eff_graph_build(&g, &t, 0, 0, err);
    if (s != EFF_OK) return s;
    eff_count(&c, g);
    eff_graph_free(g);
    n.table = t;
    n.macs = c.macs;
    n.params = c.params;
    n.paid = base_macs ? (double)c.macs / (double)base_macs : 1;
    *out = n;
    return EFF_OK;
}

bool eff_network_same(const eff_network *a, const eff_network *b)
{
    const eff_table *const x = &a->table, *const y = &b->table;
    if (a->macs != b->macs || a->params != b->params || x->nstages != y->nstages || x->height != y->height ||
        x->width_px != y->width_px || x->stem_channels != y->stem_channels || x->head_channels != y->head_channels)
        return false;
    for (int i = 0; i < x->nstages; i++)
        if (!eff_stage_same(&x->stage[i], &y->stage[i])) return false;
    return true; /* what is left does not change when a table is scaled */
}

static eff_factors along(eff_factors start, eff_direction d, double t)
{
    return (eff_factors){ start.depth * pow(d.alpha, t), start.width * pow(d.beta, t),
                          start.resolution * pow(d.gamma, t) };
}

/* The same network by a short number: of the factor where only one grows, of t where several do. */
static eff_status shorten(eff_network *n, const eff_table *base, eff_factors start, eff_direction d, double t,
                          int multiple, uint64_t base_macs, eff_error *err)
{
    const int growing = (d.alpha != 1) + (d.beta != 1) + (d.gamma != 1);
    const double c = growing == 1 ? d.alpha * d.beta * d.gamma : M_E;
    for (int decimals = 0; decimals < 9; decimals++) {
        const double unit = pow(10, decimals);
        const double r = growing == 1 ? log(rint(pow(c, t) * unit) / unit) / log(c) : rint(t * unit) / unit;
        eff_network m;
        if (isfinite(r) && r >= 0 &&
            eff_network_make(&m, base, along(start, d, r), multiple, base_macs, NULL) == EFF_OK &&
            eff_network_same(&m, n)) {
            *n = m;
            return EFF_OK;
        }
    }
    return eff_network_make(n, base, along(start, d, t), multiple, base_macs, err);
}

eff_status eff_network_nearest(eff_network *out, const eff_table *base, eff_factors start, eff_direction d,
                               double target, int multiple, uint64_t base_macs, eff_error *err)
{
    eff_network low, high, mid;
    double lo = 0, hi = 0;
    eff_status s = eff_network_make(&low, base, start, multiple, base_macs, err);
    if (s != EFF_OK) return s;
    high = low;
    for (int i = 0; high.paid <= target; i++) { /* from below to above */
        low = high;
        lo = hi;
        hi = i ? 2 * hi : 0.5;
        s = i == DOUBLINGS
                ? eff_fail(err, EFF_EARG, "no network along this direction reaches %g times the cost", target)
                : eff_network_make(&high, base, along(start, d, hi), multiple, base_macs, err);
        if (s != EFF_OK) return s;
    }
    if (low.paid > target) { /* the first is above it already */
        *out = low;
        return EFF_OK;
    }
    for (int i = 0; i < HALVINGS; i++) {
        const double t = (lo + hi) / 2;
        s = eff_network_make(&mid, base, along(start, d, t), multiple, base_macs, err);
        if (s != EFF_OK) return s;
        if (mid.paid <= target)
            low = mid, lo = t;
        else
            high = mid, hi = t;
    }
    const bool lower = log(target / low.paid) <= log(high.paid / target);
    *out = lower ? low : high;
    return shorten(out, base, start, d, lower ? lo : hi, multiple, base_macs, err);
}

static double off(const eff_network *n, double target) { return fabs(log(n->paid / target)); }

/* How far factors are from others, in what they do to the cost. */
static double apart(eff_factors a, eff_factors b)
{
    return fabs(log(a.depth / b.depth)) + 2 * fabs(log(a.width / b.width)) + 2 * fabs(log(a.resolution / b.resolution));
}

eff_status eff_network_compound(eff_network *out, const eff_table *base, eff_direction d, double target, double close,
                                int multiple, uint64_t base_macs, eff_error *err)
{
    const eff_factors one = { 1, 1, 1 };
    eff_network n;
    eff_status s = eff_network_nearest(out, base, one, d, target, multiple, base_macs, err);
    const double t = log(target) / log(d.alpha * d.beta * d.beta * d.gamma * d.gamma);
    const eff_factors at = along(one, d, t);
    const struct {
        eff_factors start;
        eff_direction grows;
    } spare[] = { { { at.depth, 1, at.resolution }, { 1, 2, 1 } },
                  { { at.depth, at.width, 1 }, { 1, 1, 2 } },
                  { { 1, at.width, at.resolution }, { 2, 1, 1 } } };
    for (int i = 0; s == EFF_OK && i < 3; i++) {
        s = eff_network_nearest(&n, base, spare[i].start, spare[i].grows, target, multiple, base_macs, err);
        if (s != EFF_OK) break;
        const bool near = off(&n, target) <= log(1 + close), had = off(out, target) <= log(1 + close);
        if (near && had ? apart(n.by, at) < apart(out->by, at) : off(&n, target) < off(out, target)) *out = n;
    }
    return s;
}
