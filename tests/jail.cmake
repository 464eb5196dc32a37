# The import worker: what it is kept from, and what it reads.
add_executable(hostile_worker hostile_worker.c ${PROJECT_SOURCE_DIR}/src/worker/worker_main.c ${PROJECT_SOURCE_DIR}/src/jail/confine.c)
target_link_libraries(hostile_worker PRIVATE effnet_static)
target_compile_definitions(hostile_worker PRIVATE EFF_CPU_SECONDS=1)
eff_test(test_jail SOURCES test_jail.c checkpoints.c LABELS unit)
add_dependencies(test_jail hostile_worker effnet-cli)
target_compile_definitions(test_jail PRIVATE HOSTILE_WORKER="$<TARGET_FILE:hostile_worker>" PROGRAM="$<TARGET_FILE:effnet-cli>"
  EFF_TEST_WORKER="$<TARGET_FILE:effnet-worker>")
eff_test(test_worker_pictures SOURCES test_worker_pictures.c checkpoints.c tsv.c LABELS unit)
target_compile_definitions(test_worker_pictures PRIVATE EFF_TIFF=$<BOOL:${EFF_TIFF}> EFF_AVIF=$<BOOL:${EFF_AVIF}>)
target_compile_definitions(test_alloc_failure PRIVATE EFF_TIFF=$<BOOL:${EFF_TIFF}>)
if(EFF_HDF5)
  eff_test(test_keras SOURCES test_keras.c checkpoints.c forward.c LABELS unit)
endif()
