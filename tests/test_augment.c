/* SPDX-License-Identifier: Apache-2.0 */
/* Augmentation: its text form, what is drawn and how often, what each part does to pictures made by formula, and that
 * every CPU level gives the same bits. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"
#include "image/augment_ops.h"

static const float no_mean[3] = { 0, 0, 0 }, no_std[3] = { 1, 1, 1 };

static eff_augment rule(const char *spec)
{
    eff_augment a;
    eff_error err = { 0 };
    memset(&a, 0, sizeof a); /* what lies between the fields is compared too */
    T_OK(eff_augment_preset(&a, "none", &err), err);
    T_OK(eff_augment_read(&a, spec, &err), err);
    return a;
}

static float *image(const char *spec, const uint8_t *rgb, int src_w, int src_h, int width, int height, eff_draw draw)
{
    const eff_augment a = rule(spec);
    eff_error err = { 0 };
    float *const x = malloc((size_t)width * (size_t)height * 3 * sizeof *x);
    assert_non_null(x);
    T_OK(eff_augment_apply(x, height, width, &a, no_mean, no_std, rgb, src_w, src_h, draw, &err), err);
    return x;
}

/* The share of n events is p: within five binomial standard deviations. */
static void check_share(const char *what, int events, int n, double p)
{
    if (fabs(events - n * p) > 5 * sqrt(n * p * (1 - p)) + 1e-9)
        fail_msg("%s: %d of %d, expected %g", what, events, n, n * p);
}

/* -------------------------------------------------------------------------------------------- the text form */

static void test_text(void **state)
{
    (void)state;
    eff_error err = { 0 };
    const char *about, *name;
    int n = 0;
    for (; (name = eff_augment_preset_name(n, &about)); n++) {
        eff_augment a = { 0 }, b = rule(name), back = rule("small");
        T_OK(eff_augment_preset(&a, name, &err), err);
        assert_memory_equal(&a, &b, sizeof a);
        assert_true(about[0] && a.scale_hi == 1 && a.rand_n == 2);
        char text[256], again[256];
        assert_in_range(eff_augment_write(&a, text, sizeof text), 4, sizeof text - 1);
        T_OK(eff_augment_read(&back, text, &err), err);
        eff_augment_write(&back, again, sizeof again);
        assert_string_equal(text, again);
        assert_memory_equal(&a, &back, sizeof a);
    }
    assert_int_equal(n, 7);
    assert_null(eff_augment_preset_name(-1, NULL));

    eff_augment a = rule("cloth,hflip=0,scale=.5:.75,policy=rand-increasing,ops=3,magnitude=7.5,filter=lanczos,pad=2");
    assert_true(a.hflip == 0 && a.vflip == 0.5 && a.scale_lo == 0.5 && a.scale_hi == 0.75 && a.rotate == 5);
    assert_true(a.policy == EFF_AUTO_RAND_INC && a.rand_n == 3 && a.rand_m == 7.5 && a.filter == EFF_FILTER_LANCZOS &&
                a.pad == 2);
    T_OK(eff_augment_read(&a, "erase=0.25", &err), err); /* over what is there */
    assert_true(a.erase == 0.25 && a.pad == 2);
    char text[512], small[8];
    const int whole = eff_augment_write(&a, text, sizeof text);
    assert_string_equal(text,
                        "none,scale=0.5:0.75,ratio=0.85:1.18,pad=2,vflip=0.5,rotate=5,brightness=0.2,contrast=0.2,"
                        "saturation=0.1,policy=rand-increasing,ops=3,magnitude=7.5,erase=0.25,filter=lanczos");
    assert_int_equal(eff_augment_write(&a, small, sizeof small), whole); /* as snprintf */
    assert_int_equal(eff_augment_write(&a, NULL, 0), whole);
    assert_string_equal(small, "none,sc");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *says;
    } bad[] = {
        { "", "expected key=value or one of none light cloth" },
        { "clot", "did you mean cloth?" },
        { "zzzzzzzzzz", "one of none light cloth standard autoaugment randaugment small; found 'zzzzzzzzzz'" },
        { "hflip", "found 'hflip'" },
        { "hflp=1", "did you mean hflip?" },
        { "quux=1", "expected one of scale ratio pad" },
        { "hflip=1,cloth", "expected key=value after the preset, found 'cloth'" },
        { "cloth,", "found ''" },
        { "hflip=0.5,hflip=0.5", "hflip: was given already" },
        { "hflip=1.5", "expected a number 0..1, found '1.5'" },
        { "hflip=nan", "found 'nan'" },
        { "hflip=", "found ''" },
        { "scale=0.5", "scale: expected LOW:HIGH within 0.01..1, found '0.5'" },
        { "scale=0.9:0.5", "found '0.9:0.5'" },
        { "scale=0:1", "found '0:1'" },
        { "ratio=1:2:3", "found '1:2:3'" },
        { "pad=1.5", "pad: expected a whole number 0..1024, found '1.5'" },
        { "ops=17", "whole number 1..16" },
        { "magnitude=11", "magnitude: expected a number 0..10" },
        { "policy=v1", "policy: expected one of none v0 original rand rand-increasing; found 'v1'" },
        { "filter=tf1-bilinear", "filter: expected one of bilinear bicubic lanczos; found" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const eff_augment before = rule("cloth");
        eff_augment a = before;
        eff_error err = { 0 };
        if (eff_augment_read(&a, bad[i].spec, &err) != EFF_EARG) fail_msg("'%s' was accepted", bad[i].spec);
        if (!strstr(err.msg, bad[i].says)) fail_msg("'%s': '%s' does not say '%s'", bad[i].spec, err.msg, bad[i].says);
        assert_memory_equal(&a, &before, sizeof a);
    }
}

