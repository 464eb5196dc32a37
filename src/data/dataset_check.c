/* SPDX-License-Identifier: Apache-2.0 */
/* Every file of a set is read and decoded once before it counts: training must not stop in its third hour over one that
 * was cut short. JPEGs are decoded at an eighth of their size, which still reads every byte of them. */
#define _GNU_SOURCE
#include "data/dataset.h"

#include "base/cpu.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/pool.h"
#include "image/image.h"
#include "image/orient.h"

#include <openssl/evp.h>
#include <sys/stat.h>

enum { ROUND = 64 }; /* files between two reports of progress, a thread */

/* ------------------------------------------------------------------------------------------ a sink for nothing */

typedef struct probe {
    eff_picture pic;
    uint8_t *row;
} probe;

static int reduce(void *ctx, const eff_picture *p)
{
    (void)ctx;
    (void)p;
    return 8;
}

static eff_status begin(void *ctx, const eff_picture *p, eff_error *err)
{
    probe *const t = ctx;
    t->pic = *p;
    t->row = eff_malloc((size_t)p->width * p->pixels);
    return t->row ? EFF_OK : eff_fail_memory(err, (size_t)p->width * p->pixels);
}

static uint8_t *row(void *ctx) { return ((probe *)ctx)->row; }

static bool done(void *ctx)
{
    (void)ctx;
    return true;
}

/* --------------------------------------------------------------------------------------------------- a file */

static eff_status digest(eff_sample *s, const unsigned char *bytes, size_t size, eff_error *err)
{
    unsigned n = 0;
    if (EVP_Digest(bytes, size, s->digest, &n, EVP_sha256(), NULL) != 1 || n != EFF_DIGEST)
        return eff_fail(err, EFF_ENOMEM, "SHA-256 cannot be computed");
    s->bytes = size;
    return EFF_OK;
}

static eff_status check_file(eff_sample *s, eff_error *err)
{
    struct stat st;
    /* looked at before it is opened: opening a device can have effects */
    if (stat(s->path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
        return eff_fail(err, EFF_EFORMAT, "it is a pipe, a socket or a device");
    unsigned char *bytes = NULL;
    size_t size = 0;
    probe t = { .row = NULL };
    const eff_sink sink = { .ctx = &t, .reduce = reduce, .begin = begin, .row = row, .done = done };
    eff_status r = eff_file_read_all(s->path, EFF_IMAGE_MAX_FILE, &bytes, &size, err);
    if (r == EFF_OK) r = eff_decode(bytes, size, &sink, err);
    if (r == EFF_OK) r = digest(s, bytes, size, err);
    eff_free(t.row);
    eff_free(bytes);
    if (r != EFF_OK) return r;
    const bool swap = eff_orient_swaps(t.pic.orientation);
    s->width = swap ? t.pic.full_height : t.pic.full_width;
    s->height = swap ? t.pic.full_width : t.pic.full_height;
    s->scalable = t.pic.reduced > 1;
    return EFF_OK;
}

/* --------------------------------------------------------------------------------------------------- all files */

typedef struct round_of {
    eff_sample *sample;
    eff_error *failure;
} round_of;

static void task(void *ctx, int i, int worker)
{
    (void)worker;
    const round_of *const r = ctx;
    r->failure[i] = (eff_error){ .code = EFF_OK };
    if (!r->sample[i].reason) r->failure[i].code = check_file(&r->sample[i], &r->failure[i]);
}

/* What is the machine's fault ends it; what is the file's leaves the file out. */
static eff_status take_failure(eff_dataset *d, eff_sample *s, const eff_error *f, eff_error *err)
{
    if (f->code == EFF_OK) return EFF_OK;
    if (f->code != EFF_EFORMAT && f->code != EFF_EUNSUPPORTED) return eff_fail(err, f->code, "%s: %s", s->rel, f->msg);
    s->reason = eff_dataset_print(d, "%s", f->msg);
    return s->reason ? EFF_OK : eff_fail_memory(err, sizeof f->msg);
}

eff_status eff_dataset_check(eff_dataset *d, const eff_dataset_opts *o, eff_error *err)
{
    eff_pool *pool = NULL;
    const int threads = o->threads ? o->threads : eff_cpu_count();
    eff_status s = eff_pool_create(&pool, threads, err);
    const size_t many = (size_t)ROUND * (size_t)threads;
    round_of r = { .failure = s == EFF_OK ? eff_malloc(many * sizeof *r.failure) : NULL };
    if (s == EFF_OK && !r.failure) s = eff_fail_memory(err, many * sizeof *r.failure);
    for (size_t at = 0; s == EFF_OK && at < d->n; at += many) {
        const size_t n = d->n - at < many ? d->n - at : many;
        if (o->progress && o->progress(o->ctx, at, d->n)) {
            s = eff_fail(err, EFF_ECANCELLED, "stopped after %zu of %zu files", at, d->n);
            break;
        }
        r.sample = d->sample + at;
        eff_pool_run(pool, task, &r, (int)n);
        for (size_t i = 0; i < n && s == EFF_OK; i++) s = take_failure(d, &r.sample[i], &r.failure[i], err);
    }
    if (s == EFF_OK && o->progress && o->progress(o->ctx, d->n, d->n))
        s = eff_fail(err, EFF_ECANCELLED, "stopped after %zu of %zu files", d->n, d->n);
    eff_free(r.failure);
    eff_pool_free(pool);
    return s;
}
