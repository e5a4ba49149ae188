// What makes a checkpoint safe to read: the file is [512 bytes of seal][HDF5 file][index], and reading needs the seal and the index only.
// The seal is text, zero-padded: format version, file length, where the index begins, CRC-32C of all bytes after the seal. To HDF5 it is
// a "user block", and the index lies beyond the end HDF5 knows of. HDF5 never parses a file here: 1.10 crashes on crafted ones.
// Who uses it: checkpoint reader and writer; tests and fuzz targets that need a well-sealed file with bad content.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace dl {

inline constexpr size_t kSealBytes = 512;
inline constexpr std::string_view kSealMagic = "dltool checkpoint\n";
inline constexpr int64_t kCheckpointVersion = 1;

// Exactly kSealBytes.
std::string make_seal(uint64_t file_bytes, uint64_t index_offset, uint32_t crc, int64_t version = kCheckpointVersion);

// An open file whose seal is right: length and checksum have been compared, so nothing in it is there by accident.
class SealedFile {
 public:
  explicit SealedFile(const std::string& path);  // FileError unless it is one; EnvError when it cannot be read
  ~SealedFile();
  SealedFile(const SealedFile&) = delete;
  SealedFile& operator=(const SealedFile&) = delete;

  const std::string& path() const { return path_; }
  uint64_t size() const { return size_; }
  std::string read_index() const;
  // All of [offset, offset + bytes), or FileError.
  void read(uint64_t offset, size_t bytes, void* destination) const;

 private:
  void check();
  size_t read_some(uint64_t offset, size_t bytes, char* destination) const;

  std::string path_;
  int fd_ = -1;
  uint64_t size_ = 0, index_offset_ = 0;
};

}  // namespace dl
