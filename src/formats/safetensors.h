/* SPDX-License-Identifier: Apache-2.0 */
/* Safetensors files: reader and writer. The model file (.effnet) is one with an "effnet" entry in its metadata. */
#ifndef EFF_FORMATS_SAFETENSORS_H
#define EFF_FORMATS_SAFETENSORS_H

#include "formats/checkpoint.h"

#include <stdio.h>

#define EFF_MODELFILE_KEY "effnet" /* in the metadata of a model file */

/** Fill `c` (its fd set) from a safetensors file of `size` bytes; c->metadata is what its metadata have under `key`. On
 * failure the caller closes `c`. */
eff_status eff_safetensors_open(eff_checkpoint *c, uint64_t size, const char *key, eff_error *err);

typedef struct eff_st_tensor { /* borrowed for the call */
    const char *name;
    eff_dtype dtype; /* written as: F32, F16 or BF16 */
    int ndim;
    int64_t dim[EFF_MAX_DIMS];
    const float *data; /* row-major */
} eff_st_tensor;

typedef struct eff_st_meta {
    const char *key, *value;
} eff_st_meta;

/** Write a whole file to `f`, tensors in the order given, data starting at a multiple of 8 bytes. */
eff_status eff_safetensors_write(FILE *f, const eff_st_tensor *t, size_t n, const eff_st_meta *meta, size_t nmeta,
                                 eff_error *err);

/** Write every tensor of `c` that can be read, in its own dtype, holding one at a time. */
eff_status eff_safetensors_copy(FILE *f, const eff_checkpoint *c, const eff_st_meta *meta, size_t nmeta, eff_error *err);

/** The same as eff_safetensors_write() to a file, atomically: on failure `path` is what it was. */
eff_status eff_safetensors_save(const char *path, const eff_st_tensor *t, size_t n, const eff_st_meta *meta, size_t nmeta,
                                eff_error *err);

#endif
