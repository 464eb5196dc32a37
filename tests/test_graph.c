/* SPDX-License-Identifier: Apache-2.0 */
/* Graphs against the published block tables and tensor names, and what must hold of every graph at every size. */
#include "support.h"
#include "tsv.h"

#include "base/mem.h"
#include "model/count.h"

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

static eff_graph *build(const eff_table *t, int h, int w)
{
    eff_graph *g;
    eff_error err = { 0 };
    T_OK(eff_graph_build(&g, t, h, w, &err), err);
    return g;
}

/* ------------------------------------------------------------------------------------ published blocks */

/* What the nodes of one block (or of stem, head, classifier) say, gathered for comparison with a row. */
typedef struct block {
    const eff_node *first, *window, *add, *last; /* window: the convolution with the stride */
    int in_h, in_c, mid, squeeze;
    uint64_t params, macs;
} block;

static block gather(const eff_graph *g, int stage, int number, bool classifier)
{
    block b = { 0 };
    for (int i = 1; i < g->nnodes; i++) {
        const eff_node *const n = &g->node[i];
        const bool is_classifier = n->op == EFF_NODE_MEAN || n->op == EFF_NODE_DROPOUT || n->op == EFF_NODE_LINEAR;
        if (n->stage != stage || n->block != number || is_classifier != classifier) continue;
        if (!b.first) {
            b.first = n;
            b.in_h = g->node[n->in[0]].h;
            b.in_c = g->node[n->in[0]].c;
        }
        b.last = n;
        if (n->op == EFF_NODE_ADD) b.add = n;
        if (n->op == EFF_NODE_SE) {
            b.squeeze = n->squeeze;
            b.macs += 2 * (uint64_t)n->squeeze * (uint64_t)n->c;
        }
        if (n->op == EFF_NODE_DWCONV || (n->op == EFF_NODE_CONV && number == 0 && !b.window)) b.window = n;
        if (n->op == EFF_NODE_DWCONV) b.mid = n->c;
        if (n->op == EFF_NODE_CONV || n->op == EFF_NODE_DWCONV || n->op == EFF_NODE_LINEAR)
            b.macs += (uint64_t)n->h * (uint64_t)n->w * g->param[n->param[0]].count;
        for (int p = 0; p < 4; p++)
            if (n->param[p] >= 0 && !eff_param_is_buffer(g->param[n->param[p]].kind)) b.params += g->param[n->param[p]].count;
    }
    return b;
}

static void same(const t_tsv *t, int row, const char *column, double got)
{
    const char *const want = t_tsv_get(t, row, column);
    if (*want && fabs(atof(want) - got) > 5e-7)
        fail_msg("row %d (%s, block %s): %s is %.9g, expected %s", row, t_tsv_get(t, row, "model"),
                 t_tsv_get(t, row, "stage.repeat"), column, got, want);
}

static void check_block_row(const t_tsv *t, int row, const eff_graph *g, int nstages, bool tf)
{
    const char *const kind = t_tsv_get(t, row, "kind");
    int stage = strcmp(kind, "stem") ? nstages : EFF_STAGE_STEM, number = 0;
    const bool mbconv = !strcmp(kind, "mbconv"), fc = !strcmp(kind, "fc");
    if (mbconv) assert_int_equal(sscanf(t_tsv_get(t, row, "stage.repeat"), "%d.%d", &stage, &number), 2);
    const block b = gather(g, stage, number, fc);
    assert_non_null(b.first);
    same(t, row, "c_in", b.in_c);
    same(t, row, "c_out", b.last->c);
    same(t, row, "params", (double)b.params);
    same(t, row, "macs", (double)b.macs);
    if (fc) return;
    same(t, row, "hw_in", b.in_h);
    same(t, row, "hw_out", b.last->h);
    same(t, row, "kernel", b.window->kernel);
    same(t, row, "stride", b.window->stride);
    int before, after;
    if (tf) {
        assert_int_equal(sscanf(t_tsv_get(t, row, "tf_same_pad(before,after)"), "%d,%d", &before, &after), 2);
    } else {
        before = after = atoi(t_tsv_get(t, row, "torch_pad(each_side)"));
    }
    assert_int_equal(b.window->pad_top, before);
    assert_int_equal(b.window->pad_left, before);
    assert_int_equal(b.window->pad_bottom, after);
    assert_int_equal(b.window->pad_right, after);
    if (!mbconv) return;
    same(t, row, "block_global", b.first->index);
    same(t, row, "c_mid", b.mid);
    same(t, row, "se_squeeze", b.squeeze);
    same(t, row, "skip", b.add != NULL);
    if (b.add) same(t, row, "drop_connect_rate", b.add->drop);
}

