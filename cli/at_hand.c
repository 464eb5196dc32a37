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

bool cli_cached_weights(const char *name, char *out, size_t room)
{
    eff_catalog *c;
    const eff_weights *w;
    if (strpbrk(name, "/@")) return false;
    if (in_cache(eff_brief_name(name), out, room)) return true;
    if (eff_catalog_open(&c, NULL, NULL) != EFF_OK) return false;
    bool found = false;
    for (int i = 0; !found && (w = eff_catalog_entry(c, i)); i++)
        found = !strcmp(eff_brief_name(w->model), eff_brief_name(name)) && in_cache(w->name, out, room);
    eff_catalog_free(c);
    return found;
}

eff_status cli_pulled_weights(const char *name, char *out, size_t room, eff_error *err)
{
    eff_catalog *c;
    const eff_weights *w;
    if (strpbrk(name, "/@") || eff_catalog_open(&c, NULL, NULL) != EFF_OK) return EFF_EARG;
    eff_status s = EFF_EARG;
    if (eff_catalog_find(c, name, &w, NULL) == EFF_OK) {
        s = in_cache(w->name, out, room) ? EFF_OK : EFF_EARG;
        if (s != EFF_OK)
            snprintf(err->msg, sizeof err->msg, "its weights are not at hand: 'effnet pull %s' brings them", w->name);
    }
    eff_catalog_free(c);
    return s;
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
        if (!strcmp(eff_brief_name(w->model), eff_brief_name(name))) snprintf(hint, sizeof hint, "effnet pull %s", w->name);
    eff_catalog_free(c);
    return *hint ? hint : NULL;
}
