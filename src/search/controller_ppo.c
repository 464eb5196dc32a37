/* SPDX-License-Identifier: Apache-2.0 */
/* Proximal policy optimisation (Schulman et al. 2017) of a policy that is one softmax a decision. What it is rewarded
 * for is the network, not the choices: options that make the same network count as one, their probabilities together,
 * so that a decision without effect is neither praised nor blamed. The surrogate is maximised by Adam, a few passes
 * over each batch of observations; the gradient is written out below. */
#include "base/mem.h"
#include "search/controller_internal.h"

#include <math.h>
#include <string.h>

#define ADAM_BETA1     0.9
#define ADAM_BETA2     0.999
#define ADAM_EPS       1e-8
#define MOST_LOG_RATIO 20.0 /* of probabilities now and then, so that no product is infinite */

typedef struct agent {
    eff_logits logit, m, v; /* m, v: Adam's moments of the gradient */
    eff_logits p;           /* the policy: softmax of the logits    */
    long steps;
    bool known; /* the baseline */
    double baseline;
    eff_policy_sample *flying; /* [ahead + 1], by number: proposed, not yet observed */
    eff_policy_sample *sample; /* [batch]                                           */
    double *reward;            /* [batch]                                           */
    int n;                     /* observed of the batch                             */
} agent;

/* ---------------------------------------------------------------------------------------------------- policy */

void eff_policy_same(uint8_t same[EFF_MAX_DECISIONS], const eff_space *s, const eff_child *child)
{
    for (int d = 0; d < s->ndecisions; d++) {
        same[d] = (uint8_t)(1u << child->choice[d]);
        for (int o = 0; o < s->decision[d].n; o++) {
            if (o == child->choice[d]) continue;
            eff_child other = *child;
            other.choice[d] = (uint8_t)o;
            eff_space_canonical(s, &other);
            if (memcmp(&other, child, sizeof other) == 0) same[d] |= (uint8_t)(1u << o);
        }
    }
}

/* log of the sum of exp(x[o]) over the options o in `set`, which need not be all of a decision. */
static double log_sum(const double *x, unsigned set)
{
    if ((set & (set - 1)) == 0) return x[__builtin_ctz(set)];
    double most = -INFINITY, sum = 0;
    for (int o = 0; o < EFF_MAX_OPTIONS; o++)
        if (set >> o & 1) most = fmax(most, x[o]);
    for (int o = 0; o < EFF_MAX_OPTIONS; o++)
        if (set >> o & 1) sum += exp(x[o] - most);
    return most + log(sum);
}

static unsigned all_of(const eff_decision *d) { return (1u << d->n) - 1; }

double eff_policy_logp(const eff_space *s, eff_logits logit, const uint8_t same[EFF_MAX_DECISIONS])
{
    double logp = 0;
    for (int d = 0; d < s->ndecisions; d++) {
        const unsigned all = all_of(&s->decision[d]);
        if (same[d] != all) logp += log_sum(logit[d], same[d]) - log_sum(logit[d], all);
    }
    return logp;
}

/* With p = softmax(logit), S the options that make the same network, H the entropy of p:
 *   d log p(S) / d logit[o] = (o in S) p[o] / p(S) - p[o]
 *   d H / d logit[o]        = -p[o] (log p[o] + H) */
double eff_policy_surrogate(eff_logits grad, const eff_space *s, eff_logits logit, const eff_policy_sample *sample,
                            int n, double clip, double entropy)
{
    eff_logits p;
    double value = 0;
    for (int d = 0; d < s->ndecisions; d++) {
        const int options = s->decision[d].n;
        const double total = log_sum(logit[d], all_of(&s->decision[d]));
        double h = 0;
        for (int o = 0; o < options; o++) {
            p[d][o] = exp(logit[d][o] - total);
            h -= p[d][o] * (logit[d][o] - total);
        }
        for (int o = 0; o < options; o++) grad[d][o] = -entropy * p[d][o] * (logit[d][o] - total + h);
        value += entropy * h;
    }
    for (int i = 0; i < n; i++) {
        const double a = sample[i].advantage;
        const double change = eff_policy_logp(s, logit, sample[i].same) - sample[i].logp;
        const double ratio = exp(fmin(fmax(change, -MOST_LOG_RATIO), MOST_LOG_RATIO));
        const double clipped = fmin(fmax(ratio, 1 - clip), 1 + clip);
        value += fmin(ratio * a, clipped * a) / n;
        if (clipped * a < ratio * a || fabs(change) >= MOST_LOG_RATIO) continue; /* flat here */
        for (int d = 0; d < s->ndecisions; d++) {
            const unsigned same = sample[i].same[d];
            if (same == all_of(&s->decision[d])) continue;
            const double part = log_sum(logit[d], same), weight = ratio * a / n;
            for (int o = 0; o < s->decision[d].n; o++)
                grad[d][o] += weight * ((same >> o & 1 ? exp(logit[d][o] - part) : 0) - p[d][o]);
        }
    }
    return value;
}

