/* SPDX-License-Identifier: Apache-2.0 */
#include "search_synthetic.h"

#include "base/rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    eff_field field;
    int n;
    double option[3];
} fields[T_FIELDS] = {
    { EFF_FIELD_OP, 2, { EFF_OP_MBCONV, EFF_OP_FUSED } },
    { EFF_FIELD_KERNEL, 2, { 3, 5 } },
    { EFF_FIELD_EXPAND, 2, { 3, 6 } },
    { EFF_FIELD_FILTERS, 3, { 0.75, 1, 1.25 } },
    { EFF_FIELD_LAYERS, 3, { -1, 0, 1 } },
};

/* In every stage, one after the other: no two choices make the same network (three layers, wide channels). */
static void make_space(eff_space *s, int stages)
{
    *s = (eff_space){ .name = "synthetic" };
    eff_table *const t = &s->base;
    *t = (eff_table){ .name = "synthetic",
                      .nstages = stages,
                      .stem_channels = 32,
                      .stem_kernel = 3,
                      .stem_stride = 2,
                      .head_channels = 1280,
                      .act = EFF_ACT_SILU,
                      .bn_eps = 1e-3,
                      .bn_momentum = 0.01,
                      .divisor = 8,
                      .round_up_90 = true,
                      .height = 224,
                      .width_px = 224,
                      .classes = 10,
                      .width = 1,
                      .depth = 1 };
    for (int i = 0; i < stages; i++) {
        t->stage[i] = (eff_stage){ .op = EFF_OP_MBCONV,
                                   .kernel = 3,
                                   .stride = 1 + i % 2,
                                   .expand = 6,
                                   .channels = 64 + 32 * i,
                                   .repeats = 3,
                                   .act = EFF_ACT_SILU,
                                   .skip = true };
        for (int f = 0; f < T_FIELDS; f++) {
            eff_decision *const d = &s->decision[s->ndecisions++];
            *d = (eff_decision){ .stage = i, .field = fields[f].field, .n = fields[f].n };
            memcpy(d->option, fields[f].option, sizeof fields[f].option);
        }
    }
}

void t_landscape_init(t_landscape *l, int stages, double noise, uint64_t seed)
{
    *l = (t_landscape){ .stages = stages, .noise = noise, .seed = seed };
    l->objective = (eff_objective){ .cost = EFF_COST_MACS, .target = 4e8, .exponent = -0.07 };
    make_space(&l->space, stages);
    for (int s = 0; s < stages; s++)
        for (int f = 0; f < T_FIELDS; f++)
            for (int o = 0; o < 3; o++) {
                const uint64_t at = (uint64_t)((s * T_FIELDS + f) * 3 + o);
                l->value[s][f][o] = 0.02 * eff_rng_normal(seed, 1, at);
                l->cost[s][f][o] = 0.2 * o * (0.5 + eff_rng_uniform(seed, 2, at));
                for (int p = 0; p < 3; p++) l->pair[s][f][o][p] = 0.012 * eff_rng_normal(seed, 3, at * 3 + (uint64_t)p);
            }
}

/* Choices of one stage as a number below T_STATES, and back. */
static void choices_of(int state, int choice[T_FIELDS])
{
    for (int f = 0; f < T_FIELDS; f++) {
        choice[f] = state % fields[f].n;
        state /= fields[f].n;
    }
}

void t_landscape_child(const t_landscape *l, int64_t i, eff_child *out)
{
    int choice[T_FIELDS];
    *out = (eff_child){ 0 };
    for (int s = 0; s < l->stages; s++, i /= T_STATES) {
        choices_of((int)(i % T_STATES), choice);
        for (int f = 0; f < T_FIELDS; f++) out->choice[s * T_FIELDS + f] = (uint8_t)choice[f];
    }
}

static double noise_of(const t_landscape *l, const eff_child *c)
{
    uint64_t h = l->seed;
    for (int d = 0; d < l->space.ndecisions; d++) h = eff_rng_bits(h, 4, c->choice[d]);
    return l->noise * eff_rng_normal(h, 5, 0);
}

double t_landscape_reward(const t_landscape *l, const eff_child *c)
{
    double accuracy = l->noise > 0 ? noise_of(l, c) : 0, cost = 0;
    for (int s = 0; s < l->stages; s++)
        for (int f = 0; f < T_FIELDS; f++) {
            const int d = s * T_FIELDS + f, o = c->choice[d];
            accuracy += l->value[s][f][o] + (s ? l->pair[s][f][o][c->choice[d - T_FIELDS]] : 0);
            cost += l->cost[s][f][o];
        }
    return eff_objective_reward(&l->objective, 0.5 * exp(accuracy), 1e8 * exp(cost));
}

double t_landscape_best(const t_landscape *l)
{
    double best[T_STATES] = { 0 }, next[T_STATES]; /* of the stages so far, ending in a state */
    int here[T_FIELDS], before[T_FIELDS];
    for (int s = 0; s < l->stages; s++) {
        for (int i = 0; i < T_STATES; i++) {
            double own = 0, most = s ? -INFINITY : 0;
            choices_of(i, here);
            for (int f = 0; f < T_FIELDS; f++)
                own += l->value[s][f][here[f]] + l->objective.exponent * l->cost[s][f][here[f]];
            for (int j = 0; s && j < T_STATES; j++) {
                double joint = best[j];
                choices_of(j, before);
                for (int f = 0; f < T_FIELDS; f++) joint += l->pair[s][f][here[f]][before[f]];
                most = fmax(most, joint);
            }
            next[i] = own + most;
        }
        memcpy(best, next, sizeof best);
    }
    double most = -INFINITY;
    for (int i = 0; i < T_STATES; i++) most = fmax(most, best[i]);
    return 0.5 * exp(most) * pow(1e8 / l->objective.target, l->objective.exponent);
}
