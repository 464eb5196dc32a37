/* SPDX-License-Identifier: Apache-2.0 */
/* What a run of the network could take at best here: step by step the longer of its multiply-adds at the measured peak
 * and its bytes at the measured bandwidth. The bandwidth is that of a block as large as the network's weights and
 * activations, read again and again: from whichever cache, or from memory, such a block comes. */
#include "bench_parts.h"

#include <stdlib.h>
#include <string.h>

#define PEAK_SECONDS      0.2
#define BANDWIDTH_SECONDS 0.2

/* The step that a parameter belongs to: that with the longest name which begins the parameter's, as
 * "blocks.3.1.project" does "blocks.3.1.project.conv.weight"; -1 when there is none. */
static int step_of(const char *parameter, const eff_engine *e, int n)
{
    int found = -1;
    size_t longest = 0;
    for (int i = 0; i < n; i++) {
        eff_layer l;
        eff_engine_layer(e, i, &l);
        const size_t len = strlen(l.name);
        if (len <= longest || strncmp(parameter, l.name, len) != 0 || parameter[len] != '.') continue;
        longest = len;
        found = i;
    }
    return found;
}

/* Bytes of a parameter that the engine reads: weights of dense convolutions and of the classifier are in its precision,
 * those of depthwise convolutions and of SE in float32. */
static double parameter_bytes(const eff_tensor_info *t, const char *op, const eff_engine *e)
{
    const bool dense = (t->ndim == 2 || (t->ndim == 4 && t->shape[1] > 1)) && strcmp(op, "se") != 0;
    double bytes = dense && eff_engine_precision(e) == EFF_BFLOAT16 ? 2 : sizeof(float);
    for (int d = 0; d < t->ndim; d++) bytes *= (double)t->shape[d];
    return bytes;
}

/* Bytes of the parameters of each step; release with free(). */
static double *weight_bytes(const eff_model *m, const eff_engine *e, int n)
{
    double *bytes = cli_alloc((size_t)n, sizeof *bytes);
    for (int i = 0; i < n; i++) bytes[i] = 0;
    for (int i = 0; i < eff_model_tensor_count(m); i++) {
        eff_tensor_info t;
        eff_layer l;
        eff_model_tensor(m, i, &t);
        const int step = step_of(t.name, e, n);
        if (step < 0) continue;
        eff_engine_layer(e, step, &l);
        bytes[step] += parameter_bytes(&t, l.op, e);
    }
    return bytes;
}

static double map_bytes(const int shape[3]) { return sizeof(float) * (double)shape[0] * shape[1] * shape[2]; }

/* Seconds of the multiply-adds of a step: those of depthwise convolutions and of SE are in float32. */
static double computing_seconds(const bench_ceiling *c, const eff_layer *l)
{
    double f32 = 0, all = (double)l->computed;
    if (strstr(l->op, "dwconv")) f32 = (double)l->out[0] * l->out[1] * l->out[2] * l->kernel * l->kernel;
    if (!strcmp(l->op, "se")) f32 = all;
    return 2e-9 * (f32 / c->f32_gflops + (all - f32) / c->gflops);
}

/* Seconds of a run of `batch` images; weights are read once a run. *computed: multiply-adds of an image. */
static double best_run(const bench_ceiling *c, const eff_model *m, const eff_engine *e, int batch, double *computed)
{
    double sum = 0;
    *computed = 0;
    const int n = eff_engine_layer(e, 0, NULL);
    double *const weights = weight_bytes(m, e, n);
    for (int i = 0; i < n; i++) {
        eff_layer l;
        eff_engine_layer(e, i, &l);
        const double bytes = weights[i] + batch * (map_bytes(l.in) + map_bytes(l.out));
        const double computing = batch * computing_seconds(c, &l), moving = 1e-9 * bytes / c->gb;
        sum += computing > moving ? computing : moving;
        *computed += (double)l.computed;
    }
    free(weights);
    return sum;
}

eff_status bench_find_ceiling(bench_ceiling *c, const eff_model *m, eff_engine *e, int batch, eff_error *err)
{
    eff_peak peak, plain;
    eff_bandwidth b;
    const eff_model_info *i = eff_model_get_info(m);
    const size_t bytes = sizeof(float) * (size_t)i->params + (size_t)i->activation_bytes;
    const char *cpu = eff_engine_cpu(e);
    const int threads = eff_engine_threads(e);
    *c = (bench_ceiling){ 0 };
    eff_status s = eff_peak_measure(&peak, cpu, eff_engine_precision(e), threads, PEAK_SECONDS, err);
    if (s == EFF_OK) plain = peak;
    if (s == EFF_OK && peak.precision != EFF_FLOAT32)
        s = eff_peak_measure(&plain, cpu, EFF_FLOAT32, threads, PEAK_SECONDS, err);
    if (s == EFF_OK) s = eff_bandwidth_measure(&b, cpu, threads, bytes, BANDWIDTH_SECONDS, err);
    if (s == EFF_OK && !eff_engine_layer(e, 0, NULL)) s = eff_engine_profile(e, err); /* its steps; none is timed */
    if (s != EFF_OK) return s;
    c->gflops = peak.gflops_all;
    c->f32_gflops = plain.gflops_all;
    c->gb = b.gb_all;
    c->seconds = best_run(c, m, e, batch, &c->computed);
    return EFF_OK;
}
