/* SPDX-License-Identifier: Apache-2.0 */
/* The readable form of what bfloat16 inference does differently: operands of dense products are rounded, sums are not.
 * The instruction of the fast form takes subnormal operands for zeros, this one takes them as they are. */
#include "kernels/bf16.h"
#include "kernels/kernels.h"
#include "kernels/ref/ref_act.h"

static void gemm_bf16_ref(const eff_gemm *g)
{
    const int run = g->run ? g->run : g->k, until = g->until ? g->until : g->k, ends = until == g->k;
    for (int j = g->group0; j < g->group0 + g->groups && j < g->n; j++) { /* a group is one column here */
        const float *b = g->b + (size_t)j * (size_t)g->k;
        const size_t column = g->c_step ? (size_t)(j - g->group0) * g->c_step : (size_t)j;
        for (int i = 0; i < g->m * (g->bands ? g->bands : 1); i++) {
            const size_t band = (size_t)(i / g->m), row = (size_t)(i % g->m);
            const float *a = g->a + band * g->a_band + row * g->lda + (size_t)(g->from / run) * g->a_step + g->from % run;
            float *const c = g->c + band * g->c_band + row * g->ldc + column;
            float sum = g->from ? *c : g->bias[j];
            if (g->res && !g->res_after && !g->from) sum += g->res[(size_t)i * g->ldr + (size_t)j];
            for (int k0 = g->from; k0 < until; k0 += run, a += g->a_step)
                for (int k = k0; k < k0 + run && k < until; k++)
                    for (int half = 0; half < 2; half++)
                        sum += eff_bf16_half(&a[k - k0], half) * eff_bf16_half(&b[k], half);
            if (ends) sum = activate(sum, g->act);
            if (ends && g->res && g->res_after) sum += g->res[(size_t)i * g->ldr + (size_t)j];
            *c = sum;
        }
    }
}

static void round_rows_ref(float *y, const float *x, size_t rows, int n)
{
    for (size_t r = 0; r < rows; r++, x += n)
        for (int j = 0; j < n; j += 2) eff_bf16_pair(y++, x[j], j + 1 < n ? x[j + 1] : 0.0f);
}

static void round_planes_ref(float *y, size_t ldy, const float *x, size_t step, const float *s, int n, int pixels)
{
    for (int p = 0; p < pixels; p++)
        for (int j = 0; j < n; j += 2) {
            const float *at = x + (size_t)j * step + p; /* a plane is one channel here */
            const float second = j + 1 < n ? at[step] * (s ? s[j + 1] : 1.0f) : 0.0f;
            eff_bf16_pair(&y[(size_t)p * ldy + (size_t)j / 2], *at * (s ? s[j] : 1.0f), second);
        }
}

void eff_kernels_init_bf16_ref(eff_kernels *k)
{
    k->gemm_bf16 = gemm_bf16_ref;
    k->round_rows = round_rows_ref;
    k->round_planes = round_planes_ref;
}
