/* SPDX-License-Identifier: Apache-2.0 */
/* Regularised evolution (Real et al. 2019): a population in the order of birth. The best of a few members, drawn
 * uniformly with replacement, is the parent; its child differs in one decision; the child joins and the oldest member
 * dies, however good it is. Only what was observed is a member. */
#include "base/mem.h"
#include "search/controller_internal.h"

enum { MOST_POPULATION = 100000 };

typedef struct member {
    eff_child child;
    double reward;
} member;

typedef struct population {
    int n, oldest;
    member at[]; /* [o.population], a ring */
} population;

static eff_status check(const eff_controller_opts *o, eff_error *err)
{
    const eff_status s = eff_controller_range("population", o->population, 1, MOST_POPULATION, err);
    return s != EFF_OK ? s : eff_controller_range("sample", o->sample, 1, o->population, err);
}

static eff_status create(eff_controller *c, eff_error *err)
{
    const size_t bytes = sizeof(population) + (size_t)c->o.population * sizeof(member);
    c->state = eff_calloc(1, bytes);
    return c->state ? EFF_OK : eff_fail_memory(err, bytes);
}

static void draw(eff_controller *c, long number, eff_dice *r, eff_child *out)
{
    const population *const p = c->state;
    if (number < c->o.population || !p->n) {
        eff_controller_uniform(c, r, out);
        return;
    }
    const member *best = NULL;
    for (int i = 0; i < c->o.sample; i++) {
        const member *const m = &p->at[eff_dice_below(r, p->n)];
        if (!best || m->reward > best->reward) best = m;
    }
    *out = best->child;
    eff_controller_mutate(c, r, out);
}

static void observe(eff_controller *c, long number, const eff_child *child, double reward)
{
    (void)number;
    population *const p = c->state;
    const member born = { .child = *child, .reward = reward };
    if (p->n < c->o.population) {
        p->at[p->n++] = born;
        return;
    }
    p->at[p->oldest] = born;
    p->oldest = (p->oldest + 1) % c->o.population;
}

const eff_controller_class eff_controller_evolution = {
    .name = "evolution",
    .check = check,
    .create = create,
    .destroy = eff_free,
    .draw = draw,
    .observe = observe,
};
