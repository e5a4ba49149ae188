#include "io/onnx/tensor_data.h"

#include <fmt/format.h>
#include <sys/mman.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>

#include "io/onnx/external_data.h"
#include "io/onnx/importer.h"
#include "onnx.pb.h"
#include "tensor/half.h"

namespace dl::onnx {
namespace {

// Numbers of TensorProto.DataType.
enum Type : int32_t {
  kFloat = 1,
  kString = 8,
  kFloat16 = 10,
  kDouble = 11,
  kUInt32 = 12,
  kUInt64 = 13,
  kBFloat16 = 16,
  kE4M3FN = 17,
  kE4M3FNUZ = 18,
  kE5M2 = 19,
  kE5M2FNUZ = 20,
  kUInt4 = 21,
  kInt4 = 22,
  kE2M1 = 23,
  kE8M0 = 24,
  kUInt2 = 25,
  kInt2 = 26,
};

// A small float: sign, exponent and mantissa bits, and what its special codes mean.
struct NarrowFloat {
  int exponent_bits, mantissa_bits, bias;
  bool infinite;     // the highest exponent is infinity and NaN, as in IEEE 754
  bool nan_is_zero;  // the code of -0 is NaN, there is no other (FNUZ)
  bool nan_is_ones;  // all ones is NaN
};
std::optional<NarrowFloat> narrow_float(int32_t type) {
  switch (type) {
    case kE4M3FN:
      return NarrowFloat{4, 3, 7, false, false, true};
    case kE4M3FNUZ:
      return NarrowFloat{4, 3, 8, false, true, false};
    case kE5M2:
      return NarrowFloat{5, 2, 15, true, false, false};
    case kE5M2FNUZ:
      return NarrowFloat{5, 2, 16, false, true, false};
    case kE2M1:
      return NarrowFloat{2, 1, 1, false, false, false};
    default:
      return std::nullopt;
  }
}

float decode_narrow(uint8_t code, int32_t type) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  if (type == kE8M0) return code == 0xff ? nan : std::ldexp(1.0f, int{code} - 127);
  const NarrowFloat f = *narrow_float(type);
  const int bits = f.exponent_bits + f.mantissa_bits;
  const bool negative = code >> bits & 1;
  const int magnitude = code & ((1 << bits) - 1), exponent = magnitude >> f.mantissa_bits,
            mantissa = magnitude & ((1 << f.mantissa_bits) - 1);
  if (f.nan_is_zero && negative && magnitude == 0) return nan;
  if (f.nan_is_ones && magnitude == (1 << bits) - 1) return nan;
  if (f.infinite && exponent == (1 << f.exponent_bits) - 1)
    return mantissa ? nan : negative ? -std::numeric_limits<float>::infinity() : std::numeric_limits<float>::infinity();
  const float value = exponent == 0
                          ? std::ldexp(static_cast<float>(mantissa), 1 - f.bias - f.mantissa_bits)
                          : std::ldexp(static_cast<float>((1 << f.mantissa_bits) + mantissa), exponent - f.bias - f.mantissa_bits);
  return negative ? -value : value;
}

float largest(const NarrowFloat& f) {
  const int top = (1 << f.exponent_bits) - (f.infinite ? 2 : 1);
  const int mantissa = (1 << f.mantissa_bits) - (f.nan_is_ones ? 2 : 1);
  return std::ldexp(static_cast<float>((1 << f.mantissa_bits) + mantissa), top - f.bias - f.mantissa_bits);
}

// To a power of two: E8M0 has nothing else.
float round_to_scale(float value, bool saturate, const std::string& mode) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN();
  if (std::isnan(value) || std::isinf(value)) return nan;
  int exponent = 0;
  const float part = std::frexp(std::abs(value), &exponent);  // in [0.5, 1)
  if (part == 0) return std::ldexp(1.0f, -127);
  exponent -= 1;
  const bool exact = part == 0.5f;
  if (!exact && (mode == "up" || (mode == "nearest" && part >= 0.75f))) ++exponent;
  if (exponent > 127) return saturate ? std::ldexp(1.0f, 127) : nan;
  return std::ldexp(1.0f, std::max(exponent, -127));
}

