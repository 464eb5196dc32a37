# Training: kernels, gradients, optimisers.
eff_test(test_train_kernels SOURCES test_train_kernels.c LABELS unit level)
eff_test(test_gradients SOURCES test_gradients.c LABELS unit level threads)
eff_test(test_train_golden SOURCES test_train_golden.c LABELS golden level threads)
eff_test(test_train_golden_shared SOURCES test_train_golden.c LABELS golden shared)
target_compile_definitions(test_train_golden_shared PRIVATE EFF_GOLDEN_SHARED)
eff_test(test_mix SOURCES test_mix.c LABELS unit)
