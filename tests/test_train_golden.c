/* SPDX-License-Identifier: Apache-2.0 */
/* Loss, logits, gradients, running statistics and optimiser steps of the small network against PyTorch's float64 run (golden
 * README, "train/"). Built twice: with what is committed, and (EFF_GOLDEN_SHARED) with the rest of the reference data. */
#include "support.h"

#include "train/loss.h"
#include "train/optim.h"
#include "train/schedule.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static float *read_tensor(const eff_checkpoint *c, const char *name, size_t *count)
{
    eff_error err = { 0 };
    for (size_t i = 0; i < eff_checkpoint_count(c); i++) {
        eff_tensor_info info;
        eff_checkpoint_tensor(c, i, &info);
        if (strcmp(info.name, name)) continue;
        *count = 1;
        for (int d = 0; d < info.ndim; d++) *count *= (size_t)info.shape[d];
        float *v = malloc((*count + 1) * sizeof *v);
        T_OK(eff_checkpoint_read(c, i, v, &err), err);
        return v;
    }
    return NULL;
}

/* Tensors whose gradient is zero in theory; what is there is rounding noise. */
static int is_null_gradient(const char *name)
{
    FILE *f = fopen(t_data("golden/train/null_gradient.txt"), "r");
    assert_non_null(f);
    char line[128];
    int found = 0;
    while (!found && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\r\n")] = 0;
        found = !strcmp(line, name);
    }
    fclose(f);
    return found;
}

typedef struct setup {
    eff_model *m;
    eff_trainer *tr;
    float *x, target[8 * 10];
} setup;

static setup prepare(eff_bn_mode bn, const char *cpu, int threads)
{
    eff_error err = { 0 };
    setup s = { 0 };
    const eff_table t = t_golden_table("small");
    s.m = t_formula_model("small", &t);
    t_npy x = t_npy_load(t_data("golden/train/batch_x.npy")), y = t_npy_load(t_data("golden/train/batch_y.npy"));
    s.x = malloc(x.count * sizeof *s.x);
    for (size_t b = 0; b < 8; b++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < 1024; p++) s.x[(b * 1024 + p) * 3 + c] = ((const float *)x.data)[(b * 3 + c) * 1024 + p];
    for (int b = 0; b < 8; b++) eff_target(s.target + 10 * b, ((const int32_t *)y.data)[b], 10, 0.1);
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = 8, o.bn = bn, o.threads = threads, o.cpu = cpu;
    T_OK(eff_trainer_create(&s.tr, s.m, &o, &err), err);
    t_npy_free(&x), t_npy_free(&y);
    return s;
}

static void release(setup *s)
{
    eff_trainer_free(s->tr);
    eff_model_free(s->m);
    free(s->x);
}

/* Loss of a run before a step, from losses.tsv. */
static double golden_loss(const char *run, int step)
{
    FILE *f = fopen(t_data("golden/train/losses.tsv"), "r");
    assert_non_null(f);
    char line[256], name[64];
    int at;
    double loss, found = NAN;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%63s %d %lf", name, &at, &loss) == 3 && at == step && !strcmp(name, run)) found = loss;
    fclose(f);
    if (isnan(found)) fail_msg("no loss of %s step %d", run, step);
    return found;
}

static double largest(const float *v, size_t n)
{
    double top = 0;
    for (size_t i = 0; i < n; i++) {
        const double a = fabs((double)v[i]);
        if (!(a <= top)) top = a; /* a NaN stays */
    }
    return top;
}

static double distance(const float *a, const float *b, size_t n)
{
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        const double d = fabs((double)a[i] - (double)b[i]);
        if (!(d <= worst)) worst = d;
    }
    return worst;
}

static eff_checkpoint *open_golden(const char *file)
{
    eff_error err = { 0 };
    eff_checkpoint *c;
    const char *path = t_data("golden/train/%s", file);
    if (access(path, R_OK) != 0) path = t_shared("golden/train/%s", file);
    T_OK(eff_checkpoint_open(&c, path, &err), err);
    return c;
}

