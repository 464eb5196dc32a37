/* SPDX-License-Identifier: Apache-2.0 */
/* The confusion matrix as a picture: the classes that are taken for each other stand together. */
#ifndef EFF_REPORT_CONFUSION_H
#define EFF_REPORT_CONFUSION_H

#include "base/error.h"
#include "report/text.h"

#include <effnet/eval.h>

enum { EFF_CONFUSION_MOST = 40 }; /* classes that a picture can show */

typedef struct eff_confusion {
    int n, order[EFF_CONFUSION_MOST]; /* classes shown, in that order                        */
    int mistakes, shown;              /* answers that were wrong; those between shown classes */
} eff_confusion;

/** Choose and order: all classes where they fit, else those of the most frequent confusions (none where nothing was
 * confused). */
eff_status eff_confusion_find(eff_confusion *c, const eff_metrics_result *m, eff_error *err);

/** @param names  [m->classes], NULL entries are written as numbers; or NULL */
void eff_svg_confusion(eff_text *t, const char *title, const eff_confusion *c, const eff_metrics_result *m,
                       const char *const *names);

/** The name of a class, or its number in buf[16]. */
const char *eff_report_class(const char *const *names, int c, char buf[16]);

#endif
