/* SPDX-License-Identifier: Apache-2.0 */
/* The constants are whole numbers of steps above 1, so that 1.1 is 1.1 and the same at every tolerance. */
#include "scale/grid.h"

#include "base/mem.h"

#include <math.h>

enum { MOST = 20000, MOST_STEPS = 2000 };

static double constant(const eff_grid_opts *o, int i) { return rint((1 + i * o->step) * 1e9) / 1e9; }

static eff_status check(const eff_grid_opts *o, eff_error *err)
{
    if (!(o->target > 1 && o->target <= 64))
        return eff_fail(err, EFF_EARG, "target: expected a product above 1 and at most 64, found %g", o->target);
    if (!(o->step >= 1e-3 && o->step <= 1))
        return eff_fail(err, EFF_EARG, "step: expected 0.001..1, found %g", o->step);
    if (!(o->tolerance >= 0 && o->tolerance < o->target))
        return eff_fail(err, EFF_EARG, "tolerance: expected at least 0 and less than the target of %g, found %g",
                        o->target, o->tolerance);
    if (!(o->paid > 0 && o->paid <= 1))
        return eff_fail(err, EFF_EARG, "paid: expected more than 0 and at most 1, found %g", o->paid);
    return EFF_OK;
}

static eff_status add(eff_grid *g, const eff_table *base, const eff_grid_opts *o, eff_grid_candidate c,
                      uint64_t base_macs, eff_error *err)
{
    eff_network n;
    if (g->ncandidates == MOST)
        return eff_fail(err, EFF_EARG, "more than %d candidates: expected a larger step or a smaller tolerance", MOST);
    const eff_status s =
        eff_network_make(&n, base, (eff_factors){ c.alpha, c.beta, c.gamma }, o->multiple, base_macs, err);
    if (s != EFF_OK) return s;
    c.paid = n.paid;
    for (c.network = 0; c.network < g->nnetworks; c.network++)
        if (eff_network_same(&g->network[c.network], &n)) break;
    if (c.network == g->nnetworks) {
        if ((g->nnetworks & (g->nnetworks - 1)) == 0) { /* room for twice as many at every power of two */
            eff_network *const more = eff_realloc(g->network, 2 * ((size_t)g->nnetworks + 1) * sizeof *more);
            if (!more) return eff_fail_memory(err, (size_t)g->nnetworks * sizeof *more);
            g->network = more;
        }
        g->network[g->nnetworks++] = n;
    }
    g->candidate[g->ncandidates++] = c;
    return EFF_OK;
}

static eff_status search(eff_grid *g, const eff_table *base, const eff_grid_opts *o, uint64_t base_macs,
                         double *nearest, eff_error *err)
{
    const double most = o->target + o->tolerance + 1e-9; /* 1.1 * 1.1 is not quite 1.21 */
    *nearest = INFINITY;
    for (int i = 0; i <= MOST_STEPS && constant(o, i) <= most; i++)
        for (int j = 0; j <= MOST_STEPS && constant(o, i) * pow(constant(o, j), 2) <= most; j++)
            for (int k = 0; k <= MOST_STEPS; k++) {
                eff_grid_candidate c = { .alpha = constant(o, i), .beta = constant(o, j), .gamma = constant(o, k) };
                c.product = c.alpha * c.beta * c.beta * c.gamma * c.gamma;
                const double off = fabs(c.product - o->target);
                if (off < fabs(*nearest - o->target)) *nearest = c.product;
                if (c.product > most) break;
                if (off > o->tolerance + 1e-9) continue;
                const eff_status s = add(g, base, o, c, base_macs, err);
                if (s != EFF_OK) return s;
            }
    return EFF_OK;
}

eff_status eff_grid_make(eff_grid *g, const eff_table *base, const eff_grid_opts *o, uint64_t base_macs, eff_error *err)
{
    double nearest;
    *g = (eff_grid){ 0 };
    eff_status s = check(o, err);
    if (s != EFF_OK) return s;
    g->candidate = eff_calloc(MOST, sizeof *g->candidate);
    if (!g->candidate) return eff_fail_memory(err, MOST * sizeof *g->candidate);
    s = search(g, base, o, base_macs, &nearest, err);
    if (s == EFF_OK && !g->ncandidates)
        s = eff_fail(err, EFF_EARG,
                     "no candidate: with constants in steps of %g no alpha * beta^2 * gamma^2 is within %g of %g; the "
                     "nearest is "
                     "%.4f: expected a larger tolerance or a smaller step",
                     o->step, o->tolerance, o->target, nearest);
    if (s == EFF_OK) {
        g->kept = eff_calloc((size_t)g->nnetworks, sizeof *g->kept);
        if (!g->kept) s = eff_fail_memory(err, (size_t)g->nnetworks);
    }
    double close = INFINITY;
    for (int i = 0; s == EFF_OK && i < g->nnetworks; i++) {
        const double off = fabs(log(g->network[i].paid / o->target));
        g->kept[i] = off <= log(1 + o->paid);
        g->nkept += g->kept[i];
        if (off < fabs(log(close / o->target))) close = g->network[i].paid;
    }
    if (s == EFF_OK && !g->nkept)
        s = eff_fail(err, EFF_EARG,
                     "no network: after rounding none of %d candidates costs within %g %% of %g times the base; the "
                     "nearest costs "
                     "%.3f times: expected a base with divisor=1 or more layers, or a larger part paid",
                     g->ncandidates, 100 * o->paid, o->target, close);
    if (s != EFF_OK) eff_grid_free(g);
    return s;
}

void eff_grid_free(eff_grid *g)
{
    eff_free(g->candidate);
    eff_free(g->network);
    eff_free(g->kept);
    *g = (eff_grid){ 0 };
}
