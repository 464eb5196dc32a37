/* SPDX-License-Identifier: Apache-2.0 */
/* Encoders for tests. What they cannot write themselves (containers of WebP) is put together here by hand. */
#include "pictures.h"

#include "support.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <lcms2.h>
#include <png.h>
#include <webp/encode.h>

#include "base/rng.h"

uint32_t t_crc32(const uint8_t *p, size_t n)
{
    uint32_t c = 0xffffffffu;
    for (size_t i = 0; i < n; i++) {
        c ^= p[i];
        for (int b = 0; b < 8; b++) c = c >> 1 ^ (c & 1 ? 0xedb88320u : 0);
    }
    return ~c;
}

void t_put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++) p[i] = (uint8_t)(v >> (24 - 8 * i));
}

void t_append(t_bytes *b, const void *data, size_t n)
{
    b->data = realloc(b->data, b->size + n + 1);
    assert_non_null(b->data);
    if (n) memcpy(b->data + b->size, data, n);
    b->size += n;
}

/* -------------------------------------------------------------------------------------------------- JPEG */

t_bytes t_jpeg_make(t_jpeg k)
{
    struct jpeg_compress_struct c;
    struct jpeg_error_mgr e;
    static jpeg_scan_info scans[1000];
    if (!k.width) k.width = T_W, k.height = T_H;
    uint8_t *const rgb = k.pixels ? NULL : t_synth_u8(k.height, k.width, 3);
    unsigned char *mem = NULL;
    unsigned long size = 0;
    c.err = jpeg_std_error(&e);
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &mem, &size);
    c.image_width = (JDIMENSION)k.width;
    c.image_height = (JDIMENSION)k.height;
    c.input_components = k.components;
    c.in_color_space = k.components == 1 ? JCS_GRAYSCALE : k.components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_set_defaults(&c);
    if (k.rgb) jpeg_set_colorspace(&c, JCS_RGB);
    if (k.ycck) jpeg_set_colorspace(&c, JCS_YCCK);
    jpeg_set_quality(&c, 90, TRUE);
    c.comp_info[0].h_samp_factor = k.h;
    c.comp_info[0].v_samp_factor = k.v;
    c.restart_interval = (unsigned)k.restart;
    c.arith_code = k.arithmetic;
    if (k.progressive) jpeg_simple_progression(&c);
    if (k.scans) { /* every coefficient of a grey picture bit by bit */
        int n = 0;
        for (int s = 0; s < 64 && n < k.scans; s++)
            for (int al = 10; al >= 0 && n < k.scans; al--)
                scans[n++] =
                    (jpeg_scan_info){ .comps_in_scan = 1, .Ss = s, .Se = s, .Ah = al == 10 ? 0 : al + 1, .Al = al };
        c.scan_info = scans;
        c.num_scans = n;
    }
    if (k.separate) {
        for (int i = 0; i < 3; i++)
            scans[i] = (jpeg_scan_info){ .comps_in_scan = 1, .component_index = { i }, .Se = 63 };
        c.scan_info = scans;
        c.num_scans = 3;
    }
    jpeg_start_compress(&c, TRUE);
    if (k.extra.exif) {
        t_bytes exif = { NULL, 0 };
        t_append(&exif, "Exif\0\0", 6);
        t_append(&exif, k.extra.exif, k.extra.exif_size);
        jpeg_write_marker(&c, JPEG_APP0 + 1, exif.data, (unsigned)exif.size);
        free(exif.data);
    }
    if (k.extra.icc) jpeg_write_icc_profile(&c, k.extra.icc, (unsigned)k.extra.icc_size);
    uint8_t *const row = malloc((size_t)k.width * 4);
    while (c.next_scanline < c.image_height) {
        const size_t y = c.next_scanline;
        for (int i = 0; i < k.width; i++)
            for (int ch = 0; ch < k.components; ch++)
                row[i * k.components + ch] =
                    k.pixels ? k.pixels[(y * (size_t)k.width + (size_t)i) * (size_t)k.components + (size_t)ch]
                             : rgb[(y * (size_t)k.width + (size_t)i) * 3 + (size_t)(ch % 3)];
        JSAMPROW r = row;
        jpeg_write_scanlines(&c, &r, 1);
    }
    free(row);
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    free(rgb);
    return (t_bytes){ mem, size };
}

/* --------------------------------------------------------------------------------------------------- PNG */

unsigned t_sample(int x, int y, int channel, int bits)
{
    return (unsigned)(eff_rng_bits(5, (uint64_t)(y * 4 + channel), (uint64_t)x) >> 20) & ((1u << bits) - 1);
}

