/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: whatever may be a model, through the public door: telling formats apart, recognition of the network, the model file,
 * reading of weights, and one prediction of a network that is small. Inputs are in the forms of fuzz_with_header(), or a file that
 * begins as a zip archive, a pickle or (behind a blank) JSON. */
#include "fuzz_file.h"

#include <effnet/care.h>

#include <stdlib.h>
#include <unistd.h>

static void predict(const eff_model *m)
{
    const eff_model_info *const info = eff_model_get_info(m);
    if (info->macs > 2000000 || info->activation_bytes > 1 << 22 || info->height * info->width_px > 1 << 14) return;
    eff_engine *e;
    eff_engine_opts o;
    eff_error err;
    eff_engine_opts_init(&o);
    o.threads = 1;
    if (eff_engine_create(&e, m, &o, &err) != EFF_OK) return;
    float *const x = calloc((size_t)info->height * (size_t)info->width_px * 3, sizeof *x);
    float *const logits = calloc((size_t)(info->classes ? info->classes : eff_model_features(m)), sizeof *logits);
    if (x && logits) FUZZ_EXPECT(eff_engine_run(e, x, 1, logits, &err) == EFF_OK);
    free(logits);
    free(x);
    eff_engine_free(e);
}

static void load(const uint8_t *data, size_t size)
{
    char path[32];
    const int fd = fuzz_memory_file(data, size);
    fuzz_path_of(fd, path);
    for (int family = 0; family < 2; family++) { /* as it is, and where that is not enough with the family said */
        eff_model *m;
        eff_error err = { 0 };
        eff_model_opts o;
        eff_model_opts_init(&o);
        if (family) o.family = "timm_tf";
        const eff_status s = eff_model_load(&m, path, &o, &err);
        FUZZ_EXPECT((s == EFF_OK) == (m != NULL));
        FUZZ_EXPECT(s == EFF_OK || err.msg[0]);
        if (m && eff_model_get_info(m)->has_weights) predict(m);
        eff_model_free(m);
        if (s != EFF_EARG) break;
    }
    close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size && (data[0] == 'P' || data[0] == 0x80 || data[0] == ' ')) load(data, size);
    else fuzz_with_header(data, size, load);
    return 0;
}
