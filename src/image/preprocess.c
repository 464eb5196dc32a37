/* SPDX-License-Identifier: Apache-2.0 */
/* A preprocessing rule: its check and its text form. A rule is checked as a whole before it is used or taken over, so
 * that every size is positive and bounded and a crop lies inside what it is cut from. */
#include "image/preprocess.h"

#include "base/mem.h"
#include "base/number.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const filter_names[] = {
    [EFF_FILTER_BILINEAR] = "bilinear",
    [EFF_FILTER_BICUBIC] = "bicubic",
    [EFF_FILTER_LANCZOS] = "lanczos",
    [EFF_FILTER_TF1_BILINEAR] = "tf1-bilinear",
    [EFF_FILTER_TF1_BICUBIC] = "tf1-bicubic",
    [EFF_FILTER_TF2_BILINEAR] = "tf2-bilinear",
    [EFF_FILTER_TF2_BICUBIC] = "tf2-bicubic",
    [EFF_FILTER_TF2_BILINEAR_AA] = "tf2-bilinear-aa",
    [EFF_FILTER_TF2_BICUBIC_AA] = "tf2-bicubic-aa",
};
enum { N_FILTERS = sizeof filter_names / sizeof filter_names[0] };

static const char *const geometry_names[] = {
    [EFF_GEOM_SHORT] = "short",
    [EFF_GEOM_SQUARE] = "square",
    [EFF_GEOM_SQUASH] = "squash",
};

static const char *const scaled_names[] = { "off", "on", "fast" };
enum { N_SCALED = sizeof scaled_names / sizeof scaled_names[0] };

/* ----------------------------------------------------------------------------------------- the check */

static bool side_ok(int n) { return n >= 1 && n <= EFF_PREPROCESS_MAX_SIDE; }

eff_status eff_preprocess_check(const eff_preprocess *p, eff_error *err)
{
    if ((unsigned)p->geometry > EFF_GEOM_SQUASH)
        return eff_fail(err, EFF_EARG, "preprocessing geometry: expected 0..2, found %d", (int)p->geometry);
    if ((unsigned)p->filter >= N_FILTERS)
        return eff_fail(err, EFF_EARG, "preprocessing filter: expected 0..%d, found %d", N_FILTERS - 1, (int)p->filter);
    if (!side_ok(p->height) || !side_ok(p->width))
        return eff_fail(err, EFF_EARG, "preprocessing size: expected 1..%d pixels, found %dx%d",
                        EFF_PREPROCESS_MAX_SIDE, p->height, p->width);
    if (p->geometry == EFF_GEOM_SQUARE) {
        if (!(p->fraction > 0.0 && p->fraction <= 1.0))
            return eff_fail(err, EFF_EARG, "preprocessing square: expected a fraction above 0 and at most 1, found %g",
                            p->fraction);
    } else {
        const char *const name = geometry_names[p->geometry];
        if (!side_ok(p->side))
            return eff_fail(err, EFF_EARG, "preprocessing %s: expected 1..%d pixels, found %d", name,
                            EFF_PREPROCESS_MAX_SIDE, p->side);
        if (p->height > p->side || p->width > p->side)
            return eff_fail(err, EFF_EARG, "preprocessing crop: expected at most %s = %d pixels, found %dx%d", name,
                            p->side, p->height, p->width);
    }
    for (int c = 0; c < 3; c++) {
        if (!(fabsf(p->mean[c]) <= 1e6f))
            return eff_fail(err, EFF_EARG, "preprocessing mean: expected -1e6..1e6, found %g", (double)p->mean[c]);
        if (!(p->std[c] >= 1e-6f && p->std[c] <= 1e6f))
            return eff_fail(err, EFF_EARG, "preprocessing std: expected 1e-6..1e6, found %g", (double)p->std[c]);
    }
    if (p->icc != 0 && p->icc != 1)
        return eff_fail(err, EFF_EARG, "preprocessing icc: expected 0 or 1, found %d", p->icc);
    if (p->scaled_dct < 0 || p->scaled_dct >= N_SCALED)
        return eff_fail(err, EFF_EARG, "preprocessing scaled-dct: expected 0..%d, found %d", N_SCALED - 1,
                        p->scaled_dct);
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------- the text form */

static bool read_pixels(const char *text, int *v)
{
    const size_t n = strspn(text, "0123456789");
    if (n == 0 || n > 6 || text[n]) return false;
    *v = (int)strtol(text, NULL, 10);
    return side_ok(*v);
}

static eff_status read_size(eff_preprocess *p, const char *key, char *value, eff_error *err)
{
    char *const x = strchr(value, 'x');
    if (x) *x = '\0';
    const bool ok = read_pixels(value, &p->height) && read_pixels(x ? x + 1 : value, &p->width);
    if (x) *x = 'x';
    if (ok) return EFF_OK;
    return eff_fail(err, EFF_EARG, "preprocessing %s: expected N or HxW of 1..%d pixels, found '%s'", key,
                    EFF_PREPROCESS_MAX_SIDE, value);
}

static eff_status read_channels(float v[3], const char *key, char *value, eff_error *err)
{
    double d[3];
    int n = 0;
    bool ok = true;
    char *at = value;
    while (ok && n < 3) {
        char *const colon = strchr(at, ':');
        if (colon) *colon = '\0';
        ok = eff_number_read(at, strlen(at), &d[n]) && fabs(d[n]) <= 1e6;
        n++;
        if (!colon) break;
        *colon = ':';
        at = colon + 1;
        if (n == 3) ok = false;
    }
    if (!ok || n == 2)
        return eff_fail(err, EFF_EARG, "preprocessing %s: expected one number or red:green:blue, found '%s'", key,
                        value);
    for (int c = 0; c < 3; c++) v[c] = (float)d[n == 1 ? 0 : c];
    return EFF_OK;
}

static eff_status read_filter(eff_preprocess *p, const char *value, eff_error *err)
{
    char known[160] = "";
    for (int i = 0; i < N_FILTERS; i++) {
        if (!strcmp(value, filter_names[i])) {
            p->filter = (eff_filter)i;
            return EFF_OK;
        }
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? " " : "", filter_names[i]);
    }
    return eff_fail(err, EFF_EARG, "preprocessing filter: expected one of %s; found '%.40s'", known, value);
}

