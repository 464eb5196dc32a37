/* SPDX-License-Identifier: Apache-2.0 */
/* One file out of a zip archive. */
#ifndef EFF_FETCH_MEMBER_H
#define EFF_FETCH_MEMBER_H

#include "base/error.h"

#include <stdint.h>
#include <stdio.h>

/** Write the member `name` of the archive in `fd` (borrowed) to `out`; its SHA-256 comes back in hex, its bytes in
 * *size.
 * @param most  bytes at most
 * @return EFF_EFORMAT when there is no such member or the archive is damaged */
eff_status eff_member_extract(int fd, const char *name, uint64_t most, FILE *out, char hex[65], uint64_t *size,
                              eff_error *err);

#endif
