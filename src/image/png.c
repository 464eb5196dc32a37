/* SPDX-License-Identifier: Apache-2.0 */
/* PNG through libpng. Every checksum is verified, of chunks that are skipped too; the pixel values are taken as they
 * are (no gamma, no profile). libpng reports errors by a callback that must not return; the jump never leaves this
 * file. */
#include "image/image.h"

#include "base/file.h"
#include "base/mem.h"

#include <setjmp.h>
#include <stdbool.h>
#include <string.h>

#include <png.h>

enum { MAX_CHUNK = 8 << 20 }; /* bytes libpng may hold for one chunk other than the pixels */

typedef struct png_job {
    png_structp png;
    png_infop info;
    jmp_buf jump;
    const uint8_t *bytes; /* reading: what is left */
    size_t left, size;
    FILE *f; /* writing */
    eff_image *im;
    eff_error *err;
    eff_status status;
    bool no_memory;
} png_job;

static __attribute__((noreturn)) void leave(png_job *j, eff_status status)
{
    j->status = status;
    longjmp(j->jump, 1);
}

static void on_error(png_structp png, png_const_charp text)
{
    png_job *const j = png_get_error_ptr(png);
    if (j->no_memory) leave(j, eff_fail(j->err, EFF_ENOMEM, "PNG: out of memory"));
    leave(j, eff_fail(j->err, EFF_EFORMAT, "PNG is truncated or corrupt: %s", text));
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static png_voidp take(png_structp png, png_alloc_size_t n)
{
    png_job *const j = png_get_mem_ptr(png);
    void *const p = eff_malloc(n);
    if (!p) j->no_memory = true;
    return p;
}

static void give(png_structp png, png_voidp p)
{
    (void)png;
    eff_free(p);
}

static void on_read(png_structp png, png_bytep to, size_t n)
{
    png_job *const j = png_get_io_ptr(png);
    if (n > j->left) leave(j, eff_fail(j->err, EFF_EFORMAT, "PNG is truncated: it ends after %zu bytes", j->size));
    memcpy(to, j->bytes, n);
    j->bytes += n;
    j->left -= n;
}

/* What else a PNG may be; the line names the first thing that stands in the way. */
static void check_header(png_job *j)
{
    const uint64_t w = png_get_image_width(j->png, j->info), h = png_get_image_height(j->png, j->info);
    const int colour = png_get_color_type(j->png, j->info), bits = png_get_bit_depth(j->png, j->info);
    if (w > EFF_IMAGE_MAX_SIDE || h > EFF_IMAGE_MAX_SIDE || w * h > EFF_IMAGE_MAX_PIXELS)
        leave(j, eff_image_new(&j->im, w, h, j->err)); /* has the words */
    const char *what = NULL;
    if (colour & PNG_COLOR_MASK_PALETTE)
        what = "a palette";
    else if (colour & PNG_COLOR_MASK_ALPHA)
        what = "an alpha channel";
    else if (bits == 16)
        what = "16 bits a channel";
    else if (bits < 8)
        what = "less than 8 bits a channel";
    else if (png_get_valid(j->png, j->info, PNG_INFO_tRNS))
        what = "a transparent colour";
    else if (png_get_interlace_type(j->png, j->info) != PNG_INTERLACE_NONE)
        what = "interlacing";
    if (what)
        leave(j, eff_fail(j->err, EFF_EUNSUPPORTED, "PNG with %s is not read yet; save it as plain 8-bit RGB", what));
    /* deflate shrinks by at most 1032:1 */
    const uint64_t raw = (w * png_get_channels(j->png, j->info) + 1) * h;
    if (raw / 1040 > j->size)
        leave(j, eff_fail(j->err, EFF_EFORMAT, "PNG is truncated or corrupt: %zu bytes cannot hold %llu x %llu pixels",
                          j->size, (unsigned long long)w, (unsigned long long)h));
    const eff_status s = eff_image_new(&j->im, w, h, j->err);
    if (s != EFF_OK) leave(j, s);
}

static void decode(png_job *j)
{
    /* nothing in these is used, and some can be made to inflate to a great size */
    static const png_byte skip[] =
        "bKGD\0cHRM\0eXIf\0gAMA\0hIST\0iCCP\0iTXt\0oFFs\0pCAL\0pHYs\0sBIT\0sCAL\0sPLT\0sRGB\0"
        "tEXt\0tIME\0zTXt";
    if (setjmp(j->jump)) return;
    j->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, on_warning, j, take, give);
    if (j->png) j->info = png_create_info_struct(j->png);
    if (!j->info) leave(j, eff_fail(j->err, EFF_ENOMEM, "PNG: out of memory"));
    png_set_read_fn(j->png, j, on_read);
    png_set_user_limits(j->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX); /* check_header() has ours, with a better line */
    png_set_chunk_malloc_max(j->png, MAX_CHUNK);
    png_set_crc_action(j->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_set_keep_unknown_chunks(j->png, PNG_HANDLE_CHUNK_NEVER, skip, sizeof skip / 5);
    png_read_info(j->png, j->info);
    check_header(j);

    png_set_gray_to_rgb(j->png);
    png_read_update_info(j->png, j->info);
    const size_t row = (size_t)j->im->width * 3;
    if (png_get_rowbytes(j->png, j->info) != row)
        leave(j, eff_fail(j->err, EFF_EUNSUPPORTED, "PNG rows of an unknown kind"));
    for (int y = 0; y < j->im->height; y++) png_read_row(j->png, j->im->rgb + (size_t)y * row, NULL);
    png_read_end(j->png, NULL); /* the remaining checksums and the end chunk */
    j->status = EFF_OK;
}

eff_status eff_png_decode(eff_image **out, const uint8_t *bytes, size_t size, eff_error *err)
{
    *out = NULL;
    png_job j; /* not local to the function that calls setjmp: its fields keep their values across the jump */
    memset(&j, 0, sizeof j);
    j.bytes = bytes;
    j.left = j.size = size;
    j.err = err;
    decode(&j);
    png_destroy_read_struct(&j.png, &j.info, NULL);
    if (j.status != EFF_OK) {
        eff_image_destroy(j.im);
        return j.status;
    }
    *out = j.im;
    return EFF_OK;
}

static void on_write(png_structp png, png_bytep from, size_t n)
{
    png_job *const j = png_get_io_ptr(png);
    if (fwrite(from, 1, n, j->f) != n) leave(j, eff_fail(j->err, EFF_EIO, "cannot write: the disk is full or failing"));
}

static void on_flush(png_structp png) { (void)png; }

static void encode(png_job *j, const eff_image *im)
{
    if (setjmp(j->jump)) return;
    j->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, on_warning, j, take, give);
    if (j->png) j->info = png_create_info_struct(j->png);
    if (!j->info) leave(j, eff_fail(j->err, EFF_ENOMEM, "PNG: out of memory"));
    png_set_write_fn(j->png, j, on_write, on_flush);
    png_set_IHDR(j->png, j->info, (png_uint_32)im->width, (png_uint_32)im->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(j->png, j->info);
    for (int y = 0; y < im->height; y++) png_write_row(j->png, im->rgb + (size_t)y * (size_t)im->width * 3);
    png_write_end(j->png, j->info);
    j->status = EFF_OK;
}

eff_status eff_png_save(const eff_image *im, const char *path, eff_error *err)
{
    eff_save save;
    eff_status s = eff_save_begin(&save, path, err);
    if (s != EFF_OK) return s;
    png_job j;
    memset(&j, 0, sizeof j);
    j.f = save.f;
    j.err = err;
    encode(&j, im);
    png_destroy_write_struct(&j.png, &j.info);
    s = j.status;
    if (s == EFF_OK)
        s = eff_save_commit(&save, err);
    else
        eff_save_abort(&save);
    return s;
}
