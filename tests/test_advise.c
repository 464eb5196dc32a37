/* SPDX-License-Identifier: Apache-2.0 */
/* Advice: the comparison of two classifiers against what is known of it, the decision as a function of situations made
 * up here, and the whole on a small set. */
#include "support.h"

#include "base/mem.h"
#include "base/rng.h"
#include "base/sysmem.h"
#include "data/loader.h"
#include "scale/advise.h"

#include <effnet/synth.h>
#include <effnet/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ------------------------------------------------------------------------------------------- comparing */

static void fill(float *v, size_t n, double right, uint64_t stream)
{
    for (size_t i = 0; i < n; i++) v[i] = eff_rng_uniform(11, stream, i) < right ? 1 : 0;
}

static void test_paired(void **state)
{
    (void)state;
    enum { N = 400 };
    float a[N], b[N];
    fill(a, N, 0.7, 1);
    memcpy(b, a, sizeof a);
    eff_paired p = eff_compare_paired(a, b, N); /* the same answers: no difference, and the interval holds none */
    assert_true(p.difference == 0 && p.lo < 0 && p.hi > 0 && p.hi < 0.01 && p.n == N);
    fill(b, N, 0.8, 2);
    const eff_paired there = eff_compare_paired(a, b, N), back = eff_compare_paired(b, a, N);
    assert_true(fabs(there.difference + back.difference) < 1e-12);
    assert_true(fabs(there.lo + back.hi) < 1e-12 && fabs(there.hi + back.lo) < 1e-12);
    assert_true(there.lo < there.difference && there.difference < there.hi);
    for (size_t i = 0; i < N; i += 2) a[i] = NAN; /* an image that one never judged does not count */
    assert_int_equal(eff_compare_paired(a, b, N).n, N / 2);
    assert_true(eff_compare_paired(a, b, 0).lo <= 0 && eff_compare_paired(a, b, 0).hi >= 0);
    /* of intervals about classifiers that are equally good, about one in twenty misses 0 */
    int missed = 0;
    enum { TRIES = 2000, IMAGES = 150 };
    for (uint64_t t = 0; t < TRIES; t++) {
        float x[IMAGES], y[IMAGES];
        for (uint64_t i = 0; i < IMAGES; i++) { /* alike on most images, each its own on the others */
            const bool alike = eff_rng_uniform(3, t, 3 * i) < 0.7;
            x[i] = eff_rng_uniform(3, t, 3 * i + 1) < 0.75;
            y[i] = alike ? x[i] : eff_rng_uniform(3, t, 3 * i + 2) < 0.75;
        }
        const eff_paired q = eff_compare_paired(x, y, IMAGES);
        missed += q.lo > 0 || q.hi < 0;
    }
    assert_in_range(missed, 0.03 * TRIES, 0.07 * TRIES); /* sqrt(0.05 * 0.95 / 2000) is 0.5 % */
}

/* ------------------------------------------------------------------------------------------- deciding */

enum { PROBED = 400 };

typedef struct world {
    eff_situation s;
    eff_candidate c[16];
    float held[16][PROBED];
} world;

static void begin(world *w, size_t images)
{
    memset(w, 0, sizeof *w);
    w->s = (eff_situation){ .images = images,
                            .validation = images / 5,
                            .classes = 10,
                            .least = (int)images / 12,
                            .most = (int)images / 9,
                            .side = 500,
                            .memory = 8e9,
                            .longest = 12 * 3600,
                            .probed = PROBED,
                            .c = w->c };
}

/* @param right  accuracy of its probe; 0: not probed */
static eff_candidate *candidate(world *w, const char *name, int source, int resolution, bool native, double hours,
                                double right)
{
    const int i = w->s.n++;
    eff_candidate *const c = &w->c[i];
    snprintf(c->name, sizeof c->name, "%s", name);
    c->source = source;
    c->macs = (uint64_t)(1e9 * hours);
    c->v = (eff_variant){ .model = c->name,
                          .weights = source >= 0 ? "weights" : NULL,
                          .resolution = resolution,
                          .native = native,
                          .train_seconds = 3600 * hours,
                          .memory_bytes = 1e9,
                          .fits_memory = 1,
                          .fits_time = hours <= 12,
                          .enlarges = resolution > 525,
                          .probe = NAN };
    if (right > 0) {
        for (int k = 0; k < PROBED; k++) /* nested: the better ones are right where the worse ones are, and beyond */
            w->held[i][k] = k < right * PROBED ? 1 : 0;
        c->held = w->held[i];
        c->v.probe = right;
    }
    return c;
}

