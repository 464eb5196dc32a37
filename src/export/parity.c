/* SPDX-License-Identifier: Apache-2.0 */
/* Comparing an ONNX file with its model. The file is read back from the disk; what runs it shares nothing with what
 * wrote it. Logits are compared too, not only probabilities: with a thousand classes and little training all
 * probabilities are near a thousandth, and no mistake would show. */
#include "export/parity.h"

#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "export/runtime.h"
#include "formats/onnx.h"
#include "formats/onnx_eval.h"
#include "formats/onnx_stream.h"
#include "image/preprocess.h"
#include "infer/engine.h"

#include <effnet/eval.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK = 16,        /* pictures in memory at once                                                  */
    BATCH = 2,         /* pictures given to the file at once: more than one, so that this is tried too */
    BUILT_IN = 8,      /* pictures, where the caller has none                                          */
    BUILT_IN_LARGE = 2 /* the same for networks of more than LARGE_MACS                                */
};
#define LARGE_MACS UINT64_C(5000000000)

typedef struct gate {
    eff_parity *p;
    const eff_model *m;
    const eff_export_opts *o;
    const char *path;
    eff_onnx g;
    eff_runtime *runtime; /* NULL: our evaluator */
    eff_engine *e;
    eff_pool *pool;
    bool bytes; /* the file's input is uint8 */
    size_t pixels;
    int outputs, in_chunk; /* logits, or features of a body                */
    float *x;              /* [CHUNK][h][w][3], normalised */
    float *planes;         /* the same as [3][h][w]; or, of bytes, */
    uint8_t *rgb;          /* as [h][w][3]                 */
    float *ours, *theirs;  /* [CHUNK][outputs]             */
    float *prob;           /* [2][outputs]                 */
    eff_error task[CHUNK]; /* of the evaluator, by batch  */
    double sum, squares;
    size_t logits;
    bool not_numbers;
} gate;

static eff_status refuse(eff_parity *p, const char *reason)
{
    snprintf(p->reason, sizeof p->reason, "%s", reason);
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- pictures */

/* A smooth coloured pattern from whole numbers, another for every `salt`. */
static void synthesise(uint8_t *rgb, int h, int w, int salt)
{
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                const int a = (3 * x + 2 * y + 70 * c + 37 * salt) % 512;
                const int b = (((x * y) / 16 + 5 * y * (c + 1) - 3 * x + 101 * salt) % 512 + 512) % 512;
                const int v = (abs(a - 256) + abs(b - 256)) / 2;
                *rgb++ = (uint8_t)(v < 255 ? v : 255);
            }
}

static void normalise(float *x, const uint8_t *rgb, size_t pixels, const eff_preprocess *p)
{
    for (size_t i = 0; i < 3 * pixels; i++) x[i] = ((float)rgb[i] - p->mean[i % 3]) / p->std[i % 3];
}

/* Picture number `at` becomes number i of the chunk, in both forms. */
static eff_status prepare(gate *t, size_t at, int i, eff_error *err)
{
    const eff_preprocess *const rule = &t->m->meta.preprocess;
    float *const x = t->x + (size_t)i * t->pixels * 3, *const planes = t->planes + (size_t)i * t->pixels * 3;
    uint8_t *const rgb = t->rgb + (size_t)i * t->pixels * 3;
    if (!t->o->nimages) {
        synthesise(rgb, rule->height, rule->width, (int)at);
        normalise(x, rgb, t->pixels, rule);
    } else {
        eff_preprocess r = *rule;
        for (int c = 0; c < 3 && t->bytes; c++) { /* as the pixels are, where the file does the rest itself */
            r.mean[c] = 0.0f;
            r.std[c] = 1.0f;
        }
        const eff_status s = eff_preprocess_file(t->o->images[at], &r, x, err);
        if (s != EFF_OK) {
            eff_error_prefix(err, "%.120s", t->o->images[at]);
            return s;
        }
        if (t->bytes) {
            for (size_t k = 0; k < 3 * t->pixels; k++) rgb[k] = (uint8_t)fminf(fmaxf(rintf(x[k]), 0.0f), 255.0f);
            normalise(x, rgb, t->pixels, rule);
        }
    }
    for (size_t k = 0; k < t->pixels; k++)
        for (size_t c = 0; c < 3; c++) planes[c * t->pixels + k] = x[3 * k + c];
    return EFF_OK;
}

