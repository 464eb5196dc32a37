/* SPDX-License-Identifier: Apache-2.0 */
/* Studies without training, and with a little: networks of matched cost, the grid, intervals, curves of diminishing
 * returns, constants read back; and a whole fit and study whose accuracies are a formula of the network, put into the
 * store by the test. */
#include "fault.h"

#include "base/mem.h"
#include "base/rng.h"
#include "scale/constants.h"
#include "scale/study_internal.h"

#include <effnet/synth.h>

#include <math.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static eff_table table_of(const char *spec)
{
    eff_error err = { 0 };
    eff_table t;
    T_OK(eff_table_builtin(&t, spec, &err), err);
    return t;
}

static eff_network base_of(const eff_table *t)
{
    eff_error err = { 0 };
    eff_network n;
    T_OK(eff_network_make(&n, t, (eff_factors){ 1, 1, 1 }, 1, 0, &err), err);
    return n;
}

/* ------------------------------------------------------------------------------------------------ planning */

/* No network along the line is nearer to the rung than the one found: every factor of a fine grid is tried. */
static void test_nearest(void **state)
{
    (void)state;
    static const char *const bases[] = { "b0@width=0.25,depth=0.5,resolution=64", "resnet18@resolution=64",
                                         "mobilenetv2-1.0@resolution=64,divisor=1" };
    static const eff_direction ways[] = { { 2, 1, 1 }, { 1, 2, 1 }, { 1, 1, 2 }, { 1.2, 1.1, 1.15 } };
    const eff_factors one = { 1, 1, 1 };
    for (int b = 0; b < 3; b++) {
        const eff_table t = table_of(bases[b]);
        const eff_network base = base_of(&t);
        for (int w = 0; w < 4; w++)
            for (int rung = 2; rung <= 4; rung *= 2) {
                eff_error err = { 0 };
                eff_network n, m;
                T_OK(eff_network_nearest(&n, &t, one, ways[w], rung, 1, base.macs, &err), err);
                assert_true(n.by.depth >= 1 && n.by.width >= 1 && n.by.resolution >= 1);
                const double off = fabs(log(n.paid / rung));
                for (double x = 0; x < (w == 3 ? 5 : 3); x += 0.125) {
                    const eff_factors by = { pow(ways[w].alpha, x), pow(ways[w].beta, x), pow(ways[w].gamma, x) };
                    T_OK(eff_network_make(&m, &t, by, 1, base.macs, &err), err);
                    assert_true(fabs(log(m.paid / rung)) >= off - 1e-12);
                }
                T_OK(eff_network_make(&m, &t, n.by, 1, base.macs, &err), err); /* the factors printed give it again */
                assert_true(eff_network_same(&m, &n));
            }
    }
}

/* The compound line comes within 3 % or as near as a power of its constants, and never shrinks a dimension. */
static void test_compound(void **state)
{
    (void)state;
    const eff_table t = table_of("b0@width=0.12,depth=0.5,resolution=64,divisor=1");
    const eff_network base = base_of(&t);
    const eff_direction d = { 1.2, 1.1, 1.15 };
    for (int rung = 2; rung <= 16; rung *= 2) {
        eff_error err = { 0 };
        eff_network n, m;
        T_OK(eff_network_compound(&n, &t, d, rung, 0.03, 1, base.macs, &err), err);
        T_OK(eff_network_nearest(&m, &t, (eff_factors){ 1, 1, 1 }, d, rung, 1, base.macs, &err), err);
        assert_true(fabs(log(n.paid / rung)) <= fmax(log(1.03), fabs(log(m.paid / rung))) + 1e-12);
        assert_true(n.by.depth >= 1 && n.by.width >= 1 && n.by.resolution >= 1);
    }
}

