/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the fuzzers of files. */
#define _GNU_SOURCE
#include "fuzz_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { MAX_ELEMENTS = 1 << 16 };

int fuzz_memory_file(const uint8_t *data, size_t size)
{
    const int fd = memfd_create("fuzz", MFD_CLOEXEC);
    if (fd < 0) abort();
    if (size && write(fd, data, size) != (ssize_t)size) abort();
    return fd;
}

void fuzz_path_of(int fd, char path[32]) { snprintf(path, 32, "/proc/self/fd/%d", fd); }

void fuzz_tensor_file(const uint8_t *data, size_t size)
{
    eff_checkpoint *c;
    eff_error err = { 0 };
    if (eff_checkpoint_parse_fd(&c, fuzz_memory_file(data, size), size, NULL, &err) != EFF_OK) {
        FUZZ_EXPECT(!c && err.msg[0]); /* a refusal says why and leaves nothing */
        return;
    }
    float *const x = malloc(MAX_ELEMENTS * sizeof *x);
    for (size_t i = 0; x && i < eff_checkpoint_count(c) && i < 64; i++)
        if (c->tensor[i].count <= MAX_ELEMENTS) eff_checkpoint_read(c, i, x, &err);
    free(x);
    eff_checkpoint_close(c);
}

static int is_whole(const uint8_t *data, size_t size)
{
    return size >= 9 && data[8] == '{' && data[5] == 0 && data[6] == 0 && data[7] == 0;
}

void fuzz_with_header(const uint8_t *data, size_t size, void (*use)(const uint8_t *data, size_t size))
{
    if (size && data[0] == 0) {
        use(data + 1, size - 1);
        return;
    }
    if (is_whole(data, size)) {
        use(data, size);
        return;
    }
    const uint8_t *const nul = size ? memchr(data, 0, size) : NULL;
    const uint64_t header = nul ? (uint64_t)(nul - data) : size;
    const size_t rest = nul ? size - (size_t)header - 1 : 0;
    uint8_t *const file = malloc(8 + (size_t)header + rest);
    if (!file) return;
    memcpy(file, &header, 8);
    if (header) memcpy(file + 8, data, (size_t)header);
    if (rest) memcpy(file + 8 + header, nul + 1, rest);
    use(file, 8 + (size_t)header + rest);
    free(file);
}
