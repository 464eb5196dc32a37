/* SPDX-License-Identifier: Apache-2.0 */
/* What the controllers share: the common part (controller.c) numbers the proposals, draws again what was proposed
 * before and remembers; a kind says how one is drawn and what it learns from an observation. */
#ifndef EFF_SEARCH_CONTROLLER_INTERNAL_H
#define EFF_SEARCH_CONTROLLER_INTERNAL_H

#include "base/rng.h"
#include "search/controller.h"

#include <stdbool.h>

/** The random numbers of one proposal: a stream of their own, taken in order. */
typedef struct eff_dice {
    uint64_t seed, stream, next;
} eff_dice;

static inline double eff_dice_uniform(eff_dice *r) { return eff_rng_uniform(r->seed, r->stream, r->next++); }
/** 0 .. n - 1, for the small n of options and populations. */
static inline int eff_dice_below(eff_dice *r, int n) { return (int)(eff_dice_uniform(r) * n); }

typedef struct eff_controller_class {
    const char *name;
    eff_status (*check)(const eff_controller_opts *o, eff_error *err);
    eff_status (*create)(eff_controller *c, eff_error *err);                   /* sets c->state             */
    void (*destroy)(void *state);                                              /* NULL is fine              */
    void (*draw)(eff_controller *c, long number, eff_dice *r, eff_child *out); /* need not be canonical     */
    void (*proposed)(eff_controller *c, long number, const eff_child *child);  /* what became of it; or NULL */
    void (*observe)(eff_controller *c, long number, const eff_child *child, double reward);
} eff_controller_class;
extern const eff_controller_class eff_controller_random, eff_controller_evolution, eff_controller_ppo;

struct eff_controller {
    const eff_controller_class *is;
    const eff_space *space;
    eff_controller_opts o;
    int open[EFF_MAX_DECISIONS], nopen; /* decisions with more than one option */
    long proposed, observed;            /* so many; also the number of the next */
    uint64_t *seen;                     /* hash set of fingerprints; 0 = free place */
    int nseen;
    void *state;
};

/** Every decision uniformly, and one open decision changed to another of its options, uniformly. */
void eff_controller_uniform(const eff_controller *c, eff_dice *r, eff_child *out);
void eff_controller_mutate(const eff_controller *c, eff_dice *r, eff_child *child);

/** EFF_EARG "name: expected LO to HI, found X". */
eff_status eff_controller_range(const char *name, double value, double lo, double hi, eff_error *err);

/* --------------------------------------------------------------------------------- the policy of PPO, for its test */

typedef double eff_logits[EFF_MAX_DECISIONS][EFF_MAX_OPTIONS];

typedef struct eff_policy_sample {
    uint8_t same[EFF_MAX_DECISIONS]; /* bit o: with option o here the network would be the same one */
    double logp;                     /* when it was proposed */
    double advantage;
} eff_policy_sample;

void eff_policy_same(uint8_t same[EFF_MAX_DECISIONS], const eff_space *s, const eff_child *child);

/** Log-probability of a network: of every decision, of all options that make the same one. */
double eff_policy_logp(const eff_space *s, eff_logits logit, const uint8_t same[EFF_MAX_DECISIONS]);

/** What an update maximises, and its gradient: mean clipped surrogate + entropy * sum of the decisions' entropies. */
double eff_policy_surrogate(eff_logits grad, const eff_space *s, eff_logits logit, const eff_policy_sample *sample,
                            int n, double clip, double entropy);

#endif
