# ONNX, weights in the names of other libraries, the gate (src/formats/onnx*, src/export/).
eff_test(test_onnx SOURCES test_onnx.c forward.c LABELS unit level)
eff_test(test_onnx_stream SOURCES test_onnx_stream.c checkpoints.c LABELS unit)
# What the libraries themselves make of it; skipped where their Python packages are missing (EFFNET_PYTHON names an interpreter that has them).
add_test(NAME export_libraries COMMAND sh -c "exec \"\${EFFNET_PYTHON:-python3}\" \"$@\"" sh
  ${PROJECT_SOURCE_DIR}/tools/check_export.py --program $<TARGET_FILE:effnet-cli>)
set_tests_properties(export_libraries PROPERTIES LABELS long SKIP_RETURN_CODE 77 TIMEOUT 1800)
# And of what they write (docs/formats.md): the small networks; the others take an environment of their own and an hour.
add_test(NAME import_libraries COMMAND sh -c "rm -f \"$1\"; exec \"\${EFFNET_PYTHON:-python3}\" \"$2\" --here --program \"$3\" --out \"$1\" b0 b1" sh
  ${CMAKE_CURRENT_BINARY_DIR}/import_libraries.tsv ${PROJECT_SOURCE_DIR}/tools/check_import.py $<TARGET_FILE:effnet-cli>)
set_tests_properties(import_libraries PROPERTIES LABELS long SKIP_RETURN_CODE 77 TIMEOUT 1800)
