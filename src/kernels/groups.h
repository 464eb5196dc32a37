/* SPDX-License-Identifier: Apache-2.0 */
/* How the columns of a packed matrix are cut into groups: shared by packing and by every level's kernel. As few groups
 * as can be, as equal as can be: 7 vectors in groups of at most 3 are 3 + 2 + 2, because a tile one vector wide is
 * bound by its loads. */
#ifndef EFF_KERNELS_GROUPS_H
#define EFF_KERNELS_GROUPS_H

static inline int eff_groups(int n, int vl, int group)
{
    const int vectors = (n + vl - 1) / vl;
    return (vectors + group - 1) / group;
}

/** First column of group q. */
static inline int eff_group_start(int n, int vl, int group, int q)
{
    const int vectors = (n + vl - 1) / vl, groups = (vectors + group - 1) / group;
    const int base = vectors / groups, extra = vectors % groups;
    return vl * (q * base + (q < extra ? q : extra));
}

#endif