/* ----------------------------------------------------------------------------------------------------- update */

static void refresh(const eff_space *s, agent *a)
{
    for (int d = 0; d < s->ndecisions; d++) {
        const double total = log_sum(a->logit[d], all_of(&s->decision[d]));
        for (int o = 0; o < s->decision[d].n; o++) a->p[d][o] = exp(a->logit[d][o] - total);
    }
}

static void climb(eff_controller *c, agent *a)
{
    eff_logits grad;
    eff_policy_surrogate(grad, c->space, a->logit, a->sample, a->n, c->o.clip, c->o.entropy);
    a->steps++;
    const double unbias1 = 1 - pow(ADAM_BETA1, (double)a->steps), unbias2 = 1 - pow(ADAM_BETA2, (double)a->steps);
    for (int d = 0; d < c->space->ndecisions; d++)
        for (int o = 0; o < c->space->decision[d].n; o++) {
            const double g = grad[d][o];
            a->m[d][o] += (1 - ADAM_BETA1) * (g - a->m[d][o]);
            a->v[d][o] += (1 - ADAM_BETA2) * (g * g - a->v[d][o]);
            a->logit[d][o] += c->o.lr * (a->m[d][o] / unbias1) / (sqrt(a->v[d][o] / unbias2) + ADAM_EPS);
        }
}

static void update(eff_controller *c, agent *a)
{
    double mean = 0, square = 0;
    for (int i = 0; i < a->n; i++) mean += a->reward[i] / a->n;
    for (int i = 0; i < a->n; i++) square += (a->reward[i] - mean) * (a->reward[i] - mean) / a->n;
    const double spread = sqrt(square);
    a->baseline = a->known ? c->o.baseline * a->baseline + (1 - c->o.baseline) * mean : mean;
    for (int i = 0; i < a->n; i++) a->sample[i].advantage = spread > 0 ? (a->reward[i] - a->baseline) / spread : 0;
    for (int i = 0; i < c->o.passes; i++) climb(c, a);
    refresh(c->space, a);
    a->known = true;
    a->n = 0;
}

/* ------------------------------------------------------------------------------------------------- controller */

static eff_status check(const eff_controller_opts *o, eff_error *err)
{
    const struct {
        const char *name;
        double value, lo, hi;
    } row[] = {
        { "batch", o->batch, 2, 10000 }, { "passes", o->passes, 1, 1000 }, { "lr", o->lr, 1e-6, 10 },
        { "clip", o->clip, 0.01, 0.99 }, { "entropy", o->entropy, 0, 10 }, { "baseline", o->baseline, 0, 1 },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const eff_status s = eff_controller_range(row[i].name, row[i].value, row[i].lo, row[i].hi, err);
        if (s != EFF_OK) return s;
    }
    return EFF_OK;
}

static void destroy(void *state)
{
    agent *const a = state;
    if (!a) return;
    eff_free(a->flying);
    eff_free(a->sample);
    eff_free(a->reward);
    eff_free(a);
}

static eff_status create(eff_controller *c, eff_error *err)
{
    const size_t batch = (size_t)c->o.batch;
    agent *const a = c->state = eff_calloc(1, sizeof *a);
    if (!a) return eff_fail_memory(err, sizeof *a);
    a->flying = eff_calloc((size_t)c->o.ahead + 1, sizeof *a->flying);
    a->sample = eff_calloc(batch, sizeof *a->sample);
    a->reward = eff_calloc(batch, sizeof *a->reward);
    if (!a->flying || !a->sample || !a->reward)
        return eff_fail_memory(err, (batch + (size_t)c->o.ahead) * sizeof *a->sample);
    refresh(c->space, a);
    return EFF_OK;
}

static void draw(eff_controller *c, long number, eff_dice *r, eff_child *out)
{
    (void)number;
    const agent *const a = c->state;
    *out = (eff_child){ 0 };
    for (int i = 0; i < c->nopen; i++) {
        const int d = c->open[i], last = c->space->decision[d].n - 1;
        double u = eff_dice_uniform(r);
        int o = 0;
        while (o < last && (u -= a->p[d][o]) >= 0) o++;
        out->choice[d] = (uint8_t)o;
    }
}

static void proposed(eff_controller *c, long number, const eff_child *child)
{
    agent *const a = c->state;
    eff_policy_sample *const s = &a->flying[number % (c->o.ahead + 1)];
    eff_policy_same(s->same, c->space, child);
    s->logp = eff_policy_logp(c->space, a->logit, s->same);
}

static void observe(eff_controller *c, long number, const eff_child *child, double reward)
{
    (void)child; /* it is what was proposed */
    agent *const a = c->state;
    a->sample[a->n] = a->flying[number % (c->o.ahead + 1)];
    a->reward[a->n++] = reward;
    if (a->n == c->o.batch) update(c, a);
}

const eff_controller_class eff_controller_ppo = {
    .name = "ppo",
    .check = check,
    .create = create,
    .destroy = destroy,
    .draw = draw,
    .proposed = proposed,
    .observe = observe,
};
