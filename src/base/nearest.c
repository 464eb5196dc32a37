/* SPDX-License-Identifier: Apache-2.0 */
/* Names: the short one of a network, and suggestions for mistyped ones: a weighted edit distance (insert, drop, replace,
 * swap two neighbours), on fixed arrays, so that the path that reports a mistake cannot itself run out of memory. */
#include "base/nearest.h"

#include <effnet/effnet.h>

#include <ctype.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEN = 96 };

EFF_API const char *eff_brief_name(const char *name)
{
    static const char brand[] = "efficientnet-";
    return strncmp(name, brand, sizeof brand - 1) ? name : name + sizeof brand - 1;
}

static int lower(char c) { return tolower((unsigned char)c); }

static int replace_cost(char a, char b)
{
    const int x = lower(a), y = lower(b);
    if (x == y) return 0;
    if ((x == '-' || x == '_') && (y == '-' || y == '_')) return EFF_NAME_EDIT / 10;
    if (isdigit(x) && isdigit(y)) return EFF_NAME_EDIT - 10 + abs(x - y);
    return EFF_NAME_EDIT;
}

static int min2(int a, int b) { return a < b ? a : b; }

int eff_name_distance(const char *a, const char *b)
{
    const size_t na = strlen(a), nb = strlen(b);
    if (na > MAX_LEN || nb > MAX_LEN) return INT_MAX;
    int row[3][MAX_LEN + 1]; /* of prefixes of a: two before, one before, this */
    int *before = row[0], *last = row[1], *cur = row[2];
    for (size_t j = 0; j <= nb; j++) last[j] = (int)j * EFF_NAME_EDIT;
    for (size_t i = 1; i <= na; i++) {
        cur[0] = (int)i * EFF_NAME_EDIT;
        for (size_t j = 1; j <= nb; j++) {
            int d = last[j - 1] + replace_cost(a[i - 1], b[j - 1]);
            d = min2(d, min2(last[j], cur[j - 1]) + EFF_NAME_EDIT);
            if (i > 1 && j > 1 && lower(a[i - 1]) == lower(b[j - 2]) && lower(a[i - 2]) == lower(b[j - 1]))
                d = min2(d, before[j - 2] + EFF_NAME_EDIT);
            cur[j] = d;
        }
        int *const free_row = before;
        before = last;
        last = cur;
        cur = free_row;
    }
    return last[nb];
}

int eff_name_near(const char *name)
{
    const size_t n = strlen(name);
    if (n <= 2) return EFF_NAME_EDIT;
    return min2(4, n < 8 ? 2 : (int)(n / 3)) * EFF_NAME_EDIT;
}

EFF_API const char *eff_nearest_name(const char *name, const char *const *candidates, int n)
{
    if (!name || !candidates) return NULL;
    const char *best = NULL;
    int best_distance = INT_MAX;
    for (int i = 0; i < n; i++) {
        const int d = candidates[i] ? eff_name_distance(name, candidates[i]) : INT_MAX;
        if (d < best_distance) {
            best = candidates[i];
            best_distance = d;
        }
    }
    return best_distance <= eff_name_near(name) ? best : NULL;
}

void eff_name_list(char *buf, size_t size, const char *const *names, int n)
{
    buf[0] = '\0';
    for (int i = 0; i < n; i++) {
        const size_t len = strlen(buf);
        snprintf(buf + len, size - len, "%s%s", i == 0 ? "" : i == n - 1 ? " or " : ", ", names[i]);
    }
}