// How many numbers one byte of raw_data holds; 1 where they are a byte or wider.
int per_byte(int32_t type) {
  if (type == kInt4 || type == kUInt4 || type == kE2M1) return 2;
  if (type == kInt2 || type == kUInt2) return 4;
  return 1;
}

// Packed numbers, low bits first, one for each element of `to`.
void unpack(const uint8_t* from, int32_t type, Tensor& to) {
  const int count = per_byte(type), bits = 8 / count;
  for (int64_t i = 0; i < to.size(); ++i) {
    const int code = from[i / count] >> (i % count * bits) & ((1 << bits) - 1);
    if (type == kE2M1 || count == 1)
      to.data<float>()[i] = decode_narrow(static_cast<uint8_t>(code), type);
    else if (type == kInt4 || type == kInt2)
      to.data<int8_t>()[i] = static_cast<int8_t>(code >> (bits - 1) ? code - (1 << bits) : code);
    else
      to.data<uint8_t>()[i] = static_cast<uint8_t>(code);
  }
}

int64_t raw_bytes(int64_t elements, int32_t type, DType dtype, bool narrow) {
  const int64_t each = narrow ? 1 : static_cast<int64_t>(size_of(dtype));
  int64_t bytes = 0;
  if (__builtin_mul_overflow(elements, each, &bytes)) throw FileError("has more elements than fit in memory");
  return narrow ? bytes / per_byte(type) + (bytes % per_byte(type) != 0) : bytes;
}

// Typed fields: what protobuf holds in a wider type.
template <class Field>
void copy_field(const Field& field, Tensor& to) {
  switch (to.dtype()) {
    case DType::kFloat32:
      return void(std::copy(field.begin(), field.end(), to.data<float>()));
    case DType::kFloat64:
      return void(std::copy(field.begin(), field.end(), to.data<double>()));
    case DType::kInt64:
      return void(std::copy(field.begin(), field.end(), to.data<int64_t>()));
    case DType::kUInt64:
      return void(std::copy(field.begin(), field.end(), to.data<uint64_t>()));
    case DType::kFloat16:
    case DType::kBFloat16:
      return void(
          std::transform(field.begin(), field.end(), static_cast<uint16_t*>(to.raw()), [](auto v) { return static_cast<uint16_t>(v); }));
    case DType::kInt32:
      return void(std::transform(field.begin(), field.end(), to.data<int32_t>(), [](auto v) { return static_cast<int32_t>(v); }));
    case DType::kUInt32:
      return void(std::transform(field.begin(), field.end(), to.data<uint32_t>(), [](auto v) { return static_cast<uint32_t>(v); }));
    case DType::kInt16:
      return void(std::transform(field.begin(), field.end(), to.data<int16_t>(), [](auto v) { return static_cast<int16_t>(v); }));
    case DType::kUInt16:
      return void(std::transform(field.begin(), field.end(), to.data<uint16_t>(), [](auto v) { return static_cast<uint16_t>(v); }));
    case DType::kInt8:
      return void(std::transform(field.begin(), field.end(), to.data<int8_t>(), [](auto v) { return static_cast<int8_t>(v); }));
    case DType::kUInt8:
      return void(std::transform(field.begin(), field.end(), to.data<uint8_t>(), [](auto v) { return static_cast<uint8_t>(v); }));
    case DType::kBool:
      return void(std::transform(field.begin(), field.end(), to.data<bool>(), [](auto v) { return v != 0; }));
  }
}

constexpr size_t kChunk = size_t{1} << 24, kPage = 4096;

class Decoder {
 public:
  Decoder(const TensorProto& proto, const std::string& folder, std::string place, int32_t* narrow)
      : proto_(proto), folder_(folder), place_(std::move(place)) {
    const std::optional<ElementType> type = element_type(proto.data_type());
    if (!type)
      fail(fmt::format("holds {}, which {} not supported", onnx_type_name(proto.data_type()), proto.data_type() == kString ? "are" : "is"));
    type_ = *type;
    if (!narrow && type_.narrow) fail(fmt::format("holds {}, which cannot stand here", onnx_type_name(type_.narrow)));
    if (narrow) *narrow = type_.narrow;
    if (proto.has_segment()) fail("is cut into segments, which is not supported");
    dims_.assign(proto.dims().begin(), proto.dims().end());
    try {
      count_ = element_count(dims_);
    } catch (Error& e) {
      fail(e.what());
    }
  }