static void families(world *w)
{
    candidate(w, "efficientnet-b0", -1, 224, true, 0.5, 0);
    candidate(w, "efficientnet-b1", -1, 240, true, 1, 0);
    candidate(w, "efficientnet-b3", -1, 300, true, 3, 0);
    candidate(w, "efficientnet-b4", -1, 380, true, 7, 0);
}

static bool says(const eff_advised *d, const char *text)
{
    for (int i = 0; i < d->nreasons; i++)
        if (strstr(d->reason[i], text)) return true;
    return false;
}

/* Decide, and check what holds for every decision. */
static const eff_candidate *decide(eff_advised *d, const world *w)
{
    eff_advise_decide(d, &w->s);
    bool seen[EFF_ADVISE_MOST] = { 0 }, scratch = false;
    assert_true(d->nreasons >= 1);
    for (int i = 0; i < w->s.n; i++) {
        assert_in_range(d->order[i], 0, w->s.n - 1);
        assert_false(seen[d->order[i]]);
        seen[d->order[i]] = true;
        const eff_candidate *const c = &w->c[d->order[i]];
        assert_false(scratch && c->source >= 0); /* weights stand before none */
        scratch |= c->source < 0;
    }
    for (int i = 0; i < d->nreasons; i++)
        assert_true(strlen(d->reason[i]) > 10 && strlen(d->reason[i]) < EFF_REASON_LEN - 1);
    return &w->c[d->order[0]];
}

static void expect(const world *w, eff_advised *d, const char *model, int resolution)
{
    const eff_candidate *const c = decide(d, w);
    if (strcmp(c->v.model, model) || c->v.resolution != resolution)
        fail_msg("%s at %d, expected %s at %d", c->v.model, c->v.resolution, model, resolution);
}

/* Small differences are chance: the smallest network at its own size stays. Large ones are followed, up to what fits.
 */
static void test_evidence(void **state)
{
    (void)state;
    eff_advised d;
    world w;
    begin(&w, 400);
    candidate(&w, "efficientnet-lite0", 0, 224, true, 0.05, 0.80);
    candidate(&w, "efficientnet-lite0", 0, 160, false, 0.03, 0.78);
    candidate(&w, "efficientnet-lite0", 0, 288, false, 0.09, 0.8025);
    candidate(&w, "efficientnet-lite2", 1, 260, true, 0.12, 0.8025);
    families(&w);
    expect(&w, &d, "efficientnet-lite0", 224);
    assert_true(says(&d, "no difference that can be told from chance"));
    assert_true(says(&d, "no weights at hand for b0, b1, b3, b4"));
    assert_false(says(&d, "the next step"));

    candidate(&w, "efficientnet-lite1", 2, 240, true, 0.07, 0.86);
    expect(&w, &d, "efficientnet-lite1", 240);
    assert_true(says(&d, "what costs more pays"));

    /* B3 and B4 with weights, where resolution pays and the machine allows */
    begin(&w, 5000);
    candidate(&w, "efficientnet-b0", 0, 224, true, 0.5, 0.70);
    candidate(&w, "efficientnet-b0", 0, 288, false, 0.9, 0.76);
    eff_candidate *const b3 = candidate(&w, "efficientnet-b3", 1, 300, true, 3, 0.82);
    eff_candidate *const b4 = candidate(&w, "efficientnet-b4", 2, 380, true, 7, 0.88);
    expect(&w, &d, "efficientnet-b4", 380);
    b4->v.fits_time = 0;
    expect(&w, &d, "efficientnet-b3", 300);
    assert_true(says(&d, "time: training b4 at 380"));
    b3->v.fits_memory = 0;
    b3->v.memory_bytes = 9e9;
    expect(&w, &d, "efficientnet-b0", 288);
    assert_true(says(&d, "memory: training b3 at 300 takes at least 9000 MB"));
}

