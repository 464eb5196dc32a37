/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: files that are read by the worker, through its binary: HDF5, Keras' and PyTorch's archives, pickles. Nothing guides the
 * mutations, since what runs is another process; but every input goes the whole way, through libhdf5, jail and stream, and must
 * come back as tensors or as one line. A worker that dies is the jail at work, unless it dies of the filter: then the table of
 * allowed calls lacks one that a sound parser makes. */
#include "fuzz_file.h"

#include "formats/unwrap.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_ELEMENTS = 1 << 16 };

static void read_all(const eff_checkpoint *c)
{
    eff_error err = { 0 };
    float *const x = malloc(MAX_ELEMENTS * sizeof *x);
    for (size_t i = 0; x && i < c->count && i < 64; i++)
        if (c->tensor[i].count <= MAX_ELEMENTS) FUZZ_EXPECT(eff_checkpoint_read(c, i, x, &err) == EFF_OK);
    free(x);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_checkpoint *c, *view;
    eff_error err = { 0 };
    const int plain = fuzz_worker(FUZZ_WORKER);
    if (eff_checkpoint_open_fd(&c, fuzz_memory_file(data, size), size, NULL, &err) != EFF_OK) {
        FUZZ_EXPECT(!c && err.msg[0] && !strchr(err.msg, '\n'));
        FUZZ_EXPECT(!(plain && fuzz_filtered(err.msg)) && err.code != EFF_EIO); /* EFF_EIO: it was not started */
        return 0;
    }
    read_all(c); /* what the worker sent can be read */
    if (eff_unwrap(&view, c, 3, &err) == EFF_OK) {
        if (view) read_all(view);
    } else {
        FUZZ_EXPECT(!view && err.msg[0]);
    }
    eff_checkpoint_close(view);
    eff_checkpoint_close(c);
    return 0;
}
