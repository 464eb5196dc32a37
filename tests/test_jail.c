/* SPDX-License-Identifier: Apache-2.0 */
/* The jail: a worker that has been taken over (hostile_worker.c) does nothing but die with a reason, and a sound one
 * costs little and needs the jail. */
#define _GNU_SOURCE
#include "checkpoints.h"

#include "image/image.h"
#include "jail/jail.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FORBIDDEN "stopped when it made a system call that reading a file does not take"
#define UNSOUND   "the import worker sent no sound stream: "

static const struct {
    const char *word, *says;
} hostile[] = {
    { "open", FORBIDDEN },
    { "read", FORBIDDEN },
    { "socket", FORBIDDEN },
    { "fork", FORBIDDEN },
    { "exec", FORBIDDEN },
    { "remove", FORBIDDEN },
    { "kill", FORBIDDEN },
    { "thread", FORBIDDEN },
    { "tgkill", FORBIDDEN },
    { "ptrace", FORBIDDEN },
    { "wx", FORBIDDEN },
    { "makex", FORBIDDEN },
    { "sleep", FORBIDDEN },
    { "pause", FORBIDDEN },
#if defined(__x86_64__)
    { "x32", FORBIDDEN },
#endif
    { "crash", "died of signal 11" },
    { "abort", "died of signal 6" },
    { "loop", "stopped after more CPU time" },
    { "flood", "stopped when it wrote more" },
    { "memory", "takes more than the 1024 MB of memory" },
    { "leave", "ended with status 7 and did not say why" },
    { "lie", "?[31mred?and a second line" },
    { "early", UNSOUND "the file has 0 bytes" },
    { "noise", UNSOUND "header: " },
    { "outside", UNSOUND "tensor a: data_offsets end at 4000000, the file holds 16" },
    { "nowords", UNSOUND "metadata without effnet-import" },
    { "words", UNSOUND "std: expected numbers above zero" },
    { "size", UNSOUND "size: expected height and width, 1 to 16384" },
    { "nograph", UNSOUND "graph: expected the graph of an ONNX file" },
    { "model", UNSOUND "metadata without effnet-import" },
};
enum { NHOSTILE = sizeof hostile / sizeof *hostile };

/* The same for a picture, where something else than tensors is expected. */
static const struct {
    const char *word, *says;
} hostile_pictures[] = {
    { "open", FORBIDDEN },
    { "socket", FORBIDDEN },
    { "fork", FORBIDDEN },
    { "crash", "died of signal 11" },
    { "flood", "stopped when it wrote more" },
    { "memory", "takes more than the 1280 MB of memory" },
    { "lie", "?[31mred?and a second line" },
    { "early", "sent no sound picture: nothing" },
    { "noise", "sent no sound picture: too few bytes for a head" },
    { "outside", "sent no sound picture: another beginning" },
    { "huge", "at most 65500 pixels a side" },
    { "short", "sent no sound picture: another number of bytes" },
    { "turned", "sent no sound picture: an orientation" },
};

static const char *order(const char *word)
{
    const char *const path = t_tmp("%s.pth", word);
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    fprintf(f, "\x80\x02%s\n", word);
    fclose(f);
    return path;
}

static int open_descriptors(void)
{
    int n = 0;
    DIR *const d = opendir("/proc/self/fd");
    while (d && readdir(d)) n++;
    closedir(d);
    return n;
}

/* Instrumented, a worker has no limit on its memory, and a crash wants to be described, which takes a forbidden call.
 */
static bool differs(const char *word)
{
    return T_SANITIZED && (!strcmp(word, "memory") || !strcmp(word, "crash") || !strcmp(word, "abort"));
}

static void hostile_workers(void **state)
{
    (void)state;
    assert_int_equal(chdir(t_tmp(".")), 0);
    FILE *const victim = fopen("victim", "w");
    assert_non_null(victim);
    fclose(victim);
    assert_int_equal(setenv("EFFNET_WORKER", HOSTILE_WORKER, 1), 0);
    const int before = open_descriptors();
    int wrong = 0;
    for (size_t i = 0; i < NHOSTILE; i++) {
        eff_error err = { 0 };
        eff_checkpoint *c;
        if (T_SANITIZED && !strcmp(hostile[i].word, "memory")) continue;
        const eff_status s = eff_checkpoint_open(&c, order(hostile[i].word), &err);
        const char *const says = differs(hostile[i].word) ? "the import worker" : hostile[i].says;
        if (s != EFF_EFORMAT || !strstr(err.msg, says) || strchr(err.msg, '\n') || c) {
            print_error("%s: expected \"%s\", found %d \"%s\"\n", hostile[i].word, says, s, err.msg);
            wrong++;
        }
    }
    for (size_t i = 0; i < sizeof hostile_pictures / sizeof *hostile_pictures; i++) {
        char file[64];
        eff_error err = { 0 };
        eff_image *im;
        const char *const word = hostile_pictures[i].word;
        if (T_SANITIZED && !strcmp(word, "memory")) continue;
        const int n = snprintf(file, sizeof file, "II*%c%s\n", 0, word);
        const eff_status s = eff_image_decode_bytes(&im, (const uint8_t *)file, (size_t)n, &err);
        const char *const says = differs(word) ? "the import worker" : hostile_pictures[i].says;
        if (s != EFF_EFORMAT || !strstr(err.msg, says) || strchr(err.msg, '\n') || im) {
            print_error("picture %s: expected \"%s\", found %d \"%s\"\n", word, says, s, err.msg);
            wrong++;
        }
    }
    t_figure(wrong, 0, "hostile workers that are not stopped and named, %zu acts",
             NHOSTILE + sizeof hostile_pictures / sizeof *hostile_pictures);
    assert_int_equal(open_descriptors(), before); /* and with them the memory that a worker filled */
    assert_int_equal(access("pwned", F_OK), -1);
    assert_int_equal(access("victim", F_OK), 0);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no children are left */
    assert_int_equal(errno, ECHILD);
    struct rusage r;
    getrusage(RUSAGE_SELF, &r);
    print_message("peak of the parent: %ld kB\n", r.ru_maxrss);
    if (!T_SANITIZED) assert_true(r.ru_maxrss < 64 << 10);
    setenv("EFFNET_WORKER", EFF_TEST_WORKER, 1);
}

