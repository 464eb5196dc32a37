/* SPDX-License-Identifier: Apache-2.0 */
/* Batch norm's sums over the batch. Each image has its own, taken while its pixels are in cache; here they are joined in image
 * order, in double, a block of channels a task. Forward sums are around the image's own first pixel, so that nothing cancels
 * where a mean is many deviations away from zero. */
#include "train/train_internal.h"

#include <math.h>
#include <string.h>

enum { CHANNELS = 32 }; /* a task */

void eff_train_clear_sums(const eff_trainer *t, int i, int b)
{
    const bn_state *bn = &t->op[i].bn;
    const size_t floats = 2 * (size_t)t->tape.op[i].c;
    memset(bn->s1 + (size_t)b * floats, 0, floats * sizeof *bn->s1);
    memset(bn->s2 + (size_t)b * floats, 0, floats * sizeof *bn->s2);
}

void eff_train_add_sums(const eff_trainer *t, int i, int b, size_t first, size_t pixels)
{
    const eff_tape_op *o = &t->tape.op[i];
    const bn_state *bn = &t->op[i].bn;
    const size_t c = (size_t)o->c;
    if (!o->bn || t->o.bn == EFF_BN_FROZEN || t->again) return;
    const float *z = image_of(t->op[i].z, o, b);
    t->tk.moments(z + first * c, z, pixels, o->c, bn->s1 + (size_t)b * 2 * c, bn->s2 + (size_t)b * 2 * c);
}

/* Image b's sum of channel j. */
static double sum_of(const float *s, int b, int c, int j)
{
    const float *own = s + (size_t)b * 2 * (size_t)c + (size_t)j;
    return (double)own[0] + (double)own[c];
}

typedef struct moments {
    double mean[CHANNELS], m2[CHANNELS]; /* mean, and sum of squares around it */
} moments;

/* Channels j0..j0+n-1 over all images of the pass. */
static void batch_moments(const eff_trainer *t, int i, int j0, int n, moments *m)
{
    const eff_tape_op *o = &t->tape.op[i];
    const bn_state *bn = &t->op[i].bn;
    const double pixels = (double)pixels_of(o);
    *m = (moments){ { 0 }, { 0 } };
    for (int b = 0; b < t->pass->n; b++) {
        const float *pivot = image_of(t->op[i].z, o, b) + j0;
        for (int j = 0; j < n; j++) m->mean[j] += (double)pivot[j] + sum_of(bn->s1, b, o->c, j0 + j) / pixels;
    }
    for (int j = 0; j < n; j++) m->mean[j] /= t->pass->n;
    for (int b = 0; b < t->pass->n; b++) {
        const float *pivot = image_of(t->op[i].z, o, b) + j0;
        for (int j = 0; j < n; j++) {
            const double s1 = sum_of(bn->s1, b, o->c, j0 + j), s2 = sum_of(bn->s2, b, o->c, j0 + j);
            const double own = s1 / pixels, off = (double)pivot[j] + own - m->mean[j], inner = s2 - own * s1;
            m->m2[j] += (inner > 0 ? inner : 0) + pixels * off * off;
        }
    }
}

/* Running statistics follow with the unbiased variance, as PyTorch's do. Pooled, they follow from where they stood when the step
 * began, with the moments of all its micro-batches so far taken as one batch. */
static void update_running(eff_trainer *t, int i, int j0, int n, moments m)
{
    const eff_tape_op *o = &t->tape.op[i];
    const bn_state *bn = &t->op[i].bn;
    float *mean = t->m->weights[o->bn->param[2]] + j0, *var = t->m->weights[o->bn->param[3]] + j0;
    const double momentum = t->m->table.bn_momentum, pixels = (double)pixels_of(o), before = t->step_images * pixels;
    double count = t->pass->n * pixels;
    const float *from_mean = mean, *from_var = var;
    if (bn->pool_mean) {
        if (t->step_images == 0) {
            memcpy(bn->start_mean + j0, mean, (size_t)n * sizeof *mean);
            memcpy(bn->start_var + j0, var, (size_t)n * sizeof *var);
        } else
            for (int j = 0; j < n; j++) { /* Chan, Golub & LeVeque 1983 */
                const double off = m.mean[j] - bn->pool_mean[j0 + j];
                m.m2[j] += bn->pool_m2[j0 + j] + off * off * before * count / (before + count);
                m.mean[j] = bn->pool_mean[j0 + j] + off * count / (before + count);
            }
        memcpy(bn->pool_mean + j0, m.mean, (size_t)n * sizeof *m.mean);
        memcpy(bn->pool_m2 + j0, m.m2, (size_t)n * sizeof *m.m2);
        count += before;
        from_mean = bn->start_mean + j0, from_var = bn->start_var + j0;
    }
    for (int j = 0; j < n; j++) {
        mean[j] = (float)((1 - momentum) * (double)from_mean[j] + momentum * m.mean[j]);
        var[j] = (float)((1 - momentum) * (double)from_var[j] + momentum * m.m2[j] / (count > 1 ? count - 1 : 1));
    }
}