static void test_blocks(void **state)
{
    (void)state;
    t_tsv t = t_tsv_load(t_data("reference/blocks.tsv"));
    assert_int_equal(t.rows, 565);
    for (int padding = 0; padding < 2; padding++) {
        const char *current = "";
        eff_graph *g = NULL;
        int nstages = 0;
        for (int i = 0; i < t.rows; i++) {
            const char *const model = t_tsv_get(&t, i, "model");
            if (strcmp(model, current)) {
                eff_graph_free(g);
                eff_table table = builtin(model);
                table.pad = (eff_pad)padding;
                g = build(&table, 0, 0);
                nstages = table.nstages;
                current = model;
            }
            check_block_row(&t, i, g, nstages, padding == EFF_PAD_SAME);
        }
        eff_graph_free(g);
    }
    t_tsv_free(&t);
}

/* The neutral names and shapes of B0 in the graph's own order. */
static void test_names_b0(void **state)
{
    (void)state;
    t_tsv t = t_tsv_load(t_data("reference/names_b0.tsv"));
    const eff_table b0 = builtin("b0");
    eff_graph *const g = build(&b0, 0, 0);
    assert_int_equal(t.rows, g->nparams);
    for (int i = 0; i < t.rows; i++) {
        const eff_param *const p = &g->param[i];
        assert_string_equal(p->name, t_tsv_get(&t, i, "neutral"));
        char shape[64];
        int n = snprintf(shape, sizeof shape, "(%d,", p->dim[0]);
        for (int d = 1; d < p->ndim; d++)
            n += snprintf(shape + n, sizeof shape - (size_t)n, "%d%s", p->dim[d], d + 1 < p->ndim ? "," : "");
        snprintf(shape + n, sizeof shape - (size_t)n, ")");
        assert_string_equal(shape, t_tsv_get(&t, i, "shape_oihw"));
        assert_int_equal(eff_graph_find_param(g, p->name), i);
    }
    eff_graph_free(g);
    t_tsv_free(&t);
}

/* ------------------------------------------------------------------------------- what holds of all graphs */

static void check_window(const eff_node *n, const eff_node *in, eff_pad pad)
{
    const int k = n->kernel, s = n->stride;
    assert_int_equal(n->h, (in->h + s - 1) / s); /* both rules give the same sizes for odd kernels */
    assert_int_equal(n->w, (in->w + s - 1) / s);
    if (pad == EFF_PAD_SYMMETRIC) {
        assert_true(n->pad_top == k / 2 && n->pad_bottom == k / 2 && n->pad_left == k / 2 && n->pad_right == k / 2);
        return;
    }
    const int sizes[2] = { in->h, in->w }, outs[2] = { n->h, n->w };
    const int before[2] = { n->pad_top, n->pad_left }, after[2] = { n->pad_bottom, n->pad_right };
    for (int a = 0; a < 2; a++) {
        assert_true(before[a] >= 0 && (after[a] == before[a] || after[a] == before[a] + 1));
        const int read = (outs[a] - 1) * s + k;       /* pixels under all windows */
        assert_true(read <= sizes[a] + before[a] + after[a]);
        if (before[a] + after[a] > 0) assert_int_equal(read, sizes[a] + before[a] + after[a]);
    }
}

