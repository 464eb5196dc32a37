/* SPDX-License-Identifier: Apache-2.0 */
/* synth_resolution DIR NETWORK EPOCHS BATCH LR SEEDS SIZE...: does a network gain by seeing more of the synthetic set's
 * detail? Trains NETWORK (a built-in with changes) from scratch on DIR/train at each size, with each of SEEDS initial
 * weights and orders of images, the same for all sizes, and prints accuracy on DIR/val as TSV: a line a run, a line a
 * size with its interval, and a line a step with the paired difference. AdamW, warm-up over the first tenth, cosine,
 * label smoothing 0.1, flips both ways and shifts of up to a sixteenth of a side. Not installed. */
#include "base/mem.h"
#include "base/rng.h"
#include "infer/engine.h"
#include "train/loss.h"
#include "train/optim.h"
#include "train/schedule.h"
#include "train/trainer.h"

#include <effnet/eval.h>
#include <effnet/synth.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { MAX_SIZES = 8, MAX_SEEDS = 16 };

typedef struct set {
    uint8_t *x; /* [n][size][size][3] */
    int *label, n, size;
} set;

typedef struct recipe {
    const char *network;
    int epochs, batch;
    double lr;
} recipe;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "synth_resolution: %s: %s\n", what, why);
    exit(3);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double number(const char *text, double lo, double hi)
{
    char *end;
    const double x = strtod(text, &end);
    if (*end || !(x >= lo && x <= hi)) die(text, "not a number in range");
    return x;
}

/* ------------------------------------------------------------------------------------------------ data */

static int count_classes(const char *dir)
{
    char path[4096];
    int n = 0;
    for (const char *name; (name = eff_synth_class_name(n)); n++) {
        snprintf(path, sizeof path, "%s/train/%s", dir, name);
        if (access(path, F_OK) != 0) break;
    }
    if (n < 2) die(dir, "expected a folder that 'effnet data synth' has written");
    return n;
}

static eff_model *load_model(const recipe *r, int size, int classes, uint64_t seed)
{
    eff_error err = { 0 };
    eff_model *m;
    eff_model_opts o;
    eff_model_opts_init(&o);
    o.classes = classes;
    o.height = o.width = size;
    if (eff_model_load(&m, r->network, &o, &err) != EFF_OK || eff_model_init(m, seed, &err) != EFF_OK)
        die(r->network, err.msg);
    char names[] = "/tmp/synth_resolution.XXXXXX";
    const int fd = mkstemp(names);
    FILE *const f = fd < 0 ? NULL : fdopen(fd, "w");
    if (!f) die(names, "cannot be written");
    for (int c = 0; c < classes; c++) fprintf(f, "%s\n", eff_synth_class_name(c));
    fclose(f);
    if (eff_model_set_classes(m, names, &err) != EFF_OK) die(names, err.msg);
    remove(names);
    return m;
}

/* Reduced as Pillow does, antialiased: of detail beyond the size little is left, and little folded back. */
static set load_set(const char *dir, const char *part, const eff_model *m, int size)
{
    eff_error err = { 0 };
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, part);
    eff_filelist *l;
    if (eff_filelist_labelled(&l, path, m, &err) != EFF_OK) die(path, err.msg);
    eff_preprocess rule = { .geometry = EFF_GEOM_SQUASH,
                            .filter = EFF_FILTER_BILINEAR,
                            .side = size,
                            .height = size,
                            .width = size,
                            .std = { 1, 1, 1 } };
    const size_t image = (size_t)size * (size_t)size * 3;
    set s = { .n = (int)eff_filelist_count(l), .size = size };
    float *const row = eff_malloc(image * sizeof *row);
    s.x = eff_malloc((size_t)s.n * image);
    s.label = eff_malloc((size_t)s.n * sizeof *s.label);
    if (!s.x || !s.label || !row) die(path, "out of memory");
    for (int i = 0; i < s.n; i++) {
        if (eff_prepare_file(eff_filelist_paths(l)[i], &rule, row, &err) != EFF_OK)
            die(eff_filelist_paths(l)[i], err.msg);
        for (size_t k = 0; k < image; k++) s.x[(size_t)i * image + k] = (uint8_t)(row[k] + 0.5f);
        s.label[i] = eff_filelist_label(l, (size_t)i);
    }
    eff_free(row);
    eff_filelist_free(l);
    return s;
}

static void free_set(set *s) { eff_free(s->x), eff_free(s->label); }

