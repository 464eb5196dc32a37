/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on colour alone: tables of 256 values a channel, and blends of the picture with a plainer one (Pillow's
 * ImageOps and ImageEnhance). Blends are float32 as Pillow's, without contraction, so every value has Pillow's bits;
 * where the plainer picture is one colour the blend is a table too. */
#include "image/augment_ops.h"

#include <string.h>

static size_t pixels(const eff_canvas *c) { return (size_t)c->width * (size_t)c->height; }

static uint8_t clamp8(int v) { return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v); }

/* --------------------------------------------------------------------------------------------- the tables */

static void look_up3(eff_canvas *c, uint8_t lut[3][256])
{
    uint8_t *p = c->rgb;
    for (size_t i = pixels(c); i > 0; i--, p += 3) {
        p[0] = lut[0][p[0]];
        p[1] = lut[1][p[1]];
        p[2] = lut[2][p[2]];
    }
}

static void look_up(eff_canvas *c, const uint8_t lut[256])
{
    for (size_t i = 0, n = pixels(c) * 3; i < n; i++) c->rgb[i] = lut[c->rgb[i]];
}

static void count(const eff_canvas *c, uint32_t histogram[3][256])
{
    memset(histogram, 0, sizeof(uint32_t[3][256]));
    const uint8_t *p = c->rgb;
    for (size_t i = pixels(c); i > 0; i--, p += 3) {
        histogram[0][p[0]]++;
        histogram[1][p[1]]++;
        histogram[2][p[2]]++;
    }
}

void eff_aug_autocontrast(eff_canvas *c)
{
    uint32_t histogram[3][256];
    uint8_t lut[3][256];
    count(c, histogram);
    for (int b = 0; b < 3; b++) {
        int lo = 0, hi = 255;
        while (lo < 255 && !histogram[b][lo]) lo++;
        while (hi > 0 && !histogram[b][hi]) hi--;
        const double scale = hi > lo ? 255.0 / (hi - lo) : 1.0, offset = hi > lo ? -lo * scale : 0.0;
        for (int v = 0; v < 256; v++) lut[b][v] = clamp8((int)(v * scale + offset));
    }
    look_up3(c, lut);
}

void eff_aug_equalize(eff_canvas *c)
{
    uint32_t histogram[3][256];
    uint8_t lut[3][256];
    count(c, histogram);
    for (int b = 0; b < 3; b++) {
        int last = 255;
        while (last > 0 && !histogram[b][last]) last--;
        const uint64_t step = (pixels(c) - histogram[b][last]) / 255; /* 0 as well where only one value occurs */
        uint64_t sum = step / 2;
        for (int v = 0; v < 256; v++) {
            lut[b][v] = step ? clamp8((int)(sum / step)) : (uint8_t)v;
            sum += histogram[b][v];
        }
    }
    look_up3(c, lut);
}

void eff_aug_invert(eff_canvas *c)
{
    for (size_t i = 0, n = pixels(c) * 3; i < n; i++) c->rgb[i] = (uint8_t)~c->rgb[i];
}

void eff_aug_posterize(eff_canvas *c, int bits)
{
    if (bits >= 8) return;
    const uint8_t mask = (uint8_t)(0xff << (8 - (bits > 0 ? bits : 0)));
    for (size_t i = 0, n = pixels(c) * 3; i < n; i++) c->rgb[i] &= mask;
}

void eff_aug_solarize(eff_canvas *c, int threshold)
{
    uint8_t lut[256];
    for (int v = 0; v < 256; v++) lut[v] = (uint8_t)(v < threshold ? v : 255 - v);
    look_up(c, lut);
}

void eff_aug_solarize_add(eff_canvas *c, int add)
{
    uint8_t lut[256];
    for (int v = 0; v < 256; v++) lut[v] = v < 128 ? clamp8(v + add) : (uint8_t)v;
    look_up(c, lut);
}

/* --------------------------------------------------------------------------------------------- the blends */

/* Pillow's arithmetic: the difference is an integer, the rest float, and the result is truncated. Between 0 and 1 the
 * clamp changes nothing. */
static uint8_t blend(int plain, int v, float factor)
{
    const float t = (float)plain + factor * (float)(v - plain);
    return (uint8_t)(t <= 0.0f ? 0.0f : t >= 255.0f ? 255.0f : t);
}

static void blend_constant(eff_canvas *c, int plain, float factor)
{
    uint8_t lut[256];
    for (int v = 0; v < 256; v++) lut[v] = blend(plain, v, factor);
    look_up(c, lut);
}

void eff_aug_brightness(eff_canvas *c, double factor)
{
    if (factor != 1.0) blend_constant(c, 0, (float)factor);
}

void eff_blend_plain(uint8_t *v, const uint8_t *plain, size_t n, float factor)
{
    for (size_t i = 0; i < n; i++) v[i] = blend(plain[i], v[i], factor);
}

