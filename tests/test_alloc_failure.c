/* SPDX-License-Identifier: Apache-2.0 */
/* Allocations that loading, predicting and converting ask for are made to fail, one index after the other, jansson's among
 * them. An operation then says that memory ended, leaves no file behind and changes none; under ASan nothing leaks. */
#define _GNU_SOURCE
#include "bundles.h"
#include "checkpoints.h"
#include "pickles.h"

#include "base/file.h"
#include "base/mem.h"
#include "formats/names.h"
#include "formats/safetensors.h"
#include "model/table_json.h"
#include "search/space.h"

#include <effnet/eval.h>
#include <effnet/export.h>
#include <effnet/scale.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zip.h>

/* The smallest network that is recognised: every stage once, eight channels. */
#define TINY "b0@width=0.01,depth=0.01,resolution=32,classes=2"

/* One attempt. On success it has released what it made; on failure there must be nothing to release. */
typedef eff_status operation(const void *arg, eff_error *err);

enum { LIMIT = 200000 };

/* A path that stays: those of t_tmp() and t_data() are few and come round again. */
static const char *keep(const char *path)
{
    static char kept[48][256];
    static int n;
    assert_true(n < 48 && strlen(path) < sizeof *kept);
    return strcpy(kept[n++], path);
}

/* Names in the folder of the test's files, so that a temporary left behind is seen. */
static int count_files(void)
{
    DIR *const d = opendir(t_tmp("."));
    int n = 0;
    assert_non_null(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* Runs `op` with allocation n = 0, 1, 2 ... failing, until it succeeds without. `check`, if any, follows every failure. The first
 * and the last hundred, where an operation begins and ends, each; those between come from loops over tensors, tables and
 * rows, the same few places again and again: every seventh, which is each of them in turn, as 7 is prime. */
static void at_every_index(const char *what, operation *op, const void *arg, void (*check)(const void *arg))
{
    const int files = count_files();
    eff_error none = { 0 };
    eff_alloc_fail_after(-1);
    T_OK(op(arg, &none), none);
    const long total = eff_alloc_count();
    for (long n = 0; n < LIMIT; n += n < 100 || n >= total - 100 ? 1 : n + 7 < total - 100 ? 7 : total - 100 - n) {
        eff_error err = { 0 };
        eff_alloc_fail_after(n);
        const eff_status s = op(arg, &err);
        const long asked = eff_alloc_count();
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) {
            if (asked > n) fail_msg("%s: succeeded although allocation %ld of %ld failed", what, n, asked);
            if (n < 2) fail_msg("%s: only %ld allocations", what, n);
            printf("%s: %ld allocations\n", what, asked);
            return;
        }
        if (s != EFF_ENOMEM) fail_msg("%s, allocation %ld: %d \"%s\", expected out of memory", what, n, s, err.msg);
        if (err.code != s || !strstr(err.msg, "memory")) fail_msg("%s, allocation %ld: %d \"%s\"", what, n, err.code, err.msg);
        if (count_files() > files) fail_msg("%s, allocation %ld: a file was left behind", what, n);
        if (check) check(arg);
    }
    fail_msg("%s: never succeeds", what);
}

/* ------------------------------------------------------------------------------------------ files to load */

static eff_model *tiny(void)
{
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    T_OK(eff_table_builtin(&t, TINY, &err), err);
    T_OK(eff_model_new(&m, &t, &err), err);
    T_OK(eff_model_init_weights(m, 3, &err), err);
    return m;
}

static void write_file(const char *path, const void *p, size_t n)
{
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(p, 1, n, f), n);
    fclose(f);
}

static void write_safetensors(const eff_model *m, eff_family f, eff_dtype dtype, const char *path)
{
    eff_error err = { 0 };
    const eff_graph *const g = m->graph;
    eff_st_tensor *const t = calloc((size_t)g->nparams, sizeof *t);
    char(*const name)[EFF_TENSOR_NAME] = calloc((size_t)g->nparams, sizeof *name);
    assert_true(t && name);
    for (int p = 0; p < g->nparams; p++) {
        assert_true(eff_name_of_param(name[p], f, &m->table, g, p));
        t[p] = (eff_st_tensor){ .name = name[p], .dtype = dtype, .ndim = g->param[p].ndim, .data = m->weights[p] };
        for (int i = 0; i < t[p].ndim; i++) t[p].dim[i] = g->param[p].dim[i];
    }
    T_OK(eff_safetensors_save(path, t, (size_t)g->nparams, NULL, 0, &err), err);
    free(name);
    free(t);
}

