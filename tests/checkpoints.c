/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by the tests of tensor files. */
#define _GNU_SOURCE
#include "checkpoints.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

unsigned char *t_file(const char *path, size_t *n)
{
    FILE *const f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot open", path);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    unsigned char *const b = malloc(*n + 1);
    assert_int_equal(fread(b, 1, *n, f), *n);
    fclose(f);
    return b;
}

eff_status t_open_bytes(eff_checkpoint **c, const void *bytes, size_t n, eff_error *err)
{
    const int fd = memfd_create("checkpoint", MFD_CLOEXEC);
    assert_true(fd >= 0);
    for (size_t put = 0; put < n;) {
        const ssize_t k = write(fd, (const char *)bytes + put, n - put);
        assert_true(k > 0);
        put += (size_t)k;
    }
    return eff_checkpoint_parse_fd(c, fd, n, NULL, err);
}

eff_status t_open_here(eff_checkpoint **c, const char *path, eff_error *err)
{
    size_t n;
    unsigned char *const bytes = t_file(path, &n);
    const eff_status s = t_open_bytes(c, bytes, n, err);
    free(bytes);
    return s;
}

float *t_tensor(const eff_checkpoint *c, const char *name, size_t *count)
{
    for (size_t i = 0; i < c->count; i++) {
        if (strcmp(c->tensor[i].name, name)) continue;
        eff_error err = { 0 };
        float *const x = malloc((c->tensor[i].count + 1) * sizeof *x);
        T_OK(eff_checkpoint_read(c, i, x, &err), err);
        *count = c->tensor[i].count;
        return x;
    }
    fail_msg("no tensor %s", name);
    return NULL;
}

void t_check_tensor(const eff_checkpoint *c, const char *name, size_t n, const float *want)
{
    size_t count;
    float *const x = t_tensor(c, name, &count);
    assert_int_equal(count, n);
    if (n) assert_memory_equal(x, want, n * sizeof *want);
    free(x);
}

eff_status t_read_all(const eff_checkpoint *c, eff_error *err)
{
    eff_status s = EFF_OK;
    for (size_t i = 0; i < c->count && s == EFF_OK; i++) {
        float *const x = malloc((c->tensor[i].count + 1) * sizeof *x);
        assert_non_null(x);
        s = eff_checkpoint_read(c, i, x, err);
        free(x);
    }
    return s;
}

static bool same_shape(const eff_tensor *t, const char *shape)
{
    char text[128] = "";
    size_t n = 0;
    for (int i = 0; i < t->ndim; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, i ? "x%lld" : "%lld", (long long)t->dim[i]);
    return !strcmp(text, shape);
}

void t_check_manifest(const eff_checkpoint *c, const char *model, const char *prefix)
{
    unsigned *const crc = calloc(c->count, sizeof *crc);
    bool *const used = calloc(c->count, sizeof *used);
    for (size_t i = 0; i < c->count; i++) {
        const eff_tensor *const t = &c->tensor[i];
        eff_error err = { 0 };
        float *const x = malloc((t->count + 1) * sizeof *x);
        T_OK(eff_checkpoint_read(c, i, x, &err), err);
        crc[i] = (unsigned)crc32(0, (const unsigned char *)x, (unsigned)(t->count * sizeof *x));
        used[i] = t->dtype == EFF_I64 || strncmp(t->name, prefix, strlen(prefix));
        free(x);
    }
    FILE *const f = fopen(t_data("golden/weights/%s.tsv", model), "r");
    assert_non_null(f);
    char line[256], name[64], shape[64];
    int lines = 0;
    while (fgets(line, sizeof line, f)) {
        unsigned want;
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%*u\t%63[^\t]\t%63[^\t]\t%*c\t%*d\t%x", name, shape, &want), 3);
        size_t i = 0;
        while (i < c->count && (used[i] || crc[i] != want || !same_shape(&c->tensor[i], shape))) i++;
        if (i == c->count) fail_msg("%s: no tensor of shape %s and CRC %08x", name, shape, want);
        used[i] = true;
        lines++;
    }
    fclose(f);
    assert_true(lines > 100);
    for (size_t i = 0; i < c->count; i++)
        if (!used[i]) fail_msg("%s is not in the manifest", c->tensor[i].name);
    free(crc);
    free(used);
}
