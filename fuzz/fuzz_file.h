/* SPDX-License-Identifier: Apache-2.0 */
/* The fuzzers' files: bytes go into a memfd, which has a path while it is open. */
#ifndef EFF_FUZZ_FILE_H
#define EFF_FUZZ_FILE_H

#include "fuzz_expect.h"

#include "formats/checkpoint.h"

/** A file of these bytes; close() it. */
int fuzz_memory_file(const uint8_t *data, size_t size);
/** The path of an open file. */
void fuzz_path_of(int fd, char path[32]);

/** Open `size` bytes as a tensor file and read what they hold. */
void fuzz_tensor_file(const uint8_t *data, size_t size);

/** Call `use` with a safetensors file. The input is the file, or the header's text, then a NUL, then data: the length in front is
 * put there, so that a mutated header still gets past it. An input that begins with a NUL is a whole file behind that NUL. */
void fuzz_with_header(const uint8_t *data, size_t size, void (*use)(const uint8_t *data, size_t size));

#endif
