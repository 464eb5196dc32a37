# Tables, graphs, counts, models.
eff_test(test_tables SOURCES test_tables.c tsv.c LABELS unit)
eff_test(test_graph SOURCES test_graph.c tsv.c LABELS unit)
eff_test(test_table_json SOURCES test_table_json.c LABELS unit)
eff_test(test_model SOURCES test_model.c LABELS unit)
eff_test(test_care SOURCES test_care.c LABELS unit level)
