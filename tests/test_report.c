/* SPDX-License-Identifier: Apache-2.0 */
/* Reports read back: balanced tags, nothing of a hostile name that a browser would obey, figures equal to what went in,
 * bounded size, charts of the extremes. The page is written as well-formed XML too, which a small reader here checks to
 * the last tag. */
#include "pictures.h"
#include "support.h"

#include "base/file.h"
#include "base/mem.h"
#include "base/rng.h"
#include "base/utf8.h"
#include "image/image.h"
#include "report/confusion.h"
#include "report/report.h"
#include "report/svg.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* ------------------------------------------------------------------------------------------- the reader */

static const char *const entities[] = { "&lt;", "&gt;", "&amp;", "&quot;", "&#39;" };

static void check_text(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool known = s[i] != '&';
        for (size_t k = 0; k < 5 && !known; k++) known = !strncmp(s + i, entities[k], strlen(entities[k]));
        if (!known || s[i] == '<') fail_msg("bare '%c' in \"%.*s\"", s[i], (int)n, s);
    }
}

/* Numbers of drawings: finite, and near the drawing. */
static void check_numbers(const char *name, size_t n, const char *value, size_t length)
{
    static const char *const numeric[] = {
        "d", "x", "y", "cx", "cy", "r", "width", "height", "viewBox", "fill-opacity"
    };
    bool is = false;
    for (size_t k = 0; k < sizeof numeric / sizeof *numeric; k++)
        is = is || (strlen(numeric[k]) == n && !memcmp(name, numeric[k], n));
    for (const char *p = value; is && p < value + length;) {
        if (isdigit((unsigned char)*p) || *p == '-' || *p == '.') {
            char *end;
            const double v = strtod(p, &end);
            if (!(end > p) || fabs(v) > 3000) fail_msg("%.*s=\"%.*s\"", (int)n, name, (int)length, value);
            p = end;
        } else {
            if (!strchr("MLHVhvmlz ", *p))
                fail_msg("%.*s=\"%.*s\"", (int)n, name, (int)length, value); /* "nan", "inf" */
            p++;
        }
    }
}

/* Attributes of a tag from `s` to its '>'. @return just past it; *closed: it ends in "/>" */
static const char *check_attributes(const char *s, bool *closed)
{
    *closed = false;
    for (;;) {
        while (*s == ' ' || *s == '\n') s++;
        if (*s == '>') return s + 1;
        if (s[0] == '/' && s[1] == '>') {
            *closed = true;
            return s + 2;
        }
        const size_t name = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-:");
        assert_true(name > 0 && s[name] == '=' && s[name + 1] == '"');
        const char *const value = s + name + 2, *const end = strchr(value, '"');
        assert_non_null(end);
        check_text(value, (size_t)(end - value));
        check_numbers(s, name, value, (size_t)(end - value));
        if (!strncmp(s, "on", 2)) fail_msg("a handler: %.30s", s);
        if (!strncmp(s, "href", name) || (!strncmp(s, "src", name) && strncmp(value, "data:image/jpeg;base64,", 23)))
            fail_msg("a reference: %.60s", s);
        s = end + 1;
    }
}

static void check_page(const char *page, bool whole)
{
    static const char *const allowed[] = { "html",   "head",    "meta", "title",  "style",      "body", "header",
                                           "footer", "section", "h1",   "h2",     "p",          "div",  "span",
                                           "b",      "small",   "bdi",  "figure", "figcaption", "img",  "table",
                                           "thead",  "tbody",   "tr",   "th",     "td",         "svg",  "path",
                                           "rect",   "circle",  "text", "g" };
    char open[64][16];
    int depth = 0;
    const size_t size = strlen(page);
    for (size_t i = 0; i < size;) { /* valid UTF-8 without control characters */
        const size_t n = eff_utf8_length(page + i, size - i);
        if (n == 0 || ((unsigned char)page[i] < 32 && page[i] != '\n') || page[i] == 127)
            fail_msg("byte %zu: %02x", i, (unsigned char)page[i]);
        i += n;
    }
    const char *s = page;
    if (whole) {
        assert_int_equal(strncmp(s, "<!DOCTYPE html>\n", 16), 0);
        s += 16;
    }
    while (*s) {
        const char *const tag = strchr(s, '<');
        const size_t text = tag ? (size_t)(tag - s) : strlen(s);
        if (!depth || strcmp(open[depth - 1], "style")) check_text(s, text);
        if (!tag) break;
        const bool ends = tag[1] == '/';
        const char *const name = tag + 1 + ends;
        const size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789");
        assert_true(n > 0 && n < sizeof *open);
        bool known = false, closed = false;
        for (size_t k = 0; k < sizeof allowed / sizeof *allowed; k++)
            known = known || (strlen(allowed[k]) == n && !memcmp(allowed[k], name, n));
        if (!known) fail_msg("an element that no report has: <%.40s", name);
        if (ends) {
            assert_true(name[n] == '>' && depth > 0);
            if (strlen(open[depth - 1]) != n || memcmp(open[depth - 1], name, n))
                fail_msg("<%s> is closed by </%.*s>", open[depth - 1], (int)n, name);
            depth--;
            s = name + n + 1;
            continue;
        }
        s = check_attributes(name + n, &closed);
        assert_true(depth < 64);
        if (!closed) snprintf(open[depth++], sizeof *open, "%.*s", (int)n, name);
    }
    assert_int_equal(depth, 0);
}

