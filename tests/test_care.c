/* SPDX-License-Identifier: Apache-2.0 */
/* Models made of models: averages to the bit and in any order, what is refused, heads that are new and bodies without
 * one, the hash of a file; and that none of it survives memory that ends. */
#include "support.h"

#include "base/mem.h"
#include "infer/engine.h"

#include <effnet/care.h>
#include <effnet/train.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SMALL "b0@width=0.1,depth=0.1,resolution=32,classes=5"

static eff_model *network(const char *spec, uint64_t seed)
{
    eff_model *m;
    eff_error err = { 0 };
    T_OK(eff_model_load(&m, spec, NULL, &err), err);
    T_OK(eff_model_init(m, seed, &err), err);
    for (int i = 0; i < m->graph->nparams; i++) { /* statistics and biases that differ, values of very different size */
        const eff_param *p = &m->graph->param[i];
        float *const v = t_uniform(p->count, p->kind == EFF_PARAM_BN_VAR ? 0.25f : -2, 2, seed * 1000 + (uint64_t)i);
        for (size_t k = 0; k < p->count; k++) m->weights[i][k] = k % 7 ? v[k] : ldexpf(v[k], (int)(seed % 3) * 30 - 30);
        if (p->count > 3 && p->kind != EFF_PARAM_BN_VAR) m->weights[i][3] = -0.0f;
        free(v);
    }
    return m;
}

static void same_bits(const eff_model *a, const eff_model *b)
{
    assert_int_equal(a->graph->nparams, b->graph->nparams);
    for (int i = 0; i < a->graph->nparams; i++)
        if (memcmp(a->weights[i], b->weights[i], a->graph->param[i].count * sizeof(float)) != 0)
            fail_msg("%s differs", a->graph->param[i].name);
}

/* ------------------------------------------------------------------------------------------------- averages */

static void average_of_copies(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const m = network(SMALL, 1), *out;
    const eff_model *const list[7] = { m, m, m, m, m, m, m };
    for (int n = 1; n <= 7; n++)
        for (int k = 0; k < 4; k++) {
            T_OK(eff_model_average(&out, list, n, (const double[]){ -1, 0, 0.9, 1 }[k], &err), err);
            same_bits(out, m);
            eff_model_free(out);
        }
    eff_model_free(m);
}

static void average_of_two(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const a = network(SMALL, 1), *const b = network(SMALL, 2), *out;
    T_OK(eff_model_average(&out, (const eff_model *[]){ a, b }, 2, -1, &err), err);
    assert_true(eff_model_get_info(out)->has_weights && eff_model_get_info(out)->activation_bytes > 0);
    size_t changed = 0;
    for (int i = 0; i < a->graph->nparams; i++)
        for (size_t k = 0; k < a->graph->param[i].count; k++) {
            const float x = a->weights[i][k], y = b->weights[i][k], want = (float)(((double)x + (double)y) / 2);
            if (memcmp(&want, &out->weights[i][k], sizeof want) != 0) fail_msg("%s[%zu]", a->graph->param[i].name, k);
            changed += want != x;
        }
    assert_true(changed > 1000);
    eff_model_free(out);
    eff_model_free(a);
    eff_model_free(b);
}

static void any_order(void **state)
{
    (void)state;
    static const int order[6][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };
    eff_error err = { 0 };
    eff_model *m[3], *first, *out;
    for (int i = 0; i < 3; i++) m[i] = network(SMALL, (uint64_t)i + 1);
    T_OK(eff_model_average(&first, (const eff_model *[]){ m[0], m[1], m[2] }, 3, -1, &err), err);
    for (int o = 1; o < 6; o++) {
        T_OK(eff_model_average(&out, (const eff_model *[]){ m[order[o][0]], m[order[o][1]], m[order[o][2]] }, 3, -1,
                               &err),
             err);
        same_bits(first, out);
        eff_model_free(out);
    }
    eff_model_free(first);
    for (int i = 0; i < 3; i++) eff_model_free(m[i]);
}

