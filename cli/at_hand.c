/* SPDX-License-Identifier: Apache-2.0 */
/* The cache's folder has one rule here and in tools/lib.sh; the names of published files are facts. */
#include "at_hand.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

bool cli_is_file(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static void cache_folder(char *out, size_t room)
{
    const char *own = getenv("EFFNET_CACHE"), *xdg = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    if (own && *own)
        snprintf(out, room, "%s", own);
    else if (xdg && *xdg)
        snprintf(out, room, "%s/effnet", xdg);
    else
        snprintf(out, room, "%s/.cache/effnet", home ? home : ".");
}

bool cli_cached_weights(const char *name, char *out, size_t room)
{
    static const char prefix[] = "efficientnet-", *const suffix[] = { ".effnet", ".pth", ".safetensors" };
    char folder[3072];
    if (strpbrk(name, "/@")) return false;
    if (!strncmp(name, prefix, sizeof prefix - 1)) name += sizeof prefix - 1;
    cache_folder(folder, sizeof folder);
    for (int i = 0; i < 3; i++) {
        snprintf(out, room, "%s/%s%s", folder, name, suffix[i]);
        if (cli_is_file(out)) return true;
    }
    return false;
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
    static const struct {
        const char *name, *hint;
    } known[] = { { "efficientnet-lite0", "sh tools/fetch_weights.sh lite0" },
                  { "efficientnet-lite1", "sh tools/fetch_weights.sh lite1" },
                  { "efficientnet-lite2", "sh tools/fetch_weights.sh lite2" },
                  { "efficientnet-lite3", "--from tf_efficientnet_lite3-b733e338.pth (timm)" },
                  { "efficientnet-lite4", "--from tf_efficientnet_lite4-741542c3.pth (timm)" },
                  { "efficientnet-b0", "--from efficientnet-b0-355c32eb.pth (EfficientNet-PyTorch)" },
                  { "efficientnet-b1", "--from efficientnet-b1-f1951068.pth (EfficientNet-PyTorch)" },
                  { "efficientnet-b2", "--from efficientnet-b2-8bb594d6.pth (EfficientNet-PyTorch)" },
                  { "efficientnet-b3", "--from efficientnet-b3-5fb5a3c3.pth (EfficientNet-PyTorch)" },
                  { "efficientnet-b4", "--from efficientnet-b4-6ed6700e.pth (EfficientNet-PyTorch)" } };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(known[i].name, name)) return known[i].hint;
    return NULL;
}
