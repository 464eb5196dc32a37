/* SPDX-License-Identifier: Apache-2.0 */
/* WebP through libwebp: lossy and lossless, alpha dropped and not blended; of an animation the first frame, on a black
 * canvas where it does not fill it. libwebp decodes into one piece of memory, so the picture is held as a whole. */
#include "image/decode.h"

#include "base/mem.h"
#include "image/exif.h"

#include <webp/decode.h>
#include <webp/demux.h>

static eff_status broken(size_t size, eff_error *err)
{
    return eff_fail(err, EFF_EFORMAT, "WebP is truncated or corrupt (%zu bytes)", size);
}

static eff_status decode_frame(uint8_t *rgb, const eff_picture *p, const WebPIterator *f, size_t size, eff_error *err)
{
    if (f->width > p->width - f->x_offset || f->height > p->height - f->y_offset) return broken(size, err);
    const size_t stride = (size_t)p->width * 3;
    const size_t at = (size_t)f->y_offset * stride + (size_t)f->x_offset * 3;
    WebPDecoderConfig c;
    if (!WebPInitDecoderConfig(&c))
        return eff_fail(err, EFF_EUNSUPPORTED, "WebP: this libwebp is not the one built with");
    c.output.colorspace = MODE_RGB;
    c.output.is_external_memory = 1;
    c.output.u.RGBA.rgba = rgb + at;
    c.output.u.RGBA.stride = (int)stride;
    c.output.u.RGBA.size = (size_t)p->height * stride - at;
    const VP8StatusCode s = WebPDecode(f->fragment.bytes, f->fragment.size, &c);
    WebPFreeDecBuffer(&c.output);
    if (s == VP8_STATUS_OUT_OF_MEMORY) return eff_fail(err, EFF_ENOMEM, "WebP: out of memory while decoding");
    return s == VP8_STATUS_OK ? EFF_OK : broken(size, err);
}

/* A chunk of the container; empty where there is none. */
static WebPData chunk(WebPDemuxer *d, const char *name)
{
    WebPChunkIterator it;
    WebPData data = { NULL, 0 };
    if (WebPDemuxGetChunk(d, name, 1, &it)) {
        data = it.chunk; /* lies in the file's bytes */
        WebPDemuxReleaseChunkIterator(&it);
    }
    return data;
}

static eff_status decode(WebPDemuxer *d, size_t size, const eff_sink *sink, eff_error *err)
{
    const uint32_t w = WebPDemuxGetI(d, WEBP_FF_CANVAS_WIDTH), h = WebPDemuxGetI(d, WEBP_FF_CANVAS_HEIGHT);
    eff_status s = eff_decode_check(w, h, size, err);
    if (s != EFF_OK) return s;
    WebPIterator frame;
    if (!WebPDemuxGetFrame(d, 1, &frame)) return broken(size, err);
    const WebPData exif = chunk(d, "EXIF"), icc = chunk(d, "ICCP");
    const eff_picture p = { .width = (int)w,
                            .height = (int)h,
                            .full_width = (int)w,
                            .full_height = (int)h,
                            .reduced = 1,
                            .orientation = exif.size ? eff_exif_orientation(exif.bytes, exif.size) : 1,
                            .pixels = EFF_PIXELS_RGB,
                            .icc = icc.size ? icc.bytes : NULL,
                            .icc_size = icc.size };
    uint8_t *const rgb = eff_calloc((size_t)w * h, 3);
    s = rgb ? decode_frame(rgb, &p, &frame, size, err) : eff_fail_memory(err, (size_t)w * h * 3);
    WebPDemuxReleaseIterator(&frame);
    if (s == EFF_OK) s = eff_sink_picture(sink, &p, rgb, err);
    eff_free(rgb);
    return s;
}

eff_status eff_webp_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err)
{
    const WebPData data = { bytes, size };
    WebPDemuxer *const d = WebPDemux(&data);
    if (!d) return broken(size, err);
    const eff_status s = decode(d, size, sink, err);
    WebPDemuxDelete(d);
    return s;
}
