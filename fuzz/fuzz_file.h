/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzzers' way to a tensor file: the bytes go into a memfd, every tensor of a sane size is read. */
#ifndef EFF_FUZZ_FILE_H
#define EFF_FUZZ_FILE_H

#include "formats/checkpoint.h"

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Open `size` bytes and read what they hold. */
void fuzz_tensor_file(const uint8_t *data, size_t size);

#endif
