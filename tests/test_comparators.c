/* SPDX-License-Identifier: Apache-2.0 */
/* Narrow comparator networks that torchvision and timm built (tools/make_comparators.py): loaded as a user's checkpoint
 * would be, named, and their logits held against the libraries' at a size that is odd at every stage. */
#include "forward.h"

#include "tsv.h"

#include <stdlib.h>
#include <string.h>

enum { ROWS = 16 };

/* "--family timm", "--model FILE" or "-", as on the command line. */
static eff_model *load(const char *file, const char *options)
{
    eff_model_opts o;
    eff_model_opts_init(&o);
    if (!strncmp(options, "--family ", 9)) o.family = options + 9;
    else if (!strncmp(options, "--model ", 8)) o.architecture = t_data("comparators/%s", options + 8);
    else assert_string_equal(options, "-");
    eff_error err = { 0 };
    eff_model *m;
    if (eff_model_load(&m, t_data("comparators/%s", file), &o, &err) != EFF_OK) fail_msg("%s: %s", file, err.msg);
    return m;
}

/* The same weights under a table that differs in its rules only. */
static eff_model *with_rules(const eff_model *m, eff_pad pad, double eps)
{
    eff_table t = m->table;
    eff_error err = { 0 };
    eff_model *n;
    t.pad = pad;
    t.bn_eps = eps;
    T_OK(eff_model_new(&n, &t, &err), err);
    T_OK(eff_model_alloc_weights(n, &err), err);
    assert_int_equal(n->graph->nparams, m->graph->nparams);
    for (int p = 0; p < m->graph->nparams; p++)
        memcpy(n->weights[p], m->weights[p], m->graph->param[p].count * sizeof(float));
    return n;
}

typedef struct row {
    const char *file, *options, *network;
    int h, w;
    t_npy want;
} row;

static row row_at(const t_tsv *s, int i)
{
    row r = { t_tsv_get(s, i, "file"), t_tsv_get(s, i, "options"), t_tsv_get(s, i, "network"),
              atoi(t_tsv_get(s, i, "h")), atoi(t_tsv_get(s, i, "w")), { .count = 0 } };
    r.want = t_npy_load(t_data("comparators/%s", t_tsv_get(s, i, "logits")));
    assert_int_equal(r.want.ndim, 2);
    assert_int_equal(r.want.dim[0], 2);
    return r;
}

static void logits(void **state)
{
    (void)state;
    t_tsv s = t_tsv_load(t_data("comparators/summary.tsv"));
    assert_int_equal(s.rows, ROWS);
    for (int i = 0; i < s.rows; i++) {
        row r = row_at(&s, i);
        eff_model *m = load(r.file, r.options);
        assert_string_equal(m->table.name, r.network);
        assert_string_equal(m->info.name, r.network);
        assert_int_equal(m->table.classes, r.want.dim[1]);
        for (int threads = 1; threads < 4; threads += 2) {
            const t_deviation d = t_synth_deviation(m, r.h, r.w, r.want.data, threads, NULL);
            t_figure(d.worst, d.bound, "largest difference over the deviation, %s", r.file);
        }
        eff_model_free(m);
        t_npy_free(&r.want);
    }
    t_tsv_free(&s);
}

/* The bound tells the conventions apart: with another padding or epsilon no network passes. */
static void other_rules_show(void **state)
{
    (void)state;
    t_tsv s = t_tsv_load(t_data("comparators/summary.tsv"));
    for (int i = 0; i < s.rows; i++) {
        row r = row_at(&s, i);
        eff_model *m = load(r.file, r.options);
        const eff_table *t = &m->table;
        const eff_pad pads[] = { t->pad == EFF_PAD_SAME ? EFF_PAD_SYMMETRIC : EFF_PAD_SAME, t->pad };
        const double eps[] = { t->bn_eps, t->bn_eps == 1e-3 ? 1e-5 : 1e-3 };
        for (int k = 0; k < 2; k++) {
            eff_model *n = with_rules(m, pads[k], eps[k]);
            const t_deviation d = t_synth_deviation(n, r.h, r.w, r.want.data, 1, NULL);
            if (!(d.worst > 10 * d.bound))
                fail_msg("%s: another %s shifts by %.3e of std only", r.file, k ? "epsilon" : "padding", d.worst);
            eff_model_free(n);
        }
        eff_model_free(m);
        t_npy_free(&r.want);
    }
    t_tsv_free(&s);
}

/* Saved as a model file and as bare tensors in neutral names: the same network under the same rules. */
static void saved(void **state)
{
    (void)state;
    t_tsv s = t_tsv_load(t_data("comparators/summary.tsv"));
    for (int i = 0; i < s.rows; i++) {
        row r = row_at(&s, i);
        eff_error err = { 0 };
        eff_model *m = load(r.file, r.options), *back;
        const char *path = t_tmp("saved.effnet"), *bare = t_tmp("bare.safetensors");
        T_OK(eff_model_save(m, path, &err), err);
        T_OK(eff_model_load(&back, path, NULL, &err), err);
        assert_string_equal(back->table.name, m->table.name);
        t_deviation d = t_synth_deviation(back, r.h, r.w, r.want.data, 1, NULL);
        assert_true(d.worst <= d.bound);
        eff_model_free(back);
        T_OK(eff_model_save(m, bare, &err), err);
        eff_model_opts o;
        eff_model_opts_init(&o);
        o.family = m->meta.family;
        if (!strncmp(r.options, "--model ", 8)) o.architecture = t_data("comparators/%s", r.options + 8);
        T_OK(eff_model_load(&back, bare, &o, &err), err);
        assert_string_equal(back->table.name, m->table.name);
        d = t_synth_deviation(back, r.h, r.w, r.want.data, 1, NULL);
        assert_true(d.worst <= d.bound);
        eff_model_free(back);
        eff_model_free(m);
        t_npy_free(&r.want);
    }
    t_tsv_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logits),
        cmocka_unit_test(other_rules_show),
        cmocka_unit_test(saved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
