/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: what the state of a supernet says in its metadata. What is accepted is in range, and written and read
 * back it is the same. */
#include "fuzz_expect.h"

#include "base/mem.h"
#include "search/supernet_internal.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_supernet_progress p = { .step = 0 }, q;
    eff_error err = { 0 };
    char *const text = eff_strndup((const char *)data, size);
    if (!text) return 0;
    const eff_status s = eff_supernet_progress_read(&p, text, &err);
    eff_free(text);
    if (s != EFF_OK) {
        FUZZ_EXPECT(s == EFF_EFORMAT && err.msg[0] && !strchr(err.msg, '\n') && p.step == 0);
        return 0;
    }
    FUZZ_EXPECT(p.step >= 1 && p.step <= p.steps && strlen(p.print) == EFF_PRINT - 1);
    char *const again = eff_supernet_progress_write(&p);
    FUZZ_EXPECT(again && eff_supernet_progress_read(&q, again, &err) == EFF_OK);
    FUZZ_EXPECT(p.step == q.step && p.steps == q.steps && !memcmp(&p.train_loss, &q.train_loss, sizeof p.train_loss));
    FUZZ_EXPECT(!strcmp(p.print, q.print) && !strcmp(p.data, q.data) && !strcmp(p.check, q.check));
    free(again);
    return 0;
}
