/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions of exports. */
#include "base/error.h"
#include "export/export.h"
#include "export/parity.h"

#include <math.h>

EFF_API void eff_export_opts_init(eff_export_opts *o) { *o = (eff_export_opts){ .bar = 1e-3 }; }

static eff_status check_opts(const eff_export_opts **o, eff_export_opts *defaults, eff_error *err)
{
    if (!*o) {
        eff_export_opts_init(defaults);
        *o = defaults;
    }
    if (!isfinite((*o)->bar) || (*o)->bar < 0)
        return eff_fail(err, EFF_EARG, "bar: expected a number from 0 up, found %g", (*o)->bar);
    if ((*o)->nimages && !(*o)->images)
        return eff_fail(err, EFF_EARG, "images: %zu are announced, none is there", (*o)->nimages);
    return EFF_OK;
}

EFF_API eff_status eff_export_onnx(const eff_model *m, const char *path, const eff_export_opts *o, eff_parity *parity,
                                   eff_error *err)
{
    eff_export_opts defaults;
    if (!m || !path || !parity) return eff_fail(err, EFF_EARG, "eff_export_onnx: model, path and parity are needed");
    const eff_status s = check_opts(&o, &defaults, err);
    return s == EFF_OK ? eff_export_onnx_file(m, path, o, parity, err) : s;
}

EFF_API eff_status eff_export_check(const eff_model *m, const char *path, const eff_export_opts *o, eff_parity *parity,
                                    eff_error *err)
{
    eff_export_opts defaults;
    if (!m || !path || !parity) return eff_fail(err, EFF_EARG, "eff_export_check: model, path and parity are needed");
    const eff_status s = check_opts(&o, &defaults, err);
    return s == EFF_OK ? eff_parity_run(parity, m, path, o, err) : s;
}

EFF_API eff_status eff_export_weights(const eff_model *m, const char *path, const char *names, char loads_as[64],
                                      eff_error *err)
{
    if (!m || !path || !names || !loads_as)
        return eff_fail(err, EFF_EARG, "eff_export_weights: model, path, names and loads_as are needed");
    return eff_export_weights_file(m, path, names, loads_as, err);
}

EFF_API eff_status eff_export_labels(const eff_model *m, const char *path, eff_error *err)
{
    if (!m || !path) return eff_fail(err, EFF_EARG, "eff_export_labels: model and path are needed");
    return eff_export_label_files(m, path, err);
}
