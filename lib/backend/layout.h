// Physical layouts of tensors. kPlain is row-major; every other id names an entry of the backend's table, such as a
// blocked format of oneDNN. An entry holds for one element type and shape, so two tensors of equal type and shape with
// equal ids have the same bytes in the same places.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "tensor/tensor.h"

namespace dl {

using LayoutId = uint16_t;
inline constexpr LayoutId kPlain = 0;

class LayoutTable {
 public:
  virtual ~LayoutTable() = default;
  virtual size_t bytes(LayoutId id) const = 0;      // id != kPlain
  virtual std::string name(LayoutId id) const = 0;  // "aBcd8b"
  // Every byte holds an element (no padding), so elementwise kernels may run over the bytes in order.
  virtual bool is_dense(LayoutId id) const = 0;
  // The same places for elements of another type; nullopt where there is none. id != kPlain.
  virtual std::optional<LayoutId> retyped(LayoutId id, DType type) = 0;
};

}  // namespace dl