static void test_grid(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const eff_table t = table_of("b0@width=0.25,resolution=128,divisor=1");
    const eff_network base = base_of(&t);
    eff_grid_opts o = { .target = 2, .tolerance = 0.1, .step = 0.1, .paid = 0.25, .multiple = 1 };
    eff_grid g;
    T_OK(eff_grid_make(&g, &t, &o, base.macs, &err), err);
    int want = 0; /* counted in whole tenths */
    for (int a = 10; a <= 21; a++)
        for (int b = 10; b <= 15; b++)
            for (int c = 10; c <= 15; c++) {
                const long p = (long)a * b * b * c * c;
                want += p >= 190000 && p <= 210000;
            }
    assert_int_equal(g.ncandidates, want);
    for (int i = 0; i < g.ncandidates; i++) {
        const eff_grid_candidate *const c = &g.candidate[i];
        eff_network n;
        assert_true(c->alpha >= 1 && c->beta >= 1 && c->gamma >= 1 && fabs(c->product - 2) <= 0.1 + 1e-9);
        T_OK(eff_network_make(&n, &t, (eff_factors){ c->alpha, c->beta, c->gamma }, 1, base.macs, &err), err);
        assert_true(eff_network_same(&n, &g.network[c->network]));
        assert_true(c->paid == g.network[c->network].paid);
    }
    for (int i = 0; i < g.nnetworks; i++) {
        for (int k = 0; k < i; k++) assert_false(eff_network_same(&g.network[i], &g.network[k]));
        assert_true(g.kept[i] == (fabs(log(g.network[i].paid / 2)) <= log(1.25)));
    }
    assert_true(g.nnetworks < g.ncandidates && g.nkept > 1 && g.nkept < g.nnetworks);
    eff_grid_free(&g);
    o.target = 2.03;
    o.tolerance = 0.001;
    assert_int_equal(eff_grid_make(&g, &t, &o, base.macs, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "no candidate"));
    o = (eff_grid_opts){ .target = 2, .tolerance = 0.1, .step = 0.1, .paid = 1e-4, .multiple = 1 };
    assert_int_equal(eff_grid_make(&g, &t, &o, base.macs, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "no network"));
}

static void test_stride(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_network n;
    const eff_table t = table_of("b0@width=0.25,resolution=31");
    assert_int_equal(eff_network_make(&n, &t, (eff_factors){ 1, 1, 1 }, 1, 0, &err), EFF_EARG);
    assert_string_equal(err.msg, "resolution: expected at least the network's stride of 32 pixels, found 31");
    const eff_table r = table_of("resnet18");
    assert_int_equal(eff_table_stride(&r), 32);
}

/* -------------------------------------------------------------------------------------------- comparisons */

/* The intervals hold the truth about as often as they say, for differences and means. */
static void test_intervals(void **state)
{
    (void)state;
    enum { NETWORKS = 10, SEEDS = 3, RUNS = 2000 };
    int held = 0, held_mean = 0;
    for (int r = 0; r < RUNS; r++) {
        double y[NETWORKS * SEEDS];
        for (int i = 0; i < NETWORKS; i++)
            for (int j = 0; j < SEEDS; j++)
                y[i * SEEDS + j] = 0.5 + 0.01 * i + 0.01 * eff_rng_normal(7, (uint64_t)r, (uint64_t)(i * SEEDS + j));
        const eff_layout l = { .networks = NETWORKS, .seeds = SEEDS, .top1 = y };
        const eff_spread s = eff_spread_of(&l);
        const int a = 3, b = 1;
        const eff_estimate d = eff_difference(&l, &s, &a, &b, 1), m = eff_mean_of(&l, &s, 4, 100);
        held += d.lo <= 0.02 && 0.02 <= d.hi;
        held_mean += m.lo <= 0.54 && 0.54 <= m.hi;
        assert_int_equal(s.df, (NETWORKS - 1) * (SEEDS - 1));
    }
    assert_in_range(held, 0.935 * RUNS, 0.965 * RUNS); /* 95 % +- 3 standard deviations of the count */
    assert_in_range(held_mean, 0.935 * RUNS, 0.965 * RUNS);
}

