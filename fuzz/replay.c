/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target once on every file named, and on every file in the folders named, in the order of their names.
 * After "--near N" each is also cut short in N places and changed in one byte in N others, evenly over the file. It
 * ends with 1 when there was nothing to run, so that a corpus that went missing is noticed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int runs, near;

/* On a copy of its own that is exactly as long: ASan sees one byte too far. */
static void run_copy(const uint8_t *bytes, size_t n, size_t at, unsigned change)
{
    uint8_t *const copy = malloc(n ? n : 1);
    if (!copy) abort();
    memcpy(copy, bytes, n);
    if (change) copy[at] = (uint8_t)(copy[at] ^ change);
    LLVMFuzzerTestOneInput(copy, n);
    free(copy);
    runs++;
}

static void run_near(const uint8_t *bytes, size_t n)
{
    static const unsigned changes[] = {
        0x01, 0x80, 0x10, 0xff, 0x04, 0x03
    }; /* of a number, a sign, a letter, a type ... */
    const size_t places = n < (size_t)near ? n : (size_t)near;
    for (size_t k = 0; k < places; k++) {
        const size_t at = (size_t)((unsigned __int128)n * k / places);
        run_copy(bytes, at, 0, 0);
        run_copy(bytes, n, at, changes[k % (sizeof changes / sizeof *changes)]);
    }
}

static void run_file(const char *path)
{
    FILE *const f = fopen(path, "rb");
    if (!f || fseek(f, 0, SEEK_END) != 0) {
        perror(path);
        exit(1);
    }
    const size_t n = (size_t)ftell(f);
    uint8_t *const bytes = malloc(n ? n : 1);
    rewind(f);
    if (!bytes || fread(bytes, 1, n, f) != n) {
        perror(path);
        exit(1);
    }
    fclose(f);
    fprintf(stderr, "%s\n", path); /* the last one printed is the one that crashed */
    run_copy(bytes, n, 0, 0);
    run_near(bytes, n);
    free(bytes);
}

static int is_visible(const struct dirent *e) { return e->d_name[0] != '.'; }

static void run_folder(const char *path)
{
    struct dirent **names;
    const int n = scandir(path, &names, is_visible, alphasort);
    if (n < 0) {
        perror(path);
        exit(1);
    }
    for (int i = 0; i < n; i++) {
        char file[4096];
        snprintf(file, sizeof file, "%s/%s", path, names[i]->d_name);
        run_file(file);
        free(names[i]);
    }
    free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct stat st;
        if (!strcmp(argv[i], "--near") && i + 1 < argc) {
            near = atoi(argv[++i]);
            continue;
        }
        if (stat(argv[i], &st) != 0) {
            perror(argv[i]);
            return 1;
        }
        if (S_ISDIR(st.st_mode)) run_folder(argv[i]);
        else run_file(argv[i]);
    }
    printf("%d inputs\n", runs);
    return runs == 0;
}
