/* SPDX-License-Identifier: Apache-2.0 */
/* PNG through libpng. Every checksum is verified, of chunks that are skipped too; of 16 bits the high byte is kept,
 * alpha is dropped and not blended, gamma is left alone: as Pillow's convert('RGB') gives it. */
#include "image/decode.h"

#include "base/mem.h"
#include "image/exif.h"
#include "image/png_guard.h"

#include <string.h>

enum { MAX_CHUNK = 8 << 20 }; /* bytes libpng may hold for one chunk other than the pixels */

/* Deflate can make one byte a thousand, so compressed bytes that no pixel needs are refused before they are inflated.
 * What `raw` bytes may take: an encoder that gains nothing stores them, with a little round about. */
static uint64_t most_deflated(uint64_t raw) { return raw + raw / 4 + 8192; }

typedef struct png_job {
    eff_png_guard guard;
    png_structp png;
    png_infop info;
    const uint8_t *bytes; /* what is left */
    size_t left, size;
    size_t pixels_end; /* bytes of the file that follow the last chunk of pixels */
    uint64_t deflated; /* bytes in those chunks */
    int orientation;
    uint8_t *whole; /* an interlaced picture */
    const eff_sink *sink;
} png_job;

static void on_error(png_structp png, png_const_charp text)
{
    png_job *const j = png_get_error_ptr(png);
    if (j->guard.no_memory) eff_png_leave_memory(&j->guard);
    eff_png_leave(&j->guard, eff_fail(j->guard.err, EFF_EFORMAT, "PNG is truncated or corrupt: %s", text));
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    png_job *const j = png_get_io_ptr(png);
    if (n > j->left)
        eff_png_leave(&j->guard,
                      eff_fail(j->guard.err, EFF_EFORMAT, "PNG is truncated: it ends after %zu bytes", j->size));
    memcpy(to, j->bytes, n);
    j->bytes += n;
    j->left -= n;
}

static uint32_t big32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

/* What must be known before the pixels: their chunks' extent, and the orientation, whose chunk may come after them.
 * Where the chunks end early libpng will say so. */
static void walk_chunks(png_job *j)
{
    const uint8_t *p = j->bytes;
    size_t left = j->size;
    j->orientation = 1;
    for (size_t skip = 8; left >= skip + 12;) {
        p += skip;
        left -= skip;
        const uint32_t length = big32(p);
        if (length > left - 12) return;
        if (!memcmp(p + 4, "IDAT", 4)) {
            j->deflated += length;
            j->pixels_end = left - 12 - length;
        } else if (!memcmp(p + 4, "eXIf", 4))
            j->orientation = eff_exif_orientation(p + 8, length);
        skip = (size_t)length + 12;
    }
}

static uint64_t raw_row(const png_job *j, uint64_t w)
{
    return (w * png_get_channels(j->png, j->info) * png_get_bit_depth(j->png, j->info) + 7) / 8 + 1;
}

static __attribute__((noreturn)) void too_much_data(png_job *j)
{
    eff_png_leave(&j->guard, eff_fail(j->guard.err, EFF_EFORMAT,
                                      "PNG is damaged: it has more compressed data than its pixels need"));
}

static void check_header(png_job *j)
{
    const uint64_t w = png_get_image_width(j->png, j->info), h = png_get_image_height(j->png, j->info);
    const eff_status s = eff_decode_check(w, h, j->size, j->guard.err);
    if (s != EFF_OK) eff_png_leave(&j->guard, s);
    const uint64_t raw = raw_row(j, w) * h;
    if (raw / 1040 > j->size) /* deflate shrinks by at most 1032:1 */
        eff_png_leave(&j->guard, eff_fail(j->guard.err, EFF_EFORMAT,
                                          "PNG is truncated or corrupt: %zu bytes cannot hold %llu x %llu pixels",
                                          j->size, (unsigned long long)w, (unsigned long long)h));
    /* each of the seven passes of an interlaced picture may round its rows up */
    if (j->deflated > 2 * most_deflated(raw)) too_much_data(j);
}