/* Image i as input, mirrored and moved (edges repeated) by the bits; bits 0: as it is. */
static void put_image(float *x, const set *s, int i, uint64_t bits)
{
    const int n = s->size, reach = n / 16;
    const bool flip_x = bits & 1, flip_y = bits & 2;
    const int dx = bits ? (int)(bits >> 8 & 0xffff) % (2 * reach + 1) - reach : 0;
    const int dy = bits ? (int)(bits >> 24 & 0xffff) % (2 * reach + 1) - reach : 0;
    const uint8_t *const p = s->x + (size_t)i * (size_t)n * (size_t)n * 3;
    for (int y = 0; y < n; y++)
        for (int c = 0; c < n; c++, x += 3) {
            int sy = (flip_y ? n - 1 - y : y) + dy, sx = (flip_x ? n - 1 - c : c) + dx;
            sy = sy < 0 ? 0 : sy >= n ? n - 1 : sy;
            sx = sx < 0 ? 0 : sx >= n ? n - 1 : sx;
            for (int k = 0; k < 3; k++)
                x[k] = ((float)p[((size_t)sy * (size_t)n + (size_t)sx) * 3 + (size_t)k] - 127.5f) / 63.75f;
        }
}

/* ---------------------------------------------------------------------------------------------- one run */

static void shuffle(int *order, int n, uint64_t seed, uint64_t epoch)
{
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)(eff_rng_bits(seed, 500 + epoch, (uint64_t)i) % (uint64_t)(i + 1)), t = order[i];
        order[i] = order[j], order[j] = t;
    }
}

static void train(eff_model *m, const set *s, const recipe *r, uint64_t seed)
{
    eff_error err = { 0 };
    const int steps = s->n / r->batch, classes = m->table.classes;
    const size_t image = (size_t)s->size * (size_t)s->size * 3;
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = r->batch;
    eff_optim_opts oo;
    eff_optim_opts_init(&oo, EFF_ADAMW);
    oo.weight_decay = 0.02;
    eff_trainer *t;
    eff_optim *opt;
    if (eff_trainer_create(&t, m, &o, &err) != EFF_OK ||
        eff_optim_create(&opt, m, eff_trainer_grads(t), &oo, &err) != EFF_OK)
        die("trainer", err.msg);
    const long total = (long)steps * r->epochs;
    const eff_schedule sched = { .kind = EFF_SCHED_COSINE, .base = r->lr, .warmup = total / 10, .steps = total };
    float *const x = eff_malloc((size_t)r->batch * image * sizeof *x);
    float *const y = eff_malloc((size_t)r->batch * (size_t)classes * sizeof *y);
    int *const order = eff_malloc((size_t)s->n * sizeof *order);
    if (!x || !y || !order) die("batch", "out of memory");
    long step = 0;
    for (int epoch = 0; epoch < r->epochs; epoch++) {
        double loss = 0;
        shuffle(order, s->n, seed, (uint64_t)epoch);
        for (int k = 0; k < steps; k++, step++) {
            for (int b = 0; b < r->batch; b++) {
                const int i = order[k * r->batch + b];
                put_image(x + (size_t)b * image, s, i, eff_rng_bits(seed, 900 + (uint64_t)epoch, (uint64_t)i) | 4);
                eff_target(y + (size_t)b * (size_t)classes, s->label[i], classes, 0.1);
            }
            const eff_pass p = { .x = x, .target = y, .n = r->batch, .step = (uint64_t)step };
            eff_trainer_zero(t);
            loss += eff_trainer_pass(t, &p) / steps;
            eff_optim_step(opt, eff_trainer_pool(t), eff_schedule_at(&sched, step));
        }
        fprintf(stderr, "size %d, seed %llu, epoch %d: loss %.4f\n", s->size, (unsigned long long)seed, epoch + 1,
                loss);
    }
    eff_free(x), eff_free(y), eff_free(order);
    eff_optim_free(opt);
    eff_trainer_free(t);
}

/* right[i] += is image i recognised. @return how many are */
static int evaluate(const eff_model *m, const set *s, double *right)
{
    eff_error err = { 0 };
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    eff_engine *e;
    if (eff_engine_create(&e, m, &o, &err) != EFF_OK) die("engine", err.msg);
    float *const x = eff_malloc((size_t)s->size * (size_t)s->size * 3 * sizeof *x);
    float *const logits = eff_malloc((size_t)m->table.classes * sizeof *logits);
    if (!x || !logits) die("engine", "out of memory");
    int sum = 0;
    for (int i = 0; i < s->n; i++) {
        int top;
        put_image(x, s, i, 0);
        if (eff_engine_run(e, x, 1, logits, &err) != EFF_OK) die("engine", err.msg);
        eff_top_k(logits, m->table.classes, 1, &top);
        sum += top == s->label[i];
        right[i] += top == s->label[i];
    }
    eff_free(x), eff_free(logits);
    eff_engine_free(e);
    return sum;
}

