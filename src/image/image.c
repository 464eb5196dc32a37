/* SPDX-License-Identifier: Apache-2.0 */
/* An image's memory, and which decoder a run of bytes belongs to. No image larger than the limits of image.h ever
 * exists, and nothing is allocated for one. */
#include "image/image.h"

#include "base/file.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

eff_status eff_image_new(eff_image **out, uint64_t width, uint64_t height, eff_error *err)
{
    *out = NULL;
    if (!width || !height)
        return eff_fail(err, EFF_EFORMAT, "image size: expected at least one pixel, found %llu x %llu",
                        (unsigned long long)width, (unsigned long long)height);
    if (width > EFF_IMAGE_MAX_SIDE || height > EFF_IMAGE_MAX_SIDE || width * height > EFF_IMAGE_MAX_PIXELS)
        return eff_fail(err, EFF_EFORMAT,
                        "image size: expected at most %d pixels a side and %llu in all, found %llu x %llu",
                        EFF_IMAGE_MAX_SIDE, (unsigned long long)EFF_IMAGE_MAX_PIXELS, (unsigned long long)width,
                        (unsigned long long)height);
    size_t bytes = 0;
    if (!eff_mul((size_t)width, (size_t)height, &bytes) || !eff_mul(bytes, 3, &bytes))
        return eff_fail_memory(err, SIZE_MAX);
    eff_image *im = eff_malloc(sizeof *im);
    if (!im) return eff_fail_memory(err, sizeof *im);
    im->width = (int)width;
    im->height = (int)height;
    im->rgb = eff_malloc(bytes);
    if (!im->rgb) {
        eff_free(im);
        return eff_fail_memory(err, bytes);
    }
    *out = im;
    return EFF_OK;
}

void eff_image_destroy(eff_image *im)
{
    if (!im) return;
    eff_free(im->rgb);
    eff_free(im);
}

/* Formats that people do hand over, so that the message can say what the file is. */
static const struct {
    const char *name, *magic;
    uint8_t offset, length;
} others[] = {
    { "a GIF", "GIF8", 0, 4 },
    { "a WebP", "WEBP", 8, 4 },
    { "a BMP", "BM", 0, 2 },
    { "a TIFF", "II*\0", 0, 4 },
    { "a TIFF", "MM\0*", 0, 4 },
    { "a TIFF (BigTIFF)", "II+\0", 0, 4 },
    { "an AVIF", "ftypavif", 4, 8 },
    { "an AVIF", "ftypavis", 4, 8 },
    { "a HEIC", "ftyphei", 4, 7 },
    { "a HEIC", "ftyphev", 4, 7 },
    { "a HEIF", "ftypmif1", 4, 8 },
    { "a HEIF", "ftypmsf1", 4, 8 },
    { "a JPEG 2000", "\0\0\0\x0cjP  ", 0, 8 },
    { "a JPEG XL", "\0\0\0\x0cJXL ", 0, 8 },
    { "a JPEG XL", "\xff\x0a", 0, 2 },
    { "a Photoshop", "8BPS", 0, 4 },
};

static int begins(const uint8_t *bytes, size_t size, const char *magic, size_t offset, size_t length)
{
    return size >= offset + length && !memcmp(bytes + offset, magic, length);
}

static eff_status fail_unknown(const uint8_t *bytes, size_t size, eff_error *err)
{
    char hex[3 * 8 + 1] = "", text[8 + 1] = "";
    const size_t n = size < 8 ? size : 8;
    for (size_t i = 0; i < n; i++) {
        snprintf(hex + 3 * i, 4, " %02x", bytes[i]);
        text[i] = bytes[i] >= 0x20 && bytes[i] < 0x7f ? (char)bytes[i] : '.';
    }
    text[n] = '\0';
    return eff_fail(err, EFF_EFORMAT, "image: expected a JPEG or a PNG, found neither; the content begins%s (\"%s\")",
                    hex, text);
}

eff_status eff_image_decode_bytes(eff_image **out, const uint8_t *bytes, size_t size, eff_error *err)
{
    *out = NULL;
    if (size == 0) return eff_fail(err, EFF_EFORMAT, "image: expected a JPEG or a PNG, found no bytes at all (empty)");
    if (begins(bytes, size, "\xff\xd8", 0, 2)) return eff_jpeg_decode(out, bytes, size, err);
    if (begins(bytes, size, "\x89PNG", 0, 4)) return eff_png_decode(out, bytes, size, err);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        if (begins(bytes, size, others[i].magic, others[i].offset, others[i].length))
            return eff_fail(err, EFF_EUNSUPPORTED, "image: expected a JPEG or a PNG, found %s image, which is not read",
                            others[i].name);
    return fail_unknown(bytes, size, err);
}

eff_status eff_image_read(eff_image **out, const char *path, eff_error *err)
{
    *out = NULL;
    unsigned char *bytes = NULL;
    size_t size = 0;
    eff_status s = eff_file_read_all(path, EFF_IMAGE_MAX_FILE, &bytes, &size, err);
    if (s == EFF_OK) s = eff_image_decode_bytes(out, bytes, size, err);
    eff_free(bytes);
    return s;
}
