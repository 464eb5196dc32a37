/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a file of class names. The first byte says how many classes the model has (1 to 16), the rest is the file. */
#include "fuzz_file.h"

#include "base/mem.h"
#include "formats/formats.h"
#include "formats/modelfile.h"

#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    eff_error err = { 0 };
    eff_table t;
    eff_model *m;
    char path[32], *text = NULL;
    if (!size) return 0;
    FUZZ_EXPECT(eff_table_builtin(&t, "b0@width=0.1,depth=0.1,resolution=32", &err) == EFF_OK);
    t.classes = 1 + data[0] % 16;
    if (eff_model_new(&m, &t, &err) != EFF_OK) return 0;
    const int fd = fuzz_memory_file(data + 1, size - 1);
    fuzz_path_of(fd, path);
    if (eff_model_set_classes(m, path, &err) == EFF_OK) {
        for (int i = 0; i < t.classes; i++) FUZZ_EXPECT(eff_model_class_name(m, i) && eff_model_find_class(m, eff_model_class_name(m, i)) >= 0);
        json_t *root = NULL; /* what was taken can be saved and read again */
        eff_model *back;
        FUZZ_EXPECT(eff_modelfile_text(&text, m, &err) == EFF_OK && eff_modelfile_parse(&root, text, &err) == EFF_OK);
        FUZZ_EXPECT(eff_model_new(&back, &t, &err) == EFF_OK && eff_modelfile_meta(back, root, &err) == EFF_OK);
        eff_model_destroy(back);
        json_decref(root);
        eff_free(text);
    } else {
        FUZZ_EXPECT(err.msg[0] && !eff_model_class_name(m, 0));
    }
    eff_model_destroy(m);
    close(fd);
    return 0;
}
