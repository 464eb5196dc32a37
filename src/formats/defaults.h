/* SPDX-License-Identifier: Apache-2.0 */
/* How photographs are prepared for weights of a family, where the file itself does not say. */
#ifndef EFF_FORMATS_DEFAULTS_H
#define EFF_FORMATS_DEFAULTS_H

#include "formats/names.h"

/** The evaluation rule of weights published in family `f` for architecture `t`, at height x width pixels; 0 x 0
 * = the size these weights are published for, where it is known, else the table's. Other sizes keep the
 * proportion of the short side to the crop. */
eff_preprocess eff_default_preprocess(eff_family f, const eff_table *t, int height, int width);

/** The same rule for another input size: the short side keeps its proportion to the crop. */
void eff_preprocess_resize(eff_preprocess *p, int height, int width);

#endif
