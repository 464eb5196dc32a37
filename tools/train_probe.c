/* SPDX-License-Identifier: Apache-2.0 */
/* train_probe TASK_DIR RESULT: trains an EfficientNet on one batch and writes what came of it, for comparison with another
 * framework. TASK_DIR holds task.json, init.safetensors, x.npy and y.npy (the program's contract); not installed. */
#include "base/file.h"
#include "base/mem.h"
#include "formats/safetensors.h"
#include "train/loss.h"
#include "train/optim.h"
#include "train/trainer.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

__attribute__((format(printf, 2, 3), noreturn)) static void die(const char *what, const char *why, ...)
{
    va_list args;
    fprintf(stderr, "train_probe: %s: ", what);
    va_start(args, why);
    vfprintf(stderr, why, args);
    va_end(args);
    fputc('\n', stderr);
    exit(3);
}

static void check_finite(const char *what, const float *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(v[i])) die(what, "element %zu: expected a finite number, found %g", i, (double)v[i]);
}

static const char *in_dir(const char *dir, const char *name)
{
    static char path[4][4096];
    static int turn;
    snprintf(path[turn], sizeof path[0], "%s/%s", dir, name);
    const char *p = path[turn];
    turn = (turn + 1) % 4;
    return p;
}

/* ---------------------------------------------------------------------------------------- reading */

typedef struct npy {
    unsigned char *file;
    const void *data;
    size_t count, dim[8];
    int ndim;
} npy;

static npy read_npy(const char *path, const char *descr)
{
    npy a = { .count = 1 };
    size_t size;
    eff_error err = { 0 };
    if (eff_file_read_all(path, (size_t)1 << 32, &a.file, &size, &err) != EFF_OK) die(path, "%s", err.msg);
    if (size < 12 || memcmp(a.file, "\x93NUMPY", 6) != 0) die(path, "no .npy file");
    const size_t wide = a.file[6] > 1, start = wide ? 12 : 10;
    size_t len = a.file[8] | (size_t)a.file[9] << 8;
    if (wide) len |= (size_t)a.file[10] << 16 | (size_t)a.file[11] << 24;
    if (len > size - start) die(path, "its header is cut short");
    char *header = eff_strndup((const char *)a.file + start, len);
    if (!header) die(path, "out of memory");
    if (!strstr(header, descr) || strstr(header, "'fortran_order': True")) die(path, "expected %s in C order", descr);
    const char *s = strstr(header, "'shape': (");
    if (!s) die(path, "its header names no shape");
    for (s += 10; *s && *s != ')' && a.ndim < 8;) {
        char *end;
        a.dim[a.ndim] = strtoul(s, &end, 10);
        if (end == s || !eff_mul(a.count, a.dim[a.ndim], &a.count)) die(path, "its header has a shape that cannot be read");
        a.ndim++;
        for (s = end; *s == ',' || *s == ' '; s++) {}
    }
    eff_free(header);
    if (a.count > (size - start - len) / 4) die(path, "its data are cut short");
    a.data = a.file + start + len;
    return a;
}

/* Neutral name in golden spelling: "b03.expand.bn.mean" (blocks counted over all stages). */
static void golden_name(const eff_graph *g, int param, char out[EFF_NAME_LEN])
{
    static const char *const leaf[][3] = { { "bn.", "weight", "gamma" }, { "bn.", "bias", "beta" }, { "bn.", "running_mean", "mean" },
                                           { "bn.", "running_var", "var" }, { "", "weight", "w" }, { "", "bias", "b" } };
    const char *n = g->param[param].name, *rest = n;
    char head[16] = "";
    if (!strncmp(n, "blocks.", 7)) {
        rest = strchr(strchr(n + 7, '.') + 1, '.') + 1;
        snprintf(head, sizeof head, "b%02d.", g->node[g->param[param].node].index);
    } else if (!strncmp(n, "head.fc.", 8)) rest = n + 5;
    const char *last = strrchr(rest, '.') + 1;
    const int stem = (int)(last - rest);
    for (size_t i = 0; i < sizeof leaf / sizeof *leaf; i++) {
        const size_t need = strlen(leaf[i][0]);
        if (strcmp(last, leaf[i][1]) || (size_t)stem < need || strncmp(last - need, leaf[i][0], need)) continue;
        snprintf(out, EFF_NAME_LEN, "%s%.*s%s", head, stem, rest, leaf[i][2]);
        return;
    }
    die(n, "has no golden name");
}

static void check_shape(const char *name, const eff_param *p, const eff_tensor_info *found)
{
    bool same = found->ndim == p->ndim;
    char want[64] = "", got[256] = "";
    for (int d = 0; d < p->ndim; d++) {
        same = same && found->shape[d] == p->dim[d];
        snprintf(want + strlen(want), sizeof want - strlen(want), "[%d]", p->dim[d]);
    }
    for (int d = 0; d < found->ndim; d++) snprintf(got + strlen(got), sizeof got - strlen(got), "[%lld]", (long long)found->shape[d]);
    if (!same) die(name, "expected shape %s in init.safetensors, found %s", want, got);
}

