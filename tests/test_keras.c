/* SPDX-License-Identifier: Apache-2.0 */
/* Keras files through the worker: every layout holds the small network's weights to the bit and gives its logits, the
 * layers in front of it become the preprocessing, and what an HDF5 file must not ask for is refused by name. */
#define _GNU_SOURCE
#include "checkpoints.h"
#include "forward.h"

#include "formats/formats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *keras(const char *name) { return t_data("checkpoints/keras/%s", name); }

static const struct {
    const char *file, *format, *note;
} good[] = {
    { "weights.h5", "keras-h5",
      "Normalization folded into the preprocessing, behind a Rescaling by 1/255 that a file of weights does not tell "
      "of" },
    { "small.keras", "keras", "Rescaling and Normalization folded into the preprocessing" },
    { "full.h5", "keras-h5", "Rescaling and Normalization folded into the preprocessing" },
    { "legacy.h5", "keras-h5",
      "Normalization folded into the preprocessing, behind a Rescaling by 1/255 that a file of weights does not tell "
      "of" },
    { "published.h5", "keras-h5", "no Normalization layer, the usual mean and standard deviation assumed" },
    { "finetuned.h5", "keras-h5",
      "Normalization folded into the preprocessing, behind a Rescaling by 1/255 that a file of weights does not tell "
      "of, "
      "its variance being the standard deviation as in Keras' published files; classifier is layer my_classes" },
};

static void layouts(void **state)
{
    (void)state;
    static const float mean[3] = { 123.675f, 116.28f, 103.53f }, std[3] = { 58.395f, 57.12f, 57.375f };
    const eff_table t = t_golden_table("small");
    eff_model *const want = t_formula_model("small", &t);
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        eff_error err = { 0 };
        eff_model_opts o = { 0 };
        eff_model *m;
        T_OK(eff_formats_load(&m, keras(good[i].file), &o, &err), err);
        assert_string_equal(m->table.name, t.name);
        assert_int_equal(m->table.classes, 10);
        assert_string_equal(m->meta.family, "keras");
        assert_string_equal(m->meta.format, good[i].format);
        assert_string_equal(m->info.note, good[i].note);
        assert_true(m->table.bn_eps == 1e-3 && m->table.pad == EFF_PAD_SAME);
        for (int p = 0; p < m->graph->nparams; p++)
            assert_memory_equal(m->weights[p], want->weights[p], m->graph->param[p].count * sizeof(float));
        for (int c = 0; c < 3; c++) { /* the variance is the square of the standard deviation, in float32 */
            assert_true(fabsf(m->meta.preprocess.mean[c] - mean[c]) < 1e-4f * mean[c]);
            assert_true(fabsf(m->meta.preprocess.std[c] - std[c]) < 1e-4f * std[c]);
        }
        eff_model_destroy(m);
    }
    eff_model_destroy(want);
}

/* Channels last, as the golden input is not. */
static void logits(void **state)
{
    (void)state;
    if (!t_have_shared()) skip();
    t_npy in = t_npy_load(t_shared("golden/forward/small_input.npy")),
          want = t_npy_load(t_shared("golden/forward/small_timm_tf_logits_f64.npy"));
    float *const x = malloc(in.count * sizeof *x);
    const size_t n = in.dim[0], h = in.dim[2], w = in.dim[3];
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < 3; c++)
            for (size_t k = 0; k < h * w; k++)
                x[(i * h * w + k) * 3 + c] = (float)t_npy_at(&in, (i * 3 + c) * h * w + k);
    static const char *const files[] = { "small_keras.weights.h5", "small_keras.keras", "small_keras_full.h5",
                                         "small_keras_legacy_weights.h5", "small_keras_published_layout.h5" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        eff_error err = { 0 };
        eff_model_opts o = { 0 };
        eff_model *m;
        T_OK(eff_formats_load(&m, t_shared("golden/checkpoints/%s", files[i]), &o, &err), err);
        float *const got = t_forward(m, x, (int)n, (int)h, (int)w, 1, NULL);
        t_check_logits(got, want.data, (int)n, 10, "small_timm_tf_logits.npy");
        free(got);
        eff_model_destroy(m);
    }
    free(x);
    t_npy_free(&in);
    t_npy_free(&want);
}

static void types(void **state)
{
    (void)state;
    static const struct {
        const char *name, *dtype;
    } want[] = { { "x/f2", "F16" }, { "x/f4b", "F32" }, { "x/f8", "F64" }, { "x/f8b", "F64" }, { "x/i1", "I8" },
                 { "x/i2", "I16" }, { "x/i4b", "I32" }, { "x/i8", "I64" }, { "x/u1", "U8" } };
    eff_error err = { 0 };
    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, keras("types.h5"), &err), err);
    assert_int_equal(c->count, sizeof want / sizeof *want + 2); /* no unsigned words, strings, nine dimensions */
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        size_t n;
        float *const x = t_tensor(c, want[i].name, &n);
        assert_int_equal(n, 4);
        assert_true(x[0] == 0 && x[1] == 1 && x[2] == 2 && x[3] == 100);
        free(x);
        for (size_t k = 0; k < c->count; k++)
            if (!strcmp(c->tensor[k].name, want[i].name))
                assert_string_equal(eff_dtype_name(c->tensor[k].dtype), want[i].dtype);
    }
    size_t n;
    float *const x = t_tensor(c, "x/scalar", &n);
    assert_true(n == 1 && x[0] == 7);
    free(x);
    eff_checkpoint_close(c);
}

