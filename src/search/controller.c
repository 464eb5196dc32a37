/* SPDX-License-Identifier: Apache-2.0 */
/* The common part of all controllers. Proposal i draws its random numbers from a stream of its own, so that it depends
 * on nothing but the seed, i and what was observed. What was proposed before is drawn again, and when that does not
 * help (a small space, a policy that has made up its mind) changed decision by decision until it is new. */
#include "search/controller.h"

#include "base/mem.h"
#include "search/controller_internal.h"

#include <assert.h>
#include <math.h>

enum {
    DRAWS = 200,                           /* of one proposal, until it is new */
    MUTATIONS = 200,                       /* after that */
    PLACES = 2 * EFF_CONTROLLER_REMEMBERS, /* of the hash set: a power of two */
    MOST_AHEAD = 10000
};

_Static_assert((PLACES & (PLACES - 1)) == 0, "places are found with a mask");

static const eff_controller_class *const classes[EFF_CONTROLLERS] = {
    [EFF_CONTROLLER_RANDOM] = &eff_controller_random,
    [EFF_CONTROLLER_EVOLUTION] = &eff_controller_evolution,
    [EFF_CONTROLLER_PPO] = &eff_controller_ppo,
};

const char *eff_controller_name(eff_controller_kind k) { return classes[k]->name; }

void eff_controller_opts_init(eff_controller_opts *o, eff_controller_kind kind)
{
    *o = (eff_controller_opts){ .kind = kind,
                                .population = 16,
                                .sample = 10,
                                .batch = 10,
                                .passes = 5,
                                .lr = 0.15,
                                .clip = 0.2,
                                .entropy = 0.01,
                                .baseline = 0.3 };
}

/* ------------------------------------------------------------------------------------------ drawing children */

void eff_controller_uniform(const eff_controller *c, eff_dice *r, eff_child *out)
{
    *out = (eff_child){ 0 };
    for (int i = 0; i < c->nopen; i++)
        out->choice[c->open[i]] = (uint8_t)eff_dice_below(r, c->space->decision[c->open[i]].n);
}

void eff_controller_mutate(const eff_controller *c, eff_dice *r, eff_child *child)
{
    const int d = c->open[eff_dice_below(r, c->nopen)];
    const int other = eff_dice_below(r, c->space->decision[d].n - 1);
    child->choice[d] = (uint8_t)(other + (other >= child->choice[d]));
}

/* -------------------------------------------------------------------------------------- what was proposed before */

static uint64_t fingerprint(const eff_space *s, const eff_child *c)
{
    uint64_t h = 0x6368696c64u;
    for (int d = 0; d < s->ndecisions; d++) h = eff_rng_bits(h, (uint64_t)d, c->choice[d]);
    return h ? h : 1;
}

/* Where it is, or would be. */
static uint64_t *place_of(const eff_controller *c, uint64_t f)
{
    size_t i = f & (PLACES - 1);
    while (c->seen[i] && c->seen[i] != f) i = (i + 1) & (PLACES - 1);
    return &c->seen[i];
}

static bool is_new(const eff_controller *c, const eff_child *child)
{
    return !*place_of(c, fingerprint(c->space, child));
}

static void remember(eff_controller *c, const eff_child *child)
{
    const uint64_t f = fingerprint(c->space, child);
    uint64_t *const at = place_of(c, f);
    if (*at || c->nseen == EFF_CONTROLLER_REMEMBERS) return;
    *at = f;
    c->nseen++;
}

/* ------------------------------------------------------------------------------------------------------ public */

eff_status eff_controller_range(const char *name, double value, double lo, double hi, eff_error *err)
{
    if (value >= lo && value <= hi) return EFF_OK;
    return eff_fail(err, EFF_EARG, "%s: expected %g to %g, found %g", name, lo, hi, value);
}

eff_status eff_controller_create(eff_controller **out, const eff_space *s, const eff_controller_opts *o, eff_error *err)
{
    *out = NULL;
    if ((unsigned)o->kind >= EFF_CONTROLLERS) return eff_fail(err, EFF_EARG, "controller: no kind %d", (int)o->kind);
    eff_status status = eff_controller_range("ahead", o->ahead, 0, MOST_AHEAD, err);
    if (status == EFF_OK && classes[o->kind]->check) status = classes[o->kind]->check(o, err);
    if (status != EFF_OK) return status;
    eff_controller *const c = eff_calloc(1, sizeof *c);
    if (!c) return eff_fail_memory(err, sizeof *c);
    c->is = classes[o->kind];
    c->space = s;
    c->o = *o;
    for (int d = 0; d < s->ndecisions; d++)
        if (s->decision[d].n > 1) c->open[c->nopen++] = d;
    if (!c->nopen) {
        status = eff_fail(err, EFF_EARG, "space: no decision has more than one option");
        goto fail;
    }
    c->seen = eff_calloc(PLACES, sizeof *c->seen);
    if (!c->seen) {
        status = eff_fail_memory(err, PLACES * sizeof *c->seen);
        goto fail;
    }
    if (c->is->create && (status = c->is->create(c, err)) != EFF_OK) goto fail;
    *out = c;
    return EFF_OK;
fail:
    eff_controller_free(c);
    return status;
}

void eff_controller_free(eff_controller *c)
{
    if (!c) return;
    if (c->is->destroy) c->is->destroy(c->state);
    eff_free(c->seen);
    eff_free(c);
}

void eff_controller_propose(eff_controller *c, long number, eff_child *out)
{
    assert(number == c->proposed && number <= c->observed + c->o.ahead);
    eff_dice r = { .seed = c->o.seed, .stream = (uint64_t)number };
    for (int i = 0; i < DRAWS; i++) {
        c->is->draw(c, number, &r, out);
        eff_space_canonical(c->space, out);
        if (is_new(c, out)) goto found;
    }
    for (int i = 0; i < MUTATIONS; i++) {
        eff_controller_mutate(c, &r, out);
        eff_space_canonical(c->space, out);
        if (is_new(c, out)) goto found;
    }
found:
    remember(c, out);
    if (c->is->proposed) c->is->proposed(c, number, out);
    c->proposed++;
}

void eff_controller_observe(eff_controller *c, long number, const eff_child *child, double reward)
{
    assert(number == c->observed && number < c->proposed);
    if (c->is->observe) c->is->observe(c, number, child, isfinite(reward) ? reward : 0);
    c->observed++;
}
