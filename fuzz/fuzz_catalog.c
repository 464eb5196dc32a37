/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a catalogue of published weights. Every entry of one that is accepted keeps to what is promised of it,
 * is found by its names, and lies within the cache. */
#include "fuzz_expect.h"

#include "base/mem.h"
#include "fetch/catalog.h"

#include <string.h>

static void check(const eff_catalog *c, const eff_weights *w)
{
    const eff_weights *back;
    char path[4096];
    const char *const file = strrchr(w->url, '/');
    FUZZ_EXPECT(w->name && w->model && w->family && w->format && w->sha256 && w->licence && w->origin);
    FUZZ_EXPECT(eff_catalog_find(c, w->name, &back, NULL) == EFF_OK && back == w);
    FUZZ_EXPECT(!w->also || (eff_catalog_find(c, w->also, &back, NULL) == EFF_OK && back == w));
    FUZZ_EXPECT(strlen(w->sha256) >= 8 && strlen(w->sha256) <= 64);
    FUZZ_EXPECT((!strncmp(w->url, "http", 4) || !strncmp(w->url, "package:/", 9)) && file && file[1] && file[1] != '.');
    FUZZ_EXPECT(eff_weights_path(w, "/cache", path, sizeof path) < (int)sizeof path);
    FUZZ_EXPECT(!strncmp(path, "/cache/", 7) && path[7] != '.' && !strchr(path + 7, '/'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_catalog *c;
    const eff_weights *w;
    eff_error err = { 0 };
    if (eff_catalog_parse(&c, (const char *)data, size, &err) != EFF_OK) {
        FUZZ_EXPECT(!c && err.code == EFF_EFORMAT && err.msg[0]);
        return 0;
    }
    for (int i = 0; (w = eff_catalog_entry(c, i)); i++) check(c, w);
    eff_catalog_free(c);
    return 0;
}