/* ------------------------------------------------------------------------------------------- statistics */

/* Two-sided 95 % point of Student's t. */
static double student(int df)
{
    static const double t[] = { 0,     12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365,
                                2.306, 2.262,  2.228, 2.201, 2.179, 2.160, 2.145, 2.131 };
    return df < 1 ? NAN : df < (int)(sizeof t / sizeof *t) ? t[df] : 1.96;
}

static void mean_of(const double *v, int n, double *mean, double *half)
{
    double sum = 0, sq = 0;
    for (int i = 0; i < n; i++) sum += v[i];
    *mean = sum / n;
    for (int i = 0; i < n; i++) sq += (v[i] - *mean) * (v[i] - *mean);
    *half = n > 1 ? student(n - 1) * sqrt(sq / (n - 1) / n) : NAN;
}

static void print_summary(const int *sizes, int nsizes, double accuracy[][MAX_SEEDS], int seeds, double *const *right,
                          int n)
{
    double mean, half;
    puts("#size\tsize\taccuracy\t95% over seeds");
    for (int k = 0; k < nsizes; k++) {
        mean_of(accuracy[k], seeds, &mean, &half);
        printf("size\t%d\t%.4f\t%.4f\n", sizes[k], mean, half);
    }
    puts("#step\tfrom\tto\tgain\t95% over seeds\t95% over images");
    double *const d = eff_malloc((size_t)n * sizeof *d);
    if (!d) die("summary", "out of memory");
    for (int k = 1; k < nsizes; k++) {
        double gain[MAX_SEEDS], of_images, over_images;
        for (int i = 0; i < seeds; i++) gain[i] = accuracy[k][i] - accuracy[k - 1][i];
        mean_of(gain, seeds, &mean, &half);
        for (int i = 0; i < n; i++) d[i] = (right[k][i] - right[k - 1][i]) / seeds;
        mean_of(d, n, &of_images, &over_images);
        printf("step\t%d\t%d\t%.4f\t%.4f\t%.4f\n", sizes[k - 1], sizes[k], mean, half, over_images);
    }
    eff_free(d);
}

int main(int argc, char **argv)
{
    if (argc < 8 || argc - 7 > MAX_SIZES) {
        fprintf(stderr, "usage: synth_resolution DIR NETWORK EPOCHS BATCH LR SEEDS SIZE... (at most %d)\n", MAX_SIZES);
        return 2;
    }
    const recipe r = { argv[2], (int)number(argv[3], 1, 1000), (int)number(argv[4], 2, 1024), number(argv[5], 0, 10) };
    const int seeds = (int)number(argv[6], 1, MAX_SEEDS), nsizes = argc - 7, classes = count_classes(argv[1]);
    int sizes[MAX_SIZES];
    double accuracy[MAX_SIZES][MAX_SEEDS], *right[MAX_SIZES];
    set training[MAX_SIZES], validation[MAX_SIZES];
    for (int k = 0; k < nsizes; k++) {
        sizes[k] = (int)number(argv[7 + k], 16, 1024);
        eff_model *const m = load_model(&r, sizes[k], classes, 0);
        training[k] = load_set(argv[1], "train", m, sizes[k]);
        validation[k] = load_set(argv[1], "val", m, sizes[k]);
        right[k] = eff_calloc((size_t)validation[k].n, sizeof *right[k]);
        if (!right[k]) die("results", "out of memory");
        eff_model_free(m);
    }
    const int n = validation[0].n;
    puts("#run\tsize\tseed\taccuracy\tseconds");
    for (int i = 0; i < seeds; i++)
        for (int k = 0; k < nsizes; k++) {
            const double start = now();
            eff_model *const m = load_model(&r, sizes[k], classes, (uint64_t)i);
            train(m, &training[k], &r, (uint64_t)i);
            accuracy[k][i] = (double)evaluate(m, &validation[k], right[k]) / n;
            printf("run\t%d\t%d\t%.4f\t%.1f\n", sizes[k], i, accuracy[k][i], now() - start);
            fflush(stdout);
            eff_model_free(m);
        }
    print_summary(sizes, nsizes, accuracy, seeds, right, n);
    for (int k = 0; k < nsizes; k++) {
        eff_free(right[k]);
        free_set(&training[k]);
        free_set(&validation[k]);
    }
    return 0;
}
