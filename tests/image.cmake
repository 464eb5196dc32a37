# Images: decoders, resizing, preprocessing rules.
eff_test(test_image SOURCES test_image.c pictures.c LABELS unit)
eff_test(test_resize SOURCES test_resize.c LABELS unit)
eff_test(test_preprocess SOURCES test_preprocess.c LABELS unit)
eff_test(test_preprocess_golden SOURCES test_preprocess_golden.c LABELS golden shared level)
