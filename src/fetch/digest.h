/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 of files, and comparing it with what is published of it. */
#ifndef EFF_FETCH_DIGEST_H
#define EFF_FETCH_DIGEST_H

#include "base/error.h"

#include <stdbool.h>
#include <stddef.h>

typedef struct eff_digest {
    void *ctx;
} eff_digest;

eff_status eff_digest_begin(eff_digest *d, eff_error *err);
bool eff_digest_add(eff_digest *d, const void *bytes, size_t n);
/** Its 64 lower-case hexadecimal digits; releases d. @return false: it could not be computed */
bool eff_digest_end(eff_digest *d, char hex[65]);

/** Add the whole file; its bytes are added to *size. `tick` (NULL) is called now and then and stops it by a value other
 * than 0. */
eff_status eff_digest_add_file(eff_digest *d, int fd, uint64_t *size, int (*tick)(void *, uint64_t done), void *ctx,
                               eff_error *err);

/** Of the whole file; its bytes in *size. */
eff_status eff_digest_file(int fd, char hex[65], uint64_t *size, int (*tick)(void *, uint64_t done), void *ctx,
                           eff_error *err);

/** Does `hex` begin as `published` says? */
bool eff_digest_fits(const char hex[65], const char *published);

#endif
