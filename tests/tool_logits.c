/* SPDX-License-Identifier: Apache-2.0 */
/* Holds a model's logits for the formula picture (salt 1, ImageNet normalisation) against a reference:
 *   logits MODEL H W WANT.npy [CPU]
 * WANT is float64 [2][classes]: the reference's float32 run, then its float64 run. Prints the deviation and the bound
 * in standard deviations over the classes; ends with 1 where the bound is exceeded. */
#include "forward.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    eff_error err = { 0 };
    eff_model *m;
    if (argc < 5) {
        fprintf(stderr, "usage: logits MODEL H W WANT.npy [CPU]\n");
        return 2;
    }
    if (eff_model_load(&m, argv[1], NULL, &err) != EFF_OK) {
        fprintf(stderr, "%s: %s\n", argv[1], err.msg);
        return 2;
    }
    t_npy want = t_npy_load(argv[4]);
    if (want.ndim != 2 || want.dim[0] != 2 || want.dim[1] != (size_t)m->table.classes) {
        fprintf(stderr, "%s: expected [2][%d]\n", argv[4], m->table.classes);
        return 2;
    }
    const t_deviation d = t_synth_deviation(m, atoi(argv[2]), atoi(argv[3]), want.data, 0, argc > 5 ? argv[5] : NULL);
    printf("%-28s %4sx%-4s %-7s max |difference| %.2e of std, bound %.2e\n", m->table.name, argv[2], argv[3],
           argc > 5 ? argv[5] : "", d.worst, d.bound);
    t_npy_free(&want);
    eff_model_free(m);
    return d.worst <= d.bound ? 0 : 1; /* false for a NaN */
}