static void check(const char *file, const char *run, eff_bn_mode bn, const char *cpu)
{
    setup s = prepare(bn, cpu, 2);
    const eff_pass pass = { .x = s.x, .target = s.target, .n = 8 };
    const double loss = eff_trainer_pass(s.tr, &pass), want_loss = golden_loss(run, 0);
    t_figure(fabs(loss - want_loss) / want_loss, 1e-6, "difference of the loss over the loss, %s", file);
    eff_checkpoint *g = open_golden(file);
    size_t n;
    float *want = read_tensor(g, "logits", &n);
    assert_int_equal(n, 80);
    t_figure(distance(want, eff_trainer_logits(s.tr), 80) / largest(want, 80), 1e-4,
             "largest difference over the largest logit, %s", file);
    free(want);
    const eff_graph *graph = s.m->graph;
    double top = 0, over = 0;
    for (int pass_no = 0; pass_no < 2; pass_no++) /* first the largest gradient of all, then the comparison */
        for (int p = 0; p < graph->nparams; p++) {
            const eff_param *q = &graph->param[p];
            char golden[64], name[96];
            t_golden_name(graph, p, golden);
            const bool buffer = eff_param_is_buffer(q->kind);
            if (buffer && bn == EFF_BN_FROZEN) continue;
            snprintf(name, sizeof name, "%s.%s", buffer ? "running" : "grad", golden);
            want = read_tensor(g, name, &n);
            if (!want) fail_msg("%s has no %s", file, name);
            assert_int_equal(n, q->count);
            const double size = largest(want, n);
            if (!pass_no) top = buffer ? top : fmax(top, size);
            else {
                const double d = distance(want, buffer ? s.m->weights[p] : eff_trainer_grads(s.tr)[p], n);
                const double bound = buffer ? 1e-4 * size : is_null_gradient(golden) ? 1e-5 * top : 1e-3 * size;
                over = fmax(over, d / bound);
                if (!(d <= bound)) fail_msg("%s %s: %.3e > %.3e (largest %.3e)", file, name, d, bound, size);
            }
            free(want);
        }
    t_figure(over, 1, "largest part of its bound that a gradient or statistic takes, %s", file);
    eff_checkpoint_close(g);
    release(&s);
}

/* Column 3 of f32_error.tsv: PyTorch's own float32 deviation after ten steps. */
static double own_error(const char *optimizer, const char *tensor)
{
    FILE *f = fopen(t_data("golden/train/f32_error.tsv"), "r");
    assert_non_null(f);
    char line[256], name[64], t[64];
    double e, found = 0;
    while (fgets(line, sizeof line, f))
        if (sscanf(line, "%63s %63s %lf", name, t, &e) == 3 && !strcmp(name, optimizer) && !strcmp(t, tensor)) found = e;
    fclose(f);
    return found;
}

static void compare_params(const setup *s, float *const *got, const eff_checkpoint *g, const char *prefix, const char *optimizer,
                           int step, float *const *before, const eff_checkpoint *grads)
{
    double over = 0;
    for (int p = 0; p < s->m->graph->nparams; p++) {
        char golden[64], name[96];
        size_t n;
        t_golden_name(s->m->graph, p, golden);
        if (is_null_gradient(golden)) continue;
        snprintf(name, sizeof name, "%s%s", prefix, golden);
        float *want = read_tensor(g, name, &n);
        if (!want) fail_msg("no %s", name);
        const double change = distance(want, before[p], n);
        const double bound = fmax(1e-3 * change, step == 1 ? 0 : 10 * own_error(optimizer, golden));
        const bool buffer = eff_param_is_buffer(s->m->graph->param[p].kind);
        double worst = 0;
        float *grad = NULL;
        double gtop = 0;
        if (step == 1 && !strcmp(optimizer, "adamw") && !buffer) {
            char gname[96];
            snprintf(gname, sizeof gname, "grad.%s", golden);
            grad = read_tensor(grads, gname, &n);
            gtop = largest(grad, n);
        }
        for (size_t i = 0; i < n; i++) {
            if (grad && fabs((double)grad[i]) < 1e-3 * gtop) continue; /* AdamW turns noise into full-size steps */
            worst = fmax(worst, fabs((double)want[i] - (double)got[p][i]));
        }
        /* one float32 rounding of the parameter itself is below no bound */
        const double ulp = largest(want, n) * 1.2e-7;
        over = fmax(over, worst / (bound + ulp));
        if (!(worst <= bound + ulp)) fail_msg("%s step %d %s: %.3e > %.3e", optimizer, step, name, worst, bound);
        free(want);
        free(grad);
    }
    t_figure(over, 1, "largest part of its bound that a parameter takes, %s step %d%s", optimizer, step,
             *prefix ? " (averages)" : "");
}