/* The same through the program: exit 3 and one line. */
static void exit_status(void **state)
{
    (void)state;
    for (size_t i = 0; i < NHOSTILE; i++) {
        char command[1200], line[512], more[8];
        if (!strcmp(hostile[i].word, "loop") || differs(hostile[i].word)) continue; /* a second is enough */
        snprintf(command, sizeof command, "EFFNET_WORKER='%s' '%s' info '%s' 2>&1", HOSTILE_WORKER, PROGRAM,
                 order(hostile[i].word));
        FILE *const f = popen(command, "r");
        assert_non_null(f);
        if (!fgets(line, sizeof line, f)) line[0] = '\0';
        const bool one_line = !fgets(more, sizeof more, f);
        const int status = pclose(f);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 3 || !one_line || strncmp(line, "effnet: ", 8))
            fail_msg("%s: status %x, \"%s\"", hostile[i].word, status, line);
    }
}

/* The jail is not a wish: without a filter nothing is read, unless the user says so. */
static void no_filter(void **state)
{
    (void)state;
    const pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct sock_filter code[] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        };
        const struct sock_fprog program = { sizeof code / sizeof *code, code };
        eff_error err = { 0 };
        eff_checkpoint *c;
        if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program))
            _exit(2);
        if (eff_checkpoint_open(&c, t_data("checkpoints/views.pth"), &err) != EFF_EIO ||
            !strstr(err.msg, "--no-jail")) {
            print_error("%s\n", err.msg);
            _exit(3);
        }
        eff_jail_set(false);
        if (eff_checkpoint_open(&c, t_data("checkpoints/views.pth"), &err) != EFF_OK) {
            print_error("%s\n", err.msg);
            _exit(4);
        }
        eff_checkpoint_close(c);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* A worker that is not there is said to be missing, by its name. */
static void no_worker(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_checkpoint *c;
    setenv("EFFNET_WORKER", "/nowhere/effnet-worker", 1);
    assert_int_equal(eff_checkpoint_open(&c, t_data("checkpoints/views.pth"), &err), EFF_EIO);
    assert_non_null(strstr(err.msg, "/nowhere/effnet-worker cannot be started: No such file"));
    T_OK(eff_checkpoint_open(&c, t_data("checkpoints/small_timm_tf.safetensors"), &err), err); /* needs none */
    eff_checkpoint_close(c);
    setenv("EFFNET_WORKER", EFF_TEST_WORKER, 1);
}

/* What comes through the worker is what the parser reads in this process. */
static void same_tensors(void **state)
{
    (void)state;
    static const char *const files[] = { "views.pth", "small_timm_legacy.pth", "bad/pt_good_tiny.pth",
                                         "bad/pt_deflated.pth" };
    for (size_t k = 0; k < sizeof files / sizeof *files; k++) {
        size_t n;
        eff_error err = { 0 };
        eff_checkpoint *here, *there;
        unsigned char *const bytes = t_file(t_data("checkpoints/%s", files[k]), &n);
        T_OK(t_open_bytes(&here, bytes, n, &err), err);
        T_OK(eff_checkpoint_open(&there, t_data("checkpoints/%s", files[k]), &err), err);
        assert_int_equal(here->count, there->count);
        assert_string_equal(here->format, there->format);
        assert_true(!here->arch_hint == !there->arch_hint);
        assert_true(there->bytes >= n);
        for (size_t i = 0; i < here->count; i++) {
            const eff_tensor *const a = &here->tensor[i], *const b = &there->tensor[i];
            assert_string_equal(a->name, b->name);
            assert_true(a->dtype == b->dtype && a->ndim == b->ndim);
            assert_memory_equal(a->dim, b->dim, sizeof a->dim);
            size_t count;
            float *const x = t_tensor(here, a->name, &count), *const y = t_tensor(there, a->name, &count);
            assert_memory_equal(x, y, count * sizeof *x);
            free(x);
            free(y);
        }
        eff_checkpoint_close(here);
        eff_checkpoint_close(there);
        free(bytes);
    }
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* The best of 20: a start takes milliseconds. */
static void cost(void **state)
{
    (void)state;
    double best = 1e9;
    for (int i = 0; i < 20; i++) {
        eff_error err = { 0 };
        eff_checkpoint *c;
        const double start = now();
        T_OK(eff_checkpoint_open(&c, t_data("checkpoints/bad/pt_good_tiny.pth"), &err), err);
        const double t = now() - start;
        best = t < best ? t : best;
        eff_checkpoint_close(c);
    }
    print_message("a small file through the worker: %.1f ms\n", 1e3 * best);
    if (!T_SANITIZED) assert_true(best < 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_workers), cmocka_unit_test(exit_status),  cmocka_unit_test(no_filter),
        cmocka_unit_test(no_worker),       cmocka_unit_test(same_tensors), cmocka_unit_test(cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
