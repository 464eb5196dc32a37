/* SPDX-License-Identifier: Apache-2.0 */
/* JPEG through libjpeg-turbo: integer inverse DCT and smooth chroma upsampling, which is what Pillow decodes with, so
 * the pixels are the same to the bit. libjpeg reports errors by a callback that must not return; the jump out of it
 * never leaves this file. Damage that libjpeg would paint over with grey is an error here. */
#include "image/decode.h"
#include "image/jpeg_extra.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <jpeglib.h>
#include <jerror.h>

/* Bytes libjpeg may hold: a progressive file keeps every coefficient, 6 bytes a pixel at most for three components. */
#define MAX_MEMORY ((long)1 << 30)

/* Encoders write about ten progressive scans. Every scan walks the whole image, however few bytes it has, so a large
 * image gets fewer. */
enum { MAX_SCANS = 500, MAX_SCANS_LARGE = 100, LARGE_PIXELS = 16 << 20 };

typedef struct jpeg_job {
    struct jpeg_decompress_struct cinfo;
    struct jpeg_error_mgr mgr;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    const uint8_t *bytes;
    size_t size;
    const eff_sink *sink;
    eff_jpeg_extra extra;
    eff_error *err;
    eff_status status;
    int max_scans;
} jpeg_job;

static __attribute__((noreturn)) void leave(jpeg_job *j, eff_status status)
{
    j->status = status;
    longjmp(j->jump, 1);
}

static void on_error(j_common_ptr c)
{
    jpeg_job *const j = c->client_data;
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    switch (c->err->msg_code) {
    case JERR_OUT_OF_MEMORY:
    case JERR_NO_BACKING_STORE: leave(j, eff_fail(j->err, EFF_ENOMEM, "JPEG: out of memory while decoding"));
    case JERR_SOF_UNSUPPORTED:
    case JERR_BAD_PRECISION:
        leave(j, eff_fail(j->err, EFF_EUNSUPPORTED, "JPEG of a kind that is not read: %s", text));
        break;
    default: leave(j, eff_fail(j->err, EFF_EFORMAT, "JPEG is damaged: %s", text));
    }
}

/* level -1 is a warning: data were missing or made no sense. Three of them say nothing about the pixels: stray bytes
 * between segments (many cameras leave some) and odd contents of the APPn segments. */
static void on_message(j_common_ptr c, int level)
{
    jpeg_job *const j = c->client_data;
    if (level >= 0) return;
    switch (c->err->msg_code) {
    case JWRN_EXTRANEOUS_DATA:
    case JWRN_ADOBE_XFORM:
    case JWRN_JFIF_MAJOR: return;
    default: break;
    }
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    leave(j, eff_fail(j->err, EFF_EFORMAT, "JPEG is truncated or corrupt: %s", text));
}

static void on_output(j_common_ptr c) { (void)c; }

static __attribute__((noreturn)) void too_many_scans(jpeg_job *j)
{
    leave(j, eff_fail(j->err, EFF_EFORMAT, "JPEG scans: expected at most %d for this size, found more", j->max_scans));
}

static void on_progress(j_common_ptr c)
{
    jpeg_job *const j = c->client_data;
    if (((j_decompress_ptr)c)->input_scan_number > j->max_scans) too_many_scans(j);
}

/* Refused before anything is decoded or allocated for the pixels. */
static void check_header(jpeg_job *j)
{
    const struct jpeg_decompress_struct *c = &j->cinfo;
    const uint64_t pixels = (uint64_t)c->image_width * c->image_height;
    switch (c->jpeg_color_space) {
    case JCS_GRAYSCALE:
    case JCS_YCbCr:
    case JCS_RGB:
    case JCS_CMYK:
    case JCS_YCCK: break;
    default:
        leave(j, eff_fail(j->err, EFF_EUNSUPPORTED,
                          "JPEG components: expected 1 (grey), 3 (colour) or 4 (CMYK), found %d", c->num_components));
    }
    const eff_status s = eff_decode_check(c->image_width, c->image_height, j->size, j->err);
    if (s != EFF_OK) leave(j, s);
    /* every block costs at least one Huffman code of one bit, and in a sequential file a second one that ends it */
    uint64_t bits = 0;
    for (int i = 0; i < c->num_components; i++)
        bits += (uint64_t)c->comp_info[i].width_in_blocks * c->comp_info[i].height_in_blocks *
                (c->progressive_mode ? 1 : 2);
    if (!c->arith_code && bits / 8 > j->size)
        leave(j, eff_fail(j->err, EFF_EFORMAT, "JPEG is truncated or corrupt: %zu bytes cannot hold %u x %u pixels",
                          j->size, c->image_width, c->image_height));
    j->max_scans = pixels > LARGE_PIXELS ? MAX_SCANS_LARGE : MAX_SCANS;
    if ((c->progressive_mode || c->comps_in_scan < c->num_components) &&
        eff_jpeg_count_scans(j->bytes, j->size, j->max_scans + 1) > j->max_scans)
        too_many_scans(j);
}

