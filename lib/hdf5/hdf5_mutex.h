// The lock around every use of the HDF5 library in this process, which is not thread-safe, and around forks of processes that use it.
#pragma once

#include <mutex>

namespace dl {

inline std::mutex& hdf5_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace dl
