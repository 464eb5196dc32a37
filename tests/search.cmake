# src/search/.
eff_test(test_search_space SOURCES test_search_space.c LABELS unit)
eff_test(test_search SOURCES test_search.c LABELS unit)
