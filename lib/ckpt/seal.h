// The first 512 bytes of a checkpoint: text lines with format version, file length and CRC-32C of the rest, zero-padded (an HDF5 "user
// block"). Who uses it: checkpoint.cpp, and tests and fuzz targets that need a well-sealed file with bad content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dl {

inline constexpr size_t kSealBytes = 512;
inline constexpr std::string_view kSealMagic = "dltool checkpoint\n";
inline constexpr int64_t kCheckpointVersion = 1;

// Exactly kSealBytes for a file of `file_bytes` in all whose bytes after the seal have this checksum.
std::string make_seal(uint64_t file_bytes, uint32_t crc, int64_t version = kCheckpointVersion);

// Reads the file through and throws FileError unless the seal is right; EnvError when it cannot be read. Returns its length.
uint64_t check_seal(const std::string& path);

}  // namespace dl
