/* SPDX-License-Identifier: Apache-2.0 */
/* Any tensor file, opened: a directory of named tensors whose data stays on disk until read. Formats are told by content. */
#ifndef EFF_FORMATS_CHECKPOINT_H
#define EFF_FORMATS_CHECKPOINT_H

#include "base/error.h"

#include <stdbool.h>

typedef enum eff_dtype {
    EFF_F32, EFF_F16, EFF_BF16, EFF_F64, EFF_I64, EFF_I32, EFF_I16, EFF_I8, EFF_U8, EFF_BOOL,
    EFF_OPAQUE /* of another kind: listed, never read */
} eff_dtype;

enum {
    EFF_MAX_DIMS = 8,
    EFF_MAX_TENSORS = 1 << 17,    /* in one file                                  */
    EFF_MAX_TENSOR_NAME = 1024,   /* bytes                                        */
    EFF_MAX_NAME_BYTES = 16 << 20,/* of all names; nested dicts give long ones for few bytes of file */
};

typedef struct eff_tensor {
    char *name;                   /* UTF-8, unique in the file                                               */
    eff_dtype dtype;
    int ndim;
    int64_t dim[EFF_MAX_DIMS];
    int64_t stride[EFF_MAX_DIMS]; /* in elements; row-major unless the file says otherwise (PyTorch views)   */
    int64_t offset;               /* of element 0 within its storage, in elements                            */
    size_t count;                 /* elements                                                                */
    int storage;                  /* number of the storage                                                   */
} eff_tensor;

struct eff_checkpoint {
    const char *format;           /* "safetensors", "pytorch-zip", "pytorch-legacy", "tensorflow-bundle", "keras", "keras-h5", "onnx" */
    size_t count, capacity, name_bytes;
    eff_tensor *tensor;
    char *metadata;               /* safetensors: the text that __metadata__ has under the key asked for, or NULL */
    char *arch_hint;              /* a name such as "tf_efficientnet_b0" that the file carries, or NULL      */
    char *note;                   /* what was chosen for a view (unwrap.h), or made of what the file says    */
    char *graph;                  /* of an ONNX file, as onnx_stream.h has it, or NULL                       */
    bool has_input;               /* the file says how pictures are normalised:                              */
    float mean[3], std[3];        /* on the 0..255 scale                                                     */
    int height, width;            /* of the pictures it was made for; 0: the file does not say               */
    int fd;                       /* of the file, owned; -1: there is none                                   */
    uint64_t bytes;               /* of its files together                                                   */
    void *impl;                   /* of the format                                                           */
    /** Bytes of `tensor`, converted to float32 row-major. */
    eff_status (*read)(const struct eff_checkpoint *c, const eff_tensor *t, float *out, eff_error *err);
    /** Whether the bytes of `tensor` lie in the file as row-major float32, aligned to 4, and where. NULL: never. */
    bool (*place)(const struct eff_checkpoint *c, const eff_tensor *t, uint64_t *at);
    /** Path of file `i`, for a format of several files: to be freed; NULL when memory ends or there are no more. NULL: one file. */
    char *(*file)(const struct eff_checkpoint *c, size_t i);
    size_t files; /* how many; 0: one file */
    void (*close)(struct eff_checkpoint *c);
};

const char *eff_dtype_name(eff_dtype t); /* safetensors' spelling: "F32" */
size_t eff_dtype_size(eff_dtype t);

/** eff_checkpoint_open() for a descriptor of `size` bytes, which is taken (and closed) whatever the outcome. `path`: the file's, for
 * a format that has others beside it; NULL = unknown. */
eff_status eff_checkpoint_open_fd(eff_checkpoint **out, int fd, uint64_t size, const char *path, eff_error *err);

/** The same without the worker process (import.h): what the worker itself calls, and tests. HDF5 is not among what it knows. */
eff_status eff_checkpoint_parse_fd(eff_checkpoint **out, int fd, uint64_t size, const char *path, eff_error *err);

/* ------------------------------------------------------------------------------- for the readers of formats */

/** Append a copy of *t under name[0..len) after checking all of it: the name, the shape, and that every element lies
 * within a storage of `numel` elements. t->name and t->count are ignored; a stride array is always needed. */
eff_status eff_checkpoint_add(eff_checkpoint *c, const char *name, size_t len, const eff_tensor *t, uint64_t numel,
                              eff_error *err);
/** The directory is complete: refuse names that occur twice. */
eff_status eff_checkpoint_finish(const eff_checkpoint *c, eff_error *err);

/** Read bytes [offset, offset + n) of a storage. One gather asks for ascending, disjoint ranges. */
typedef eff_status eff_storage_read(void *ctx, int storage, uint64_t offset, void *buf, size_t n, eff_error *err);
/** Read a tensor of any dtype and strides into row-major float32, with at most 12 MB of scratch. */
eff_status eff_tensor_gather(const eff_tensor *t, eff_storage_read *read, void *ctx, float *out, eff_error *err);

/** Row-major strides of a shape. */
void eff_tensor_strides(int ndim, const int64_t *dim, int64_t *stride);
/** *out = product of the dimensions; false when one is negative or the product in bytes of float32 does not fit. */
int eff_tensor_count(int ndim, const int64_t *dim, size_t *out);

#endif
