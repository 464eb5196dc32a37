/* SPDX-License-Identifier: Apache-2.0 */
/* scale.h — compound scaling (Tan & Le 2019, §3). This interface may change. */
#ifndef EFFNET_SCALE_H
#define EFFNET_SCALE_H

#include <effnet/effnet.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct eff_compound {
    double alpha, beta, gamma; /* of depth, width, resolution; the paper's: 1.2, 1.1, 1.15        */
    double phi;
    double depth, width, resolution; /* filled: alpha^phi, beta^phi, gamma^phi                    */
    double product;                  /* filled: alpha * beta^2 * gamma^2                          */
    double macs_predicted;           /* filled: base MACs * depth * width^2 * resolution^2        */
} eff_compound;

/** Scale `base` by depth d, width w, and the input to `resolution` pixels (0 = keep). Untrained.
 * Width rounds by the table's divisor, repeats by ceil (round_filters, round_repeats of the released code). Release with
 * eff_model_free().
 * @return EFF_EARG for a factor or a resolution out of range */
EFF_API eff_status eff_model_scale(eff_model **out, const eff_model *base, double width, double depth, int resolution,
                                   eff_error *err);

/** Fill *c from its alpha, beta, gamma and phi and scale `base` by it (resolution rounded to the nearest pixel). Untrained.
 * Release with eff_model_free().
 * @return EFF_EARG for a constant below 1 or a negative phi */
EFF_API eff_status eff_model_scale_compound(eff_model **out, const eff_model *base, eff_compound *c, eff_error *err);

#ifdef __cplusplus
}
#endif
#endif
