/* SPDX-License-Identifier: Apache-2.0 */
/* Writing JPEG, baseline, 4:2:0, into memory. libjpeg reports errors by a callback that must not return; the jump never
 * leaves this file. */
#include "image/image.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>

typedef struct save_job {
    struct jpeg_error_mgr manager; /* first: libjpeg hands back a pointer to it */
    jmp_buf jump;
    char text[JMSG_LENGTH_MAX];
} save_job;

static void on_error(j_common_ptr c)
{
    save_job *const j = (save_job *)c->err;
    c->err->format_message(c, j->text);
    longjmp(j->jump, 1);
}

static void on_message(j_common_ptr c) { (void)c; }

eff_status eff_jpeg_encode(uint8_t **out, size_t *size, const uint8_t *rgb, int width, int height, int quality,
                           eff_error *err)
{
    struct jpeg_compress_struct c;
    save_job j;
    unsigned char *volatile bytes = NULL;
    unsigned char *buffer = NULL;
    unsigned long n = 0;
    *out = NULL;
    *size = 0;
    memset(&c, 0, sizeof c);
    c.err = jpeg_std_error(&j.manager);
    j.manager.error_exit = on_error;
    j.manager.output_message = on_message;
    if (setjmp(j.jump)) {
        jpeg_destroy_compress(&c);
        free(bytes);
        return eff_fail(err, EFF_ENOMEM, "JPEG cannot be written: %s", j.text);
    }
    jpeg_create_compress(&c);
    jpeg_mem_dest(&c, &buffer, &n);
    bytes = buffer;
    c.image_width = (JDIMENSION)width;
    c.image_height = (JDIMENSION)height;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, quality, TRUE);
    jpeg_start_compress(&c, TRUE);
    while (c.next_scanline < c.image_height) {
        JSAMPROW row = (JSAMPROW)(uintptr_t)(rgb + (size_t)c.next_scanline * (size_t)width * 3);
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    bytes = buffer;
    *out = eff_malloc(n);
    if (!*out) {
        free(bytes);
        return eff_fail_memory(err, n);
    }
    memcpy(*out, bytes, n);
    *size = n;
    free(bytes);
    return EFF_OK;
}
