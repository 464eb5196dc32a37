/* SPDX-License-Identifier: Apache-2.0 */
/* What the shapes of a tensor file say about the network in it: how many blocks, channels and classes. */
#ifndef EFF_FORMATS_MEASURE_H
#define EFF_FORMATS_MEASURE_H

#include "formats/weights.h"

/** *t = `base` with the repeats, channels and classes that the file shows, spelled as in `naming`; what it does not
 * show keeps the base's value. The result is neither checked nor compared with the file. */
void eff_measure_table(eff_table *t, const eff_table *base, const eff_index *x, eff_family naming);

/** Classes of the file's classifier for a network like `t`; `otherwise` when it has none. */
int eff_measure_classes(const eff_index *x, eff_family naming, const eff_table *t, int otherwise);

#endif
