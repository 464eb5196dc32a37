/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: the JSON text in a model file's metadata. What is accepted is written, and that is read and written to the same
 * text: nothing that a file can say gets lost or cannot be read again. */
#include "fuzz_expect.h"

#include "formats/modelfile.h"

#include "base/mem.h"

#include <string.h>

enum { MAX_BLOCKS = 200, MAX_CLASSES = 1000 };

static int is_small(const eff_table *t)
{
    int blocks = 0;
    for (int i = 0; i < t->nstages; i++) blocks += t->stage[i].repeats;
    return blocks <= MAX_BLOCKS && t->classes <= MAX_CLASSES;
}

/* The text that the model of `text` is written as, or NULL when it is refused or too large to be tried quickly. */
static char *rewritten(const char *text, int must)
{
    eff_error err = { 0 };
    eff_table t;
    json_t *root = NULL;
    eff_model *m = NULL;
    char *out = NULL;
    eff_status s = eff_modelfile_parse(&root, text, &err);
    FUZZ_EXPECT((s == EFF_OK) == (root != NULL));
    if (s == EFF_OK) s = eff_modelfile_table(&t, root, &err);
    if (s == EFF_OK && is_small(&t)) {
        s = eff_model_new(&m, &t, &err);
        if (s == EFF_OK) s = eff_modelfile_meta(m, root, &err);
        if (s == EFF_OK) FUZZ_EXPECT(eff_modelfile_text(&out, m, &err) == EFF_OK);
    }
    FUZZ_EXPECT(s == EFF_OK ? !must || out : !must && err.msg[0]);
    eff_model_destroy(m);
    json_decref(root);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *const text = eff_malloc(size + 1);
    if (!text) return 0;
    if (size) memcpy(text, data, size);
    text[size] = '\0';
    char *const once = rewritten(text, 0);
    if (once) {
        char *const twice = rewritten(once, 1);
        FUZZ_EXPECT(strcmp(once, twice) == 0);
        eff_free(twice);
    }
    eff_free(once);
    eff_free(text);
    return 0;
}
