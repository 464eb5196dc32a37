# Images: decoders, what is written beside the pixels, the rule. Seeds: build/tests/tool_pictures fuzz/corpus
eff_fuzz(jpeg fuzz_image.c NEAR 5)
eff_fuzz(png fuzz_image.c NEAR 20)
eff_fuzz(webp fuzz_image.c NEAR 20)
eff_fuzz(pixels)
eff_fuzz(picture NEAR 0 REPLAY ${PROJECT_SOURCE_DIR}/tests/data/pictures)
eff_fuzz(exif)
eff_fuzz(icc NEAR 5)
eff_fuzz(preprocess)
