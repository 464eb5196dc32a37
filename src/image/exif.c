/* SPDX-License-Identifier: Apache-2.0 */
/* The orientation tag of a TIFF's first directory. Nothing is followed but the one offset to that directory, so there
 * is no recursion and no loop that the bytes could lengthen beyond their own size. */
#include "image/exif.h"

#include <stdbool.h>
#include <string.h>

enum {
    TIFF_HEADER = 8,
    ENTRY = 12,
    TAG_ORIENTATION = 0x0112,
    TYPE_BYTE = 1,
    TYPE_SHORT = 3,
    TYPE_LONG = 4,
};

static uint32_t get(const uint8_t *p, int n, bool big)
{
    uint32_t v = 0;
    for (int i = 0; i < n; i++) v = v << 8 | p[big ? i : n - 1 - i];
    return v;
}

/* The value of an entry that is one small number; 0 for any other. */
static uint32_t small_number(const uint8_t *entry, bool big)
{
    if (get(entry + 4, 4, big) != 1) return 0;
    switch (get(entry + 2, 2, big)) {
    case TYPE_BYTE: return entry[8];
    case TYPE_SHORT: return get(entry + 8, 2, big);
    case TYPE_LONG: return get(entry + 8, 4, big);
    default: return 0;
    }
}

int eff_exif_orientation(const uint8_t *bytes, size_t size)
{
    if (size >= 6 && !memcmp(bytes, "Exif\0\0", 6)) {
        bytes += 6;
        size -= 6;
    }
    if (size < TIFF_HEADER) return 1;
    const bool big = bytes[0] == 'M';
    if (memcmp(bytes, big ? "MM\0*" : "II*\0", 4) != 0) return 1;
    const uint32_t at = get(bytes + 4, 4, big);
    if (at < TIFF_HEADER || at > size - 2) return 1;
    const size_t held = (size - at - 2) / ENTRY; /* a directory that is cut off is read as far as it goes */
    size_t n = get(bytes + at, 2, big);
    if (n > held) n = held;
    int found = 1; /* the last of several counts, as in Pillow */
    for (size_t i = 0; i < n; i++) {
        const uint8_t *const entry = bytes + at + 2 + i * ENTRY;
        if (get(entry, 2, big) != TAG_ORIENTATION) continue;
        const uint32_t v = small_number(entry, big);
        found = v >= 1 && v <= 8 ? (int)v : 1;
    }
    return found;
}
