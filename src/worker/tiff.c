/* SPDX-License-Identifier: Apache-2.0 */
/* TIFF through libtiff, the first picture of a file: grey, RGB, palette, CMYK and YCbCr of 1 to 16 bits, in strips or
 * tiles, samples together or in planes, as Pillow's convert('RGB') gives them; of 16 bits the high byte, alpha dropped
 * and not blended. Pieces are decoded one after the other into one picture of bytes, which is turned into what the
 * stream takes row by row. What libtiff would only warn of in JPEG data is damage here. */
#include "worker/picture.h"

#include "base/mem.h"
#include "image/image.h"
#include "image/pixel_stream.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <tiffio.h>

enum { MAX_SAMPLES = 8, CHANNELS = 4 };

typedef struct memory {
    const uint8_t *bytes;
    uint64_t size, at;
} memory;

typedef struct tiff_job {
    TIFF *tif;
    eff_picture p;
    uint32_t width, height;
    uint16_t bits, samples, photometric, compression, planar;
    int channels;                 /* of them that are kept: 1, 3, or 4 with ink or with alpha to divide by */
    bool multiplied;              /* the fourth is that alpha */
    uint16_t *red, *green, *blue; /* a palette   */
    uint8_t *raw;                 /* [height][width][channels] */
    uint8_t *row;                 /* of the result */
    int out;
    eff_error *err;
} tiff_job;

/* ---------------------------------------------------------------------------------------------- libtiff's calls */

static char complaint[160]; /* libtiff's last; the worker has one thread and one picture */
static bool damaged;

static void on_error(const char *module, const char *format, va_list args)
{
    (void)module;
    vsnprintf(complaint, sizeof complaint, format, args);
}

static void on_warning(const char *module, const char *format, va_list args)
{
    if (!module || strcmp(module, "JPEGLib") != 0) return;
    on_error(module, format, args);
    damaged = true;
}

static tmsize_t on_read(thandle_t h, void *to, tmsize_t n)
{
    memory *const m = h;
    const uint64_t left = m->at < m->size ? m->size - m->at : 0;
    if (n < 0) return -1;
    if ((uint64_t)n > left) n = (tmsize_t)left;
    if (n) memcpy(to, m->bytes + m->at, (size_t)n);
    m->at += (uint64_t)n;
    return n;
}

static tmsize_t on_write(thandle_t h, void *from, tmsize_t n)
{
    (void)h, (void)from, (void)n;
    return -1;
}

static toff_t on_seek(thandle_t h, toff_t to, int whence)
{
    memory *const m = h;
    m->at = whence == SEEK_CUR ? m->at + to : whence == SEEK_END ? m->size + to : to;
    return m->at;
}

static int on_close(thandle_t h)
{
    (void)h;
    return 0;
}

static toff_t on_size(thandle_t h) { return ((memory *)h)->size; }

static eff_status broken(const tiff_job *j)
{
    return eff_fail(j->err, EFF_EFORMAT, "TIFF is truncated or corrupt%s%s", complaint[0] ? ": " : "", complaint);
}

static eff_status unread(const tiff_job *j, const char *what, unsigned value)
{
    return eff_fail(j->err, EFF_EUNSUPPORTED, "TIFF: %s %u is not read", what, value);
}

/* ------------------------------------------------------------------------------------------------ what is in it */

static eff_status check_kind(tiff_job *j)
{
    uint32_t subfile = 0;
    uint16_t format = SAMPLEFORMAT_UINT;
    const uint8_t *version;
    if (TIFFGetField(j->tif, TIFFTAG_DNGVERSION, &version) ||
        (TIFFGetField(j->tif, TIFFTAG_SUBFILETYPE, &subfile) && subfile & FILETYPE_REDUCEDIMAGE))
        return eff_fail(j->err, EFF_EUNSUPPORTED,
                        "TIFF: its first picture is only a preview of another (a camera's raw file?)");
    TIFFGetFieldDefaulted(j->tif, TIFFTAG_SAMPLEFORMAT, &format);
    if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID)
        return unread(j, "samples that are signed or no whole numbers: sample format", format);
    if (j->bits != 1 && j->bits != 2 && j->bits != 4 && j->bits != 8 && j->bits != 16)
        return unread(j, "bits a sample", j->bits);
    return EFF_OK;
}

