/* SPDX-License-Identifier: Apache-2.0 */
/* tool_pictures FOLDER: writes the seeds of the image fuzz targets to FOLDER/jpeg, /png, /webp, /exif, /icc,
 * /preprocess (which must be there). */
#include "pictures.h"
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

static const char *root;

static void write_seed(const char *kind, const char *name, t_bytes b)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s/%s", root, kind, name);
    FILE *const f = fopen(path, "wb");
    if (!f || fwrite(b.data, 1, b.size, f) != b.size || fclose(f)) {
        perror(path);
        exit(1);
    }
    free(b.data);
}

static void jpegs(t_extra exif, t_extra icc, t_extra gray, t_extra cmyk)
{
    enum { W = 19, H = 13 };
    const t_jpeg kinds[] = {
        { "420", 3, 2, 2, .width = W, .height = H },
        { "422_restart", 3, 2, 1, .restart = 2, .width = W, .height = H },
        { "444_exif", 3, 1, 1, .width = W, .height = H, .extra = exif },
        { "gray_icc", 1, 1, 1, .width = W, .height = H, .extra = gray },
        { "progressive_icc", 3, 2, 2, .progressive = true, .width = W, .height = H, .extra = icc },
        { "progressive_gray", 1, 1, 1, .progressive = true, .width = W, .height = H },
        { "rgb", 3, 1, 1, .rgb = true, .width = W, .height = H },
        { "arithmetic", 3, 2, 2, .arithmetic = true, .width = W, .height = H },
        { "cmyk_icc", 4, 1, 1, .width = W, .height = H, .extra = cmyk },
        { "ycck", 4, 2, 2, .ycck = true, .width = W, .height = H },
        { "separate", 3, 2, 2, .separate = true, .width = W, .height = H },
        { "large", 3, 2, 2, .width = 210, .height = 200 },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        write_seed("jpeg", kinds[i].name, t_jpeg_make(kinds[i]));
}

static void pngs(t_extra exif, t_extra icc, t_extra gray)
{
    static const struct {
        const char *name;
        int colour;
    } colours[] = { { "gray", PNG_COLOR_TYPE_GRAY },
                    { "rgb", PNG_COLOR_TYPE_RGB },
                    { "palette", PNG_COLOR_TYPE_PALETTE },
                    { "gray_alpha", PNG_COLOR_TYPE_GRAY_ALPHA },
                    { "rgb_alpha", PNG_COLOR_TYPE_RGB_ALPHA } };
    for (int c = 0; c < 5; c++)
        for (int bits = 1; bits <= 16; bits *= 2) {
            const bool small = bits < 8;
            if ((small && c != 0 && c != 2) || (bits == 16 && c == 2)) continue;
            char name[40];
            snprintf(name, sizeof name, "%s_%d", colours[c].name, bits);
            const t_extra none = { 0 };
            write_seed("png", name,
                       t_png_make((t_png){ colours[c].colour, bits, bits % 3 == 1, c < 3 && bits == 8, 11, 7,
                                           bits == 2   ? exif
                                           : bits == 8 ? (c == 0   ? gray
                                                          : c == 1 ? icc
                                                                   : none)
                                                       : none }));
        }
}

static void webps(t_extra exif, t_extra icc)
{
    static uint8_t rgba[24 * 18 * 4];
    for (int i = 0; i < 24 * 18 * 4; i++) rgba[i] = (uint8_t)(i / 4 % 24 * 9 + i % 4 * 40 + i / 300);
    t_webp k = { .width = 24, .height = 18, .rgba = rgba };
    write_seed("webp", "lossy", t_webp_make(k));
    k.alpha = true;
    write_seed("webp", "lossy_alpha", t_webp_make(k));
    k.extra = icc;
    write_seed("webp", "lossy_alpha_icc", t_webp_make(k));
    k.lossless = true;
    k.extra = exif;
    write_seed("webp", "lossless_exif", t_webp_make(k));
    k.extra = (t_extra){ 0 };
    write_seed("webp", "lossless", t_webp_make(k));
    t_webp small = k;
    small.width = 8;
    small.height = 6;
    write_seed("webp", "animation", t_webp_animation(24, 18, 4, 6, small, k));
}

static t_bytes text(const char *s, size_t n)
{
    t_bytes b = { NULL, 0 };
    t_append(&b, s, n);
    return b;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fputs("usage: tool_pictures FOLDER\n", stderr);
        return 2;
    }
    root = argv[1];
    const t_bytes six = t_exif(6, true), icc = t_icc("p3"), gray = t_icc("gray"), cmyk = t_icc("cmyk3");
    const t_extra e = { .exif = six.data, .exif_size = six.size }, i = { .icc = icc.data, .icc_size = icc.size },
                  g = { .icc = gray.data, .icc_size = gray.size }, c = { .icc = cmyk.data, .icc_size = cmyk.size };
    jpegs(e, i, g, c);
    pngs(e, i, g);
    webps(e, i);
    write_seed("exif", "little", t_exif(3, false));
    write_seed("exif", "big", t_exif(8, true));
    t_jpeg both = { "both", 3, 1, 1, .width = 3, .height = 2, .extra = e };
    both.extra.icc = gray.data;
    both.extra.icc_size = gray.size;
    write_seed("exif", "segments", t_jpeg_make(both));
    write_seed(
        "exif", "pieces",
        text("\xff\xd8\xff\xe2\0\x13ICC_PROFILE\0\2\2abc\xff\xe2\0\x12ICC_PROFILE\0\1\2xy\xff\xda\0\2\xff\0\xff\xd9",
             47));
    static const char *const profiles[] = { "srgb", "p3", "adobe", "swapped", "gray", "cmyk3" };
    for (int k = 0; k < 6; k++) write_seed("icc", profiles[k], t_icc(profiles[k]));
    static const char *const rules[] = { "\x1f\x17\0short=16,filter=bicubic,crop=14,mean=127,std=128",
                                         "\x07\x3f\5square=0.875,filter=tf1-bicubic,size=9x12,mean=1:2:3,std=4:5:6.5e1",
                                         "\x3f\x01\6squash=20,filter=lanczos,crop=10,icc=srgb,scaled-dct=on",
                                         "\x10\x10\2filter=tf2-bicubic-aa,icc=ignore,scaled-dct=off",
                                         "\x10\x30\3filter=tf2-bilinear,short=64" };
    for (int k = 0; k < 5; k++) {
        char name[16];
        snprintf(name, sizeof name, "rule_%d", k);
        write_seed("preprocess", name, text(rules[k], strlen(rules[k] + 3) + 3));
    }
    free(six.data);
    free(icc.data);
    free(gray.data);
    free(cmyk.data);
    return 0;
}