/* What is common to a seed is no part of a difference; a network that is not complete is left out. */
static void test_pairing(void **state)
{
    (void)state;
    double y[] = { 0.50, 0.60, 0.52, 0.62, 0.54, 0.65, 0.9, NAN };
    const eff_layout l = { .networks = 4, .seeds = 2, .top1 = y };
    const eff_spread s = eff_spread_of(&l);
    const int a = 1, b = 0, c = 3;
    assert_int_equal(s.complete, 3);
    assert_int_equal(s.df, 2);
    /* after the means of networks and of seeds, +-0.005/3, +-0.005/3 and -+0.01/3 are left */
    assert_float_equal(s.paired, sqrt((4 * 0.005 / 3 * 0.005 / 3 + 2 * 0.01 / 3 * 0.01 / 3) / 2), 1e-9);
    const eff_estimate d = eff_difference(&l, &s, &a, &b, 1);
    assert_float_equal(d.value, 0.02, 1e-12);
    assert_float_equal(d.hi - d.value, 4.303 * s.paired, 1e-9);
    assert_int_equal(eff_verdict_of(d), EFF_VERDICT_MORE);
    assert_int_equal(eff_verdict_of(eff_difference(&l, &s, &c, &b, 1)), EFF_VERDICT_UNKNOWN);
    assert_float_equal(eff_student(60), 2.0003, 2e-3);
    const eff_layout one = { .networks = 4, .seeds = 1, .top1 = y };
    const eff_spread none = eff_spread_of(&one);
    assert_int_equal(eff_verdict_of(eff_difference(&one, &none, &a, &b, 1)), EFF_VERDICT_UNKNOWN);
}

static void test_saturation(void **state)
{
    (void)state;
    static const struct {
        double c, a, b;
    } truth[] = { { 0.9, 0.4, 0.8 }, { 0.7, 0.1, 2 }, { 0.95, 0.6, 0.5 } };
    double x[6], y[6];
    for (int k = 0; k < 3; k++) {
        for (int i = 0; i < 6; i++) {
            x[i] = pow(2, i);
            y[i] = truth[k].c - truth[k].a * pow(x[i], -truth[k].b);
        }
        const eff_saturation s = eff_saturation_fit(x, y, 6, 0.003, 0.01, 1);
        assert_true(s.known && s.saturates);
        assert_float_equal(s.c, truth[k].c, 1e-3);
        assert_float_equal(s.b, truth[k].b, 1e-2);
        /* at the bend a doubling gains just what was stated */
        assert_float_equal(eff_saturation_at(&s, 2 * s.bend) - eff_saturation_at(&s, s.bend), 0.01, 1e-6);
        assert_true(s.c_lo <= s.c && s.c <= s.c_hi && s.bend_lo <= s.bend && s.bend <= s.bend_hi);
    }
    for (int i = 0; i < 6; i++) y[i] = 0.2 + 0.05 * i; /* every doubling gains the same */
    eff_saturation s = eff_saturation_fit(x, y, 6, NAN, 0.01, 1);
    assert_true(s.known && !s.saturates && isinf(s.bend));
    for (int i = 0; i < 6; i++) y[i] = 0.8 - 0.01 * i; /* and falling: no gain at all */
    s = eff_saturation_fit(x, y, 6, NAN, 0.01, 1);
    assert_true(s.known && s.a == 0 && s.bend == 0);
    assert_false(eff_saturation_fit(x, y, 2, NAN, 0.01, 1).known);
}

