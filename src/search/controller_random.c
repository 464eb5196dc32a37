/* SPDX-License-Identifier: Apache-2.0 */
/* Random search, the control: every decision uniformly, whatever was observed. Choices are uniform, networks nearly so:
 * one that several choices make is met as many times as often. */
#include "search/controller_internal.h"

static void draw(eff_controller *c, long number, eff_dice *r, eff_child *out)
{
    (void)number;
    eff_controller_uniform(c, r, out);
}

const eff_controller_class eff_controller_random = { .name = "random", .draw = draw };