static eff_status read_icc(eff_preprocess *p, const char *value, eff_error *err)
{
    p->icc = !strcmp(value, "srgb");
    if (p->icc || !strcmp(value, "ignore")) return EFF_OK;
    return eff_fail(err, EFF_EARG, "preprocessing icc: expected ignore or srgb, found '%.40s'", value);
}

static eff_status read_scaled(eff_preprocess *p, const char *value, eff_error *err)
{
    for (int i = 0; i < N_SCALED; i++)
        if (!strcmp(value, scaled_names[i])) {
            p->scaled_dct = i;
            return EFF_OK;
        }
    return eff_fail(err, EFF_EARG, "preprocessing scaled-dct: expected off, on or fast, found '%.40s'", value);
}

enum { KEY_SHORT, KEY_SQUARE, KEY_SQUASH, KEY_CROP, KEY_SIZE, KEY_FILTER, KEY_MEAN, KEY_STD, KEY_ICC, KEY_DCT, N_KEYS };
static const char *const key_names[N_KEYS] = { "short",  "square", "squash", "crop", "size",
                                               "filter", "mean",   "std",    "icc",  "scaled-dct" };

static eff_status read_key(eff_preprocess *p, int key, char *value, eff_error *err)
{
    double v;
    switch (key) {
    case KEY_SHORT:
    case KEY_SQUASH:
        if (!read_pixels(value, &p->side))
            return eff_fail(err, EFF_EARG, "preprocessing %s: expected 1..%d pixels, found '%s'", key_names[key],
                            EFF_PREPROCESS_MAX_SIDE, value);
        p->geometry = key == KEY_SHORT ? EFF_GEOM_SHORT : EFF_GEOM_SQUASH;
        return EFF_OK;
    case KEY_SQUARE:
        if (!eff_number_read(value, strlen(value), &v) || !(v > 0 && v <= 1))
            return eff_fail(err, EFF_EARG,
                            "preprocessing square: expected a fraction above 0 and at most 1, found '%s'", value);
        p->fraction = v;
        p->geometry = EFF_GEOM_SQUARE;
        return EFF_OK;
    case KEY_CROP:
    case KEY_SIZE: return read_size(p, key_names[key], value, err);
    case KEY_FILTER: return read_filter(p, value, err);
    case KEY_MEAN: return read_channels(p->mean, key_names[key], value, err);
    case KEY_STD: return read_channels(p->std, key_names[key], value, err);
    case KEY_ICC: return read_icc(p, value, err);
    default: return read_scaled(p, value, err);
    }
}