/* The model as PyTorch would save it, all tensors in one storage: an object pickle, and the number of elements. */
static size_t put_state_dict(t_buffer *b, const eff_model *m)
{
    int64_t numel = 0, offset = 0;
    for (int p = 0; p < m->graph->nparams; p++) numel += (int64_t)m->graph->param[p].count;
    T_PUT(b, "}(");
    for (int p = 0; p < m->graph->nparams; p++) {
        const eff_param *const q = &m->graph->param[p];
        char name[EFF_TENSOR_NAME];
        t_spec s = { .numel = numel, .offset = offset, .ndim = q->ndim, .nstride = q->ndim };
        int64_t step = 1;
        for (int i = q->ndim - 1; i >= 0; step *= q->dim[i--]) {
            s.dim[i] = q->dim[i];
            s.stride[i] = step;
        }
        assert_true(eff_name_of_param(name, EFF_FAMILY_LUKEMELAS, &m->table, m->graph, p));
        t_put_str(b, name);
        t_put_tensor(b, &s);
        offset += step;
    }
    T_PUT(b, "u");
    return (size_t)numel;
}

static void write_pytorch(const eff_model *m, const char *zip_path, const char *legacy_path)
{
    t_buffer object = { 0 }, pickle = { 0 }, stream = { 0 };
    const size_t numel = put_state_dict(&object, m);
    t_put_stream(&stream, &object, "0", T_SYSTEM, (int64_t)numel, numel); /* weights 0, 1, 2 ...: finite, no negative variance */
    write_file(legacy_path, stream.p, stream.n);
    T_PUT(&pickle, "\x80\x02");
    t_put(&pickle, object.p, object.n);
    T_PUT(&pickle, ".");
    int code;
    zip_t *const z = zip_open(zip_path, ZIP_CREATE | ZIP_TRUNCATE, &code);
    assert_non_null(z);
    const void *const data = stream.p + stream.n - numel * sizeof(float);
    assert_true(zip_file_add(z, "m/data.pkl", zip_source_buffer(z, pickle.p, pickle.n, 0), 0) >= 0);
    assert_true(zip_file_add(z, "m/data/0", zip_source_buffer(z, data, numel * sizeof(float), 0), 0) >= 0);
    assert_int_equal(zip_set_file_compression(z, 0, ZIP_CM_STORE, 0), 0);
    assert_int_equal(zip_set_file_compression(z, 1, ZIP_CM_STORE, 0), 0);
    assert_int_equal(zip_close(z), 0);
    free(object.p);
    free(pickle.p);
    free(stream.p);
}

static void make_picture(const char *kind, const char *name)
{
    char command[4096];
    snprintf(command, sizeof command, "'%s' %s 40 50 1 '%s'", TOOL_SYNTH, kind, t_tmp("%s", name));
    if (system(command) != 0) fail_msg("%s", command);
}

static eff_model *model; /* with class names; made before memory ends */

static int make_files(void **state)
{
    (void)state;
    static const char classes[] = "index\tid\tname\n0\tn01\tcat\n1\tn02\tdog\n", list[] = "file\tclass\na.png\tcat\nb.png\tdog\n";
    eff_error err = { 0 };
    eff_model *const m = model = tiny();
    write_safetensors(m, EFF_FAMILY_LUKEMELAS, EFF_F32, t_tmp("lukemelas.safetensors"));
    write_safetensors(m, EFF_FAMILY_TIMM_TF, EFF_BF16, t_tmp("timm.safetensors"));
    write_pytorch(m, t_tmp("zip.pth"), t_tmp("legacy.pth"));
    T_OK(eff_model_save(m, t_tmp("table.json"), &err), err);
    write_file(t_tmp("classes.tsv"), classes, sizeof classes - 1);
    write_file(t_tmp("list.tsv"), list, sizeof list - 1);
    T_OK(eff_model_set_classes(m, t_tmp("classes.tsv"), &err), err);
    T_OK(eff_model_set_origin(m, "formula", "CC0", &err), err);
    T_OK(eff_model_save(m, t_tmp("model.effnet"), &err), err);
    make_picture("png", "a.png");
    make_picture("jpeg", "b.jpg");
    return 0;
}

