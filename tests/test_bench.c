/* SPDX-License-Identifier: Apache-2.0 */
/* What bench measures. Times are not predictable; that parts lie within the whole, and counts add up, is. */
#define _GNU_SOURCE
#include "support.h"

#include <effnet/bench.h>

#include <stdlib.h>
#include <string.h>
#include <time.h>

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct bench {
    eff_model *m;
    eff_engine *e;
    float *x, *logits;
    int batch;
} bench;

static bench make_bench(const char *spec, int batch, int threads)
{
    bench b = { .batch = batch };
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    o.max_batch = batch;
    o.threads = threads;
    assert_int_equal(eff_model_load(&b.m, spec, NULL, NULL), EFF_OK);
    assert_int_equal(eff_model_init(b.m, 1, NULL), EFF_OK);
    assert_int_equal(eff_engine_create(&b.e, b.m, &o, NULL), EFF_OK);
    const eff_model_info *i = eff_model_get_info(b.m);
    b.x = t_uniform((size_t)batch * (size_t)i->height * (size_t)i->width_px * 3, -1, 1, 7);
    b.logits = malloc((size_t)batch * (size_t)i->classes * sizeof *b.logits);
    assert_non_null(b.logits);
    return b;
}

static void free_bench(bench *b)
{
    eff_engine_free(b->e);
    eff_model_free(b->m);
    free(b->x);
    free(b->logits);
}

static double sum_ms(const eff_engine *e)
{
    double ms = 0;
    for (int i = 0; i < eff_engine_layer(e, 0, NULL); i++) {
        eff_layer l;
        eff_engine_layer(e, i, &l);
        assert_true(l.ms >= 0);
        ms += l.ms;
    }
    return ms;
}

/* Every multiply-add of the model is some layer's, the input of a chain is the output before it, and the layers' times
 * make up the run: never more, and nearly all. */
static void profile_adds_up(void **state)
{
    (void)state;
    static const char *const spec[] = { "b0@resolution=64", "resnet18@resolution=64", "lite0@resolution=64" };
    enum { RUNS = 8, BATCH = 2 };
    for (size_t k = 0; k < sizeof spec / sizeof *spec; k++) {
        bench b = make_bench(spec[k], BATCH, 1);
        assert_int_equal(eff_engine_layer(b.e, 0, NULL), 0); /* before eff_engine_profile() */
        assert_int_equal(eff_engine_profile(b.e, NULL), EFF_OK);
        const int n = eff_engine_layer(b.e, 0, NULL);
        const eff_model_info *info = eff_model_get_info(b.m);
        assert_true(n > 10);
        eff_layer first, last;
        uint64_t macs = 0;
        for (int i = 0; i < n; i++) {
            eff_layer l;
            eff_engine_layer(b.e, i, &l);
            assert_true(l.ms == 0);
            assert_true(*l.name && *l.op);
            macs += l.macs;
        }
        assert_true(macs == info->macs);
        eff_engine_layer(b.e, 0, &first);
        eff_engine_layer(b.e, n - 1, &last);
        assert_int_equal(first.in[0], info->height);
        assert_int_equal(first.in[2], 3);
        assert_int_equal(last.out[2], info->classes);
        double whole = 0, parts = 0;
        for (int attempt = 0; attempt < 5; attempt++) { /* another process may get the CPU between two layers */
            assert_int_equal(eff_engine_profile(b.e, NULL), EFF_OK);
            assert_true(sum_ms(b.e) == 0); /* starts from zero again */
            const double start = seconds();
            for (int r = 0; r < RUNS; r++) assert_int_equal(eff_engine_run(b.e, b.x, BATCH, b.logits, NULL), EFF_OK);
            whole = seconds() - start;
            parts = 1e-3 * RUNS * BATCH * sum_ms(b.e);
            assert_true(parts <= 1.0001 * whole);
            if (parts > 0.95 * whole) break;
        }
        assert_true(parts > 0.95 * whole);
        free_bench(&b);
    }
}

/* Watching changes nothing. */
static void profile_keeps_the_bits(void **state)
{
    (void)state;
    bench b = make_bench("b0@width=0.35,resolution=64,classes=10", 1, 2);
    float plain[10];
    assert_int_equal(eff_engine_run(b.e, b.x, 1, b.logits, NULL), EFF_OK);
    memcpy(plain, b.logits, sizeof plain);
    assert_int_equal(eff_engine_profile(b.e, NULL), EFF_OK);
    assert_int_equal(eff_engine_run(b.e, b.x, 1, b.logits, NULL), EFF_OK);
    assert_memory_equal(plain, b.logits, sizeof plain);
    free_bench(&b);
}

