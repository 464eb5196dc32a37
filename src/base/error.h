/* SPDX-License-Identifier: Apache-2.0 */
/* Filling the caller's eff_error. Messages name the thing (tensor, field, value), what was expected and what was found;
 * the file's name is left to whoever opened it. */
#ifndef EFF_BASE_ERROR_H
#define EFF_BASE_ERROR_H

#include <effnet/effnet.h>
#include <stdarg.h>

/** Set *err (NULL is fine) and return `code`, so that a function can end in `return eff_fail(err, ...)`. Control characters
 * that a hostile name could carry are replaced by '?'. */
eff_status eff_fail(eff_error *err, eff_status code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** The same for an allocation of `bytes` that failed. */
eff_status eff_fail_memory(eff_error *err, size_t bytes);

/** Put "prefix: " in front of a message that is already there. */
void eff_error_prefix(eff_error *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