static void test_constants(void **state)
{
    (void)state;
    static const struct {
        const char *text, *why;
    } bad[] = {
        { "[]", "expected an object" },
        { "{\"best\":[]}", "best: expected a list" },
        { "{\"alpha\":1.2,\"beta\":1.1}", "gamma: expected a number, found none" },
        { "{\"kind\":\"fit\",\"trials\":[]}", "a fit that has no best network yet" },
        { "{\"alpha\":0.9,\"beta\":1.1,\"gamma\":1}", "alpha: expected 1..100, found 0.9" },
        { "{\"alpha\":\"1\",\"beta\":1.1,\"gamma\":1}", "alpha: expected a number" },
        { "{\"best\":[7]}", "expected an object" },
        { "", "not JSON" },
    };
    eff_constants c;
    eff_error err = { 0 };
    const char *const good =
        "{\"best\":[{\"alpha\":1.2,\"beta\":1,\"gamma\":1.3,\"x\":0},{\"alpha\":9}],\"trials\":[]}";
    T_OK(eff_constants_parse(&c, good, strlen(good), &err), err);
    assert_true(c.alpha == 1.2 && c.beta == 1 && c.gamma == 1.3);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(eff_constants_parse(&c, bad[i].text, strlen(bad[i].text), &err), EFF_EFORMAT);
        if (!strstr(err.msg, bad[i].why)) fail_msg("expected '%s' in '%s'", bad[i].why, err.msg);
    }
}

/* -------------------------------------------------------------------- whole studies, accuracies by formula */

static eff_dataset *set;
static eff_model *base_model;

static int set_up(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_synth_opts o;
    eff_dataset_opts d;
    eff_synth_opts_init(&o);
    o.classes = 2;
    o.train = 8;
    o.val = 4;
    o.size = 40;
    T_OK(eff_synth_write(t_tmp("cloth"), &o, NULL, NULL, &err), err);
    eff_dataset_opts_init(&d);
    T_OK(eff_dataset_open(&set, t_tmp("cloth"), &d, &err), err);
    T_OK(eff_model_load(&base_model, "b0@width=0.08,depth=0.5,resolution=64,divisor=1", NULL, &err), err);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    eff_dataset_free(set);
    eff_model_free(base_model);
    return 0;
}

static eff_study *open_study(eff_study_opts *o, const char *set_values)
{
    eff_error err = { 0 };
    eff_recipe *r;
    eff_study *s;
    T_OK(eff_study_recipe(&r, base_model, set, &err), err);
    T_OK(eff_recipe_set(r, set_values, &err), err);
    T_OK(eff_study_create(&s, base_model, set, r, o, &err), err);
    eff_recipe_free(r);
    return s;
}

