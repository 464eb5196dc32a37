# Training: kernels, gradients, optimisers.
eff_test(test_train_golden SOURCES test_train_golden.c LABELS golden shared level threads)
