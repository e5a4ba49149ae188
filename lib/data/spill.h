// Spill: bytes appended once and read back at any place, in bounded memory: the first kMemoryBytes stay in memory, the rest goes to a
// file without a name in the folder of temporary files (TMPDIR, /tmp), which vanishes with the process.
// Who uses it: sources whose samples are met in file order and read in shuffled order (CSV rows, members of compressed archives, records).
// Thread-safety: append from one thread; after that, read from any number.
// Errors: EnvError when there is no room for the file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace dl {

class Spill {
 public:
  static constexpr size_t kMemoryBytes = size_t{32} << 20;

  explicit Spill(size_t memory_bytes = kMemoryBytes) : memory_bytes_(memory_bytes) {}
  ~Spill();
  Spill(const Spill&) = delete;
  Spill& operator=(const Spill&) = delete;

  // The place of the first byte.
  int64_t append(std::span<const std::byte> bytes);
  int64_t size() const { return static_cast<int64_t>(memory_.size() + pending_.size()) + written_; }
  // Fills `into` from `offset` on; all of it must have been appended.
  void read(int64_t offset, std::span<std::byte> into) const;
  // Writes out what still waits in a buffer and gives back spare memory. Before the first read from another thread.
  void finish();

 private:
  void flush();

  size_t memory_bytes_;
  std::vector<std::byte> memory_;   // the first bytes
  std::vector<std::byte> pending_;  // the last, not yet in the file
  int64_t written_ = 0;             // bytes of the file
  int fd_ = -1;
};

}  // namespace dl
