/* SPDX-License-Identifier: Apache-2.0 */
/* Eight bytes a step through eight tables, which are made on first use: a checkpoint of 250 MB takes a fraction of a
 * second. */
#include "base/crc32c.h"

#include <pthread.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "eight bytes are taken as one little-endian number");

static uint32_t table[8][256]; /* [k][b]: byte b followed by k zero bytes */
static pthread_once_t made = PTHREAD_ONCE_INIT;

static void make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t c = i;
        for (int k = 0; k < 8; k++) c = c & 1 ? c >> 1 ^ 0x82f63b78u : c >> 1; /* the polynomial, reflected */
        table[0][i] = c;
    }
    for (int k = 1; k < 8; k++)
        for (int i = 0; i < 256; i++) table[k][i] = table[0][table[k - 1][i] & 255] ^ table[k - 1][i] >> 8;
}

uint32_t eff_crc32c(uint32_t crc, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint32_t c = ~crc;
    pthread_once(&made, make_tables);
    for (; n >= 8; n -= 8, p += 8) {
        uint64_t x;
        memcpy(&x, p, sizeof x);
        x ^= c;
        c = 0;
        for (int k = 0; k < 8; k++) c ^= table[7 - k][x >> 8 * k & 255];
    }
    for (; n; n--) c = table[0][(c ^ *p++) & 255] ^ c >> 8;
    return ~c;
}
