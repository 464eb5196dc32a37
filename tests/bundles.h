/* SPDX-License-Identifier: Apache-2.0 */
/* A writer of TensorFlow checkpoints for tests, which can write them wrong. */
#ifndef EFF_TESTS_BUNDLES_H
#define EFF_TESTS_BUNDLES_H

#include "support.h"

enum { T_BUNDLE_TENSORS = 1024 };

typedef struct t_bytes {
    unsigned char *p;
    size_t n, room;
} t_bytes;
void t_add_bytes(t_bytes *b, const void *p, size_t n);
void t_add_le(t_bytes *b, uint64_t v, int bytes);
void t_add_varint(t_bytes *b, uint64_t v);
/** A field of a protocol buffer: a varint, or bytes. */
void t_add_field(t_bytes *b, int field, uint64_t v);
void t_add_message(t_bytes *b, int field, const t_bytes *m);
void t_bytes_free(t_bytes *b);

/** One key with its value. */
typedef struct t_bundle_key {
    char *name;
    size_t len;
    t_bytes value;
} t_bundle_key;

typedef struct t_bundle {
    int shards;
    t_bundle_key key[T_BUNDLE_TENSORS]; /* written in this order; the header comes first */
    int n;
    t_bytes data[4]; /* of each data file                             */
    /* how it is written */
    int block_keys; /* keys in a block, 0 = 16                       */
    int snappy;     /* blocks as Snappy literals and copies          */
} t_bundle;

void t_bundle_begin(t_bundle *b, int shards);
/** Append a tensor (`type` is TensorFlow's number, `size` bytes) to data file `shard`, and its key. */
void t_bundle_add(t_bundle *b, const char *name, int type, int ndim, const int64_t *dim, const void *data, size_t size,
                  int shard);
/** Sort the keys after the header, as a proper writer does. */
void t_bundle_sort(t_bundle *b);
/** The bytes of the index. */
t_bytes t_bundle_index(const t_bundle *b);
/** Write BASE.index and the data files. */
void t_bundle_write(const t_bundle *b, const char *base);
void t_bundle_free(t_bundle *b);

/** The weights of a model in the official names under `scope`, in TensorFlow's layout, times `scale`; with averages
 * they are called NAME/ExponentialMovingAverage. */
void t_bundle_add_model(t_bundle *b, const eff_model *m, const char *scope, float scale, int averages);

#endif
