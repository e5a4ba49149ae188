// Sources of cmake/precompiled.cmake: a target needs one.
