/* SPDX-License-Identifier: Apache-2.0 */
/* The built-in tables against the published counts, the rounding rules, names and changes, and the limits of a table. */
#include "support.h"
#include "tsv.h"

#include "base/nearest.h"
#include "model/count.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static eff_table builtin(const char *spec)
{
    eff_table t;
    eff_error err = { 0 };
    T_OK(eff_table_builtin(&t, spec, &err), err);
    return t;
}

static eff_counts counts_of(const eff_table *t, int h, int w)
{
    eff_graph *g;
    eff_error err = { 0 };
    eff_counts c;
    T_OK(eff_graph_build(&g, t, h, w, &err), err);
    eff_count(&c, g);
    eff_graph_free(g);
    return c;
}

/* ----------------------------------------------------------------------------------- reference counts */

static int g_counts, g_other_counts;

static void same_count(const t_tsv *t, int row, const char *spec, const char *column, uint64_t got)
{
    const char *const want = t_tsv_get(t, row, column);
    char text[32];
    if (!*want) return; /* the reference leaves some counts of the baselines open */
    snprintf(text, sizeof text, "%llu", (unsigned long long)got);
    g_counts++;
    if (!strcmp(want, text)) return;
    print_error("row %d, %s: %s is %s, expected %s\n", row, spec, column, text, want);
    g_other_counts++;
}

static void check_row(const t_tsv *t, int row, const char *spec)
{
    const eff_table table = builtin(spec);
    const eff_counts c = counts_of(&table, 0, 0);
    same_count(t, row, spec, "params", c.params);
    same_count(t, row, spec, "bn_buffers", c.bn_buffers);
    same_count(t, row, spec, "macs", c.macs);
    same_count(t, row, spec, "stem", c.macs_stem);
    same_count(t, row, spec, "dw", c.macs_dw);
    same_count(t, row, spec, "pw", c.macs_pw);
    same_count(t, row, spec, "fullconv", c.macs_full);
    same_count(t, row, spec, "se", c.macs_se);
    same_count(t, row, spec, "headconv", c.macs_head);
    same_count(t, row, spec, "fc", c.macs_fc);
    same_count(t, row, spec, "conv_out_elems", c.conv_out_elems);
    same_count(t, row, spec, "conv_layers", (uint64_t)c.conv_layers);
    same_count(t, row, spec, "blocks", (uint64_t)c.blocks);
    assert_true(c.macs == c.macs_stem + c.macs_dw + c.macs_pw + c.macs_full + c.macs_se + c.macs_head + c.macs_fc);
    const char *const dropout = t_tsv_get(t, row, "dropout");
    if (*dropout) assert_true(table.dropout == atof(dropout));
}

static void base_name(const char *row_name, char *out, size_t size)
{
    snprintf(out, size, "%.*s", (int)strcspn(row_name, " @"), row_name);
    if (!strcmp(out, "mbv1")) snprintf(out, size, "mobilenetv1-1.0");
    if (!strcmp(out, "mbv2")) snprintf(out, size, "mobilenetv2-1.0");
}

/* Every row by base, width, depth and resolution; rows that are a model's own are found by its name alone too. */
static void test_model_stats(void **state)
{
    (void)state;
    t_tsv t = t_tsv_load(t_data("reference/model_stats.tsv"));
    for (int i = 0; i < t.rows; i++) {
        const char *const name = t_tsv_get(&t, i, "model"), *const res = t_tsv_get(&t, i, "res");
        char base[64], spec[160];
        base_name(name, base, sizeof base);
        if (!strchr(name, ' ') || strchr(name, '@')) {
            snprintf(spec, sizeof spec, "%s@resolution=%s", base, res);
            check_row(&t, i, spec);
        }
        if (!strcmp(base, "mobilenetv2_140")) continue; /* its row gives the coefficient 1 of its own name */
        snprintf(spec, sizeof spec, "%s@width=%s,depth=%s,resolution=%s", base, t_tsv_get(&t, i, "width"),
                 t_tsv_get(&t, i, "depth"), res);
        check_row(&t, i, spec);
    }
    assert_int_equal(t.rows, 73);
    assert_true(g_counts > 73 * 10);
    t_figure(g_other_counts, 0, "counts that differ from the reference, %d of %d networks", g_counts, t.rows);
    t_tsv_free(&t);
}

