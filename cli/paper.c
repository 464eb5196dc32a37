/* SPDX-License-Identifier: Apache-2.0 */
/* Table 2 of the paper and the coefficients of the released code. The released coefficients are rounded by hand; phi is
 * the one whose alpha^phi, beta^phi and gamma^phi come nearest to them together. */
#include "paper.h"

#include <math.h>
#include <string.h>

const paper_model paper_models[PAPER_MODELS] = {
    { "efficientnet-b0", 0, 1.0, 1.0, 224, "5.3M", "0.39B", 76.3, 77.1 },
    { "efficientnet-b1", 0.5, 1.0, 1.1, 240, "7.8M", "0.70B", 78.8, 79.1 },
    { "efficientnet-b2", 1, 1.1, 1.2, 260, "9.2M", "1.0B", 79.8, 80.1 },
    { "efficientnet-b3", 2, 1.2, 1.4, 300, "12M", "1.8B", 81.1, 81.6 },
    { "efficientnet-b4", 3.5, 1.4, 1.8, 380, "19M", "4.2B", 82.6, 82.9 },
    { "efficientnet-b5", 5, 1.6, 2.2, 456, "30M", "9.9B", 83.3, 83.6 },
    { "efficientnet-b6", 6, 1.8, 2.6, 528, "43M", "19B", 84.0, 84.0 },
    { "efficientnet-b7", 7, 2.0, 3.1, 600, "66M", "37B", 84.4, 84.3 },
};

const paper_model *paper_find(const eff_model_info *m)
{
    for (int i = 0; i < PAPER_MODELS; i++) {
        const paper_model *p = &paper_models[i];
        if (!strcmp(m->name, p->name) && m->classes == 1000 && fabs(m->width - p->width) < 1e-6 &&
            fabs(m->depth - p->depth) < 1e-6)
            return p;
    }
    return NULL;
}

const paper_model *paper_at(double phi)
{
    for (int i = 0; i < PAPER_MODELS; i++)
        if (fabs(paper_models[i].phi - phi) <= 0.25) return &paper_models[i];
    return NULL;
}

bool paper_constants(double alpha, double beta, double gamma)
{
    return fabs(alpha - 1.2) < 1e-9 && fabs(beta - 1.1) < 1e-9 && fabs(gamma - 1.15) < 1e-9;
}
