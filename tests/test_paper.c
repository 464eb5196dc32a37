/* SPDX-License-Identifier: Apache-2.0 */
/* What the program says of the paper, against the paper's tables as they were read off, number by number, and the exact
 * counts of the reference; and what it makes of figures that cannot be right. */
#include "support.h"
#include "tsv.h"

#include "paper.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The value of a field of an item, or NULL. */
static const char *printed(const t_tsv *t, const char *table, const char *item, const char *field)
{
    for (int i = 0; i < t->rows; i++)
        if (!strcmp(t_tsv_get(t, i, "table"), table) && !strcmp(t_tsv_get(t, i, "item"), item) &&
            !strcmp(t_tsv_get(t, i, "field"), field))
            return t_tsv_get(t, i, "value");
    return NULL;
}

static void same_text(const t_tsv *t, const char *table, const char *item, const char *field, const char *got)
{
    const char *const want = printed(t, table, item, field);
    if (!want || strcmp(want, got)) fail_msg("table %s, %s, %s: %s, expected %s", table, item, field, got, want);
}

static void same_number(const t_tsv *t, const char *table, const char *item, const char *field, double got)
{
    const char *const want = printed(t, table, item, field);
    if (!want || atof(want) != got) fail_msg("table %s, %s, %s: %g, expected %s", table, item, field, got, want);
}

static void test_figures_are_the_papers(void **state)
{
    (void)state;
    t_tsv t = t_tsv_load(t_data("reference/paper_tables.tsv"));
    for (int i = 0; i < PAPER_MODELS; i++) {
        const paper_model *const p = &paper_models[i];
        char item[32];
        snprintf(item, sizeof item, "EfficientNet-B%d", i);
        same_text(&t, "2", item, "params", p->params);
        same_text(&t, "2", item, "flops(multiply-adds)", p->flops);
        same_number(&t, "2", item, "top1 v5", p->top1_v5);
        same_number(&t, "2", item, "top1 earlier", p->top1_earlier);
    }
    for (int i = 0; i < PAPER_OTHERS; i++) {
        const paper_other *const o = &paper_others[i];
        if (!strcmp(o->name, "MobileNetV2")) {
            same_text(&t, "3", "MobileNetV2 baseline", "flops", o->flops);
            same_number(&t, "3", "MobileNetV2 baseline", "top1", o->top1);
            continue;
        }
        same_text(&t, "2", o->name, "params", o->params);
        same_text(&t, "2", o->name, "flops", o->flops ? o->flops : "-");
        same_number(&t, "2", o->name, "top1", o->top1);
    }
    int found = 0;
    for (int i = 0; i < PAPER_SCALED; i++) {
        const paper_scaled *const r = &paper_rows[i];
        const char *const base = paper_rows[paper_base(i)].item;
        char item[160], table[4], of[96] = "baseline";
        if (!strcmp(r->item, "compound") && !r->stated)
            snprintf(of, sizeof of, "compound (coefficients not printed)");
        else if (!strcmp(r->item, "compound"))
            snprintf(of, sizeof of, "compound d=%g w=%g r=%g", r->depth, r->width, r->resolution);
        else if (i != paper_base(i))
            snprintf(of, sizeof of, "%c=%g", r->item[0], r->depth * r->width * r->resolution);
        snprintf(table, sizeof table, "%d", r->table);
        if (r->table == 3)
            snprintf(item, sizeof item, "%s %s", base, of);
        else if (i == paper_base(i))
            snprintf(item, sizeof item, "B0 baseline");
        else
            snprintf(item, sizeof item, "%s%s%s", !strcmp(r->item, "compound") ? "" : r->item,
                     !strcmp(r->item, "compound") ? "" : " ", of);
        same_text(&t, table, item, "flops", r->flops);
        same_number(&t, table, item, r->table == 3 ? "top1" : "top1 v5", r->top1);
        found++;
    }
    assert_int_equal(found, 14 + 5);
    t_tsv_free(&t);
}

/* The phi that each released coefficient stands for: reference, section 4, to the digits given there. */
static void test_phi_of_the_released(void **state)
{
    (void)state;
    static const double want[][3] = { { 0, 0, 0 },          { 0, 0.52, 0.49 },    { 1.00, 1.00, 1.07 },
                                      { 1.91, 1.85, 2.09 }, { 3.53, 3.22, 3.78 }, { 4.93, 4.32, 5.09 },
                                      { 6.17, 5.24, 6.14 }, { 7.27, 6.21, 7.05 } };
    for (int i = 0; i < PAPER_MODELS; i++) {
        const paper_model *const p = &paper_models[i];
        assert_true(fabs(paper_phi(1.1, p->width) - want[i][0]) <= 0.005 + 1e-9);
        assert_true(fabs(paper_phi(1.2, p->depth) - want[i][1]) <= 0.005 + 1e-9);
        assert_true(fabs(paper_phi(1.15, p->resolution / 224.0) - want[i][2]) <= 0.005 + 1e-9);
        const double mean = (want[i][1] + want[i][2]) / 2; /* B1's width is no guide */
        assert_true(fabs(p->phi - mean) < 0.7);
    }
}

