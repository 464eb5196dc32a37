/* SPDX-License-Identifier: Apache-2.0 */
/* The split into training and validation. What must stay together, images of one group or with the same bytes, is a
 * unit. Units have a rank that depends on the seed and on their own names alone, and each class gives its first units
 * by rank to validation, as many as make its share: a file more or less moves one other at most, and no order of
 * reading matters. */
#include "data/dataset.h"

#include "base/hash.h"
#include "base/mem.h"
#include "base/rng.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct member {
    eff_sample *s;
    size_t unit; /* a member that stands for all of its unit; itself at first */
    uint64_t rank;
} member;

typedef struct splitting {
    eff_dataset *d;
    member *m;
    size_t n;
    size_t *target, *val, *train; /* [classes] images: wanted for validation, given to either */
} splitting;

/* ------------------------------------------------------------------------------------------------------ units */

static size_t unit_of(member *m, size_t i)
{
    while (m[i].unit != i) i = m[i].unit = m[m[i].unit].unit;
    return i;
}

static void join(member *m, size_t a, size_t b)
{
    a = unit_of(m, a);
    b = unit_of(m, b);
    if (a < b)
        m[b].unit = a;
    else
        m[a].unit = b;
}

typedef struct link {
    const void *key;
    size_t i;
} link;

static int by_group(const void *a, const void *b) { return strcmp(((const link *)a)->key, ((const link *)b)->key); }
static int by_digest(const void *a, const void *b)
{
    return memcmp(((const link *)a)->key, ((const link *)b)->key, EFF_DIGEST);
}

static eff_status join_units(const splitting *p, eff_error *err)
{
    link *const l = eff_malloc(p->n * sizeof *l);
    if (!l) return eff_fail_memory(err, p->n * sizeof *l);
    for (int pass = 0; pass < 2; pass++) {
        size_t n = 0;
        for (size_t i = 0; i < p->n; i++) {
            const void *const key = pass ? (const void *)p->m[i].s->digest : p->m[i].s->group;
            if (key) l[n++] = (link){ key, i };
        }
        int (*const order)(const void *, const void *) = pass ? by_digest : by_group;
        if (n) qsort(l, n, sizeof *l, order);
        for (size_t i = 1; i < n; i++)
            if (!order(&l[i - 1], &l[i])) join(p->m, l[i - 1].i, l[i].i);
    }
    eff_free(l);
    return EFF_OK;
}

static uint64_t rank_of(uint64_t seed, const eff_sample *s)
{
    const char *text = s->group ? s->group : s->rel;
    return eff_rng_bits(seed, s->group ? 1 : 0, eff_hash(EFF_HASH_START, text, strlen(text)));
}

/* By rank, the members of a unit next to each other; equal ranks (two names with one hash) by name. */
static int by_rank(const void *a, const void *b)
{
    const member *const x = a, *const y = b;
    if (x->rank != y->rank) return x->rank < y->rank ? -1 : 1;
    if (x->unit != y->unit) return x->unit < y->unit ? -1 : 1;
    return strcmp(x->s->rel, y->s->rel);
}

static int by_rel(const void *a, const void *b)
{
    return strcmp(((const member *)a)->s->rel, ((const member *)b)->s->rel);
}

static eff_status make_units(splitting *p, eff_error *err)
{
    qsort(p->m, p->n, sizeof *p->m, by_rel);
    for (size_t i = 0; i < p->n; i++) p->m[i].unit = i;
    const eff_status s = join_units(p, err);
    if (s != EFF_OK) return s;
    for (size_t i = 0; i < p->n; i++) p->m[i].unit = unit_of(p->m, i);
    /* a unit's rank is the lowest of its members': it stays unless a newcomer has a lower one */
    uint64_t *const rank = eff_malloc(p->n * sizeof *rank);
    if (!rank) return eff_fail_memory(err, p->n * sizeof *rank);
    for (size_t i = 0; i < p->n; i++) rank[i] = UINT64_MAX;
    for (size_t i = 0; i < p->n; i++) {
        const uint64_t r = rank_of(p->d->seed, p->m[i].s);
        if (r < rank[p->m[i].unit]) rank[p->m[i].unit] = r;
    }
    for (size_t i = 0; i < p->n; i++) p->m[i].rank = rank[p->m[i].unit];
    eff_free(rank);
    qsort(p->m, p->n, sizeof *p->m, by_rank);
    return EFF_OK;
}

/* ---------------------------------------------------------------------------------------------------- choosing */

static size_t end_of(const splitting *p, size_t i)
{
    size_t e = i + 1;
    while (e < p->n && p->m[e].unit == p->m[i].unit) e++;
    return e;
}

static void give(const splitting *p, size_t i, size_t end)
{
    for (; i < end; i++) {
        p->m[i].s->part = EFF_PART_VAL;
        p->val[p->m[i].s->label]++;
        p->train[p->m[i].s->label]--;
    }
}

