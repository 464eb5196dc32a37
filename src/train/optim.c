/* SPDX-License-Identifier: Apache-2.0 */
/* Optimisers. State and arithmetic are float32, element by element, so the result does not depend on how the work is cut; the
 * gradient's norm is summed in double, parameter by parameter, in order. */
#include "train/optim.h"

#include "base/mem.h"

#include <math.h>
#include <string.h>

typedef struct slot { /* of one parameter */
    float *w, *ema, *s1, *s2;
    const float *g;
    size_t n;
    float lr_scale, decay;
    double norm2;
} slot;

struct eff_optim {
    eff_optim_opts o;
    int n;
    slot *slot;
    float **ema;
    float *block;
    long steps;
    /* one step */
    float lr, factor, bias1, bias2, ema_step;
};

void eff_optim_opts_init(eff_optim_opts *o, eff_optim_kind kind)
{
    *o = (eff_optim_opts){ .kind = kind, .decay = 0.9, .momentum = 0.9, .beta1 = 0.9, .beta2 = 0.999,
                           .eps = kind == EFF_RMSPROP ? 1e-3 : 1e-8 };
}

static bool decays(const eff_param *p, eff_decay which)
{
    switch (which) {
    case EFF_DECAY_MATRICES: return p->ndim > 1;
    case EFF_DECAY_PAPER: return p->kind != EFF_PARAM_BN_GAMMA && p->kind != EFF_PARAM_BN_BETA;
    case EFF_DECAY_ALL: return true;
    }
    return false;
}

int eff_optim_vectors(eff_optim_kind k) { return k == EFF_SGD ? 1 : EFF_OPTIM_VECTORS; }
float eff_optim_start(eff_optim_kind k, int which) { return k == EFF_RMSPROP && which == 0 ? 1.0f : 0.0f; }

static size_t state_floats(const eff_param *p, bool learns, const eff_optim_opts *o)
{
    const size_t n = eff_round_up(p->count, EFF_ALIGN / sizeof(float));
    return n * (size_t)((learns ? eff_optim_vectors(o->kind) : 0) + (o->ema > 0));
}

size_t eff_optim_bytes(const eff_model *m, const eff_optim_opts *o)
{
    size_t floats = 0;
    for (int i = 0; i < m->graph->nparams; i++)
        floats += state_floats(&m->graph->param[i], !eff_param_is_buffer(m->graph->param[i].kind), o);
    return floats * sizeof(float);
}

eff_status eff_optim_create(eff_optim **out, eff_model *m, float *const *grads, const eff_optim_opts *opts, eff_error *err)
{
    *out = NULL;
    eff_optim *o = eff_calloc(1, sizeof *o);
    if (!o) return eff_fail_memory(err, sizeof *o);
    o->o = *opts;
    o->o.lr_scale = NULL;
    o->n = m->graph->nparams;
    o->slot = eff_calloc((size_t)o->n, sizeof *o->slot);
    o->ema = eff_calloc((size_t)o->n, sizeof *o->ema);
    size_t floats = 0;
    for (int i = 0; i < o->n; i++) floats += state_floats(&m->graph->param[i], grads[i] != NULL, opts);
    o->block = eff_spare_take(opts->spare, EFF_SPARES - 1, floats * sizeof(float));
    if (!o->slot || !o->ema || !o->block) {
        eff_optim_free(o);
        return eff_fail_memory(err, floats * sizeof(float));
    }
    memset(o->block, 0, floats * sizeof(float));
    float *at = o->block;
    for (int i = 0; i < o->n; i++) {
        const eff_param *p = &m->graph->param[i];
        slot *s = &o->slot[i];
        const size_t n = eff_round_up(p->count, EFF_ALIGN / sizeof(float));
        *s = (slot){ .w = m->weights[i], .g = grads[i], .n = p->count, .lr_scale = opts->lr_scale ? opts->lr_scale[i] : 1.0f,
                     .decay = decays(p, opts->decays) ? (float)opts->weight_decay : 0.0f };
        if (s->g) {
            s->s1 = at;
            at += n;
            if (eff_optim_vectors(opts->kind) == 2) {
                s->s2 = at;
                at += n;
            }
            const float start = eff_optim_start(opts->kind, 0);
            for (size_t j = 0; start != 0 && j < s->n; j++) s->s1[j] = start;
        }
        if (opts->ema > 0) {
            o->ema[i] = s->ema = at;
            at += n;
            memcpy(s->ema, s->w, s->n * sizeof *s->w);
        }
    }
    *out = o;
    return EFF_OK;
}

void eff_optim_free(eff_optim *o)
{
    if (!o) return;
    eff_free(o->slot);
    eff_free(o->ema);
    if (!o->o.spare) eff_free(o->block);
    eff_free(o);
}

static void task_norm(void *ctx, int i, int worker)
{
    (void)worker;
    slot *s = &((eff_optim *)ctx)->slot[i];
    const float *g = s->g;
    double part[8] = { 0 }, sum = 0; /* chains that do not wait for each other */
    size_t j = 0;
    for (; g && j + 8 <= s->n; j += 8)
        for (size_t k = 0; k < 8; k++) part[k] += (double)g[j + k] * (double)g[j + k];
    for (; g && j < s->n; j++) part[0] += (double)g[j] * (double)g[j];
    for (size_t k = 0; k < 8; k++) sum += part[k];
    s->norm2 = sum;
}

