/* SPDX-License-Identifier: Apache-2.0 */
/* Name maps against the reference's table of B0, the tensor lists of the published Lite files, and each other. */
#include "support.h"

#include "formats/names.h"
#include "tsv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static eff_graph *graph_of(eff_table *t, const char *spec)
{
    eff_error err = { 0 };
    eff_graph *g;
    T_OK(eff_table_builtin(t, spec, &err), err);
    T_OK(eff_graph_build(&g, t, 0, 0, &err), err);
    return g;
}

static void name_is(eff_family f, const eff_table *t, const eff_graph *g, int param, const char *want)
{
    char name[EFF_TENSOR_NAME];
    assert_true(eff_name_of_param(name, f, t, g, param));
    assert_string_equal(name, want);
}

/* All 311 rows, in both directions: every row is a parameter and every parameter is a row. */
static void test_b0_reference(void **state)
{
    (void)state;
    eff_table t;
    eff_graph *g = graph_of(&t, "efficientnet-b0");
    t_tsv r = t_tsv_load(t_data("reference/names_b0.tsv"));
    assert_int_equal(r.rows, 311);
    assert_int_equal(g->nparams, 311);
    for (int i = 0; i < r.rows; i++) {
        const int p = eff_graph_find_param(g, t_tsv_get(&r, i, "neutral"));
        if (p < 0) fail_msg("no parameter %s", t_tsv_get(&r, i, "neutral"));
        char shape[64] = "(";
        for (int d = 0; d < g->param[p].ndim; d++)
            snprintf(shape + strlen(shape), sizeof shape - strlen(shape), d ? ",%d" : "%d", g->param[p].dim[d]);
        strcat(shape, g->param[p].ndim == 1 ? ",)" : ")");
        assert_string_equal(shape, t_tsv_get(&r, i, "shape_oihw"));
        name_is(EFF_FAMILY_NEUTRAL, &t, g, p, t_tsv_get(&r, i, "neutral"));
        name_is(EFF_FAMILY_LUKEMELAS, &t, g, p, t_tsv_get(&r, i, "lukemelas"));
        name_is(EFF_FAMILY_TIMM, &t, g, p, t_tsv_get(&r, i, "timm"));
        name_is(EFF_FAMILY_TIMM_TF, &t, g, p, t_tsv_get(&r, i, "timm"));
        name_is(EFF_FAMILY_TORCHVISION, &t, g, p, t_tsv_get(&r, i, "torchvision"));
        name_is(EFF_FAMILY_TF, &t, g, p, t_tsv_get(&r, i, "tf_checkpoint_suffix"));
        char keras[128];
        snprintf(keras, sizeof keras, "%s/%s", t_tsv_get(&r, i, "keras_layer"), t_tsv_get(&r, i, "keras2_var"));
        name_is(EFF_FAMILY_KERAS, &t, g, p, keras);
    }
    t_tsv_free(&r);
    eff_graph_free(g);
}

/* The published Lite files: the same set of names, num_batches_tracked aside, with the same shapes. */
static void test_lite_wheels(void **state)
{
    (void)state;
    for (int k = 0; k < 3; k++) {
        char spec[32], line[512], name[EFF_TENSOR_NAME], file_name[128], dtype[16], shape[64], want[64];
        snprintf(spec, sizeof spec, "efficientnet-lite%d", k);
        eff_table t;
        eff_graph *g = graph_of(&t, spec);
        FILE *f = fopen(t_data("golden/lite/lite%d_tensors.tsv", k), "r");
        assert_non_null(f);
        int seen = 0;
        while (fgets(line, sizeof line, f)) {
            if (line[0] == '#') continue;
            assert_int_equal(sscanf(line, "%127[^\t]\t%15[^\t]\t%63[^\t]", file_name, dtype, shape), 3);
            if (strcmp(dtype, "int64") == 0) continue;
            int p = 0;
            for (; p < g->nparams; p++) {
                assert_true(eff_name_of_param(name, EFF_FAMILY_LUKEMELAS, &t, g, p));
                if (strcmp(name, file_name) == 0) break;
            }
            if (p == g->nparams) fail_msg("lite%d: nothing is called %s", k, file_name);
            want[0] = '\0';
            for (int d = 0; d < g->param[p].ndim; d++)
                snprintf(want + strlen(want), sizeof want - strlen(want), d ? "x%d" : "%d", g->param[p].dim[d]);
            assert_string_equal(shape, want);
            seen++;
        }
        fclose(f);
        assert_int_equal(seen, g->nparams);
        eff_graph_free(g);
    }
}