static int drop_model(void **state)
{
    (void)state;
    eff_model_free(model);
    return 0;
}

/* ------------------------------------------------------------------------------------------------ loading */

typedef struct load_arg {
    const char *spec;
    eff_model_opts o;
} load_arg;

static eff_status load(const void *p, eff_error *err)
{
    const load_arg *const a = p;
    eff_model *m;
    const eff_status s = eff_model_load(&m, a->spec, &a->o, err);
    if (s != EFF_OK) assert_null(m);
    else if (eff_model_get_info(m)->activation_bytes == 0) fail_msg("%s: facts are missing", a->spec);
    eff_model_free(m);
    return s;
}

static void write_bundle(void)
{
    static t_bundle b;
    eff_error err = { 0 };
    eff_model *m;
    T_OK(eff_model_load(&m, TINY, NULL, &err), err);
    T_OK(eff_model_init(m, 1, &err), err);
    t_bundle_begin(&b, 2);
    b.snappy = 1;
    t_bundle_add_model(&b, m, "n", 1, 1);
    t_bundle_sort(&b);
    t_bundle_write(&b, t_tmp("tensorflow"));
    t_bundle_free(&b);
    eff_model_free(m);
}

static void loads(void **state)
{
    (void)state;
    write_bundle();
    const load_arg t[] = {
        { TINY, { 0 } },
        { keep(t_tmp("table.json")), { 0 } },
        { keep(t_tmp("model.effnet")), { .classes = 2, .architecture = TINY } },
        { keep(t_tmp("lukemelas.safetensors")), { 0 } },
        { keep(t_tmp("timm.safetensors")), { .family = "timm_tf", .architecture = "b0@width=0.01,depth=0.01" } },
        { keep(t_tmp("tensorflow.index")), { .channels = 3 } },
        { keep(t_tmp("tensorflow")), { 0 } },
    };
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) at_every_index(t[i].spec, load, &t[i], NULL);
}

/* Not through the worker: a process for every allocation would take minutes, and this is about the reader. */
static eff_status open_here(eff_checkpoint **c, const char *path, eff_error *err)
{
    int fd;
    uint64_t size;
    *c = NULL;
    const eff_status s = eff_file_open(path, &fd, &size, err);
    return s == EFF_OK ? eff_checkpoint_parse_fd(c, fd, size, path, err) : s;
}

static eff_status read_all(const void *path, eff_error *err)
{
    eff_checkpoint *c;
    const bool tiny = strstr(path, "tiny") != NULL; /* the one that goes through it */
    eff_status s = tiny ? eff_checkpoint_open(&c, path, err) : open_here(&c, path, err);
    if (s != EFF_OK) assert_null(c);
    for (size_t i = 0; s == EFF_OK && i < eff_checkpoint_count(c); i++) {
        float x[4096];
        if (c->tensor[i].count <= 4096) s = eff_checkpoint_read(c, i, x, err);
    }
    eff_checkpoint_close(c);
    return s;
}

static void tensors(void **state)
{
    (void)state;
    at_every_index("views.pth", read_all, keep(t_data("checkpoints/views.pth")), NULL);
    at_every_index("pt_good_tiny.pth", read_all, keep(t_data("checkpoints/bad/pt_good_tiny.pth")), NULL);
    at_every_index("zip.pth", read_all, keep(t_tmp("zip.pth")), NULL);
    at_every_index("legacy.pth", read_all, keep(t_tmp("legacy.pth")), NULL);
    at_every_index("timm.safetensors", read_all, keep(t_tmp("timm.safetensors")), NULL);
}

static eff_status search_space(const void *spec, eff_error *err)
{
    eff_space space;
    const eff_status s = eff_space_load(&space, spec, NULL, err);
    if (s != EFF_OK) return s;
    json_t *const j = eff_space_to_json(&space);
    json_decref(j);
    return j ? EFF_OK : eff_fail_memory(err, 1);
}

static void spaces(void **state)
{
    (void)state;
    at_every_index("small", search_space, "small", NULL);
    at_every_index("share/spaces/bench.json", search_space, keep(t_data("../../share/spaces/bench.json")), NULL);
}