static void read_init(eff_model *m, const char *path)
{
    eff_error err = { 0 };
    eff_checkpoint *c;
    if (eff_checkpoint_open(&c, path, &err) != EFF_OK) die(path, "%s", err.msg);
    for (int p = 0; p < m->graph->nparams; p++) {
        char name[EFF_NAME_LEN];
        golden_name(m->graph, p, name);
        size_t i = 0;
        eff_tensor_info info = { 0 };
        for (; i < eff_checkpoint_count(c); i++) {
            eff_checkpoint_tensor(c, i, &info);
            if (!strcmp(info.name, name)) break;
        }
        if (i == eff_checkpoint_count(c)) die(name, "is not in init.safetensors");
        const eff_param *q = &m->graph->param[p];
        check_shape(name, q, &info);
        if (eff_checkpoint_read(c, i, m->weights[p], &err) != EFF_OK) die(path, "%s", err.msg);
        check_finite(name, m->weights[p], q->count);
        for (size_t k = 0; q->kind == EFF_PARAM_BN_VAR && k < q->count; k++)
            if (m->weights[p][k] < 0) die(name, "element %zu: expected a variance, found %g", k, (double)m->weights[p][k]);
    }
    eff_checkpoint_close(c);
}

/* ---------------------------------------------------------------------------------------- the task */

typedef struct task {
    double width, depth, lr, weight_decay, smoothing, bn_momentum, bn_eps;
    int classes, resolution, steps;
    const char *optimizer;
    json_t *json;
} task;

static double number(const json_t *j, const char *key, double least, double most)
{
    const json_t *v = json_object_get(j, key);
    if (!v) die("task.json", "expected a number \"%s\", found none", key);
    const double x = json_number_value(v);
    if (!json_is_number(v) || !(x >= least && x <= most)) die("task.json", "%s: expected a number from %g to %g", key, least, most);
    return x;
}

static int whole(const json_t *j, const char *key, int most)
{
    const double x = number(j, key, 1, most);
    if (x != floor(x)) die("task.json", "%s: expected a whole number, found %g", key, x);
    return (int)x;
}

static task read_task(const char *path)
{
    json_error_t e;
    task t = { .json = json_load_file(path, JSON_REJECT_DUPLICATES, &e) };
    if (!t.json) die(path, "line %d: %s", e.line, e.text);
    t.width = number(t.json, "width", 0.01, 100);
    t.depth = number(t.json, "depth", 0.01, 100);
    t.lr = number(t.json, "lr", 0, 1e6);
    t.weight_decay = number(t.json, "weight_decay", 0, 1e6);
    t.smoothing = number(t.json, "label_smoothing", 0, 1);
    t.bn_momentum = number(t.json, "bn_momentum", 0, 1);
    t.bn_eps = number(t.json, "bn_eps", 1e-12, 1e6);
    t.classes = whole(t.json, "classes", 1 << 20);
    t.resolution = whole(t.json, "resolution", 4096);
    t.steps = whole(t.json, "steps", 1 << 20);
    t.optimizer = json_string_value(json_object_get(t.json, "optimizer"));
    if (!t.optimizer) die("task.json", "expected a text \"optimizer\", found none");
    return t;
}

static eff_optim_opts optimizer_of(const task *t)
{
    eff_optim_opts o;
    if (!strcmp(t->optimizer, "rmsproptf")) eff_optim_opts_init(&o, EFF_RMSPROP);
    else if (!strcmp(t->optimizer, "sgd_nesterov")) eff_optim_opts_init(&o, EFF_SGD);
    else if (!strcmp(t->optimizer, "adamw")) eff_optim_opts_init(&o, EFF_ADAMW);
    else die("task.json", "optimizer: expected rmsproptf, sgd_nesterov or adamw, found \"%s\"", t->optimizer);
    o.weight_decay = t->weight_decay;
    return o;
}

/* --------------------------------------------------------------------------------------- the result */

typedef struct result {
    eff_st_tensor *tensor;
    int n;
} result;

