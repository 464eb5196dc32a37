/* SPDX-License-Identifier: Apache-2.0 */
/* AVIF through libavif, on one thread: alpha dropped and not blended, 10 and 12 bits rounded to 8, of a sequence the
 * first picture. The container's rotation and mirror become an orientation; that of an EXIF block beside them, and the
 * clean aperture, are ignored, as the format (the first) and Pillow have it. */
#include "worker/picture.h"

#include "base/mem.h"
#include "image/image.h"
#include "image/pixel_stream.h"

#include <avif/avif.h>

static eff_status broken(avifResult r, const avifDecoder *d, eff_error *err)
{
    if (r == AVIF_RESULT_OUT_OF_MEMORY) return eff_fail(err, EFF_ENOMEM, "AVIF: out of memory");
    if (r == AVIF_RESULT_NO_CODEC_AVAILABLE) return eff_fail(err, EFF_EUNSUPPORTED, "AVIF: libavif has no decoder");
    return eff_fail(err, EFF_EFORMAT, "AVIF is truncated or corrupt: %s%s%.80s", avifResultToString(r),
                    d->diag.error[0] ? ": " : "", d->diag.error);
}

/* First turned, then mirrored. */
static int orientation_of(const avifImage *im)
{
    static const uint8_t turned[3][4] = { { 1, 8, 3, 6 }, { 4, 5, 2, 7 }, { 2, 7, 4, 5 } };
    int mirror = 0, turn = 0;
    if (im->transformFlags & AVIF_TRANSFORM_IROT) turn = im->irot.angle & 3;
    if (im->transformFlags & AVIF_TRANSFORM_IMIR)
#if AVIF_VERSION >= 1000000
        mirror = im->imir.axis ? 2 : 1;
#else
        mirror = im->imir.mode ? 2 : 1;
#endif
    return turned[mirror][turn];
}

/* With alpha it is decoded and then left out: without it libavif would blend it, and it divides out one that the
 * colours were multiplied by. */
static eff_status convert(int out, const avifImage *im, avifDecoder *d, eff_error *err)
{
    const bool alpha = im->alphaPlane != NULL;
    const size_t channels = alpha ? 4 : 3, n = (size_t)im->width * im->height;
    const eff_picture p = { .width = (int)im->width,
                            .height = (int)im->height,
                            .orientation = orientation_of(im),
                            .pixels = EFF_PIXELS_RGB,
                            .icc = im->icc.size ? im->icc.data : NULL,
                            .icc_size = im->icc.size };
    uint8_t *const rgb = eff_malloc(n * channels);
    if (!rgb) return eff_fail_memory(err, n * channels);
    avifRGBImage to;
    avifRGBImageSetDefaults(&to, im);
    to.depth = 8;
    to.avoidLibYUV = im->depth > 8; /* which cuts low bits off before it computes */
    to.format = alpha ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
    to.pixels = rgb;
    to.rowBytes = (uint32_t)(im->width * channels);
    const avifResult r = avifImageYUVToRGB(im, &to);
    eff_status s = r == AVIF_RESULT_OK ? EFF_OK : broken(r, d, err);
    for (size_t i = 1; s == EFF_OK && alpha && i < n; i++) {
        rgb[3 * i] = rgb[4 * i];
        rgb[3 * i + 1] = rgb[4 * i + 1];
        rgb[3 * i + 2] = rgb[4 * i + 2];
    }
    if (s == EFF_OK) s = eff_pixel_stream_begin(out, &p, err);
    if (s == EFF_OK) s = eff_pixel_stream_rows(out, rgb, 3 * n, err);
    eff_free(rgb);
    return s;
}

static eff_status decode(int out, avifDecoder *d, const uint8_t *bytes, size_t size, eff_error *err)
{
    d->maxThreads = 1;
    if (avifCodecName(AVIF_CODEC_CHOICE_DAV1D, AVIF_CODEC_FLAG_CAN_DECODE)) d->codecChoice = AVIF_CODEC_CHOICE_DAV1D;
    d->ignoreExif = d->ignoreXMP = AVIF_TRUE;
    d->strictFlags &= ~(avifStrictFlags)(AVIF_STRICT_PIXI_REQUIRED | AVIF_STRICT_CLAP_VALID); /* old writers */
    d->imageSizeLimit = (uint32_t)EFF_IMAGE_MAX_PIXELS;
    d->imageDimensionLimit = EFF_IMAGE_MAX_SIDE;
    avifResult r = avifDecoderSetIOMemory(d, bytes, size);
    if (r == AVIF_RESULT_OK) r = avifDecoderParse(d);
    if (r != AVIF_RESULT_OK) return broken(r, d, err);
    const eff_status s = eff_decode_check(d->image->width, d->image->height, size, err);
    if (s != EFF_OK) return s;
    r = avifDecoderNextImage(d);
    return r == AVIF_RESULT_OK ? convert(out, d->image, d, err) : broken(r, d, err);
}

eff_status eff_avif_decode(int out, const uint8_t *bytes, size_t size, eff_error *err)
{
    avifDecoder *const d = avifDecoderCreate();
    if (!d) return eff_fail_memory(err, sizeof *d);
    const eff_status s = decode(out, d, bytes, size, err);
    avifDecoderDestroy(d);
    return s;
}