uint8_t t_palette(unsigned index, int channel) { return (uint8_t)(index * 37 + (unsigned)channel * 91 + 5); }

static void png_grow(png_structp p, png_bytep d, size_t n) { t_append(png_get_io_ptr(p), d, n); }

static void png_no_flush(png_structp p) { (void)p; }

/* Odd profiles are meant. */
static void png_no_warning(png_structp p, png_const_charp text)
{
    (void)p;
    (void)text;
}

static void fill_row(uint8_t *row, const t_png *k, int y)
{
    const int channels = k->colour == PNG_COLOR_TYPE_RGB          ? 3
                         : k->colour == PNG_COLOR_TYPE_RGB_ALPHA  ? 4
                         : k->colour == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                                                                  : 1;
    memset(row, 0, (size_t)k->width * 8);
    for (int i = 0; i < k->width * channels; i++) {
        const unsigned v = t_sample(i / channels, y, i % channels, k->bits);
        if (k->bits == 16) {
            row[2 * i] = (uint8_t)(v >> 8);
            row[2 * i + 1] = (uint8_t)v;
        } else
            row[i * k->bits / 8] |= (uint8_t)(v << (8 - k->bits - i * k->bits % 8));
    }
}

t_bytes t_png_make(t_png k)
{
    t_bytes b = { NULL, 0 };
    if (!k.width) k.width = T_W, k.height = T_H;
    png_structp p = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, png_no_warning);
    png_infop info = png_create_info_struct(p);
    png_set_write_fn(p, &b, png_grow, png_no_flush);
    png_set_benign_errors(p, 1);
    png_set_IHDR(p, info, (png_uint_32)k.width, (png_uint_32)k.height, k.bits, k.colour,
                 k.interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE, 0, 0);
    if (k.colour == PNG_COLOR_TYPE_PALETTE) {
        png_color colours[256];
        const int n = 1 << k.bits;
        for (int i = 0; i < n; i++)
            colours[i] = (png_color){ t_palette((unsigned)i, 0), t_palette((unsigned)i, 1), t_palette((unsigned)i, 2) };
        png_set_PLTE(p, info, colours, n);
    }
    const png_byte see_through[2] = { 0, 100 };
    if (k.transparent)
        png_set_tRNS(p, info, k.colour == PNG_COLOR_TYPE_PALETTE ? see_through : NULL, 2,
                     &(png_color_16){ .red = 0, .green = 1, .blue = 1, .gray = 1 });
    if (k.extra.exif) png_set_eXIf_1(p, info, (png_uint_32)k.extra.exif_size, (png_bytep)(uintptr_t)k.extra.exif);
    if (k.extra.icc) png_set_iCCP(p, info, "profile", 0, k.extra.icc, (png_uint_32)k.extra.icc_size);
    const png_text text = { .compression = PNG_TEXT_COMPRESSION_zTXt,
                            .key = (png_charp)(uintptr_t) "Comment",
                            .text = (png_charp)(uintptr_t) "a chunk that is skipped",
                            .text_length = 23 };
    png_set_text(p, info, &text, 1);
    png_write_info(p, info);
    const size_t pitch = (size_t)k.width * 8;
    uint8_t *const image = malloc((size_t)k.height * pitch);
    png_bytep *const rows = malloc((size_t)k.height * sizeof *rows);
    for (int y = 0; y < k.height; y++) {
        rows[y] = image + (size_t)y * pitch;
        fill_row(rows[y], &k, y);
    }
    png_write_image(p, rows);
    png_write_end(p, info);
    png_destroy_write_struct(&p, &info);
    free(rows);
    free(image);
    return b;
}

/* -------------------------------------------------------------------------------------------------- WebP */

static int webp_grow(const uint8_t *d, size_t n, const WebPPicture *p)
{
    t_append(p->custom_ptr, d, n);
    return 1;
}

static void put_le(uint8_t *p, uint32_t v, int n)
{
    for (int i = 0; i < n; i++) p[i] = (uint8_t)(v >> (8 * i));
}

static void chunk(t_bytes *b, const char *name, const void *data, size_t n)
{
    uint8_t size[4];
    put_le(size, (uint32_t)n, 4);
    t_append(b, name, 4);
    t_append(b, size, 4);
    t_append(b, data, n);
    if (n % 2) t_append(b, "", 1);
}

static void finish_riff(t_bytes *b) { put_le(b->data + 4, (uint32_t)b->size - 8, 4); }