/* ------------------------------------------------------------------------------------------- their side */

static const void *batch_input(const gate *t, int first)
{
    const size_t at = (size_t)first * t->pixels * 3;
    return t->bytes ? (const void *)(t->rgb + at) : (const void *)(t->planes + at);
}

static int batch_size(const gate *t, int first) { return t->in_chunk - first < BATCH ? t->in_chunk - first : BATCH; }

static void evaluate_batch(void *ctx, int task, int worker)
{
    gate *const t = ctx;
    const int first = task * BATCH, n = batch_size(t, first);
    const size_t logits = (size_t)n * (size_t)t->outputs;
    (void)worker;
    t->task[task] = (eff_error){ 0 };
    eff_onnx_eval(&t->g, batch_input(t, first), n, t->theirs + (size_t)first * (size_t)t->outputs, logits,
                  EFF_ONNX_ANY_WORK, &t->task[task]);
}

static eff_status run_file(gate *t, eff_error *err)
{
    if (t->runtime) {
        for (int first = 0; first < t->in_chunk; first += BATCH) {
            const eff_status s = eff_runtime_run(t->runtime, &t->g, batch_input(t, first), batch_size(t, first),
                                                 t->theirs + (size_t)first * (size_t)t->outputs, t->outputs, err);
            if (s != EFF_OK) return s;
        }
        return EFF_OK;
    }
    const int tasks = (t->in_chunk + BATCH - 1) / BATCH;
    eff_pool_run(t->pool, evaluate_batch, t, tasks);
    for (int i = 0; i < tasks; i++)
        if (t->task[i].code != EFF_OK) {
            if (err) *err = t->task[i];
            return t->task[i].code;
        }
    return EFF_OK;
}

/* ----------------------------------------------------------------------------------------- comparing */

/* Each output's difference, and what tells of how large outputs are. */
static void compare_outputs(gate *t, const float *ours, const float *theirs)
{
    for (int i = 0; i < t->outputs; i++) {
        const double d = fabs((double)ours[i] - (double)theirs[i]);
        if (!isfinite(d)) t->not_numbers = true;
        if (d > t->p->max_dlogit) t->p->max_dlogit = d;
        t->sum += (double)ours[i];
        t->squares += (double)ours[i] * (double)ours[i];
    }
    t->logits += (size_t)t->outputs;
}

static void compare_answers(gate *t, const float *ours, const float *theirs)
{
    const double temperature = t->m->meta.temperature > 0 ? t->m->meta.temperature : 1;
    float *const p = t->prob, *const q = t->prob + t->outputs;
    eff_softmax_at(ours, t->outputs, temperature, p);
    eff_softmax_at(theirs, t->outputs, temperature, q);
    for (int i = 0; i < t->outputs; i++) {
        const double d = fabs((double)p[i] - (double)q[i]);
        if (!isfinite(d)) t->not_numbers = true;
        if (d > t->p->max_dp) t->p->max_dp = d;
    }
    int our_first, their_first;
    eff_top_k(ours, t->outputs, 1, &our_first);
    eff_top_k(theirs, t->outputs, 1, &their_first);
    t->p->same_top1 += our_first == their_first;
}

static void compare(gate *t, const float *ours, const float *theirs)
{
    compare_outputs(t, ours, theirs);
    if (!t->p->features) compare_answers(t, ours, theirs);
    t->p->images++;
}

/* What float32 alone makes of this network's logits: our own answers to the first pictures, once more by the reference
 * kernels, which add in another order. It is told, and lets nothing through: who refuses must not ask the side that may
 * be wrong how wrong it may be. Nothing is learnt where the reference is what we run. */
