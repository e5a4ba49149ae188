// A checkpoint. The checksum at its start would stop every mutation, so the input is sealed first, with the index where the input says or
// else where its first 8 bytes say.
// What is read must be written and read back the same.
#include <unistd.h>

#include <charconv>
#include <cstdint>
#include <cstring>
#include <string>

#include "base/crc32c.h"
#include "base/error.h"
#include "ckpt/checkpoint.h"
#include "ckpt/seal.h"
#include "fuzz/memory_file.h"

namespace {

bool same(const dl::Checkpoint& a, const dl::Checkpoint& b) {
  if (a.spec != b.spec || a.state != b.state || a.facts != b.facts || a.parameters.size() != b.parameters.size()) return false;
  for (const auto& [name, tensor] : a.parameters) {
    const auto other = b.parameters.find(name);
    if (other == b.parameters.end() || !dl::bit_equal(tensor, other->second)) return false;
  }
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  if (size > dl::kSealBytes) {
    uint64_t index = 0;
    const size_t at = bytes.find("\nindex ");
    if (at < dl::kSealBytes) {
      std::from_chars(bytes.data() + at + 7, bytes.data() + dl::kSealBytes, index);
    } else {
      std::memcpy(&index, data, sizeof index);
    }
    const uint32_t crc = dl::crc32c(bytes.data() + dl::kSealBytes, size - dl::kSealBytes);
    bytes.replace(0, dl::kSealBytes, dl::make_seal(size, index, crc));
  }
  try {
    const dl::fuzz::MemoryFile file(bytes.data(), bytes.size());
    const dl::Checkpoint checkpoint = dl::read_checkpoint(file.path());
    const std::string again = "/dev/shm/dltool-fuzz-" + std::to_string(::getpid());
    dl::write_checkpoint(again, checkpoint);
    const bool equal = same(dl::read_checkpoint(again), checkpoint);
    ::unlink(again.c_str());
    if (!equal) __builtin_trap();
  } catch (const dl::FileError&) {
  }
  return 0;
}
