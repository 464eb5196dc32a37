/* SPDX-License-Identifier: Apache-2.0 */
/* Who says which child is tried next. One interface for three: PPO on a factorised categorical policy, regularised
 * evolution, random search. A proposal is a function of the seed, its number and what was observed before it was asked
 * for, and of nothing else: whoever repeats the same calls has the same search. Never allocates after creation: of the
 * first EFF_CONTROLLER_REMEMBERS proposals it is known that they were made, and none of them is made again while others
 * can be found. */
#ifndef EFF_SEARCH_CONTROLLER_H
#define EFF_SEARCH_CONTROLLER_H

#include "search/space.h"

enum { EFF_CONTROLLER_REMEMBERS = 1 << 17 };

typedef enum eff_controller_kind {
    EFF_CONTROLLER_RANDOM,
    EFF_CONTROLLER_EVOLUTION, /* Real et al. 2019: the oldest dies                                              */
    EFF_CONTROLLER_PPO,       /* Schulman et al. 2017; one softmax a decision instead of MnasNet's recurrent net */
    EFF_CONTROLLERS
} eff_controller_kind;

typedef struct eff_controller_opts {
    eff_controller_kind kind;
    uint64_t seed;
    int ahead; /* proposals that may be asked for before the result of an earlier one is observed (0: none) */
    /* evolution */
    int population; /* children alive                                   */
    int sample;     /* of which the best of so many, drawn with replacement, is the parent */
    /* ppo */
    int batch;                /* observations an update                           */
    int passes;               /* over a batch                                     */
    double lr, clip, entropy; /* step of Adam; of the probability ratio; weight of the policy's entropy */
    double baseline;          /* decay, a batch, of the moving mean of rewards that advantages are measured from */
} eff_controller_opts;
void eff_controller_opts_init(eff_controller_opts *o, eff_controller_kind kind);

typedef struct eff_controller eff_controller;
/** The space is borrowed until eff_controller_free(). @return EFF_EARG naming the option that is out of range */
eff_status eff_controller_create(eff_controller **out, const eff_space *s, const eff_controller_opts *o,
                                 eff_error *err);
void eff_controller_free(eff_controller *c);

/** Child number `number`, canonical. Numbers are asked for in order, each once, at most `ahead` + 1 beyond the last
 * that was observed. May propose a child that was proposed before, when few are left. */
void eff_controller_propose(eff_controller *c, long number, eff_child *out);

/** What proposal `number`, which was `child`, is worth: observed in the order of the numbers, each once. A child that
 * failed is worth 0 (and what is not finite is taken for that). */
void eff_controller_observe(eff_controller *c, long number, const eff_child *child, double reward);

const char *eff_controller_name(eff_controller_kind k); /* "random", "evolution", "ppo" */

#endif
