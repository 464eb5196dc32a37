/* SPDX-License-Identifier: Apache-2.0 */
/* FNV-1a, 64 bits: tells things apart that nobody forges. */
#ifndef EFF_BASE_HASH_H
#define EFF_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define EFF_HASH_START 0xCBF29CE484222325u

/** Go on from h with n bytes more. */
static inline uint64_t eff_hash(uint64_t h, const void *bytes, size_t n)
{
    for (const unsigned char *p = bytes; n--; p++) h = (h ^ *p) * 0x100000001B3u;
    return h;
}

#endif
