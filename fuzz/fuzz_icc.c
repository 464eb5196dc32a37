/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a colour profile, for pixels of each kind. */
#include "fuzz_expect.h"

#include "image/icc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const eff_pixels kinds[] = { EFF_PIXELS_GRAY, EFF_PIXELS_RGB, EFF_PIXELS_CMYK };
    uint8_t in[4 * 64], out[3 * 64];
    for (int i = 0; i < 4 * 64; i++) in[i] = (uint8_t)(i * 37);
    int fits = 0;
    for (int k = 0; k < 3; k++) {
        eff_icc *icc;
        FUZZ_EXPECT(eff_icc_open(&icc, data, size, kinds[k], NULL) == EFF_OK);
        if (icc) eff_icc_row(icc, out, in, 64);
        fits += icc != NULL;
        eff_icc_close(icc);
    }
    FUZZ_EXPECT(fits <= 1);
    return 0;
}
