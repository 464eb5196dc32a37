/* SPDX-License-Identifier: Apache-2.0 */
/* The index of a TensorFlow checkpoint (NAME.index): what the tensors are called and where in which data file they lie.
 */
#ifndef EFF_FORMATS_BUNDLE_INDEX_H
#define EFF_FORMATS_BUNDLE_INDEX_H

#include "formats/checkpoint.h"

enum { EFF_BUNDLE_SHARDS = 99999 }; /* data files: their numbers have five digits */

typedef struct eff_bundle_entry {
    const char *name; /* not terminated, gone after the call                 */
    size_t len;
    int type; /* TensorFlow's number                                 */
    int ndim;
    int64_t dim[EFF_MAX_DIMS];
    uint32_t shard;
    uint64_t offset, size; /* bytes in the data file                            */
    uint32_t crc;          /* masked                                              */
} eff_bundle_entry;

/** Of all tensors, in the order of their names; the number of data files comes with each. A failure ends the reading.
 */
typedef eff_status eff_bundle_add(void *ctx, uint32_t shards, const eff_bundle_entry *e, eff_error *err);

/** Go through an index of n bytes. */
eff_status eff_bundle_index_read(const unsigned char *bytes, size_t n, eff_bundle_add *add, void *ctx, eff_error *err);

#endif
