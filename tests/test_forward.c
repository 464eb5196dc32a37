/* SPDX-License-Identifier: Apache-2.0 */
/* The whole network against logits that PyTorch computed: every family, both padding rules, non-square and odd sizes; and the
 * same bits at any number of threads. */
#include "forward.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check_nonsquare(const char *model, const char *family, int h, int w)
{
    char name[96], f64[96];
    snprintf(name, sizeof name, "%s_%s_logits_nonsquare.npy", model, family);
    snprintf(f64, sizeof f64, "%s_%s_logits_nonsquare_f64.npy", model, family);
    t_npy want = t_npy_load(t_data("golden/forward/%s", f64));
    const eff_table t = t_family_table(model, family);
    eff_model *m = t_formula_model(model, &t);
    uint8_t *u8 = t_synth_u8(h, w, 0);
    float *x = t_input(u8, h, w, 0);
    float *got = t_forward(m, x, 1, h, w, 2, NULL);
    t_check_logits(got, want.data, 1, m->table.classes, name);
    free(got), free(x), free(u8);
    t_npy_free(&want);
    eff_model_free(m);
}

static void test_nonsquare(void **state)
{
    (void)state;
    static const char *const families[] = { "timm_tf", "timm", "torchvision", "lukemelas" };
    for (int i = 0; i < 4; i++) {
        check_nonsquare("small", families[i], 75, 53);
        if (!t_brief() || !i) check_nonsquare("b0", families[i], 200, 168);
    }
}

static void test_family(void **state)
{
    (void)state;
    static const char *const models[] = { "b1", "b2", "b3", "b4", "b5", "b6", "b7" };
    for (int i = 0; i < (t_brief() ? 1 : 7); i += T_SANITIZED ? 3 : 1) {
        t_check_synth(models[i], "tf", 64, 64, 2, NULL);
        t_check_synth(models[i], "tf", 96, 72, 2, NULL);
        t_check_synth(models[i], "torchvision", 96, 72, 2, NULL);
    }
}

static void test_lite(void **state)
{
    (void)state;
    static const char *const models[] = { "lite0", "lite1", "lite2", "lite3", "lite4" };
    for (int i = 0; i < (t_brief() ? 1 : 5); i += T_SANITIZED ? 2 : 1) {
        t_check_synth(models[i], "tf", 64, 64, 2, NULL);
        t_check_synth(models[i], "tf", 96, 72, 2, NULL);
    }
}

#define MANY (t_brief() || T_SANITIZED ? 3 : 7)

/* Every operator of the tables runs; the result has the same bits for 1 to MANY threads, and does not depend on the batch. */
static void test_threads(void **state)
{
    (void)state;
    static const char *const specs[] = {
        "efficientnet-b0@width=0.35,depth=0.5,classes=10", "efficientnet-lite0@width=0.5", "efficientnet-edgetpu-s@width=0.25",
        "efficientnet-v2-b0@width=0.5,padding=symmetric",  "resnet18@width=0.25",         "resnet50@width=0.125,classes=3",
        "mobilenetv1-0.25",                               "mobilenetv2-0.35",            "mnasnet-a1@width=0.5",
    };
    enum { H = 65, W = 49, N = 2 };
    int other = 0; /* runs with other bits */
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        eff_error err = { 0 };
        eff_table t;
        T_OK(eff_table_builtin(&t, specs[i], &err), err);
        eff_model *m;
        T_OK(eff_model_new(&m, &t, &err), err);
        T_OK(eff_model_init(m, 3, &err), err);
        float *x = t_uniform(N * H * W * 3, -2, 2, 11);
        float *one = t_forward(m, x, N, H, W, 1, NULL), *ref = t_forward(m, x, N, H, W, 1, "ref");
        for (int threads = 2; threads <= MANY; threads++) {
            float *many = t_forward(m, x, N, H, W, threads, NULL);
            other += memcmp(one, many, (size_t)N * (size_t)t.classes * sizeof *one) != 0;
            free(many);
        }
        float *second = t_forward(m, x + H * W * 3, 1, H, W, 1, NULL);
        other += memcmp(one + t.classes, second, (size_t)t.classes * sizeof *one) != 0;
        double worst = 0, size = 0;
        for (int j = 0; j < N * t.classes; j++) {
            const double d = (double)one[j] - (double)ref[j];
            worst = d > worst ? d : -d > worst ? -d : worst;
            if ((double)ref[j] > size) size = (double)ref[j];
            if (-(double)ref[j] > size) size = -(double)ref[j];
        }
        assert_true(size > 0);
        /* float32 noise through a whole network, not a wrong operator */
        t_figure(worst / size, 1e-4, "largest difference from level ref over the largest logit, %s", specs[i]);
        free(one), free(ref), free(second), free(x);
        eff_model_free(m);
    }
    t_figure(other, 0, "runs whose bits differ, %zu networks on 1 to %d threads and as a batch of one",
             sizeof specs / sizeof *specs, MANY);
}

int main(void)
{
    if (t_brief() && !T_SANITIZED)
        cmocka_set_test_filter("test_nonsquare"); /* threads are not what an emulator is for */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nonsquare), cmocka_unit_test(test_family), cmocka_unit_test(test_lite), cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