static void check_optimizer(const char *name, eff_optim_kind kind, double lr, double wd, bool ema, int steps)
{
    eff_error err = { 0 };
    setup s = prepare(EFF_BN_BATCH, NULL, 2);
    const int np = s.m->graph->nparams;
    float **before = malloc((size_t)np * sizeof *before);
    for (int p = 0; p < np; p++) {
        before[p] = malloc(s.m->graph->param[p].count * sizeof(float));
        memcpy(before[p], s.m->weights[p], s.m->graph->param[p].count * sizeof(float));
    }
    eff_optim_opts o;
    eff_optim_opts_init(&o, kind);
    o.weight_decay = wd;
    o.ema = ema ? 0.99 : 0;
    eff_optim *opt;
    T_OK(eff_optim_create(&opt, s.m, eff_trainer_grads(s.tr), &o, &err), err);
    eff_checkpoint *grads = open_golden("grad64.safetensors");
    char file[64], run[64];
    snprintf(run, sizeof run, "%s_f64", name);
    double own = 0;
    for (int step = 1; step <= steps; step++) {
        const eff_pass pass = { .x = s.x, .target = s.target, .n = 8, .step = (uint64_t)step };
        eff_trainer_zero(s.tr);
        const double loss = eff_trainer_pass(s.tr, &pass), want = golden_loss(run, step - 1);
        /* rounding noise grows from step to step; PyTorch's own float32 run says how far by now */
        own = fmax(own, fabs(golden_loss(name, step - 1) - want));
        t_figure(fabs(loss - want) / want, fmax(1e-6, 10 * own / want),
                 "difference of the loss over the loss, %s step %d", name, step);
        eff_optim_step(opt, eff_trainer_pool(s.tr), lr);
        if (step != 1 && step != 10) continue;
        snprintf(file, sizeof file, "%s_step%d.safetensors", name, step);
        eff_checkpoint *g = open_golden(file);
        compare_params(&s, s.m->weights, g, "", name, step, before, grads);
        if (ema && step == 10) compare_params(&s, eff_optim_ema(opt), g, "ema.", name, step, before, grads);
        eff_checkpoint_close(g);
    }
    eff_checkpoint_close(grads);
    eff_optim_free(opt);
    for (int p = 0; p < np; p++) free(before[p]);
    free(before);
    release(&s);
}

#ifdef EFF_GOLDEN_SHARED
static void test_frozen(void **state)
{
    (void)state;
    check("grad_frozen_bn.safetensors", "grad_frozen_bn", EFF_BN_FROZEN, NULL);
}

static void test_rmsprop(void **state)
{
    (void)state;
    check_optimizer("rmsproptf", EFF_RMSPROP, 0.002, 0, true, 10);
    check_optimizer("rmsproptf_wd", EFF_RMSPROP, 0.002, 1e-5, false, 10);
}

static void test_sgd(void **state)
{
    (void)state;
    check_optimizer("sgd_nesterov", EFF_SGD, 0.02, 1e-5, false, 10);
}

