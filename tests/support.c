/* SPDX-License-Identifier: Apache-2.0 */
/* Test support. The weight formula and the synthetic picture are those of the golden data's README. */
#define _GNU_SOURCE
#include "support.h"

#include "base/rng.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* The worker of this build, for programs that do not lie beside it. */
__attribute__((constructor)) static void name_worker(void) { setenv("EFFNET_WORKER", EFF_TEST_WORKER, 0); }

static const char *join(const char *root, const char *fmt, va_list ap)
{
    static char buf[8][1024];
    static int turn;
    char *b = buf[turn++ % 8];
    const int n = snprintf(b, sizeof buf[0], "%s/", root);
    vsnprintf(b + n, sizeof buf[0] - (size_t)n, fmt, ap);
    return b;
}

const char *t_data(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    const char *p = join(EFF_TEST_DATA, fmt, ap);
    va_end(ap);
    return p;
}

static const char *shared_root(void)
{
    const char *e = getenv("EFFNET_SHARED");
    return e && *e ? e : EFF_SOURCE_DIR "/../shared";
}

void t_figure(double value, double bound, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    printf("figure: %s: %.3g (at most %.3g)\n", what, value, bound);
    if (!(value <= bound)) fail_msg("%s: %.9g > %.9g", what, value, bound);
}

int t_brief(void)
{
#if defined(__SANITIZE_THREAD__)
    return 1;
#else
    return getenv("EFFNET_TEST_BRIEF") != NULL;
#endif
}

int t_have_shared(void)
{
    char p[1024];
    snprintf(p, sizeof p, "%s/golden", shared_root());
    if (access(p, R_OK) == 0) return 1;
    printf("SKIPPED: no reference data at %s (set EFFNET_SHARED)\n", shared_root());
    return 0;
}

const char *t_shared(const char *fmt, ...)
{
    if (!t_have_shared()) skip();
    va_list ap;
    va_start(ap, fmt);
    const char *p = join(shared_root(), fmt, ap);
    va_end(ap);
    return p;
}

static char g_tmp[64];

static void remove_tree(const char *dir)
{
    DIR *d = opendir(dir);
    if (!d) return;
    for (struct dirent *e; (e = readdir(d));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..")) continue;
        char p[1024];
        snprintf(p, sizeof p, "%s/%s", dir, e->d_name);
        struct stat st;
        if (lstat(p, &st) == 0 && S_ISDIR(st.st_mode)) remove_tree(p);
        else unlink(p);
    }
    closedir(d);
    rmdir(dir);
}

static void remove_tmp(void) { remove_tree(g_tmp); }

const char *t_tmp(const char *fmt, ...)
{
    if (!*g_tmp) {
        strcpy(g_tmp, "/tmp/effnet-test-XXXXXX");
        if (!mkdtemp(g_tmp)) abort();
        atexit(remove_tmp);
    }
    va_list ap;
    va_start(ap, fmt);
    const char *p = join(g_tmp, fmt, ap);
    va_end(ap);
    return p;
}

t_npy t_npy_load(const char *path)
{
    t_npy a = { .count = 1 };
    FILE *f = fopen(path, "rb");
    if (!f) fail_msg("%s: cannot open", path);
    unsigned char head[10];
    assert_int_equal(fread(head, 1, 10, f), 10);
    assert_memory_equal(head, "\x93NUMPY", 6);
    size_t hl = head[8] | (size_t)head[9] << 8;
    if (head[6] > 1) {
        unsigned char more[2];
        assert_int_equal(fread(more, 1, 2, f), 2);
        hl |= (size_t)more[0] << 16 | (size_t)more[1] << 24;
    }
    char h[4096];
    assert_true(hl < sizeof h);
    assert_int_equal(fread(h, 1, hl, f), hl);
    h[hl] = 0;
    assert_non_null(strstr(h, "'fortran_order': False"));
    const char *d = strstr(h, "'descr': '");
    assert_non_null(d);
    snprintf(a.dtype, sizeof a.dtype, "%.2s", d + 11);
    const char *s = strchr(strstr(h, "'shape'"), '(') + 1;
    while (*s && *s != ')') {
        char *end;
        a.dim[a.ndim] = strtoul(s, &end, 10);
        if (end == s) break;
        a.count *= a.dim[a.ndim++];
        for (s = end; *s == ',' || *s == ' '; s++) {}
    }
    const size_t size = (size_t)(a.dtype[1] - '0') * a.count;
    a.data = malloc(size + 1);
    assert_non_null(a.data);
    if (fread(a.data, 1, size, f) != size) fail_msg("%s: short", path);
    fclose(f);
    return a;
}

