/* SPDX-License-Identifier: Apache-2.0 */
/* Which decoder a run of bytes belongs to, the limits that all of them share, and the plain conversion of stored pixels
 * to RGB. */
#include "image/decode.h"

#include "image/image.h"
#include "image/pixel_stream.h"

#include <stdio.h>
#include <string.h>

/* A photograph has a byte for every ten pixels or so, at the very least for every hundred. What is nearly empty could
 * promise the largest picture in a hundred bytes; above this size it has to be worth its memory and time. Deflate makes
 * a byte of 258 even RGBA pixels and of 344 RGB ones. */
#define LARGE_PIXELS    ((uint64_t)16 << 20)
#define PIXELS_PER_BYTE 250

uint64_t eff_decode_most_pixels(uint64_t file_bytes)
{
    if (file_bytes > EFF_IMAGE_MAX_PIXELS / PIXELS_PER_BYTE) return EFF_IMAGE_MAX_PIXELS;
    const uint64_t n = (file_bytes + 1) * PIXELS_PER_BYTE;
    return n > LARGE_PIXELS ? n : LARGE_PIXELS;
}

eff_status eff_sink_picture(const eff_sink *sink, const eff_picture *p, const uint8_t *rows, eff_error *err)
{
    const eff_status s = sink->begin(sink->ctx, p, err);
    if (s != EFF_OK) return s;
    const size_t row = (size_t)p->width * (size_t)p->pixels;
    for (int y = 0; y < p->height; y++, rows += row) {
        memcpy(sink->row(sink->ctx), rows, row);
        if (!sink->done(sink->ctx)) return EFF_ECANCELLED;
    }
    return EFF_OK;
}

eff_status eff_decode_check(uint64_t width, uint64_t height, size_t file_bytes, eff_error *err)
{
    const eff_status s = eff_image_check(width, height, err);
    if (s == EFF_OK && width * height > LARGE_PIXELS && width * height / PIXELS_PER_BYTE > file_bytes)
        return eff_fail(err, EFF_EFORMAT, "image is no photograph: %zu bytes cannot hold %llu x %llu pixels",
                        file_bytes, (unsigned long long)width, (unsigned long long)height);
    return s;
}

#define EXPECTED "image: expected a JPEG, a PNG, a WebP, a TIFF or an AVIF, found "

/* Formats that people do hand over, so that the message can say what the file is. */
static const struct {
    const char *name, *magic;
    uint8_t offset, length;
} others[] = {
    { "a GIF", "GIF8", 0, 4 },
    { "a BMP", "BM", 0, 2 },
    { "a HEIC", "ftyphei", 4, 7 },
    { "a HEIC", "ftyphev", 4, 7 },
    { "a HEIF", "ftypmif1", 4, 8 },
    { "a HEIF", "ftypmsf1", 4, 8 },
    { "a JPEG 2000", "\0\0\0\x0cjP  ", 0, 8 },
    { "a JPEG XL", "\0\0\0\x0cJXL ", 0, 8 },
    { "a JPEG XL", "\xff\x0a", 0, 2 },
    { "a Photoshop", "8BPS", 0, 4 },
};

static bool begins(const uint8_t *bytes, size_t size, const char *magic, size_t offset, size_t length)
{
    return size >= offset + length && !memcmp(bytes + offset, magic, length);
}

bool eff_is_tiff(const uint8_t *bytes, size_t size)
{
    static const char magic[4][5] = { "II*\0", "MM\0*", "II+\0", "MM\0+" }; /* the last two have offsets of 64 bits */
    for (size_t i = 0; i < sizeof magic / sizeof *magic; i++)
        if (begins(bytes, size, magic[i], 0, 4)) return true;
    return false;
}

/* The first box names brands, one of which may stand for a whole family of formats (mif1): it is the others that tell
 * AVIF from HEIC. */
bool eff_is_avif(const uint8_t *bytes, size_t size)
{
    if (!begins(bytes, size, "ftyp", 4, 4)) return false;
    size_t end = (size_t)bytes[0] << 24 | (size_t)bytes[1] << 16 | (size_t)bytes[2] << 8 | bytes[3];
    if (end > size) end = size;
    for (size_t at = 8; at + 4 <= end && at < 256; at += at == 8 ? 8 : 4) /* behind the first its version */
        if (!memcmp(bytes + at, "avif", 4) || !memcmp(bytes + at, "avis", 4)) return true;
    return false;
}

static eff_status fail_unknown(const uint8_t *bytes, size_t size, eff_error *err)
{
    char hex[3 * 8 + 1] = "", text[8 + 1] = "";
    const size_t n = size < 8 ? size : 8;
    for (size_t i = 0; i < n; i++) {
        snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
        text[i] = (char)(bytes[i] >= 0x20 && bytes[i] < 0x7f ? bytes[i] : '.');
    }
    text[n] = '\0';
    return eff_fail(err, EFF_EFORMAT, EXPECTED "none of them; the content begins%s (\"%s\")", hex, text);
}

eff_status eff_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err)
{
    if (size == 0) return eff_fail(err, EFF_EFORMAT, EXPECTED "no bytes at all (empty)");
    if (begins(bytes, size, "\xff\xd8", 0, 2)) return eff_jpeg_decode(bytes, size, sink, err);
    if (begins(bytes, size, "\x89PNG", 0, 4)) return eff_png_decode(bytes, size, sink, err);
    if (begins(bytes, size, "RIFF", 0, 4) && begins(bytes, size, "WEBP", 8, 4))
        return eff_webp_decode(bytes, size, sink, err);
    if (eff_is_tiff(bytes, size) || eff_is_avif(bytes, size)) return eff_pixel_decode(bytes, size, sink, err);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (begins(bytes, size, others[i].magic, others[i].offset, others[i].length))
            return eff_fail(err, EFF_EUNSUPPORTED, EXPECTED "%s image, which is not read", others[i].name);
    return fail_unknown(bytes, size, err);
}

/* a * b / 255, rounded, as Pillow computes it. */
static int scaled(int a, int b)
{
    const int t = a * b + 128;
    return ((t >> 8) + t) >> 8;
}

void eff_pixels_to_rgb(uint8_t *rgb, const uint8_t *stored, eff_pixels kind, int n)
{
    switch (kind) {
    case EFF_PIXELS_GRAY:
        for (int i = 0; i < n; i++, rgb += 3) rgb[0] = rgb[1] = rgb[2] = stored[i];
        break;
    case EFF_PIXELS_RGB: memcpy(rgb, stored, (size_t)n * 3); break;
    case EFF_PIXELS_CMYK:
        for (int i = 0; i < n; i++) {
            const int light = stored[4 * i + 3]; /* what black leaves; the inks take their share of it */
            for (int c = 0; c < 3; c++) rgb[3 * i + c] = (uint8_t)(light - scaled(255 - stored[4 * i + c], light));
        }
        break;
    }
}
