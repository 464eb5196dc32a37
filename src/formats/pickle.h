/* SPDX-License-Identifier: Apache-2.0 */
/* A pickle, read as data. The reader builds the tree of values that the pickle describes and runs nothing: a name of code
 * is a GLOBAL value, a call is an OBJECT value that remembers what would have been called with what. */
#ifndef EFF_FORMATS_PICKLE_H
#define EFF_FORMATS_PICKLE_H

#include "base/error.h"

#include <stdbool.h>

typedef enum eff_pk_kind {
    EFF_PK_NONE, EFF_PK_BOOL, EFF_PK_INT, EFF_PK_BIGINT, EFF_PK_FLOAT, EFF_PK_STR, EFF_PK_BYTES,
    EFF_PK_LIST, EFF_PK_TUPLE, EFF_PK_SET, EFF_PK_DICT, EFF_PK_GLOBAL, EFF_PK_PERSID, EFF_PK_OBJECT
} eff_pk_kind;

/** Parts of an OBJECT and of a GLOBAL, as indices for eff_pk_item(). A part that is absent is the value 0, a NONE. */
enum { EFF_PK_CALLABLE, EFF_PK_ARGS, EFF_PK_STATE, EFF_PK_PAIRS /* a DICT */, EFF_PK_ITEMS /* a LIST */, EFF_PK_OBJECT_PARTS };
enum { EFF_PK_MODULE, EFF_PK_NAME };

typedef struct eff_pk_value {
    uint8_t kind;
    uint32_t n; /* STR, BYTES, BIGINT (little-endian): bytes; others: items, of a DICT keys and values in turn */
    union {
        int64_t i; /* INT, BOOL */
        double f;
        const unsigned char *s; /* in the bytes that were parsed */
        struct { uint32_t at, cap; } ref;
    } u;
} eff_pk_value;

typedef struct eff_pickle {
    const unsigned char *bytes; /* borrowed: must outlive this */
    size_t end;                 /* bytes used, STOP included   */
    bool cut;                   /* the parse failed for want of more bytes */
    uint32_t root;
    eff_pk_value *value;        /* all values made, also those that were dropped; value 0 is NONE */
    size_t nvalues, values_cap;
    uint32_t *ref;              /* items of containers: indices of values */
    size_t nrefs, refs_cap;
} eff_pickle;

/** Parse one pickle of protocol 2 to 5 from the start of `bytes`. Memory stays proportional to the bytes used. The tree may
 * be shared and cyclic. Release with eff_pickle_free() on failure too. */
eff_status eff_pickle_parse(eff_pickle *p, const unsigned char *bytes, size_t size, eff_error *err);
void eff_pickle_free(eff_pickle *p);

/** Item i of a LIST, TUPLE, SET, DICT, GLOBAL, OBJECT or PERSID (whose only item is the id): the index of a value. */
static inline uint32_t eff_pk_item(const eff_pickle *p, const eff_pk_value *v, uint32_t i) { return p->ref[v->u.ref.at + i]; }
static inline const eff_pk_value *eff_pk_at(const eff_pickle *p, uint32_t id) { return &p->value[id]; }
static inline const eff_pk_value *eff_pk_get(const eff_pickle *p, const eff_pk_value *v, uint32_t i)
{
    return &p->value[eff_pk_item(p, v, i)];
}
bool eff_pk_is_str(const eff_pk_value *v, const char *s);
bool eff_pk_is_global(const eff_pickle *p, const eff_pk_value *v, const char *module, const char *name);
/** "module.name" of a GLOBAL, cut to fit. */
void eff_pk_global_text(const eff_pickle *p, const eff_pk_value *v, char *buf, size_t size);

#endif
