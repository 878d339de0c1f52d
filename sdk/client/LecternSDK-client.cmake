# find_package(LecternSDK COMPONENTS client): LecternSDK::client. Included by LecternSDKConfig.cmake.
include(CMakeFindDependencyMacro)
find_dependency(Threads)
find_dependency(OpenSSL)
include(${CMAKE_CURRENT_LIST_DIR}/LecternSDKClientTargets.cmake)