/* The recurrence, and its ends: decay 1 keeps the first, 0 the last. */
static void moving_average(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *m[3], *out;
    for (int i = 0; i < 3; i++) m[i] = network(SMALL, (uint64_t)i + 1);
    const eff_model *const list[3] = { m[0], m[1], m[2] };
    T_OK(eff_model_average(&out, list, 3, 0.75, &err), err);
    for (int i = 0; i < out->graph->nparams; i++)
        for (size_t k = 0; k < out->graph->param[i].count; k++) {
            const double x = (double)m[0]->weights[i][k], y = (double)m[1]->weights[i][k],
                         z = (double)m[2]->weights[i][k];
            const double want = 0.75 * (0.75 * x + 0.25 * y) + 0.25 * z, most = fmax(fabs(x), fmax(fabs(y), fabs(z)));
            if (!(fabs((double)out->weights[i][k] - want) <=
                  6.1e-8 * most)) /* half a unit of float32 in the last place */
                fail_msg("%s[%zu]", out->graph->param[i].name, k);
        }
    eff_model_free(out);
    T_OK(eff_model_average(&out, list, 3, 1, &err), err);
    same_bits(out, m[0]);
    eff_model_free(out);
    for (int i = 0; i < 3; i++) eff_model_free(m[i]);
}

static void what_is_kept(void **state)
{
    (void)state;
    eff_error err = { 0 };
    FILE *const f = fopen(t_tmp("names.tsv"), "w");
    assert_non_null(f);
    for (int i = 0; i < 5; i++) fprintf(f, "%d\tn%04d\tclass %d\n", i, i, i);
    fclose(f);
    eff_model *const a = network(SMALL, 1), *const b = network(SMALL, 2), *out;
    T_OK(eff_model_set_classes(b, t_tmp("names.tsv"), &err), err); /* a has no names: they do not contradict */
    T_OK(eff_model_set_origin(a, "one run", "Apache-2.0", &err), err);
    T_OK(eff_model_set_origin(b, "another run", "Apache-2.0", &err), err);
    T_OK(eff_model_set_temperature(a, 1.5, &err), err);
    T_OK(eff_model_set_temperature(b, 1.5, &err), err);
    for (int i = 0; i < 2; i++) {
        T_OK(eff_model_set_record(i ? a : b, EFF_RECORD_METRICS, "{\"top1\":0.5}", &err), err);
        T_OK(eff_model_set_record(i ? a : b, EFF_RECORD_TRAINING, "{\"seed\":1}", &err), err);
    }
    a->meta.note = eff_strdup("moving averages"); /* of what the tensors of its file were; b's says nothing */
    T_OK(eff_model_average(&out, (const eff_model *[]){ a, b }, 2, -1, &err), err);
    assert_string_equal(eff_model_get_info(out)->note, "moving averages");
    assert_string_equal(eff_model_class_name(out, 4), "class 4");
    assert_int_equal(eff_model_find_class(out, "n0003"), 3);
    assert_null(eff_model_get_info(out)->origin);
    assert_string_equal(eff_model_get_info(out)->licence, "Apache-2.0");
    assert_true(eff_model_temperature(out) == 1);
    assert_null(eff_model_record(out, EFF_RECORD_METRICS));
    assert_string_equal(eff_model_record(out, EFF_RECORD_TRAINING), "{\"seed\":1}");
    eff_model_free(out);
    b->meta.note = eff_strdup("tensors under model");
    T_OK(eff_model_average(&out, (const eff_model *[]){ a, b }, 2, -1, &err), err);
    assert_null(eff_model_get_info(out)->note);
    eff_model_free(out);
    eff_model_free(a);
    eff_model_free(b);
}

