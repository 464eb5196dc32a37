/* SPDX-License-Identifier: Apache-2.0 */
/* The eight EXIF orientations: how the stored picture is turned and mirrored until it stands upright. */
#ifndef EFF_IMAGE_ORIENT_H
#define EFF_IMAGE_ORIENT_H

#include <stdbool.h>
#include <stddef.h>

/* 5 to 8 exchange rows and columns; stored columns run against the upright direction in 2, 3, 7, 8, rows in 3, 4, 6, 7.
 */
static inline bool eff_orient_swaps(int o) { return o >= 5; }
static inline bool eff_orient_mirrors_x(int o) { return o == 2 || o == 3 || o == 7 || o == 8; }
static inline bool eff_orient_mirrors_y(int o) { return o == 3 || o == 4 || o == 6 || o == 7; }

typedef struct eff_line {
    ptrdiff_t start, step; /* pixels */
} eff_line;

/** Where stored row y of w x h goes in the upright picture: its pixel x to start + x * step. */
static inline eff_line eff_orient_line(int o, int w, int h, int y)
{
    const ptrdiff_t row = eff_orient_mirrors_y(o) ? h - 1 - y : y;
    const ptrdiff_t far = eff_orient_mirrors_x(o) ? w - 1 : 0, sign = eff_orient_mirrors_x(o) ? -1 : 1;
    if (eff_orient_swaps(o)) return (eff_line){ far * h + row, sign * h };
    return (eff_line){ row * w + far, sign };
}

#endif