/* The layers in front of a network in a network, as its configuration has them. */
static void input_layers(void **state)
{
    (void)state;
    static const float mean[3] = { 123.675f, 116.28f, 103.53f }, std[3] = { 58.395f, 57.12f, 57.375f };
    eff_error err = { 0 };
    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, keras("input.keras"), &err), err);
    assert_string_equal(c->format, "keras");
    assert_true(c->has_input);
    assert_true(c->height == 96 && c->width == 80);
    for (int i = 0; i < 3; i++) {
        assert_true(fabsf(c->mean[i] - mean[i]) < 1e-4f * mean[i]);
        assert_true(fabsf(c->std[i] - std[i]) < 1e-4f * std[i]);
    }
    eff_checkpoint_close(c);
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *file;
        eff_status code;
        const char *says;
    } t[] = {
        { "bad_soft_link.h5", EFF_EUNSUPPORTED, "a/loop: a soft link, and links are not followed" },
        { "bad_external_link.h5", EFF_EUNSUPPORTED, "a/kernel: a link into another file, and links are not followed" },
        { "bad_cycle.h5", EFF_EFORMAT, "more than 24 groups deep" },
        { "bad_branching.h5", EFF_EFORMAT, "more than 65536 members" },
        { "bad_virtual.h5", EFF_EUNSUPPORTED, "dataset conv/kernel: virtual, its data would come from other files" },
        { "bad_external_data.h5", EFF_EUNSUPPORTED,
          "dataset conv/kernel: external, its data would come from other files" },
        { "bad_lzf.h5", EFF_EUNSUPPORTED, "dataset conv/kernel: filter 32000 (lzf), only gzip and shuffle are read" },
        { "bad_scaleoffset.h5", EFF_EUNSUPPORTED, "filter 6 (scaleoffset), only gzip and shuffle are read" },
        { "bad_huge.h5", EFF_EFORMAT,
          "dataset conv/kernel: 274877906944 elements, more than a file of 2432 bytes can hold" },
        { "bad_overflow.h5", EFF_EFORMAT, "dataset conv/kernel: the product of its shape is too large" },
        { "bad_unwritten.h5", EFF_EFORMAT, "dataset conv/kernel: 6 elements, no data in the file" },
        { "bad_twice.h5", EFF_EFORMAT, "tensor conv/kernel: occurs twice" },
        { "bad_name.h5", EFF_EFORMAT, "group conv: the name of a member is no line of text" },
        { "bad_config.keras", EFF_EFORMAT, "the model's configuration: not JSON at line 1" },
        { "bad_weights.keras", EFF_EFORMAT, "HDF5: the file cannot be opened: file signature not found" },
        { "bad_bomb.keras", EFF_EFORMAT, "model.weights.h5: 67108864 bytes, more than the archive can hold" },
    };
    int wrong = 0;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_error err = { 0 };
        eff_checkpoint *c;
        const eff_status s = eff_checkpoint_open(&c, keras(t[i].file), &err);
        if (s == t[i].code && strstr(err.msg, t[i].says)) continue;
        print_error("%s: %d \"%s\", expected \"%s\"\n", t[i].file, s, err.msg, t[i].says);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

/* Metadata whose checksum is wrong: the library waits and reads them again, which must not meet the filter. */
static void wrong_checksums(void **state)
{
    (void)state;
    size_t n, from = 0;
    unsigned char *const bytes = t_file(keras("finetuned.h5"), &n);
    int damaged = 0, checksums = 0;
    for (const unsigned char *at; damaged < 8 && (at = memmem(bytes + from, n - from, "OHDR", 4)); damaged++) {
        const size_t i = (size_t)(at - bytes) + 12;
        eff_error err = { 0 };
        eff_checkpoint *c;
        bytes[i] ^= 1;
        FILE *const f = fopen(t_tmp("damaged.h5"), "wb");
        assert_true(f && fwrite(bytes, 1, n, f) == n && fclose(f) == 0);
        if (eff_checkpoint_open(&c, t_tmp("damaged.h5"), &err) == EFF_OK) eff_checkpoint_close(c);
        if (strstr(err.msg, "system call")) fail_msg("header at %zu: %s", i, err.msg);
        checksums += strstr(err.msg, "checksum") != NULL;
        bytes[i] ^= 1;
        from = i;
    }
    assert_int_equal(damaged, 8);
    assert_true(checksums > 4);
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(layouts), cmocka_unit_test(logits),
                                        cmocka_unit_test(types),   cmocka_unit_test(input_layers),
                                        cmocka_unit_test(refused), cmocka_unit_test(wrong_checksums) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