static void mismatches(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *says;
    } other[] = {
        { "b0@width=0.1,depth=0.1,resolution=32,classes=6", "classes: expected 5 as in the first, found 6" },
        { "b0@width=0.2,depth=0.1,resolution=32,classes=5",
          "architecture: expected efficientnet-b0@width=0.1,depth=0.1 as in the first" },
        { "lite0@width=0.1,depth=0.1,resolution=32,classes=5", "architecture: expected" },
        { SMALL ",padding=symmetric",
          "architecture: expected same padding, epsilon 0.001, silu as in the first, found symmetric" },
        { SMALL ",eps=1e-5", "found same, 1e-05, silu" },
        { "b0@width=0.1,depth=0.1,resolution=64,classes=5", "resolution: expected 32x32 as in the first, found 64x64" },
    };
    eff_error err = { 0 };
    eff_model *const m = network(SMALL, 1), *b, *out = m;
    for (size_t i = 0; i < sizeof other / sizeof *other; i++) {
        b = network(other[i].spec, 2);
        assert_int_equal(eff_model_average(&out, (const eff_model *[]){ m, b }, 2, -1, &err), EFF_EARG);
        assert_null(out);
        if (!strstr(err.msg, other[i].says)) fail_msg("%s: %s", other[i].spec, err.msg);
        assert_int_equal(eff_average_check(m, b, &err), EFF_EARG);
        eff_model_free(b);
    }
    b = network(SMALL ",dropout=0.5,drop_path=0.1", 2); /* of training only */
    T_OK(eff_average_check(m, b, &err), err);
    eff_preprocess p = *eff_model_get_preprocess(b);
    p.filter = EFF_FILTER_BILINEAR;
    eff_model_set_preprocess(b, &p);
    assert_int_equal(eff_average_check(m, b, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "preprocessing: expected short=37,filter=bicubic"));
    eff_model_free(b);
    T_OK(eff_model_load(&b, SMALL, NULL, &err), err);
    assert_int_equal(eff_average_check(m, b, &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "untrained"));
    assert_int_equal(eff_model_average(&out, (const eff_model *[]){ m }, 0, -1, &err), EFF_EARG);
    assert_int_equal(eff_model_average(&out, (const eff_model *[]){ m }, 1, 1.5, &err), EFF_EARG);
    assert_int_equal(eff_model_average(&out, (const eff_model *[]){ m }, 1, (double)NAN, &err), EFF_EARG);
    eff_model_free(b);
    eff_model_free(m);
}

/* ---------------------------------------------------------------------------------------------------- heads */

static void new_head(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const m = network(SMALL, 1), *a, *b, *fresh;
    m->meta.note = eff_strdup("tensors under model");
    T_OK(eff_model_with_head(&a, m, 9, 7, &err), err);
    assert_string_equal(eff_model_get_info(a)->note, "tensors under model");
    T_OK(eff_model_with_head(&b, m, 9, 7, &err), err);
    same_bits(a, b);
    eff_model_free(b);
    T_OK(eff_model_load(&fresh, "b0@width=0.1,depth=0.1,resolution=32,classes=9", NULL, &err), err);
    T_OK(eff_model_init(fresh, 7, &err), err);
    assert_int_equal(eff_model_get_info(a)->classes, 9);
    const int n = m->graph->nparams;
    assert_int_equal(a->graph->nparams, n);
    for (int i = 0; i < n; i++) { /* the body is the old one, the classifier that of a fresh network */
        const eff_model *const from = i < n - 2 ? m : fresh;
        assert_memory_equal(a->weights[i], from->weights[i], a->graph->param[i].count * sizeof(float));
    }
    assert_non_null(strstr(eff_model_record(a, EFF_RECORD_TRAINING), "not trained"));
    T_OK(eff_model_with_head(&b, m, 9, 8, &err), err);
    assert_memory_not_equal(a->weights[n - 2], b->weights[n - 2], a->graph->param[n - 2].count * sizeof(float));
    eff_model_free(b);
    assert_int_equal(eff_model_with_head(&b, m, -1, 0, &err), EFF_EARG);
    assert_null(b);
    eff_model_free(a);
    eff_model_free(m);
    eff_model_free(fresh);
}

