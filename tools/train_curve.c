/* SPDX-License-Identifier: Apache-2.0 */
/* train_curve TABLE.json DATA SEED EPOCHS BATCH LR: trains a network from scratch on DATA/train and DATA/val (class folders) and
 * prints a line an epoch: epoch, mean training loss, validation accuracy, seconds. The plain recipe of tools/torch_curve.py, so
 * that both curves can be laid over each other; not installed. */
#include "base/mem.h"
#include "base/rng.h"
#include "formats/formats.h"
#include "infer/engine.h"
#include "train/loss.h"
#include "train/optim.h"
#include "train/schedule.h"
#include "train/trainer.h"

#include <effnet/eval.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct set {
    float *x;   /* [n][h][w][3] */
    int *label, n;
} set;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "train_curve: %s: %s\n", what, why);
    exit(3);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static set load(const char *dir, const char *part, const eff_model *m)
{
    eff_error err = { 0 };
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", dir, part);
    eff_filelist *l;
    if (eff_filelist_labelled(&l, path, m, &err) != EFF_OK) die(path, err.msg);
    const size_t image = (size_t)m->table.height * (size_t)m->table.width_px * 3;
    set s = { .n = (int)eff_filelist_count(l) };
    s.x = eff_malloc((size_t)s.n * image * sizeof *s.x);
    s.label = eff_malloc((size_t)s.n * sizeof *s.label);
    if (!s.x || !s.label) die(path, "out of memory");
    for (int i = 0; i < s.n; i++) {
        eff_image *im;
        if (eff_image_load(&im, eff_filelist_paths(l)[i], &err) != EFF_OK || eff_image_width(im) != m->table.width_px ||
            eff_image_height(im) != m->table.height)
            die(eff_filelist_paths(l)[i], "expected an image of the network's size");
        for (size_t k = 0; k < image; k++) s.x[(size_t)i * image + k] = ((float)eff_image_pixels(im)[k] - 127.5f) / 63.75f;
        s.label[i] = eff_filelist_label(l, (size_t)i);
        eff_image_free(im);
    }
    eff_filelist_free(l);
    return s;
}

static void shuffle(int *order, int n, uint64_t seed, uint64_t epoch)
{
    for (int i = 0; i < n; i++) order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        const int j = (int)(eff_rng_bits(seed, 500 + epoch, (uint64_t)i) % (uint64_t)(i + 1)), t = order[i];
        order[i] = order[j], order[j] = t;
    }
}

static double accuracy(const eff_model *m, const set *val)
{
    eff_error err = { 0 };
    eff_engine_opts o;
    eff_engine_opts_init(&o);
    eff_engine *e;
    if (eff_engine_create(&e, m, &o, &err) != EFF_OK) die("engine", err.msg);
    const size_t image = (size_t)m->table.height * (size_t)m->table.width_px * 3;
    float *logits = eff_malloc((size_t)m->table.classes * sizeof *logits);
    int right = 0;
    for (int i = 0; i < val->n; i++) {
        int top;
        if (eff_engine_run(e, val->x + (size_t)i * image, 1, logits, &err) != EFF_OK) die("engine", err.msg);
        eff_top_k(logits, m->table.classes, 1, &top);
        right += top == val->label[i];
    }
    eff_free(logits);
    eff_engine_free(e);
    return (double)right / val->n;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: train_curve TABLE.json DATA SEED EPOCHS BATCH LR\n");
        return 2;
    }
    eff_error err = { 0 };
    const uint64_t seed = strtoull(argv[3], NULL, 10);
    const int epochs = atoi(argv[4]), batch = atoi(argv[5]);
    const double lr = atof(argv[6]);
    eff_model *m;
    eff_model_opts mo;
    eff_model_opts_init(&mo);
    if (eff_model_load(&m, argv[1], &mo, &err) != EFF_OK || eff_model_init(m, seed, &err) != EFF_OK) die(argv[1], err.msg);
    char names[] = "/tmp/train_curve.XXXXXX", cmd[8192];
    if (mkstemp(names) < 0) die(names, "cannot be written");
    snprintf(cmd, sizeof cmd, "LC_ALL=C ls '%s/train' > %s", argv[2], names);
    if (system(cmd) != 0 || eff_model_set_classes(m, names, &err) != EFF_OK) die(argv[2], err.msg);
    remove(names);
    const set train = load(argv[2], "train", m), val = load(argv[2], "val", m);
    const int steps = train.n / batch, classes = m->table.classes;
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = batch;
    eff_trainer *t;
    eff_optim_opts oo;
    eff_optim_opts_init(&oo, EFF_RMSPROP);
    oo.weight_decay = 1e-5;
    eff_optim *opt;
    if (eff_trainer_create(&t, m, &o, &err) != EFF_OK || eff_optim_create(&opt, m, eff_trainer_grads(t), &oo, &err) != EFF_OK)
        die("trainer", err.msg);
    const eff_schedule sched = { .kind = EFF_SCHED_COSINE, .base = lr, .warmup = steps, .steps = (long)steps * epochs };
    const size_t image = (size_t)m->table.height * (size_t)m->table.width_px * 3;
    float *x = eff_malloc((size_t)batch * image * sizeof *x), *y = eff_malloc((size_t)batch * (size_t)classes * sizeof *y);
    int *order = eff_malloc((size_t)train.n * sizeof *order);
    if (!x || !y || !order) die("batch", "out of memory");
    long step = 0;
    for (int epoch = 0; epoch < epochs; epoch++) {
        const double start = now();
        double loss = 0;
        shuffle(order, train.n, seed, (uint64_t)epoch);
        for (int s = 0; s < steps; s++, step++) {
            for (int b = 0; b < batch; b++) {
                const int i = order[s * batch + b];
                memcpy(x + (size_t)b * image, train.x + (size_t)i * image, image * sizeof *x);
                eff_target(y + (size_t)b * (size_t)classes, train.label[i], classes, 0.1);
            }
            const eff_pass p = { .x = x, .target = y, .n = batch, .step = (uint64_t)step };
            eff_trainer_zero(t);
            loss += eff_trainer_pass(t, &p) / steps;
            eff_optim_step(opt, eff_trainer_pool(t), eff_schedule_at(&sched, step));
        }
        const double took = now() - start;
        printf("%d\t%.5f\t%.4f\t%.1f\n", epoch + 1, loss, accuracy(m, &val), took);
        fflush(stdout);
    }
    eff_optim_free(opt);
    eff_trainer_free(t);
    eff_free(x), eff_free(y), eff_free(order), eff_free(train.x), eff_free(train.label), eff_free(val.x), eff_free(val.label);
    eff_model_free(m);
    return 0;
}