static int count_of(const char *page, const char *what)
{
    int n = 0;
    for (const char *p = page; (p = strstr(p, what)); p++) n++;
    return n;
}

static void has(const char *page, const char *what)
{
    if (!strstr(page, what)) fail_msg("the page lacks \"%s\"", what);
}

/* -------------------------------------------------------------------------------------------- material */

/* `n` images of `classes` classes, image i of class i % classes; one of `wrong` answers is wrong (0: none). */
static eff_metrics *made(int classes, int n, int wrong, double temperature, eff_report_image **images)
{
    eff_error err = { 0 };
    eff_metrics *m;
    T_OK(eff_metrics_create(&m, classes, &err), err);
    eff_metrics_set_temperature(m, temperature);
    float *const z = malloc((size_t)classes * sizeof *z), *const p = malloc((size_t)classes * sizeof *p);
    *images = calloc((size_t)n + 1, sizeof **images);
    assert_true(z && p && *images);
    for (int i = 0; i < n; i++) {
        const int label = i % classes;
        int said = label;
        for (int c = 0; c < classes; c++)
            z[c] = (float)eff_rng_normal(9, 1, (uint64_t)i * (uint64_t)classes + (uint64_t)c);
        if (wrong && eff_rng_bits(9, 2, (uint64_t)i) % (uint64_t)wrong == 0) said = (label + 1 + i % 3) % classes;
        z[said] += 9;
        eff_metrics_add(m, label, z);
        eff_softmax_at(z, classes, temperature, p);
        (*images)[i] = (eff_report_image){ "gone.jpg", label, said, p[said], p[label] };
    }
    free(z);
    free(p);
    return m;
}

static char *page_of(const eff_report *r)
{
    eff_error err = { 0 };
    eff_text t;
    T_OK(eff_report_text(&t, r, &err), err);
    assert_int_equal(strlen(t.s), t.n);
    check_page(t.s, true);
    char *const copy = strdup(t.s);
    eff_text_free(&t);
    return copy;
}

static const eff_report_epoch epochs[] = {
    { 1, 2.25, 2.5, 0.25, 0.125, 0.01 },
    { 2, 1.5, 1.75, 0.5, 0.4375, 0.005 },
    { 3, 1, NAN, 0.75, NAN, 0.001 },
    { 4, 0.5, 1.25, 0.875, 0.625, 0 },
};

/* ------------------------------------------------------------------------------------------------ tests */

