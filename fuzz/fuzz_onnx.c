/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: an ONNX file. What is read is run on a blank picture, with little work allowed; what is refused says
 * why. */
#include "fuzz_blank.h"

#include "formats/onnx.h"

enum { MOST_ELEMENTS = 1 << 20, WORK = 1 << 22 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_onnx g;
    eff_error err = { 0 };
    if (eff_onnx_parse(&g, data, size, &err) != EFF_OK) {
        FUZZ_EXPECT(*err.msg);
        return 0;
    }
    FUZZ_EXPECT(g.opset == EFF_ONNX_OPSET && g.input >= 0 && g.output >= 0 && g.nvalues >= 2);
    fuzz_run_blank(&g, MOST_ELEMENTS, WORK);
    eff_onnx_close(&g);
    return 0;
}
