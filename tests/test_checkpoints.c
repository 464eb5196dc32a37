/* SPDX-License-Identifier: Apache-2.0 */
/* Files that must be refused: the golden bad ones with the line each must give, files of other kinds, and seeded damage to
 * good files, which may be read or refused but must do neither wrongly (the sanitizers watch). */
#define _GNU_SOURCE
#include "checkpoints.h"

#include "base/rng.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* tests/data/checkpoints/bad.tsv: file, when it fails (open, read; good: not at all), what the message says (good:
 * tensors). */
static void bad_files(void **state)
{
    (void)state;
    char line[512], file[128], when[16], says[256];
    FILE *const f = fopen(t_data("checkpoints/bad.tsv"), "r");
    assert_non_null(f);
    assert_int_equal(chdir(t_tmp(".")), 0); /* where pt_malicious_* would leave their file */
    int files = 0, wrong = 0;
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#') continue;
        assert_int_equal(sscanf(line, "%127[^\t]\t%15[^\t]\t%255[^\n]", file, when, says), 3);
        eff_error err = { 0 };
        eff_checkpoint *c;
        eff_status s = eff_checkpoint_open(&c, t_data("checkpoints/bad/%s", file), &err);
        const bool opened = s == EFF_OK;
        if (opened) s = t_read_all(c, &err);
        char got[512];
        snprintf(got, sizeof got, "%s\t%s", !opened ? "open" : s != EFF_OK ? "read" : "good", err.msg);
        if (s == EFF_OK) snprintf(got, sizeof got, "good\t%zu", c->count);
        const bool code = s == EFF_OK || s == EFF_EFORMAT || s == EFF_EUNSUPPORTED;
        if (!code || strncmp(got, when, strlen(when)) || !strstr(got, says)) {
            print_error("%s: expected %s \"%s\", found %d %s\n", file, when, says, s, got);
            wrong++;
        }
        eff_checkpoint_close(c);
        files++;
    }
    fclose(f);
    assert_int_equal(files, 38);
    t_figure(wrong, 0, "bad checkpoints that are not refused as they should be, %d files", files);
    t_figure(access("pwned", F_OK) == 0, 0, "hostile pickles that did something");
}

