/* SPDX-License-Identifier: Apache-2.0 */
/* The decision. With weights at hand: begin with the smallest network at its own resolution, and change to a costlier
 * one only where a linear classifier on the same images shows that it is better, beyond what chance explains. Without
 * any: by the number of images, which is a rule of thumb and is called so. What does not fit the machine is passed
 * over. */
#include "scale/advise.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define Z95 1.959964

eff_paired eff_compare_paired(const float *a, const float *b, size_t n)
{
    double sum = 0, squares = 1; /* of the half image that only a has right, and of the one that only b has */
    eff_paired p = { .n = 0 };
    for (size_t i = 0; i < n; i++) {
        const double d = (double)b[i] - (double)a[i];
        if (isnan(d)) continue;
        p.n++;
        sum += d;
        squares += d * d;
    }
    const double all = (double)p.n + 2, mean = sum / all;
    const double spread = sqrt(fmax(0, squares / all - mean * mean) / all);
    p.difference = p.n ? sum / (double)p.n : 0;
    p.lo = mean - Z95 * spread;
    p.hi = mean + Z95 * spread;
    return p;
}

/* --------------------------------------------------------------------------------------------- helpers */

__attribute__((format(printf, 2, 3))) static void say(eff_advised *d, const char *fmt, ...)
{
    va_list ap;
    if (d->nreasons == EFF_REASONS_MOST) return;
    va_start(ap, fmt);
    vsnprintf(d->reason[d->nreasons++], EFF_REASON_LEN, fmt, ap);
    va_end(ap);
}

static const char *short_name(const eff_candidate *c) { return eff_brief_name(c->v.model); }

static void time_text(double seconds, char *out, size_t room)
{
    if (seconds < 90)
        snprintf(out, room, "%.0f second%s", seconds, seconds < 1.5 && seconds >= 0.5 ? "" : "s");
    else if (seconds < 5400)
        snprintf(out, room, "%.0f minutes", seconds / 60);
    else
        snprintf(out, room, "%.1f hours", seconds / 3600);
}

static bool fits(const eff_candidate *c) { return c->v.fits_memory && c->v.fits_time; }

/* Of the candidates that `ask` allows the one that takes the least time; -1: none. */
static int cheapest(const eff_situation *s, bool (*ask)(const eff_situation *s, const eff_candidate *c))
{
    int best = -1;
    for (int i = 0; i < s->n; i++)
        if (ask(s, &s->c[i]) && (best < 0 || s->c[i].v.train_seconds < s->c[best].v.train_seconds)) best = i;
    return best;
}

static bool with_weights(const eff_situation *s, const eff_candidate *c) { return (void)s, c->source >= 0; }
static bool ready(const eff_situation *s, const eff_candidate *c) { return (void)s, c->source >= 0 && fits(c); }
static bool ready_native(const eff_situation *s, const eff_candidate *c) { return ready(s, c) && c->v.native; }
static bool ready_memory(const eff_situation *s, const eff_candidate *c)
{
    return (void)s, c->source >= 0 && c->v.fits_memory;
}

/* ---------------------------------------------------------------------------------- with weights at hand */

/* Where to begin: the smallest network at its own size that fits; else the cheapest of all that fit; else what fits
 * the memory; else the cheapest. */
static int begin(const eff_situation *s)
{
    bool (*const ask[])(const eff_situation *, const eff_candidate *) = { ready_native, ready, ready_memory,
                                                                          with_weights };
    for (size_t k = 0; k < sizeof ask / sizeof *ask; k++) {
        const int i = cheapest(s, ask[k]);
        if (i >= 0) return i;
    }
    return -1;
}

/* The next costlier candidate after `last` in order of training time that can be compared; -1: none. */
static int next_costlier(const eff_situation *s, int than, int last)
{
    int best = -1;
    for (int i = 0; i < s->n; i++) {
        const eff_candidate *const c = &s->c[i];
        if (i == than || i == last || !ready(s, c) || !c->held) continue;
        const double t = c->v.train_seconds, from = s->c[last].v.train_seconds;
        if (t < from || (t == from && i < last)) continue;
        if (best < 0 || t < s->c[best].v.train_seconds) best = i;
    }
    return best;
}

static int climb(const eff_situation *s, int at)
{
    if (at < 0 || !s->c[at].held || !fits(&s->c[at])) return at;
    for (int next = next_costlier(s, at, at); next >= 0;) {
        if (eff_compare_paired(s->c[at].held, s->c[next].held, s->probed).lo > 0) at = next;
        next = next_costlier(s, at, next);
    }
    return at;
}

/* ---------------------------------------------------------------------------------------- from scratch */

/* Images beyond which the next larger network earns its parameters: of the order in which ImageNet (1.28 million) feeds
 * B0 to B7. */
