/* SPDX-License-Identifier: Apache-2.0 */
/* What a search leaves behind: a page, a table of all children, JSON, and networks to go on with. Each is whole or not
 * there. */
#include "search/search_internal.h"

#include "base/file.h"
#include "base/mem.h"
#include "report/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void csv_number(eff_text *t, const json_t *row, const char *key, const char *format)
{
    const json_t *const v = json_object_get(row, key);
    eff_text_put(t, ",");
    if (json_is_number(v)) eff_text_print(t, format, json_number_value(v));
}

/* The columns that tools/search_replay reads stand first. */
static eff_status save_csv(const json_t *r, const char *dir, eff_error *err)
{
    eff_text t = { 0 };
    size_t i;
    const json_t *v;
    eff_text_put(&t, "child,macs,params,memory,latency,top1,reward,seconds,number,proposed_by,state,front\n");
    json_array_foreach(json_object_get(r, "children"), i, v)
    {
        eff_text_put(&t, json_string_value(json_object_get(v, "child")));
        csv_number(&t, v, "macs", "%.0f");
        csv_number(&t, v, "params", "%.0f");
        csv_number(&t, v, "memory", "%.0f");
        csv_number(&t, v, "latency", "%.9f");
        csv_number(&t, v, "top1", "%.6f");
        csv_number(&t, v, "reward", "%.6f");
        csv_number(&t, v, "seconds", "%.1f");
        csv_number(&t, v, "number", "%.0f");
        eff_text_print(&t, ",%s,%s,%d\n",
                       json_is_true(json_object_get(v, "by_chance"))
                           ? "chance"
                           : json_string_value(json_object_get(r, "controller")),
                       json_string_value(json_object_get(v, "state")), json_is_true(json_object_get(v, "front")));
    }
    const eff_status e = t.failed ? eff_fail_memory(err, t.n) : eff_save_text(dir, "search.csv", t.s, err);
    eff_text_free(&t);
    return e;
}

static eff_status save_json(const json_t *j, const char *dir, const char *name, eff_error *err)
{
    char *const text = json_dumps(j, JSON_INDENT(1));
    const eff_status e = text ? eff_save_text(dir, name, text, err) : eff_fail_memory(err, 0);
    free(text);
    return e;
}

static eff_status save_tables(const json_t *r, const char *dir, eff_error *err)
{
    const json_t *const tables = json_object_get(r, "tables");
    const json_t *const best = json_object_get(json_object_get(r, "best"), "table");
    const size_t n = strlen(dir) + sizeof "/tables";
    char name[EFF_CHILD_TEXT + 8], *const folder = eff_malloc(n);
    const char *child;
    json_t *v;
    if (!folder) return eff_fail_memory(err, n);
    snprintf(folder, n, "%s/tables", dir);
    eff_status e = best ? save_json(best, dir, "best.json", err) : EFF_OK;
    if (e == EFF_OK && json_object_size(tables)) e = eff_make_folder(folder, err);
    json_object_foreach((json_t *)tables, child, v)
    {
        snprintf(name, sizeof name, "%s.json", child);
        if (e == EFF_OK) e = save_json(v, folder, name, err);
    }
    eff_free(folder);
    return e;
}

EFF_API eff_status eff_search_save(eff_search *s, const char *dir, eff_error *err)
{
    if (!s || !dir || !*dir) return eff_fail(err, EFF_EARG, "eff_search_save: expected a search and a folder");
    json_t *const r = eff_search_results_json(s);
    char *const page = r ? eff_search_html(r) : NULL;
    eff_status e = page ? eff_make_folder(dir, err) : eff_fail_memory(err, 0);
    if (e == EFF_OK) e = save_tables(r, dir, err);
    if (e == EFF_OK) e = save_json(r, dir, "search.json", err);
    if (e == EFF_OK) e = save_csv(r, dir, err);
    if (e == EFF_OK) e = eff_save_text(dir, "search.html", page, err);
    eff_free(page);
    json_decref(r);
    return e;
}