static eff_status measure_rounding(gate *t, eff_error *err)
{
    const eff_preprocess *const rule = &t->m->meta.preprocess;
    eff_engine_opts o = {
        .max_batch = CHUNK, .threads = t->o->threads, .cpu = "ref", .height = rule->height, .width = rule->width
    };
    eff_engine *reference = NULL;
    eff_status s = eff_engine_new(&reference, t->m, &o, err);
    t->in_chunk = t->p->images < CHUNK ? t->p->images : CHUNK;
    for (int i = 0; s == EFF_OK && i < t->in_chunk; i++) s = prepare(t, (size_t)i, i, err);
    if (s == EFF_OK) {
        eff_parity own = { .features = t->p->features }, *const kept = t->p;
        const bool not_numbers = t->not_numbers;
        eff_engine_score(t->e, t->x, t->in_chunk, t->ours, NULL);
        eff_engine_score(reference, t->x, t->in_chunk, t->theirs, NULL);
        t->p = &own;
        for (int i = 0; i < t->in_chunk; i++)
            compare(t, t->ours + (size_t)i * (size_t)t->outputs, t->theirs + (size_t)i * (size_t)t->outputs);
        t->p = kept;
        t->not_numbers = not_numbers;
        t->p->rounding = own.max_dlogit;
    }
    eff_engine_destroy(reference);
    return s;
}

static eff_status judge(gate *t, eff_error *err)
{
    eff_parity *const p = t->p;
    const double mean = t->sum / (double)t->logits, square = t->squares / (double)t->logits,
                 variance = square - mean * mean;
    /* a network of one class on one picture has no spread: its logit's size stands for it */
    p->spread = sqrt(variance > 1e-12 * square ? variance : square);
    const double bar = t->o->bar;
    const char *const output = p->features ? "feature" : "logit";
    if (t->not_numbers)
        return refuse(p, p->features ? "a feature is not a finite number" : "a logit is not a finite number");
    p->passed = p->max_dp <= bar && p->max_dlogit <= bar * p->spread;
    if (p->passed) return EFF_OK;
    const eff_status s = measure_rounding(t, err);
    const int n =
        p->max_dp > bar
            ? snprintf(p->reason, sizeof p->reason, "a probability differs by %.2g, more than %.2g", p->max_dp, bar)
            : snprintf(p->reason, sizeof p->reason, "a %s differs by %.2g of the %ss' spread, more than %.2g", output,
                       p->max_dlogit / p->spread, output, bar);
    if (p->rounding > 0)
        snprintf(p->reason + n, sizeof p->reason - (size_t)n,
                 "; sums in another order alone make %.2g of the spread here", p->rounding / p->spread);
    return s;
}

/* -------------------------------------------------------------------------------------------- running */

/* Does the file take what we would give it? */
static bool input_fits(gate *t)
{
    const eff_onnx_shape *const s = &t->g.input_shape;
    const eff_preprocess *const rule = &t->m->meta.preprocess;
    t->bytes = s->type == EFF_ONNX_UINT8;
    const int64_t want[4] = { -1, t->bytes ? rule->height : 3, t->bytes ? rule->width : rule->height,
                              t->bytes ? 3 : rule->width };
    return (t->bytes || s->type == EFF_ONNX_FLOAT) && s->ndim == 4 && memcmp(s->dim, want, sizeof want) == 0;
}

static eff_status make_room(gate *t, eff_error *err)
{
    const eff_preprocess *const rule = &t->m->meta.preprocess;
    t->outputs = eff_graph_outputs(t->m->graph);
    t->p->features = t->m->table.classes ? 0 : t->outputs;
    t->pixels = (size_t)rule->height * (size_t)rule->width;
    const size_t values = CHUNK * t->pixels * 3, logits = CHUNK * (size_t)t->outputs;
    t->x = eff_malloc(values * sizeof *t->x);
    t->planes = eff_malloc(values * sizeof *t->planes);
    t->rgb = eff_malloc(values);
    t->ours = eff_malloc(logits * sizeof *t->ours);
    t->theirs = eff_malloc(logits * sizeof *t->theirs);
    t->prob = eff_malloc(2 * (size_t)t->outputs * sizeof *t->prob);
    if (t->x && t->planes && t->rgb && t->ours && t->theirs && t->prob) return EFF_OK;
    return eff_fail_memory(err, values * sizeof *t->x);
}

