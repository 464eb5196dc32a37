/* SPDX-License-Identifier: Apache-2.0 */
/* The files of share/spaces inside the library: space_shipped.c is written by space_shipped.cmake when the library is
 * built. */
#ifndef EFF_SEARCH_SPACE_SHIPPED_H
#define EFF_SEARCH_SPACE_SHIPPED_H

typedef struct eff_shipped_space {
    const char *name, *text; /* of the file without its ending; its JSON */
} eff_shipped_space;

extern const eff_shipped_space eff_shipped_spaces[];
extern const int eff_shipped_space_count;

#endif
