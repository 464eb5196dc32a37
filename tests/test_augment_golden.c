/* SPDX-License-Identifier: Apache-2.0 */
/* Operations, levels and policies of augmentation against Pillow, timm and the official tables. Shared data. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "image/augment_ops.h"
#include "image/image.h"

static eff_image *load(const char *path)
{
    eff_error err = { 0 };
    eff_image *im = NULL;
    if (eff_image_load(&im, path, &err) != EFF_OK) fail_msg("%s: %s", path, err.msg);
    return im;
}

static eff_aug_op op_of(const char *name)
{
    for (int i = 0; i < EFF_AUG_COUNT; i++)
        if (!strcmp(name, eff_aug_op_name((eff_aug_op)i))) return (eff_aug_op)i;
    fail_msg("no operation '%s'", name);
    return EFF_AUG_COUNT;
}

/* What Pillow made, to the bit, for every line of ops.tsv. */
static void test_operations(void **state)
{
    (void)state;
    eff_error err = { 0 };
    unsigned cpu;
    T_OK(eff_cpu_select(NULL, &cpu, &err), err);
    const eff_augment_kernels *const k = eff_augment_kernels_for(cpu);
    FILE *const f = fopen(t_shared("golden/augment/ops.tsv"), "r");
    assert_non_null(f);
    char line[512], out[64], op[32], in[64], argument[64];
    int rows = 0, wrong = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        if (sscanf(line, "%63[^\t]\t%31[^\t]\t%63[^\t]\t%63[^\t]", out, op, in, argument) != 4)
            fail_msg("ops.tsv: cannot read '%s'", line);
        eff_image *const from = load(t_shared("golden/augment/%s", in));
        eff_image *const want = load(t_shared("golden/augment/%s", out));
        const size_t n = (size_t)from->width * (size_t)from->height * 3;
        uint8_t *const room = malloc(2 * (n + EFF_CANVAS_SLACK));
        assert_non_null(room);
        eff_canvas c = { room, room + n + EFF_CANVAS_SLACK, from->width, from->height, k };
        memcpy(c.rgb, from->rgb, n);
        const eff_sampler s = { strstr(out, "_nearest")    ? EFF_SAMPLE_NEAREST
                                : strstr(out, "_bilinear") ? EFF_SAMPLE_BILINEAR
                                                           : EFF_SAMPLE_BICUBIC,
                                { 128, 128, 128 } };
        int half, cy, cx;
        if (sscanf(argument, "pad=%d cy=%d cx=%d", &half, &cy, &cx) == 3)
            eff_aug_cutout(&c, half, cx, cy, s.fill);
        else
            eff_aug_run(&c, op_of(op), strtod(argument, NULL), (const double[2]){ 0 }, &s);
        size_t bad = 0;
        int worst = 0;
        for (size_t i = 0; i < n; i++) {
            const int d = abs(c.rgb[i] - want->rgb[i]);
            bad += d != 0;
            if (d > worst) worst = d;
        }
        if (bad) print_error("%s: %zu of %zu values differ, by up to %d\n", out, bad, n, worst);
        wrong += bad != 0;
        rows++;
        free(room);
        eff_image_free(from);
        eff_image_free(want);
    }
    fclose(f);
    assert_int_equal(rows, 69);
    assert_int_equal(wrong, 0);
}

static void test_levels(void **state)
{
    (void)state;
    FILE *const f = fopen(t_shared("golden/augment/levels.tsv"), "r");
    assert_non_null(f);
    char line[512];
    int rows = 0;
    for (; fgets(line, sizeof line, f);) {
        if (line[0] == '#') continue;
        char *at = strchr(line, '\t');
        assert_non_null(at);
        *at++ = '\0';
        const eff_aug_op op = op_of(line);
        for (int level = 0; level <= 10; level++) {
            const double want = strtod(at, &at), got = eff_aug_argument(op, level, false);
            if (fabs(got - want) > 1e-9) fail_msg("%s at %d: %.9g, expected %.9g", line, level, got, want);
            const double negative = eff_aug_argument(op, level, true);
            assert_true(negative == got || negative == -got);
        }
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, 17);
}

static void same_step(const char *where, const eff_policy_step *got, const char *op, double probability, double level)
{
    if (strcmp(eff_aug_op_name(got->op), op) || got->probability != probability || got->level != level)
        fail_msg("%s: %s %g %d, expected %s %g %g", where, eff_aug_op_name(got->op), got->probability, got->level, op,
                 probability, level);
}

static void test_policies(void **state)
{
    (void)state;
    FILE *f = fopen(t_shared("golden/augment/autoaugment_policies.tsv"), "r");
    assert_non_null(f);
    char line[256], policy[32], op[2][32];
    double p[2], level[2];
    int at, rows = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%31s %d %31s %lf %lf %31s %lf %lf", policy, &at, op[0], &p[0], &level[0], op[1],
                                &p[1], &level[1]),
                         8);
        const eff_policy_pair *const table =
            eff_policy_table(!strcmp(policy, "policy_v0") ? EFF_AUTO_V0 : EFF_AUTO_ORIGINAL);
        for (int i = 0; i < 2; i++) same_step(line, &table[at][i], op[i], p[i], level[i]);
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, 2 * EFF_POLICY_PAIRS);

    /* the official code's own list: the same but for the unit of its one translation, and the cuts of what it shows */
    f = fopen(t_shared("reference/autoaugment_v0.tsv"), "r");
    assert_non_null(f);
    for (rows = 0; fgets(line, sizeof line, f);) {
        int step;
        if (sscanf(line, "%d %d %31s %lf %lf", &at, &step, op[0], &p[0], &level[0]) != 5) continue;
        same_step(line, &eff_policy_table(EFF_AUTO_V0)[at][step], strcmp(op[0], "TranslateY") ? op[0] : "TranslateYRel",
                  p[0], level[0]);
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, 2 * EFF_POLICY_PAIRS);
}

static void test_rand_operations(void **state)
{
    (void)state;
    FILE *const f = fopen(t_shared("reference/randaugment_ops.tsv"), "r");
    assert_non_null(f);
    char line[512], name[32], want[40];
    int n, at;
    const eff_aug_op *const ops = eff_rand_ops(EFF_AUTO_RAND, &n);
    int rows = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "%d %31s", &at, name) != 2) continue;
        assert_true(at >= 0 && at < n);
        snprintf(want, sizeof want, "%s%s", name, strstr(name, "Translate") ? "Rel" : "");
        assert_string_equal(eff_aug_op_name(ops[at]), want);
        rows++;
    }
    fclose(f);
    assert_int_equal(rows, n);
    /* at 224 pixels the argument is the official one: 100 and 40 pixels at magnitude 10 */
    assert_int_equal((int)(224 * eff_aug_argument(EFF_AUG_CUTOUT, 10, false) + 0.5), 40);
    assert_int_equal((int)(224 * eff_aug_argument(EFF_AUG_TRANSLATE_X_REL, 10, false)), 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_policies),
        cmocka_unit_test(test_rand_operations),
    };
    if (!t_have_shared()) return 77;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
