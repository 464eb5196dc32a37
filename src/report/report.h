/* SPDX-License-Identifier: Apache-2.0 */
/* The report (include/effnet/report.h) as text, and into a file. */
#ifndef EFF_REPORT_REPORT_H
#define EFF_REPORT_REPORT_H

#include "base/error.h"
#include "report/text.h"

#include <effnet/report.h>

/** Defaults of an eff_report. */
void eff_report_defaults(eff_report *r);

/** The page; release with eff_text_free(), also after a failure. */
eff_status eff_report_text(eff_text *t, const eff_report *r, eff_error *err);

/** The page into a file, atomically. */
eff_status eff_report_write(const eff_report *r, const char *path, eff_error *err);

/** What eff_report_worst() promises. */
size_t eff_report_mistakes(const eff_report_image *images, size_t n, size_t *index, size_t most);

#endif