static t_bytes encode_webp(const t_webp *k)
{
    t_bytes b = { NULL, 0 };
    WebPConfig c;
    WebPPicture p;
    assert_true(WebPConfigInit(&c) && WebPPictureInit(&p));
    c.lossless = k->lossless;
    c.exact = 1; /* colour under what is transparent stays */
    c.quality = 80;
    p.use_argb = k->lossless;
    p.width = k->width;
    p.height = k->height;
    p.writer = webp_grow;
    p.custom_ptr = &b;
    assert_true(k->alpha ? WebPPictureImportRGBA(&p, k->rgba, k->width * 4)
                         : WebPPictureImportRGBX(&p, k->rgba, k->width * 4));
    assert_true(WebPEncode(&c, &p));
    WebPPictureFree(&p);
    return b;
}

/* The chunks of pixels of a WebP file as the encoder writes it. */
static t_bytes pixel_chunks(const t_webp *k)
{
    t_bytes b = encode_webp(k);
    const size_t head = memcmp(b.data + 12, "VP8X", 4) ? 12 : 30;
    b.size -= head;
    memmove(b.data, b.data + head, b.size);
    return b;
}

static void extended(t_bytes *b, int w, int h, unsigned flags)
{
    uint8_t x[10] = { (uint8_t)flags };
    put_le(x + 4, (uint32_t)w - 1, 3);
    put_le(x + 7, (uint32_t)h - 1, 3);
    t_append(b, "RIFF\0\0\0\0WEBP", 12);
    chunk(b, "VP8X", x, sizeof x);
}

t_bytes t_webp_make(t_webp k)
{
    if (!k.extra.exif && !k.extra.icc) return encode_webp(&k);
    t_bytes b = { NULL, 0 }, pixels = pixel_chunks(&k);
    extended(&b, k.width, k.height, (k.extra.icc ? 0x20u : 0) | (k.alpha ? 0x10u : 0) | (k.extra.exif ? 8u : 0));
    if (k.extra.icc) chunk(&b, "ICCP", k.extra.icc, k.extra.icc_size);
    t_append(&b, pixels.data, pixels.size);
    if (k.extra.exif) chunk(&b, "EXIF", k.extra.exif, k.extra.exif_size);
    finish_riff(&b);
    free(pixels.data);
    return b;
}

static void frame(t_bytes *b, int x, int y, const t_webp *k)
{
    uint8_t head[16] = { 0 };
    put_le(head, (uint32_t)x / 2, 3);
    put_le(head + 3, (uint32_t)y / 2, 3);
    put_le(head + 6, (uint32_t)k->width - 1, 3);
    put_le(head + 9, (uint32_t)k->height - 1, 3);
    put_le(head + 12, 100, 3);
    t_bytes all = { NULL, 0 }, pixels = pixel_chunks(k);
    t_append(&all, head, sizeof head);
    t_append(&all, pixels.data, pixels.size);
    chunk(b, "ANMF", all.data, all.size);
    free(all.data);
    free(pixels.data);
}

t_bytes t_webp_animation(int w, int h, int x, int y, t_webp first, t_webp second)
{
    t_bytes b = { NULL, 0 };
    extended(&b, w, h, 0x12);
    chunk(&b, "ANIM", "\xff\xff\xff\xff\0\0", 6);
    frame(&b, x, y, &first);
    frame(&b, 0, 0, &second);
    finish_riff(&b);
    return b;
}

/* -------------------------------------------------------------------------------------------------- EXIF */

t_bytes t_exif(int orientation, bool big)
{
    static const struct {
        uint16_t tag, type;
        uint32_t count, value;
    } other[] = { { 0x0100, 4, 1, 4000 }, { 0x010f, 2, 4, 0x41424300 }, { 0x0112, 3, 1, 0 }, { 0x011a, 5, 1, 8 } };
    uint8_t d[8 + 2 + 4 * 12 + 4] = { 0 };
    size_t at = 0;
#define PUT(v, n)                                                                                                      \
    for (int i_ = 0; i_ < (n); i_++) d[at++] = (uint8_t)((uint32_t)(v) >> (8 * (big ? (n)-1 - i_ : i_)))
    memcpy(d, big ? "MM" : "II", 2);
    at = 2;
    PUT(42, 2);
    PUT(8, 4);
    PUT(4, 2);
    for (int i = 0; i < 4; i++) {
        PUT(other[i].tag, 2);
        PUT(other[i].type, 2);
        PUT(other[i].count, 4);
        if (other[i].tag == 0x0112) {
            PUT(orientation, 2);
            PUT(0, 2);
        } else
            PUT(other[i].value, 4);
    }
#undef PUT
    t_bytes b = { NULL, 0 };
    t_append(&b, d, sizeof d);
    return b;
}

