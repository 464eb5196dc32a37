/* SPDX-License-Identifier: Apache-2.0 */
/* Makes the inputs of transcript tests, so that none need be stored:
 *   synth png H W SALT OUT    the formula picture
 *   synth jpeg H W SALT OUT   the same, quality 90
 *   synth huge H W OUT        a PNG that claims to be so large and has almost no data
 *   synth model OUT           the small network with formula weights, 10 classes, 32 pixels
 *   synth tensor OUT          a safetensors file with one tensor that is no model */
#include "support.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include <jpeglib.h>
#include <png.h>

static FILE *create(const char *path)
{
    FILE *f = fopen(path, "wb");
    if (!f) {
        perror(path);
        exit(1);
    }
    return f;
}

static void write_png(const char *path, int h, int w, int salt)
{
    uint8_t *rgb = t_synth_u8(h, w, salt);
    png_image im = {
        .version = PNG_IMAGE_VERSION, .width = (unsigned)w, .height = (unsigned)h, .format = PNG_FORMAT_RGB
    };
    if (!png_image_write_to_file(&im, path, 0, rgb, 0, NULL)) {
        fprintf(stderr, "%s: %s\n", path, im.message);
        exit(1);
    }
    free(rgb);
}

static void write_jpeg(const char *path, int h, int w, int salt)
{
    uint8_t *rgb = t_synth_u8(h, w, salt);
    FILE *f = create(path);
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct c = { .err = jpeg_std_error(&errors) };
    jpeg_create_compress(&c);
    jpeg_stdio_dest(&c, f);
    c.image_width = (unsigned)w;
    c.image_height = (unsigned)h;
    c.input_components = 3;
    c.in_color_space = JCS_RGB;
    jpeg_set_defaults(&c);
    jpeg_set_quality(&c, 90, TRUE);
    jpeg_start_compress(&c, TRUE);
    for (int y = 0; y < h; y++) {
        JSAMPROW row = rgb + (size_t)y * (size_t)w * 3;
        jpeg_write_scanlines(&c, &row, 1);
    }
    jpeg_finish_compress(&c);
    jpeg_destroy_compress(&c);
    fclose(f);
    free(rgb);
}

static void big_endian(unsigned char *p, unsigned long v)
{
    for (int i = 0; i < 4; i++) p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void chunk(FILE *f, const char *type, const unsigned char *data, unsigned size)
{
    unsigned char n[4], crc[4];
    big_endian(n, size);
    big_endian(crc, crc32(crc32(0, (const unsigned char *)type, 4), data, size));
    fwrite(n, 1, 4, f);
    fwrite(type, 1, 4, f);
    fwrite(data, 1, size, f);
    fwrite(crc, 1, 4, f);
}

static void write_huge(const char *path, unsigned long h, unsigned long w)
{
    unsigned char head[13] = { 0 };
    static const unsigned char data[] = { 0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1 }; /* one zero, compressed */
    big_endian(head, w);
    big_endian(head + 4, h);
    head[8] = 8; /* bits */
    head[9] = 2; /* RGB  */
    FILE *f = create(path);
    fwrite("\x89PNG\r\n\x1a\n", 1, 8, f);
    chunk(f, "IHDR", head, sizeof head);
    chunk(f, "IDAT", data, sizeof data);
    chunk(f, "IEND", data, 0);
    fclose(f);
}

/* `trained`: with what training leaves in the file. */
static void write_model(const char *path, int trained)
{
    eff_error err = { 0 };
    const eff_table t = t_golden_table("small");
    eff_model *m = t_formula_model("small", &t);
    eff_status s = EFF_OK;
    if (trained) {
        s = eff_model_set_temperature(m, 2.5, &err);
        if (s == EFF_OK)
            s = eff_model_set_record(m, EFF_RECORD_METRICS, "{\"top1\":0.875,\"interval\":[0.8125,0.9375],\"n\":120,\"set\":\"val\"}", &err);
        if (s == EFF_OK)
            s = eff_model_set_record(m, EFF_RECORD_TRAINING, "{\"recipe\":\"transfer\",\"epochs\":12,\"seed\":0,\"fingerprint\":\"0123abcd\"}", &err);
    }
    if (s == EFF_OK) s = eff_model_save(m, path, &err);
    if (s != EFF_OK) {
        fprintf(stderr, "%s: %s\n", path, err.msg);
        exit(1);
    }
    eff_model_free(m);
}

static void write_tensor(const char *path)
{
    static const char header[] = "{\"picture\":{\"dtype\":\"F32\",\"shape\":[2,3],\"data_offsets\":[0,24]}}";
    const uint64_t n = sizeof header - 1;
    const float v[6] = { 1, 2, 3, 4, 5, 6 };
    FILE *f = create(path);
    fwrite(&n, 1, 8, f);
    fwrite(header, 1, n, f);
    fwrite(v, 1, sizeof v, f);
    fclose(f);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (!strcmp(what, "png") && argc == 6)
        write_png(argv[5], atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    else if (!strcmp(what, "jpeg") && argc == 6)
        write_jpeg(argv[5], atoi(argv[2]), atoi(argv[3]), atoi(argv[4]));
    else if (!strcmp(what, "huge") && argc == 5)
        write_huge(argv[4], strtoul(argv[2], NULL, 10), strtoul(argv[3], NULL, 10));
    else if (!strcmp(what, "model") && argc == 3)
        write_model(argv[2], 0);
    else if (!strcmp(what, "trained") && argc == 3)
        write_model(argv[2], 1);
    else if (!strcmp(what, "tensor") && argc == 3)
        write_tensor(argv[2]);
    else {
        fprintf(stderr, "usage: synth png|jpeg H W SALT OUT | huge H W OUT | model|trained|tensor OUT\n");
        return 2;
    }
    return 0;
}