static void check_params(const eff_graph *g, int i)
{
    static const int needed[] = { [EFF_NODE_CONV] = 1, [EFF_NODE_DWCONV] = 1, [EFF_NODE_BN] = 4, [EFF_NODE_SE] = 4,
                                  [EFF_NODE_LINEAR] = 2, [EFF_NODE_DROPOUT] = 0 };
    const eff_node *const n = &g->node[i];
    const int want = (size_t)n->op < sizeof needed / sizeof *needed ? needed[n->op] : 0;
    for (int p = 0; p < 4; p++) {
        assert_true((n->param[p] >= 0) == (p < want));
        if (n->param[p] < 0) continue;
        const eff_param *const q = &g->param[n->param[p]];
        assert_int_equal(q->node, i);
        size_t count = 1;
        for (int d = 0; d < q->ndim; d++) count *= (size_t)q->dim[d];
        assert_int_equal(count, q->count);
    }
    const int in_c = n->in[0] >= 0 ? g->node[n->in[0]].c : 0;
    const int *const dim = want ? g->param[n->param[0]].dim : NULL;
    if (n->op == EFF_NODE_CONV) assert_true(dim[0] == n->c && dim[1] == in_c && dim[2] == n->kernel && dim[3] == n->kernel);
    if (n->op == EFF_NODE_DWCONV) assert_true(dim[0] == n->c && dim[1] == 1 && n->c == in_c && dim[2] == n->kernel);
    if (n->op == EFF_NODE_BN) assert_true(dim[0] == n->c && n->c == in_c && n->eps > 0);
    if (n->op == EFF_NODE_SE) assert_true(dim[0] == n->squeeze && dim[1] == n->c && n->squeeze >= 1);
    if (n->op == EFF_NODE_LINEAR) assert_true(dim[0] == n->c && dim[1] == in_c && n->c == g->classes);
}

static void check_graph(const eff_table *t, int h, int w)
{
    eff_graph *const g = build(t, h, w);
    assert_int_equal(g->node[0].op, EFF_NODE_INPUT);
    assert_true(g->node[0].h == h && g->node[0].w == w && g->node[0].c == 3);
    int blocks = 0, users_of_params = 0;
    for (int i = 0; i < t->nstages; i++) blocks += t->stage[i].repeats;
    assert_int_equal(g->blocks, blocks);
    for (int i = 1; i < g->nnodes; i++) {
        const eff_node *const n = &g->node[i];
        assert_true(n->in[0] >= 0 && n->in[0] < i && n->in[1] < i);
        assert_true((n->in[1] >= 0) == (n->op == EFF_NODE_ADD));
        assert_true(n->h >= 1 && n->w >= 1 && n->c >= 1);
        assert_true(n->stage >= g->node[i - 1].stage); /* stages follow one another */
        const eff_node *const in = &g->node[n->in[0]];
        if (n->op == EFF_NODE_CONV || n->op == EFF_NODE_DWCONV || n->op == EFF_NODE_MAXPOOL) {
            check_window(n, in, t->pad);
        } else if (n->op != EFF_NODE_MEAN && n->op != EFF_NODE_LINEAR) {
            assert_true(n->h == in->h && n->w == in->w && n->c == in->c);
        }
        if (n->op == EFF_NODE_ADD) {
            const eff_node *const cut = &g->node[n->in[1]];
            assert_true(cut->h == n->h && cut->w == n->w && cut->c == n->c);
            assert_true(n->drop == (float)(t->drop_path * n->index / blocks));
        }
        check_params(g, i);
        for (int p = 0; p < 4; p++) users_of_params += n->param[p] >= 0;
    }
    assert_int_equal(users_of_params, g->nparams);
    for (int i = 0; i < g->nparams; i++) assert_int_equal(eff_graph_find_param(g, g->param[i].name), i); /* names are unique */
    assert_int_equal(eff_graph_find_param(g, "stem.conv.weigh"), -1);
    assert_int_equal(eff_graph_find_param(g, ""), -1);
    assert_int_equal(eff_graph_find_param(g, "zzz"), -1);
    assert_string_equal(g->param[0].name, "stem.conv.weight");
    assert_string_equal(g->param[g->nparams - 1].name, "head.fc.bias");

    eff_counts c;
    eff_stage_info rows[EFF_MAX_STAGES + 3];
    eff_count(&c, g);
    const int n = eff_count_rows(rows, t, g);
    assert_int_equal(n, t->nstages + (t->head_channels ? 3 : 2));
    uint64_t params = 0, macs = 0, outputs = 0;
    for (int i = 0; i < n; i++) {
        params += rows[i].params;
        macs += rows[i].macs;
        outputs += rows[i].activation_bytes / 4;
        if (i > 0) assert_memory_equal(rows[i].in, rows[i - 1].out, sizeof rows[i].in);
        assert_int_equal(rows[i].out[2], rows[i].channels);
    }
    assert_true(params == c.params && macs == c.macs && outputs == c.conv_out_elems);
    assert_string_equal(rows[0].role, "stem");
    assert_string_equal(rows[n - 1].role, "classifier");
    assert_true(rows[0].in[0] == h && rows[0].in[1] == w && rows[n - 1].out[2] == t->classes);
    eff_graph_free(g);
}

