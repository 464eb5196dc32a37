/* SPDX-License-Identifier: Apache-2.0 */
/* Loss, logits, gradients and running statistics of the small network against PyTorch's float64 run (golden README, "train/"). */
#include "support.h"

#include "train/loss.h"
#include "train/trainer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    FILE *f = fopen(t_shared("golden/train/null_gradient.txt"), "r");
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

static void check(const char *file, eff_bn_mode bn, const char *cpu)
{
    eff_error err = { 0 };
    eff_table t = t_golden_table("small");
    eff_model *m = t_formula_model("small", &t);
    t_npy x = t_npy_load(t_shared("golden/train/batch_x.npy")), y = t_npy_load(t_shared("golden/train/batch_y.npy"));
    float *nhwc = malloc(x.count * sizeof *nhwc), target[8 * 10];
    for (size_t b = 0; b < 8; b++)
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < 1024; p++) nhwc[(b * 1024 + p) * 3 + c] = ((const float *)x.data)[(b * 3 + c) * 1024 + p];
    for (int b = 0; b < 8; b++) eff_target(target + 10 * b, ((const int32_t *)y.data)[b], 10, 0.1);
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = 8, o.bn = bn, o.threads = 2, o.cpu = cpu;
    eff_trainer *tr;
    T_OK(eff_trainer_create(&tr, m, &o, &err), err);
    const eff_pass pass = { .x = nhwc, .target = target, .n = 8 };
    const double loss = eff_trainer_pass(tr, &pass);
    eff_checkpoint *g;
    T_OK(eff_checkpoint_open(&g, t_shared("golden/train/%s", file), &err), err);
    size_t n;
    float *want = read_tensor(g, "logits", &n);
    assert_int_equal(n, 80);
    double worst = 0, top = 0;
    for (size_t i = 0; i < 80; i++) {
        worst = fmax(worst, fabs((double)want[i] - (double)eff_trainer_logits(tr)[i]));
        top = fmax(top, fabs((double)want[i]));
    }
    printf("%s loss %.9f, logits %.1e of the largest\n", file, loss, worst / top);
    assert_true(worst <= 1e-4 * top);
    free(want);
    double largest = 0;
    for (int p = 0; p < m->graph->nparams; p++) {
        char golden[64], name[96];
        t_golden_name(m->graph, p, golden);
        snprintf(name, sizeof name, "grad.%s", golden);
        want = read_tensor(g, name, &n);
        for (size_t i = 0; want && i < n; i++) largest = fmax(largest, fabs((double)want[i]));
        free(want);
    }
    double over = 0;
    for (int p = 0; p < m->graph->nparams; p++) {
        const eff_param *q = &m->graph->param[p];
        char golden[64], name[96];
        t_golden_name(m->graph, p, golden);
        const bool buffer = eff_param_is_buffer(q->kind);
        snprintf(name, sizeof name, "%s.%s", buffer ? "running" : "grad", golden);
        want = read_tensor(g, name, &n);
        if (!want) {
            if (buffer && bn == EFF_BN_FROZEN) continue;
            fail_msg("%s has no %s", file, name);
        }
        assert_int_equal(n, q->count);
        const float *got = buffer ? m->weights[p] : eff_trainer_grads(tr)[p];
        worst = top = 0;
        for (size_t i = 0; i < n; i++) {
            worst = fmax(worst, fabs((double)want[i] - (double)got[i]));
            top = fmax(top, fabs((double)want[i]));
        }
        const double bound = buffer ? 1e-4 * top : is_null_gradient(golden) ? 1e-5 * largest : 1e-3 * top;
        if (worst / bound > over) over = worst / bound;
        if (!(worst <= bound)) fail_msg("%s %s: %.3e > %.3e (largest %.3e)", file, name, worst, bound, top);
        free(want);
    }
    printf("%s: worst %.3f of its bound\n", file, over);
    eff_checkpoint_close(g);
    eff_trainer_free(tr);
    free(nhwc);
    t_npy_free(&x), t_npy_free(&y);
    eff_model_free(m);
}

static void test_gradients(void **state)
{
    (void)state;
    check("grad64.safetensors", EFF_BN_BATCH, NULL);
    check("grad64.safetensors", EFF_BN_BATCH, "ref");
}

static void test_frozen(void **state)
{
    (void)state;
    check("grad_frozen_bn.safetensors", EFF_BN_FROZEN, NULL);
}

int main(void)
{
    if (!t_have_shared()) return 77;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_gradients), cmocka_unit_test(test_frozen) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