  // The bytes of raw_data may be gone afterwards.
  void consume() { consume_ = true; }

  Tensor decode() const {
    if (proto_.data_location() == 1) return decode_external();
    if (proto_.has_raw_data() && (count_ > 0 || !proto_.raw_data().empty())) return decode_raw();
    return decode_typed();
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw FileError(fmt::format("{}: {}", place_, what)); }

  int64_t bytes() const {
    try {
      return raw_bytes(count_, proto_.data_type(), type_.dtype, type_.narrow != 0);
    } catch (Error& e) {
      fail(e.what());
    }
  }

  Tensor from_bytes(const void* data) const {
    Tensor result(type_.dtype, dims_);
    if (type_.narrow)
      unpack(static_cast<const uint8_t*>(data), proto_.data_type(), result);
    else if (type_.dtype == DType::kBool)  // any byte but 0 is true; a bool may hold nothing but 0 and 1
      std::transform(static_cast<const uint8_t*>(data), static_cast<const uint8_t*>(data) + count_, result.data<bool>(),
                     [](uint8_t b) { return b != 0; });
    else if (result.bytes())
      copy(result.raw(), data, result.bytes());
    return result;
  }

  void copy(void* to, const void* from, size_t count) const {
    for (size_t done = 0; done < count; done += kChunk) {
      const size_t length = std::min(kChunk, count - done);
      std::memcpy(static_cast<char*>(to) + done, static_cast<const char*>(from) + done, length);
      if (!consume_) continue;
      // Whole pages inside of the chunk go back to the system.
      const auto begin = (reinterpret_cast<uintptr_t>(from) + done + kPage - 1) / kPage * kPage;
      const auto end = (reinterpret_cast<uintptr_t>(from) + done + length) / kPage * kPage;
      if (begin < end) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_DONTNEED);
    }
  }

  Tensor decode_raw() const {
    const auto given = static_cast<int64_t>(proto_.raw_data().size());
    if (given != bytes())
      fail(fmt::format("holds {} bytes; its shape {} of {} needs {}", given, to_string(std::span<const int64_t>(dims_)),
                       onnx_type_name(proto_.data_type()), bytes()));
    return from_bytes(proto_.raw_data().data());
  }

  Tensor decode_external() const {
    std::string location;
    int64_t offset = 0, length = -1;
    for (const StringStringEntryProto& entry : proto_.external_data()) {
      if (entry.key() == "location") location = entry.value();
      for (auto [key, value] : {std::pair<const char*, int64_t*>{"offset", &offset}, {"length", &length}}) {
        if (entry.key() != key) continue;
        const std::string& text = entry.value();
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *value);
        if (error != std::errc() || end != text.data() + text.size() || *value < 0)
          fail(fmt::format("the {} of its external data is no number: '{}'", key, text.substr(0, 40)));
      }
    }
    const ExternalData data(folder_, location, offset, length, bytes(), place_);
    if (!type_.narrow && type_.dtype != DType::kBool) {
      Tensor result(type_.dtype, dims_);
      data.read(result.raw());
      return result;
    }
    std::string buffer(static_cast<size_t>(bytes()), '\0');
    data.read(buffer.data());
    return from_bytes(buffer.data());
  }

  template <class Field>
  Tensor from_field(const Field& field) const {
    const int64_t wanted = type_.narrow ? (count_ + per_byte(proto_.data_type()) - 1) / per_byte(proto_.data_type()) : count_;
    if (field.size() != wanted)
      fail(fmt::format("holds {} numbers; its shape {} needs {}", field.size(), to_string(std::span<const int64_t>(dims_)), wanted));
    if (type_.narrow) {
      std::string packed;
      for (const auto code : field) packed.push_back(static_cast<char>(static_cast<uint8_t>(code)));
      return from_bytes(packed.data());
    }
    Tensor result(type_.dtype, dims_);
    copy_field(field, result);
    return result;
  }

  Tensor decode_typed() const {
    switch (proto_.data_type()) {
      case kFloat:
        return from_field(proto_.float_data());
      case kDouble:
        return from_field(proto_.double_data());
      case kUInt32:
      case kUInt64:
        return from_field(proto_.uint64_data());
      case 7:
        return from_field(proto_.int64_data());
      default:
        return from_field(proto_.int32_data());
    }
  }

  const TensorProto& proto_;
  const std::string& folder_;
  std::string place_;
  ElementType type_{};
  Dims dims_;
  int64_t count_ = 0;
  bool consume_ = false;
};