/* The body's features are the full model's to the bit: at every level of this CPU, for batches, from the file too. */
static void check_features(const char *spec)
{
    eff_error err = { 0 };
    eff_model *const m = network(spec, 3), *body, *back, *again;
    T_OK(eff_model_with_head(&body, m, 0, 0, &err), err);
    const int d = eff_model_features(m), n = 3;
    assert_int_equal(eff_model_features(body), d);
    const eff_model_info *const i = eff_model_get_info(body), *const full = eff_model_get_info(m);
    assert_int_equal(i->classes, 0);
    assert_true(i->params == full->params - (uint64_t)full->classes * (uint64_t)(d + 1));
    assert_true(i->macs == full->macs - full->macs_fc && i->macs_fc == 0);
    assert_string_equal(i->stages[i->nstages - 1].role, "features");
    T_OK(eff_model_save(body, t_tmp("body.effnet"), &err), err);
    T_OK(eff_model_load(&back, t_tmp("body.effnet"), NULL, &err), err);
    same_bits(body, back);
    T_OK(eff_model_with_head(&again, back, full->classes, 0, &err), err); /* and a body takes a head */
    assert_int_equal(again->graph->nparams, m->graph->nparams);
    const size_t image = (size_t)i->height * (size_t)i->width_px * 3;
    float *const x = t_uniform((size_t)n * image, -2, 2, 5), *const f = t_guarded((size_t)n * (size_t)d);
    float *const logits = malloc((size_t)full->classes * sizeof *logits);
    const char *const levels[] = { "ref", NULL };
    for (int l = 0; l < 2; l++) {
        eff_engine *e, *w;
        const eff_engine_opts o = { .threads = l + 1, .max_batch = n, .cpu = levels[l] };
        T_OK(eff_engine_create(&e, back, &o, &err), err);
        T_OK(eff_engine_create(&w, m, &o, &err), err);
        T_OK(eff_engine_run(e, x, n, f, &err), err);
        t_guard_check(f, (size_t)n * (size_t)d);
        for (int k = 0; k < n; k++) {
            T_OK(eff_engine_run(w, x + (size_t)k * image, 1, logits, &err), err);
            assert_memory_equal(eff_plan_features(w->plan), f + (size_t)k * (size_t)d, (size_t)d * sizeof *f);
        }
        assert_memory_equal(eff_plan_features(e->plan), f + (size_t)(n - 1) * (size_t)d, (size_t)d * sizeof *f);
        eff_engine_free(e);
        eff_engine_free(w);
    }
    free(logits);
    free(x);
    t_guard_free(f);
    eff_model_free(m);
    eff_model_free(body);
    eff_model_free(back);
    eff_model_free(again);
}

static void features(void **state)
{
    (void)state;
    check_features(SMALL);
    check_features("resnet18@width=0.25,resolution=48,classes=4");
    check_features("mobilenetv1-1.0@width=0.25,resolution=33,classes=3");
    check_features("mnasnet-a1@width=0.25,resolution=40x56,classes=2");
}

static void no_classes(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const m = network(SMALL, 1), *body;
    eff_session *s = NULL;
    eff_session_opts o;
    eff_train_memory need;
    eff_session_opts_init(&o);
    T_OK(eff_model_with_head(&body, m, 0, 0, &err), err);
    assert_int_equal(eff_session_create(&s, body, &o, &err), EFF_EARG);
    assert_null(s);
    assert_non_null(strstr(err.msg, "no classifier"));
    assert_int_equal(eff_train_memory_plan(body, &o, &need, &err), EFF_EARG);
    assert_int_equal(eff_model_set_classes(body, t_data("dtypes.tsv"), &err), EFF_EARG);
    assert_int_equal(eff_model_find_class(body, "0"), -1);
    assert_null(eff_model_class_name(body, 0));
    eff_model_free(body);
    eff_model_free(m);
}

/* ----------------------------------------------------------------------------------------------------- hash */

