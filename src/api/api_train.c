/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of training. */
#include <effnet/train.h>

#include "base/mem.h"
#include "train/optim.h"
#include "train/trainer.h"

#include <math.h>

struct eff_session {
    eff_model *m;
    eff_trainer *t;
    eff_optim *o;
    int batch;
    uint64_t step;
};

EFF_API void eff_session_opts_init(eff_session_opts *o) { *o = (eff_session_opts){ .batch = 1 }; }

static eff_trainer_opts trainer_opts(const eff_session_opts *o)
{
    return (eff_trainer_opts){ .batch = o->batch, .threads = o->threads, .cpu = o->cpu, .height = o->height, .width = o->width,
                               .bn = o->frozen_bn ? EFF_BN_FROZEN : EFF_BN_BATCH, .stochastic = true, .seed = o->seed,
                               .recompute = o->recompute != 0 };
}

static eff_optim_opts optim_opts(const eff_session_opts *o)
{
    static const eff_optim_kind kinds[] = { EFF_RMSPROP, EFF_SGD, EFF_ADAMW };
    eff_optim_opts p;
    eff_optim_opts_init(&p, kinds[o->optimizer]);
    p.weight_decay = o->weight_decay;
    p.ema = o->ema;
    p.ema_ramp = true;
    return p;
}

static eff_status check(const eff_model *m, const eff_session_opts *o, eff_error *err)
{
    if (!m || !o) return eff_fail(err, EFF_EARG, "training: model and options are needed");
    if (o->optimizer < EFF_OPTIMIZER_RMSPROP || o->optimizer > EFF_OPTIMIZER_ADAMW)
        return eff_fail(err, EFF_EARG, "optimizer: expected 0..2, found %d", (int)o->optimizer);
    return EFF_OK;
}

EFF_API eff_status eff_train_memory_plan(const eff_model *m, const eff_session_opts *o, eff_train_memory *out, eff_error *err)
{
    eff_status s = check(m, o, err);
    if (s != EFF_OK) return s;
    const eff_trainer_opts to = trainer_opts(o);
    eff_trainer_memory tm;
    s = eff_trainer_plan_memory(&tm, m, &to, err);
    if (s != EFF_OK) return s;
    const eff_optim_opts oo = optim_opts(o);
    *out = (eff_train_memory){ .weights = tm.weights, .gradients = tm.gradients, .activations = tm.activations,
                               .scratch = tm.scratch, .optimizer = eff_optim_bytes(m, &oo),
                               .input = (size_t)o->batch * (tm.input_floats + (size_t)m->table.classes) * sizeof(float) };
    out->total = out->weights + out->gradients + out->optimizer + out->activations + out->scratch + out->input;
    return EFF_OK;
}

EFF_API eff_status eff_session_create(eff_session **out, eff_model *m, const eff_session_opts *o, eff_error *err)
{
    if (!out) return eff_fail(err, EFF_EARG, "eff_session_create: out is needed");
    *out = NULL;
    eff_status s = check(m, o, err);
    if (s != EFF_OK) return s;
    eff_session *e = eff_calloc(1, sizeof *e);
    if (!e) return eff_fail_memory(err, sizeof *e);
    e->m = m;
    e->batch = o->batch;
    const eff_trainer_opts to = trainer_opts(o);
    const eff_optim_opts oo = optim_opts(o);
    s = eff_trainer_create(&e->t, m, &to, err);
    if (s == EFF_OK) s = eff_optim_create(&e->o, m, eff_trainer_grads(e->t), &oo, err);
    if (s != EFF_OK) {
        eff_session_free(e);
        return s;
    }
    *out = e;
    return EFF_OK;
}

EFF_API eff_status eff_session_step(eff_session *s, const float *x, const float *target, int n, double lr, double *loss,
                                    eff_error *err)
{
    if (!s || !x || !target) return eff_fail(err, EFF_EARG, "eff_session_step: session, x and target are needed");
    if (n < 1 || n > s->batch) return eff_fail(err, EFF_EARG, "batch: expected 1..%d images, found %d", s->batch, n);
    const eff_pass p = { .x = x, .target = target, .n = n, .step = s->step++ };
    eff_trainer_zero(s->t);
    const double l = eff_trainer_pass(s->t, &p);
    if (loss) *loss = l;
    const double norm = eff_optim_step(s->o, eff_trainer_pool(s->t), lr);
    if (!isfinite(norm)) return eff_fail(err, EFF_EFORMAT, "the gradient is not finite (loss %g): no step was taken", l);
    return EFF_OK;
}

EFF_API const char *eff_session_cpu(const eff_session *s) { return eff_trainer_cpu(s->t); }
EFF_API int eff_session_threads(const eff_session *s) { return eff_trainer_threads(s->t); }

EFF_API void eff_session_free(eff_session *s)
{
    if (!s) return;
    eff_optim_free(s->o);
    eff_trainer_free(s->t);
    eff_free(s);
}
