/* SPDX-License-Identifier: Apache-2.0 */
/* Children without training: a random reward over a space of any size whose best child is known. The logarithm of
 * accuracy is a sum of a value for every decision and one for every two equal fields of neighbouring stages; that of
 * cost a sum over decisions, growing with the option; eff_objective_reward() joins the two. So the reward is a chain
 * over stages, and its maximum is found exactly (Viterbi 1967). */
#ifndef EFF_TESTS_SEARCH_SYNTHETIC_H
#define EFF_TESTS_SEARCH_SYNTHETIC_H

#include "search/objective.h"
#include "search/space.h"

enum { T_STAGES = 7, T_FIELDS = 5, T_STATES = 72 };

typedef struct t_landscape {
    eff_space space;
    eff_objective objective;
    int stages;
    double value[T_STAGES][T_FIELDS][3], cost[T_STAGES][T_FIELDS][3];
    double pair[T_STAGES][T_FIELDS][3][3]; /* with the stage before */
    double noise; /* of log accuracy, a property of the child; 0 where the best must be known */
    uint64_t seed;
} t_landscape;

/** stages = 7: 72^7 = 1.0e13 children. */
void t_landscape_init(t_landscape *l, int stages, double noise, uint64_t seed);
double t_landscape_reward(const t_landscape *l, const eff_child *c);
double t_landscape_best(const t_landscape *l);

/** Child number i of all that have `stages` stages. */
void t_landscape_child(const t_landscape *l, int64_t i, eff_child *out);

#endif
