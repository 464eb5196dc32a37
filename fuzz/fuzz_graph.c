/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what the worker sends of an ONNX file, as a worker that was taken over would. What is believed is run on
 * a blank picture, with little work allowed. */
#include "fuzz_file.h"

#include "base/mem.h"
#include "formats/import.h"
#include "formats/onnx_eval.h"
#include "formats/onnx_stream.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_ELEMENTS = 1 << 16, WORK = 1 << 20 };

static size_t elements(const eff_onnx_shape *s) /* of one image; 0 = too many */
{
    size_t n = 1;
    for (int i = 0; i < s->ndim; i++) {
        const size_t d = s->dim[i] < 0 ? 1 : (size_t)s->dim[i];
        if (d > MOST_ELEMENTS || n * d > MOST_ELEMENTS) return 0;
        n *= d;
    }
    return n;
}

static void run(const eff_onnx *g)
{
    const size_t in = elements(&g->input_shape), out = elements(&g->output_shape);
    if (!in || !out) return;
    eff_error err = { 0 };
    void *const x = calloc(in, sizeof(float));
    float *const y = calloc(out, sizeof *y);
    FUZZ_EXPECT(x && y);
    FUZZ_EXPECT(eff_onnx_eval(g, x, 1, y, out, WORK, &err) == EFF_OK || err.msg[0]);
    free(x);
    free(y);
}

static void receive(const uint8_t *data, size_t size)
{
    eff_error err = { 0 };
    eff_onnx g;
    eff_checkpoint *const c = eff_calloc(1, sizeof *c);
    FUZZ_EXPECT(c);
    c->fd = -1;
    if (eff_import_receive(c, fuzz_memory_file(data, size), size, &err) != EFF_OK) {
        FUZZ_EXPECT(err.msg[0]);
        eff_checkpoint_close(c);
    } else if (eff_onnx_of_checkpoint(&g, c, &err) == EFF_OK) {
        run(&g);
        eff_onnx_close(&g);
    } else {
        FUZZ_EXPECT(err.msg[0]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    fuzz_with_header(data, size, receive);
    return 0;
}
