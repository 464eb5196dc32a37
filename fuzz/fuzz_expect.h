/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target includes. */
#ifndef EFF_FUZZ_EXPECT_H
#define EFF_FUZZ_EXPECT_H

#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Stop: something promised does not hold. */
#define FUZZ_EXPECT(condition) \
    do { \
        if (!(condition)) __builtin_trap(); \
    } while (0)

#endif
