/* SPDX-License-Identifier: Apache-2.0 */
/* Names in messages: how far two are apart, for "did you mean", and what there is to choose from. */
#ifndef EFF_BASE_NEAREST_H
#define EFF_BASE_NEAREST_H

#include <stddef.h>

enum { EFF_NAME_EDIT = 100 }; /* distance that one inserted, dropped or swapped letter adds */

/** Edit distance of two names in units of 1/EFF_NAME_EDIT: letters by case-blind identity, neighbouring digits closer than
 * distant ones (so that "b9" leads to "b8"), '-' and '_' nearly alike. Names too long to be typed are far from everything. */
int eff_name_distance(const char *a, const char *b);

/** Largest distance at which `name` still counts as a slip of the pen. */
int eff_name_near(const char *name);

/** "a, b or c" of n names, cut to size. */
void eff_name_list(char *buf, size_t size, const char *const *names, int n);

#endif
