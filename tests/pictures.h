/* SPDX-License-Identifier: Apache-2.0 */
/* Pictures that tests make for themselves: encoded JPEG, PNG and WebP of every kind, EXIF blocks, colour profiles. */
#ifndef EFF_TESTS_PICTURES_H
#define EFF_TESTS_PICTURES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct t_bytes {
    uint8_t *data; /* malloc'ed */
    size_t size;
} t_bytes;

enum { T_W = 43, T_H = 29 }; /* where no size is given */

/** What a picture carries beside its pixels. */
typedef struct t_extra {
    const uint8_t *exif, *icc;
    size_t exif_size, icc_size;
} t_extra;

typedef struct t_jpeg {
    const char *name;
    int components;                    /* 1, 3, 4 */
    int h, v;                          /* sampling of the first one */
    bool progressive, rgb, arithmetic; /* rgb: stored without YCbCr */
    bool ycck;                         /* 4 components: as YCCK */
    bool separate;                     /* 3 components: each in a scan of its own, not progressive */
    int restart, scans;                /* scans > 0: that many, as a hostile file would have (1 component) */
    int width, height;                 /* 0: T_W x T_H */
    const uint8_t *pixels;             /* [height][width][components]; NULL: t_synth_u8(height, width, 3), repeated */
    t_extra extra;
} t_jpeg;
t_bytes t_jpeg_make(t_jpeg k);

typedef struct t_png {
    int colour, bits; /* PNG_COLOR_TYPE_* */
    bool interlaced, transparent;
    int width, height;
    t_extra extra;
} t_png;
/** Samples are t_sample(x, y, channel, bits). A palette has t_palette(). */
t_bytes t_png_make(t_png k);
unsigned t_sample(int x, int y, int channel, int bits);
uint8_t t_palette(unsigned index, int channel);

typedef struct t_webp {
    bool lossless, alpha;
    int width, height;
    const uint8_t *rgba; /* [height][width][4] */
    t_extra extra;
} t_webp;
t_bytes t_webp_make(t_webp k);
/** An animation of two frames, the first at (x, y) of a canvas of w x h. Frames are WebP files of one chunk. */
t_bytes t_webp_animation(int w, int h, int x, int y, t_webp first, t_webp second);

/** An EXIF block (a TIFF) with the orientation among other tags. */
t_bytes t_exif(int orientation, bool big_endian);

/** Profiles made with lcms2: "srgb", "p3", "adobe", "swapped", "gray", "cmyk" (above 64 KiB), "cmyk3" (small). */
t_bytes t_icc(const char *which);

uint32_t t_crc32(const uint8_t *p, size_t n);
void t_put32(uint8_t *p, uint32_t v); /* big-endian */
/** Append to a growing file. */
void t_append(t_bytes *b, const void *data, size_t n);

#endif
