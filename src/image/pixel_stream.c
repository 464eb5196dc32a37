/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of what crosses between the worker and us for a picture. The stream is as hostile as the file: its head is
 * held against the limits of all pictures, and its length must be what the head says, to the byte. A parser that was
 * taken over can send another picture, as the file itself could. */
#define _GNU_SOURCE
#include "image/pixel_stream.h"

#include "base/file.h"
#include "base/mem.h"
#include "image/icc.h"
#include "image/image.h"
#include "jail/jail.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

_Static_assert(sizeof(eff_pixel_head) == 32, "the head has no holes");

static eff_status unsound(const char *what, eff_error *err)
{
    return eff_fail(err, EFF_EFORMAT, "image: the import worker sent no sound picture: %s", what);
}

static eff_status check(const eff_pixel_head *h, uint64_t n, size_t file_bytes, eff_error *err)
{
    if (memcmp(h->magic, EFF_PIXEL_MAGIC, sizeof h->magic) != 0) return unsound("another beginning", err);
    const eff_status s = eff_decode_check(h->width, h->height, file_bytes, err);
    if (s != EFF_OK) return s;
    if (h->orientation < 1 || h->orientation > 8) return unsound("an orientation that is not 1 to 8", err);
    if (h->pixels != EFF_PIXELS_GRAY && h->pixels != EFF_PIXELS_RGB && h->pixels != EFF_PIXELS_CMYK)
        return unsound("pixels of no kind", err);
    if (h->icc_size > EFF_ICC_MAX) return unsound("a profile that is too large", err);
    if (n != sizeof *h + h->icc_size + (uint64_t)h->width * h->height * h->pixels)
        return unsound("another number of bytes than its size needs", err);
    return EFF_OK;
}

eff_status eff_pixel_stream_read(const uint8_t *stream, size_t n, size_t file_bytes, const eff_sink *sink,
                                 eff_error *err)
{
    eff_pixel_head h;
    if (n < sizeof h) return unsound("too few bytes for a head", err);
    memcpy(&h, stream, sizeof h);
    const eff_status s = check(&h, n, file_bytes, err);
    if (s != EFF_OK) return s;
    const eff_picture p = { .width = (int)h.width,
                            .height = (int)h.height,
                            .full_width = (int)h.width,
                            .full_height = (int)h.height,
                            .reduced = 1,
                            .orientation = (int)h.orientation,
                            .pixels = (eff_pixels)h.pixels,
                            .icc = h.icc_size ? stream + sizeof h : NULL,
                            .icc_size = (size_t)h.icc_size };
    return eff_sink_picture(sink, &p, stream + sizeof h + h.icc_size, err);
}

/* ----------------------------------------------------------------------------------------------- through the worker */

static bool write_all(int fd, const uint8_t *p, size_t n)
{
    while (n) {
        const ssize_t k = write(fd, p, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        p += k;
        n -= (size_t)k;
    }
    return true;
}

eff_status eff_pixel_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err)
{
    int out = -1;
    uint64_t n = 0;
    eff_map map = { 0 };
    eff_status s;
    const int in = memfd_create("effnet-picture", MFD_CLOEXEC);
    if (in < 0 || !write_all(in, bytes, size)) {
        s = eff_fail(err, EFF_EIO, "image: no memory file for the import worker: %s", strerror(errno));
        goto end;
    }
    s = eff_jail_run(&out, &n, in, EFF_JAIL_PICTURE, err);
    if (s != EFF_OK) goto end;
    if (n == 0)
        s = unsound("nothing", err);
    else if (!eff_file_map(&map, out, n))
        s = eff_fail_memory(err, (size_t)n);
    else
        s = eff_pixel_stream_read(map.base, (size_t)n, size, sink, err);
end:
    eff_file_unmap(&map);
    if (out >= 0) close(out);
    if (in >= 0) close(in);
    return s;
}

/* ---------------------------------------------------------------------------------------------------------- sending */

static eff_status send(int fd, const void *p, size_t n, eff_error *err)
{
    if (write_all(fd, p, n)) return EFF_OK;
    return eff_fail(err, EFF_EIO, "the picture cannot be written: %s", strerror(errno));
}

eff_status eff_pixel_stream_begin(int fd, const eff_picture *p, eff_error *err)
{
    eff_pixel_head h = { .magic = EFF_PIXEL_MAGIC,
                         .width = (uint32_t)p->width,
                         .height = (uint32_t)p->height,
                         .orientation = (uint32_t)p->orientation,
                         .pixels = p->pixels };
    if (p->icc && p->icc_size <= EFF_ICC_MAX) h.icc_size = p->icc_size; /* a larger one would be ignored */
    const eff_status s = send(fd, &h, sizeof h, err);
    return s == EFF_OK && h.icc_size ? send(fd, p->icc, (size_t)h.icc_size, err) : s;
}

eff_status eff_pixel_stream_rows(int fd, const uint8_t *rows, size_t n, eff_error *err)
{
    return send(fd, rows, n, err);
}
