// Reading and writing at a place of an open file, all of it or an error: pread and pwrite until they are done, also when signals come.
// Who uses it: whatever holds a descriptor and has words of its own for what went wrong (checkpoints, model files, spilled samples).
// Thread-safe: the position of the descriptor is neither used nor moved.
#pragma once

#include <cstddef>
#include <cstdint>

namespace dl {

struct Transfer {
  size_t bytes = 0;  // what got across
  int error = 0;     // errno; 0 when all is well, also where the file ends before
};

Transfer read_at(int fd, uint64_t offset, void* to, size_t bytes);
Transfer write_at(int fd, uint64_t offset, const void* from, size_t bytes);

}  // namespace dl