/* Say in the store that the accuracy of every trial is f(network) and a little chance. */
static void fill(eff_study *s, double (*f)(const eff_network *n))
{
    eff_error err = { 0 };
    sqlite3 *db;
    assert_int_equal(sqlite3_open(s->store_path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN", NULL, NULL, NULL), SQLITE_OK);
    for (int i = 0; i < s->nworks * s->o.repeats; i++) {
        char sql[160];
        if (!s->id[i]) continue;
        const double top1 = f(&s->work[i / s->o.repeats].net) + 0.002 * eff_rng_normal(3, 0, (uint64_t)i);
        snprintf(sql, sizeof sql, "UPDATE trial SET state = 2, seconds = 1, result = '{\"top1\":%.6f}' WHERE id = %lld",
                 top1, (long long)s->id[i]);
        assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    }
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    T_OK(eff_study_run(s, &err), err); /* nothing is left: only reads */
}

static int blocks(const eff_table *t)
{
    int n = 0;
    for (int i = 0; i < t->nstages; i++) n += t->stage[i].repeats;
    return n;
}

/* Accuracy that depends on pixels most of all. */
static double by_pixels(const eff_network *n)
{
    return 0.3 + 0.2 * log2(n->table.height / 64.0) + 0.02 * log2(blocks(&n->table) / 10.0);
}

/* Each dimension saturates on its own: only what has some of all goes on. */
static double by_all(const eff_network *n)
{
    return 0.8 - 0.15 * (64.0 / n->table.height) - 0.15 * (10.0 / blocks(&n->table)) -
           0.15 * (15.0 / n->table.stage[5].channels);
}

typedef struct saving {
    eff_study *s;
    const char *folder;
} saving;

static eff_status save_again(void *ctx, eff_error *err)
{
    const saving *const to = ctx;
    return eff_study_save(to->s, to->folder, err);
}

/* Its page, table and JSON, where the disk or memory ends. */
static void check_saving(eff_study *study)
{
    saving to = { study, t_tmp("again") };
    const t_saving s = { "study", save_again, &to, to.folder, NULL, 0 };
    t_saving_check(&s);
    t_saving_check_memory(&s, 97);
}

static void test_fit(void **state)
{
    (void)state;
    eff_study_opts o;
    eff_study_opts_init(&o);
    o.kind = EFF_STUDY_FIT;
    o.store = t_tmp("fit.db");
    o.paid = 0.6;
    eff_study *s = open_study(&o, "epochs=1,batch=2");
    fill(s, by_pixels);
    int work[64];
    const int n = eff_study_best(s, work);
    assert_true(n >= 1);
    double most = 0;
    for (int i = 0; i < s->grid.nnetworks; i++)
        if (s->work[i].counts) most = fmax(most, by_pixels(&s->work[i].net));
    /* the best by the formula is in the set, and nothing is that is far below it */
    assert_true(by_pixels(&s->work[work[0]].net) > most - 0.01);
    for (int i = 0; i < n; i++) assert_true(by_pixels(&s->work[work[i]].net) > most - 0.015);
    json_t *const j = json_loads(eff_study_results(s), 0, NULL);
    const json_t *const first = json_array_get(json_object_get(j, "best"), 0);
    eff_error err = { 0 };
    double a, b, c;
    T_OK(eff_study_save(s, t_tmp("fit"), &err), err);
    T_OK(eff_study_constants(t_tmp("fit/fit.json"), &a, &b, &c, &err), err);
    check_saving(s);
    assert_true(a == json_number_value(json_object_get(first, "alpha")) &&
                c == json_number_value(json_object_get(first, "gamma")));
    T_OK(eff_study_constants(o.store, &a, &b, &c, &err), err); /* the store says the same */
    assert_true(a == json_number_value(json_object_get(first, "alpha")) &&
                b == json_number_value(json_object_get(first, "beta")));
    json_decref(j);
    eff_study_free(s);
}

static const char *words_of(eff_study *s)
{
    static char text[8192];
    json_t *const w = eff_study_words(s);
    text[0] = '\0';
    for (size_t i = 0; i < json_array_size(w); i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s\n", json_string_value(json_array_get(w, i)));
    json_decref(w);
    return text;
}

/* The conclusion follows the numbers, whichever way they fall. */
static void test_conclusion(void **state)
{
    (void)state;
    eff_study_opts o;
    eff_study_opts_init(&o);
    o.kind = EFF_STUDY_CURVES;
    o.store = t_tmp("all.db");
    eff_study *s = open_study(&o, "epochs=1,batch=2");
    for (int k = 0; k < EFF_LINES; k++) { /* rungs are met, the base is shared */
        assert_int_equal(s->line[k].n, 4);
        assert_int_equal(s->line[k].point[0].network, 0);
        for (int i = 1; i < 4; i++) {
            assert_true(fabs(s->line[k].point[i].deviation) < 0.15);
            assert_float_equal(s->work[s->line[k].point[i].network].net.paid,
                               s->line[k].point[i].target * (1 + s->line[k].point[i].deviation), 1e-9);
        }
    }
    assert_non_null(strstr(words_of(s), "not enough results"));
    fill(s, by_all);
    if (!strstr(words_of(s), "So the paper's claim holds here")) fail_msg("%s", words_of(s));
    assert_non_null(strstr(words_of(s), "The compound line does not bend within"));
    eff_error err = { 0 };
    T_OK(eff_study_save(s, t_tmp("study"), &err), err);
    eff_study_free(s);
    o.store = t_tmp("pixels.db");
    s = open_study(&o, "epochs=1,batch=2");
    fill(s, by_pixels);
    if (!strstr(words_of(s), "So the paper's claim does not hold here")) fail_msg("%s", words_of(s));
    assert_non_null(strstr(words_of(s), "below resolution alone"));
    eff_study_free(s);
}

/* What was settled in a store holds for who comes later; what does not fit it is refused. */
static void test_settled(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_recipe *r;
    eff_study *s;
    eff_study_opts o;
    eff_study_opts_init(&o);
    o.kind = EFF_STUDY_CURVES;
    o.points = 3;
    o.repeats = 2;
    for (int pair = 0;; pair++) { /* what it takes and what is given are measured twice: once more where the machine's
                                   * speed was another by then */
        char store[512];
        snprintf(store, sizeof store, "%s", t_tmp("settled%d.db", pair));
        o.store = store;
        o.seconds = 0;
        s = open_study(&o, "epochs=40,batch=2");
        const double whole = eff_study_total(s, 40) + s->decode;
        const int trials = s->trials;
        eff_study_free(s);
        o.store = t_tmp("cut%d.db", pair);
        o.seconds = 0.3 * whole;
        s = open_study(&o, "epochs=40,batch=2");
        if (eff_study_epochs(s) < 40 && s->cuts[0] && s->nfigure == 0 && s->trials < trials) break;
        assert_true(pair < 4);
        eff_study_free(s);
    }
    const int epochs = eff_study_epochs(s);
    eff_study_free(s);
    o.seconds = 0;
    o.points = o.repeats = 0;
    s = open_study(&o, "epochs=40,batch=2"); /* the same command without the time */
    assert_int_equal(eff_study_epochs(s), epochs);
    assert_int_equal(s->o.repeats, 2);
    eff_study_free(s);
    o.repeats = 4; /* more seeds: the old trials count */
    s = open_study(&o, "epochs=40,batch=2");
    assert_int_equal(s->o.repeats, 4);
    eff_study_free(s);
    T_OK(eff_study_recipe(&r, base_model, set, &err), err);
    T_OK(eff_recipe_set(r, "epochs=7,batch=2", &err), err);
    assert_int_equal(eff_study_create(&s, base_model, set, r, &o, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "another number needs a store of its own"));
    T_OK(eff_recipe_set(r, "epochs=40,batch=2,lr=1e-4", &err), err);
    assert_int_equal(eff_study_create(&s, base_model, set, r, &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "of another experiment: recipe.lr is \"0.01\" there and \"0.0001\" here"));
    eff_recipe_free(r);
}

/* Memory that ends at any moment of a plan is reported and leaks nothing. */
static void test_memory_ends(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_recipe *r;
    eff_study *s;
    eff_study_opts o;
    eff_study_opts_init(&o);
    o.kind = EFF_STUDY_FIT;
    o.paid = 0.05;
    T_OK(eff_study_recipe(&r, base_model, set, &err), err);
    for (long n = 0; n < 24; n++) {
        eff_alloc_fail_after(n < 12 ? n : 12 + (n - 12) * 41);
        const eff_status e = eff_study_create(&s, base_model, set, r, &o, &err);
        eff_alloc_fail_after(-1);
        assert_int_equal(e, EFF_ENOMEM);
    }
    eff_recipe_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_nearest),    cmocka_unit_test(test_compound),
                                        cmocka_unit_test(test_grid),       cmocka_unit_test(test_stride),
                                        cmocka_unit_test(test_intervals),  cmocka_unit_test(test_pairing),
                                        cmocka_unit_test(test_saturation), cmocka_unit_test(test_constants),
                                        cmocka_unit_test(test_fit),        cmocka_unit_test(test_conclusion),
                                        cmocka_unit_test(test_settled),    cmocka_unit_test(test_memory_ends) };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
