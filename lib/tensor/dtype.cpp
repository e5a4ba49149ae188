#include "tensor/dtype.h"

#include <array>

#include "base/error.h"

namespace dl {
namespace {

struct Row {
  const char* name;
  size_t bytes;
  bool floating;
};
constexpr std::array<Row, 13> kRows = {{{"float32", 4, true},
                                        {"float64", 8, true},
                                        {"bfloat16", 2, true},
                                        {"float16", 2, true},
                                        {"int8", 1, false},
                                        {"uint8", 1, false},
                                        {"int16", 2, false},
                                        {"uint16", 2, false},
                                        {"int32", 4, false},
                                        {"uint32", 4, false},
                                        {"int64", 8, false},
                                        {"uint64", 8, false},
                                        {"bool", 1, false}}};

const Row& row_of(DType type) { return kRows.at(static_cast<size_t>(type)); }

}  // namespace

size_t size_of(DType type) { return row_of(type).bytes; }
const char* name_of(DType type) { return row_of(type).name; }
bool is_float(DType type) { return row_of(type).floating; }
bool is_integer(DType type) { return !row_of(type).floating && type != DType::kBool; }

std::optional<DType> parse_dtype(std::string_view name) {
  for (size_t i = 0; i < kRows.size(); ++i)
    if (kRows[i].name == name) return static_cast<DType>(i);
  return std::nullopt;
}

}  // namespace dl
