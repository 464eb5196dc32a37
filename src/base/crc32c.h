/* SPDX-License-Identifier: Apache-2.0 */
/* CRC-32C (Castagnoli), the checksum of TensorFlow's files. */
#ifndef EFF_BASE_CRC32C_H
#define EFF_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/** The checksum of what `crc` is the checksum of (0 = of nothing), followed by n bytes. */
uint32_t eff_crc32c(uint32_t crc, const void *bytes, size_t n);

/** As it is stored: a checksum of data that holds checksums would be weak. */
static inline uint32_t eff_crc32c_mask(uint32_t crc) { return (crc >> 15 | crc << 17) + 0xa282ead8u; }

#endif
