/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of reports. */
#include "report/report.h"

EFF_API void eff_report_init(eff_report *r) { eff_report_defaults(r); }

static eff_status missing(const char *what, eff_error *err)
{
    return eff_fail(err, EFF_EARG, "report: expected %s, found NULL", what);
}

EFF_API eff_status eff_report_save(const eff_report *r, const char *path, eff_error *err)
{
    if (!r || !path) return missing("a report and a path", err);
    if ((r->nfacts && !r->facts) || (r->nepochs && !r->epochs)) return missing("facts and epochs", err);
    if (r->nimages && (!r->images || !r->metrics)) return missing("images and the metrics that counted them", err);
    if (r->nexcluded && !r->excluded) return missing("the files left out", err);
    return eff_report_write(r, path, err);
}

EFF_API size_t eff_report_worst(const eff_report_image *images, size_t n, size_t *index, size_t most)
{
    return eff_report_mistakes(images, n, index, most);
}
