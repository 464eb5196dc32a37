/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the fuzzers of tensor files. */
#define _GNU_SOURCE
#include "fuzz_file.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_ELEMENTS = 1 << 16 };

void fuzz_tensor_file(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) abort();
    if (size && write(fd, data, size) != (ssize_t)size) abort();
    eff_checkpoint *c;
    eff_error err = { 0 };
    if (eff_checkpoint_open_fd(&c, fd, size, &err) != EFF_OK) {
        if (c || !err.msg[0]) abort(); /* a refusal says why and leaves nothing */
        return;
    }
    float *const x = malloc(MAX_ELEMENTS * sizeof *x);
    for (size_t i = 0; x && i < eff_checkpoint_count(c) && i < 64; i++)
        if (c->tensor[i].count <= MAX_ELEMENTS) eff_checkpoint_read(c, i, x, &err);
    free(x);
    eff_checkpoint_close(c);
}