/* The vectors of a slot do not overlap, and are walked with everything else in registers. What is left of 1 is taken in double:
 * 1 - 0.999f is off by 1.3e-5 of itself, a hundred times what rounding it once costs. */
static void step_rmsprop(const eff_optim *o, const slot *s)
{
    const float fresh = (float)(1.0 - o->o.decay), momentum = (float)o->o.momentum, eps = (float)o->o.eps, lr = o->lr * s->lr_scale;
    const float decay = s->decay, factor = o->factor, *restrict grad = s->g;
    float *restrict w = s->w, *restrict square = s->s1, *restrict speed = s->s2;
    const size_t n = s->n;
    for (size_t j = 0; j < n; j++) {
        const float g = grad[j] * factor + decay * w[j];
        square[j] += fresh * (g * g - square[j]);
        speed[j] = momentum * speed[j] + lr * g / sqrtf(square[j] + eps);
        w[j] -= speed[j];
    }
}

static void step_sgd(const eff_optim *o, const slot *s)
{
    const float momentum = (float)o->o.momentum, lr = o->lr * s->lr_scale, decay = s->decay, factor = o->factor;
    const float *restrict grad = s->g;
    float *restrict w = s->w, *restrict speed = s->s1;
    const size_t n = s->n;
    for (size_t j = 0; j < n; j++) {
        const float g = grad[j] * factor + decay * w[j];
        speed[j] = momentum * speed[j] + g; /* the first step has no buffer: 0 * momentum + g is it */
        w[j] -= lr * (g + momentum * speed[j]);
    }
}

static void step_adamw(const eff_optim *o, const slot *s)
{
    const float fresh1 = (float)(1.0 - o->o.beta1), fresh2 = (float)(1.0 - o->o.beta2), b2 = (float)o->o.beta2;
    const float eps = (float)o->o.eps, lr = o->lr * s->lr_scale;
    const float shrink = lr * s->decay, factor = o->factor, rate = lr / o->bias1, root = sqrtf(o->bias2), *restrict grad = s->g;
    float *restrict w = s->w, *restrict mean = s->s1, *restrict square = s->s2;
    const size_t n = s->n;
    for (size_t j = 0; j < n; j++) {
        const float g = grad[j] * factor;
        w[j] -= shrink * w[j];
        mean[j] += fresh1 * (g - mean[j]);
        square[j] = b2 * square[j] + fresh2 * g * g;
        w[j] -= rate * mean[j] / (sqrtf(square[j]) / root + eps);
    }
}

static void average(float *restrict ema, const float *restrict w, size_t n, float step)
{
    for (size_t j = 0; j < n; j++) ema[j] += step * (w[j] - ema[j]);
}

static void task_step(void *ctx, int i, int worker)
{
    (void)worker;
    eff_optim *o = ctx;
    slot *s = &o->slot[i];
    if (s->g) {
        switch (o->o.kind) {
        case EFF_RMSPROP: step_rmsprop(o, s); break;
        case EFF_SGD: step_sgd(o, s); break;
        case EFF_ADAMW: step_adamw(o, s); break;
        }
    }
    if (s->ema) average(s->ema, s->w, s->n, o->ema_step);
}

double eff_optim_step(eff_optim *o, eff_pool *pool, double lr)
{
    eff_pool_run(pool, task_norm, o, o->n);
    double norm2 = 0;
    for (int i = 0; i < o->n; i++) norm2 += o->slot[i].norm2;
    const double norm = sqrt(norm2);
    if (!isfinite(norm)) return norm;
    const double t = (double)o->steps++;
    o->lr = (float)lr;
    o->factor = o->o.clip_norm > 0 && norm > o->o.clip_norm ? (float)(o->o.clip_norm / norm) : 1.0f;
    o->bias1 = (float)(1.0 - pow(o->o.beta1, t + 1));
    o->bias2 = (float)(1.0 - pow(o->o.beta2, t + 1));
    o->ema_step = (float)(1.0 - (o->o.ema_ramp ? fmin(o->o.ema, (1 + t) / (10 + t)) : o->o.ema));
    eff_pool_run(pool, task_step, o, o->n);
    return norm;
}

float *const *eff_optim_ema(const eff_optim *o) { return o->o.ema > 0 ? o->ema : NULL; }
long eff_optim_steps(const eff_optim *o) { return o->steps; }
float *eff_optim_state(const eff_optim *o, int i, int which) { return which ? o->slot[i].s2 : o->slot[i].s1; }
void eff_optim_resume(eff_optim *o, long steps) { o->steps = steps; }

void eff_layer_rates(float *lr_scale, const eff_graph *g, double decay)
{
    const int head = g->node[g->nnodes - 1].stage;
    for (int i = 0; i < g->nparams; i++) {
        const eff_node *d = &g->node[g->param[i].node];
        /* blocks count from the stem (0) over 1..blocks to the head (blocks + 1) */
        const int at = d->stage == EFF_STAGE_STEM ? 0 : d->stage == head ? g->blocks + 1 : d->index + 1;
        lr_scale[i] = (float)pow(decay, g->blocks + 1 - at);
    }
}
