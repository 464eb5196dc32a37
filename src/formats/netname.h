/* SPDX-License-Identifier: Apache-2.0 */
/* Names for networks that were measured, not named. */
#ifndef EFF_FORMATS_NETNAME_H
#define EFF_FORMATS_NETNAME_H

#include "model/table.h"

/** Name a table by the built-in that has the same network, or by the coefficients of built-in `base` that give it,
 * and take over what shapes do not show (input size, dropout). A table that no coefficients give keeps its name.
 * @return whether a name was found */
bool eff_name_network(eff_table *t, const char *base);

#endif