static void task_forward(void *ctx, int task, int worker)
{
    (void)worker;
    eff_trainer *t = ctx;
    const int i = t->now, j0 = task * CHANNELS;
    const eff_tape_op *o = &t->tape.op[i];
    const int n = o->c - j0 < CHANNELS ? o->c - j0 : CHANNELS;
    const bn_state *bn = &t->op[i].bn;
    float *const *w = t->m->weights;
    const float *gamma = w[o->bn->param[0]], *beta = w[o->bn->param[1]], *run_mean = w[o->bn->param[2]], *run_var = w[o->bn->param[3]];
    const double count = (double)t->pass->n * (double)pixels_of(o);
    moments m;
    for (int j = 0; j < n && t->o.bn == EFF_BN_FROZEN; j++) m.mean[j] = (double)run_mean[j0 + j], m.m2[j] = (double)run_var[j0 + j] * count;
    if (t->o.bn == EFF_BN_BATCH) {
        batch_moments(t, i, j0, n, &m);
        update_running(t, i, j0, n, m);
    }
    for (int j = 0; j < n; j++) {
        const double rstd = 1.0 / sqrt(m.m2[j] / count + (double)o->bn->eps), scale = (double)gamma[j0 + j] * rstd;
        bn->mean[j0 + j] = (float)m.mean[j];
        bn->rstd[j0 + j] = (float)rstd;
        bn->scale[j0 + j] = (float)scale;
        bn->shift[j0 + j] = (float)((double)beta[j0 + j] - m.mean[j] * scale);
    }
}

static void task_backward(void *ctx, int task, int worker)
{
    (void)worker;
    eff_trainer *t = ctx;
    const int i = t->now, j0 = task * CHANNELS;
    const eff_tape_op *o = &t->tape.op[i];
    const int n = o->c - j0 < CHANNELS ? o->c - j0 : CHANNELS;
    const bn_state *bn = &t->op[i].bn;
    const float *gamma = t->m->weights[o->bn->param[0]];
    float *dgamma = t->grad[o->bn->param[0]], *dbeta = t->grad[o->bn->param[1]];
    const double count = (double)t->pass->n * (double)pixels_of(o);
    double s1[CHANNELS] = { 0 }, s2[CHANNELS] = { 0 };
    for (int b = 0; b < t->pass->n; b++)
        for (int j = 0; j < n; j++) s1[j] += sum_of(bn->s1, b, o->c, j0 + j), s2[j] += sum_of(bn->s2, b, o->c, j0 + j);
    for (int j = 0; j < n; j++) {
        const int k = j0 + j;
        const double rstd = (double)bn->rstd[k], a = (double)gamma[k] * rstd;
        if (dgamma) dgamma[k] += (float)(s2[j] * rstd);
        if (dbeta) dbeta[k] += (float)s1[j];
        const double slope = t->o.bn == EFF_BN_FROZEN ? 0 : -a * rstd * rstd * s2[j] / count;
        bn->a[k] = (float)a;
        bn->b[k] = (float)slope;
        bn->c0[k] = t->o.bn == EFF_BN_FROZEN ? 0.0f : (float)(-a * s1[j] / count - slope * (double)bn->mean[k]);
    }
}

static void run(eff_trainer *t, int i, eff_task_fn *task)
{
    t->now = i;
    eff_pool_run(t->pool, task, t, (t->tape.op[i].c + CHANNELS - 1) / CHANNELS);
}

void eff_train_finish_forward(eff_trainer *t, int i) { run(t, i, task_forward); }
void eff_train_finish_backward(eff_trainer *t, int i) { run(t, i, task_backward); }
