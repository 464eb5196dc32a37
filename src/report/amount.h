/* SPDX-License-Identifier: Apache-2.0 */
/* Amounts as people read them on a page. */
#ifndef EFF_REPORT_AMOUNT_H
#define EFF_REPORT_AMOUNT_H

#include <stddef.h>

void eff_amount_count(char *out, size_t room, double v);      /* 1234567 as 1.23M              */
void eff_amount_span(char *out, size_t room, double seconds); /* 3725 as "62 min 05 s"          */
void eff_amount_percent(char *out, size_t room, double part); /* 0.123 as "12.3 %"; NaN: a dash */

#endif