void t_npy_free(t_npy *a) { free(a->data); }

double t_npy_at(const t_npy *a, size_t i)
{
    if (!strcmp(a->dtype, "f4")) return ((const float *)a->data)[i];
    if (!strcmp(a->dtype, "f8")) return ((const double *)a->data)[i];
    if (!strcmp(a->dtype, "u1")) return ((const uint8_t *)a->data)[i];
    if (!strcmp(a->dtype, "i1")) return ((const int8_t *)a->data)[i];
    if (!strcmp(a->dtype, "i4")) return ((const int32_t *)a->data)[i];
    fail_msg("npy dtype %s", a->dtype);
    return 0;
}

uint8_t *t_synth_u8(int h, int w, int salt)
{
    uint8_t *out = malloc((size_t)h * (size_t)w * 3);
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++)
            for (int c = 0; c < 3; c++) {
                const int a = (3 * x + 2 * y + 70 * c + 37 * salt) % 512;
                const int b = (((x * y) / 16 + 5 * y * (c + 1) - 3 * x + 101 * salt) % 512 + 512) % 512;
                const int t = (abs(a - 256) + abs(b - 256)) / 2;
                out[((size_t)y * (size_t)w + (size_t)x) * 3 + (size_t)c] = (uint8_t)(t < 255 ? t : 255);
            }
    return out;
}

float *t_input(const uint8_t *u8, int h, int w, int lite)
{
    static const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
    const size_t n = (size_t)h * (size_t)w * 3;
    float *x = malloc(n * sizeof *x);
    for (size_t i = 0; i < n; i++)
        x[i] = lite ? ((float)u8[i] - 127.0f) / 128.0f : ((float)u8[i] / 255.0f - mean[i % 3]) / std[i % 3];
    return x;
}

void t_golden_name(const eff_graph *g, int param, char out[64])
{
    static const char *const tail[][2] = {
        { ".bn.weight", ".bn.gamma" },       { ".bn.bias", ".bn.beta" },     { ".bn.running_mean", ".bn.mean" },
        { ".bn.running_var", ".bn.var" },    { ".conv.weight", ".conv.w" },  { ".reduce.weight", ".reduce.w" },
        { ".reduce.bias", ".reduce.b" },     { ".expand.weight", ".expand.w" }, { ".expand.bias", ".expand.b" },
        { ".fc.weight", ".fc.w" },           { ".fc.bias", ".fc.b" },
    };
    const char *n = g->param[param].name;
    char body[64];
    if (!strncmp(n, "blocks.", 7)) {
        const char *rest = strchr(strchr(n + 7, '.') + 1, '.'); /* after blocks.S.J */
        snprintf(body, sizeof body, "b%02d%s", g->node[g->param[param].node].index, rest);
    } else if (!strncmp(n, "head.fc", 7)) snprintf(body, sizeof body, "%s", n + 5);
    else snprintf(body, sizeof body, "%s", n);
    for (size_t i = 0; i < sizeof tail / sizeof tail[0]; i++) {
        const size_t lt = strlen(tail[i][0]), lb = strlen(body);
        if (!strcmp(n, "head.fc.weight") || !strcmp(n, "head.fc.bias")) {
            snprintf(out, 64, "fc.%c", n[8]);
            return;
        }
        if (lb > lt && !strcmp(body + lb - lt, tail[i][0])) {
            snprintf(out, 64, "%.*s%s", (int)(lb - lt), body, tail[i][1]);
            return;
        }
    }
    fail_msg("no golden name for %s", n);
}

eff_table t_golden_table(const char *name)
{
    eff_table t;
    eff_error err = { 0 };
    if (!strcmp(name, "small")) name = "efficientnet-b0@width=0.35,depth=0.5,classes=10,resolution=32";
    T_OK(eff_table_builtin(&t, name, &err), err);
    return t;
}

