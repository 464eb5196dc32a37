# src/data/: sets of labelled images, their split, batches of them.
eff_test(test_dataset SOURCES test_dataset.c pictures.c LABELS unit threads)
eff_test(test_loader SOURCES test_loader.c pictures.c LABELS unit threads)
