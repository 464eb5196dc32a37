# Images: decoders, resizing, preprocessing rules.
eff_test(test_image SOURCES test_image.c pictures.c LABELS unit)
eff_test(test_resize SOURCES test_resize.c LABELS unit)
eff_test(test_preprocess SOURCES test_preprocess.c LABELS unit)
eff_test(test_preprocess_golden SOURCES test_preprocess_golden.c LABELS golden shared level)
eff_test(test_exif SOURCES test_exif.c pictures.c LABELS unit)
eff_test(test_icc SOURCES test_icc.c pictures.c LABELS unit)
eff_test(test_bombs SOURCES test_bombs.c pictures.c LABELS unit)
eff_test(test_prepare SOURCES test_prepare.c pictures.c LABELS unit)
eff_test(test_large_image SOURCES test_large_image.c pictures.c LABELS unit long)
eff_test(test_half_size_shared SOURCES test_half_size_shared.c LABELS golden shared long)
# The seeds of the image fuzz targets.
add_executable(tool_pictures tool_pictures.c pictures.c)
target_link_libraries(tool_pictures PRIVATE effnet_testsupport)
