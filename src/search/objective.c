/* SPDX-License-Identifier: Apache-2.0 */
#include "search/objective.h"

#include <math.h>

static const struct {
    const char *name, *unit;
} costs[EFF_COSTS] = {
    [EFF_COST_MACS] = { "macs", "" },
    [EFF_COST_LATENCY] = { "latency", "s" },
    [EFF_COST_PARAMS] = { "params", "" },
    [EFF_COST_MEMORY] = { "memory", "B" },
};

const char *eff_cost_name(eff_cost c) { return costs[c].name; }
const char *eff_cost_unit(eff_cost c) { return costs[c].unit; }

eff_status eff_objective_check(const eff_objective *o, eff_error *err)
{
    if ((unsigned)o->cost >= EFF_COSTS) return eff_fail(err, EFF_EARG, "objective: no cost %d", (int)o->cost);
    if (!(o->target > 0) || isinf(o->target))
        return eff_fail(err, EFF_EARG, "target of %s: expected more than 0, found %g", costs[o->cost].name, o->target);
    if (!(o->exponent <= 0) || isinf(o->exponent))
        return eff_fail(err, EFF_EARG, "exponent: expected 0 or less, found %g", o->exponent);
    for (int c = 0; c < EFF_COSTS; c++)
        if (!(o->limit[c] >= 0) || isinf(o->limit[c]))
            return eff_fail(err, EFF_EARG, "limit of %s: expected more than 0, or 0 for none, found %g", costs[c].name,
                            o->limit[c]);
    return EFF_OK;
}

double eff_objective_reward(const eff_objective *o, double accuracy, double cost)
{
    if (isnan(accuracy) || !(cost > 0)) return 0;
    const double relative = cost / o->target;
    if (o->hard) return relative > 1 ? accuracy / relative : accuracy;
    return accuracy * pow(relative, o->exponent);
}

bool eff_objective_allows(const eff_objective *o, const double cost[EFF_COSTS], eff_cost *which)
{
    for (int c = 0; c < EFF_COSTS; c++)
        if (o->limit[c] > 0 && cost[c] > o->limit[c]) {
            *which = (eff_cost)c;
            return false;
        }
    return true;
}

void eff_pareto_front(bool *on, const double *cost, const double *accuracy, int n)
{
    for (int i = 0; i < n; i++) {
        on[i] = !isnan(cost[i]) && !isnan(accuracy[i]);
        for (int j = 0; j < n && on[i]; j++) {
            if (!(cost[j] <= cost[i] && accuracy[j] >= accuracy[i])) continue; /* NaN beats nothing */
            const bool equal = cost[j] == cost[i] && accuracy[j] == accuracy[i];
            on[i] = equal && j >= i;
        }
    }
}
