/* SPDX-License-Identifier: Apache-2.0 */
/* Fuzz target: a LIST of labelled files, for a model of four named classes. */
#include "fuzz_file.h"

#include "model/model.h"

#include <effnet/eval.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char cat[] = "cat", dog[] = "dog, hound", cup[] = "cup", cap[] = "cap", id[] = "n01";
    static char *names[] = { cat, dog, cup, cap }, *ids[] = { id, NULL, NULL, NULL };
    eff_error err = { 0 };
    eff_model m = { .table = { .classes = 4 }, .info = { .classes = 4 }, .meta = { .class_names = names, .class_ids = ids } };
    eff_filelist *l;
    char path[32];
    const int fd = fuzz_memory_file(data, size);
    fuzz_path_of(fd, path);
    if (eff_filelist_labelled(&l, path, &m, &err) == EFF_OK) {
        FUZZ_EXPECT(eff_filelist_count(l) > 0);
        for (size_t i = 0; i < eff_filelist_count(l); i++)
            FUZZ_EXPECT(eff_filelist_label(l, i) >= 0 && eff_filelist_label(l, i) < 4 && eff_filelist_paths(l)[i][0]);
        eff_filelist_free(l);
    } else {
        FUZZ_EXPECT(!l && err.msg[0]);
    }
    close(fd);
    return 0;
}
