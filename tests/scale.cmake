# src/trials/ and src/scale/.
eff_test(test_trials SOURCES test_trials.c LABELS unit)
eff_test(test_study SOURCES test_study.c LABELS unit)
