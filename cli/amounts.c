/* SPDX-License-Identifier: Apache-2.0 */
/* Times and sizes as people write them. */
#include "amounts.h"

#include "training.h"

#include <stdlib.h>

static bool read_time(const char *s, double *seconds)
{
    double total = 0;
    const char *at = s;
    while (*at) {
        char *end;
        const double v = strtod(at, &end);
        if (end == at || !(v >= 0)) return false;
        const double unit = *end == 'h' ? 3600 : *end == 'm' ? 60 : *end == 's' || !*end ? 1 : 0;
        if (unit == 0) return false;
        total += v * unit;
        at = *end ? end + 1 : end;
    }
    *seconds = total;
    return total > 0 && total < 1e9;
}

int cli_time_option(const cli_args *a, const char *name, double *out)
{
    const char *text = cli_text(a, name);
    if (!text || read_time(text, out)) return CLI_OK;
    return cli_usage(a, "--%s: expected a time such as 30m or 2h, found '%s'", name, cli_clean(text));
}

int cli_size_option(const cli_args *a, const char *name, size_t *out)
{
    double bytes;
    const char *text = cli_text(a, name);
    if (!text) return CLI_OK;
    if (!cli_read_size(text, &bytes))
        return cli_usage(a, "--%s: expected a size such as 800M or 2G, found '%s'", name, cli_clean(text));
    *out = (size_t)bytes;
    return CLI_OK;
}
