/* SPDX-License-Identifier: Apache-2.0 */
/* What every fuzz target includes. */
#ifndef EFF_FUZZ_EXPECT_H
#define EFF_FUZZ_EXPECT_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/** Stop: something promised does not hold. */
#define FUZZ_EXPECT(condition) \
    do { \
        if (!(condition)) __builtin_trap(); \
    } while (0)

#if defined(__SANITIZE_ADDRESS__)
#define FUZZ_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FUZZ_SANITIZED 1
#endif
#endif
#ifndef FUZZ_SANITIZED
#define FUZZ_SANITIZED 0
#endif

/** For targets that start the worker: `own` unless EFFNET_WORKER names another. True where none of its deaths may come from
 * the filter: one that is instrumented like this program describes a crash first, which takes forbidden calls. */
static inline int fuzz_worker(const char *own)
{
    static int plain = -1;
    if (plain >= 0) return plain;
    plain = getenv("EFFNET_WORKER") || !FUZZ_SANITIZED;
    setenv("EFFNET_WORKER", own, 0);
    return plain;
}

/** Did the worker die of the filter? Asked of the message's beginning: what follows may be the file's own words. */
static inline int fuzz_filtered(const char *message)
{
    static const char says[] = "the import worker was stopped when it made a system call";
    return !strncmp(message, says, sizeof says - 1);
}

#endif
