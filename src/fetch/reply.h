/* SPDX-License-Identifier: Apache-2.0 */
/* What the head of an HTTP reply says, as far as a download depends on it; and where a reply may send one on to. */
#ifndef EFF_FETCH_REPLY_H
#define EFF_FETCH_REPLY_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EFF_REPLY_MOST = 64 << 10 }; /* bytes of all header lines of a download together */

typedef struct eff_reply {
    int status;        /* 0: no status line yet                                      */
    char etag[256];    /* strong one with its quotes; empty: none that a range may depend on */
    char modified[64]; /* Last-Modified                                              */
    char encoding[32]; /* Content-Encoding other than identity                       */
    bool has_length, has_range;
    uint64_t length;             /* Content-Length                                     */
    uint64_t first, last, total; /* Content-Range; total 0: "*"                        */
    size_t bytes;                /* of header lines so far, also of replies before this one */
    bool too_much;
} eff_reply;

/** Take in one header line (with or without its line end); a status line begins a new reply. @return false: too much */
bool eff_reply_line(eff_reply *r, const char *line, size_t n);

/** What If-Range may be given for this reply: its strong ETag, else its date, else "". */
const char *eff_reply_validator(const eff_reply *r);

/** May a reply to `from` send one on to `to`? Only to http and https, and never from https to http. */
eff_status eff_reply_redirect(const char *from, const char *to, eff_error *err);

#endif
