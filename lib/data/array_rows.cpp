#include "data/array_rows.h"

#include <algorithm>

namespace dl {
namespace {

constexpr int64_t kStretchBytes = int64_t{1} << 20;

// A bool of any other byte would be undefined behaviour.
void normalize(DType dtype, std::span<std::byte> bytes) {
  if (dtype != DType::kBool) return;
  for (std::byte& b : bytes) b = std::byte{b != std::byte{0}};
}

}  // namespace

ArrayRows ArrayRows::read(DType dtype, Dims dims, const Give& give, int64_t memory_bytes) {
  const int64_t bytes = element_count(dims) * static_cast<int64_t>(size_of(dtype));
  if (bytes <= memory_bytes) {
    Tensor tensor(dtype, dims);
    const std::span<std::byte> all(static_cast<std::byte*>(tensor.raw()), tensor.bytes());
    if (!all.empty()) give(all);
    normalize(dtype, all);
    return tensor;
  }
  const auto spill = std::make_shared<Spill>(0);
  std::vector<std::byte> stretch;
  for (int64_t done = 0; done < bytes; done += kStretchBytes) {
    stretch.resize(static_cast<size_t>(std::min(kStretchBytes, bytes - done)));
    give(stretch);
    normalize(dtype, stretch);
    spill->append(stretch);
  }
  spill->finish();
  return {dtype, std::move(dims), spill};
}

const std::byte* ArrayRows::elements(int64_t first, int64_t count, std::vector<std::byte>& buffer) const {
  const auto width = static_cast<int64_t>(size_of(dtype_));
  if (!spill_) return static_cast<const std::byte*>(tensor_.raw()) + first * width;
  buffer.resize(static_cast<size_t>(count * width));
  spill_->read(first * width, buffer);
  return buffer.data();
}

Tensor ArrayRows::tensor() const {
  if (!spill_) return tensor_;
  Tensor all(dtype_, dims_);
  spill_->read(0, {static_cast<std::byte*>(all.raw()), all.bytes()});
  return all;
}

}  // namespace dl
