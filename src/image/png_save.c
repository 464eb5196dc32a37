/* SPDX-License-Identifier: Apache-2.0 */
/* Writing an image as PNG, 8-bit RGB. */
#include "image/image.h"

#include "base/file.h"
#include "image/png_guard.h"

#include <string.h>

typedef struct save_job {
    eff_png_guard guard;
    png_structp png;
    png_infop info;
    FILE *f;
} save_job;

static void on_error(png_structp png, png_const_charp text)
{
    save_job *const j = png_get_error_ptr(png);
    if (j->guard.no_memory) eff_png_leave_memory(&j->guard);
    eff_png_leave(&j->guard, eff_fail(j->guard.err, EFF_EIO, "PNG cannot be written: %s", text));
}

static void on_write(png_structp png, png_bytep from, size_t n)
{
    save_job *const j = png_get_io_ptr(png);
    if (fwrite(from, 1, n, j->f) != n)
        eff_png_leave(&j->guard, eff_fail(j->guard.err, EFF_EIO, "cannot write: the disk is full or failing"));
}

static void on_flush(png_structp png) { (void)png; }

static void encode(save_job *j, const eff_image *im)
{
    if (setjmp(j->guard.jump)) return;
    j->png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, j, on_error, eff_png_no_warning, j, eff_png_take,
                                       eff_png_give);
    if (j->png) j->info = png_create_info_struct(j->png);
    if (!j->info) eff_png_leave_memory(&j->guard);
    png_set_write_fn(j->png, j, on_write, on_flush);
    png_set_IHDR(j->png, j->info, (png_uint_32)im->width, (png_uint_32)im->height, 8, PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_write_info(j->png, j->info);
    for (int y = 0; y < im->height; y++) png_write_row(j->png, im->rgb + (size_t)y * (size_t)im->width * 3);
    png_write_end(j->png, j->info);
    j->guard.status = EFF_OK;
}

eff_status eff_png_save(const eff_image *im, const char *path, eff_error *err)
{
    eff_save save;
    eff_status s = eff_save_begin(&save, path, err);
    if (s != EFF_OK) return s;
    save_job j;
    memset(&j, 0, sizeof j);
    j.f = save.f;
    j.guard.err = err;
    encode(&j, im);
    png_destroy_write_struct(&j.png, &j.info);
    s = j.guard.status;
    if (s == EFF_OK)
        s = eff_save_commit(&save, err);
    else
        eff_save_abort(&save);
    return s;
}