static void put(result *r, const char *prefix, const char *name, const eff_param *p, const float *data)
{
    char *full = eff_malloc(EFF_NAME_LEN + 8);
    float *copy = eff_malloc((p ? p->count : 1) * sizeof *copy);
    if (!full || !copy) die(name, "out of memory");
    snprintf(full, EFF_NAME_LEN + 8, "%s%s", prefix, name);
    memcpy(copy, data, (p ? p->count : 1) * sizeof *copy);
    eff_st_tensor *t = &r->tensor[r->n++];
    *t = (eff_st_tensor){ .name = full, .dtype = EFF_F32, .ndim = p ? p->ndim : 1, .dim = { 1 }, .data = copy };
    for (int d = 0; p && d < p->ndim; d++) t->dim[d] = p->dim[d];
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: train_probe TASK_DIR RESULT\n");
        return 2;
    }
    eff_error err = { 0 };
    const task t = read_task(in_dir(argv[1], "task.json"));
    const npy x = read_npy(in_dir(argv[1], "x.npy"), "<f4"), y = read_npy(in_dir(argv[1], "y.npy"), "<i4");
    const size_t side = (size_t)t.resolution;
    if (x.ndim != 4 || x.dim[0] < 1 || x.dim[1] != 3 || x.dim[2] != side || x.dim[3] != side)
        die("x.npy", "expected shape [B][3][%d][%d] with B >= 1, found %d dimensions [%zu][%zu][%zu][%zu]", t.resolution, t.resolution, x.ndim,
            x.dim[0], x.dim[1], x.dim[2], x.dim[3]);
    if (y.ndim != 1 || y.count != x.dim[0]) die("y.npy", "expected %zu labels, found %zu", x.dim[0], y.count);
    check_finite("x.npy", x.data, x.count);
    const size_t n = x.dim[0], px = x.dim[2] * x.dim[3];
    eff_table base, table;
    eff_model *m;
    if (eff_table_builtin(&base, "efficientnet-b0", &err) != EFF_OK ||
        eff_table_scale(&table, &base, t.width, t.depth, t.resolution, &err) != EFF_OK)
        die("task.json", "%s", err.msg);
    table.classes = t.classes, table.bn_eps = t.bn_eps, table.bn_momentum = t.bn_momentum;
    table.height = table.width_px = t.resolution;
    if (eff_model_new(&m, &table, &err) != EFF_OK || eff_model_alloc_weights(m, &err) != EFF_OK) die("model", "%s", err.msg);
    read_init(m, in_dir(argv[1], "init.safetensors"));
    float *nhwc = eff_malloc(x.count * sizeof *nhwc), *target = eff_malloc(n * (size_t)t.classes * sizeof *target);
    if (!nhwc || !target) die("x.npy", "out of memory");
    for (size_t b = 0; b < n; b++) {
        const int label = ((const int32_t *)y.data)[b];
        if (label < 0 || label >= t.classes) die("y.npy", "label %zu: expected 0..%d, found %d", b, t.classes - 1, label);
        eff_target(target + b * (size_t)t.classes, label, t.classes, t.smoothing);
        for (size_t c = 0; c < 3; c++)
            for (size_t p = 0; p < px; p++) nhwc[(b * px + p) * 3 + c] = ((const float *)x.data)[(b * 3 + c) * px + p];
    }
    eff_trainer_opts o;
    eff_trainer_opts_init(&o);
    o.batch = (int)n;
    eff_trainer *tr;
    eff_optim *opt;
    const eff_optim_opts oo = optimizer_of(&t);
    if (eff_trainer_create(&tr, m, &o, &err) != EFF_OK) die("trainer", "%s", err.msg);
    if (eff_optim_create(&opt, m, eff_trainer_grads(tr), &oo, &err) != EFF_OK) die("optimizer", "%s", err.msg);
    result r = { .tensor = eff_calloc(2 * (size_t)m->graph->nparams + 1, sizeof *r.tensor) };
    if (!r.tensor) die("result", "out of memory");
    char name[EFF_NAME_LEN];
    for (int step = 0; step < t.steps; step++) {
        const eff_pass pass = { .x = nhwc, .target = target, .n = (int)n, .step = (uint64_t)step };
        eff_trainer_zero(tr);
        const float loss = (float)eff_trainer_pass(tr, &pass);
        if (step == 0) {
            put(&r, "", "loss", NULL, &loss);
            for (int p = 0; p < m->graph->nparams; p++) {
                if (!eff_trainer_grads(tr)[p]) continue;
                golden_name(m->graph, p, name);
                put(&r, "grad.", name, &m->graph->param[p], eff_trainer_grads(tr)[p]);
            }
        }
        if (!isfinite(eff_optim_step(opt, eff_trainer_pool(tr), t.lr)))
            die("step", "%d: the gradient is not finite (loss %g)", step + 1, (double)loss);
    }
    for (int p = 0; p < m->graph->nparams; p++) {
        golden_name(m->graph, p, name);
        put(&r, "param.", name, &m->graph->param[p], m->weights[p]);
    }
    if (eff_safetensors_save(argv[2], r.tensor, (size_t)r.n, NULL, 0, &err) != EFF_OK) {
        fprintf(stderr, "train_probe: %s: %s\n", argv[2], err.msg);
        return 1;
    }
    for (int i = 0; i < r.n; i++) {
        eff_free((void *)(uintptr_t)r.tensor[i].name);
        eff_free((void *)(uintptr_t)r.tensor[i].data);
    }
    eff_free(r.tensor);
    eff_optim_free(opt);
    eff_trainer_free(tr);
    eff_model_destroy(m);
    eff_free(nhwc), eff_free(target), eff_free(x.file), eff_free(y.file);
    json_decref(t.json);
    return 0;
}
