/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what the worker sends of an ONNX file, as a worker that was taken over would. What is believed is run on
 * a blank picture, with little work allowed. */
#include "fuzz_blank.h"
#include "fuzz_file.h"

#include "base/mem.h"
#include "formats/import.h"
#include "formats/onnx_stream.h"

enum { MOST_ELEMENTS = 1 << 16, WORK = 1 << 20 };

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
        fuzz_run_blank(&g, MOST_ELEMENTS, WORK);
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
