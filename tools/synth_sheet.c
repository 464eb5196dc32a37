/* SPDX-License-Identifier: Apache-2.0 */
/* synth_sheet OUT.png SIZE ROWS COLUMNS [DIFFICULTY]: a contact sheet of the synthetic set, classes in reading order,
 * each once before any comes again. Made docs/images/synth.png; not installed. */
#include "image/image.h"

#include <effnet/synth.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GAP = 3 };

int main(int argc, char **argv)
{
    eff_error err = { 0 };
    eff_synth_opts o;
    eff_synth_opts_init(&o);
    if (argc < 5 || argc > 6) {
        fprintf(stderr, "usage: synth_sheet OUT.png SIZE ROWS COLUMNS [DIFFICULTY]\n");
        return 2;
    }
    const int rows = atoi(argv[3]), columns = atoi(argv[4]);
    o.size = atoi(argv[2]);
    if (argc == 6) o.difficulty = atof(argv[5]);
    eff_image *sheet = NULL, *im = NULL;
    const int width = columns * (o.size + GAP) - GAP, height = rows * (o.size + GAP) - GAP;
    if (rows < 1 || columns < 1 || eff_image_new(&sheet, (uint64_t)width, (uint64_t)height, &err) != EFF_OK) goto fail;
    memset(sheet->rgb, 255, (size_t)width * (size_t)height * 3);
    for (int i = 0; i < rows * columns; i++) {
        if (eff_synth_render(&im, &o, i % o.classes, EFF_PART_TRAIN, i / o.classes, &err) != EFF_OK) goto fail;
        const int left = i % columns * (o.size + GAP), top = i / columns * (o.size + GAP);
        for (int y = 0; y < o.size; y++)
            memcpy(sheet->rgb + ((size_t)(top + y) * (size_t)width + (size_t)left) * 3,
                   im->rgb + (size_t)y * (size_t)o.size * 3, (size_t)o.size * 3);
        eff_image_free(im);
    }
    if (eff_png_save(sheet, argv[1], &err) != EFF_OK) goto fail;
    eff_image_free(sheet);
    return 0;
fail:
    fprintf(stderr, "synth_sheet: %s\n", err.msg);
    eff_image_free(sheet);
    return 1;
}
