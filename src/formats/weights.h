/* SPDX-License-Identifier: Apache-2.0 */
/* From a tensor file's directory to a model's weights: every parameter found, of the right shape and kind,
 * nothing left over. */
#ifndef EFF_FORMATS_WEIGHTS_H
#define EFF_FORMATS_WEIGHTS_H

#include "formats/checkpoint.h"
#include "formats/names.h"
#include "model/model.h"

/** Tensors of a checkpoint by name. Borrows the checkpoint. */
typedef struct eff_index {
    const eff_checkpoint *file;
    const eff_tensor **sorted;
    size_t count;
} eff_index;

eff_status eff_index_build(eff_index *x, const eff_checkpoint *c, eff_error *err);
void eff_index_free(eff_index *x);
const eff_tensor *eff_index_find(const eff_index *x, const char *name);

/** How well the file fits a network: where each parameter is, and how many are as they should be. */
typedef struct eff_fit {
    const eff_tensor **tensor; /* [nparams] */
    int right, nparams;
} eff_fit;

/** Find every parameter of `g` (built from `t`) in the file, in the names of `f`. Wrong shapes are reported
 * before missing tensors, these before tensors that no parameter uses. *fit is filled on failure too; free it
 * with eff_fit_free(). */
eff_status eff_fit_make(eff_fit *fit, const eff_index *x, eff_family f, const eff_table *t, const eff_graph *g,
                        eff_error *err);
void eff_fit_free(eff_fit *fit);

/** Allocate the weights of `m` and read them, tensor by tensor, checking the values. */
eff_status eff_weights_read(eff_model *m, const eff_index *x, const eff_fit *fit, eff_error *err);

/** The same without a copy where the file allows it: the weights lie in m->map. Each is changed for itself and never in the
 * file. For files that are replaced and not written over. */
eff_status eff_weights_map(eff_model *m, const eff_index *x, const eff_fit *fit, eff_error *err);

/** Check the values of every floating-point tensor of the file, whatever it is. EFF_OK when all are sound. */
eff_status eff_weights_check_file(const eff_checkpoint *c, eff_error *err);

/** "[16, 3, 3, 3]" */
void eff_shape_text(char *buf, size_t size, const int64_t *dim, int ndim);

#endif
