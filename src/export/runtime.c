/* SPDX-License-Identifier: Apache-2.0 */
/* ONNX Runtime by its C interface: one exported function that hands out a table of functions, whose order its authors
 * promise never to change (new ones are added behind). We take the dozen we need by their place in it, so that neither
 * its header nor its library is needed to build. */
#include "export/runtime.h"

#include "base/mem.h"
#include "formats/onnx.h"

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* clang-format off */
enum { /* places in the table of version 1 of the interface */
    GET_ERROR_MESSAGE = 2, CREATE_ENV = 3, CREATE_SESSION = 7, RUN = 9, CREATE_SESSION_OPTIONS = 10, SET_THREADS = 24,
    CREATE_TENSOR = 49, GET_TENSOR_DATA = 51, GET_ELEMENT_COUNT = 64, GET_TYPE_AND_SHAPE = 65, CREATE_CPU_MEMORY_INFO = 69,
    RELEASE_ENV = 92, RELEASE_STATUS = 93, RELEASE_MEMORY_INFO = 94, RELEASE_SESSION = 95, RELEASE_VALUE = 96,
    RELEASE_SHAPE = 99, RELEASE_SESSION_OPTIONS = 100
};
/* clang-format on */
enum { INTERFACE = 1, LOG_ERRORS = 3, ARENA_ALLOCATOR = 1, DEFAULT_MEMORY = 0 };

typedef void (*any_fn)(void);
typedef struct base_table {
    const any_fn *(*get)(uint32_t version);
    const char *(*version)(void);
} base_table;

/* Objects of the runtime are pointers to us; a function returns NULL or a status object. */
typedef const char *message_fn(const void *status);
typedef void release_fn(void *object);
typedef void *create_env_fn(int severity, const char *name, void **env);
typedef void *create_options_fn(void **options);
typedef void *set_threads_fn(void *options, int threads);
typedef void *create_session_fn(const void *env, const char *path, const void *options, void **session);
typedef void *create_memory_fn(int allocator, int kind, void **memory);
typedef void *create_tensor_fn(const void *memory, void *data, size_t bytes, const int64_t *shape, size_t ndim,
                               int type, void **value);
typedef void *run_fn(void *session, const void *options, const char *const *names, const void *const *inputs,
                     size_t ninputs, const char *const *output_names, size_t noutputs, void **outputs);
typedef void *data_fn(void *value, void **data);
typedef void *shape_fn(const void *value, void **shape);
typedef void *count_fn(const void *shape, size_t *count);

struct eff_runtime {
    void *library;
    const any_fn *table;
    char version[32];
    void *env, *options, *session, *memory;
};

#define CALL(r, place, type) ((type *)(r)->table[place])

static void release(const eff_runtime *r, int place, void *object)
{
    if (object) CALL(r, place, release_fn)(object);
}

/* EFF_OK for no status; else its words, on one line. */
static eff_status judge(const eff_runtime *r, void *status, const char *doing, eff_error *err)
{
    if (!status) return EFF_OK;
    char words[160];
    snprintf(words, sizeof words, "%s", CALL(r, GET_ERROR_MESSAGE, message_fn)(status));
    words[strcspn(words, "\r\n")] = '\0';
    release(r, RELEASE_STATUS, status);
    return eff_fail(err, EFF_EFORMAT, "ONNX Runtime %s, %s: %s", r->version, doing, words);
}

eff_status eff_runtime_load(eff_runtime **out, const char *path, eff_error *err)
{
    static const char *const usual[] = { "libonnxruntime.so.1", "libonnxruntime.so" };
    eff_status s = EFF_OK;
    *out = NULL;
    eff_runtime *r = eff_calloc(1, sizeof *r);
    if (!r) return eff_fail_memory(err, sizeof *r);
    if (path) r->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    for (size_t i = 0; !path && !r->library && i < sizeof usual / sizeof *usual; i++)
        r->library = dlopen(usual[i], RTLD_NOW | RTLD_LOCAL);
    if (!r->library) {
        const char *const why = dlerror();
        if (path)
            s = eff_fail(err, EFF_EFORMAT, "expected ONNX Runtime's shared library: %.160s", why ? why : "not loaded");
        goto fail;
    }
    void *const symbol = dlsym(r->library, "OrtGetApiBase");
    const base_table *(*base)(void);
    memcpy(&base, &symbol, sizeof base); /* ISO C has no cast from an object's address to a function's */
    const base_table *const b = symbol ? base() : NULL;
    if (b) r->table = b->get(INTERFACE);
    if (!r->table) {
        s = eff_fail(err, EFF_EFORMAT, "expected ONNX Runtime's shared library: this one %s",
                     b ? "has not its first interface" : "has no OrtGetApiBase");
        goto fail;
    }
    snprintf(r->version, sizeof r->version, "%s", b->version());
    s = judge(r, CALL(r, CREATE_ENV, create_env_fn)(LOG_ERRORS, "effnet", &r->env), "starting", err);
    if (s == EFF_OK)
        s = judge(r, CALL(r, CREATE_CPU_MEMORY_INFO, create_memory_fn)(ARENA_ALLOCATOR, DEFAULT_MEMORY, &r->memory),
                  "starting", err);
    if (s != EFF_OK) goto fail;
    *out = r;
    return EFF_OK;
fail:
    eff_runtime_free(r);
    return s;
}