/* Whatever the untrained ones promise, and however little fits, weights at hand win. */
static void test_never_untrained(void **state)
{
    (void)state;
    static const size_t images[] = { 20, 400, 30000, 2000000 };
    for (size_t k = 0; k < sizeof images / sizeof *images; k++)
        for (int mask = 0; mask < 64; mask++) {
            eff_advised d;
            world w;
            begin(&w, images[k]);
            families(&w);
            eff_candidate *const own = candidate(&w, "efficientnet-lite0", 0, 224, true, 0.2, mask & 1 ? 0.3 : 0);
            eff_candidate *const less = candidate(&w, "efficientnet-lite0", 0, 160, false, 0.1, mask & 2 ? 0.3 : 0);
            own->v.fits_memory = !(mask & 4);
            own->v.fits_time = !(mask & 8);
            less->v.fits_memory = !(mask & 16);
            less->v.fits_time = !(mask & 32);
            const eff_candidate *const c = decide(&d, &w);
            assert_true(c->source >= 0);
            if (own->v.fits_memory && own->v.fits_time)
                assert_ptr_equal(c, own);
            else if (less->v.fits_memory && less->v.fits_time)
                assert_ptr_equal(c, less);
            else if (!own->v.fits_memory && !less->v.fits_memory)
                assert_true(says(&d, "memory: even this takes"));
            else
                assert_true(says(&d, "time: even this takes"));
        }
}

/* Without weights: small networks for small sets, larger ones only with very many images, and only what fits. */
static void test_from_scratch(void **state)
{
    (void)state;
    static const struct {
        size_t images;
        const char *model;
        int resolution;
    } cases[] = { { 300, "b0@small", 128 },           { 15000, "b0@small", 128 },
                  { 50000, "efficientnet-b0", 224 },  { 150000, "efficientnet-b1", 240 },
                  { 500000, "efficientnet-b3", 300 }, { 1300000, "efficientnet-b4", 380 } };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eff_advised d;
        world w;
        begin(&w, cases[i].images);
        w.s.probed = 0;
        candidate(&w, "b0@small", -1, 128, true, 0.1, 0)->reduced = true;
        families(&w);
        expect(&w, &d, cases[i].model, cases[i].resolution);
        assert_true(says(&d, "a rule of thumb") && says(&d, "with weights the advice would change"));
        for (int k = 1; k < w.s.n; k++) w.c[k].v.fits_time = 0; /* a slow machine */
        expect(&w, &d, "b0@small", 128);
    }
    eff_advised d;
    world w;
    begin(&w, 1300000);
    w.s.side = 230;
    candidate(&w, "b0@small", -1, 128, true, 0.1, 0)->reduced = true;
    families(&w);
    for (int k = 0; k < w.s.n; k++) w.c[k].v.enlarges = w.c[k].v.resolution > 241;
    expect(&w, &d, "efficientnet-b1", 240); /* small photographs */
    assert_true(says(&d, "show no more of them"));
}

/* What is better wins whatever the order of the candidates, and more evidence never makes a network worse off. */
static void test_order_and_monotony(void **state)
{
    (void)state;
    for (uint64_t t = 0; t < 200; t++) {
        eff_advised d, again;
        world w, turned;
        const int n = 2 + (int)(eff_rng_bits(5, t, 0) % 6);
        begin(&w, 800);
        begin(&turned, 800);
        for (int i = 0; i < n; i++) {
            const double right = 0.5 + 0.01 * (double)(eff_rng_bits(5, t, 10 + (uint64_t)i) % 40);
            char name[16];
            snprintf(name, sizeof name, "n%d", i);
            candidate(&w, name, i, 224, i == 0 || i % 2 == 0, 0.1 * (i + 1), right);
        }
        for (int i = n - 1; i >= 0; i--)
            candidate(&turned, w.c[i].name, w.c[i].source, 224, w.c[i].v.native, 0.1 * (i + 1), w.c[i].v.probe);
        const eff_candidate *const best = decide(&d, &w);
        assert_string_equal(best->name, decide(&again, &turned)->name);
        assert_true(best == &w.c[0] || best->v.probe > w.c[0].v.probe);
        const int at = d.order[0];
        if (at == 0) continue;
        for (int k = 0; k < PROBED; k++) w.held[at][k] = 1;
        w.c[at].v.probe = 1;
        const eff_candidate *const after = decide(&d, &w);
        assert_true(after == &w.c[at]);
    }
}

/* ---------------------------------------------------------------------------------------------- the whole */

static int stop(void *ctx, double part, const char *what)
{
    assert_true(part >= 0 && part < 1 && what && *what);
    return ++*(int *)ctx >= 3;
}