/* The same through the function from table to table. */
static void test_scaling_is_a_function_of_tables(void **state)
{
    (void)state;
    static const struct {
        const char *base, *scaled;
        double w, d;
        int res;
    } cases[] = {
        { "b0", "b1", 1.0, 1.1, 240 },       { "b0", "b4", 1.4, 1.8, 380 },       { "b0", "b7", 2.0, 3.1, 600 },
        { "b0", "l2", 4.3, 5.3, 800 },       { "lite0", "lite4", 1.4, 1.8, 300 }, { "edgetpu-s", "edgetpu-l", 1.2, 1.4, 300 },
        { "v2-b0", "v2-b3", 1.2, 1.4, 300 }, { "mobilenetv2-1.0", "mobilenetv2_140", 1.4, 1.0, 0 },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const eff_table base = builtin(cases[i].base), want = builtin(cases[i].scaled);
        eff_table got;
        eff_error err = { 0 };
        T_OK(eff_table_scale(&got, &base, cases[i].w, cases[i].d, cases[i].res, &err), err);
        assert_memory_equal(got.stage, want.stage, sizeof got.stage);
        assert_int_equal(got.stem_channels, want.stem_channels);
        assert_int_equal(got.head_channels, want.head_channels);
        assert_int_equal(got.height, want.height);
        assert_int_equal(got.width_px, want.width_px);
        assert_true(got.width == cases[i].w && got.depth == cases[i].d);
    }
    const eff_table b0 = builtin("b0");
    eff_table same;
    eff_error err = { 0 };
    T_OK(eff_table_scale(&same, &b0, 1, 1, 0, &err), err);
    assert_memory_equal(&same, &b0, sizeof same);
    static const struct {
        double w, d;
        int res;
        const char *field;
    } bad[] = { { 0, 1, 0, "width" },     { -1, 1, 0, "width" },   { NAN, 1, 0, "width" },       { 1, 0, 0, "depth" },
                { 1, INFINITY, 0, "depth" }, { 1, 1, -5, "resolution" }, { 1, 1, 99999, "resolution" }, { 100, 1, 0, "channels" },
                { 1, 100, 0, "4096 blocks" } };
    const eff_table big = builtin("v2-xl");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eff_table out = b0;
        assert_int_equal(eff_table_scale(&out, &big, bad[i].w, bad[i].d, bad[i].res, &err), EFF_EARG);
        if (!strstr(err.msg, bad[i].field) && !strstr(err.msg, "repeats")) fail_msg("%zu: %s", i, err.msg);
        assert_memory_equal(&out, &b0, sizeof out); /* untouched */
    }
}

/* ------------------------------------------------------------------------------------------ rounding */

