/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of tensor files share: whole-file reads, files from bytes, the manifest of the small network. */
#ifndef EFF_TESTS_CHECKPOINTS_H
#define EFF_TESTS_CHECKPOINTS_H

#include "support.h"

#include "formats/checkpoint.h"

/** All bytes of a file, malloc'ed. */
unsigned char *t_file(const char *path, size_t *n);

/** Open n bytes as if they were a file (they lie in a memfd). */
eff_status t_open_bytes(eff_checkpoint **c, const void *bytes, size_t n, eff_error *err);

/** Open a file without the worker: what the tests of parsers are about. */
eff_status t_open_here(eff_checkpoint **c, const char *path, eff_error *err);

/** Tensor `name` as floats (malloc'ed, *count set); fails the test when it is not there or cannot be read. */
float *t_tensor(const eff_checkpoint *c, const char *name, size_t *count);
/** That it holds just these n values. */
void t_check_tensor(const eff_checkpoint *c, const char *name, size_t n, const float *want);
/** Read every tensor once. The first failure, or EFF_OK. */
eff_status t_read_all(const eff_checkpoint *c, eff_error *err);

/** Every tensor of golden manifest `model` must be in the file: a tensor of its own with that shape and CRC, the name starting
 * with `prefix`. */
void t_check_manifest(const eff_checkpoint *c, const char *model, const char *prefix);

#endif
