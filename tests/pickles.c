/* SPDX-License-Identifier: Apache-2.0 */
/* Pickles written opcode by opcode. */
#include "pickles.h"

#include <stdlib.h>
#include <string.h>

void t_put(t_buffer *b, const void *p, size_t n)
{
    if (b->n + n > b->cap) {
        b->cap = 2 * (b->n + n);
        b->p = realloc(b->p, b->cap);
        assert_non_null(b->p);
    }
    if (n) memcpy(b->p + b->n, p, n);
    b->n += n;
}

void t_put_str(t_buffer *b, const char *s)
{
    const uint32_t n = (uint32_t)strlen(s);
    T_PUT(b, "X");
    t_put(b, &n, 4);
    t_put(b, s, n);
}

void t_put_int(t_buffer *b, int64_t i)
{
    T_PUT(b, "\x8a\x08");
    t_put(b, &i, 8);
}

void t_put_ints(t_buffer *b, const int64_t *i, int n)
{
    T_PUT(b, "(");
    for (int k = 0; k < n; k++) t_put_int(b, i[k]);
    T_PUT(b, "t");
}

void t_put_storage(t_buffer *b, const t_spec *s)
{
    T_PUT(b, "(");
    t_put_str(b, "storage");
    T_PUT(b, "ctorch\n");
    t_put(b, s->type ? s->type : "FloatStorage", strlen(s->type ? s->type : "FloatStorage"));
    T_PUT(b, "\n");
    t_put_str(b, s->key ? s->key : "0");
    t_put_str(b, "cpu");
    t_put_int(b, s->numel);
    if (s->view) {
        T_PUT(b, "(");
        t_put_str(b, "view");
        t_put_int(b, s->view[0]);
        t_put_int(b, s->view[1]);
        T_PUT(b, "t");
    }
    T_PUT(b, "tQ");
}

void t_put_tensor(t_buffer *b, const t_spec *s)
{
    const char *const f = s->rebuild ? s->rebuild : "_rebuild_tensor_v2";
    T_PUT(b, "ctorch._utils\n");
    t_put(b, f, strlen(f));
    T_PUT(b, "\n(");
    t_put_storage(b, s);
    t_put_int(b, s->offset);
    t_put_ints(b, s->dim, s->ndim);
    t_put_ints(b, s->stride, s->nstride);
    T_PUT(b, "\x89" "ccollections\nOrderedDict\n)RtR");
}

const t_spec t_vector = { .numel = 6, .ndim = 1, .nstride = 1, .dim = { 6 }, .stride = { 1 } };

void t_put_stream(t_buffer *out, const t_buffer *object, const char *keys, const char *system, int64_t count, size_t data)
{
    T_PUT(out, "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03.\x80\x02");
    t_put(out, system, strlen(system));
    T_PUT(out, ".\x80\x02");
    t_put(out, object->p, object->n);
    T_PUT(out, ".\x80\x02](");
    for (const char *k = keys; *k; k++) t_put_str(out, (const char[]){ *k, 0 });
    T_PUT(out, "e.");
    t_put(out, &count, 8);
    for (size_t i = 0; i < data; i++) {
        const float v = (float)i;
        t_put(out, &v, 4);
    }
}