static void machine_is_measured(void **state)
{
    (void)state;
    static const char *const where[] = { "L1", "L2", "L3", "memory" };
    eff_machine m;
    assert_int_equal(eff_machine_measure(&m, NULL, 2, 0.05, NULL), EFF_OK);
    assert_int_equal(m.threads, 2);
    assert_true(m.npeaks >= 1 && *m.cpu);
    assert_string_equal(m.peak[0].level, "ref");
    for (int i = 0; i < m.npeaks; i++) {
        assert_non_null(strstr(eff_cpu_levels(), m.peak[i].level));
        assert_true(m.peak[i].gflops_one > 0 && m.peak[i].gflops_all > 0);
    }
    assert_int_equal(m.nbandwidths, 4);
    for (int i = 0; i < 4; i++) {
        const eff_bandwidth *b = &m.bandwidth[i];
        assert_string_equal(b->where, where[i]);
        assert_true(b->bytes > 0 && b->gb_one > 0 && b->gb_all > 0);
        assert_true(i == 0 || b->bytes > m.bandwidth[i - 1].bytes);
    }
    assert_int_equal(eff_machine_measure(&m, "ref", 1, 0.01, NULL), EFF_OK); /* the cap holds */
    assert_int_equal(m.npeaks, 1);
    assert_string_equal(m.peak[0].level, "ref");
    assert_true(m.peak[0].gflops_one == m.peak[0].gflops_all);
    eff_peak p;
    assert_int_equal(eff_peak_measure(&p, "ref", EFF_FLOAT32, 2, 0.01, NULL), EFF_OK);
    assert_string_equal(p.level, "ref");
    assert_true(p.gflops_one > 0 && p.gflops_all > 0);
    eff_bandwidth b;
    assert_int_equal(eff_bandwidth_measure(&b, "ref", 2, 100000, 0.01, NULL), EFF_OK);
    assert_string_equal(b.where, "block");
    assert_true(b.bytes >= 100000 && b.bytes < 101000 && b.gb_one > 0 && b.gb_all > 0);
}

static void impossible_questions(void **state)
{
    (void)state;
    eff_machine m;
    eff_peak p;
    eff_error err = { 0 };
    assert_int_equal(eff_machine_measure(NULL, NULL, 1, 1, &err), EFF_EARG);
    assert_int_equal(eff_machine_measure(&m, NULL, 1, 0, &err), EFF_EARG);
    assert_int_equal(eff_machine_measure(&m, NULL, -1, 1, &err), EFF_EARG);
    assert_int_equal(eff_machine_measure(&m, NULL, 100000, 1, &err), EFF_EARG);
    assert_int_equal(eff_machine_measure(&m, "sse9", 1, 1, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "sse9"));
    assert_int_equal(eff_peak_measure(NULL, NULL, EFF_FLOAT32, 1, 1, &err), EFF_EARG);
    assert_int_equal(eff_peak_measure(&p, NULL, EFF_FLOAT32, 1, -1, &err), EFF_EARG);
    assert_int_equal(eff_peak_measure(&p, "sse9", EFF_FLOAT32, 1, 1, &err), EFF_EARG);
    assert_int_equal(eff_peak_measure(&p, "avx512", EFF_BFLOAT16, 1, 1, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "AVX512_BF16"));
    eff_bandwidth b;
    assert_int_equal(eff_bandwidth_measure(NULL, NULL, 1, 4096, 1, &err), EFF_EARG);
    assert_int_equal(eff_bandwidth_measure(&b, NULL, 1, 0, 1, &err), EFF_EARG);
    assert_int_equal(eff_bandwidth_measure(&b, NULL, 1, SIZE_MAX, 1, &err), EFF_EARG);
    assert_int_equal(eff_bandwidth_measure(&b, "sse9", 1, 4096, 1, &err), EFF_EARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profile_adds_up),
        cmocka_unit_test(profile_keeps_the_bits),
        cmocka_unit_test(machine_is_measured),
        cmocka_unit_test(impossible_questions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