static void test_round_filters(void **state)
{
    (void)state;
    static const struct {
        int c;
        double w;
        int divisor, up, want;
    } known[] = {
        { 32, 1.1, 8, 1, 32 },  { 32, 1.2, 8, 1, 40 }, { 24, 1.6, 8, 1, 40 }, { 320, 2.2, 8, 1, 704 }, { 1280, 4.3, 8, 1, 5504 },
        { 16, 0.35, 8, 1, 8 },  { 1, 1, 8, 1, 8 },     { 10, 1, 8, 1, 16 },   { 10, 1, 8, 0, 8 },      { 100, 1, 1, 1, 100 },
        { 48, 1.2, 8, 0, 56 },  { 24, 1, 16, 1, 32 },  { 7, 1, 3, 1, 9 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        assert_int_equal(eff_round_filters(known[i].c, known[i].w, known[i].divisor, known[i].up), known[i].want);
    for (int divisor = 1; divisor <= 33; divisor++)
        for (int c = 1; c <= 400; c += 3)
            for (double w = 0.05; w < 6; w += 0.17) {
                const int up = eff_round_filters(c, w, divisor, true), plain = eff_round_filters(c, w, divisor, false);
                const double want = c * w;
                assert_int_equal(up % divisor, 0);
                assert_true(up >= divisor && plain >= divisor);
                assert_true(up >= 0.9 * want);                                      /* never loses more than a tenth */
                assert_true(up == plain || (up == plain + divisor && plain < 0.9 * want));
                assert_true(plain == divisor || fabs(plain - want) <= divisor / 2.0 + 1e-9); /* nearest multiple */
                assert_true(eff_round_filters(c + 1, w, divisor, false) >= plain);  /* monotonic */
            }
    assert_true(eff_round_filters(65536, 1e30, 8, true) >= 1 << 30); /* saturates, does not wrap */
    assert_true(eff_round_filters(65536, NAN, 8, true) >= 1 << 30);
}

static void test_round_repeats(void **state)
{
    (void)state;
    assert_int_equal(eff_round_repeats(25, 2.2), 56); /* 2.2 * 25 is above 55 in double */
    assert_int_equal(eff_round_repeats(10, 1.1), 11); /* and 1.1 * 10 is not above 11 */
    assert_int_equal(eff_round_repeats(3, 1.4), 5);
    assert_int_equal(eff_round_repeats(1, 0.01), 1);
    assert_int_equal(eff_round_repeats(4, 5.3), 22);
    assert_true(eff_round_repeats(1000, 1e300) >= 1 << 30);
    for (int r = 1; r < 40; r++)
        for (double d = 0.1; d < 8; d += 0.1) {
            const int n = eff_round_repeats(r, d);
            assert_true(n >= 1 && n >= r * d && n - 1 < r * d);
        }
}

/* --------------------------------------------------------------------------------------------- names */

static void test_names(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { /* a spelling, and the name of the table it gives */
        { "b0", "efficientnet-b0" },
        { "b8", "efficientnet-b8" },
        { "lite4", "efficientnet-lite4" },
        { "l2", "efficientnet-l2" },
        { "EfficientNet-B3", "efficientnet-b3" },
        { "efficientnet_b5", "efficientnet-b5" },
        { "tf_efficientnet_b0", "efficientnet-b0" },
        { "tf_efficientnet_lite0", "efficientnet-lite0" },
        { "edgetpu-s", "efficientnet-edgetpu-s" },
        { "efficientnet_em", "efficientnet-edgetpu-m" },
        { "tf_efficientnet_el", "efficientnet-edgetpu-l" },
        { "v2-xl", "efficientnet-v2-xl" },
        { "v2-b2", "efficientnet-v2-b2" },
        { "tf_efficientnetv2_b3", "efficientnet-v2-b3" },
        { "efficientnet_v2_s", "efficientnet-v2-s" },
        { "resnet18", "resnet18" },
        { "mobilenetv1-1", "mobilenetv1-1.0" },
        { "mobilenetv1_100", "mobilenetv1-1.0" },
        { "mobilenetv2-0.35", "mobilenetv2-0.35" },
        { "mobilenetv2-1.40", "mobilenetv2-1.4" },
        { "mobilenetv2_140", "mobilenetv2-1.4" },
        { "mobilenetv2_100", "mobilenetv2-1.0" },
        { "mobilenetv2_050", "mobilenetv2_050" },
        { "mobilenetv1_075", "mobilenetv1-0.75" },
        { "mnasnet_100", "mnasnet-b1" },
        { "semnasnet_100", "mnasnet-a1" },
        { "semnasnet_075", "semnasnet_075" },
        { "b0@width=0.35,depth=0.5,resolution=64,classes=10,divisor=8", "efficientnet-b0@width=0.35,depth=0.5" },
        { "b2@width=1.1,depth=1.2", "efficientnet-b2" },
        { "b0@name=saree net", "saree net" },
        { "mobilenetv1-1.0@width=2", "mobilenetv1-2.0" },
        { "mobilenetv2_050@width=1.4", "mobilenetv2-1.4" },
        { "b0@divisor=4", "efficientnet-b0@divisor=4" },
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const eff_table t = builtin(pairs[i][0]);
        assert_string_equal(t.name, pairs[i][1]);
    }
    for (int i = 0; i < eff_builtin_count(); i++) {
        const eff_table t = builtin(eff_builtin_name(i));
        assert_string_equal(t.name, eff_builtin_name(i));
        assert_int_equal(t.classes, 1000);
    }
    assert_int_equal(eff_builtin_count(), 35);
    assert_null(eff_builtin_name(-1));
    assert_null(eff_builtin_name(eff_builtin_count()));

    /* a name that says its changes can be asked for again */
    const eff_table t = builtin("b3@width=1.7,depth=2.5,divisor=16"), again = builtin(t.name);
    assert_memory_equal(&again, &t, sizeof t);
}

/* Sizes that timm's own models have, where the head does not follow a small width. */
static void test_timm_widths(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int stem, head;
    } cases[] = { { "mobilenetv2_035", 16, 1280 }, { "mobilenetv2_050", 16, 1280 }, { "mobilenetv2_140", 48, 1792 },
                  { "mobilenetv2-0.5", 16, 640 },  { "mnasnet_050", 16, 1280 },     { "mnasnet_140", 48, 1280 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const eff_table t = builtin(cases[i].name);
        assert_int_equal(t.stem_channels, cases[i].stem);
        assert_int_equal(t.head_channels, cases[i].head);
    }
}

static void test_changes(void **state)
{
    (void)state;
    const eff_table t = builtin("efficientnet-b4@resolution=97x131,classes=9,dropout=0.1,drop_path=0,padding=symmetric,eps=1e-5,"
                                "momentum=0.1,divisor=16,width=0.5,depth=0.3");
    assert_int_equal(t.height, 97);
    assert_int_equal(t.width_px, 131);
    assert_int_equal(t.classes, 9);
    assert_true(t.dropout == 0.1 && t.drop_path == 0 && t.bn_eps == 1e-5 && t.bn_momentum == 0.1);
    assert_int_equal(t.pad, EFF_PAD_SYMMETRIC);
    assert_int_equal(t.divisor, 16);
    assert_true(t.width == 0.5 && t.depth == 0.3);
    for (int i = 0; i < t.nstages; i++) {
        assert_int_equal(t.stage[i].channels % 16, 0);
        assert_int_equal(t.stage[i].repeats, i == 5 ? 2 : 1);
    }
    const eff_table coarse = builtin("b0@divisor=16"); /* applies although the width is 1 */
    assert_int_equal(coarse.stage[1].channels, 32);

    const eff_table b0 = builtin("b0");
    assert_int_equal(b0.pad, EFF_PAD_SAME);
    assert_true(b0.bn_eps == 1e-3 && b0.bn_momentum == 0.01 && b0.drop_path == 0.2);
    const eff_table r = builtin("resnet50");
    assert_int_equal(r.pad, EFF_PAD_SYMMETRIC);
    assert_true(r.bn_eps == 1e-5 && r.drop_path == 0);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const char *const cases[][2] = { /* a spec, and what its message must say */
        { "efficientnet-b9", "efficientnet-b8" },
        { "eficientnet-b1", "efficientnet-b1" },
        { "efficientnetb4", "efficientnet-b4" },
        { "efficientnet-lite5", "efficientnet-lite4" },
        { "b9", "efficientnet-b8" },
        { "resnet-50", "resnet50" },
        { "mobilnetv2-1.0", "mobilenetv2-1.0" },
        { "mobilenetv1-0", "mobilenetv1-1.0" },
        { "mobilenetv2-nan", "unknown model" },
        { "zebra", "unknown model 'zebra'" },
        { "", "unknown model ''" },
        { "@width=2", "unknown model ''" },
        { "b0@", "KEY=VALUE" },
        { "b0@width", "KEY=VALUE" },
        { "b0@width=1,", "KEY=VALUE" },
        { "b0@widht=2", "did you mean width" },
        { "b0@=2", "unknown change" },
        { "b0@width=2,width=3", "width: given twice" },
        { "b0@width=0", "width: expected a number in 0.01..100, found '0'" },
        { "b0@width=-1", "width: " },
        { "b0@width=nan", "width: " },
        { "b0@width=inf", "width: " },
        { "b0@width=0x2", "width: " },
        { "b0@width= 2", "width: " },
        { "b0@width=1e", "width: " },
        { "b0@width=", "width: " },
        { "b0@depth=101", "depth: " },
        { "b0@classes=0", "classes: expected a whole number in 1..1000000, found '0'" },
        { "b0@classes=1000001", "classes: " },
        { "b0@classes=99999999999999999999", "classes: " },
        { "b0@classes=1.5", "classes: " },
        { "b0@resolution=0", "resolution: " },
        { "b0@resolution=64x", "resolution: " },
        { "b0@resolution=x64", "resolution: " },
        { "b0@resolution=64x64x3", "resolution: " },
        { "b0@resolution=16385", "resolution: " },
        { "b0@divisor=0", "divisor: " },
        { "b0@dropout=1", "dropout: " },
        { "b0@dropout=-0.1", "dropout: " },
        { "b0@padding=valid", "padding: expected same or symmetric" },
        { "b0@eps=0", "eps: " },
        { "b0@name=", "name: " },
        { "b0@name=\xff", "name: " },
        { "b0@width=100", "channels" },
        { "v2-xl@depth=100", "repeats" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eff_table t;
        eff_error err = { 0 };
        assert_int_equal(eff_table_builtin(&t, cases[i][0], &err), EFF_EARG);
        assert_int_equal(err.code, EFF_EARG);
        if (!strstr(err.msg, cases[i][1])) fail_msg("'%s' says: %s", cases[i][0], err.msg);
        assert_null(strchr(err.msg, '\n'));
    }
    char *const endless = malloc(1 << 20); /* a name nobody typed */
    memset(endless, 'b', (1 << 20) - 1);
    endless[(1 << 20) - 1] = '\0';
    eff_table t;
    assert_int_equal(eff_table_builtin(&t, endless, NULL), EFF_EARG);
    memcpy(endless, "b0@", 3);
    assert_int_equal(eff_table_builtin(&t, endless, NULL), EFF_EARG);
    memcpy(endless, "b0@name=", 8);
    assert_int_equal(eff_table_builtin(&t, endless, NULL), EFF_EARG);
    free(endless);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const names[] = { "predict", "eval", "bench", NULL, "b0", "b7" };
    assert_string_equal(eff_nearest_name("pedict", names, 6), "predict");
    assert_string_equal(eff_nearest_name("prdeict", names, 6), "predict"); /* neighbours swapped */
    assert_string_equal(eff_nearest_name("EVAL", names, 6), "eval");
    assert_string_equal(eff_nearest_name("b6", names, 6), "b7"); /* the nearer digit */
    assert_null(eff_nearest_name("serve-the-world", names, 6));
    assert_null(eff_nearest_name("", names, 6));
    assert_null(eff_nearest_name("xy", names, 0));
    assert_null(eff_nearest_name(NULL, names, 6));
    assert_int_equal(eff_name_distance("kitten", "sitting"), 3 * EFF_NAME_EDIT);
    assert_int_equal(eff_name_distance("", "abc"), 3 * EFF_NAME_EDIT);
    assert_int_equal(eff_name_distance("a-b", "a_b"), EFF_NAME_EDIT / 10);
    for (int i = 0; i < eff_builtin_count(); i++) /* a metric on the names we have */
        for (int k = 0; k < eff_builtin_count(); k++) {
            const int d = eff_name_distance(eff_builtin_name(i), eff_builtin_name(k));
            assert_int_equal(d, eff_name_distance(eff_builtin_name(k), eff_builtin_name(i)));
            assert_true((d == 0) == (i == k));
        }
}

/* -------------------------------------------------------------------------------------------- limits */

static void expect_refused(const eff_table *t, const char *field)
{
    eff_error err = { 0 };
    assert_int_equal(eff_table_check(t, &err), EFF_EARG);
    if (strncmp(err.msg, field, strlen(field))) fail_msg("expected a message about %s, found: %s", field, err.msg);
    eff_graph *g = (eff_graph *)1;
    assert_int_equal(eff_graph_build(&g, t, 0, 0, NULL), EFF_EARG);
    assert_null(g);
}

#define REFUSED(base, path, value, says) \
    do {                                 \
        eff_table t_ = (base);           \
        t_.path = (value);               \
        expect_refused(&t_, says);       \
    } while (0)

static void test_limits(void **state)
{
    (void)state;
    const eff_table b0 = builtin("b0"), r50 = builtin("resnet50"), v1 = builtin("mobilenetv1-1.0");
    REFUSED(b0, nstages, 0, "stages");
    REFUSED(b0, nstages, EFF_MAX_STAGES + 1, "stages");
    REFUSED(b0, stage[2].kernel, 4, "stages[2].kernel");
    REFUSED(b0, stage[2].kernel, 33, "stages[2].kernel");
    REFUSED(b0, stage[2].kernel, -1, "stages[2].kernel");
    REFUSED(b0, stage[0].stride, 0, "stages[0].stride");
    REFUSED(b0, stage[0].stride, 9, "stages[0].stride");
    REFUSED(b0, stage[6].channels, 0, "stages[6].channels");
    REFUSED(b0, stage[6].channels, 65537, "stages[6].channels");
    REFUSED(b0, stage[1].repeats, 0, "stages[1].repeats");
    REFUSED(b0, stage[1].repeats, INT_MAX, "stages[1].repeats");
    REFUSED(b0, stage[1].expand, 0, "stages[1].expand");
    REFUSED(b0, stage[1].expand, NAN, "stages[1].expand");
    REFUSED(b0, stage[1].expand, 1e9, "stages[1].expand");
    REFUSED(b0, stage[1].se, -0.25, "stages[1].se");
    REFUSED(b0, stage[1].se, NAN, "stages[1].se");
    REFUSED(b0, stage[1].expand_from, -1, "stages[1].expand_from");
    REFUSED(b0, stage[1].op, (eff_op)99, "stages[1].op");
    REFUSED(b0, stage[1].act, (eff_act)-1, "stages[1].act");
    REFUSED(r50, stage[1].skip, false, "stages[1].skip");
    REFUSED(r50, stage[1].se, 0.25, "stages[1].se");
    REFUSED(r50, stage[1].channels, 254, "stages[1].channels");
    REFUSED(r50, stage[1].expand_from, 8, "stages[1].expand_from");
    REFUSED(v1, stage[1].expand, 2, "stages[1].expand");
    REFUSED(b0, stem_channels, 0, "stem.channels");
    REFUSED(b0, stem_kernel, 2, "stem.kernel");
    REFUSED(b0, stem_stride, -2, "stem.stride");
    REFUSED(b0, head_channels, -1, "head.channels");
    REFUSED(b0, act, (eff_act)7, "act");
    REFUSED(b0, pad, (eff_pad)2, "padding");
    REFUSED(b0, bn_eps, 0, "bn.eps");
    REFUSED(b0, bn_eps, NAN, "bn.eps");
    REFUSED(b0, bn_momentum, 2, "bn.momentum");
    REFUSED(b0, divisor, 0, "divisor");
    REFUSED(b0, height, 0, "resolution");
    REFUSED(b0, width_px, 20000, "resolution");
    REFUSED(b0, classes, -1, "classes");
    REFUSED(b0, classes, 1000001, "classes");
    REFUSED(b0, dropout, 1, "dropout");
    REFUSED(b0, drop_path, -0.1, "drop_path");
    REFUSED(b0, width, 0, "width");
    REFUSED(b0, depth, INFINITY, "depth");
    REFUSED(b0, name[0], '\0', "name");
    REFUSED(b0, name[3], '\n', "name");
    REFUSED(b0, name[3], '\xc3', "name"); /* a lead byte without its follower */
    eff_table t = b0;
    memset(t.name, 'x', sizeof t.name); /* no terminator */
    expect_refused(&t, "name");
    t = b0;
    for (int i = 0; i < t.nstages; i++) t.stage[i].repeats = 1000;
    expect_refused(&t, "stages: expected at most 4096");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_model_stats),   cmocka_unit_test(test_scaling_is_a_function_of_tables),
        cmocka_unit_test(test_round_filters), cmocka_unit_test(test_round_repeats),
        cmocka_unit_test(test_names),         cmocka_unit_test(test_timm_widths),
        cmocka_unit_test(test_changes),       cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_nearest),       cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