static eff_picture settle(png_job *j)
{
    const int colour = png_get_color_type(j->png, j->info);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(j->png);
    if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(j->png);
    png_set_strip_16(j->png);
    png_set_strip_alpha(j->png);
    png_set_interlace_handling(j->png);
    png_read_update_info(j->png, j->info);
    eff_picture p = { .width = (int)png_get_image_width(j->png, j->info),
                      .height = (int)png_get_image_height(j->png, j->info),
                      .reduced = 1,
                      .orientation = j->orientation,
                      .pixels = colour & PNG_COLOR_MASK_COLOR ? EFF_PIXELS_RGB : EFF_PIXELS_GRAY };
    p.full_width = p.width;
    p.full_height = p.height;
    if (png_get_rowbytes(j->png, j->info) != (size_t)p.width * p.pixels)
        eff_png_leave(&j->guard, eff_fail(j->guard.err, EFF_EUNSUPPORTED, "PNG rows of an unknown kind"));
    png_charp name;
    png_bytep profile;
    png_uint_32 size;
    int method;
    if (png_get_iCCP(j->png, j->info, &name, &method, &profile, &size)) {
        p.icc = profile;
        p.icc_size = size;
    }
    return p;
}

/* The call that reads the last row also swallows all compressed data that follow. */
static void read_row(png_job *j, uint8_t *to, bool last)
{
    if (last && j->left > j->pixels_end &&
        j->left - j->pixels_end > most_deflated(raw_row(j, png_get_image_width(j->png, j->info))))
        too_much_data(j);
    png_read_row(j->png, to, NULL);
}

static void hand_over(png_job *j)
{
    if (!j->sink->done(j->sink->ctx)) eff_png_leave(&j->guard, EFF_ECANCELLED);
}

static void read_interlaced(png_job *j, const eff_picture *p)
{
    const size_t row = (size_t)p->width * p->pixels, h = (size_t)p->height;
    j->whole = eff_calloc(h, row);
    if (!j->whole) eff_png_leave_memory(&j->guard);
    for (int pass = 0; pass < PNG_INTERLACE_ADAM7_PASSES; pass++)
        for (size_t y = 0; y < h; y++)
            read_row(j, j->whole + y * row, pass == PNG_INTERLACE_ADAM7_PASSES - 1 && y == h - 1);
    for (size_t y = 0; y < h; y++) {
        memcpy(j->sink->row(j->sink->ctx), j->whole + y * row, row);
        hand_over(j);
    }
}

static void decode(png_job *j)
{
    /* nothing in these is used, and some can be made to inflate to a great size */
    static const png_byte skip[] = "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0"
                                   "tEXt\0tIME\0tRNS\0zTXt";
    if (setjmp(j->guard.jump)) return;
    walk_chunks(j);
    j->png =
        png_create_read_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, eff_png_no_warning, j, eff_png_take, eff_png_give);
    if (j->png) j->info = png_create_info_struct(j->png);
    if (!j->info) eff_png_leave_memory(&j->guard);
    png_set_read_fn(j->png, j, on_read);
    png_set_user_limits(j->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* check_header() has ours, with a better line */
    png_set_chunk_malloc_max(j->png, MAX_CHUNK);
    png_set_crc_action(j->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_benign_errors(j->png, 1); /* a profile that makes no sense is left out */
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, skip, sizeof skip / 5);
    png_read_info(j->png, j->info);
    if (j->guard.no_memory) eff_png_leave_memory(&j->guard); /* libpng goes on without the profile */
    check_header(j);

    const bool interlaced = png_get_interlace_type(j->png, j->info) != PNG_INTERLACE_NONE;
    const eff_picture p = settle(j);
    const eff_status s = j->sink->begin(j->sink->ctx, &p, j->guard.err);
    if (s != EFF_OK) eff_png_leave(&j->guard, s);
    if (interlaced)
        read_interlaced(j, &p);
    else
        for (int y = 0; y < p.height; y++) {
            read_row(j, j->sink->row(j->sink->ctx), y == p.height - 1);
            hand_over(j);
        }
    png_read_end(j->png, NULL); /* the remaining checksums and the end chunk */
    j->guard.status = EFF_OK;
}

eff_status eff_png_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err)
{
    png_job j; /* not local to the function that calls setjmp: its fields keep their values across the jump */
    memset(&j, 0, sizeof j);
    j.bytes = bytes;
    j.left = j.size = size;
    j.sink = sink;
    j.guard.err = err;
    decode(&j);
    png_destroy_read_struct(&j.png, &j.info, NULL);
    eff_free(j.whole);
    return j.guard.status;
}