/* Every figure of the page, found where it stands, is the one that went in. */
static void figures_equal_the_input(void **state)
{
    (void)state;
    enum { CLASSES = 11, IMAGES = 660 };
    static const eff_report_fact facts[] = { { "recipe", "transfer", "few images" }, { "memory", "612 MB", NULL } };
    static const eff_report_excluded excluded[] = { { "a/broken.jpg", "the file ends early" } };
    eff_report_image *images;
    eff_metrics *const metrics = made(CLASSES, IMAGES, 6, 1.5, &images);
    const eff_metrics_result *const m = eff_metrics_get(metrics);
    char name[CLASSES][16], want[512];
    const char *names[CLASSES];
    for (int c = 0; c < CLASSES; c++) {
        snprintf(name[c], sizeof name[c], "cloth%02d", c);
        names[c] = c == 4 ? NULL : name[c];
    }
    snprintf(name[4], sizeof name[4], "4"); /* has no name */
    eff_report r;
    eff_report_init(&r);
    r.title = "Sarees";
    r.subtitle = "val";
    r.facts = facts;
    r.nfacts = 2;
    r.epochs = epochs;
    r.nepochs = 4;
    r.metrics = m;
    r.class_names = names;
    r.images = images;
    r.nimages = IMAGES;
    r.excluded = excluded;
    r.nexcluded = 1;
    char *const page = page_of(&r), *const again = page_of(&r);
    assert_string_equal(page, again);
    snprintf(want, sizeof want, "right (top-1)</span><b>%.1f\xc2\xa0%%</b><small>95 %%: %.1f to %.1f\xc2\xa0%%</small>",
             100 * m->top1, 100 * m->lo, 100 * m->hi);
    has(page, want);
    snprintf(want, sizeof want, "<b>%.1f\xc2\xa0%%</b>", 100 * m->top5);
    has(page, want);
    snprintf(want, sizeof want, "<b>%.3f</b><small>%.3f before the temperature</small>", m->loss, m->plain_loss);
    has(page, want);
    snprintf(want, sizeof want, "<b>%.1f\xc2\xa0%%</b><small>%.1f\xc2\xa0%% before the temperature of 1.5</small>",
             100 * m->ece, 100 * m->plain_ece);
    has(page, want);
    has(page, "<b>660</b>");
    has(page, "few images");
    has(page, "<td><bdi>a/broken.jpg</bdi></td><td><bdi>the file ends early</bdi></td>");
    int cells = 0, right = 0, mistakes = 0;
    for (int a = 0; a < CLASSES; a++) {
        const eff_class_metrics *const k = &m->per_class[a];
        for (int b = 0; b < CLASSES; b++) {
            const int n = m->confusion[a * CLASSES + b];
            snprintf(want, sizeof want, "true %s, predicted %s: %d of %d<", name[a], name[b], n, k->n);
            assert_int_equal(count_of(page, want), n > 0);
            cells += n > 0;
            if (a != b) mistakes += n;
        }
        right += k->correct;
        snprintf(want, sizeof want,
                 "<td><bdi>%s</bdi></td><td class=\"n\" data-what=\"images\">%d</td><td class=\"n\" "
                 "data-what=\"right\">%d</td>"
                 "<td class=\"n\" data-what=\"recall\">%.1f\xc2\xa0%% <small>(%.0f to %.0f\xc2\xa0%%)</small></td>",
                 name[a], k->n, k->correct, 100 * k->recall, 100 * k->recall_lo, 100 * k->recall_hi);
        has(page, want);
        snprintf(want, sizeof want, "data-what=\"precision\">%.1f\xc2\xa0%% <small>(%.0f to %.0f", 100 * k->precision,
                 100 * k->precision_lo, 100 * k->precision_hi);
        has(page, want);
    }
    assert_int_equal(count_of(page, ", predicted "), cells);
    assert_true(right + mistakes == IMAGES && mistakes > 50);
    for (int b = 0; b < EFF_CALIBRATION_BINS; b++) {
        if (!m->bins[b].n) continue;
        snprintf(want, sizeof want, "<title>confidence %.3f, right %d of %d", m->bins[b].confidence, m->bins[b].correct,
                 m->bins[b].n);
        has(page, want);
    }
    /* the pictures: as many as asked for, none of which can be read */
    assert_int_equal(count_of(page, "<span class=\"gone\">The picture can no longer be read: no such file"), 24);
    snprintf(want, sizeof want, "<p class=\"mut\">%d more mistakes.</p>", mistakes - 24);
    has(page, want);
    size_t worst[IMAGES];
    const size_t n = eff_report_worst(images, IMAGES, worst, IMAGES);
    assert_int_equal(n, mistakes);
    for (size_t i = 0; i < n; i++) {
        assert_true(images[worst[i]].label != images[worst[i]].predicted);
        if (i) assert_true(images[worst[i - 1]].prob >= images[worst[i]].prob);
    }
    snprintf(want, sizeof want, "said <bdi>%s</bdi> ", name[images[worst[0]].predicted]);
    has(page, want);
    size_t few[5];
    assert_int_equal(eff_report_worst(images, IMAGES, few, 5), 5);
    assert_memory_equal(few, worst, sizeof few);
    /* curves: an accuracy of 0.875 stands between the ticks of 80 and 100 %; three series are broken where they are not
     * known */
    assert_int_equal(count_of(page, "class=\"l1\" d=\"M"), 2 + 2); /* two legends, two curves of validation */
    assert_int_equal(count_of(page, ">epoch</text>"), 3);
    free(page);
    free(again);
    free(images);
    eff_metrics_free(metrics);
}

