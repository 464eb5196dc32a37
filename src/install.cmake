# What `make install` puts where; the program, man pages and completions are installed by cli/. The .pc file finds its prefix from where it lies.
include(GNUInstallDirs)
install(TARGETS effnet effnet_static
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/effnet DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
file(RELATIVE_PATH EFF_PC_UP /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" EFF_PC_UP "${EFF_PC_UP}")
configure_file(effnet.pc.in effnet.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/effnet.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
install(FILES ${PROJECT_SOURCE_DIR}/share/imagenet_classes.tsv ${PROJECT_SOURCE_DIR}/share/catalog.tsv DESTINATION ${CMAKE_INSTALL_DATADIR}/effnet)
install(DIRECTORY ${PROJECT_SOURCE_DIR}/share/spaces DESTINATION ${CMAKE_INSTALL_DATADIR}/effnet)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE ${PROJECT_SOURCE_DIR}/NOTICE ${PROJECT_SOURCE_DIR}/README.md
        ${PROJECT_SOURCE_DIR}/CHANGELOG.md ${PROJECT_SOURCE_DIR}/examples/classify.c DESTINATION ${CMAKE_INSTALL_DOCDIR})
