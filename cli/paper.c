/* SPDX-License-Identifier: Apache-2.0 */
/* Tables 2, 3 and 7 of the paper and the coefficients of the released code. The released coefficients are rounded by
 * hand; phi is the one whose alpha^phi, beta^phi and gamma^phi come nearest to them together. */
#include "paper.h"

#include <math.h>
#include <stdlib.h>
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

double paper_phi(double constant, double factor) { return log(factor) / log(constant); }

/* ------------------------------------------------------------------------------------- networks scaled */

const paper_scaled paper_rows[PAPER_SCALED] = {
    { 3, "mobilenetv1-1.0", "MobileNetV1", 1, 1, 1, true, "0.6B", 70.6 },
    { 3, "mobilenetv1-1.0", "width", 1, 2, 1, true, "2.2B", 74.2 },
    { 3, "mobilenetv1-1.0", "resolution", 1, 1, 2, true, "2.2B", 72.7 },
    { 3, "mobilenetv1-1.0", "compound", 1.4, 1.2, 1.3, true, "2.3B", 75.6 },
    { 3, "mobilenetv2-1.0", "MobileNetV2", 1, 1, 1, true, "0.3B", 72.0 },
    { 3, "mobilenetv2-1.0", "depth", 4, 1, 1, true, "1.2B", 76.8 },
    { 3, "mobilenetv2-1.0", "width", 1, 2, 1, true, "1.1B", 76.4 },
    { 3, "mobilenetv2-1.0", "resolution", 1, 1, 2, true, "1.2B", 74.8 },
    { 3, "mobilenetv2-1.0", "compound", 1.4, 1.2, 1.3, false, "1.3B", 77.4 },
    { 3, "resnet50", "ResNet-50", 1, 1, 1, true, "4.1B", 76.0 },
    { 3, "resnet50", "depth", 4, 1, 1, true, "16.2B", 78.1 },
    { 3, "resnet50", "width", 1, 2, 1, true, "14.7B", 77.7 },
    { 3, "resnet50", "resolution", 1, 1, 2, true, "16.4B", 77.5 },
    { 3, "resnet50", "compound", 1.4, 1.2, 1.3, false, "16.7B", 78.8 },
    { 7, "efficientnet-b0", "EfficientNet-B0", 1, 1, 1, true, "0.4B", 77.3 },
    { 7, "efficientnet-b0", "depth", 4, 1, 1, true, "1.8B", 79.0 },
    { 7, "efficientnet-b0", "width", 1, 2, 1, true, "1.8B", 78.9 },
    { 7, "efficientnet-b0", "resolution", 1, 1, 2, true, "1.9B", 79.1 },
    { 7, "efficientnet-b0", "compound", 1.4, 1.2, 1.3, true, "1.8B", 81.1 },
};

const paper_other paper_others[PAPER_OTHERS] = {
    { "ResNet", "ResNet-50", "26M", "4.1B", 76.0 },
    { "ResNet", "ResNet-152", "60M", "11B", 77.8 },
    { "MobileNetV2", "MobileNetV2", NULL, "0.3B", 72.0 },
    { "GPipe", "GPipe", "557M", NULL, 84.3 },
};

double paper_number(const char *printed, double *half)
{
    char *unit;
    const double v = strtod(printed, &unit), scale = *unit == 'B' ? 1e9 : *unit == 'M' ? 1e6 : 1;
    const char *const dot = memchr(printed, '.', (size_t)(unit - printed));
    if (half) *half = 0.5 * scale * pow(10, dot ? -(double)(unit - dot - 1) : 0);
    return v * scale;
}

/* Is the count what is printed, give or take `part` of it? */
static bool near(double count, const char *printed, double part)
{
    double half;
    const double v = paper_number(printed, &half);
    return fabs(count - v) <= fmax(half, part * v);
}

int paper_base(int row)
{
    while (row && paper_rows[row - 1].table == paper_rows[row].table &&
           !strcmp(paper_rows[row - 1].base, paper_rows[row].base))
        row--;
    return row;
}

paper_verdict paper_judge(int row, const uint64_t macs[PAPER_SCALED], int *other)
{
    const paper_scaled *const r = &paper_rows[row];
    const double count = (double)macs[row];
    double half;
    const double printed = paper_number(r->flops, &half);
    const int first = paper_base(row);
    *other = -1;
    if (!r->stated) return PAPER_UNSTATED;
    if (near(count, r->flops, 0)) return PAPER_AGREES;
    for (int k = first; k < PAPER_SCALED && !strcmp(paper_rows[k].base, r->base) && !near(count, r->flops, 0.02); k++) {
        const paper_scaled *const o = &paper_rows[k];
        if (k == row || !o->stated || near((double)macs[k], o->flops, 0.02)) continue;
        if (near(count, o->flops, 0.02) && near((double)macs[k], r->flops, 0.02)) {
            *other = k;
            return PAPER_SWAPPED;
        }
    }
    if (near(count, r->flops, 0.05)) return PAPER_NEAR;
    const double factor = r->depth > 1 ? 0 : r->width * r->resolution; /* depth may cost more than its factor */
    if (factor > 0 && printed - half > factor * factor * (double)macs[first]) return PAPER_TOO_MANY;
    return PAPER_OFF;
}