static uint64_t reference(const t_tsv *t, const paper_scaled *r, const char *column)
{
    static const struct {
        const char *base, *names[2];
    } known[] = { { "mobilenetv1-1.0", { "mobilenetv1_100", "mbv1" } },
                  { "mobilenetv2-1.0", { "mobilenetv2_100", "mbv2" } },
                  { "resnet50", { "resnet50", "resnet50" } },
                  { "efficientnet-b0", { "efficientnet-b0", "b0" } } };
    for (int i = 0; i < t->rows; i++)
        for (size_t k = 0; k < sizeof known / sizeof *known; k++)
            for (int n = 0; n < 2; n++) {
                const char *const name = t_tsv_get(t, i, "model"), *const want = known[k].names[n];
                const size_t len = strlen(want);
                if (strcmp(known[k].base, r->base) || strncmp(name, want, len) || (name[len] && name[len] != ' '))
                    continue;
                if (atof(t_tsv_get(t, i, "width")) != r->width || atof(t_tsv_get(t, i, "depth")) != r->depth) continue;
                if (atoi(t_tsv_get(t, i, "res")) != (int)lround(224 * r->resolution)) continue;
                return strtoull(t_tsv_get(t, i, column), NULL, 10);
            }
    fail_msg("%s %g %g %g is not in the reference", r->base, r->depth, r->width, r->resolution);
    return 0;
}

static void test_counts_and_verdicts(void **state)
{
    (void)state;
    t_tsv t = t_tsv_load(t_data("reference/model_stats.tsv"));
    uint64_t macs[PAPER_SCALED];
    eff_error err = { 0 };
    for (int i = 0; i < PAPER_SCALED; i++) {
        const paper_scaled *const r = &paper_rows[i];
        char spec[96];
        eff_model *m;
        snprintf(spec, sizeof spec, "%s@width=%g,depth=%g,resolution=%d", r->base, r->width, r->depth,
                 (int)lround(224 * r->resolution));
        T_OK(eff_model_load(&m, spec, NULL, &err), err);
        macs[i] = eff_model_get_info(m)->macs;
        assert_true(macs[i] == reference(&t, r, "macs"));
        assert_true(eff_model_get_info(m)->params == reference(&t, r, "params"));
        eff_model_free(m);
    }
    t_tsv_free(&t);
    int swapped = 0, too_many = 0, agree = 0, unstated = 0, other;
    for (int i = 0; i < PAPER_SCALED; i++) {
        const paper_verdict v = paper_judge(i, macs, &other);
        if (v == PAPER_SWAPPED) {
            int back;
            assert_string_equal(paper_rows[i].base, "resnet50");
            assert_int_equal(paper_judge(other, macs, &back), PAPER_SWAPPED);
            assert_int_equal(back, i);
            swapped++;
        }
        too_many += v == PAPER_TOO_MANY;
        agree += v == PAPER_AGREES;
        unstated += v == PAPER_UNSTATED;
    }
    assert_int_equal(swapped, 2);
    assert_int_equal(too_many, 2); /* B0 twice as wide, and at twice the resolution */
    assert_int_equal(unstated, 2);
    assert_int_equal(agree, 10);
    /* figures that were right would be called so */
    for (int i = 0; i < PAPER_SCALED; i++) {
        double half;
        if (!paper_rows[i].stated) continue;
        uint64_t changed[PAPER_SCALED];
        memcpy(changed, macs, sizeof changed);
        changed[i] = (uint64_t)(paper_number(paper_rows[i].flops, &half) + 0.9 * half);
        assert_int_equal(paper_judge(i, changed, &other), PAPER_AGREES);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    double half;
    assert_true(paper_number("16.2B", &half) == 16.2e9 && fabs(half - 0.05e9) < 1);
    assert_true(paper_number("0.39B", &half) == 0.39e9 && fabs(half - 0.005e9) < 1);
    assert_true(paper_number("66M", &half) == 66e6 && half == 0.5e6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_figures_are_the_papers),
        cmocka_unit_test(test_phi_of_the_released),
        cmocka_unit_test(test_counts_and_verdicts),
        cmocka_unit_test(test_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