static void hostile_names(void **state)
{
    (void)state;
    static const char *const evil[] = {
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "' onload='alert(1)",
        "</style></svg><script>",
        "&lt;b&gt; &amp; &",
        "\xff\xfe\xc3(",
        "\xed\xa0\x80 half a pair",
        "a\nb\tc\x7f\x1b[2J\x01",
        "\xe2\x80\xae\xd7\xa9\xd7\x9c turned around",
        "\xc2\x85\xc2\x9b C1",
        "]]><![CDATA[<!--",
        "",
    };
    enum { CLASSES = sizeof evil / sizeof *evil, IMAGES = 240 };
    eff_report_image *images;
    eff_metrics *const metrics = made(CLASSES, IMAGES, 2, 1, &images);
    eff_report_fact facts[CLASSES];
    eff_report_excluded excluded[CLASSES];
    for (int i = 0; i < CLASSES; i++) {
        facts[i] = (eff_report_fact){ evil[i], evil[(i + 1) % CLASSES], evil[(i + 2) % CLASSES] };
        excluded[i] = (eff_report_excluded){ evil[i], evil[(i + 3) % CLASSES] };
    }
    for (int i = 0; i < IMAGES; i++) images[i].path = evil[i % CLASSES];
    for (int i = 0; i < CLASSES; i++) {
        eff_report r;
        eff_report_init(&r);
        r.title = evil[i];
        r.subtitle = evil[(i + 1) % CLASSES];
        r.facts = facts;
        r.nfacts = r.nexcluded = CLASSES;
        r.excluded = excluded;
        r.metrics = eff_metrics_get(metrics);
        r.class_names = evil;
        r.images = images;
        r.nimages = IMAGES;
        r.pictures = 200;
        char *const page = page_of(&r); /* knows the elements and attributes of a report, and nothing else */
        has(page, "&lt;script&gt;alert(1)&lt;/script&gt;");
        has(page, "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;");
        has(page, "&amp;lt;b&amp;gt; &amp;amp; &amp;");
        has(page, "a\xef\xbf\xbd"
                  "b\xef\xbf\xbd"
                  "c\xef\xbf\xbd\xef\xbf\xbd[2J\xef\xbf\xbd");
        free(page);
    }
    free(images);
    eff_metrics_free(metrics);
    /* escaping alone: text, cut by characters, not by bytes */
    eff_text t = { 0 };
    eff_text_escape_cut(&t, "\xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9", 3);
    eff_text_put(&t, "|");
    eff_text_escape_cut(&t, "\xc3\xa9<\xff", 3);
    assert_string_equal(t.s, "\xc3\xa9\xc3\xa9\xe2\x80\xa6|\xc3\xa9&lt;\xef\xbf\xbd");
    eff_text_free(&t);
}

/* --------------------------------------------------------------------------------------------- pictures */