static void test_adamw(void **state)
{
    (void)state;
    check_optimizer("adamw", EFF_ADAMW, 0.001, 0.05, false, 10);
}

int main(void)
{
    if (!t_have_shared()) return 77;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_frozen), cmocka_unit_test(test_rmsprop), cmocka_unit_test(test_sgd),
                                        cmocka_unit_test(test_adamw) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#else
static void test_rmsprop_step(void **state)
{
    (void)state;
    check_optimizer("rmsproptf", EFF_RMSPROP, 0.002, 0, true, 1);
}

static void test_gradients(void **state)
{
    (void)state;
    check("grad64.safetensors", "grad64", EFF_BN_BATCH, NULL);
    check("grad64.safetensors", "grad64", EFF_BN_BATCH, "ref");
}

static void test_schedules(void **state)
{
    (void)state;
    const eff_schedule stair = { .kind = EFF_SCHED_EXPONENTIAL, .base = 0.016, .warmup = 8, .steps = 50, .rate = 0.97, .every = 9.6 };
    eff_schedule smooth = stair;
    smooth.smooth = 1;
    const eff_schedule cosine = { .kind = EFF_SCHED_COSINE, .base = 0.016, .warmup = 8, .steps = 50 };
    const eff_schedule timm = { .kind = EFF_SCHED_COSINE, .base = 0.016, .final = 1e-5, .start = 1e-6, .warmup = 5, .steps = 50 };
    const eff_schedule *const all[4] = { &stair, &smooth, &cosine, &timm };
    FILE *f = fopen(t_data("golden/train/schedules.tsv"), "r");
    assert_non_null(f);
    char line[256];
    int step, seen = 0;
    double want[4];
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%d %lf %lf %lf %lf", &step, &want[0], &want[1], &want[2], &want[3]) != 5) continue;
        for (int i = 0; i < 4; i++) {
            const double got = eff_schedule_at(all[i], step);
            if (!(fabs(got - want[i]) <= 1e-6 * want[i])) fail_msg("schedule %d step %d: %.9g, reference %.9g", i, step, got, want[i]);
        }
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 50);
}

static int numbers(const char *s, double *v, int most)
{
    int n = 0;
    for (char *end; n < most; s = end, n++) {
        v[n] = strtod(s, &end);
        if (end == s) break;
    }
    return n;
}

static void test_losses(void **state)
{
    (void)state;
    FILE *f = fopen(t_data("golden/train/losses_tiny.tsv"), "r");
    assert_non_null(f);
    char line[2048];
    double v[12];
    float logits[12], target[12], d[12];
    int seen = 0;
    while (fgets(line, sizeof line, f)) {
        char *col[5], *at = line;
        int n = 0;
        for (; n < 5 && at; n++) {
            col[n] = at;
            at = strchr(at, '\t');
            if (at) *at++ = 0;
        }
        if (!strncmp(line, "# logits", 8)) {
            assert_int_equal(numbers(col[1], v, 12), 12);
            for (int i = 0; i < 12; i++) logits[i] = (float)v[i];
        }
        if (line[0] == '#' || n < 5) continue;
        assert_int_equal(numbers(col[4], v, 12), 12);
        for (int i = 0; i < 12; i++) target[i] = (float)v[i];
        const double loss = eff_cross_entropy(d, logits, target, NULL, 3, 4), want = strtod(col[1], NULL);
        if (!(fabs(loss - want) <= 1e-6 * want)) fail_msg("%s: %.12g, reference %.12g", col[0], loss, want);
        assert_int_equal(numbers(col[3], v, 12), 12);
        for (int i = 0; i < 12; i++) assert_true(fabs((double)d[i] - v[i]) <= 1e-6);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_gradients), cmocka_unit_test(test_rmsprop_step),
                                        cmocka_unit_test(test_schedules), cmocka_unit_test(test_losses) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
#endif
