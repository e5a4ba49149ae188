// CRC-32C (Castagnoli, reflected polynomial 0x82F63B78): the checksum of TFRecord, TensorBoard events, checkpoints and S3.
// Who uses it: train (events), ckpt, data, io. Thread-safe. Uses the SSE4.2 instruction where the machine has it, else tables.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace dl {

// Checksum of `size` bytes; pass the result of the bytes before as `crc` to go on: crc32c(b, nb, crc32c(a, na)) == crc32c(ab).
uint32_t crc32c(const void* data, size_t size, uint32_t crc = 0);
inline uint32_t crc32c(std::string_view bytes) { return crc32c(bytes.data(), bytes.size()); }

// Always the table version, so that tests can compare the two.
uint32_t crc32c_portable(const void* data, size_t size, uint32_t crc = 0);

// TFRecord stores rotated checksums, since a CRC over bytes that hold CRCs is weak.
constexpr uint32_t mask_crc32c(uint32_t crc) { return ((crc >> 15) | (crc << 17)) + 0xa282ead8u; }

}  // namespace dl
