# Training: kernels, gradients, optimisers.
eff_test(test_train_kernels SOURCES test_train_kernels.c LABELS unit level)
eff_test(test_gradients SOURCES test_gradients.c LABELS unit level threads)
eff_test(test_train_golden SOURCES test_train_golden.c LABELS golden shared level threads)
