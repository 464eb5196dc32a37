/* SPDX-License-Identifier: Apache-2.0 */
/* classify MODEL IMAGE: the five likeliest labels of one image, with nothing but the public interface.
 *     cc classify.c $(pkg-config --cflags --libs effnet) -lm -o classify */
#include <effnet/effnet.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TOP = 5 };

/* Prints the largest score, TOP times; each is then out of the running. */
static void print_top(const eff_model *m, float *logits, int n)
{
    double sum = 0, most = logits[0], t = eff_model_temperature(m);
    for (int i = 0; i < n; i++) most = logits[i] > most ? logits[i] : most;
    for (int i = 0; i < n; i++) sum += exp((logits[i] - most) / t);
    for (int k = 0; k < TOP && k < n; k++) {
        int best = 0;
        for (int i = 1; i < n; i++) best = logits[i] > logits[best] ? i : best;
        const char *name = eff_model_class_name(m, best);
        printf("  %.3f  ", exp((logits[best] - most) / t) / sum);
        if (name)
            puts(name);
        else
            printf("%d\n", best);
        logits[best] = -INFINITY;
    }
}

int main(int argc, char **argv)
{
    eff_error err = { 0 };
    eff_model *model = NULL;
    eff_engine *engine = NULL;
    eff_image *image = NULL;
    float *input = NULL, *logits = NULL;
    int status = 1;
    if (argc != 3) return fprintf(stderr, "usage: classify MODEL IMAGE\n"), 2;
    if (eff_model_load(&model, argv[1], NULL, &err) || eff_engine_create(&engine, model, NULL, &err) ||
        eff_image_load(&image, argv[2], &err))
        goto end;
    const eff_preprocess *rule = eff_model_get_preprocess(model);
    const int classes = eff_model_get_info(model)->classes;
    input = malloc(sizeof *input * 3 * (size_t)rule->height * (size_t)rule->width);
    logits = malloc(sizeof *logits * (size_t)classes);
    if (!input || !logits) goto end;
    if (eff_image_prepare(image, rule, input, &err) || eff_engine_run(engine, input, 1, logits, &err)) goto end;
    print_top(model, logits, classes);
    status = 0;
end: /* every free accepts NULL */
    if (status) fprintf(stderr, "classify: %s\n", *err.msg ? err.msg : "out of memory");
    free(logits);
    free(input);
    eff_image_free(image);
    eff_engine_free(engine);
    eff_model_free(model);
    return status;
}
