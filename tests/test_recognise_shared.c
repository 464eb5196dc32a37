/* SPDX-License-Identifier: Apache-2.0 */
/* The reference checkpoints: each good one is recognised and holds the formula weights to the bit; each bad one
 * is refused with the status and the name that belong to it. */
#include "support.h"

#include "formats/dtype.h"
#include "formats/formats.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static float as_is(float x) { return x; }
static float to_f16(float x) { return eff_f16_to_f32(eff_f32_to_f16(x)); }
static float to_bf16(float x) { return eff_bf16_to_f32(eff_f32_to_bf16(x)); }

static const struct {
    const char *file, *family, *model, *format;
    float (*rounded)(float);
} good[] = {
    { "b0_torchvision.pth", "torchvision", "b0", "pytorch-zip", as_is },
    { "b0_timm_tf.safetensors", "timm_tf", "b0", "safetensors", as_is },
    { "small_torchvision.pth", "torchvision", "small", "pytorch-zip", as_is },
    { "small_torchvision_legacy.pth", "torchvision", "small", "pytorch-legacy", as_is },
    { "small_timm.pth", "timm", "small", "pytorch-zip", as_is },
    { "small_timm_legacy.pth", "timm", "small", "pytorch-legacy", as_is },
    { "small_timm_tf.safetensors", "timm_tf", "small", "safetensors", as_is },
    { "small_timm_tf_f16.safetensors", "timm_tf", "small", "safetensors", to_f16 },
    { "small_timm_tf_bf16.safetensors", "timm_tf", "small", "safetensors", to_bf16 },
    { "small_lukemelas.pth", "lukemelas", "small", "pytorch-zip", as_is },
    { "small_timm_tf_training.pth", "timm_tf", "small", "pytorch-zip", as_is },
    { "b0_tf_bundle", "tf", "b0", "tensorflow-bundle", as_is },
    { "small_tf_bundle/model.ckpt.index", "tf", "small", "tensorflow-bundle", as_is },
    { "b0_keras.weights.h5", "keras", "b0", "keras-h5", as_is },
    { "small_keras.weights.h5", "keras", "small", "keras-h5", as_is },
    { "small_keras.keras", "keras", "small", "keras", as_is },
    { "small_keras_full.h5", "keras", "small", "keras-h5", as_is },
    { "small_keras_legacy_weights.h5", "keras", "small", "keras-h5", as_is },
    { "small_keras_published_layout.h5", "keras", "small", "keras-h5", as_is },
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const eff_table t = t_golden_table(good[i].model);
        eff_model *want = t_formula_model(good[i].model, &t), *m;
        const char *path = t_shared("golden/checkpoints/%s", good[i].file);
        const bool timm = strncmp(good[i].family, "timm", 4) == 0;
        eff_error err = { 0 };
        eff_model_opts o = { 0 };
        const bool hint = strstr(good[i].file, "training") != NULL; /* it says what network it is */
        if (timm && !hint) {
            assert_int_equal(eff_formats_load(&m, path, &o, &err), EFF_EARG);
            assert_non_null(strstr(err.msg, "--family"));
            o.family = good[i].family;
        }
        if (eff_formats_load(&m, path, &o, &err) != EFF_OK) fail_msg("%s: %s", good[i].file, err.msg);
        assert_string_equal(m->table.name, t.name);
        assert_true(m->table.width == t.width && m->table.depth == t.depth);
        assert_int_equal(m->table.classes, t.classes);
        assert_string_equal(m->meta.family, good[i].family);
        assert_string_equal(m->meta.format, good[i].format);
        const bool same = strcmp(good[i].family, "timm_tf") == 0 || strcmp(good[i].family, "lukemelas") == 0 || strcmp(good[i].family, "tf") == 0 ||
                          strcmp(good[i].family, "keras") == 0;
        assert_string_equal(m->info.padding, same ? "same" : "symmetric");
        assert_true(m->table.bn_eps == (same ? 1e-3 : 1e-5));
        for (int p = 0; p < m->graph->nparams; p++)
            for (size_t k = 0; k < m->graph->param[p].count; k++)
                if (m->weights[p][k] != good[i].rounded(want->weights[p][k]))
                    fail_msg("%s: %s[%zu]", good[i].file, m->graph->param[p].name, k);
        eff_model_destroy(m);
        eff_model_destroy(want);
        o.family = strcmp(good[i].family, "lukemelas") ? "lukemelas" : "torchvision"; /* a wrong one */
        assert_int_equal(eff_formats_load(&m, path, &o, &err), EFF_EARG);
        assert_non_null(strstr(err.msg, "does not fit"));
    }
}

