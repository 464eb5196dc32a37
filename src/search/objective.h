/* SPDX-License-Identifier: Apache-2.0 */
/* What a child is worth: accuracy against one cost (Tan et al. 2019, section 3), limits on any of the costs, and the
 * front of those that nothing beats in both. */
#ifndef EFF_SEARCH_OBJECTIVE_H
#define EFF_SEARCH_OBJECTIVE_H

#include "base/error.h"

#include <stdbool.h>

typedef enum eff_cost {
    EFF_COST_MACS,    /* multiply-adds of one image                                              */
    EFF_COST_LATENCY, /* seconds of one image on one thread of this machine, by the inference plan */
    EFF_COST_PARAMS,
    EFF_COST_MEMORY, /* bytes of the inference plan: weights, activations, scratch               */
    EFF_COSTS
} eff_cost;

typedef struct eff_objective {
    eff_cost cost;
    double target;           /* T, in the cost's unit                                              */
    double exponent;         /* w, 0 or below; -0.07 in the paper                                  */
    bool hard;               /* exponent 0 up to the target, -1 above (MnasNet's alpha 0, beta -1) */
    double limit[EFF_COSTS]; /* 0 = none                                                           */
} eff_objective;

/** EFF_EARG naming the value: a target that is not positive, an exponent above 0 ... */
eff_status eff_objective_check(const eff_objective *o, eff_error *err);

/** accuracy * (cost / target)^w; 0 when the accuracy is NaN or the cost not known (NaN, or not positive). */
double eff_objective_reward(const eff_objective *o, double accuracy, double cost);

/** Whether all costs (NaN = not known, passes) keep to the limits; *which: the first that does not. */
bool eff_objective_allows(const eff_objective *o, const double cost[EFF_COSTS], eff_cost *which);

/** on[i]: no other point costs no more and is at least as accurate, one of the two strictly. Of equal points the first
 * is on the front. NaN never is. */
void eff_pareto_front(bool *on, const double *cost, const double *accuracy, int n);

const char *eff_cost_name(eff_cost c); /* "macs", "latency", "params", "memory" */
const char *eff_cost_unit(eff_cost c); /* "", "s", "", "B" */

#endif