static void test_every_graph(void **state)
{
    (void)state;
    static const int sizes[][2] = { { 1, 1 }, { 2, 3 }, { 31, 33 }, { 64, 96 }, { 97, 131 }, { 224, 224 } };
    for (int i = 0; i < eff_builtin_count(); i++)
        for (int pad = 0; pad < 2; pad++)
            for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
                eff_table t = builtin(eff_builtin_name(i));
                t.pad = (eff_pad)pad;
                check_graph(&t, sizes[s][0], sizes[s][1]);
            }
}

/* Tables nobody published: every operator, awkward channels, kernels and strides. */
static void test_strange_tables(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int round = 0; round < 300; round++) {
        eff_table t = builtin("b0");
        t.nstages = 1 + (int)(seed % 5);
        for (int i = 0; i < t.nstages; i++) {
            eff_stage *const s = &t.stage[i];
            unsigned r[8];
            for (int k = 0; k < 8; k++) r[k] = (seed = seed * 1664525u + 1013904223u) >> 8;
            *s = (eff_stage){ .op = (eff_op)(r[0] % 6), .kernel = 1 + 2 * (int)(r[1] % 5), .stride = 1 + (int)(r[2] % 4),
                              .expand = 1, .channels = 1 + (int)(r[3] % 40), .repeats = 1 + (int)(r[4] % 3),
                              .act = (eff_act)(r[5] % 5), .skip = r[6] % 2 };
            if (s->op == EFF_OP_MBCONV || s->op == EFF_OP_FUSED) {
                s->expand = (double)(1 + r[7] % 12) / 2;
                s->se = (double)(r[7] % 5) / 4;
                s->expand_from = r[7] % 3 ? 0 : 7;
            }
            if (eff_op_residual(s->op)) s->skip = true;
            if (s->op == EFF_OP_BOTTLENECK) {
                s->expand = 4;
                s->channels *= 4;
            }
        }
        t.head_channels = seed % 3 ? 24 : 0;
        t.stem_pool = seed % 2;
        t.pad = (eff_pad)(seed % 2);
        check_graph(&t, 1 + (int)(seed % 77), 1 + (int)(seed / 77 % 90));
    }
}

/* ------------------------------------------------------------------------------------ order within blocks */

static void block_order(const char *spec, int stage, int number, char *out, size_t size)
{
    static const char letter[] = "ICDBaS+MGxL"; /* by eff_node_op */
    const eff_table t = builtin(spec);
    eff_graph *const g = build(&t, 0, 0);
    size_t n = 0;
    for (int i = 0; i < g->nnodes; i++)
        if (g->node[i].stage == stage && g->node[i].block == number && n + 1 < size) out[n++] = letter[g->node[i].op];
    out[n] = '\0';
    eff_graph_free(g);
}

static void test_order(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        int stage, block;
        const char *order;
    } cases[] = {
        { "b0", -1, 0, "ICBa" },
        { "b0", 0, 0, "DBaSCB" },
        { "b0", 1, 1, "CBaDBaSCB+" },
        { "b0", 7, 0, "CBaGxL" },
        { "lite0", 1, 1, "CBaDBaCB+" },
        { "v2-s", 0, 1, "CBa+" },
        { "v2-s", 1, 1, "CBaCB+" },
        { "edgetpu-s", 0, 0, "CBaCB" },
        { "resnet50", -1, 0, "ICBaM" },
        { "resnet50", 0, 0, "CBaCBaCBCB+a" },
        { "resnet50", 0, 1, "CBaCBaCB+a" },
        { "resnet50", 4, 0, "GxL" },
        { "resnet18", 0, 0, "CBaCB+a" },
        { "resnet18", 1, 0, "CBaCBCB+a" },
        { "mobilenetv1-1.0", 1, 1, "DBaCBa" },
        { "mobilenetv2-1.0", 0, 0, "DBaCB" },
        { "mnasnet-a1", 2, 1, "CBaDBaSCB+" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char got[32];
        block_order(cases[i].spec, cases[i].stage, cases[i].block, got, sizeof got);
        assert_string_equal(got, cases[i].order);
    }
}

