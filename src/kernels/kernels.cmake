# The reference without contraction; one portable vector source a level, with that level's instruction set. No other file
# gets these flags, so the program starts on any x86-64.
target_sources(effnet_objects PRIVATE kernels/ref/ref.c kernels/ref/bf16_ref.c kernels/ref/train_ref.c)
set_source_files_properties(kernels/ref/ref.c kernels/ref/bf16_ref.c kernels/ref/train_ref.c PROPERTIES COMPILE_OPTIONS "-ffp-contract=off")

set(EFF_VEC_SOURCES kernels/vec/gemm.c kernels/vec/dwconv.c kernels/vec/dwplane.c kernels/vec/winograd_tiles.c kernels/vec/elementwise.c kernels/vec/peak.c kernels/vec/train_vec.c)
set(EFF_BF16_SOURCES kernels/vec/gemm.c kernels/vec/bf16.c kernels/vec/peak.c) # over a float32 level
function(eff_vec_level level vl sources)
  add_library(effnet_${level} OBJECT ${${sources}})
  target_compile_definitions(effnet_${level} PRIVATE EFF_VL=${vl} EFF_LEVEL=${level})
  target_compile_options(effnet_${level} PRIVATE ${ARGN} -ffp-contract=fast -fno-trapping-math)
  if(EFF_SANITIZE) # the same checks; at -O2 gcc takes three times as long over them, most of such a build
    target_compile_options(effnet_${level} PRIVATE -O1)
  endif()
endfunction()
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(EFF_AVX2_FLAGS -mavx2 -mfma)
  set(EFF_AVX512_FLAGS -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mprefer-vector-width=512)
  eff_vec_level(avx2 8 EFF_VEC_SOURCES ${EFF_AVX2_FLAGS})
  eff_vec_level(avx512 16 EFF_VEC_SOURCES ${EFF_AVX512_FLAGS})
  eff_vec_level(avx512bf16 16 EFF_BF16_SOURCES ${EFF_AVX512_FLAGS} -mavx512bf16 -DEFF_BF16)
  eff_vec_level(avx512_lowered 16 EFF_VEC_SOURCES ${EFF_AVX2_FLAGS} -Wno-psabi) # of the tests of kernels, not of the library
  set(EFF_VEC_OBJECTS $<TARGET_OBJECTS:effnet_avx2> $<TARGET_OBJECTS:effnet_avx512> $<TARGET_OBJECTS:effnet_avx512bf16>)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "aarch64|arm64")
  eff_vec_level(neon 4 EFF_VEC_SOURCES) # every such CPU has it: no flags
  set(EFF_VEC_OBJECTS $<TARGET_OBJECTS:effnet_neon>)
endif()