static void take_back(const splitting *p, size_t i, size_t end)
{
    for (; i < end; i++) {
        p->m[i].s->part = -1;
        p->val[p->m[i].s->label]--;
        p->train[p->m[i].s->label]++;
    }
}

/* With the unit given: is no class above its share, is none without training images? */
static bool fits(const splitting *p, size_t i, size_t end)
{
    for (; i < end; i++)
        if (p->val[p->m[i].s->label] > p->target[p->m[i].s->label]) return false;
    return true;
}

static bool leaves_training(const splitting *p, size_t i, size_t end)
{
    for (; i < end; i++)
        if (!p->train[p->m[i].s->label]) return false;
    return true;
}

/* Images by which the unit's classes miss their shares. */
static double miss(const splitting *p, size_t i, size_t end)
{
    double sum = 0;
    for (size_t k = i; k < end; k++) {
        const int c = p->m[k].s->label;
        bool again = false; /* units are small, but for a group that is a class of its own */
        for (size_t j = k; j > i && !again; j--) again = p->m[j - 1].s->label == c;
        if (!again) sum += fabs((double)p->val[c] - (double)p->target[c]);
    }
    return sum;
}

/* Units in order of rank: what fits into the shares. */
static void give_what_fits(const splitting *p)
{
    for (size_t i = 0, end; i < p->n; i = end) {
        end = end_of(p, i);
        give(p, i, end);
        if (!fits(p, i, end) || !leaves_training(p, i, end)) take_back(p, i, end);
    }
}

/* Then groups that overshoot a share, where that comes closer to it than leaving them. */
static void give_what_helps(const splitting *p)
{
    for (size_t i = 0, end; i < p->n; i = end) {
        end = end_of(p, i);
        if (p->m[i].s->part == EFF_PART_VAL) continue;
        const double before = miss(p, i, end);
        give(p, i, end);
        if (miss(p, i, end) >= before || !leaves_training(p, i, end)) take_back(p, i, end);
    }
}

/* And a class that got nothing, all its groups being large, gives its smallest. */
static eff_status give_the_least(const splitting *p, eff_error *err)
{
    const size_t classes = (size_t)p->d->classes;
    size_t *const least = eff_malloc(2 * classes * sizeof *least);
    if (!least) return eff_fail_memory(err, 2 * classes * sizeof *least);
    size_t *const size = least + classes;
    for (size_t c = 0; c < classes; c++) size[c] = SIZE_MAX;
    for (size_t i = 0, end; i < p->n; i = end) {
        end = end_of(p, i);
        if (p->m[i].s->part == EFF_PART_VAL) continue;
        give(p, i, end); /* to see what would be left */
        const bool may = leaves_training(p, i, end);
        take_back(p, i, end);
        for (size_t k = i; k < end && may; k++) {
            const size_t c = (size_t)p->m[k].s->label;
            if (end - i >= size[c]) continue;
            size[c] = end - i;
            least[c] = i;
        }
    }
    for (size_t c = 0; c < classes; c++) {
        if (p->val[c] || !p->target[c] || size[c] == SIZE_MAX || p->m[least[c]].s->part == EFF_PART_VAL) continue;
        const size_t end = end_of(p, least[c]);
        give(p, least[c], end);
        if (!leaves_training(p, least[c], end)) take_back(p, least[c], end); /* another class has given since */
    }
    eff_free(least);
    return EFF_OK;
}

static void set_targets(const splitting *p)
{
    for (size_t i = 0; i < p->n; i++) p->train[p->m[i].s->label]++;
    for (int c = 0; c < p->d->classes; c++) {
        const size_t n = p->train[c];
        size_t t = (size_t)floor(p->d->val_fraction * (double)n + 0.5);
        if (n >= 2 && t < 1) t = 1;
        p->target[c] = n < 2 ? 0 : t > n - 1 ? n - 1 : t;
    }
}

eff_status eff_dataset_split(eff_dataset *d, eff_error *err)
{
    const size_t classes = (size_t)d->classes, bytes = 3 * classes * sizeof(size_t);
    splitting p = { .d = d, .m = eff_malloc(d->n * sizeof *p.m), .target = eff_calloc(3 * classes, sizeof(size_t)) };
    eff_status s = p.m && p.target ? EFF_OK : eff_fail_memory(err, d->n * sizeof *p.m + bytes);
    if (s != EFF_OK) goto end;
    p.val = p.target + classes;
    p.train = p.val + classes;
    for (size_t i = 0; i < d->n; i++)
        if (d->sample[i].part < 0 && !d->sample[i].reason) p.m[p.n++].s = &d->sample[i];
    if (p.n) s = make_units(&p, err);
    if (s != EFF_OK) goto end;
    set_targets(&p);
    give_what_fits(&p);
    give_what_helps(&p);
    s = give_the_least(&p, err);
    for (size_t i = 0; i < p.n; i++)
        if (p.m[i].s->part < 0) p.m[i].s->part = EFF_PART_TRAIN;
end:
    eff_free(p.m);
    eff_free(p.target);
    return s;
}
