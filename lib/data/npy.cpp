#include "data/npy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "data/file.h"
#include "data/npy_stream.h"

namespace dl {
namespace {

constexpr size_t kMagicBytes = 8;
constexpr uint32_t kMaxHeaderBytes = 1 << 20;

struct TypeCode {
  std::string_view code;  // without the byte order
  DType dtype;
};
constexpr TypeCode kTypeCodes[] = {{"f4", DType::kFloat32}, {"f8", DType::kFloat64}, {"f2", DType::kFloat16}, {"i1", DType::kInt8},
                                   {"u1", DType::kUInt8},   {"i2", DType::kInt16},   {"u2", DType::kUInt16},  {"i4", DType::kInt32},
                                   {"u4", DType::kUInt32},  {"i8", DType::kInt64},   {"u8", DType::kUInt64},  {"b1", DType::kBool}};

struct Header {
  DType dtype = DType::kFloat32;
  bool swap = false, fortran = false;
  Dims dims;
};

// The header is a Python dict literal with exactly three keys, and this reads just those.
class HeaderParser {
 public:
  HeaderParser(std::string_view text, const std::string& name) : text_(text), name_(name) {}

  Header parse() {
    bool have_descr = false, have_order = false, have_shape = false;
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string_view key = string("a key");
      expect(':');
      bool* have = key == "descr" ? &have_descr : key == "fortran_order" ? &have_order : key == "shape" ? &have_shape : nullptr;
      if (!have || *have) fail(fmt::format("unexpected key '{}' in the header", printable(key)));
      *have = true;
      if (have == &have_descr)
        read_descr(header);
      else if (have == &have_order)
        header.fortran = boolean();
      else
        header.dims = shape();
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip();
    if (at_ != text_.size()) fail("text after the header's closing brace");
    if (!have_descr || !have_order || !have_shape) fail("the header lacks 'descr', 'fortran_order' or 'shape'");
    return header;
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw FileError(fmt::format("{}: {}", name_, what)); }
  void skip() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\n' || text_[at_] == '\t')) ++at_;
  }
  bool accept(char c) {
    skip();
    if (at_ >= text_.size() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail(fmt::format("damaged header: expected '{}' at header byte {}", c, at_));
  }
  std::string_view string(const char* what) {
    skip();
    const char quote = at_ < text_.size() ? text_[at_] : '\0';
    const size_t end = quote == '\'' || quote == '"' ? text_.find(quote, at_ + 1) : std::string_view::npos;
    if (end == std::string_view::npos) fail(fmt::format("damaged header: expected {} in quotes at header byte {}", what, at_));
    const std::string_view value = text_.substr(at_ + 1, end - at_ - 1);
    at_ = end + 1;
    return value;
  }
  bool boolean() {
    skip();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (!text_.substr(at_).starts_with(word)) continue;
      at_ += word.size();
      return value;
    }
    fail("damaged header: 'fortran_order' is neither True nor False");
  }
  Dims shape() {
    Dims dims;
    expect('(');
    while (!accept(')')) {
      skip();
      int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), size);
      if (error != std::errc{} || size < 0) fail("damaged header: a size in 'shape' is not a number from 0 to 2^63-1");
      at_ = static_cast<size_t>(end - text_.data());
      accept('L');  // Python 2 wrote long integers so
      dims.push_back(size);
      if (dims.size() > 32) fail("more than 32 axes");
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return dims;
  }
  void read_descr(Header& header) {
    skip();
    if (at_ < text_.size() && text_[at_] == '[') fail("a structured array; save each of its columns as a plain array");
    const std::string_view descr = string("a dtype");
    const char order = descr.empty() ? '\0' : descr[0];
    const std::string_view code = descr.substr(order ? 1 : 0);
    if (order == 'O' || code.starts_with('O')) fail("dtype object holds pickled Python, which is never read; save an array of numbers");
    for (const TypeCode& known : kTypeCodes) {
      if (known.code != code || !strchr("<>|=", order)) continue;
      header.dtype = known.dtype;
      header.swap = order == '>';
      return;
    }
    fail(fmt::format("dtype '{}' is not supported; save float16/32/64, (u)int8/16/32/64 or bool", printable(descr)));
  }

  std::string_view text_;
  size_t at_ = 0;
  const std::string& name_;
};

void swap_bytes(std::byte* data, int64_t count, size_t width) {
  for (int64_t i = 0; i < count; ++i) std::reverse(data + static_cast<size_t>(i) * width, data + static_cast<size_t>(i + 1) * width);
}