/* Every number at both ends of its range, and just beyond. */
static void test_limits(void **state)
{
    (void)state;
    static const struct {
        const char *key, *below, *least, *most, *above;
    } row[] = {
        { "scale", "0.0099:0.5", "0.01:0.01", "1:1", "0.5:1.0001" },
        { "ratio", "0.099:1", "0.1:0.1", "10:10", "1:10.01" },
        { "pad", "-1", "0", "1024", "1025" },
        { "hflip", "-0.01", "0", "1", "1.01" },
        { "vflip", "-0.01", "0", "1", "1.01" },
        { "rotate", "-0.1", "0", "180", "180.1" },
        { "brightness", "-0.01", "0", "1", "1.01" },
        { "contrast", "-0.01", "0", "1", "1.01" },
        { "saturation", "-0.01", "0", "1", "1.01" },
        { "hue", "-0.01", "0", "0.5", "0.51" },
        { "ops", "0", "1", "16", "17" },
        { "magnitude", "-0.1", "0", "10", "10.1" },
        { "erase", "-0.01", "0", "1", "1.01" },
    };
    for (size_t i = 0; i < sizeof row / sizeof *row; i++) {
        const char *const value[] = { row[i].below, row[i].least, row[i].most, row[i].above };
        for (int k = 0; k < 4; k++) {
            char spec[64], says[64];
            snprintf(spec, sizeof spec, "%s=%s", row[i].key, value[k]);
            snprintf(says, sizeof says, "augmentation %s: expected ", row[i].key);
            eff_augment a = rule("none");
            eff_error err = { 0 };
            const eff_status s = eff_augment_read(&a, spec, &err);
            if (s != (k == 0 || k == 3 ? EFF_EARG : EFF_OK)) fail_msg("%s: %d %s", spec, s, err.msg);
            if (s != EFF_OK && !strstr(err.msg, says)) fail_msg("%s: '%s' does not say '%s'", spec, err.msg, says);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ the crop */

/* Boxes lie in the picture; area and ratio, where the picture never refuses a box, are spread as torchvision spreads
 * them: uniform and log-uniform (tenths, within five standard deviations); the place is uniform too. */
static void test_crop(void **state)
{
    (void)state;
    enum { N = 4000, W = 1000, H = 1000 };
    const eff_augment a = rule("scale=0.1:0.5");
    int area[10] = { 0 }, ratio[10] = { 0 }, place[10] = { 0 };
    for (uint32_t i = 0; i < N; i++) {
        const eff_box b = eff_augment_crop(&a, W, H, 1, &(eff_draw){ 5, i / 100, i % 100 });
        assert_true(b.x >= 0 && b.y >= 0 && b.w > 0 && b.h > 0 && b.x + b.w <= W && b.y + b.h <= H);
        const double part = (double)b.w * b.h / (W * H), r = log((double)b.w / b.h) / log(4.0 / 3);
        /* sides are rounded: half a pixel of 300 */
        assert_true(part > 0.0995 && part < 0.503 && fabs(r) < 1.02);
        const int k = (int)((part - 0.1) / 0.04), l = (int)((r + 1) * 5), m = (int)(10.0 * b.x / (W - b.w + 1));
        area[k < 0 ? 0 : k > 9 ? 9 : k]++;
        ratio[l < 0 ? 0 : l > 9 ? 9 : l]++;
        place[m]++;
    }
    for (int i = 0; i < 10; i++) {
        check_share("area", area[i], N, 0.1);
        check_share("ratio", ratio[i], N, 0.1);
        check_share("place", place[i], N, 0.1);
    }
    /* a picture that no box fits: the middle, at the nearest ratio */
    const eff_augment large = rule("scale=0.9:1");
    eff_box b = eff_augment_crop(&large, 1000, 100, 1, &(eff_draw){ 1, 1, 1 });
    assert_true(b.w == 133 && b.h == 100 && b.x == 433 && b.y == 0);
    b = eff_augment_crop(&large, 100, 1000, 1, &(eff_draw){ 1, 1, 1 });
    assert_true(b.w == 100 && b.h == 133 && b.x == 0 && b.y == 433);
    /* and none wanted: the largest part of the right shape */
    const eff_augment none = rule("none");
    b = eff_augment_crop(&none, 320, 240, 1, &(eff_draw){ 0 });
    assert_true(b.w == 240 && b.h == 240 && b.x == 40 && b.y == 0);
    b = eff_augment_crop(&none, 320, 240, 2, &(eff_draw){ 0 });
    assert_true(b.w == 320 && b.h == 160 && b.x == 0 && b.y == 40);
    b = eff_augment_crop(&none, 1, 60000, 1, &(eff_draw){ 0 });
    assert_true(b.w == 1 && b.h == 1);
}

/* ------------------------------------------------------------------------------------- flips, padding, rotation */

static void test_nothing(void **state)
{
    (void)state;
    uint8_t *const rgb = t_synth_u8(40, 56, 1);
    float *const x = image("none", rgb, 56, 40, 56, 40, (eff_draw){ 3, 2, 1 });
    for (int i = 0; i < 40 * 56 * 3; i++) assert_true(x[i] == (float)rgb[i]);
    free(x);
    free(rgb);
}

static void test_flips(void **state)
{
    (void)state;
    enum { N = 2000 };
    const uint8_t rgb[4 * 3] = { 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4 };
    int across = 0, down = 0, both = 0;
    for (uint32_t i = 0; i < N; i++) {
        float *const x = image("hflip=0.3,vflip=0.6,scale=1:1,ratio=1:1", rgb, 2, 2, 2, 2, (eff_draw){ 9, i, 0 });
        const int first = (int)x[0], h = first == 2 || first == 4, v = first >= 3;
        assert_true((int)x[3] == (h ? first - 1 : first + 1) && (int)x[6] == (v ? first - 2 : first + 2));
        across += h;
        down += v;
        both += h && v;
        free(x);
    }
    check_share("horizontal flips", across, N, 0.3);
    check_share("vertical flips", down, N, 0.6);
    check_share("both", both, N, 0.18);
}

/* Every one of the 81 places occurs, and what comes in is the mean colour. */
static void test_padding(void **state)
{
    (void)state;
    enum { S = 12 };
    uint8_t rgb[S * S * 3];
    for (int i = 0; i < S * S * 3; i++) rgb[i] = (uint8_t)(i / 3 + 1);
    const float mean[3] = { 200, 210, 220 };
    const eff_augment a = rule("small,hflip=0");
    eff_error err = { 0 };
    int seen[9][9] = { { 0 } }, places = 0;
    for (uint32_t i = 0; i < 1500; i++) {
        float x[S * S * 3];
        T_OK(eff_augment_apply(x, S, S, &a, mean, no_std, rgb, S, S, (eff_draw){ 2, 0, i }, &err), err);
        const int middle = (int)(x[(6 * S + 6) * 3] + mean[0]) - 1; /* which pixel came to (6, 6) */
        const int dx = middle % S - 6, dy = middle / S - 6;
        assert_true(abs(dx) <= 4 && abs(dy) <= 4);
        places += !seen[dy + 4][dx + 4];
        seen[dy + 4][dx + 4] = 1;
        for (int y = 0; y < S; y++)
            for (int col = 0; col < S; col++) {
                const int sx = col + dx, sy = y + dy;
                const float want = sx < 0 || sy < 0 || sx >= S || sy >= S ? 0 : (float)(sy * S + sx + 1) - mean[0];
                assert_true(x[(y * S + col) * 3] == want);
            }
    }
    assert_int_equal(places, 81);
}

/* A slope stays a slope when it is turned: its two gradients give the angle, and the middle keeps its value. The slope
 * is rounded to levels (1/2), resized (1/2) and truncated (1), so a value is within 2 of the plane. */
static void test_rotation(void **state)
{
    (void)state;
    enum { W = 160, H = 120, N = 60 };
    uint8_t *const rgb = malloc(W * H * 3);
    assert_non_null(rgb);
    for (int i = 0; i < W * H; i++) rgb[3 * i] = rgb[3 * i + 1] = rgb[3 * i + 2] = (uint8_t)(i % W + 40);
    double least = 90, most = -90;
    for (uint32_t i = 0; i < N; i++) {
        float *const x = image("rotate=20", rgb, W, H, 60, 60, (eff_draw){ 4, 0, i });
#define AT(px, py) (double)x[((py)*60 + (px)) * 3]
        const double angle = atan2(AT(30, 15) - AT(30, 45), AT(45, 30) - AT(15, 30)) * 180 / M_PI;
        assert_true(fabs(angle) < 20 + 3.0);
        if (angle < least) least = angle;
        if (angle > most) most = angle;
        const double slope = 2; /* of the plane: two source pixels to one of the result */
        for (int py = 12; py < 48; py++)
            for (int px = 12; px < 48; px++) {
                const double t = angle * M_PI / 180, dx = px + 0.5 - 30, dy = py + 0.5 - 30;
                const double want = 40 - 0.5 + 80 + slope * (cos(t) * dx - sin(t) * dy);
                if (fabs(AT(px, py) - want) > 4) fail_msg("%u: %g at %d,%d, expected %g", i, AT(px, py), px, py, want);
            }
#undef AT
        free(x);
    }
    assert_true(least < -14 && most > 14);
    free(rgb);
}

/* ------------------------------------------------------------------------------------------------- colours */

/* A flat picture through each jitter alone: brightness moves it by its factor, the others not at all. */
static void test_jitter(void **state)
{
    (void)state;
    enum { N = 2000 };
    uint8_t grey[8 * 8 * 3], red[8 * 8 * 3];
    memset(grey, 100, sizeof grey);
    for (int i = 0; i < 8 * 8 * 3; i++) red[i] = i % 3 ? 40 : 200;
    double sum = 0;
    int low = 0;
    for (uint32_t i = 0; i < N; i++) {
        const eff_draw d = { 8, 1, i };
        float *x = image("brightness=0.4", grey, 8, 8, 8, 8, d);
        assert_true(x[0] >= 60 && x[0] <= 140 && x[0] == x[8 * 8 * 3 - 1]);
        sum += (double)x[0];
        low += x[0] < 80;
        free(x);
        x = image("contrast=0.4,saturation=0.4,hue=0.5", grey, 8, 8, 8, 8, d);
        assert_true(x[0] == 100 && x[1] == 100 && x[2] == 100);
        free(x);
        /* saturation: towards or away from the grey of Pillow's weights, (200, 40, 40) having 88; both
         * are truncated, which moves one by 1 and the factor by 1/112 */
        x = image("saturation=0.5", red, 8, 8, 8, 8, d);
        const double factor = ((double)x[0] - 88) / 112;
        assert_true(factor >= 0.5 - 0.01 && factor <= 1.5 && fabs((double)x[1] - fmax(0, 88 - 48 * factor)) < 1.5);
        free(x);
    }
    /* truncated to a level: half a level low; uniform over 80 levels, standard deviation 23 */
    assert_true(fabs(sum / N - 99.5) < 5 * 23.1 / sqrt(N));
    check_share("darker by a fifth", low, N, 0.25);
}

static eff_canvas canvas(int w, int h, int salt, const eff_augment_kernels *k)
{
    const size_t n = (size_t)w * (size_t)h * 3 + EFF_CANVAS_SLACK;
    eff_canvas c = { malloc(n), malloc(n), w, h, k };
    uint8_t *const rgb = t_synth_u8(h, w, salt);
    assert_true(c.rgb && c.spare);
    memcpy(c.rgb, rgb, n - EFF_CANVAS_SLACK);
    free(rgb);
    return c;
}

static void release(eff_canvas *c)
{
    free(c->rgb);
    free(c->spare);
}

static void test_hue(void **state)
{
    (void)state;
    eff_canvas c = canvas(4, 1, 1, &eff_augment_kernels_plain);
    static const uint8_t before[12] = { 255, 0, 0, 90, 90, 90, 0, 200, 0, 0, 0, 0 };
    static const uint8_t after[12] = { 0, 255, 0, 90, 90, 90, 0, 0, 200, 0, 0, 0 };
    memcpy(c.rgb, before, sizeof before);
    eff_aug_hue(&c, 1.0 / 3 + 1e-9); /* 85 of 255 */
    assert_memory_equal(c.rgb, after, sizeof after);
    release(&c);
    /* any turn keeps the largest channel; and the smallest but for the rounding of saturation, a 255th of the largest
     */
    c = canvas(64, 64, 3, &eff_augment_kernels_plain);
    eff_canvas d = canvas(64, 64, 3, &eff_augment_kernels_plain);
    eff_aug_hue(&d, -0.37);
    int changed = 0;
    for (int i = 0; i < 64 * 64; i++) {
        int hi[2] = { 0, 0 }, lo[2] = { 255, 255 };
        for (int b = 0; b < 3; b++)
            for (int k = 0; k < 2; k++) {
                const int v = (k ? d.rgb : c.rgb)[3 * i + b];
                if (v > hi[k]) hi[k] = v;
                if (v < lo[k]) lo[k] = v;
            }
        assert_true(hi[0] == hi[1] && lo[1] >= lo[0] && lo[1] <= lo[0] + 2);
        changed += memcmp(c.rgb + 3 * i, d.rgb + 3 * i, 3) != 0;
    }
    assert_true(changed > 64 * 64 / 2);
    release(&c);
    release(&d);
}

/* Every operation at awkward sizes, on every CPU level: the same bits, and nothing written where nothing is. */
static void test_levels(void **state)
{
    (void)state;
    const eff_augment_kernels *const best = eff_augment_kernels_for(eff_cpu_detect());
    static const int sizes[][2] = { { 1, 1 }, { 2, 3 }, { 3, 2 }, { 3, 3 }, { 7, 5 }, { 17, 9 }, { 61, 43 } };
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++)
        for (int op = 0; op < EFF_AUG_COUNT; op++)
            for (int level = 0; level <= 10; level += 5)
                for (int sampling = 0; sampling < 3; sampling++) {
                    const int w = sizes[k][0], h = sizes[k][1];
                    eff_canvas a = canvas(w, h, op, &eff_augment_kernels_plain), b = canvas(w, h, op, best);
                    const eff_sampler s = { (eff_sampling)sampling, { 1, 2, 3 } };
                    const double v = eff_aug_argument((eff_aug_op)op, level, op % 2), at[2] = { 0.4, 0.9 };
                    eff_aug_run(&a, (eff_aug_op)op, v, at, &s);
                    eff_aug_run(&b, (eff_aug_op)op, v, at, &s);
                    if (memcmp(a.rgb, b.rgb, (size_t)w * (size_t)h * 3))
                        fail_msg("%s %g at %dx%d: levels differ", eff_aug_op_name((eff_aug_op)op), v, w, h);
                    release(&a);
                    release(&b);
                }
}

/* The rotation in integers: the same bits on every level, flat stays flat, and on a smooth picture within 2 of Pillow's
 * arithmetic in double (bilinear, the same weights but for their 1/256 steps; one truncates, the other rounds). */
static void test_turn(void **state)
{
    (void)state;
    const eff_augment_kernels *const best = eff_augment_kernels_for(eff_cpu_detect());
    enum { W = 67, H = 45, DW = 50, DH = 70 };
    eff_canvas c = canvas(W, H, 4, best);
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int b = 0; b < 3; b++)
                c.rgb[(y * W + x) * 3 + b] = (uint8_t)(10 + b * 50 + x + 2 * y); /* up to 264: wraps */
    uint8_t plain[DW * DH * 3], fast[DW * DH * 3], pillow[DW * DH * 3];
    for (int i = 0; i < 40; i++) {
        const double t = i * 0.17, s = 0.8 + 0.01 * i;
        double a[6] = { s * cos(t), -s * sin(t), 0, s * sin(t), s * cos(t), 0 };
        a[2] = W / 2.0 - (a[0] * DW + a[1] * DH) / 2;
        a[5] = H / 2.0 - (a[3] * DW + a[4] * DH) / 2;
        const eff_sampler how = { i % 2 ? EFF_SAMPLE_BICUBIC : EFF_SAMPLE_BILINEAR, { 9, 8, 7 } };
        eff_turn(plain, DW, DH, c.rgb, W, H, a, &how, &eff_augment_kernels_plain);
        eff_turn(fast, DW, DH, c.rgb, W, H, a, &how, best);
        assert_memory_equal(plain, fast, sizeof plain);
        if (i % 2) continue;
        eff_affine(pillow, DW, DH, c.rgb, W, H, a, &how, best);
        for (int p = 0; p < DW * DH; p++) /* red, which does not wrap */
            if (abs(pillow[3 * p] - fast[3 * p]) > 2)
                fail_msg("turn %d at %d: %d, expected %d", i, p, fast[3 * p], pillow[3 * p]);
    }
    memset(c.rgb, 201, W * H * 3);
    const eff_sampler how = { EFF_SAMPLE_BICUBIC, { 201, 201, 201 } };
    eff_turn(fast, DW, DH, c.rgb, W, H, (const double[]){ 0.7, 0.3, 1.3, -0.3, 0.7, 9.1 }, &how, best);
    for (size_t i = 0; i < sizeof fast; i++) assert_int_equal(fast[i], 201);
    release(&c);
}

/* ------------------------------------------------------------------------------------------------- erasing */

static void test_erasing(void **state)
{
    (void)state;
    enum { W = 64, H = 48, N = 2000 };
    uint8_t *const rgb = t_synth_u8(H, W, 2);
    const float mean[3] = { -1, -1, -1 }; /* so that no value is 0 of itself */
    const eff_augment a = rule("light,erase=0.25"), without = rule("light");
    eff_error err = { 0 };
    int erased = 0;
    for (uint32_t i = 0; i < N; i++) {
        const eff_draw d = { 6, i, 0 };
        const eff_box b = eff_augment_erased(&a, W, H, &d);
        if (b.w == 0) continue;
        erased++;
        const double part = (double)b.w * b.h / (W * H);
        assert_true(b.x >= 0 && b.y >= 0 && b.h > 0 && b.x + b.w <= W && b.y + b.h <= H);
        assert_true(part > 0.012 && part < 0.36 && b.w < W && b.h < H); /* sides are rounded: half a pixel of 4 */
        if (i >= 40) continue;
        float x[W * H * 3], y[W * H * 3];
        T_OK(eff_augment_apply(x, H, W, &a, mean, no_std, rgb, W, H, d, &err), err);
        T_OK(eff_augment_apply(y, H, W, &without, mean, no_std, rgb, W, H, d, &err), err);
        for (int p = 0; p < W * H; p++) {
            const bool in = p % W >= b.x && p % W < b.x + b.w && p / W >= b.y && p / W < b.y + b.h;
            for (int k = 0; k < 3; k++) assert_true(x[3 * p + k] == (in ? 0 : y[3 * p + k]));
        }
    }
    check_share("erased", erased, N, 0.25);
    free(rgb);
}

/* ------------------------------------------------------------------------------------------------ as a whole */

/* The same draw, the same image; another sample, epoch or seed, another. What one part draws is left alone by the
 * others. */
static void test_draws(void **state)
{
    (void)state;
    enum { S = 48 };
    uint8_t *const rgb = t_synth_u8(60, 80, 7);
    const char *name;
    for (int i = 0; (name = eff_augment_preset_name(i, NULL)); i++) {
        float *const x = image(name, rgb, 80, 60, S, S, (eff_draw){ 1, 2, 3 });
        float *const again = image(name, rgb, 80, 60, S, S, (eff_draw){ 1, 2, 3 });
        assert_memory_equal(x, again, S * S * 3 * sizeof *x);
        int differ = 0;
        const eff_draw others[6] = { { 2, 2, 3 }, { 1, 3, 3 }, { 1, 2, 4 }, { 7, 2, 3 }, { 1, 9, 3 }, { 1, 2, 9 } };
        for (int k = 0; k < 6; k++) {
            float *const y = image(name, rgb, 80, 60, S, S, others[k]);
            differ += memcmp(x, y, S * S * 3 * sizeof *x) != 0;
            free(y);
        }
        assert_true(strcmp(name, "none") ? differ >= 5 : differ == 0);
        free(x);
        free(again);
    }
    const eff_augment light = rule("light"), more = rule("light,vflip=1,brightness=.3,policy=rand,erase=1,pad=3");
    for (uint32_t i = 0; i < 50; i++) {
        const eff_draw d = { 1, 0, i };
        const eff_box b = eff_augment_crop(&light, 80, 60, 1, &d), c = eff_augment_crop(&more, 80, 60, 1, &d);
        assert_memory_equal(&b, &c, sizeof b);
    }
    free(rgb);
}

/* Choices of the policies: pairs and operations alike often, with their own probability. */
static void test_policy_draws(void **state)
{
    (void)state;
    enum { N = 3000 };
    /* on a picture of one grey only three of RandAugment's sixteen show at level 5, each at 0.5: Invert, SolarizeAdd,
     * and Posterize, which keeps 2 bits (100 -> 64) */
    const eff_augment a = rule("policy=rand,ops=1,magnitude=5");
    int changed = 0, posterized = 0, same = 0;
    for (uint32_t i = 0; i < N; i++) {
        eff_canvas c = canvas(4, 4, 0, &eff_augment_kernels_plain);
        memset(c.rgb, 100, 48);
        const eff_sampler s = { EFF_SAMPLE_BICUBIC, { 100, 100, 100 } };
        eff_policy_run(&c, &a, &(eff_draw){ 3, 0, i }, 128, &s);
        changed += c.rgb[0] == 155; /* 255 - 100 and 100 + 55 */
        posterized += c.rgb[0] == 64;
        same += c.rgb[0] == 100;
        release(&c);
    }
    check_share("inverted or added to", changed, N, 2.0 / 32);
    check_share("posterized", posterized, N, 1.0 / 32);
    check_share("left", same, N, 1 - 3.0 / 32);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    uint8_t *const rgb = t_synth_u8(60, 80, 7);
    const eff_augment a = rule("cloth");
    float x[32 * 32 * 3];
    eff_error err = { 0 };
    long n = 0;
    eff_status s = EFF_ENOMEM;
    for (; s != EFF_OK && n < 100; n++) {
        eff_alloc_fail_after(n);
        s = eff_augment_apply(x, 32, 32, &a, no_mean, no_std, rgb, 80, 60, (eff_draw){ 1, 1, 1 }, &err);
        eff_alloc_fail_after(-1);
        assert_true(s == EFF_OK || s == EFF_ENOMEM);
    }
    assert_true(s == EFF_OK && n > 3);
    free(rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),     cmocka_unit_test(test_refused),      cmocka_unit_test(test_crop),
        cmocka_unit_test(test_nothing),  cmocka_unit_test(test_flips),        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_rotation), cmocka_unit_test(test_jitter),       cmocka_unit_test(test_hue),
        cmocka_unit_test(test_levels),   cmocka_unit_test(test_turn),         cmocka_unit_test(test_erasing),
        cmocka_unit_test(test_draws),    cmocka_unit_test(test_policy_draws), cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
