# What `cmake --install` puts beside bin/dltool: man pages and shell completions, all generated from the option tree and kept in man/
# (`dltool __man man` rewrites them; the test cli.generated fails when they differ from the program).
include(GNUInstallDirs)
file(GLOB man1 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.1)
file(GLOB man7 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.7)
file(GLOB man5 CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/man/*.5)
install(FILES ${man1} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
install(FILES ${man5} DESTINATION ${CMAKE_INSTALL_MANDIR}/man5)
install(FILES ${man7} DESTINATION ${CMAKE_INSTALL_MANDIR}/man7)
install(FILES man/completions/dltool.bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME dltool)
install(FILES man/completions/_dltool DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions)
install(FILES man/completions/dltool.fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d)
install(FILES LICENSE README.md CHANGELOG.md DESTINATION ${CMAKE_INSTALL_DOCDIR})
