/* SPDX-License-Identifier: Apache-2.0 */
/* One download over HTTP into a file, from its beginning or going on where it stopped. download_curl.c does it with
 * libcurl; download_none.c stands in its place in a build without (EFF_CURL off). */
#ifndef EFF_FETCH_DOWNLOAD_H
#define EFF_FETCH_DOWNLOAD_H

#include "fetch/reply.h"

typedef struct eff_download {
    const char *url;
    int fd;                /* is written to                                                      */
    uint64_t have;         /* bytes of it to go on after, if the server has what `validator` says */
    const char *validator; /* as If-Range; needed where have is not 0                            */
    uint64_t size;         /* of the whole file; 0 = not known                                   */
    uint64_t most;         /* bytes at most                                                      */
    int connect_seconds, stall_seconds;
    int (*progress)(void *ctx, uint64_t done, uint64_t total, const char *what); /* NULL */
    eff_status (*begins)(void *own, const eff_reply *r, eff_error *err); /* the file is empty and `r` fills it */
    void *ctx, *own;
    /* out, also after a failure */
    uint64_t at;    /* bytes that the file has now             */
    uint64_t moved; /* that came                               */
    bool resumed;   /* after `have`                            */
    bool anew;      /* failed because of `have`: try without   */
    bool again;     /* a broken connection: going on may work  */
} eff_download;

eff_status eff_download_run(eff_download *t, eff_error *err);

#endif