static void test_whole(void **state)
{
    (void)state;
    eff_error err = { 0 };
    char *const dir = eff_strdup(t_tmp("set")), *const file = eff_strdup(t_tmp("tiny.effnet"));
    eff_synth_opts so;
    eff_synth_opts_init(&so);
    so.classes = 3;
    so.train = 10;
    so.val = 4;
    so.size = 64;
    T_OK(eff_synth_write(dir, &so, NULL, NULL, &err), err);
    eff_model *m;
    T_OK(eff_model_load(&m, "b0@width=0.2,depth=0.2,resolution=48", NULL, &err), err);
    T_OK(eff_model_init(m, 5, &err), err);
    T_OK(eff_model_save(m, file, &err), err);
    eff_model_free(m);
    eff_dataset *data;
    T_OK(eff_dataset_open(&data, dir, NULL, &err), err);
    const char *const weights[] = { file, file };
    eff_advise_opts o;
    eff_advise_opts_init(&o);
    o.weights = weights;
    o.nweights = 2; /* the second is the same network: the first counts */
    o.seconds = 0.5;
    o.threads = 2;
    o.memory = (size_t)400 << 20;
    eff_advice *a;
    T_OK(eff_advise(&a, data, &o, &err), err);
    const eff_variant *const best = eff_advice_variant(a, 0), *v;
    assert_string_equal(best->weights, file);
    assert_true(best->train_measured && best->train_seconds > 0 && best->latency_ms > 0 && best->latency_measured &&
                best->fits_memory);
    assert_true(best->memory_bytes > 60e6 && best->memory_bytes < 100e6);
    assert_string_equal(best->recipe, "transfer");
    assert_true(best->probe >= best->probe_lo && best->probe <= best->probe_hi);
    assert_int_equal(eff_advice_get_facts(a).side, 64);
    assert_int_equal(eff_advice_get_facts(a).probed, 30);
    int n = 0, own = 0, heavy = 0;
    for (; (v = eff_advice_variant(a, n)); n++) {
        own += v->weights != NULL;
        heavy += !v->fits_memory;
        assert_true(isfinite(v->train_seconds) && v->train_seconds > 0 && v->latency_ms > 0 && v->memory_bytes > 0);
        assert_true(v->fits_memory == (v->memory_bytes <= (double)o.memory));
        if (v->weights) assert_true(v->resolution == 48 || v->resolution == 32 || v->resolution == 64);
    }
    assert_int_equal(own, 3);
    assert_int_equal(n, 3 + 10);
    assert_true(heavy >= 1); /* B4 does not train in 400 MB */
    assert_non_null(eff_advice_reason(a, 0));
    eff_advice_free(a);

    for (long at = 0; at < 20000;
         at += at / 2 + 1) { /* memory that ends anywhere is said to have ended, and nothing is lost */
        eff_alloc_fail_after(at);
        const eff_status s = eff_advise(&a, data, &o, &err);
        const long refused = eff_alloc_count() - at;
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) { /* at most the images of batches that nobody came for were not made */
            eff_advice_free(a);
            if (refused > EFF_LOADER_BATCHES * 30)
                fail_msg("%ld allocations from %ld on failed unnoticed", refused, at);
            break;
        }
        assert_int_equal(s, EFF_ENOMEM);
        assert_null(a);
    }

    int calls = 0;
    o.progress = stop;
    o.ctx = &calls;
    assert_int_equal(eff_advise(&a, data, &o, &err), EFF_ECANCELLED);
    assert_null(a);
    const char *const none[] = { t_data("reference/blocks.tsv") };
    o.progress = NULL;
    o.weights = none;
    o.nweights = 1;
    assert_int_equal(eff_advise(&a, data, &o, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "blocks.tsv"));
    o.seconds = -1;
    assert_int_equal(eff_advise(&a, data, &o, &err), EFF_EARG);
    eff_dataset_free(data);
    eff_free(dir);
    eff_free(file);
}

static void test_memory_of_the_machine(void **state)
{
    (void)state;
    const size_t there = eff_memory_available();
    assert_true(there > (size_t)16 << 20 && there < (size_t)1 << 46);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paired),
        cmocka_unit_test(test_evidence),
        cmocka_unit_test(test_never_untrained),
        cmocka_unit_test(test_from_scratch),
        cmocka_unit_test(test_order_and_monotony),
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_memory_of_the_machine),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