/** ITU-R 601 in 16 fractional bits. */
void eff_grey_plain(uint8_t *grey, const uint8_t *rgb, size_t n)
{
    for (size_t i = 0; i < n; i++, rgb += 3)
        grey[i] = (uint8_t)((rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16);
}

enum { CHUNK = 256 }; /* pixels whose grey is made at once */

void eff_aug_contrast(eff_canvas *c, double factor)
{
    if (factor == 1.0) return;
    uint8_t grey[CHUNK];
    uint64_t sum = 0;
    for (size_t at = 0, n = pixels(c); at < n; at += CHUNK) {
        const size_t m = n - at < CHUNK ? n - at : CHUNK;
        c->k->grey(grey, c->rgb + 3 * at, m);
        for (size_t i = 0; i < m; i++) sum += grey[i];
    }
    blend_constant(c, (int)((double)sum / (double)pixels(c) + 0.5), (float)factor);
}

void eff_aug_color(eff_canvas *c, double factor)
{
    if (factor == 1.0) return;
    uint8_t grey[CHUNK], plain[3 * CHUNK];
    for (size_t at = 0, n = pixels(c); at < n; at += CHUNK) {
        const size_t m = n - at < CHUNK ? n - at : CHUNK;
        uint8_t *const p = c->rgb + 3 * at;
        c->k->grey(grey, p, m);
        for (size_t i = 0; i < m; i++) plain[3 * i] = plain[3 * i + 1] = plain[3 * i + 2] = grey[i];
        c->k->blend(p, plain, 3 * m, (float)factor);
    }
}

/* Thirteenths, rounded: Pillow sums them in float, whose error is far below the 1/26 by which a thirteenth misses a
 * half. */
static void smooth(uint8_t *dst, const uint8_t *up, const uint8_t *at, const uint8_t *down, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const unsigned sum = (unsigned)(up[i] + up[i + 3] + up[i + 6] + at[i] + 5 * at[i + 3] + at[i + 6] + down[i] +
                                        down[i + 3] + down[i + 6]);
        dst[i] = (uint8_t)((2 * sum + 13) / 26);
    }
}

void eff_aug_sharpness(eff_canvas *c, double factor)
{
    if (factor == 1.0 || c->width < 3 || c->height < 3) return; /* all of it is frame */
    const size_t row = (size_t)c->width * 3;
    for (size_t y = 1; y + 1 < (size_t)c->height; y++) {
        const uint8_t *const at = c->rgb + y * row;
        smooth(c->spare + y * row + 3, at - row, at, at + row, row - 6);
    }
    for (size_t y = 1; y + 1 < (size_t)c->height; y++)
        c->k->blend(c->rgb + y * row + 3, c->spare + y * row + 3, row - 6, (float)factor);
}

/* ------------------------------------------------------------------------------------------------- the hue */

/* Sixths of the circle as Pillow has them: hue 0..255 to the sixth and how far into it. */
typedef struct sixths {
    uint8_t at[256];
    float into[256];
} sixths;

static void make_sixths(sixths *s)
{
    for (int h = 0; h < 256; h++) {
        const int i = (int)((float)h * 6.0 / 255.0);
        s->at[h] = (uint8_t)(i % 6);
        s->into[h] = (float)((float)h * 6.0 / 255.0 - (float)i);
    }
}

/* Pillow mixes float and double; each conversion is where it has one. */
static uint8_t hue_of(const uint8_t *p, int max, int range)
{
    const float span = (float)range;
    const float r = (float)(max - p[0]) / span, g = (float)(max - p[1]) / span, b = (float)(max - p[2]) / span;
    float h;
    if (p[0] == max)
        h = b - g;
    else if (p[1] == max)
        h = (float)(2.0 + r - b);
    else
        h = (float)(4.0 + g - r);
    const double turned = h / 6.0 + 1.0; /* below 2 */
    h = (float)(turned >= 1.0 ? turned - 1.0 : turned);
    return clamp8((int)(h * 255.0));
}

static uint8_t part(int value, double rest) { return clamp8((int)(value * rest + 0.5)); }

static void put_hsv(uint8_t *p, const sixths *six, uint8_t hue, int saturation, int value)
{
    const float f = six->into[hue], s = (float)(saturation / 255.0);
    const uint8_t v = (uint8_t)value, low = part(value, 1.0 - s), fall = part(value, 1.0 - s * f),
                  rise = part(value, 1.0 - s * (1.0 - f));
    switch (six->at[hue]) {
    case 0: p[0] = v, p[1] = rise, p[2] = low; break;
    case 1: p[0] = fall, p[1] = v, p[2] = low; break;
    case 2: p[0] = low, p[1] = v, p[2] = rise; break;
    case 3: p[0] = low, p[1] = fall, p[2] = v; break;
    case 4: p[0] = rise, p[1] = low, p[2] = v; break;
    default: p[0] = v, p[1] = low, p[2] = fall; break;
    }
}

void eff_aug_hue(eff_canvas *c, double turns)
{
    const uint8_t shift = (uint8_t)(int)(turns * 255); /* towards zero, then round the circle */
    sixths six;
    make_sixths(&six);
    uint8_t *p = c->rgb;
    for (size_t i = pixels(c); i > 0; i--, p += 3) {
        int max = p[0] > p[1] ? p[0] : p[1], min = p[0] < p[1] ? p[0] : p[1];
        if (p[2] > max) max = p[2];
        if (p[2] < min) min = p[2];
        const int range = max - min;
        if (range == 0) continue; /* grey */
        const int saturation = (int)(((float)range / (float)max) * 255.0);
        if (saturation == 0)
            p[0] = p[1] = p[2] = (uint8_t)max;
        else
            put_hsv(p, &six, (uint8_t)(hue_of(p, max, range) + shift), saturation, max);
    }
}
