/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of engines: arguments are checked here, the work is done in infer/. */
#include "infer/engine.h"

#include <effnet/bench.h>

EFF_API const char *eff_version(void) { return "0.1.0"; }

EFF_API void eff_engine_opts_init(eff_engine_opts *o) { *o = (eff_engine_opts){ .max_batch = 1 }; }

EFF_API eff_status eff_engine_create(eff_engine **out, const eff_model *m, const eff_engine_opts *o, eff_error *err)
{
    eff_engine_opts defaults;
    if (!out || !m) return eff_fail(err, EFF_EARG, "eff_engine_create: out and model are needed");
    if (!o) {
        eff_engine_opts_init(&defaults);
        o = &defaults;
    }
    return eff_engine_new(out, m, o, err);
}

EFF_API eff_status eff_engine_run(eff_engine *e, const float *x, int n, float *logits, eff_error *err)
{
    if (!e || !x || !logits) return eff_fail(err, EFF_EARG, "eff_engine_run: engine, x and logits are needed");
    if (n < 1 || n > e->max_batch) return eff_fail(err, EFF_EARG, "batch: expected 1..%d images, found %d", e->max_batch, n);
    eff_engine_score(e, x, n, logits, NULL);
    return EFF_OK;
}

EFF_API eff_status eff_engine_run_pixels(eff_engine *e, const uint8_t *rgb, int n, float *logits, eff_error *err)
{
    if (!e || !rgb || !logits) return eff_fail(err, EFF_EARG, "eff_engine_run_pixels: engine, rgb and logits are needed");
    if (n < 1 || n > e->max_batch) return eff_fail(err, EFF_EARG, "batch: expected 1..%d images, found %d", e->max_batch, n);
    const eff_status s = eff_engine_take_pixels(e, rgb, n, err);
    return s == EFF_OK ? eff_engine_run(e, e->pixels, n, logits, err) : s;
}

EFF_API eff_status eff_engine_run_files(eff_engine *e, const char *const *paths, size_t n, const eff_preprocess *p,
                                        eff_result_fn *fn, void *ctx, eff_error *err)
{
    if (!e || (!paths && n) || !fn) return eff_fail(err, EFF_EARG, "eff_engine_run_files: engine, paths and fn are needed");
    return eff_engine_score_files(e, paths, n, p, fn, ctx, err);
}

EFF_API const char *eff_engine_cpu(const eff_engine *e) { return e->kernels.name; }
EFF_API eff_precision eff_engine_precision(const eff_engine *e) { return e->kernels.bf16 ? EFF_BFLOAT16 : EFF_FLOAT32; }
EFF_API int eff_engine_threads(const eff_engine *e) { return e->threads; }
EFF_API void eff_engine_free(eff_engine *e) { eff_engine_destroy(e); }

EFF_API eff_status eff_engine_profile(eff_engine *e, eff_error *err) { return eff_plan_profile(e->plan, err); }

EFF_API int eff_engine_layer(const eff_engine *e, int i, eff_layer *row)
{
    const eff_plan_layer *rows;
    const int n = eff_plan_layers(e->plan, &rows);
    if (!row || i < 0 || i >= n) return n;
    const eff_plan_layer *r = &rows[i];
    *row = (eff_layer){ .name = r->name, .op = r->op, .kernel = r->kernel, .stride = r->stride, .macs = r->macs, .computed = r->computed,
                        .in = { r->in[0], r->in[1], r->in[2] }, .out = { r->out[0], r->out[1], r->out[2] },
                        .ms = r->runs ? r->ns * 1e-6 / (double)r->runs : 0.0 };
    return n;
}