// `src` is column-major (the first axis varies fastest).
Tensor from_fortran(const Tensor& src) {
  const Dims& dims = src.dims();
  Tensor dst(src.dtype(), dims);
  const size_t width = size_of(src.dtype());
  std::vector<int64_t> index(dims.size(), 0), stride(dims.size(), 1);
  for (size_t axis = 1; axis < dims.size(); ++axis) stride[axis] = stride[axis - 1] * dims[axis - 1];
  const auto* from = static_cast<const std::byte*>(src.raw());
  auto* to = static_cast<std::byte*>(dst.raw());
  int64_t at = 0;
  for (int64_t i = 0; i < src.size(); ++i, to += width) {
    std::memcpy(to, from + static_cast<size_t>(at) * width, width);
    for (size_t axis = dims.size(); axis-- > 0;) {
      at += stride[axis];
      if (++index[axis] < dims[axis]) break;
      at -= stride[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  return dst;
}

uint32_t little_endian(std::span<const std::byte> bytes) {
  uint32_t value = 0;
  for (size_t i = bytes.size(); i-- > 0;) value = value << 8 | std::to_integer<uint32_t>(bytes[i]);
  return value;
}

Header read_header(ByteStream& stream) {
  const std::string& name = stream.name();
  std::byte start[kMagicBytes];
  if (stream.read(start) < kMagicBytes || std::memcmp(start, "\x93NUMPY", 6) != 0)
    throw FileError(name + ": not an .npy file (it does not begin with \\x93NUMPY)");
  const int major = std::to_integer<int>(start[6]);
  if (major < 1 || major > 3) throw FileError(fmt::format("{}: .npy format version {} is not supported; 1, 2 and 3 are", name, major));
  std::byte size_bytes[4];
  const std::span<std::byte> size_span(size_bytes, major == 1 ? 2 : 4);
  if (stream.read(size_span) < size_span.size()) throw FileError(name + ": ends inside the header; the file is truncated");
  const uint32_t size = little_endian(size_span);
  if (size > kMaxHeaderBytes) throw FileError(fmt::format("{}: header of {} bytes; at most {} are read", name, size, kMaxHeaderBytes));
  std::string text(size, '\0');
  if (stream.read(std::as_writable_bytes(std::span(text))) < size)
    throw FileError(fmt::format("{}: the header says {} bytes, the file ends before; it is truncated", name, size));
  return HeaderParser(text, name).parse();
}

int64_t count_bytes(const ByteStream& stream, const Header& header) {
  int64_t bytes = 0;
  try {
    if (__builtin_mul_overflow(element_count(header.dims), static_cast<int64_t>(size_of(header.dtype)), &bytes))
      bytes = std::numeric_limits<int64_t>::max();
  } catch (Error& e) {
    e.add_context(stream.name());
    throw;
  }
  return bytes;
}

FileError truncated_data(const ByteStream& stream, const Header& header, int64_t have) {
  return FileError(fmt::format("{}: shape {} of {} needs {} bytes, the file holds {}", stream.name(),
                               to_string(std::span<const int64_t>(header.dims)), name_of(header.dtype), count_bytes(stream, header), have));
}

// Memory grows with what is read, so that a hostile shape costs nothing.
Tensor read_data(ByteStream& stream, const Header& header, std::optional<int64_t> available) {
  const int64_t bytes = count_bytes(stream, header);
  const auto truncated = [&](int64_t have) { return truncated_data(stream, header, have); };
  if (available && *available < bytes) throw truncated(*available);
  constexpr int64_t kTrusted = int64_t{64} << 20;
  if (!available && bytes > kTrusted) {
    std::vector<std::byte> data(static_cast<size_t>(kTrusted));
    int64_t have = 0;
    for (;;) {
      have += static_cast<int64_t>(stream.read(std::span(data).subspan(static_cast<size_t>(have))));
      if (have < static_cast<int64_t>(data.size())) throw truncated(have);
      if (have == bytes) break;
      data.resize(static_cast<size_t>(std::min(bytes, have * 2)));
    }
    Tensor tensor(header.dtype, header.dims);
    std::memcpy(tensor.raw(), data.data(), data.size());
    return tensor;
  }
  Tensor tensor(header.dtype, header.dims);
  const size_t have = stream.read({static_cast<std::byte*>(tensor.raw()), static_cast<size_t>(bytes)});
  if (static_cast<int64_t>(have) < bytes) throw truncated(static_cast<int64_t>(have));
  return tensor;
}

void check_end(ByteStream& stream, const Header& header) {
  std::byte extra;
  if (stream.read({&extra, 1}) != 0)
    throw FileError(fmt::format("{}: bytes after the {} of data that shape {} needs; the file is damaged", stream.name(),
                                count_bytes(stream, header), to_string(std::span<const int64_t>(header.dims))));
}

Tensor read_tensor(ByteStream& stream, const Header& header, std::optional<int64_t> available) {
  Tensor tensor = read_data(stream, header, available);
  check_end(stream, header);
  if (header.swap) swap_bytes(static_cast<std::byte*>(tensor.raw()), tensor.size(), size_of(tensor.dtype()));
  if (header.dtype == DType::kBool)  // any other byte in a bool is undefined behaviour
    for (auto* b = static_cast<unsigned char*>(tensor.raw()); b != static_cast<unsigned char*>(tensor.raw()) + tensor.size(); ++b)
      *b = *b != 0;
  return header.fortran && tensor.rank() > 1 ? from_fortran(tensor) : tensor;
}

}  // namespace

ArrayRows read_npy_rows(ByteStream& stream, int64_t memory_bytes) {
  const Header header = read_header(stream);
  const int64_t bytes = count_bytes(stream, header);
  const bool too_many = bytes == std::numeric_limits<int64_t>::max();  // for any file: read_tensor() finds it too short
  if (header.fortran || too_many || bytes <= memory_bytes) return read_tensor(stream, header, {});
  const size_t width = size_of(header.dtype);
  int64_t have = 0;
  const auto give = [&](std::span<std::byte> into) {
    const size_t got = stream.read(into);
    have += static_cast<int64_t>(got);
    if (got < into.size()) throw truncated_data(stream, header, have);
    if (header.swap) swap_bytes(into.data(), static_cast<int64_t>(into.size() / width), width);
  };
  ArrayRows rows = ArrayRows::read(header.dtype, header.dims, give, memory_bytes);
  check_end(stream, header);
  return rows;
}

ArrayRows read_npy_rows(const std::string& path) { return read_npy_rows(*open_bytes(path)); }

Tensor read_npy(const std::string& path) {
  const std::unique_ptr<ByteStream> stream = open_bytes(path);
  return read_tensor(*stream, read_header(*stream), {});
}

Tensor read_npy(std::span<const std::byte> bytes, const std::string& name) {
  const std::unique_ptr<ByteStream> stream = open_memory(bytes, name, Inflate::kNo);
  return read_tensor(*stream, read_header(*stream), static_cast<int64_t>(bytes.size()));
}

std::string npy_header(DType dtype, std::span<const int64_t> dims) {
  std::string_view code;
  for (const TypeCode& known : kTypeCodes)
    if (known.dtype == dtype) code = known.code;
  DL_CHECK(!code.empty(), std::string("NumPy has no dtype ") + name_of(dtype));
  std::string shape;
  for (const int64_t d : dims) shape += fmt::format("{}, ", d);
  if (dims.size() == 1)
    shape.pop_back();  // "(3,)"
  else if (dims.size() > 1)
    shape.resize(shape.size() - 2);
  std::string text =
      fmt::format("{{'descr': '{}{}', 'fortran_order': False, 'shape': ({}), }}", size_of(dtype) == 1 ? '|' : '<', code, shape);
  const size_t total = (kMagicBytes + 2 + text.size() + 1 + 63) / 64 * 64;
  text.append(total - kMagicBytes - 2 - text.size() - 1, ' ');
  text += '\n';
  std::string header("\x93NUMPY\x01\x00", kMagicBytes);
  header += static_cast<char>(text.size() & 0xff);
  header += static_cast<char>(text.size() >> 8);
  return header + text;
}

std::string npy_bytes(const Tensor& tensor) {
  if (tensor.dtype() == DType::kBFloat16) return npy_bytes(tensor.cast(DType::kFloat32));
  std::string bytes = npy_header(tensor.dtype(), tensor.dims());
  bytes.append(static_cast<const char*>(tensor.raw()), tensor.bytes());
  return bytes;
}

void write_npy(const std::string& path, const Tensor& tensor) {
  OutputFile file(path);
  file.write(npy_bytes(tensor));
  file.commit();
}

}  // namespace dl
