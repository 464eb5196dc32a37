# src/search/supernet*.c
eff_test(test_supernet SOURCES test_supernet.c LABELS unit FAULTS)
