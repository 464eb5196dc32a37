/* SPDX-License-Identifier: Apache-2.0 */
/* A worker whose parser has been taken over: the real start and the real jail (src/worker/worker_main.c,
 * src/jail/confine.c), then, in the place of parsing, what the file tells it to do. The file is two bytes that make it
 * a pickle, or four that make it a TIFF, then a word. */
#define _GNU_SOURCE
#include "base/mem.h"
#include "image/pixel_stream.h"
#include "jail/jail.h"
#include "worker/picture.h"
#include "worker/worker.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

void eff_worker_prepare(void) {}

static void put(const void *p, size_t n)
{
    if (write(EFF_JAIL_OUTPUT, p, n) != (ssize_t)n) abort();
}

/* A stream whose header is `json`, with `n` bytes of data. */
static void put_stream(const char *json, size_t n)
{
    static const char zeros[64];
    const uint64_t length = strlen(json);
    put(&length, 8);
    put(json, (size_t)length);
    put(zeros, n);
}

static const char nowhere_near[1000]; /* of what the head says */

static void *no_work(void *p) { return p; }

static volatile int *nowhere;
static volatile unsigned turns;

static void open_file(void) { (void)!open("pwned", O_WRONLY | O_CREAT, 0600); }
static void read_file(void) { (void)!open("/etc/passwd", O_RDONLY); }
static void connect_out(void) { (void)!socket(AF_INET, SOCK_STREAM, 0); }
static void fork_child(void) { (void)!fork(); }
static void run_program(void) { execl("/bin/sh", "sh", "-c", "touch pwned", (char *)NULL); }
static void remove_file(void) { unlink("victim"); }
static void kill_parent(void) { kill(getppid(), SIGKILL); }
static void signal_parent(void) { syscall(SYS_tgkill, syscall(SYS_getppid), syscall(SYS_getppid), SIGKILL); }
static void trace_parent(void) { ptrace(PTRACE_ATTACH, 1, NULL, NULL); }
static void take_code(void)
{
    mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}
static void make_code(void)
{
    mprotect((void *)((uintptr_t)&fork_child & ~(uintptr_t)4095), 4096, PROT_READ | PROT_EXEC);
}
static void sleep_long(void) { nanosleep(&(struct timespec){ .tv_sec = 1000000 }, NULL); }
static void wait_for_nothing(void) { pause(); }
static void crash(void) { *nowhere = 1; }
static void give_up(void) { abort(); }
static void leave(void) { _exit(7); }
static void leave_early(void) { _exit(0); }
static void old_calls(void) { syscall(0x40000000 | SYS_getpid); } /* the x32 table */

static void loop(void)
{
    for (;;) turns++;
}

static void flood(void)
{
    static char block[1 << 16];
    while (write(EFF_JAIL_OUTPUT, block, sizeof block) > 0) {
    }
}

static void lie(void)
{
    put("\033[31mred\nand a second line", 26);
    _exit(4);
}

static void noise(void)
{
    put("not a stream at all", 19);
    _exit(0);
}

static void outside(void)
{
    put_stream("{\"__metadata__\":{\"effnet-import\":\"{}\"},\"a\":{\"dtype\":\"F32\",\"shape\":[1000000],"
               "\"data_offsets\":[0,4000000]}}",
               16);
    _exit(0);
}

static void no_words(void)
{
    put_stream("{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]}}", 8);
    _exit(0);
}

static void wrong_words(void)
{
    put_stream("{\"__metadata__\":{\"effnet-import\":\"{\\\"mean\\\":[1,2,3],\\\"std\\\":[1,0,1]}\"}}", 0);
    _exit(0);
}

static void wrong_size(void)
{
    put_stream("{\"__metadata__\":{\"effnet-import\":\"{\\\"size\\\":[224,16385]}\"}}", 0);
    _exit(0);
}

static void no_graph(void)
{
    put_stream("{\"__metadata__\":{\"effnet-import\":\"{\\\"format\\\":\\\"onnx\\\"}\"}}", 0);
    _exit(0);
}

static void put_head(uint32_t width, uint32_t height, uint32_t orientation, uint32_t pixels, uint64_t icc)
{
    const eff_pixel_head h = { EFF_PIXEL_MAGIC, width, height, orientation, pixels, icc };
    put(&h, sizeof h);
}

static void huge_picture(void)
{
    put_head(60000, 60000, 1, 3, 0);
    _exit(0);
}

static void short_picture(void)
{
    put_head(100, 100, 1, 3, 0);
    put(nowhere_near, sizeof nowhere_near);
    _exit(0);
}

static void turned_picture(void)
{
    put_head(1, 1, 9, 3, 0);
    put("rgb", 3);
    _exit(0);
}

static void a_thread(void) { (void)!pthread_create(&(pthread_t){ 0 }, NULL, no_work, NULL); }

static void a_model(void) /* what only a model file may say */
{
    put_stream("{\"__metadata__\":{\"effnet\":\"{}\"}}", 0);
    _exit(0);
}

static const struct {
    const char *word;
    void (*act)(void);
} acts[] = {
    { "open", open_file },
    { "read", read_file },
    { "socket", connect_out },
    { "fork", fork_child },
    { "exec", run_program },
    { "remove", remove_file },
    { "kill", kill_parent },
    { "tgkill", signal_parent },
    { "ptrace", trace_parent },
    { "wx", take_code },
    { "makex", make_code },
    { "sleep", sleep_long },
    { "pause", wait_for_nothing },
    { "crash", crash },
    { "abort", give_up },
    { "leave", leave },
    { "early", leave_early },
    { "x32", old_calls },
    { "loop", loop },
    { "flood", flood },
    { "lie", lie },
    { "noise", noise },
    { "outside", outside },
    { "nowords", no_words },
    { "words", wrong_words },
    { "thread", a_thread },
    { "huge", huge_picture },
    { "short", short_picture },
    { "turned", turned_picture },
    { "size", wrong_size },
    { "nograph", no_graph },
    { "model", a_model },
};

/* 10 GB, piece by piece, a page of each used. */
static eff_status take_memory(eff_error *err)
{
    for (int i = 0; i < 160; i++) {
        void *const p = eff_malloc((size_t)64 << 20);
        if (!p) return eff_fail_memory(err, (size_t)64 << 20);
        *(volatile int *)p = i;
    }
    return eff_fail(err, EFF_EFORMAT, "10 GB were to be had");
}

static eff_status obey(int fd, uint64_t size, off_t at, eff_error *err)
{
    char word[32] = "";
    if (size <= (uint64_t)at || pread(fd, word, sizeof word - 1, at) < 1) return eff_fail(err, EFF_EFORMAT, "no word");
    word[strcspn(word, "\n")] = '\0';
    if (strcmp(word, "memory") == 0) return take_memory(err);
    for (size_t i = 0; i < sizeof acts / sizeof *acts; i++)
        if (strcmp(acts[i].word, word) == 0) acts[i].act();
    return eff_fail(err, EFF_EFORMAT, "%s was allowed", word); /* the test looks for this */
}

eff_status eff_worker_open(eff_checkpoint **out, int fd, uint64_t size, eff_error *err)
{
    *out = NULL;
    return obey(fd, size, 2, err);
}

eff_status eff_worker_picture(int out, int fd, uint64_t size, eff_error *err)
{
    (void)out;
    return obey(fd, size, 4, err);
}