/* The sides: our engine, and who runs the file. */
static eff_status open_sides(gate *t, eff_error *err)
{
    const eff_preprocess *const rule = &t->m->meta.preprocess;
    const char *const wanted = t->o->runtime;
    const int threads = t->o->threads ? t->o->threads : eff_cpu_count();
    eff_engine_opts o = {
        .max_batch = CHUNK, .threads = threads, .cpu = t->o->cpu, .height = rule->height, .width = rule->width
    };
    eff_status s = eff_engine_new(&t->e, t->m, &o, err);
    if (s == EFF_OK && !(wanted && strcmp(wanted, "none") == 0)) s = eff_runtime_load(&t->runtime, wanted, err);
    if (s != EFF_OK) return s;
    if (t->runtime)
        snprintf(t->p->runtime, sizeof t->p->runtime, "ONNX Runtime %s", eff_runtime_version(t->runtime));
    else
        snprintf(t->p->runtime, sizeof t->p->runtime, "effnet's evaluator");
    return t->runtime ? EFF_OK : eff_pool_create(&t->pool, threads < CHUNK / BATCH ? threads : CHUNK / BATCH, err);
}

/* Is it the file that is at fault, and not this machine or a photograph? */
static bool file_at_fault(eff_status s) { return s == EFF_EFORMAT || s == EFF_EUNSUPPORTED; }

static eff_status compare_all(gate *t, eff_error *err)
{
    const size_t built_in = t->m->info.macs > LARGE_MACS ? BUILT_IN_LARGE : BUILT_IN;
    const size_t n = t->o->nimages ? t->o->nimages : built_in;
    for (size_t first = 0; first < n; first += CHUNK) {
        t->in_chunk = n - first < CHUNK ? (int)(n - first) : CHUNK;
        for (int i = 0; i < t->in_chunk; i++) {
            const eff_status s = prepare(t, first + (size_t)i, i, err);
            if (s != EFF_OK) return s;
        }
        eff_engine_score(t->e, t->x, t->in_chunk, t->ours, NULL);
        eff_error failure = { 0 };
        const eff_status s = run_file(t, &failure);
        if (file_at_fault(s)) return refuse(t->p, failure.msg);
        if (s != EFF_OK) {
            if (err) *err = failure;
            return s;
        }
        for (int i = 0; i < t->in_chunk; i++)
            compare(t, t->ours + (size_t)i * (size_t)t->outputs, t->theirs + (size_t)i * (size_t)t->outputs);
    }
    return judge(t, err);
}

static void close_gate(gate *t)
{
    eff_free(t->x);
    eff_free(t->planes);
    eff_free(t->rgb);
    eff_free(t->ours);
    eff_free(t->theirs);
    eff_free(t->prob);
    eff_engine_destroy(t->e);
    eff_pool_free(t->pool);
    eff_runtime_free(t->runtime);
    eff_onnx_close(&t->g);
}

eff_status eff_parity_run(eff_parity *p, const eff_model *m, const char *path, const eff_export_opts *o, eff_error *err)
{
    gate t = { .p = p, .m = m, .o = o, .path = path };
    eff_error failure = { 0 };
    *p = (eff_parity){ 0 };
    eff_status s = open_sides(&t, err);
    if (s == EFF_OK) {
        s = eff_onnx_open(&t.g, path, &failure);
        if (s == EFF_OK && t.runtime) s = eff_runtime_open(t.runtime, path, o->threads, &failure);
        if (file_at_fault(s)) {
            close_gate(&t);
            return refuse(p, failure.msg);
        }
        if (s != EFF_OK && err) *err = failure;
    }
    if (s == EFF_OK && !input_fits(&t)) {
        close_gate(&t);
        return refuse(p, "the file's input is not what the model takes");
    }
    if (s == EFF_OK) s = make_room(&t, err);
    if (s == EFF_OK) s = compare_all(&t, err);
    close_gate(&t);
    return s;
}