/* Are the stored samples the colours, or must libtiff make RGB of them? */
static bool is_direct(const tiff_job *j)
{
    return j->photometric != PHOTOMETRIC_YCBCR ||
           (j->compression == COMPRESSION_JPEG && j->planar == PLANARCONFIG_CONTIG);
}

static eff_status choose_channels(tiff_job *j)
{
    uint16_t extras = 0, *extra = NULL, ink = INKSET_CMYK;
    j->p.pixels = EFF_PIXELS_RGB;
    switch (j->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        j->channels = 1;
        j->p.pixels = EFF_PIXELS_GRAY;
        break;
    case PHOTOMETRIC_PALETTE:
        j->channels = 1;
        if (j->bits > 8) return unread(j, "a palette with bits a sample", j->bits);
        if (!TIFFGetField(j->tif, TIFFTAG_COLORMAP, &j->red, &j->green, &j->blue)) return broken(j);
        break;
    case PHOTOMETRIC_RGB:
        j->channels = 3;
        TIFFGetFieldDefaulted(j->tif, TIFFTAG_EXTRASAMPLES, &extras, &extra);
        j->multiplied = j->samples == 4 && extras == 1 && extra[0] == EXTRASAMPLE_ASSOCALPHA;
        j->channels += j->multiplied;
        break;
    case PHOTOMETRIC_YCBCR:
        j->channels = is_direct(j) ? 3 : CHANNELS;
        if (j->bits != 8 || j->samples != 3) return unread(j, "YCbCr with bits a sample", j->bits);
        break;
    case PHOTOMETRIC_SEPARATED:
        j->channels = 4;
        j->p.pixels = EFF_PIXELS_CMYK;
        TIFFGetFieldDefaulted(j->tif, TIFFTAG_INKSET, &ink);
        if (ink != INKSET_CMYK) return unread(j, "ink set", ink);
        break;
    default: return unread(j, "photometric interpretation", j->photometric);
    }
    if (j->samples > MAX_SAMPLES) return unread(j, "samples a pixel:", j->samples);
    if (is_direct(j) && j->samples < j->channels)
        return eff_fail(j->err, EFF_EFORMAT, "TIFF: expected %d samples a pixel, found %u", j->channels, j->samples);
    return EFF_OK;
}