/* State dictionaries of the libraries (tools/make_comparators.py names): the same set, with the same shapes. */
static void test_state_dicts(void **state)
{
    (void)state;
    static const struct {
        const char *file, *spec;
        eff_family naming;
    } t[] = {
        { "timm_mobilenetv1_100", "mobilenetv1-1.0", EFF_FAMILY_TIMM },
        { "timm_mobilenetv2_100", "mobilenetv2-1.0", EFF_FAMILY_TIMM },
        { "timm_mnasnet_100", "mnasnet-b1", EFF_FAMILY_TIMM },
        { "timm_semnasnet_100", "mnasnet-a1", EFF_FAMILY_TIMM },
        { "timm_tf_efficientnet_es", "efficientnet-edgetpu-s", EFF_FAMILY_TIMM_TF },
        { "timm_tf_efficientnetv2_b0", "efficientnet-v2-b0", EFF_FAMILY_TIMM_TF },
        { "timm_tf_efficientnetv2_s", "efficientnet-v2-s", EFF_FAMILY_TIMM_TF },
        { "torchvision_efficientnet_v2_s", "efficientnet-v2-s", EFF_FAMILY_TORCHVISION },
        { "torchvision_resnet18", "resnet18", EFF_FAMILY_TORCHVISION },
        { "torchvision_resnet50", "resnet50", EFF_FAMILY_TORCHVISION },
        { "torchvision_resnet50", "resnet50", EFF_FAMILY_TIMM },
        { "torchvision_mobilenet_v2", "mobilenetv2-1.0", EFF_NAMING_MOBILENET },
        { "torchvision_mnasnet1_0", "mnasnet-b1", EFF_NAMING_MNASNET },
    };
    static const char *const leaves[] = { "weight", "bias", "running_mean", "running_var" };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_table table;
        eff_graph *g = graph_of(&table, t[i].spec);
        t_tsv r = t_tsv_load(t_data("comparators/names_%s.tsv", t[i].file));
        int seen = 0;
        for (int k = 0; k < r.rows; k++) {
            const char *name = t_tsv_get(&r, k, "name"), *star = strstr(name, ".bn.*");
            for (int leaf = 0; leaf < (star ? 4 : 1); leaf++) {
                char want[EFF_TENSOR_NAME], got[EFF_TENSOR_NAME], shape[64] = "";
                if (star) snprintf(want, sizeof want, "%.*s.%s", (int)(star - name), name, leaves[leaf]);
                else snprintf(want, sizeof want, "%s", name);
                int p = 0;
                for (; p < g->nparams; p++) {
                    assert_true(eff_name_of_param(got, t[i].naming, &table, g, p));
                    if (strcmp(got, want) == 0) break;
                }
                if (p == g->nparams) fail_msg("%s: nothing is called %s", t[i].file, want);
                for (int d = 0; d < g->param[p].ndim; d++)
                    snprintf(shape + strlen(shape), sizeof shape - strlen(shape), d ? "x%d" : "%d", g->param[p].dim[d]);
                assert_string_equal(shape, t_tsv_get(&r, k, "shape"));
                seen++;
            }
        }
        assert_int_equal(seen, g->nparams);
        t_tsv_free(&r);
        eff_graph_free(g);
    }
}

static int by_text(const void *a, const void *b) { return strcmp(a, b); }

