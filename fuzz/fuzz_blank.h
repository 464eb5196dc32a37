/* SPDX-License-Identifier: Apache-2.0 */
/* Running an ONNX graph that was read on a blank picture, with little work allowed: it gives values or says why not. */
#ifndef EFF_FUZZ_BLANK_H
#define EFF_FUZZ_BLANK_H

#include "fuzz_expect.h"

#include "formats/onnx_eval.h"

/** Elements of a shape for one image; 0: more than `most`. */
static inline size_t fuzz_elements(const eff_onnx_shape *s, size_t most)
{
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++) {
        const size_t d = s->dim[i] < 0 ? 1 : (size_t)s->dim[i];
        if (d > most || n * d > most) return 0;
        n *= d;
    }
    return n;
}

static inline void fuzz_run_blank(const eff_onnx *g, size_t most_elements, uint64_t work)
{
    const size_t in = fuzz_elements(&g->input_shape, most_elements), out = fuzz_elements(&g->output_shape, most_elements);
    if (!in || !out) return;
    eff_error err = { 0 };
    void *const x = calloc(in, sizeof(float));
    float *const y = malloc(out * sizeof *y);
    FUZZ_EXPECT(x && y);
    memset(y, 255, out * sizeof *y);
    FUZZ_EXPECT(eff_onnx_eval(g, x, 1, y, out, work, &err) == EFF_OK || err.msg[0]);
    free(x);
    free(y);
}

#endif
