/* SPDX-License-Identifier: Apache-2.0 */
/* effnet-worker: reads the file that is open as descriptor 3 and writes its tensors to descriptor 4 as a safetensors
 * stream, or, asked for a picture, its pixels; or, with a status other than 0, one line on what is wrong with it. It is
 * started by src/jail/jail.c and by nobody else. Everything that the libraries it uses want of the system once (time
 * zone, random seeds) they get first; then it confines itself; only then does it look at the file. */
#define _GNU_SOURCE
#include "formats/import.h"
#include "image/decode.h"
#include "jail/confine.h"
#include "jail/jail.h"
#include "worker/picture.h"
#include "worker/worker.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* What is done on first use, with files of the system: before the door closes. */
static void warm_up(void)
{
    setenv("TZ", "UTC0", 0);
    tzset();             /* libzip turns dates of members into time_t */
    json_object_seed(0); /* /dev/urandom                              */
    eff_worker_prepare();
}

/* Views that repeat a few elements, many names for the same data: small in the file, not in a stream. */
static eff_status check_total(const eff_checkpoint *c, const eff_limits *l, eff_error *err)
{
    double total = 0;
    for (size_t i = 0; i < c->count; i++)
        total += (double)c->tensor[i].count * (double)eff_dtype_size(c->tensor[i].dtype);
    if (total <= (double)l->output) return EFF_OK;
    return eff_fail(err, EFF_EFORMAT, "its tensors take %.0f bytes, more than a file of %llu bytes can hold", total,
                    (unsigned long long)c->bytes);
}

static eff_status import(int fd, uint64_t size, const eff_limits *l, eff_error *err)
{
    eff_checkpoint *c;
    eff_status s = eff_worker_open(&c, fd, size, err);
    if (s != EFF_OK) return s;
    s = check_total(c, l, err);
    if (s == EFF_OK)
        s = eff_import_send(dup(EFF_JAIL_OUTPUT), c, err); /* a copy: the line of an error comes after a stream begun */
    eff_checkpoint_close(c);
    return s;
}

/* Memory and arguments are no faults of ours here: it is the file that asks for too much or cannot be sent. */
static int report(eff_status s, eff_error *err, const eff_limits *l)
{
    if (s == EFF_OK) return 0;
    if (s == EFF_ENOMEM)
        s = eff_fail(err, EFF_EFORMAT,
                     "reading it takes more than the %llu MB of memory that an import of its size may have",
                     (unsigned long long)(l->memory >> 20));
    if (s == EFF_EARG) s = EFF_EFORMAT;
    const size_t n = strlen(err->msg);
    if (ftruncate(EFF_JAIL_OUTPUT, 0) != 0 || lseek(EFF_JAIL_OUTPUT, 0, SEEK_SET) != 0 ||
        write(EFF_JAIL_OUTPUT, err->msg, n) != (ssize_t)n)
        return 100;
    return -s;
}

static bool asked(int argc, char **argv, const char *word)
{
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], word) == 0) return true;
    return false;
}

int main(int argc, char **argv)
{
    struct stat st;
    eff_error err = { 0 };
    if (fstat(EFF_JAIL_OUTPUT, &st) != 0 || fstat(EFF_JAIL_INPUT, &st) != 0) return 101; /* started by hand */
    const uint64_t size = (uint64_t)st.st_size;
    const bool picture = asked(argc, argv, EFF_JAIL_ARG_PICTURE);
    const eff_limits limits = eff_limits_for(size, picture ? eff_decode_most_pixels(size) : 0);
    warm_up();
    eff_status s = asked(argc, argv, EFF_JAIL_ARG_FREE) ? EFF_OK : eff_confine(&limits, &err);
    if (s == EFF_OK)
        s = picture ? eff_worker_picture(EFF_JAIL_OUTPUT, EFF_JAIL_INPUT, size, &err)
                    : import(EFF_JAIL_INPUT, size, &limits, &err);
    _exit(report(s, &err, &limits)); /* nothing is left to tidy up, and exit() might want what is forbidden */
}
