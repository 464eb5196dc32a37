/* SPDX-License-Identifier: Apache-2.0 */
/* Checkpoints made up by tests: directories of names and shapes without a byte of data, and models written in a
 * family's names. */
#ifndef EFF_TESTS_FAKEFILE_H
#define EFF_TESTS_FAKEFILE_H

#include "support.h"

#include "formats/checkpoint.h"
#include "formats/names.h"

/** A checkpoint with the tensors of `g` under the names of `f`, every value 0.5. Behind it lies a sparse file,
 * large enough for any. */
eff_checkpoint *t_fake(eff_family f, const eff_table *t, const eff_graph *g);
void t_fake_add(eff_checkpoint *c, const char *name, eff_dtype dtype, int ndim, int64_t d0, int64_t d1, int64_t d2,
                int64_t d3);
eff_tensor *t_fake_find(eff_checkpoint *c, const char *name); /* fails the test when it is not there */
void t_fake_remove(eff_checkpoint *c, const char *name);
void t_fake_free(eff_checkpoint *c);

/** Write a model's weights as plain safetensors in the names of `f`; `extra` more F32 scalars called extra.0,
 * extra.1 ... */
void t_save_as(const eff_model *m, eff_family f, eff_dtype dtype, int extra, const char *path);

#endif
