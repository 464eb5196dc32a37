/* SPDX-License-Identifier: Apache-2.0 */
/* What tests share: data folders, .npy, formula weights, guarded buffers, close comparison. Failures end the test program
 * through cmocka's fail(); t_shared() skips it when the shared data is not there. */
#ifndef EFF_TESTS_SUPPORT_H
#define EFF_TESTS_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <effnet/effnet.h>

#include "model/model.h"

/** Path of a committed test file, tests/data/NAME. One of eight static buffers. */
const char *t_data(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/** Path of a file of the shared reference data ($EFFNET_SHARED, default ../shared beside the source tree).
 * Calls cmocka's skip() when the folder is absent; a missing file within it fails the test. */
const char *t_shared(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int t_have_shared(void);

/** Folder for files a test writes (removed at exit). */
const char *t_tmp(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

typedef struct t_npy {
    char dtype[4];   /* "f4", "f8", "u1", "i1", "i4" */
    int ndim;
    size_t dim[8], count;
    void *data;      /* C order */
} t_npy;
t_npy t_npy_load(const char *path);
void t_npy_free(t_npy *a);
double t_npy_at(const t_npy *a, size_t i);

/** Smooth picture made from integers only (golden README): uint8 [h][w][3], malloc'ed. */
uint8_t *t_synth_u8(int h, int w, int salt);
/** To the network's input, NHWC: imagenet mean/std, or (p-127)/128 for Lite. malloc'ed float [h][w][3]. */
float *t_input(const uint8_t *u8, int h, int w, int lite);

/** The formula weights of golden model `name` ("b0", "small", "lite3"), CRC-checked, put into a model of table `t`. */
eff_model *t_formula_model(const char *name, const eff_table *t);
/** Neutral parameter name of reference §8.1 as golden's manifests spell it ("b03.expand.bn.mean"). */
void t_golden_name(const eff_graph *g, int param, char out[64]);
/** Table for golden model `name`: B0..B7, Lite0..4 or small, with SAME padding and eps 1e-3. */
eff_table t_golden_table(const char *name);

float *t_uniform(size_t n, float lo, float hi, uint64_t seed); /* malloc'ed */
/** n floats between red zones, starting deliberately unaligned to a vector; t_guard_check() fails if a zone was touched. */
float *t_guarded(size_t n);
void t_guard_check(const float *p, size_t n);
void t_guard_free(float *p);

/** A figure of the evidence (tools/verify.py gathers them): prints what it is, value and bound, and fails where value >
 * bound or is NaN. */
void t_figure(double value, double bound, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/** An emulator ($EFFNET_TEST_BRIEF) or ThreadSanitizer runs this, both some twenty times slower: sweeps leave out what
 * is more of the same. */
int t_brief(void);

/* Under a sanitizer time and memory say nothing. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define T_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define T_SANITIZED 1
#endif
#endif
#ifndef T_SANITIZED
#define T_SANITIZED 0
#endif

#define T_OK(call, err) \
    do { \
        if ((call) != EFF_OK) fail_msg("%s: %s", #call, (err).msg); \
    } while (0)

#endif
