/* SPDX-License-Identifier: Apache-2.0 */
/* care.h — models made of models: weight averages, new heads, bodies that give features; and what tells files apart. This
 * interface may change. */
#ifndef EFFNET_CARE_H
#define EFFNET_CARE_H

#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How many pooled features the network has: what the classifier reads, and what a model without one (classes 0) gives in
 * place of logits, so what eff_engine_run() then writes for an image. */
EFF_API int eff_model_features(const eff_model *m);

/** A model like `from` with another head: a classifier of `classes` outputs with the paper's initialisation by `seed`, as
 * training starts from it; 0: none, the model gives its pooled features, to the bit those that the classifier of `from` read.
 * What the file said of the old classes (names, temperature, records) is dropped; a new classifier is noted in the training
 * record, as it has to be trained before it means anything. Release with eff_model_free().
 * @return EFF_EARG when `from` has no weights or `classes` is out of range */
EFF_API eff_status eff_model_with_head(eff_model **out, const eff_model *from, int classes, uint64_t seed, eff_error *err);

/** Whether b can be averaged with a: weights in both, the same network, classes and preprocessing.
 * @return EFF_EARG saying what differs, what a has and what b has */
EFF_API eff_status eff_average_check(const eff_model *a, const eff_model *b, eff_error *err);

/** The average of n models: of every value the mean, computed in double and rounded once, the same bits in any order of the
 * models. `decay` in 0..1: instead the exponential moving average over them in the order given, decay * average +
 * (1 - decay) * next from the first on; below 0: the mean. Running statistics of batch norm are averaged likewise.
 * Class names, origin, licence and training record are kept where all that have any agree; temperature and metrics, which
 * belong to other weights, are dropped. Release with eff_model_free().
 * @return EFF_EARG when two cannot be averaged (eff_average_check()), n < 1 or decay > 1 */
EFF_API eff_status eff_model_average(eff_model **out, const eff_model *const *models, int n, double decay, eff_error *err);

/** SHA-256 of a file in 64 lower-case hexadecimal digits and a NUL, and its size in *bytes (NULL to ignore).
 * @return EFF_EFORMAT when there is no such file or it is none */
EFF_API eff_status eff_file_sha256(const char *path, char hex[65], uint64_t *bytes, eff_error *err);

/** The same of an open checkpoint that lies in several files (TensorFlow's): of its index and then its data files in their
 * order, as if they were one. *files: how many these are; 0 for a checkpoint that is one file, of which nothing is computed.
 * @return EFF_EFORMAT naming a file that is missing or cannot be read */
EFF_API eff_status eff_checkpoint_sha256(const eff_checkpoint *c, char hex[65], uint64_t *bytes, size_t *files, eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
