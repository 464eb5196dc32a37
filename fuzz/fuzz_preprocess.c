/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a preprocessing rule as text, applied to a picture. The first three bytes are the picture's width and
 * height (1 to 64) and its orientation. */
#include "fuzz_expect.h"

#include "image/orient.h"
#include "image/preprocess.h"
#include "image/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static void apply(const eff_preprocess *p, int w, int h)
{
    static uint8_t rgb[64 * 64 * 3];
    for (int i = 0; i < w * h * 3; i++) rgb[i] = (uint8_t)(i * 29 + i / 7);
    eff_error err = { 0 };
    eff_image *im = NULL;
    FUZZ_EXPECT(eff_image_from_rgb(&im, rgb, w, h, &err) == EFF_OK);
    const size_t n = (size_t)p->height * (size_t)p->width * 3;
    float *const x = malloc(n * sizeof *x);
    if (x && eff_preprocess_apply(im, p, x, &err) == EFF_OK)
        for (size_t i = 0; i < n; i++) FUZZ_EXPECT(isfinite(x[i]));
    free(x);
    eff_image_destroy(im);
}

/* Turned first or turned on the way: the same bits. */
static void turn(const eff_preprocess *p, int w, int h, int o)
{
    static uint8_t stored[64 * 64 * 3], upright[64 * 64 * 3], a[16 * 16 * 3], b[16 * 16 * 3];
    if (p->filter > EFF_FILTER_LANCZOS) return;
    for (int i = 0; i < w * h * 3; i++) stored[i] = (uint8_t)(i * 31 + i / 5);
    for (int y = 0; y < h; y++) {
        const eff_line line = eff_orient_line(o, w, h, y);
        for (int x = 0; x < w; x++) memcpy(upright + (line.start + x * line.step) * 3, stored + (y * w + x) * 3, 3);
    }
    const int uw = eff_orient_swaps(o) ? h : w, uh = eff_orient_swaps(o) ? w : h;
    const eff_resize_spec s = { .width = w,
                                .height = h,
                                .orientation = o,
                                .from = { 0, 0, uw, uh },
                                .out_w = 1 + p->width % 16,
                                .out_h = 1 + p->height % 16,
                                .crop = { 0, 0, 1 + p->width % 16, 1 + p->height % 16 },
                                .filter = p->filter };
    eff_resizer *r;
    FUZZ_EXPECT(eff_resizer_create(&r, &s, NULL) == EFF_OK);
    for (int y = 0; y < h; y++) {
        memcpy(eff_resizer_row(r), stored + y * w * 3, (size_t)w * 3);
        eff_resizer_done(r);
    }
    eff_resizer_take_u8(r, a);
    eff_resizer_free(r);
    FUZZ_EXPECT(eff_resize_pillow(b, s.crop, upright, uw, uh, s.from, s.out_w, s.out_h, s.filter, NULL) == EFF_OK);
    FUZZ_EXPECT(!memcmp(a, b, (size_t)s.out_w * (size_t)s.out_h * 3));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) return 0;
    const eff_preprocess start = { .side = 8, .height = 8, .width = 8, .fraction = 0.5, .std = { 1, 1, 1 } };
    eff_preprocess p = start, back = { 0 };
    eff_error err = { 0 };
    char text[512], *const spec = malloc(size - 2);
    if (!spec) return 0;
    memcpy(spec, data + 3, size - 3);
    spec[size - 3] = '\0';
    if (eff_preprocess_read(&p, spec, &err) != EFF_OK)
        FUZZ_EXPECT(err.msg[0] && !memcmp(&p, &start, sizeof p));
    else {
        const int n = eff_preprocess_write(&p, text, sizeof text);
        FUZZ_EXPECT(n > 0 && n < (int)sizeof text && eff_preprocess_read(&back, text, &err) == EFF_OK);
        FUZZ_EXPECT(back.icc == p.icc && back.scaled_dct == p.scaled_dct && back.height == p.height);
        if (p.height <= 256 && p.width <= 256 && p.side <= 1024) apply(&p, 1 + data[0] % 64, 1 + data[1] % 64);
        turn(&p, 1 + data[0] % 64, 1 + data[1] % 64, 1 + data[2] % 8);
    }
    free(spec);
    return 0;
}