/* --------------------------------------------------------------------------------------------- predicting */

/* Keeps the first failure of a file: those come through here, the rest goes on. */
static int take_result(void *ctx, size_t index, const eff_error *failure, const float *logits)
{
    (void)index;
    eff_error *const first = ctx;
    assert_true((failure != NULL) != (logits != NULL));
    if (failure && first->code == EFF_OK) *first = *failure;
    return 0;
}

static eff_status predict(const void *p, eff_error *err)
{
    const char *const paths[] = { t_tmp("a.png"), t_tmp("b.jpg") };
    eff_engine_opts o;
    eff_engine *e = NULL;
    eff_error first = { 0 };
    eff_engine_opts_init(&o);
    o.threads = *(const int *)p;
    eff_status s = eff_engine_create(&e, model, &o, err);
    if (s == EFF_OK) s = eff_engine_run_files(e, paths, 2, NULL, take_result, &first, err);
    eff_engine_free(e);
    if (s == EFF_OK && first.code != EFF_OK) {
        *err = first;
        s = first.code;
    }
    return s;
}

static void predictions(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) at_every_index(threads == 1 ? "predict" : "predict, 3 threads", predict, &threads, NULL);
}

/* --------------------------------------------------------------------------------------------- converting */

typedef struct convert_arg {
    const char *from, *to;
    int exists; /* `to` holds "before" until a conversion succeeds */
} convert_arg;

static eff_status convert(const void *p, eff_error *err)
{
    const convert_arg *const a = p;
    eff_model *m;
    unlink(a->to);
    if (a->exists) write_file(a->to, "before", 6);
    eff_status s = eff_model_load(&m, a->from, NULL, err);
    if (s == EFF_OK) s = eff_model_set_classes(m, t_tmp("classes.tsv"), err);
    if (s == EFF_OK) s = eff_model_set_origin(m, "x", "y", err);
    if (s == EFF_OK) s = eff_model_save(m, a->to, err);
    eff_model_free(m);
    return s;
}

static void check_untouched(const void *p)
{
    const convert_arg *const a = p;
    char text[16] = "";
    FILE *const f = fopen(a->to, "rb");
    if (!a->exists) {
        if (f) fail_msg("%s is there", a->to);
        return;
    }
    assert_non_null(f);
    assert_int_equal(fread(text, 1, sizeof text, f), 6);
    assert_memory_equal(text, "before", 6);
    fclose(f);
}

static void conversions(void **state)
{
    (void)state;
    static const char *const out[] = { "out.effnet", "out.safetensors", "out.json" };
    for (size_t i = 0; i < 3; i++)
        for (int exists = 0; exists < 2; exists++) {
            if (exists && i == 0) continue; /* the same way of saving as the next */
            const convert_arg a = { keep(t_tmp("tensorflow.index")), keep(t_tmp("%s", out[i])), exists };
            eff_error err = { 0 };
            if (exists) write_file(a.to, "before", 6); /* one more to count, if it were made only now */
            at_every_index(out[i], convert, &a, check_untouched);
            eff_model *m;
            T_OK(eff_model_load(&m, a.to, &(eff_model_opts){ 0 }, &err), err);
            eff_model_free(m);
            unlink(a.to);
        }
}

/* -------------------------------------------------------------------------------------------- the rest */

static eff_status scale(const void *arg, eff_error *err)
{
    (void)arg;
    eff_model *scaled;
    eff_compound c = { .alpha = 1.2, .beta = 1.1, .gamma = 1.15, .phi = 1 };
    const eff_status s = eff_model_scale_compound(&scaled, model, &c, err);
    if (s != EFF_OK) assert_null(scaled);
    eff_model_free(scaled);
    return s;
}

static eff_status list(const void *path, eff_error *err)
{
    eff_filelist *l = NULL;
    const eff_status s = path ? eff_filelist_labelled(&l, path, model, err)
                              : eff_filelist_images(&l, (const char *[]){ t_tmp(".") }, 1, err);
    if (s != EFF_OK) assert_null(l);
    eff_filelist_free(l);
    return s;
}

typedef struct picture {
    const char *path, *rule;
} picture;