/* No two parameters of a network share a name, in any naming, at any depth; and which namings spell it. */
static void test_names_are_distinct(void **state)
{
    (void)state;
#define TIMMS  (1u << EFF_FAMILY_TIMM | 1u << EFF_FAMILY_TIMM_TF)
#define TV     (1u << EFF_FAMILY_TORCHVISION)
#define TF     (1u << EFF_FAMILY_TF)
#define KERAS  (1u << EFF_FAMILY_KERAS)
#define ALL_MB (1u << EFF_FAMILY_LUKEMELAS | TIMMS | TV | TF | KERAS)
#define FLAT   (1u << EFF_NAMING_MOBILENET | 1u << EFF_NAMING_MNASNET)
    static const struct {
        const char *spec;
        unsigned namings; /* besides the neutral one */
    } nets[] = {
        { "b0", ALL_MB }, { "b1", ALL_MB }, { "b7", ALL_MB }, { "l2", ALL_MB }, { "lite0", ALL_MB | FLAT },
        { "lite4", ALL_MB | FLAT }, { "b0@width=0.35,depth=0.5", ALL_MB }, { "lite0@depth=3", ALL_MB | FLAT },
        { "mobilenetv2-1.0", ALL_MB | FLAT },
        { "mobilenetv2-1.0@depth=2,width=0.3", ALL_MB | 1u << EFF_NAMING_MOBILENET },
        { "mnasnet-b1", ALL_MB | FLAT }, { "mnasnet-a1", ALL_MB }, { "mobilenetv1-1.0", TIMMS },
        { "efficientnet-v2-s", TIMMS | TV | TF | KERAS }, { "efficientnet-v2-b0", TIMMS | TV | TF | KERAS },
        { "efficientnet-v2-xl", TIMMS | TV | TF }, /* a stage of 32 blocks, and Keras has 26 letters */
        { "efficientnet-edgetpu-l", TIMMS | TV | TF | KERAS }, { "resnet18", TIMMS | TV }, { "resnet152", TIMMS | TV },
        { "resnet50@width=0.3,depth=0.4", TIMMS | TV },
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        for (int f = 0; f < EFF_NAMING_COUNT; f++) {
            eff_table t;
            eff_graph *g = graph_of(&t, nets[i].spec);
            char(*names)[EFF_TENSOR_NAME] = calloc((size_t)g->nparams, sizeof *names);
            int spelled = 0;
            for (int p = 0; p < g->nparams; p++) spelled += eff_name_of_param(names[p], (eff_family)f, &t, g, p);
            const bool known = f == EFF_FAMILY_NEUTRAL || (nets[i].namings & 1u << f);
            if (known != (spelled == g->nparams))
                fail_msg("%s: %d of %d spelled by %d", nets[i].spec, spelled, g->nparams, f);
            if (!known) {
                free(names);
                eff_graph_free(g);
                continue;
            }
            qsort(names, (size_t)g->nparams, sizeof *names, by_text);
            for (int p = 1; p < g->nparams; p++) assert_string_not_equal(names[p - 1], names[p]);
            free(names);
            eff_graph_free(g);
        }
}

static void test_shifts(void **state)
{
    (void)state;
    const eff_place lite = { .net = 1u << EFF_OP_MBCONV, .nstages = 7, .stage = 1, .block = 0, .index = 1,
                             .op = EFF_OP_MBCONV, .expand = true };
    char name[EFF_TENSOR_NAME];
    /* without an SE torchvision's projection moves up by one */
    assert_true(eff_name_format(name, EFF_FAMILY_TORCHVISION, &lite, "project.conv", "weight"));
    assert_string_equal(name, "features.2.0.block.2.0.weight");
    eff_place first = lite;
    first.stage = first.index = 0;
    first.expand = false;
    assert_true(eff_name_format(name, EFF_FAMILY_TORCHVISION, &first, "project.bn", "bias"));
    assert_string_equal(name, "features.1.0.block.1.1.bias");
    assert_true(eff_name_format(name, EFF_FAMILY_TIMM, &first, "project.conv", "weight"));
    assert_string_equal(name, "blocks.0.0.conv_pw.weight");
    assert_false(eff_name_format(name, EFF_FAMILY_TIMM, &first, "expand.conv", "weight")); /* there is none */
    assert_string_equal(name, "");
    assert_false(eff_name_format(name, EFF_FAMILY_TIMM, &first, "nonsense", "weight"));
    /* the head's number follows the number of stages */
    eff_place head = lite;
    head.nstages = head.stage = 5;
    assert_true(eff_name_format(name, EFF_FAMILY_TORCHVISION, &head, "head.conv", "weight"));
    assert_string_equal(name, "features.6.0.weight");
}

/* Architectures that a family's table has no row for have neutral names and no others; long leaves do not
 * overflow. */
static void test_unknown(void **state)
{
    (void)state;
    char name[EFF_TENSOR_NAME], leaf[300];
    eff_table t;
    eff_graph *g = graph_of(&t, "resnet50");
    for (int p = 0; p < g->nparams; p++) {
        assert_true(eff_name_of_param(name, EFF_FAMILY_NEUTRAL, &t, g, p));
        assert_string_equal(name, g->param[p].name);
        assert_false(eff_name_of_param(name, EFF_FAMILY_LUKEMELAS, &t, g, p));
        assert_string_equal(name, "");
    }
    eff_graph_free(g);
    memset(leaf, 'x', sizeof leaf - 1);
    leaf[sizeof leaf - 1] = '\0';
    const eff_place stem = { .net = 1u << EFF_OP_MBCONV, .nstages = 7, .stage = EFF_STAGE_STEM };
    for (int f = 0; f < EFF_NAMING_COUNT; f++)
        assert_false(eff_name_format(name, (eff_family)f, &stem, "stem.conv", leaf));
}

static void test_family_names(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_family f;
    for (int i = 0; i < EFF_FAMILY_COUNT; i++) {
        T_OK(eff_family_parse(&f, eff_family_name((eff_family)i), &err), err);
        assert_int_equal(f, i);
    }
    assert_int_equal(eff_family_parse(&f, "torchvison", &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "did you mean torchvision?"));
    assert_int_equal(eff_family_parse(&f, "", &err), EFF_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_b0_reference),
        cmocka_unit_test(test_lite_wheels),
        cmocka_unit_test(test_state_dicts),
        cmocka_unit_test(test_names_are_distinct),
        cmocka_unit_test(test_shifts),
        cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_family_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