static const struct {
    size_t images;
    const char *name;
} by_images[] = { { 1000000, "efficientnet-b4" },
                  { 300000, "efficientnet-b3" },
                  { 100000, "efficientnet-b1" },
                  { 20000, "efficientnet-b0" } };

static int from_scratch(const eff_situation *s)
{
    for (size_t k = 0; k < sizeof by_images / sizeof *by_images; k++)
        for (int i = 0; i < s->n; i++)
            if (s->images >= by_images[k].images && !strcmp(s->c[i].v.model, by_images[k].name) && fits(&s->c[i]) &&
                !s->c[i].v.enlarges)
                return i;
    int best = 0;
    for (int i = 0; i < s->n; i++)
        if (s->c[i].reduced) return i;
    for (int i = 1; i < s->n; i++)
        if (s->c[i].v.train_seconds < s->c[best].v.train_seconds) best = i;
    return best;
}

/* ------------------------------------------------------------------------------------------- the order */

/* Does a stand before b? Weights, then what fits, then accuracy where both were measured, then time. */
static bool before(const eff_candidate *a, const eff_candidate *b)
{
    if ((a->source >= 0) != (b->source >= 0)) return a->source >= 0;
    if (fits(a) != fits(b)) return fits(a);
    if ((a->held != NULL) != (b->held != NULL)) return a->held != NULL;
    if (a->held && a->v.probe != b->v.probe) return a->v.probe > b->v.probe;
    return a->v.train_seconds < b->v.train_seconds;
}

static void sort(eff_advised *d, const eff_situation *s, int first)
{
    d->order[0] = first;
    int n = 1;
    for (int i = 0; i < s->n; i++) {
        if (i == first) continue;
        int k = n++;
        for (; k > 1 && before(&s->c[i], &s->c[d->order[k - 1]]); k--) d->order[k] = d->order[k - 1];
        d->order[k] = i;
    }
}

/* --------------------------------------------------------------------------------------------- reasons */

static void say_data(eff_advised *d, const eff_situation *s, const eff_candidate *r)
{
    const double each = (double)s->images / s->classes;
    char spread[48];
    snprintf(spread, sizeof spread, s->least == s->most ? "%d" : "%d to %d", s->least, s->most);
    if (r->source >= 0)
        say(d, "%zu training images in %d classes, %s a class: %s", s->images, s->classes, spread,
            each < 200 ? "few, so pretrained weights matter more than size, and a larger network has to show that it "
                         "is better"
                       : "enough for a larger network, where it shows that it is better");
    else
        say(d,
            "%zu training images in %d classes and no pretrained weights at hand: by the number of images, a rule of "
            "thumb, as nothing can be measured before training from scratch",
            s->images, s->classes);
}

static void say_comparison(eff_advised *d, const eff_situation *s, const eff_candidate *from, const eff_candidate *to,
                           const char *what)
{
    const eff_paired p = eff_compare_paired(from->held, to->held, s->probed);
    say(d,
        "%s: of the same %zu images, each held out, a linear classifier on the features of %s at %d pixels gets %.1f "
        "%% "
        "right, of %s at %d %.1f %%: %+.1f points (95 %% interval %+.1f to %+.1f), %s",
        what, p.n, short_name(from), from->v.resolution, 100 * from->v.probe, short_name(to), to->v.resolution,
        100 * to->v.probe, 100 * p.difference, 100 * p.lo, 100 * p.hi,
        p.lo > 0   ? "better"
        : p.hi < 0 ? "worse"
                   : "no difference that can be told from chance");
}

/* Of the candidates with the weights of `like` the nearest that has more (or fewer) pixels and was probed. */
static const eff_candidate *neighbour(const eff_situation *s, const eff_candidate *like, bool more)
{
    const eff_candidate *best = NULL;
    for (int i = 0; i < s->n; i++) {
        const eff_candidate *const c = &s->c[i];
        const int apart = more ? c->v.resolution - like->v.resolution : like->v.resolution - c->v.resolution;
        if (c->source != like->source || !c->held || apart <= 0) continue;
        if (!best || apart < abs(best->v.resolution - like->v.resolution)) best = c;
    }
    return best;
}

/* What more pixels bring and fewer cost: with the weights chosen, or else with others that were tried. */
static void say_resolution(eff_advised *d, const eff_situation *s, int chosen)
{
    for (int i = -1; i < s->n; i++) {
        const eff_candidate *const c = &s->c[i < 0 ? chosen : i];
        if (!c->held || (i >= 0 && !c->v.native)) continue;
        const eff_candidate *const fewer = neighbour(s, c, false), *const more = neighbour(s, c, true);
        if (fewer) say_comparison(d, s, fewer, c, "resolution");
        if (more) say_comparison(d, s, c, more, "more resolution");
        if (fewer || more) return;
    }
}

