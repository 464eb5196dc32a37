/* SPDX-License-Identifier: Apache-2.0 */
/* The golden checkpoints that are too large to keep here: every tensor against the manifest, and the memory they take. */
#define _GNU_SOURCE
#include "checkpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct { const char *file, *format, *model; int count; const char *prefix; } golden[] = {
    { "small_torchvision.pth", "pytorch-zip", "small", 228, "" },
    { "small_torchvision_legacy.pth", "pytorch-legacy", "small", 228, "" },
    { "small_timm.pth", "pytorch-zip", "small", 228, "" },
    { "small_timm_legacy.pth", "pytorch-legacy", "small", 228, "" },
    { "small_lukemelas.pth", "pytorch-zip", "small", 228, "" },
    { "small_timm_tf.safetensors", "safetensors", "small", 228, "" },
    { "small_timm_tf_training.pth", "pytorch-zip", "small", 457, "state_dict_ema." },
    { "b0_torchvision.pth", "pytorch-zip", "b0", 360, "" },
    { "b0_timm_tf.safetensors", "safetensors", "b0", 360, "" },
};

static void manifests(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        eff_error err = { 0 };
        eff_checkpoint *c;
        T_OK(eff_checkpoint_open(&c, t_shared("golden/checkpoints/%s", golden[i].file), &err), err);
        assert_string_equal(eff_checkpoint_format(c), golden[i].format);
        assert_int_equal(eff_checkpoint_count(c), golden[i].count);
        t_check_manifest(c, golden[i].model, golden[i].prefix);
        eff_checkpoint_close(c);
    }
}

/* A training checkpoint: raw weights halved under one prefix, averaged ones under another, the optimizer beside them. */
static void training(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_checkpoint *c;
    T_OK(eff_checkpoint_open(&c, t_shared("golden/checkpoints/small_timm_tf_training.pth"), &err), err);
    assert_string_equal(c->arch_hint, "tf_efficientnet_b0");
    int pairs = 0, others = 0;
    for (size_t i = 0; i < c->count; i++) {
        const char *const name = c->tensor[i].name;
        if (strncmp(name, "state_dict.module.", 18)) {
            others += strncmp(name, "state_dict_ema.", 15) != 0;
            continue;
        }
        char ema[256];
        snprintf(ema, sizeof ema, "state_dict_ema.%s", name + 18);
        size_t n, m;
        float *const raw = t_tensor(c, name, &n), *const avg = t_tensor(c, ema, &m);
        assert_int_equal(n, m);
        for (size_t k = 0; k < n; k++)
            if (raw[k] != avg[k] * (c->tensor[i].dtype == EFF_F32 ? 0.5f : 1.0f)) fail_msg("%s[%zu]", name, k);
        free(raw);
        free(avg);
        pairs++;
    }
    assert_int_equal(pairs, 228);
    assert_int_equal(others, 1); /* the optimizer's momentum */
    eff_checkpoint_close(c);
}

/* All tensors read and kept: no more than the file's size and 64 MB above what a process takes anyway. */
static void resident_size(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* shadow memory would be counted */
#endif
    for (size_t i = 0; i < sizeof golden / sizeof *golden; i++) {
        const char *const path = t_shared("golden/checkpoints/%s", golden[i].file);
        struct stat st;
        assert_int_equal(stat(path, &st), 0);
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        const pid_t child = fork();
        if (child == 0) {
            eff_checkpoint *c = NULL;
            eff_error err = { 0 };
            bool ok = eff_checkpoint_open(&c, path, &err) == EFF_OK;
            for (size_t k = 0; ok && k < c->count; k++) { /* kept on purpose */
                float *const x = malloc((c->tensor[k].count + 1) * sizeof *x);
                ok = x && eff_checkpoint_read(c, k, x, &err) == EFF_OK;
            }
            struct rusage r;
            getrusage(RUSAGE_SELF, &r);
            const long kb = ok ? r.ru_maxrss : -1;
            _exit(write(pipes[1], &kb, sizeof kb) != sizeof kb);
        }
        long kb = -1;
        assert_int_equal(read(pipes[0], &kb, sizeof kb), sizeof kb);
        waitpid(child, NULL, 0);
        close(pipes[0]);
        close(pipes[1]);
        print_message("%-30s %6lld kB, peak %6ld kB\n", golden[i].file, (long long)st.st_size / 1024, kb);
        assert_true(kb > 0 && kb <= st.st_size / 1024 + 65536);
    }
}

int main(void)
{
    if (!t_have_shared()) return 77;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resident_size), /* first: a child starts at its parent's size */
        cmocka_unit_test(manifests),
        cmocka_unit_test(training),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
