/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's folder has one rule in the library (eff_cache_folder) and in tools/lib.sh. */
#include "at_hand.h"

#include <effnet/fetch.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool cli_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static const char *bare(const char *name)
{
    static const char brand[] = "efficientnet-";
    return strncmp(name, brand, sizeof brand - 1) ? name : name + sizeof brand - 1;
}

/* Weights called `stem` in the cache. */
static bool in_cache(const char *stem, char *out, size_t room)
{
    static const char *const suffix[] = { ".effnet", ".pth", ".safetensors" };
    char folder[3072];
    eff_cache_folder(folder, sizeof folder);
    for (int i = 0; i < 3; i++) {
        snprintf(out, room, "%s/%s%s", folder, stem, suffix[i]);
        if (cli_is_file(out)) return true;
    }
    return false;
}

/* What fits a name, of the built-in catalogue, and is in the cache; a built-in's weights in the catalogue's order. */
static bool pulled(const char *name, bool of_builtin, char *out, size_t room)
{
    eff_catalog *c;
    const eff_weights *w;
    bool found = false;
    if (eff_catalog_open(&c, NULL, NULL) != EFF_OK) return false;
    for (int i = 0; !found && (w = eff_catalog_entry(c, i)); i++) {
        const bool fits = of_builtin ? !strcmp(bare(w->model), bare(name))
                                     : !strcmp(w->name, name) || (w->also && !strcmp(w->also, name));
        found = fits && in_cache(w->name, out, room);
    }
    eff_catalog_free(c);
    return found;
}

bool cli_cached_weights(const char *name, char *out, size_t room)
{
    if (strpbrk(name, "/@")) return false;
    return in_cache(bare(name), out, room) || pulled(name, true, out, room);
}

bool cli_pulled_weights(const char *name, char *out, size_t room)
{
    return !strpbrk(name, "/@") && pulled(name, false, out, room);
}

bool cli_weights_name(const char *path)
{
    static const char *const suffix[] = { ".effnet", ".pth", ".pt", ".safetensors" };
    const char *const dot = strrchr(path, '.');
    for (int i = 0; dot && i < 4; i++)
        if (!strcmp(dot, suffix[i])) return true;
    return false;
}

const char *cli_weights_hint(const char *name)
{
    static char hint[128];
    eff_catalog *c;
    const eff_weights *w;
    hint[0] = '\0';
    if (eff_catalog_open(&c, NULL, NULL) != EFF_OK) return NULL;
    for (int i = 0; !*hint && (w = eff_catalog_entry(c, i)); i++)
        if (!strcmp(bare(w->model), bare(name))) snprintf(hint, sizeof hint, "effnet pull %s", w->name);
    eff_catalog_free(c);
    return *hint ? hint : NULL;
}