static void say_probes(eff_advised *d, const eff_situation *s, int chosen)
{
    const eff_candidate *const r = &s->c[chosen], *other = NULL;
    if (s->probed && !r->held)
        say(d, "%s at %d pixels was not tried on the images: it does not fit, or there was no time for it",
            short_name(r), r->v.resolution);
    say_resolution(d, s, chosen);
    for (int i = 0; i < s->n && r->held; i++) {
        const eff_candidate *const c = &s->c[i];
        if (c->held && c->source != r->source && (!other || c->v.probe > other->v.probe)) other = c;
    }
    if (other) say_comparison(d, s, other, r, "against the best of the other weights");
}

static void say_side(eff_advised *d, const eff_situation *s)
{
    int larger = 0;
    for (int i = 0; i < s->n; i++) larger += s->c[i].v.enlarges != 0;
    if (larger)
        say(d,
            "half of the photographs have a short side of at most %d pixels: inputs beyond that show no more of them, "
            "so none "
            "larger than the networks' own are tried",
            s->side);
}

static void say_limits(eff_advised *d, const eff_situation *s, const eff_candidate *r)
{
    const eff_candidate *heavy = NULL, *slow = NULL;
    char takes[32], most[32];
    for (int i = 0; i < s->n; i++) {
        const eff_candidate *const c = &s->c[i];
        if (c == r) continue;
        if (!c->v.fits_memory && (!heavy || c->v.memory_bytes < heavy->v.memory_bytes)) heavy = c;
        if (c->v.fits_memory && !c->v.fits_time && (!slow || c->v.train_seconds < slow->v.train_seconds)) slow = c;
    }
    if (!r->v.fits_memory)
        say(d, "memory: even this takes %.0f MB, and there are %.0f: close other programs, or use a smaller resolution",
            r->v.memory_bytes / 1e6, s->memory / 1e6);
    else if (heavy)
        say(d, "memory: training %s at %d takes at least %.0f MB, and there are %.0f", short_name(heavy),
            heavy->v.resolution, heavy->v.memory_bytes / 1e6, s->memory / 1e6);
    time_text(s->longest, most, sizeof most);
    if (!r->v.fits_time) {
        time_text(r->v.train_seconds, takes, sizeof takes);
        say(d, "time: even this takes about %s, more than the %s asked for: --recipe linear or --time fit it", takes,
            most);
    } else if (slow) {
        time_text(slow->v.train_seconds, takes, sizeof takes);
        say(d, "time: training %s at %d would take about %s, more than %s", short_name(slow), slow->v.resolution, takes,
            most);
    }
}

static void say_missing(eff_advised *d, const eff_situation *s, int chosen)
{
    char names[160] = "";
    int missing = 0;
    const eff_candidate *const r = &s->c[chosen];
    for (int i = 0; i < s->n; i++) {
        const eff_candidate *const c = &s->c[i];
        if (c->source >= 0 || c->reduced) continue;
        const size_t used = strlen(names);
        if (missing++ < 12) snprintf(names + used, sizeof names - used, "%s%s", used ? ", " : "", short_name(c));
    }
    if (!missing) return;
    say(d, "no weights at hand for %s: from scratch on %zu images they would learn far less than pretrained ones%s",
        names, s->images,
        r->source >= 0 ? ", so none of them is recommended" : "; with weights the advice would change");
}

/* Where more pixels or a larger network pay, a network made for more of both would be worth its weights. */
static void say_larger(eff_advised *d, const eff_situation *s, int chosen, int began)
{
    const eff_candidate *const r = &s->c[chosen], *next = NULL;
    if (r->source < 0 || chosen == began || !r->held) return;
    for (int i = 0; i < s->n; i++) {
        const eff_candidate *const c = &s->c[i];
        if (c->source >= 0 || c->reduced || c->v.enlarges || !fits(c) || c->macs <= r->macs) continue;
        if (!next || c->macs < next->macs) next = c;
    }
    if (next)
        say(d, "what costs more pays on these images: %s at %d is the next step, if its weights can be had",
            short_name(next), next->v.resolution);
}

void eff_advise_decide(eff_advised *out, const eff_situation *s)
{
    memset(out, 0, sizeof *out);
    const int began = begin(s), chosen = began >= 0 ? climb(s, began) : from_scratch(s);
    sort(out, s, chosen);
    say_data(out, s, &s->c[chosen]);
    say_probes(out, s, chosen);
    say_side(out, s);
    say_limits(out, s, &s->c[chosen]);
    say_missing(out, s, chosen);
    say_larger(out, s, chosen, began);
}