static void other_kinds(void **state)
{
    (void)state;
    static char tar[600], onnx[64] = "\x08\x08\x12\x07pytorch\x1a\x05", index[64], zeros[64];
    memcpy(tar, "sys_info", 8);
    memcpy(tar + 257, "ustar", 5);
    memcpy(index + 56, "\x57\xfb\x80\x8b\x24\x75\x47\xdb", 8);
#define B(literal) literal, sizeof literal - 1
    static const struct { const char *bytes; size_t n; eff_status code; const char *says; } t[] = {
        { B(""), EFF_EFORMAT, "the file is empty" },
        { B("x"), EFF_EFORMAT, "the file has 1 bytes, too few" },
        { B("\x89HDF\r\n\x1a\n01234567"), EFF_EUNSUPPORTED, "an HDF5 file (Keras weights) is not read yet" },
        { B("\x89PNG\r\n\x1a\n01234567"), EFF_EFORMAT, "found a PNG image" },
        { B("\xff\xd8\xff\xe0 0123456789"), EFF_EFORMAT, "found a JPEG image" },
        { B("RIFF0000WEBPVP8 "), EFF_EFORMAT, "found a WebP image" },
        { B("\x1f\x8b\x08\0\0\0\0\0\0\0\0"), EFF_EFORMAT, "found a gzip archive" },
        { B("\x93NUMPY\1\0v\0{'descr'"), EFF_EUNSUPPORTED, "a NumPy array is not read yet" },
        { B("version https://git-lfs.github.com/spec/v1\n"), EFF_EFORMAT, "found a Git LFS pointer" },
        { B("<!DOCTYPE html><html>"), EFF_EFORMAT, "found a web page" },
        { B("1234567 {\"a\": 1}"), EFF_EFORMAT, "found text" },
        { tar, sizeof tar, EFF_EUNSUPPORTED, "a tar archive (a checkpoint of PyTorch 0.1?)" },
        { onnx, sizeof onnx, EFF_EFORMAT, "ONNX: the file is damaged: its fields do not fit" },
        { index, sizeof index, EFF_EFORMAT, "the index of a TensorFlow checkpoint: expected it under its name" },
        { zeros, sizeof zeros, EFF_EFORMAT, "found bytes of no known format (00 00 00 00)" },
        { B("PK\3\4aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), EFF_EFORMAT, "zip archive damaged or cut short" },
        { B("PK\5\6\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"), EFF_EFORMAT, "a zip archive without data.pkl" },
        { B("\x80\x02K\1."), EFF_EFORMAT, "a Python pickle, but not one that PyTorch wrote" },
    };
#undef B
    eff_checkpoint *c;
    for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
        eff_error err = { 0 };
        const eff_status s = t_open_bytes(&c, t[i].bytes, t[i].n, &err);
        if (s != t[i].code || !strstr(err.msg, t[i].says))
            fail_msg("%zu: %d \"%s\", expected \"%s\"", i, s, err.msg, t[i].says);
        assert_int_equal(err.code, s);
        assert_null(c);
    }
    eff_error err = { 0 };
    assert_int_equal(eff_checkpoint_open(&c, t_tmp("missing.pth"), &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "no such file"));
    assert_int_equal(eff_checkpoint_open(&c, t_tmp("."), &err), EFF_EFORMAT);
    assert_non_null(strstr(err.msg, "a directory"));
    assert_int_equal(mkfifo(t_tmp("fifo.pth"), 0600), 0);
    assert_int_equal(eff_checkpoint_open(&c, t_tmp("fifo.pth"), &err), EFF_EFORMAT);
    assert_int_equal(eff_checkpoint_open(&c, "/dev/zero", NULL), EFF_EFORMAT);
    eff_checkpoint_close(NULL);
}

/* Damage: some bytes changed, or the end cut off, or a piece doubled. Tensors are read only when they are small, as a
 * caller who knows its model would. */
static void damage(void **state)
{
    (void)state;
    static const char *const files[] = { "views.pth",
                                         "bad/pt_good_tiny.pth",
                                         "bad/pt_deflated.pth",
                                         "bad/pt_legacy_truncated.pth",
                                         "bad/st_missing_tensors.safetensors",
                                         "bad/pt_malicious_legacy.pth" };
    int outcomes[2] = { 0 };
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t size;
        unsigned char *const good = t_file(t_data("checkpoints/%s", files[f]), &size);
        unsigned char *const b = malloc(size);
        for (uint64_t seed = 0; seed < 300; seed++) {
            uint64_t k = 0;
#define PICK(n) ((size_t)(eff_rng_uniform(seed, f, k++) * (double)(n)))
            size_t n = size;
            memcpy(b, good, size);
            for (size_t flips = 1 + PICK(4); flips > 0; flips--) {
                /* half of the damage in the first or last fifth, where the structure is */
                const size_t zone = size / 5, at = PICK(2) ? PICK(size) : PICK(2) ? PICK(zone) : size - 1 - PICK(zone);
                b[at] = PICK(2) ? (unsigned char)(b[at] ^ 1 << PICK(8)) : (unsigned char)PICK(256);
            }
            if (PICK(4) == 0) n = PICK(size);
            if (PICK(4) == 0) {
                const size_t from = PICK(size / 2), to = PICK(size / 2);
                memmove(b + to, b + from, PICK(size / 2));
            }
#undef PICK
            eff_checkpoint *c;
            eff_error err = { 0 };
            const eff_status s = t_open_bytes(&c, b, n, &err);
            outcomes[s == EFF_OK]++;
            if (s != EFF_OK) {
                assert_true(s == EFF_EFORMAT || s == EFF_EUNSUPPORTED);
                assert_true(err.msg[0] && err.code == s);
                assert_null(c);
                continue;
            }
            for (size_t i = 0; i < c->count; i++) {
                float x[2048];
                if (c->tensor[i].count > sizeof x / sizeof *x) continue;
                const eff_status r = eff_checkpoint_read(c, i, x, &err);
                assert_true(r == EFF_OK || r == EFF_EFORMAT);
            }
            eff_checkpoint_close(c);
        }
        free(b);
        free(good);
    }
    print_message("%d refused at once, %d opened\n", outcomes[0], outcomes[1]);
    assert_true(outcomes[0] > 100 && outcomes[1] > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files),
        cmocka_unit_test(other_kinds),
        cmocka_unit_test(damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