static uint32_t mix(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7FEB352Du;
    x ^= x >> 15;
    x *= 0x846CA68Bu;
    return x ^ x >> 16;
}

/* One line of a manifest, expanded to floats. */
static void formula(float *v, size_t n, uint32_t seed, uint32_t t, char kind, int e, const int8_t *q)
{
    static const float W[] = { -3, -2, -1, 0, 0, 1, 2, 3 }, G[] = { .625f, .75f, .875f, 1, 1.125f, 1.25f, 1.5f, -.75f },
                       B[] = { -.5f, -.375f, -.125f, 0, .125f, .25f, .375f, .625f },
                       V[] = { .25f, .5f, .625f, .75f, 1, 1.25f, 1.5f, 2 }, R[] = { -.75f, -.5f, -.25f, 0, .25f, .5f, .75f, 1 };
    const float scale = e >= 0 ? (float)(1u << e) : 1.0f / (float)(1u << -e);
    const float *table = kind == 'W' ? W : kind == 'G' ? G : kind == 'B' ? B : kind == 'V' ? V : R;
    const uint32_t base = mix(seed * 0x9E3779B1u + (t + 1) * 0x85EBCA77u);
    for (size_t i = 0; i < n; i++)
        v[i] = (kind == 'Q' ? (float)q[i] : table[mix(base + (uint32_t)i * 0x9E3779B9u) >> 29]) * scale;
}

eff_model *t_formula_model(const char *name, const eff_table *t)
{
    eff_error err = { 0 };
    eff_model *m;
    T_OK(eff_model_new(&m, t, &err), err);
    T_OK(eff_model_alloc_weights(m, &err), err);
    t_npy q = t_npy_load(t_data("golden/weights/%s.q.npy", name));
    FILE *f = fopen(t_data("golden/weights/%s.tsv", name), "r");
    if (!f) fail_msg("no manifest of %s", name);
    char line[256], pname[64], shape[64], want[64];
    unsigned seed = 0, index, crc;
    char kind;
    int e, seen = 0;
    size_t qpos = 0;
    while (fgets(line, sizeof line, f)) {
        if (sscanf(line, "# seed=%u", &seed) == 1 || line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%u\t%63[^\t]\t%63[^\t]\t%c\t%d\t%x", &index, pname, shape, &kind, &e, &crc), 6);
        int p = 0;
        for (; p < m->graph->nparams; p++) {
            t_golden_name(m->graph, p, want);
            if (!strcmp(want, pname)) break;
        }
        if (p == m->graph->nparams) fail_msg("%s: no parameter %s", name, pname);
        const size_t n = m->graph->param[p].count;
        formula(m->weights[p], n, seed, index, kind, e, (const int8_t *)q.data + qpos);
        if (kind == 'Q') qpos += n;
        assert_int_equal(crc32(0, (const unsigned char *)m->weights[p], (unsigned)(n * 4)), crc);
        seen++;
    }
    fclose(f);
    assert_int_equal(seen, m->graph->nparams);
    t_npy_free(&q);
    return m;
}

float *t_uniform(size_t n, float lo, float hi, uint64_t seed)
{
    float *v = malloc((n + 16) * sizeof *v);
    for (size_t i = 0; i < n; i++) v[i] = lo + (hi - lo) * (float)eff_rng_uniform(seed, 77, i);
    return v;
}

enum { ZONE = 67 }; /* odd, so that the guarded part starts off any vector boundary */
static const uint32_t zone_bits = 0x7fc12345u;

float *t_guarded(size_t n)
{
    uint32_t *b = malloc((n + 2 * ZONE) * sizeof *b);
    for (size_t i = 0; i < n + 2 * ZONE; i++) b[i] = zone_bits;
    return (float *)(void *)(b + ZONE);
}

void t_guard_check(const float *p, size_t n)
{
    const uint32_t *b = (const uint32_t *)(const void *)p - ZONE;
    for (size_t i = 0; i < ZONE; i++)
        if (b[i] != zone_bits || b[n + ZONE + i] != zone_bits) fail_msg("red zone touched, %zu %s", i, b[i] != zone_bits ? "before" : "after");
}

void t_guard_free(float *p)
{
    if (p) free((uint32_t *)(void *)p - ZONE);
}