static eff_status prepare(const void *arg, eff_error *err)
{
    const picture *const a = arg;
    eff_image *im;
    eff_preprocess p = { 0 };
    float x[32 * 32 * 3];
    eff_status s = eff_preprocess_parse(&p, a->rule, err);
    if (s != EFF_OK) return s;
    s = eff_image_load(&im, a->path, err);
    if (s == EFF_OK) s = eff_image_prepare(im, &p, x, err);
    eff_image_free(im);
    return s == EFF_OK ? eff_prepare_file(a->path, &p, x, err) : s; /* row by row too */
}

/* ------------------------------------------------------------------------------------------------ exports */

static eff_status export_onnx(const void *p, eff_error *err)
{
    eff_parity parity;
    eff_export_opts o;
    eff_export_opts_init(&o);
    o.runtime = "none";
    o.threads = 1;
    const eff_status s = eff_export_onnx(p, t_tmp("export.onnx"), &o, &parity, err);
    if (s == EFF_OK) assert_true(parity.passed);
    unlink(t_tmp("export.onnx"));
    return s;
}

static eff_status export_weights(const void *p, eff_error *err)
{
    char loads_as[64];
    const eff_status s = eff_export_weights(p, t_tmp("export.safetensors"), "timm", loads_as, err);
    unlink(t_tmp("export.safetensors"));
    return s;
}

static void exports(void **state)
{
    (void)state;
    static const char text[] = "{\"stem\":{\"channels\":4},\"resolution\":8,\"classes\":2,"
                               "\"stages\":[{\"op\":\"mbconv\",\"channels\":4,\"expand\":1,\"se\":0.25}]}";
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    json_t *const j = json_loads(text, 0, NULL); /* a few nodes: every allocation costs a run */
    T_OK(eff_table_from_json(&t, j, &err), err);
    json_decref(j);
    T_OK(eff_model_new(&m, &t, &err), err);
    T_OK(eff_model_init_weights(m, 3, &err), err);
    at_every_index("export to ONNX", export_onnx, m, NULL);
    at_every_index("export of weights", export_weights, m, NULL);
    eff_model_destroy(m);
}

static eff_status measure(const void *arg, eff_error *err)
{
    (void)arg;
    eff_metrics *m;
    const eff_status s = eff_metrics_create(&m, 5, err);
    if (s != EFF_OK) assert_null(m);
    eff_metrics_free(m);
    return s;
}

static void others(void **state)
{
    (void)state;
    at_every_index("scale", scale, NULL, NULL);
    at_every_index("list", list, keep(t_tmp("list.tsv")), NULL);
    at_every_index("images", list, NULL, NULL);
    at_every_index("metrics", measure, NULL, NULL);
    static const char *const rules[] = {
        "short=36,filter=bicubic,crop=32,mean=127,std=128", "square=0.875,filter=tf1-bilinear,size=32,mean=127,std=128",
        "squash=32,filter=tf2-bicubic-aa,crop=32,mean=127,std=128",
    };
    for (size_t i = 0; i < 3; i++) at_every_index(rules[i], prepare, &(picture){ keep(t_tmp("b.jpg")), rules[i] }, NULL);
    /* seeds of the image fuzzers: progressive, CMYK, interlaced, with alpha, orientation, colour profiles */
    static const char *const files[] = { "jpeg/progressive_icc", "jpeg/cmyk_icc", "jpeg/gray_icc", "jpeg/444_exif", "jpeg/ycck", "png/palette_8",
                                         "png/rgb_alpha_16", "webp/lossy_alpha_icc", "webp/lossless_exif" };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        at_every_index(files[i], prepare, &(picture){ keep(t_data("../../fuzz/corpus/%s", files[i])),
                       "squash=32,filter=bicubic,crop=32,mean=127,std=128,icc=srgb" }, NULL);
#if EFF_TIFF
    at_every_index("a picture by the worker", prepare, &(picture){ keep(t_data("pictures/turned_6.tif")), rules[0] }, NULL);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loads), cmocka_unit_test(tensors), cmocka_unit_test(spaces), cmocka_unit_test(predictions), cmocka_unit_test(conversions),
        cmocka_unit_test(exports), cmocka_unit_test(others),
    };
    json_set_alloc_funcs(eff_malloc, eff_free);
    return cmocka_run_group_tests(tests, make_files, drop_model);
}