static void hashes(void **state)
{
    (void)state;
    char hex[65];
    uint64_t bytes = 0;
    eff_error err = { 0 };
    FILE *f = fopen(t_tmp("abc"), "w");
    assert_true(f && fputs("abc", f) >= 0 && fclose(f) == 0);
    T_OK(eff_file_sha256(t_tmp("abc"), hex, &bytes, &err), err); /* FIPS 180-2, appendix B.1 and B.3 */
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(bytes == 3);
    f = fopen(t_tmp("abc"), "w");
    assert_non_null(f);
    for (int i = 0; i < 1000000; i++) putc('a', f);
    fclose(f);
    T_OK(eff_file_sha256(t_tmp("abc"), hex, NULL, &err), err);
    assert_string_equal(hex, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    assert_int_equal(eff_file_sha256(t_tmp("."), hex, &bytes, &err), EFF_EFORMAT);
    assert_int_equal(eff_file_sha256(t_tmp("absent"), hex, &bytes, &err), EFF_EFORMAT);
}

static void append_file(const char *to, const char *from)
{
    FILE *const f = fopen(from, "rb"), *const g = fopen(to, "ab");
    assert_true(f && g);
    for (int b; (b = getc(f)) != EOF;) putc(b, g);
    fclose(f);
    assert_int_equal(fclose(g), 0);
}

/* A TensorFlow checkpoint is its index and then its data files, whichever of them it was given as. */
static void hash_of_several(void **state)
{
    (void)state;
    static const char *const members[] = { "index", "data-00000-of-00002", "data-00001-of-00002" };
    char hex[65], whole[65], path[128];
    uint64_t bytes = 0, together = 0;
    size_t files = 0;
    eff_error err = { 0 };
    eff_checkpoint *c;
    remove(t_tmp("all"));
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "checkpoints/tensorflow/sharded/model.ckpt.%s", members[i]);
        append_file(t_tmp("all"), t_data("%s", path));
    }
    T_OK(eff_file_sha256(t_tmp("all"), whole, &together, &err), err);
    for (int i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "checkpoints/tensorflow/sharded%s",
                 (const char *[]){ "", "/model.ckpt", "/model.ckpt.index" }[i]);
        T_OK(eff_checkpoint_open(&c, t_data("%s", path), &err), err);
        T_OK(eff_checkpoint_sha256(c, hex, &bytes, &files, &err), err);
        assert_string_equal(hex, whole);
        assert_true(bytes == together && files == 3);
        eff_checkpoint_close(c);
    }
    T_OK(eff_checkpoint_open(&c, t_data("checkpoints/small_timm_tf.safetensors"), &err), err);
    T_OK(eff_checkpoint_sha256(c, hex, &bytes, &files, &err), err);
    assert_true(files == 0 && bytes == 0);
    eff_checkpoint_close(c);
    append_file(t_tmp("gone.index"), t_data("checkpoints/tensorflow/good/model.ckpt.index"));
    append_file(t_tmp("gone.data-00000-of-00001"),
                t_data("checkpoints/tensorflow/good/model.ckpt.data-00000-of-00001"));
    T_OK(eff_checkpoint_open(&c, t_tmp("gone"), &err), err);
    remove(t_tmp("gone.data-00000-of-00001"));
    assert_int_equal(eff_checkpoint_sha256(c, hex, &bytes, &files, &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "gone.data-00000-of-00001: no such file"));
    eff_checkpoint_close(c);
}

/* --------------------------------------------------------------------------------------- memory that ends */

static void memory_ends(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_model *const a = network(SMALL, 1), *const b = network(SMALL, 2), *out;
    T_OK(eff_model_set_origin(a, "x", "y", &err), err);
    T_OK(eff_model_set_classes(a, t_tmp("names.tsv"), &err), err);
    char hex[65];
    for (int what = 0; what < 4; what++)
        for (long n = 0;; n++) {
            assert_true(n < 1000);
            out = NULL;
            eff_alloc_fail_after(n);
            const eff_status s = what == 0   ? eff_model_average(&out, (const eff_model *[]){ a, b }, 2, -1, &err)
                                 : what == 3 ? eff_file_sha256(t_tmp("names.tsv"), hex, NULL, &err)
                                             : eff_model_with_head(&out, a, what == 1 ? 3 : 0, 1, &err);
            eff_alloc_fail_after(-1);
            eff_model_free(out);
            if (s == EFF_OK) {
                assert_true(n >= 1);
                break;
            }
            assert_null(out);
            assert_int_equal(s, EFF_ENOMEM);
        }
    eff_model_free(a);
    eff_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(average_of_copies), cmocka_unit_test(average_of_two),
        cmocka_unit_test(any_order),         cmocka_unit_test(moving_average),
        cmocka_unit_test(what_is_kept),      cmocka_unit_test(mismatches),
        cmocka_unit_test(new_head),          cmocka_unit_test(features),
        cmocka_unit_test(no_classes),        cmocka_unit_test(hashes),
        cmocka_unit_test(hash_of_several),   cmocka_unit_test(memory_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
