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