static const struct {
    const char *file;
    eff_status status;
    const char *says;
} refused[] = {
    { "views.pth", EFF_EFORMAT, "no known architecture fits" },
    { "small_tf_bundle_sharded", EFF_EFORMAT, "none of the stem and head tensors" },
    { "bad/bundle_good", EFF_EFORMAT, "none of the stem and head tensors" },
    { "bad/bundle_bad_footer/model.ckpt.index", EFF_EFORMAT, "index: it does not end as a TensorFlow index does" },
    { "bad/bundle_bad_index_crc", EFF_EFORMAT, "index: block at byte 0: checksum" },
    { "bad/bundle_bad_tensor_crc", EFF_EFORMAT, "stem/conv2d/kernel: damaged: checksum" },
    { "bad/bundle_truncated_data", EFF_EFORMAT, "past the end of its data file" },
    { "bad/bundle_truncated_index", EFF_EFORMAT, "index: it does not end as" },
    { "bad/bundle_missing_data", EFF_EFORMAT, "data file .data-00000-of-00001: no such file" },
    { "bad/pt_good_tiny.pth", EFF_EFORMAT, "is missing" },
    { "bad/pt_good_rezipped.pth", EFF_EFORMAT, "is missing" },
    { "bad/st_missing_tensors.safetensors", EFF_EFORMAT, "blocks.0.0.conv_dw.weight is missing, and 3" },
    { "bad/st_wrong_shape.safetensors", EFF_EFORMAT,
      "conv_stem.weight: expected shape [16, 3, 3, 3], found [3, 3, 3, 16]" },
    { "bad/st_nan_inf_negative_var.safetensors", EFF_EFORMAT,
      "bn1.bias: element 1: expected a finite value, found inf" },
    { "bad/pt_truncated_half.pth", EFF_EFORMAT, "" },
    { "bad/pt_truncated_no_end_record.pth", EFF_EFORMAT, "" },
    { "bad/pt_truncated_pickle.pth", EFF_EFORMAT, "" },
    { "bad/pt_legacy_truncated.pth", EFF_EFORMAT, "" },
    { "bad/pt_missing_storage.pth", EFF_EFORMAT, "" },
    { "bad/pt_short_storage.pth", EFF_EFORMAT, "" },
    { "bad/pt_pickle_marks.pth", EFF_EFORMAT, "" },
    { "bad/pt_pickle_memo_missing.pth", EFF_EFORMAT, "" },
    { "bad/pt_malicious_zip.pth", EFF_EFORMAT, "" },
    { "bad/pt_malicious_legacy.pth", EFF_EFORMAT, "" },
    { "bad/pt_malicious_bare_pickle.pth", EFF_EFORMAT, "" },
    { "bad/pt_empty.pth", EFF_EFORMAT, "empty" },
    { "bad/pt_not_a_checkpoint.pth", EFF_EFORMAT, "text" },
    { "bad/pt_deflated.pth", EFF_EFORMAT, "" },
    { "bad/pt_flipped_data_byte.pth", EFF_EFORMAT, "" },
    { "small_chunked_gzip.weights.h5", EFF_EFORMAT, "no known architecture fits" },
    { "bad/h5_bad_superblock_offsets.h5", EFF_EFORMAT, "HDF5: the file cannot be opened: " },
    { "bad/h5_header_only.h5", EFF_EFORMAT, "truncated file" },
    { "bad/h5_truncated_60k.h5", EFF_EFORMAT, "truncated file" },
    { "bad/h5_missing_datasets.weights.h5", EFF_EFORMAT, "no known architecture fits" },
    { "bad/h5_wrong_shape_dtype.weights.h5", EFF_EFORMAT, "no known architecture fits" },
};

static void test_refused(void **state)
{
    (void)state;
    static const char *const families[] = { NULL, "timm", "timm_tf" };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        for (int f = 0; f < 3; f++) {
            eff_error err = { 0 };
            eff_model *m;
            const eff_model_opts o = { .family = families[f] };
            const eff_status s = eff_formats_load(&m, t_shared("golden/checkpoints/%s", refused[i].file), &o, &err);
            if (s != refused[i].status || !strstr(err.msg, refused[i].says))
                fail_msg("%s: %d \"%s\", expected %d and \"%s\"", refused[i].file, s, err.msg, refused[i].status,
                         refused[i].says);
            assert_true(strlen(err.msg) > 10);
            assert_null(strchr(err.msg, '\n'));
            assert_null(m);
        }
    assert_int_not_equal(access("pwned", F_OK), 0);
}

/* Values come first whatever else is asked of the file. */
static void test_values_first(void **state)
{
    (void)state;
    const eff_model_opts o = { .architecture = "b0", .family = "timm" };
    eff_error err = { 0 };
    eff_model *m;
    assert_int_equal(
        eff_formats_load(&m, t_shared("golden/checkpoints/bad/st_nan_inf_negative_var.safetensors"), &o, &err),
        EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "found inf"));
}

int main(void)
{
    if (!t_have_shared()) return 77;
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_good), cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_values_first) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