/* `spec` is cut up in place. */
static eff_status read_spec(eff_preprocess *p, char *spec, eff_error *err)
{
    unsigned seen = 0;
    for (char *item = spec, *next; item; item = next) {
        next = strchr(item, ',');
        if (next) *next++ = '\0';
        char *const value = strchr(item, '=');
        if (!value) return eff_fail(err, EFF_EARG, "preprocessing rule: expected key=value, found '%s'", item);
        *value = '\0';
        int key = 0;
        while (key < N_KEYS && strcmp(item, key_names[key]) != 0) key++;
        if (key == N_KEYS)
            return eff_fail(err, EFF_EARG,
                            "preprocessing key '%.40s': expected short, square, squash, crop, size, filter, mean, std, "
                            "icc or scaled-dct",
                            item);
        /* crop and size are one thing, and so is the choice of geometry */
        const unsigned group = key <= KEY_SQUASH ? 1u : key <= KEY_SIZE ? 2u : 1u << key;
        if (seen & group)
            return eff_fail(err, EFF_EARG, "preprocessing key '%s': %s was given already", item,
                            group == 1   ? "one of short, square and squash"
                            : group == 2 ? "crop or size"
                                         : item);
        seen |= group;
        const eff_status s = read_key(p, key, value + 1, err);
        if (s != EFF_OK) return s;
    }
    return eff_preprocess_check(p, err);
}

eff_status eff_preprocess_read(eff_preprocess *p, const char *spec, eff_error *err)
{
    char *const copy = eff_strdup(spec);
    if (!copy) return eff_fail_memory(err, strlen(spec) + 1);
    eff_preprocess q = *p;
    const eff_status s = read_spec(&q, copy, err);
    eff_free(copy);
    if (s == EFF_OK) *p = q;
    return s;
}

/** The fewest digits that read back to the same number, as float or as double. */
static void write_number(char out[32], double v, bool is_float)
{
    for (int digits = 1; digits <= 17; digits++) {
        double back = v;
        eff_number_read(out, (size_t)eff_number_print(out, 32, "%.*g", digits, v), &back);
        if (is_float ? (float)back == (float)v : back == v) return;
    }
}

static void write_channels(char *out, size_t size, const float v[3])
{
    char t[3][32];
    for (int c = 0; c < 3; c++) write_number(t[c], v[c], true);
    if (!strcmp(t[0], t[1]) && !strcmp(t[0], t[2]))
        snprintf(out, size, "%s", t[0]);
    else
        snprintf(out, size, "%s:%s:%s", t[0], t[1], t[2]);
}

int eff_preprocess_write(const eff_preprocess *p, char *buf, size_t size)
{
    const char *const geometry = (unsigned)p->geometry <= EFF_GEOM_SQUASH ? geometry_names[p->geometry] : "?";
    const char *const filter = (unsigned)p->filter < N_FILTERS ? filter_names[p->filter] : "?";
    char extent[32], box[32], mean[100], std[100];
    if (p->geometry == EFF_GEOM_SQUARE)
        write_number(extent, p->fraction, false);
    else
        snprintf(extent, sizeof extent, "%d", p->side);
    if (p->height == p->width)
        snprintf(box, sizeof box, "%d", p->height);
    else
        snprintf(box, sizeof box, "%dx%d", p->height, p->width);
    write_channels(mean, sizeof mean, p->mean);
    write_channels(std, sizeof std, p->std);
    /* the last two only where they differ from what a rule without them means */
    const bool scaled = p->scaled_dct > 0 && p->scaled_dct < N_SCALED;
    return snprintf(buf, size, "%s=%s,filter=%s,%s=%s,mean=%s,std=%s%s%s%s", geometry, extent, filter,
                    p->geometry == EFF_GEOM_SQUARE ? "size" : "crop", box, mean, std, p->icc ? ",icc=srgb" : "",
                    scaled ? ",scaled-dct=" : "", scaled ? scaled_names[p->scaled_dct] : "");
}
