/* SPDX-License-Identifier: Apache-2.0 */
/* A slot is filled once, by whoever made its content first, and never changes after that; so what a thread has read
 * from it may be used without the lock. Two threads that make the same content at the same time make the same, and one
 * of them throws it away. */
#include "data/cache.h"

#include "base/file.h"
#include "base/mem.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

/* A JPEG is decoded at 1/2, 1/4 or 1/8 as long as its short side keeps twice the larger side of what is made from it.
 * Then a crop of a quarter of the area still has a pixel for every pixel that is made; only smaller crops are enlarged,
 * which blurs them no more than their enlargement does. It costs the detail beyond that, and saves most of the time and
 * memory of large photographs. */
enum { OVERSAMPLING = 2 };

struct eff_cache {
    const eff_sample *sample;
    size_t n, keep; /* images; of them the first that are kept */
    eff_cache_opts o;
    bool as_u8;          /* prepared images as the 8-bit values they are made from; TensorFlow's filters do not round */
    float value[3][256]; /* of each 8-bit value, normalised as eff_preprocess_normalise() does */
    void **slot;         /* eff_image, uint8_t or float, as the options say; [keep] */
    size_t images, bytes;
    pthread_mutex_t lock; /* of slot, images and bytes */
};

static int least_side(const eff_cache *c)
{
    return OVERSAMPLING * (c->o.height > c->o.width ? c->o.height : c->o.width);
}

static size_t prepared_values(const eff_cache *c) { return (size_t)c->o.height * (size_t)c->o.width * 3; }

/* Bytes of item i when it is kept. */
static size_t size_of(const eff_cache *c, size_t i)
{
    if (c->o.prepared) return prepared_values(c) * (c->as_u8 ? 1 : sizeof(float));
    const eff_sample *const s = &c->sample[i];
    const int by = s->scalable ? eff_image_reduction(s->width, s->height, least_side(c)) : 1;
    return (size_t)((s->width + by - 1) / by) * (size_t)((s->height + by - 1) / by) * 3;
}

/* A cache without slots that knows what it will keep. @return bytes of that */
static size_t plan(eff_cache *c, const eff_dataset *d, eff_part part, const eff_cache_opts *o)
{
    *c = (eff_cache){ .sample = d->sample + d->first[part],
                      .n = d->first[part + 1] - d->first[part],
                      .o = *o,
                      .as_u8 = o->rule.filter <= EFF_FILTER_LANCZOS };
    size_t left = o->bytes;
    for (; c->keep < c->n && size_of(c, c->keep) <= left; c->keep++) left -= size_of(c, c->keep);
    return o->bytes - left;
}

void eff_cache_forecast(const eff_dataset *d, eff_part part, const eff_cache_opts *o, size_t *images, size_t *bytes)
{
    eff_cache c;
    *bytes = plan(&c, d, part, o);
    *images = c.keep;
}

eff_status eff_cache_create(eff_cache **out, const eff_dataset *d, eff_part part, const eff_cache_opts *o,
                            eff_error *err)
{
    *out = NULL;
    eff_cache *const c = eff_calloc(1, sizeof *c);
    if (!c) return eff_fail_memory(err, sizeof *c);
    plan(c, d, part, o);
    for (int ch = 0; ch < 3; ch++)
        for (int v = 0; v < 256; v++) c->value[ch][v] = ((float)v - o->rule.mean[ch]) / o->rule.std[ch];
    c->slot = eff_calloc(c->keep, sizeof *c->slot);
    if (!c->slot) {
        const size_t bytes = c->keep * sizeof *c->slot;
        eff_free(c);
        return eff_fail_memory(err, bytes);
    }
    pthread_mutex_init(&c->lock, NULL);
    *out = c;
    return EFF_OK;
}

void eff_cache_free(eff_cache *c)
{
    if (!c) return;
    for (size_t i = 0; i < c->keep; i++) {
        if (c->o.prepared)
            eff_free(c->slot[i]);
        else
            eff_image_destroy(c->slot[i]);
    }
    eff_free(c->slot);
    pthread_mutex_destroy(&c->lock);
    eff_free(c);
}

static void *look(eff_cache *c, size_t i)
{
    if (i >= c->keep) return NULL;
    pthread_mutex_lock(&c->lock);
    void *const p = c->slot[i];
    pthread_mutex_unlock(&c->lock);
    return p;
}

/* @return whether the cache took it over; it does not where another thread was first, or the file has grown since it
 * was looked at */
static bool store(eff_cache *c, size_t i, void *p, size_t bytes)
{
    if (i >= c->keep || bytes > size_of(c, i)) return false;
    pthread_mutex_lock(&c->lock);
    const bool taken = !c->slot[i];
    if (taken) {
        c->slot[i] = p;
        c->images++;
        c->bytes += bytes;
    }
    pthread_mutex_unlock(&c->lock);
    return taken;
}

void eff_cache_size(eff_cache *c, size_t *images, size_t *bytes)
{
    pthread_mutex_lock(&c->lock);
    if (images) *images = c->images;
    if (bytes) *bytes = c->bytes;
    pthread_mutex_unlock(&c->lock);
}

/* --------------------------------------------------------------------------------------------------- pictures */

eff_status eff_cache_picture(eff_cache *c, size_t i, const eff_image **out, eff_error *err)
{
    *out = look(c, i);
    if (*out) return EFF_OK;
    unsigned char *bytes = NULL;
    size_t size = 0;
    eff_image *im = NULL;
    eff_status s = eff_file_read_all(c->sample[i].path, EFF_IMAGE_MAX_FILE, &bytes, &size, err);
    if (s == EFF_OK) s = eff_image_decode_small(&im, bytes, size, least_side(c), c->o.rule.icc, err);
    eff_free(bytes);
    if (s != EFF_OK) return s;
    store(c, i, im, (size_t)im->width * (size_t)im->height * 3);
    *out = im;
    return EFF_OK;
}

void eff_cache_release(eff_cache *c, size_t i, const eff_image *im)
{
    if (look(c, i) != im) eff_image_destroy((eff_image *)im);
}

/* --------------------------------------------------------------------------------------------------- prepared */

/* The 8-bit values that x was made from. @return false if it was not made from any */
static bool pack(const eff_cache *c, uint8_t *to, const float *x)
{
    const size_t n = prepared_values(c);
    for (size_t k = 0; k < n; k++) {
        const int ch = (int)(k % 3);
        const float v = rintf(x[k] * c->o.rule.std[ch] + c->o.rule.mean[ch]);
        to[k] = (uint8_t)(v > 255 ? 255 : v > 0 ? v : 0);
        if (c->value[ch][to[k]] != x[k]) return false;
    }
    return true;
}

eff_status eff_cache_prepared(eff_cache *c, size_t i, float *x, eff_error *err)
{
    const size_t bytes = c->o.prepared ? size_of(c, i) : 0;
    const void *const kept = look(c, i);
    if (kept && c->as_u8) eff_preprocess_normalise(x, kept, prepared_values(c) / 3, &c->o.rule);
    if (kept && !c->as_u8) memcpy(x, kept, bytes);
    if (kept) return EFF_OK;
    const eff_status s = eff_preprocess_file(c->sample[i].path, &c->o.rule, x, err);
    if (s != EFF_OK || i >= c->keep) return s;
    void *const p = eff_malloc(bytes);
    if (!p) return eff_fail_memory(err, bytes);
    bool good = true;
    if (c->as_u8)
        good = pack(c, p, x);
    else
        memcpy(p, x, bytes);
    if (!good || !store(c, i, p, bytes)) eff_free(p);
    return EFF_OK;
}
