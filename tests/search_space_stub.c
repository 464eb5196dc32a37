/* SPDX-License-Identifier: Apache-2.0 */
#include "search/space.h"
#include <string.h>
void eff_space_canonical(const eff_space *s, eff_child *c)
{
    memset(c->choice + s->ndecisions, 0, sizeof c->choice - (size_t)s->ndecisions);
}