static eff_status read_head(tiff_job *j, size_t size)
{
    TIFF *const t = j->tif;
    uint16_t orientation = 0;
    uint32_t profile_size = 0;
    const void *profile = NULL;
    if (!TIFFGetField(t, TIFFTAG_IMAGEWIDTH, &j->width) || !TIFFGetField(t, TIFFTAG_IMAGELENGTH, &j->height) ||
        !TIFFGetField(t, TIFFTAG_PHOTOMETRIC, &j->photometric))
        return eff_fail(j->err, EFF_EFORMAT, "TIFF: it does not say its size and kind of colours");
    eff_status s = eff_decode_check(j->width, j->height, size, j->err);
    if (s != EFF_OK) return s;
    TIFFGetFieldDefaulted(t, TIFFTAG_BITSPERSAMPLE, &j->bits);
    TIFFGetFieldDefaulted(t, TIFFTAG_SAMPLESPERPIXEL, &j->samples);
    TIFFGetFieldDefaulted(t, TIFFTAG_COMPRESSION, &j->compression);
    TIFFGetFieldDefaulted(t, TIFFTAG_PLANARCONFIG, &j->planar);
    s = check_kind(j);
    if (s == EFF_OK) s = choose_channels(j);
    if (s != EFF_OK) return s;
    j->p.width = (int)j->width;
    j->p.height = (int)j->height;
    j->p.orientation =
        TIFFGetField(t, TIFFTAG_ORIENTATION, &orientation) && orientation >= 1 && orientation <= 8 ? orientation : 1;
    if (TIFFGetField(t, TIFFTAG_ICCPROFILE, &profile_size, &profile) && profile_size) {
        j->p.icc = profile;
        j->p.icc_size = profile_size;
    }
    if (j->photometric == PHOTOMETRIC_YCBCR && is_direct(j)) TIFFSetField(t, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    return EFF_OK;
}

/* ---------------------------------------------------------------------------------------------------- the pixels */

typedef struct piece { /* a strip or tile that is decoded: */
    const uint8_t *bytes;
    size_t stride;            /* of its rows                                  */
    uint32_t x, y, w, h;      /* where it lies; w and h of it are the picture's */
    int samples, first, kept; /* a pixel has; the channel of the first that is kept; how many are */
} piece;

/* Sample i of a row, as a byte; an index into a palette as it is. */
static uint8_t sample_of(const tiff_job *j, const uint8_t *row, size_t i)
{
    if (j->bits == 8) return row[i];
    if (j->bits == 16) { /* libtiff has put it into this machine's order */
        uint16_t v;
        memcpy(&v, row + 2 * i, sizeof v);
        return (uint8_t)(v >> 8);
    }
    const size_t bit = i * j->bits;
    const unsigned most = (1u << j->bits) - 1, v = row[bit / 8] >> (8 - j->bits - bit % 8) & most;
    return (uint8_t)(j->photometric == PHOTOMETRIC_PALETTE ? v : v * 255 / most);
}

static void place(const tiff_job *j, const piece *p)
{
    const size_t c = (size_t)j->channels;
    for (uint32_t y = 0; y < p->h; y++) {
        const uint8_t *const row = p->bytes + y * p->stride;
        uint8_t *to = j->raw + (((size_t)p->y + y) * j->width + p->x) * c + (size_t)p->first;
        for (size_t x = 0; x < p->w; x++, to += c)
            for (size_t k = 0; k < (size_t)p->kept; k++) to[k] = sample_of(j, row, x * (size_t)p->samples + k);
    }
}

static uint32_t least(uint32_t a, uint32_t b) { return a < b ? a : b; }

/* Of a strip that the file does not have libtiff would read the file's beginning. */
static eff_status check_pieces(const tiff_job *j)
{
    const uint32_t n = TIFFIsTiled(j->tif) ? TIFFNumberOfTiles(j->tif) : TIFFNumberOfStrips(j->tif);
    for (uint32_t i = 0; i < n; i++)
        if (TIFFGetStrileOffset(j->tif, i) == 0) return broken(j);
    return EFF_OK;
}

static eff_status read_piece(const tiff_job *j, const piece *p, bool tiled, uint16_t plane, uint8_t *bytes,
                             tmsize_t room)
{
    TIFF *const t = j->tif;
    const uint32_t n = tiled ? TIFFComputeTile(t, p->x, p->y, 0, plane) : TIFFComputeStrip(t, p->y, plane);
    const tmsize_t got = tiled ? TIFFReadEncodedTile(t, n, bytes, room) : TIFFReadEncodedStrip(t, n, bytes, room);
    return damaged || got < (tmsize_t)(p->h * p->stride) ? broken(j) : EFF_OK;
}

/* All strips or tiles of all planes. A strip is a tile as wide as the picture. */
static eff_status read_pieces(tiff_job *j)
{
    TIFF *const t = j->tif;
    const bool tiled = TIFFIsTiled(t), planes = j->planar == PLANARCONFIG_SEPARATE && j->samples > 1;
    uint32_t w = j->width, h = j->height;
    if (tiled && (!TIFFGetField(t, TIFFTAG_TILEWIDTH, &w) || !TIFFGetField(t, TIFFTAG_TILELENGTH, &h)))
        return broken(j);
    if (!tiled) TIFFGetFieldDefaulted(t, TIFFTAG_ROWSPERSTRIP, &h);
    if (!w || !h) return broken(j);
    const tmsize_t room = tiled ? TIFFTileSize(t) : TIFFStripSize(t),
                   stride = tiled ? TIFFTileRowSize(t) : TIFFScanlineSize(t);
    const int samples = planes ? 1 : j->samples;
    if (room <= 0 || stride <= 0 || ((uint64_t)w * (unsigned)samples * j->bits + 7) / 8 > (uint64_t)stride ||
        (uint64_t)stride * least(h, j->height) > (uint64_t)room)
        return broken(j);
    uint8_t *const bytes = eff_calloc((size_t)room, 1);
    if (!bytes) return eff_fail_memory(j->err, (size_t)room);
    eff_status s = EFF_OK;
    for (int plane = 0; plane < (planes ? j->channels : 1) && s == EFF_OK; plane++)
        for (uint64_t y = 0; y < j->height && s == EFF_OK; y += h)
            for (uint64_t x = 0; x < j->width && s == EFF_OK; x += w) {
                const piece p = { .bytes = bytes,
                                  .stride = (size_t)stride,
                                  .x = (uint32_t)x,
                                  .y = (uint32_t)y,
                                  .w = least(w, j->width - (uint32_t)x),
                                  .h = least(h, j->height - (uint32_t)y),
                                  .samples = samples,
                                  .first = plane,
                                  .kept = planes ? 1 : j->channels };
                s = read_piece(j, &p, tiled, (uint16_t)plane, bytes, room);
                if (s == EFF_OK) place(j, &p);
            }
    eff_free(bytes);
    return s;
}

/* What libtiff itself makes RGB of, as it lies in the file. */
static eff_status read_converted(tiff_job *j)
{
    TIFFRGBAImage im;
    char why[1024] = "";
    if (!TIFFRGBAImageBegin(&im, j->tif, 1, why)) return eff_fail(j->err, EFF_EUNSUPPORTED, "TIFF: %.100s", why);
    im.req_orientation = im.orientation;
    const int ok = TIFFRGBAImageGet(&im, (uint32_t *)(void *)j->raw, j->width, j->height);
    TIFFRGBAImageEnd(&im);
    return ok && !damaged ? EFF_OK : broken(j);
}

/* ---------------------------------------------------------------------------------------------------- the result */

static uint8_t divided(uint8_t v, uint8_t alpha)
{
    const unsigned r = alpha ? 255u * v / alpha : v;
    return (uint8_t)(r < 255 ? r : 255);
}

/* The high byte of an entry; some writers fill the low one only. */
static int palette_shift(const tiff_job *j)
{
    for (int i = 0; i < 1 << j->bits; i++)
        if (j->red[i] > 255 || j->green[i] > 255 || j->blue[i] > 255) return 8;
    return 0;
}

static const uint8_t *finish_row(const tiff_job *j, const uint8_t *from, int shift)
{
    uint8_t *to = j->row;
    const size_t n = j->width;
    if (j->red) {
        for (size_t i = 0; i < n; i++, to += 3) {
            to[0] = (uint8_t)(j->red[from[i]] >> shift);
            to[1] = (uint8_t)(j->green[from[i]] >> shift);
            to[2] = (uint8_t)(j->blue[from[i]] >> shift);
        }
    } else if (j->photometric == PHOTOMETRIC_MINISWHITE || j->photometric == PHOTOMETRIC_SEPARATED) {
        for (size_t i = 0; i < n * (size_t)j->channels; i++) to[i] = 255 - from[i];
    } else if (j->channels > (int)j->p.pixels) { /* RGB and something */
        for (size_t i = 0; i < n; i++, to += 3, from += CHANNELS)
            for (int c = 0; c < 3; c++) to[c] = j->multiplied ? divided(from[c], from[3]) : from[c];
    } else {
        return from;
    }
    return j->row;
}

static eff_status send_rows(const tiff_job *j)
{
    const size_t row = (size_t)j->width * j->p.pixels, raw = (size_t)j->width * (size_t)j->channels;
    const int shift = j->red ? palette_shift(j) : 0;
    eff_status s = eff_pixel_stream_begin(j->out, &j->p, j->err);
    for (uint32_t y = 0; y < j->height && s == EFF_OK; y++)
        s = eff_pixel_stream_rows(j->out, finish_row(j, j->raw + y * raw, shift), row, j->err);
    return s;
}

static eff_status decode(tiff_job *j, size_t size)
{
    eff_status s = read_head(j, size);
    if (s != EFF_OK) return s;
    const size_t n = (size_t)j->width * j->height * (size_t)j->channels; /* the limits keep it below 2^30 */
    j->raw = eff_calloc(n, 1);
    j->row = eff_malloc((size_t)j->width * CHANNELS);
    if (!j->raw || !j->row) return eff_fail_memory(j->err, n);
    damaged = false;
    s = check_pieces(j);
    if (s == EFF_OK) s = is_direct(j) ? read_pieces(j) : read_converted(j);
    return s == EFF_OK ? send_rows(j) : s;
}

eff_status eff_tiff_decode(int out, const uint8_t *bytes, size_t size, eff_error *err)
{
    memory m = { .bytes = bytes, .size = size };
    tiff_job j = { .out = out, .err = err };
    complaint[0] = '\0';
    TIFFSetErrorHandler(on_error);
    TIFFSetWarningHandler(on_warning);
    j.tif = TIFFClientOpen("TIFF", "rm", &m, on_read, on_write, on_seek, on_close, on_size, NULL, NULL);
    const eff_status s = j.tif ? decode(&j, size) : broken(&j);
    eff_free(j.raw);
    eff_free(j.row);
    if (j.tif) TIFFClose(j.tif);
    return s;
}