static void test_names_of_other_operators(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        { "v2-s", "blocks.0.1.conv.conv.weight" },         { "v2-s", "blocks.1.0.expand.bn.running_var" },
        { "v2-s", "blocks.3.5.se.reduce.bias" },           { "mobilenetv1-1.0", "blocks.4.1.dw.conv.weight" },
        { "mobilenetv1-1.0", "blocks.4.1.project.bn.bias" }, { "mobilenetv1-1.0", "head.fc.weight" },
        { "resnet18", "blocks.3.1.conv1.conv.weight" },    { "resnet18", "blocks.3.0.shortcut.bn.weight" },
        { "resnet18", "blocks.0.0.conv2.bn.running_mean" }, { "resnet50", "blocks.0.0.shortcut.conv.weight" },
        { "resnet50", "blocks.2.5.reduce.conv.weight" },   { "resnet50", "blocks.2.5.conv.bn.weight" },
        { "resnet50", "blocks.2.5.expand.conv.weight" },   { "edgetpu-m", "blocks.0.0.expand.conv.weight" },
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const eff_table t = builtin(names[i][0]);
        eff_graph *const g = build(&t, 0, 0);
        if (eff_graph_find_param(g, names[i][1]) < 0) fail_msg("%s has no %s", names[i][0], names[i][1]);
        eff_graph_free(g);
    }
    const eff_table t = builtin("edgetpu-s"); /* the quirk: 96 channels from a nominal 24, read from the stem's 32 */
    eff_graph *const g = build(&t, 0, 0);
    const eff_param *const p = &g->param[eff_graph_find_param(g, "blocks.0.0.expand.conv.weight")];
    assert_true(p->dim[0] == 96 && p->dim[1] == 32 && p->dim[2] == 3 && p->dim[3] == 3);
    eff_graph_free(g);
}

/* ------------------------------------------------------------------------------------------ bad requests */

static void test_refused(void **state)
{
    (void)state;
    static const int sizes[][2] = { { -1, 0 }, { 0, -224 }, { EFF_MAX_SIDE + 1, 64 }, { 64, 1 << 30 } };
    const eff_table b0 = builtin("b0");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        eff_graph *g;
        eff_error err = { 0 };
        assert_int_equal(eff_graph_build(&g, &b0, sizes[i][0], sizes[i][1], &err), EFF_EARG);
        assert_null(g);
        assert_non_null(strstr(err.msg, "resolution"));
    }
    eff_table t = b0; /* within every limit, and yet no network of this world */
    for (int i = 0; i < t.nstages; i++) {
        t.stage[i].channels = EFF_MAX_CHANNELS;
        t.stage[i].expand = 64;
        t.stage[i].kernel = 31;
        t.stage[i].stride = 1;
        t.stage[i].repeats = 500;
        t.stage[i].se = 16;
    }
    t.stem_stride = 1;
    eff_graph *g;
    eff_error err = { 0 };
    assert_int_equal(eff_graph_build(&g, &t, EFF_MAX_SIDE, EFF_MAX_SIDE, &err), EFF_EARG);
    assert_null(g);
    assert_non_null(strstr(err.msg, "too large"));
}

static void test_memory_ends(void **state)
{
    (void)state;
    const eff_table b0 = builtin("b0");
    for (long n = 0;; n++) {
        eff_graph *g;
        eff_error err = { 0 };
        eff_alloc_fail_after(n);
        const eff_status s = eff_graph_build(&g, &b0, 0, 0, &err);
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) {
            assert_true(n >= 4);
            eff_graph_free(g);
            break;
        }
        assert_int_equal(s, EFF_ENOMEM);
        assert_null(g);
    }
    eff_graph_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks),         cmocka_unit_test(test_names_b0),
        cmocka_unit_test(test_every_graph),    cmocka_unit_test(test_strange_tables),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_names_of_other_operators),
        cmocka_unit_test(test_refused),        cmocka_unit_test(test_memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
