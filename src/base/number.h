/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, with a decimal point whatever locale the program around the library has set. */
#ifndef EFF_BASE_NUMBER_H
#define EFF_BASE_NUMBER_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

/** All of s[0..n) as a finite decimal number; false for anything else (blanks, hexadecimal, "inf", "nan", an overflow). */
bool eff_number_read(const char *s, size_t n, double *v);

/** snprintf() as in the "C" locale. */
int eff_number_print(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int eff_number_vprint(char *buf, size_t size, const char *fmt, va_list ap) __attribute__((format(printf, 3, 0)));

#endif