eff_status eff_runtime_open(eff_runtime *r, const char *path, int threads, eff_error *err)
{
    eff_status s = judge(r, CALL(r, CREATE_SESSION_OPTIONS, create_options_fn)(&r->options), "starting", err);
    if (s == EFF_OK) s = judge(r, CALL(r, SET_THREADS, set_threads_fn)(r->options, threads), "starting", err);
    if (s == EFF_OK)
        s = judge(r, CALL(r, CREATE_SESSION, create_session_fn)(r->env, path, r->options, &r->session),
                  "reading the file", err);
    return s;
}

/* The output's values, as many as expected. */
static eff_status take_output(const eff_runtime *r, void *value, float *out, size_t n, eff_error *err)
{
    void *shape = NULL, *data = NULL;
    size_t count = 0;
    eff_status s = judge(r, CALL(r, GET_TYPE_AND_SHAPE, shape_fn)(value, &shape), "looking at the output", err);
    if (s == EFF_OK) s = judge(r, CALL(r, GET_ELEMENT_COUNT, count_fn)(shape, &count), "looking at the output", err);
    if (s == EFF_OK && count != n)
        s = eff_fail(err, EFF_EFORMAT, "ONNX Runtime: expected %zu values, found %zu", n, count);
    if (s == EFF_OK) s = judge(r, CALL(r, GET_TENSOR_DATA, data_fn)(value, &data), "looking at the output", err);
    if (s == EFF_OK) memcpy(out, data, n * sizeof *out);
    release(r, RELEASE_SHAPE, shape);
    return s;
}

eff_status eff_runtime_run(eff_runtime *r, const eff_onnx *g, const void *x, int batch, float *out, int classes,
                           eff_error *err)
{
    const eff_onnx_shape *in = &g->input_shape;
    int64_t shape[EFF_ONNX_DIMS];
    size_t bytes = in->type == EFF_ONNX_FLOAT ? sizeof(float) : 1;
    void *input = NULL, *output = NULL;
    for (int i = 0; i < in->ndim; i++) {
        shape[i] = in->dim[i] < 0 ? batch : in->dim[i];
        bytes *= (size_t)shape[i];
    }
    char *const names[2] = { eff_strndup((const char *)g->input_name.p, g->input_name.n),
                             eff_strndup((const char *)g->output_name.p, g->output_name.n) };
    eff_status s = names[0] && names[1] ? EFF_OK : eff_fail_memory(err, g->input_name.n);
    if (s == EFF_OK) /* the runtime reads the input only: its interface lacks the const */
        s = judge(r,
                  CALL(r, CREATE_TENSOR, create_tensor_fn)(r->memory, (void *)(uintptr_t)x, bytes, shape,
                                                           (size_t)in->ndim, in->type, &input),
                  "taking the input", err);
    if (s == EFF_OK)
        s = judge(r,
                  CALL(r, RUN, run_fn)(r->session, NULL, (const char *const *)&names[0], (const void *const *)&input, 1,
                                       (const char *const *)&names[1], 1, &output),
                  "running", err);
    if (s == EFF_OK) s = take_output(r, output, out, (size_t)batch * (size_t)classes, err);
    release(r, RELEASE_VALUE, output);
    release(r, RELEASE_VALUE, input);
    eff_free(names[0]);
    eff_free(names[1]);
    return s;
}

const char *eff_runtime_version(const eff_runtime *r) { return r->version; }

/* The library stays loaded: its threads may outlive the session. */
void eff_runtime_free(eff_runtime *r)
{
    if (!r) return;
    release(r, RELEASE_SESSION, r->session);
    release(r, RELEASE_SESSION_OPTIONS, r->options);
    release(r, RELEASE_MEMORY_INFO, r->memory);
    release(r, RELEASE_ENV, r->env);
    eff_free(r);
}