static size_t decode_base64(unsigned char *out, const char *s)
{
    static const char digit[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    size_t n = 0;
    for (; *s != '"'; s += 4) {
        uint32_t v = 0;
        int pad = 0;
        for (int i = 0; i < 4; i++) {
            const char *const d = s[i] == '=' ? NULL : strchr(digit, s[i]);
            assert_true(d || s[i] == '=');
            pad += !d;
            v = v << 6 | (d ? (uint32_t)(d - digit) : 0);
        }
        for (int i = 0; i < 3 - pad; i++) out[n++] = (unsigned char)(v >> (16 - 8 * i));
    }
    return n;
}

static void pictures_of_mistakes(void **state)
{
    (void)state;
    /* colour, grey and CMYK; lying on its side; large, wide, tiny; damaged */
    static const struct {
        int components, width, height, orientation, want_w, want_h;
    } kind[] = { { 3, 300, 200, 1, 160, 106 }, { 1, 64, 90, 1, 64, 90 },   { 4, 200, 100, 1, 160, 80 },
                 { 3, 320, 200, 6, 100, 160 }, { 3, 1500, 90, 1, 160, 9 }, { 3, 1, 400, 1, 1, 160 },
                 { 1, 1, 1, 1, 1, 1 },         { 3, 100, 100, 1, 0, 0 } };
    enum { N = sizeof kind / sizeof *kind };
    char path[N][512];
    eff_report_image *images;
    eff_metrics *const metrics = made(2, 2 * N, 1, 1, &images);
    for (int i = 0; i < N; i++) {
        const t_bytes exif = t_exif(kind[i].orientation, false);
        const t_bytes file = t_jpeg_make((t_jpeg){ .components = kind[i].components,
                                                   .h = 1,
                                                   .v = 1,
                                                   .width = kind[i].width,
                                                   .height = kind[i].height,
                                                   .extra = { .exif = exif.data, .exif_size = exif.size } });
        snprintf(path[i], sizeof path[i], "%s", t_tmp("picture%d.jpg", i));
        FILE *const f = fopen(path[i], "wb");
        assert_non_null(f);
        const size_t size = kind[i].want_w ? file.size : file.size / 2;
        assert_int_equal(fwrite(file.data, 1, size, f), size);
        fclose(f);
        free(file.data);
        free(exif.data);
        images[i] = (eff_report_image){ path[i], 0, 1, 1.0f - 0.01f * (float)i, 0.001f };
    }
    eff_report r;
    eff_report_init(&r);
    r.metrics = eff_metrics_get(metrics);
    r.images = images;
    r.nimages = N;
    char *const page = page_of(&r);
    const char *at = page;
    for (int i = 0; i < N - 1; i++) {
        static unsigned char jpeg[1 << 16];
        eff_error err = { 0 };
        eff_image *im;
        at = strstr(at, "base64,");
        assert_non_null(at);
        at += 7;
        assert_true(strcspn(at, "\"") < sizeof jpeg);
        T_OK(eff_image_decode(&im, jpeg, decode_base64(jpeg, at), &err), err);
        assert_int_equal(eff_image_width(im), kind[i].want_w);
        assert_int_equal(eff_image_height(im), kind[i].want_h);
        eff_image_free(im);
    }
    assert_null(strstr(at, "base64,"));
    has(at, "<span class=\"gone\">The picture can no longer be read: ");
    free(page);
    r.pictures = 3;
    char *const fewer = page_of(&r);
    assert_int_equal(count_of(fewer, "base64,"), 3);
    free(fewer);
    free(images);
    eff_metrics_free(metrics);
}

/* --------------------------------------------------------------------------------------------- extremes */

static void extremes(void **state)
{
    (void)state;
    enum { KB = 1024 };
    static const struct {
        int classes, images, wrong;
        size_t most; /* bytes of the page */
    } k[] = { { 1, 0, 0, 64 * KB },       { 1, 5, 0, 64 * KB },       { 2, 1, 1, 64 * KB },   { 2, 40, 0, 64 * KB },
              { 3, 0, 0, 64 * KB },       { 40, 4000, 1, 600 * KB },  { 41, 41, 0, 96 * KB }, { 41, 4100, 2, 800 * KB },
              { 2000, 100, 3, 400 * KB }, { 2000, 3000, 1, 900 * KB } };
    for (size_t i = 0; i < sizeof k / sizeof *k; i++) {
        eff_report_image *images;
        eff_metrics *const metrics = made(k[i].classes, k[i].images, k[i].wrong, i % 2 ? 0.7 : 1, &images);
        eff_report r;
        eff_report_init(&r);
        r.metrics = eff_metrics_get(metrics);
        r.images = images;
        r.nimages = (size_t)k[i].images;
        r.epochs = epochs;
        r.nepochs = i % 5;
        char *const page = page_of(&r);
        if (strlen(page) > k[i].most) fail_msg("case %zu: %zu bytes, more than %zu", i, strlen(page), k[i].most);
        if (!k[i].wrong && k[i].images) has(page, "There are none.");
        if (k[i].classes == 41 && !k[i].wrong) has(page, "None of the 41 classes was confused with another.");
        if (k[i].classes == 2000) has(page, "of 2000 classes that were confused most often");
        free(page);
        free(images);
        eff_metrics_free(metrics);
    }
    /* nothing at all, and far too much of everything */
    eff_report r;
    eff_report_init(&r);
    free(page_of(&r));
    enum { MANY = 20000 };
    eff_report_fact *const facts = calloc(MANY, sizeof *facts);
    eff_report_excluded *const excluded = calloc(MANY, sizeof *excluded);
    eff_report_epoch *const epoch = calloc(MANY, sizeof *epoch);
    char *const longest = malloc(5001);
    assert_true(facts && excluded && epoch && longest);
    memset(longest, '<', 5000);
    longest[5000] = '\0';
    static const double odd[] = { NAN, INFINITY, -INFINITY, 1e308, -1e308, 1e-308, 0, -0.0, 5e-324, 1e149 };
    for (int i = 0; i < MANY; i++) {
        facts[i] = (eff_report_fact){ longest, longest, longest };
        excluded[i] = (eff_report_excluded){ longest, longest };
        epoch[i] = (eff_report_epoch){ i, odd[i % 10], odd[i / 10 % 10], odd[i / 100 % 10], odd[i % 7], odd[i % 3] };
    }
    r.title = r.subtitle = longest;
    r.facts = facts;
    r.excluded = excluded;
    r.epochs = epoch;
    r.nfacts = r.nexcluded = r.nepochs = MANY;
    char *page = page_of(&r);
    assert_true(strlen(page) < 2048 * KB);
    has(page, "<p class=\"mut\">19800 more facts.</p>");
    has(page, "<p class=\"mut\">19800 more files.</p>");
    free(page);
    for (size_t n = 1; n < 4; n++) /* runs that have just begun, of every odd value */
        for (int first = 0; first < 10; first++) {
            r.epochs = epoch + first;
            r.nepochs = n;
            r.nfacts = r.nexcluded = 0;
            free(page_of(&r));
        }
    for (int i = 0; i < MANY; i++) epoch[i] = (eff_report_epoch){ i, NAN, NAN, NAN, NAN, NAN };
    r.epochs = epoch;
    r.nepochs = MANY;
    page = page_of(&r); /* curves without a value are not drawn */
    assert_int_equal(count_of(page, "<svg"), 0);
    free(page);
    free(facts);
    free(excluded);
    free(epoch);
    free(longest);
}

/* ---------------------------------------------------------------------------------------------- drawings */

static void confused_classes_stand_together(void **state)
{
    (void)state;
    enum { N = 9 };
    /* 0-7-4 a chain, its strongest pair 7-4; 2-8 a pair, stronger; 1, 3, 5, 6 never confused */
    static const struct {
        int a, b, n;
    } wrong[] = { { 0, 7, 2 }, { 7, 4, 5 }, { 4, 7, 1 }, { 8, 2, 9 } };
    eff_error err = { 0 };
    eff_metrics *metrics;
    eff_confusion c;
    T_OK(eff_metrics_create(&metrics, N, &err), err);
    for (int a = 0; a < N; a++)
        for (int i = 0; i < 20; i++)
            eff_metrics_add(metrics, a,
                            (float[N]){ [0] = a == 0 ? 9 : 0,
                                        [1] = a == 1 ? 9 : 0,
                                        [2] = a == 2 ? 9 : 0,
                                        [3] = a == 3 ? 9 : 0,
                                        [4] = a == 4 ? 9 : 0,
                                        [5] = a == 5 ? 9 : 0,
                                        [6] = a == 6 ? 9 : 0,
                                        [7] = a == 7 ? 9 : 0,
                                        [8] = a == 8 ? 9 : 0 });
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
        for (int i = 0; i < wrong[k].n; i++) {
            float z[N] = { 0 };
            z[wrong[k].b] = 9;
            eff_metrics_add(metrics, wrong[k].a, z);
        }
    T_OK(eff_confusion_find(&c, eff_metrics_get(metrics), &err), err);
    static const int want[N] = { 2, 8, 0, 7, 4, 1, 3, 5, 6 };
    assert_int_equal(c.n, N);
    assert_int_equal(c.mistakes, 17);
    assert_int_equal(c.shown, 17);
    assert_memory_equal(c.order, want, sizeof want);
    eff_metrics_free(metrics);
    /* whatever the answers: every class once */
    for (int classes = 2; classes <= 60; classes += 7) {
        eff_report_image *images;
        bool seen[60] = { false };
        metrics = made(classes, 50 * classes, 2, 1, &images);
        T_OK(eff_confusion_find(&c, eff_metrics_get(metrics), &err), err);
        assert_int_equal(c.n, classes <= EFF_CONFUSION_MOST ? classes : EFF_CONFUSION_MOST);
        for (int i = 0; i < c.n; i++) {
            assert_false(seen[c.order[i]]);
            seen[c.order[i]] = true;
        }
        assert_true(c.shown <= c.mistakes && (c.shown == c.mistakes) == (classes <= EFF_CONFUSION_MOST));
        free(images);
        eff_metrics_free(metrics);
    }
}

/* As the curves of scaling will be drawn: a logarithmic axis, intervals, a file of its own. */
static void lines_with_intervals(void **state)
{
    (void)state;
    static const double x[] = { 4e8, 1e9, 4e9, -1, 0, 3.7e10 }, y[] = { 0.77, 0.79, 0.82, 0.5, 0.5, 0.84 };
    static const double lo[] = { 0.76, 0.78, 0.815, 0.4, 0.4, NAN }, hi[] = { 0.78, 0.8, 0.825, 0.6, 0.6, 0.85 };
    const eff_svg_series s[] = { { "compound & <all>", x, y, lo, hi, 6 },
                                 { "depth", x, lo, NULL, NULL, 3 },
                                 { "nothing", x, y, NULL, NULL, 0 } };
    const eff_svg_lines c = { .title = "scaling",
                              .x_label = "multiply-adds",
                              .y_label = "top-1",
                              .series = s,
                              .nseries = 3,
                              .log_x = true,
                              .percent = true,
                              .alone = true };
    eff_text t = { 0 };
    eff_svg_lines_draw(&t, &c);
    assert_false(t.failed);
    check_page(t.s, false);
    assert_int_equal(strncmp(t.s, "<svg ", 5), 0);
    has(t.s, "<style>");
    has(t.s, ">1G</text>");
    has(t.s, ">10G</text>");
    has(t.s, ">76\xc2\xa0%</text>");
    has(t.s, "compound &amp; &lt;all&gt;");
    assert_int_equal(count_of(t.s, "m-3 0h6m-3 0V"), 3); /* the last has no lower end, two no place on the axis */
    assert_int_equal(count_of(t.s, "<circle"), 1 + 4);
    eff_text_free(&t);
    const eff_svg_lines none = { .title = "", .x_label = "", .series = s + 2, .nseries = 1 };
    eff_svg_lines_draw(&t, &none);
    check_page(t.s, false);
    has(t.s, ">no values</text>");
    eff_text_free(&t);
    static const eff_svg_bar bar[] = { { "<b>", 0.5, 0.25, 0.75, "1 of 2" },
                                       { "empty", NAN, NAN, NAN, NULL },
                                       { "beyond", 7, -3, INFINITY, NULL } };
    eff_svg_bars(&t, "bars", bar, 3);
    check_page(t.s, false);
    assert_int_equal(count_of(t.s, "<rect"), 2);
    eff_text_free(&t);
}

/* Where the labels of a chart stand: boxes as wide as the letters are. */
static int read_labels(const char *svg, double box[][4], int most)
{
    int n = 0;
    for (const char *at = svg; (at = strstr(at, "<text class=\"s\" x=\"")) && n < most; at++) {
        double x, y;
        char text[64];
        if (sscanf(at, "<text class=\"s\" x=\"%lf\" y=\"%lf\">%63[^<]<", &x, &y, text) != 3) fail_msg("%.60s", at);
        box[n][0] = x;
        box[n][1] = x + 5.5 * (double)strlen(text);
        box[n][2] = y - 8;
        box[n++][3] = y;
    }
    return n;
}

/* Named points, as close as those of the published family, do not hide each other's names, nor leave the drawing. */
static void labels_apart(void **state)
{
    (void)state;
    static const double x[] = { 0.39e9, 0.7e9, 1e9, 1.8e9, 4.2e9, 9.9e9, 19e9, 37e9 },
                        y[] = { 0.771, 0.791, 0.801, 0.816, 0.829, 0.836, 0.84, 0.843 };
    static const double ox[] = { 4.1e9, 11e9, 5.7e9, 6e9, 8.4e9 }, oy[] = { 0.76, 0.778, 0.788, 0.779, 0.79 };
    static const char *const names[] = { "B0", "B1", "B2", "B3", "B4", "B5", "B6", "B7" }, *const others[] = {
        "ResNet-50", "ResNet-152", "Inception-v3", "DenseNet-264", "Xception"
    };
    const eff_chart_series s[] = { { .name = "family", .x = x, .y = y, .labels = names, .n = 8 },
                                   { .name = "others", .x = ox, .y = oy, .labels = others, .n = 5 } };
    const eff_chart c[] = { { .title = "a <title>",
                              .x_label = "multiply-adds",
                              .y_label = "top-1",
                              .series = s,
                              .nseries = 2,
                              .log_x = 1,
                              .percent = 1,
                              .note = "a note & more" },
                            { .title = "again", .series = s, .nseries = 1 } };
    const char *const path = t_tmp("chart.svg");
    eff_error err = { 0 };
    T_OK(eff_chart_save(c, 2, NULL, path, &err), err);
    unsigned char *text;
    size_t n;
    T_OK(eff_file_read_all(path, 1 << 20, &text, &n, &err), err);
    check_page((char *)text, false);
    has((char *)text, "a &lt;title&gt;");
    has((char *)text, "a note &amp; more");
    assert_int_equal(count_of((char *)text, "<style>"), 1);
    double box[32][4];
    const int labels = read_labels((char *)text, box, 32);
    assert_int_equal(labels, 8 + 5 + 8);
    for (int i = 0; i < labels; i++) {
        assert_true(box[i][0] >= 0 && box[i][1] <= 420 && box[i][2] >= 0);
        for (int k = 0; k < i; k++) {
            if ((i < 13) != (k < 13)) continue; /* of the other chart */
            const bool apart =
                box[i][1] <= box[k][0] || box[k][1] <= box[i][0] || box[i][3] <= box[k][2] || box[k][3] <= box[i][2];
            if (!apart) fail_msg("labels %d and %d lie on each other", i, k);
        }
    }
    eff_free(text);
    assert_int_equal(eff_chart_save(c, 0, NULL, path, &err), EFF_EARG);
    const eff_chart bad = { .title = "", .series = s, .nseries = 7 };
    assert_int_equal(eff_chart_save(&bad, 1, NULL, path, &err), EFF_EARG);
    assert_int_equal(eff_chart_save(c, 1, NULL, t_tmp("none/chart.svg"), &err), EFF_EIO);
}

/* -------------------------------------------------------------------------------------------------- files */

static void failures(void **state)
{
    (void)state;
    eff_error err = { 0 };
    eff_report_image *images, image;
    eff_metrics *const metrics = made(3, 30, 2, 1, &images);
    eff_report r;
    eff_report_init(&r);
    r.metrics = eff_metrics_get(metrics);
    r.images = &image;
    r.nimages = 1;
    image = (eff_report_image){ "x", 3, 0, 1, 0 };
    assert_int_equal(eff_report_save(&r, t_tmp("bad.html"), &err), EFF_EARG);
    assert_non_null(strstr(err.msg, "image 0: expected classes in 0..2, found 3 taken for 0"));
    image = (eff_report_image){ "x", 0, -1, 1, 0 };
    assert_int_equal(eff_report_save(&r, t_tmp("bad.html"), &err), EFF_EARG);
    r.metrics = NULL;
    assert_int_equal(eff_report_save(&r, t_tmp("bad.html"), &err), EFF_EARG);
    assert_int_equal(eff_report_save(NULL, "x", &err), EFF_EARG);
    struct stat st;
    assert_int_not_equal(stat(t_tmp("bad.html"), &st), 0);

    r.metrics = eff_metrics_get(metrics);
    r.images = images;
    r.nimages = 30;
    r.epochs = epochs;
    r.nepochs = 4;
    assert_int_equal(eff_report_save(&r, t_tmp("no such folder/r.html"), &err), EFF_EIO);
    const char *const path = t_tmp("report.html");
    long n = 0;
    for (;; n++) { /* each allocation fails once; what is there already stays */
        eff_alloc_fail_after(n);
        const eff_status s = eff_report_save(&r, path, &err);
        eff_alloc_fail_after(-1);
        if (s == EFF_OK) break;
        if (s != EFF_ENOMEM) fail_msg("allocation %ld: %d %s", n, s, err.msg);
        assert_int_not_equal(stat(path, &st), 0);
    }
    assert_true(n > 8);
    assert_int_equal(stat(path, &st), 0);
    assert_true(st.st_size > 10000);
    free(images);
    eff_metrics_free(metrics);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_equal_the_input),
        cmocka_unit_test(hostile_names),
        cmocka_unit_test(pictures_of_mistakes),
        cmocka_unit_test(extremes),
        cmocka_unit_test(confused_classes_stand_together),
        cmocka_unit_test(lines_with_intervals),
        cmocka_unit_test(labels_apart),
        cmocka_unit_test(failures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
