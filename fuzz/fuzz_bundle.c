/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the index of a TensorFlow checkpoint, beside a data file of the bytes 0..63. An input that begins with
 * 'F' is an index behind that byte. Any other is one block without its checksum, its first byte saying how it is
 * compressed; it is put into a sound table, since no mutation finds a checksum. */
#include "fuzz_file.h"

#include "base/crc32c.h"
#include "formats/unwrap.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MAX_ELEMENTS = 1 << 12, MAX_INPUT = 1 << 16 };

static char folder[] = "/tmp/fuzz-bundle-XXXXXX", index_path[64], data_path[64];

static void clean_up(void)
{
    unlink(index_path);
    unlink(data_path);
    rmdir(folder);
}

static void write_file(const char *path, const uint8_t *bytes, size_t n)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, bytes, n) != (ssize_t)n) abort();
    close(fd);
}

static void set_up(void)
{
    uint8_t data[64];
    for (int i = 0; i < 64; i++) data[i] = (uint8_t)i;
    if (!mkdtemp(folder)) abort();
    snprintf(index_path, sizeof index_path, "%s/m.index", folder);
    snprintf(data_path, sizeof data_path, "%s/m.data-00000-of-00001", folder);
    write_file(data_path, data, sizeof data);
    atexit(clean_up);
}

static size_t put_varint(uint8_t *p, size_t v)
{
    size_t n = 0;
    for (; v > 127; v >>= 7) p[n++] = (uint8_t)(v | 128);
    p[n++] = (uint8_t)v;
    return n;
}

static size_t put_trailer(uint8_t *file, size_t at, size_t n, uint8_t compression)
{
    file[at + n] = compression;
    const uint32_t crc = eff_crc32c_mask(eff_crc32c(0, file + at, n + 1));
    memcpy(file + at + n + 1, &crc, 4);
    return at + n + 5;
}

/* The block, a list of blocks that names it, a footer. */
static size_t wrap(uint8_t *file, const uint8_t *block, size_t n, uint8_t compression)
{
    static const uint8_t magic[8] = { 0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb };
    uint8_t handle[20];
    size_t h = put_varint(handle, 0), at, list;
    h += put_varint(handle + h, n);
    memcpy(file, block, n);
    list = at = put_trailer(file, 0, n, compression);
    file[at++] = 0;          /* shares nothing         */
    file[at++] = 1;          /* a name of one byte     */
    file[at++] = (uint8_t)h; /* the place of the block */
    file[at++] = 0xff;
    memcpy(file + at, handle, h);
    at += h;
    memset(file + at, 0, 8);
    file[at + 4] = 1; /* a restart point at 0 */
    at += 8;
    const size_t size = at - list;
    at = put_trailer(file, list, size, 0);
    memset(file + at, 0, 40);
    size_t f = at;
    for (int k = 0; k < 2; k++) {
        f += put_varint(file + f, list);
        f += put_varint(file + f, size);
    }
    memcpy(file + at + 40, magic, 8);
    return at + 48;
}

static void read_all(const eff_checkpoint *c)
{
    static float x[MAX_ELEMENTS];
    eff_error err = { 0 };
    for (size_t i = 0; i < c->count && i < 32; i++)
        if (c->tensor[i].count <= MAX_ELEMENTS) eff_checkpoint_read(c, i, x, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t file[MAX_INPUT + 256];
    if (!index_path[0]) set_up();
    if (size < 1 || size > MAX_INPUT) return 0;
    const uint8_t *bytes = data + 1;
    size_t n = size - 1;
    if (data[0] != 'F') {
        n = wrap(file, bytes, n, data[0]);
        bytes = file;
    }
    write_file(index_path, bytes, n);
    eff_checkpoint *c, *view;
    eff_error err = { 0 };
    if (eff_checkpoint_open(&c, index_path, &err) != EFF_OK) {
        FUZZ_EXPECT(!c && err.msg[0]);
        return 0;
    }
    read_all(c);
    if (eff_unwrap(&view, c, 3, &err) == EFF_OK) {
        if (view) read_all(view);
    } else {
        FUZZ_EXPECT(!view && err.msg[0]);
    }
    eff_checkpoint_close(view);
    eff_checkpoint_close(c);
    return 0;
}
