/* SPDX-License-Identifier: Apache-2.0 */
/* An HTTP server on 127.0.0.1 for the tests of downloads, in threads of this process. The first part of the path says
 * how it behaves: http://127.0.0.1:PORT/MODE/FILE; server.c lists the modes. */
#ifndef EFF_TESTS_SERVER_H
#define EFF_TESTS_SERVER_H

#include <stddef.h>

/** Start serving `bytes` (borrowed). @return the port */
int t_server_start(const unsigned char *bytes, size_t n);
/** Requests since the last call, and the beginning of the last Range asked for (-1: none). */
int t_server_requests(long *range);
/** The version (ETag) of what is served from now on. */
void t_server_version(const char *etag);

#endif