static void settle(jpeg_job *j)
{
    struct jpeg_decompress_struct *const c = &j->cinfo;
    eff_picture p = { .width = (int)c->image_width,
                      .height = (int)c->image_height,
                      .full_width = (int)c->image_width,
                      .full_height = (int)c->image_height,
                      .reduced = 1,
                      .orientation = j->extra.orientation,
                      .pixels = EFF_PIXELS_RGB,
                      .icc = j->extra.icc,
                      .icc_size = j->extra.icc_size };
    c->out_color_space = JCS_RGB;
    if (c->jpeg_color_space == JCS_GRAYSCALE) {
        p.pixels = EFF_PIXELS_GRAY;
        c->out_color_space = JCS_GRAYSCALE;
    } else if (c->num_components == 4) {
        p.pixels = EFF_PIXELS_CMYK;
        c->out_color_space = JCS_CMYK;
    }
    c->dct_method = JDCT_ISLOW;
    c->do_fancy_upsampling = TRUE;
    if (j->sink->reduce) p.reduced = j->sink->reduce(j->sink->ctx, &p);
    c->scale_num = 1;
    c->scale_denom = (unsigned)p.reduced;
    jpeg_calc_output_dimensions(c);
    p.width = (int)c->output_width;
    p.height = (int)c->output_height;
    const eff_status s = j->sink->begin(j->sink->ctx, &p, j->err);
    if (s != EFF_OK) leave(j, s);
}

static void decode(jpeg_job *j)
{
    if (setjmp(j->jump)) return;
    struct jpeg_decompress_struct *const c = &j->cinfo;
    jpeg_create_decompress(c);
    c->mem->max_memory_to_use = MAX_MEMORY;
    jpeg_mem_src(c, j->bytes, (unsigned long)j->size);
    jpeg_read_header(c, TRUE);
    check_header(j);
    const eff_status s = eff_jpeg_extra_read(&j->extra, j->bytes, j->size, j->err);
    if (s != EFF_OK) leave(j, s);
    settle(j);
    c->progress = &j->progress;
    jpeg_start_decompress(c);
    while (c->output_scanline < c->output_height) {
        JSAMPROW row = j->sink->row(j->sink->ctx);
        jpeg_read_scanlines(c, &row, 1);
        if (!j->sink->done(j->sink->ctx)) leave(j, EFF_ECANCELLED);
    }
    jpeg_finish_decompress(c); /* reads on to the end marker, so a file cut behind its last row is noticed */
    j->status = EFF_OK;
}

eff_status eff_jpeg_decode(const uint8_t *bytes, size_t size, const eff_sink *sink, eff_error *err)
{
    jpeg_job j; /* not local to the function that calls setjmp: its fields keep their values across the jump */
    memset(&j, 0, sizeof j);
    j.cinfo.err = jpeg_std_error(&j.mgr);
    j.cinfo.client_data = &j;
    j.mgr.error_exit = on_error;
    j.mgr.emit_message = on_message;
    j.mgr.output_message = on_output;
    j.progress.progress_monitor = on_progress;
    j.bytes = bytes;
    j.size = size;
    j.sink = sink;
    j.err = err;
    j.max_scans = MAX_SCANS;
    decode(&j);
    jpeg_destroy_decompress(&j.cinfo);
    eff_jpeg_extra_free(&j.extra);
    return j.status;
}
