/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: an ONNX file. What is read is run on a blank picture, with little work allowed; what is refused says
 * why. */
#include "fuzz_expect.h"

#include "formats/onnx.h"
#include "formats/onnx_eval.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ELEMENTS = 1 << 20, WORK = 1 << 22 };

/* Elements of a shape for one image; 0 = too many. */
static size_t elements(const eff_onnx_shape *s)
{
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++) {
        const size_t d = s->dim[i] < 0 ? 1 : (size_t)s->dim[i];
        if (d > MOST_ELEMENTS || n * d > MOST_ELEMENTS) return 0;
        n *= d;
    }
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_onnx g;
    eff_error err = { 0 };
    if (eff_onnx_parse(&g, data, size, &err) != EFF_OK) {
        FUZZ_EXPECT(*err.msg);
        return 0;
    }
    FUZZ_EXPECT(g.opset == EFF_ONNX_OPSET && g.input >= 0 && g.output >= 0 && g.nvalues >= 2);
    const size_t in = elements(&g.input_shape), out = elements(&g.output_shape);
    if (in && out) {
        void *const x = calloc(in, sizeof(float));
        float *const y = malloc(out * sizeof *y);
        FUZZ_EXPECT(x && y);
        memset(y, 255, out * sizeof *y);
        err = (eff_error){ 0 };
        const eff_status s = eff_onnx_eval(&g, x, 1, y, out, WORK, &err);
        FUZZ_EXPECT(s == EFF_OK || *err.msg);
        free(x);
        free(y);
    }
    eff_onnx_close(&g);
    return 0;
}
