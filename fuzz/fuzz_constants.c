/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what a fit left behind, read for a study. What is accepted is in range. */
#include "fuzz_expect.h"

#include "scale/constants.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_constants c = { 0, 0, 0 };
    eff_error err = { 0 };
    const eff_status s = eff_constants_parse(&c, (const char *)data, size, &err);
    if (s != EFF_OK) {
        FUZZ_EXPECT(s == EFF_EFORMAT && err.msg[0] && c.alpha == 0);
        return 0;
    }
    FUZZ_EXPECT(c.alpha >= 1 && c.alpha <= 100 && c.beta >= 1 && c.beta <= 100 && c.gamma >= 1 && c.gamma <= 100);
    return 0;
}
