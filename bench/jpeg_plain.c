/* SPDX-License-Identifier: Apache-2.0 */
/* What a careful program without a library for it does to a JPEG: libjpeg-turbo decodes the whole picture as it does
 * by itself, two passes of float sums resize all of it (Catmull-Rom, widened when it shrinks: Pillow's bicubic but for
 * the rounding between), the middle is cut out and normalised. A side of bench/jpeg.py, which compiles it with -O3. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

static unsigned char *decode(const unsigned char *bytes, size_t size, int *w, int *h)
{
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr mgr;
    c.err = jpeg_std_error(&mgr); /* ends the process on damage: the files are known to be sound */
    jpeg_create_decompress(&c);
    jpeg_mem_src(&c, bytes, (unsigned long)size);
    jpeg_read_header(&c, TRUE);
    c.out_color_space = JCS_RGB;
    jpeg_start_decompress(&c);
    *w = (int)c.output_width;
    *h = (int)c.output_height;
    unsigned char *const rgb = malloc((size_t)*w * (size_t)*h * 3);
    while (rgb && c.output_scanline < c.output_height) {
        JSAMPROW row = rgb + (size_t)c.output_scanline * (size_t)*w * 3;
        jpeg_read_scanlines(&c, &row, 1);
    }
    if (rgb) jpeg_finish_decompress(&c);
    jpeg_destroy_decompress(&c);
    return rgb;
}

static double cubic(double x)
{
    x = fabs(x);
    return x < 1 ? (1.5 * x - 2.5) * x * x + 1 : x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

/* Weights of output i of `out` over `in` inputs: k[0..], from *first on. */
static int weights(float *k, int *first, int i, int in, int out)
{
    const double scale = (double)in / out, wide = scale > 1 ? scale : 1, centre = (i + 0.5) * scale;
    int lo = (int)(centre - 2 * wide + 0.5), hi = (int)(centre + 2 * wide + 0.5);
    lo = lo < 0 ? 0 : lo;
    hi = hi > in ? in : hi;
    double sum = 0;
    for (int t = lo; t < hi; t++) sum += cubic((t + 0.5 - centre) / wide);
    for (int t = lo; t < hi; t++) k[t - lo] = (float)(cubic((t + 0.5 - centre) / wide) / sum);
    *first = lo;
    return hi - lo;
}

/* Short side to `side`, the middle crop x crop of it into x. 0, or 1 where memory ends. */
int plain_prepare(const unsigned char *bytes, size_t size, int side, int crop, const float *mean, const float *std,
                  float *x)
{
    int w, h;
    unsigned char *const rgb = decode(bytes, size, &w, &h);
    if (!rgb) return 1;
    const int ow = w <= h ? side : (int)((double)side * w / h), oh = w <= h ? (int)((double)side * h / w) : side;
    float *const across = malloc((size_t)h * (size_t)ow * 3 * sizeof *across);
    float *const down = malloc((size_t)ow * 3 * sizeof *down);
    float *const k = malloc((size_t)(w > h ? w : h) * sizeof *k);
    const int ok = across && down && k, x0 = (int)rint((ow - crop) / 2.0),
              y0 = (int)rint((oh - crop) / 2.0); /* to even, as Python rounds */
    for (int i = 0; ok && i < ow; i++) {
        int first;
        const int n = weights(k, &first, i, w, ow);
        for (int y = 0; y < h; y++) {
            const unsigned char *p = rgb + ((size_t)y * (size_t)w + (size_t)first) * 3;
            float r = 0, g = 0, b = 0;
            for (int t = 0; t < n; t++, p += 3) r += k[t] * p[0], g += k[t] * p[1], b += k[t] * p[2];
            float *const to = across + ((size_t)y * (size_t)ow + (size_t)i) * 3;
            to[0] = r, to[1] = g, to[2] = b;
        }
    }
    for (int i = 0; ok && i < crop; i++) {
        int first;
        const int n = weights(k, &first, y0 + i, h, oh);
        memset(down, 0, (size_t)ow * 3 * sizeof *down);
        for (int t = 0; t < n; t++) {
            const float *const p = across + (size_t)(first + t) * (size_t)ow * 3;
            for (int j = 0; j < ow * 3; j++) down[j] += k[t] * p[j];
        }
        for (int j = 0; j < crop * 3; j++) {
            const float v = down[x0 * 3 + j];
            x[(size_t)i * (size_t)crop * 3 + (size_t)j] = ((v < 0 ? 0 : v > 255 ? 255 : v) - mean[j % 3]) / std[j % 3];
        }
    }
    free(k);
    free(down);
    free(across);
    free(rgb);
    return !ok;
}
