# src/formats/: names, recognition, the model file, class names.
eff_test(test_names SOURCES test_names.c tsv.c LABELS unit)
eff_test(test_recognise SOURCES test_recognise.c fakefile.c LABELS unit)
eff_test(test_modelfile SOURCES test_modelfile.c fakefile.c LABELS unit)
eff_test(test_recognise_shared SOURCES test_recognise_shared.c LABELS shared)
# Tensor files: containers, element types, the pickle machine.
eff_test(test_dtype SOURCES test_dtype.c checkpoints.c LABELS unit)
eff_test(test_safetensors SOURCES test_safetensors.c checkpoints.c LABELS unit)
eff_test(test_pickle SOURCES test_pickle.c LABELS unit)
eff_test(test_pytorch SOURCES test_pytorch.c checkpoints.c pickles.c LABELS unit)
eff_test(test_pytorch_zip SOURCES test_pytorch_zip.c checkpoints.c pickles.c LABELS unit)
eff_test(test_checkpoints SOURCES test_checkpoints.c checkpoints.c LABELS unit)
eff_test(test_checkpoints_shared SOURCES test_checkpoints_shared.c checkpoints.c LABELS shared)
# The seeds of the fuzz targets (tools/make_corpus.sh).
add_executable(tool_seeds tool_seeds.c pickles.c)
target_link_libraries(tool_seeds PRIVATE effnet_testsupport)
# What hostile input and a machine without memory must not do, over all areas.
eff_test(test_alloc_failure SOURCES test_alloc_failure.c checkpoints.c pickles.c LABELS unit)
target_compile_definitions(test_alloc_failure PRIVATE TOOL_SYNTH="$<TARGET_FILE:tool_synth>")
eff_test(test_threads_predict SOURCES test_threads_predict.c LABELS unit threads)
target_compile_definitions(test_threads_predict PRIVATE TOOL_SYNTH="$<TARGET_FILE:tool_synth>")
eff_test(test_zip_bombs SOURCES test_zip_bombs.c checkpoints.c pickles.c LABELS unit)
eff_test(test_number SOURCES test_number.c LABELS unit)
eff_test(test_hostile SOURCES test_hostile.c checkpoints.c pickles.c LABELS unit)
