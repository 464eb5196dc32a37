/* SPDX-License-Identifier: Apache-2.0 */
/* The wire format of protocol buffers, as much of it as ONNX needs: messages are written inside out into growing
 * buffers, and read as fields, one after another, that point into the bytes they came from. */
#ifndef EFF_FORMATS_ONNX_WIRE_H
#define EFF_FORMATS_ONNX_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ------------------------------------------------------------------------------------------ writing */

typedef struct eff_wire { /* zeroed is empty */
    unsigned char *p;
    size_t n, room;
    bool failed; /* memory ended; what is in it is worthless, further writes do nothing */
} eff_wire;

void eff_wire_number(eff_wire *w, int field, uint64_t v);
void eff_wire_bytes(eff_wire *w, int field, const void *p, size_t n);
void eff_wire_text(eff_wire *w, int field, const char *s);
/** Field `field` is the message in `inner`, which is emptied. */
void eff_wire_message(eff_wire *w, int field, eff_wire *inner);
/** The start of a field of n bytes, which follow by eff_wire_raw() or are written elsewhere. */
void eff_wire_head(eff_wire *w, int field, uint64_t n);
void eff_wire_raw(eff_wire *w, const void *p, size_t n);
/** Bytes of a number on the wire. */
size_t eff_wire_number_bytes(uint64_t v);
void eff_wire_free(eff_wire *w);

/* ------------------------------------------------------------------------------------------ reading */

typedef struct eff_slice { /* borrowed bytes */
    const unsigned char *p;
    size_t n;
} eff_slice;

typedef enum eff_wire_type { EFF_WIRE_NUMBER = 0, EFF_WIRE_64 = 1, EFF_WIRE_BYTES = 2, EFF_WIRE_32 = 5 } eff_wire_type;

typedef struct eff_wire_field {
    int number;
    eff_wire_type type;
    uint64_t value;  /* NUMBER, and the bits of 32 and 64 */
    eff_slice bytes; /* BYTES                             */
} eff_wire_field;

/** Take the next field off *rest. False at its end, and with *rest->p NULL where the bytes are no field. */
bool eff_wire_next(eff_slice *rest, eff_wire_field *f);

/** Take a number off *rest, as packed fields hold them one after another; false where there is none. */
bool eff_wire_take_number(eff_slice *rest, uint64_t *v);

bool eff_slice_is(eff_slice s, const char *text);

#endif