struct TypeRow {
  int32_t number;
  const char* name;
  std::optional<DType> dtype;
  bool narrow = false;
};
constexpr TypeRow kTypes[] = {
    {1, "float32", DType::kFloat32},
    {2, "uint8", DType::kUInt8},
    {3, "int8", DType::kInt8},
    {4, "uint16", DType::kUInt16},
    {5, "int16", DType::kInt16},
    {6, "int32", DType::kInt32},
    {7, "int64", DType::kInt64},
    {8, "strings", std::nullopt},
    {9, "bool", DType::kBool},
    {10, "float16", DType::kFloat16},
    {11, "float64", DType::kFloat64},
    {12, "uint32", DType::kUInt32},
    {13, "uint64", DType::kUInt64},
    {14, "complex64", std::nullopt},
    {15, "complex128", std::nullopt},
    {16, "bfloat16", DType::kBFloat16},
    {17, "float8e4m3fn", DType::kFloat32, true},
    {18, "float8e4m3fnuz", DType::kFloat32, true},
    {19, "float8e5m2", DType::kFloat32, true},
    {20, "float8e5m2fnuz", DType::kFloat32, true},
    {21, "uint4", DType::kUInt8, true},
    {22, "int4", DType::kInt8, true},
    {23, "float4e2m1", DType::kFloat32, true},
    {24, "float8e8m0", DType::kFloat32, true},
    {25, "uint2", DType::kUInt8, true},
    {26, "int2", DType::kInt8, true},
};

}  // namespace

std::optional<ElementType> element_type(int32_t onnx_type) {
  for (const TypeRow& row : kTypes)
    if (row.number == onnx_type && row.dtype) return ElementType{*row.dtype, row.narrow ? row.number : 0};
  return std::nullopt;
}

std::string onnx_type_name(int32_t onnx_type) {
  for (const TypeRow& row : kTypes)
    if (row.number == onnx_type) return row.name;
  return fmt::format("element type {}", onnx_type);
}

int32_t onnx_type_of(DType dtype) {
  for (const TypeRow& row : kTypes)
    if (row.dtype == dtype && !row.narrow) return row.number;
  return 0;
}

float round_to_narrow(float value, int32_t onnx_type, bool saturate, const std::string& round_mode) {
  constexpr float nan = std::numeric_limits<float>::quiet_NaN(), infinity = std::numeric_limits<float>::infinity();
  if (onnx_type == kE8M0) return round_to_scale(value, saturate, round_mode);
  const NarrowFloat f = *narrow_float(onnx_type);
  const bool has_nan = f.infinite || f.nan_is_zero || f.nan_is_ones;
  const float top = largest(f);
  if (std::isnan(value)) return has_nan ? nan : top;
  const float past = saturate || !has_nan ? top : f.infinite ? infinity : nan;
  if (std::isinf(value)) return std::copysign(past, value);
  int exponent = 0;
  std::frexp(value, &exponent);
  const int step = std::max(exponent - 1, 1 - f.bias) - f.mantissa_bits;  // of the last place
  float rounded = std::ldexp(std::nearbyint(std::ldexp(value, -step)), step);
  if (std::abs(rounded) > top) rounded = std::copysign(past, value);
  if (f.nan_is_zero && rounded == 0) return 0;
  return rounded;
}

Tensor decode_tensor(const TensorProto& proto, const std::string& folder, const std::string& place, int32_t* narrow) {
  return Decoder(proto, folder, place, narrow).decode();
}

Tensor take_tensor(TensorProto& proto, const std::string& folder, const std::string& place, int32_t* narrow) {
  Decoder decoder(proto, folder, place, narrow);
  decoder.consume();
  Tensor result = decoder.decode();
  delete proto.release_raw_data();
  proto.mutable_float_data()->Resize(0, 0);
  return result;
}

}  // namespace dl::onnx
