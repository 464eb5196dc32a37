/* SPDX-License-Identifier: Apache-2.0 */
/* Public functions on images and preprocessing rules: arguments are checked here, the work is in src/image. */
#include <effnet/effnet.h>

#include "image/image.h"
#include "image/preprocess.h"

#include <string.h>

eff_status eff_preprocess_parse(eff_preprocess *p, const char *spec, eff_error *err)
{
    if (!p || !spec) return eff_fail(err, EFF_EARG, "preprocessing rule: expected text, found NULL");
    return eff_preprocess_read(p, spec, err);
}

int eff_preprocess_format(const eff_preprocess *p, char *buf, size_t size)
{
    if (!p || (!buf && size)) return -1;
    return eff_preprocess_write(p, buf, size);
}

eff_status eff_image_load(eff_image **out, const char *path, eff_error *err)
{
    if (!out || !path) return eff_fail(err, EFF_EARG, "image: expected a path, found NULL");
    return eff_image_read(out, path, err);
}

eff_status eff_image_decode(eff_image **out, const void *bytes, size_t size, eff_error *err)
{
    if (!out || (!bytes && size)) return eff_fail(err, EFF_EARG, "image: expected bytes, found NULL");
    return eff_image_decode_bytes(out, bytes, size, err);
}

eff_status eff_image_from_rgb(eff_image **out, const uint8_t *rgb, int width, int height, eff_error *err)
{
    if (!out || !rgb) return eff_fail(err, EFF_EARG, "image: expected pixels, found NULL");
    *out = NULL;
    if (width < 1 || height < 1)
        return eff_fail(err, EFF_EARG, "image size: expected at least one pixel, found %d x %d", width, height);
    const eff_status s = eff_image_new(out, (uint64_t)width, (uint64_t)height, err);
    if (s == EFF_EFORMAT) { /* too large: here the size is the caller's argument */
        if (err) err->code = EFF_EARG;
        return EFF_EARG;
    }
    if (s == EFF_OK) memcpy((*out)->rgb, rgb, (size_t)width * (size_t)height * 3);
    return s;
}

int eff_image_width(const eff_image *im) { return im ? im->width : 0; }

int eff_image_height(const eff_image *im) { return im ? im->height : 0; }

const uint8_t *eff_image_pixels(const eff_image *im) { return im ? im->rgb : NULL; }

void eff_image_free(eff_image *im) { eff_image_destroy(im); }

eff_status eff_image_prepare(const eff_image *im, const eff_preprocess *p, float *x, eff_error *err)
{
    if (!im || !p || !x)
        return eff_fail(err, EFF_EARG, "image preparation: expected an image, a rule and a result, found NULL");
    return eff_preprocess_apply(im, p, x, err);
}

eff_status eff_prepare_file(const char *path, const eff_preprocess *p, float *x, eff_error *err)
{
    if (!path || !p || !x)
        return eff_fail(err, EFF_EARG, "image preparation: expected a path, a rule and a result, found NULL");
    return eff_preprocess_file(path, p, x, err);
}

eff_status eff_prepare_bytes(const void *bytes, size_t size, const eff_preprocess *p, float *x, eff_error *err)
{
    if ((!bytes && size) || !p || !x)
        return eff_fail(err, EFF_EARG, "image preparation: expected bytes, a rule and a result, found NULL");
    return eff_preprocess_bytes(bytes, size, p, x, err);
}
