/* SPDX-License-Identifier: Apache-2.0 */
/* Pickles of PyTorch, written opcode by opcode, so that tests can say what no version of PyTorch would. */
#ifndef EFF_TESTS_PICKLES_H
#define EFF_TESTS_PICKLES_H

#include "support.h"

typedef struct t_buffer {
    unsigned char *p; /* release with free() */
    size_t n, cap;
} t_buffer;

void t_put(t_buffer *b, const void *p, size_t n);
#define T_PUT(b, literal) t_put(b, literal, sizeof literal - 1)

/** Push a string, an integer, a tuple of integers. */
void t_put_str(t_buffer *b, const char *s);
void t_put_int(t_buffer *b, int64_t i);
void t_put_ints(t_buffer *b, const int64_t *i, int n);

typedef struct t_spec { /* of a tensor */
    const char *type, *key, *rebuild; /* NULL: FloatStorage, 0, _rebuild_tensor_v2 */
    int64_t numel, offset;
    int ndim, nstride;
    int64_t dim[9], stride[9];
    const int64_t *view; /* offset and size, of the legacy stream */
} t_spec;
extern const t_spec t_vector; /* six floats, all of storage 0 */

/** Push a storage, a tensor. */
void t_put_storage(t_buffer *b, const t_spec *s);
void t_put_tensor(t_buffer *b, const t_spec *s);

/** A whole legacy stream around an object pickle that has neither header nor STOP. `keys`: one storage key a character;
 * `system`: the opcodes of the system info; behind the pickles the element count `count` and `data` floats 0, 1, 2 ... */
void t_put_stream(t_buffer *out, const t_buffer *object, const char *keys, const char *system, int64_t count, size_t data);
#define T_SYSTEM "}U\x0dlittle_endian\x88s"

#endif