/* ------------------------------------------------------------------------------------------------ profiles */

static const cmsCIExyY d65 = { 0.3127, 0.3290, 1 };
static const double srgb_curve[5] = { 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045 };

static cmsHPROFILE rgb_profile(const double xy[3][2], cmsToneCurve *curve)
{
    const cmsCIExyYTRIPLE p = { { xy[0][0], xy[0][1], 1 }, { xy[1][0], xy[1][1], 1 }, { xy[2][0], xy[2][1], 1 } };
    cmsToneCurve *const curves[3] = { curve, curve, curve };
    return cmsCreateRGBProfile(&d65, &p, curves);
}

/* Inks on paper, roughly: what the plain conversion gives, a third of the way to grey. */
static int inks(const cmsUInt16Number in[], cmsUInt16Number out[], void *to_lab)
{
    double rgb[3], lab[3];
    for (int c = 0; c < 3; c++)
        rgb[c] = (0.8 * (1 - in[c] / 65535.0) + 0.2 * (1 - in[(c + 1) % 3] / 65535.0)) * (1 - in[3] / 65535.0);
    cmsDoTransform(to_lab, rgb, lab, 1);
    cmsCIELab l = { lab[0], lab[1], lab[2] };
    cmsFloat2LabEncodedV2(out, &l);
    return 1;
}

static cmsHPROFILE cmyk_profile(unsigned grid)
{
    cmsHPROFILE p = cmsCreateProfilePlaceholder(NULL), s = cmsCreate_sRGBProfile(), lab = cmsCreateLab4Profile(NULL);
    cmsHTRANSFORM to_lab = cmsCreateTransform(s, TYPE_RGB_DBL, lab, TYPE_Lab_DBL, INTENT_PERCEPTUAL, 0);
    cmsSetProfileVersion(p, 2.4);
    cmsSetDeviceClass(p, cmsSigOutputClass);
    cmsSetColorSpace(p, cmsSigCmykData);
    cmsSetPCS(p, cmsSigLabData);
    cmsPipeline *const line = cmsPipelineAlloc(NULL, 4, 3);
    cmsStage *const table = cmsStageAllocCLut16bit(NULL, grid, 4, 3, NULL);
    cmsStageSampleCLut16bit(table, inks, to_lab, 0);
    cmsPipelineInsertStage(line, cmsAT_BEGIN, table);
    assert_true(cmsWriteTag(p, cmsSigAToB0Tag, line));
    cmsPipelineFree(line);
    cmsDeleteTransform(to_lab);
    cmsCloseProfile(lab);
    cmsCloseProfile(s);
    return p;
}

t_bytes t_icc(const char *which)
{
    static const double srgb[3][2] = { { 0.64, 0.33 }, { 0.30, 0.60 }, { 0.15, 0.06 } };
    static const double swapped[3][2] = { { 0.15, 0.06 }, { 0.30, 0.60 }, { 0.64, 0.33 } };
    static const double p3[3][2] = { { 0.680, 0.320 }, { 0.265, 0.690 }, { 0.150, 0.060 } };
    static const double adobe[3][2] = { { 0.64, 0.33 }, { 0.21, 0.71 }, { 0.15, 0.06 } };
    cmsToneCurve *const s = cmsBuildParametricToneCurve(NULL, 4, srgb_curve), *const g = cmsBuildGamma(NULL, 2.2);
    cmsHPROFILE p = !strcmp(which, "srgb")      ? rgb_profile(srgb, s)
                    : !strcmp(which, "swapped") ? rgb_profile(swapped, s)
                    : !strcmp(which, "p3")      ? rgb_profile(p3, s)
                    : !strcmp(which, "adobe")   ? rgb_profile(adobe, g)
                    : !strcmp(which, "gray")    ? cmsCreateGrayProfile(&d65, g)
                                                : cmyk_profile(!strcmp(which, "cmyk") ? 11 : 3);
    assert_non_null(p);
    cmsUInt32Number n = 0;
    assert_true(cmsSaveProfileToMem(p, NULL, &n));
    t_bytes b = { malloc(n), n };
    assert_true(cmsSaveProfileToMem(p, b.data, &n));
    memcpy(b.data + 24, "\7\xe8\0\1\0\1\0\0\0\0\0", 12); /* one date, so that the same profile has the same bytes */
    cmsCloseProfile(p);
    cmsFreeToneCurve(s);
    cmsFreeToneCurve(g);
    return b;
}
