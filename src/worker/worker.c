/* SPDX-License-Identifier: Apache-2.0 */
/* Which parser a file is for: HDF5 and Keras' archives here, everything else as the library would read it by itself. */
#define _GNU_SOURCE
#include "worker/worker.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/import.h"
#include "worker/hdf5.h"
#include "worker/keras.h"

#include <string.h>
#include <unistd.h>

void eff_worker_prepare(void)
{
#if EFF_HDF5
    eff_hdf5_prepare();
#endif
}

#if EFF_HDF5

/* `image` is taken; `config`: of an archive, or NULL. */
static eff_status open_hdf5(eff_checkpoint *c, void *image, size_t n, const char *config, eff_error *err)
{
    char *own;
    eff_status s = eff_hdf5_open(c, image, n, &own, err);
    if (s == EFF_OK) s = eff_keras_input(c, config ? config : own, err);
    eff_free(own);
    return s;
}

#else

static eff_status open_hdf5(eff_checkpoint *c, void *image, size_t n, const char *config, eff_error *err)
{
    (void)c, (void)n, (void)config;
    eff_free(image);
    return eff_fail(err, EFF_EUNSUPPORTED,
                    "an HDF5 file (Keras weights), which this build cannot read: EFF_HDF5 is off");
}

#endif

static eff_status open_file(eff_checkpoint *c, int fd, uint64_t size, eff_error *err)
{
    unsigned char *const image = eff_malloc((size_t)size);
    if (!image) return eff_fail_memory(err, (size_t)size);
    const eff_status s = eff_file_read_at(fd, image, (size_t)size, 0, err);
    if (s == EFF_OK) return open_hdf5(c, image, (size_t)size, NULL, err);
    eff_free(image);
    return s;
}

static eff_status open_archive(eff_checkpoint *c, zip_t *z, uint64_t size, eff_error *err)
{
    unsigned char *weights;
    size_t n;
    char *config;
    eff_status s = eff_keras_unzip(z, size, &weights, &n, &config, err);
    if (s != EFF_OK) return s;
    s = open_hdf5(c, weights, n, config, err);
    c->format = "keras";
    eff_free(config);
    return s;
}

/* Keras' archive, or NULL: the descriptor stays the caller's. */
static zip_t *open_keras_zip(int fd)
{
    int code;
    const int copy = dup(fd);
    zip_t *const z = copy < 0 ? NULL : zip_fdopen(copy, 0, &code);
    if (!z && copy >= 0) close(copy);
    if (!z || eff_keras_is_zip(z)) return z;
    zip_discard(z);
    return NULL;
}

eff_status eff_worker_open(eff_checkpoint **out, int fd, uint64_t size, eff_error *err)
{
    char head[8] = "";
    *out = NULL;
    eff_status s = eff_file_read_at(fd, head, size < sizeof head ? (size_t)size : sizeof head, 0, err);
    zip_t *const z = s == EFF_OK && !memcmp(head, "PK", 2) ? open_keras_zip(fd) : NULL;
    const bool hdf5 = !memcmp(head, EFF_HDF5_MAGIC, sizeof head);
    if (s == EFF_OK && !z && !hdf5) return eff_checkpoint_parse_fd(out, fd, size, NULL, err);
    eff_checkpoint *const c = s == EFF_OK ? eff_calloc(1, sizeof *c) : NULL;
    if (s == EFF_OK && !c) s = eff_fail_memory(err, sizeof *c);
    if (!c) {
        close(fd);
        goto end;
    }
    c->fd = fd;
    c->bytes = size;
    s = z ? open_archive(c, z, size, err) : open_file(c, fd, size, err);
    if (s == EFF_OK) s = eff_checkpoint_finish(c, err);
    if (s == EFF_OK)
        *out = c;
    else
        eff_checkpoint_close(c);
end:
    if (z) zip_discard(z);
    return s;
}
