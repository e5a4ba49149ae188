// ONNX messages written by hand, so that tests can say what no writer would: each function gives the bytes of one protobuf message.
// Who uses it: onnx_import_test.cpp.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace dl::test {

inline std::string varint(uint64_t value) {
  std::string bytes;
  for (; value > 127; value >>= 7) bytes += static_cast<char>(value | 128);
  return bytes + static_cast<char>(value);
}
inline std::string number(int field, int64_t value) {
  return varint(static_cast<uint64_t>(field) << 3) + varint(static_cast<uint64_t>(value));
}
inline std::string bytes(int field, const std::string& value) {
  return varint(static_cast<uint64_t>(field) << 3 | 2) + varint(value.size()) + value;
}

using Strings = std::vector<std::string>;
using Numbers = std::vector<int64_t>;

// ---- attributes
inline std::string attribute(const std::string& name, int64_t value) { return bytes(5, bytes(1, name) + number(3, value) + number(20, 2)); }
inline std::string attribute(const std::string& name, const Numbers& values) {
  std::string list;
  for (int64_t v : values) list += number(8, v);
  return bytes(5, bytes(1, name) + list + number(20, 7));
}
inline std::string tensor_attribute(const std::string& name, const std::string& tensor) {
  return bytes(5, bytes(1, name) + bytes(5, tensor) + number(20, 4));
}
inline std::string graph_attribute(const std::string& name, const std::string& graph) {
  return bytes(5, bytes(1, name) + bytes(6, graph) + number(20, 5));
}

// ---- tensors
template <class T>
std::string raw(const std::vector<T>& values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)};
}
// `body`: what holds the numbers, such as bytes(9, raw(...)).
inline std::string tensor(const std::string& name, int type, const Numbers& dims, const std::string& body) {
  std::string sizes;
  for (int64_t d : dims) sizes += number(1, d);
  return sizes + number(2, type) + bytes(8, name) + body;
}
inline std::string floats(const std::string& name, const Numbers& dims, const std::vector<float>& values) {
  return tensor(name, 1, dims, bytes(9, raw(values)));
}
inline std::string ints(const std::string& name, const Numbers& dims, const std::vector<int64_t>& values) {
  return tensor(name, 7, dims, bytes(9, raw(values)));
}
inline std::string external(const std::string& name, const Numbers& dims, const std::string& location, const std::string& offset = "",
                            const std::string& length = "") {
  std::string body = bytes(13, bytes(1, "location") + bytes(2, location)) + number(14, 1);
  if (!offset.empty()) body += bytes(13, bytes(1, "offset") + bytes(2, offset));
  if (!length.empty()) body += bytes(13, bytes(1, "length") + bytes(2, length));
  return tensor(name, 1, dims, body);
}

// ---- graphs
// A size: a number, or a name for one that is open.
struct Size {
  Size(int64_t v) : value(v) {}                 // NOLINT(google-explicit-constructor)
  Size(int v) : value(v) {}                     // NOLINT(google-explicit-constructor)
  Size(const char* n) : name(n), open(true) {}  // NOLINT(google-explicit-constructor)
  int64_t value = 0;
  std::string name;
  bool open = false;
};
inline std::string value(const std::string& name, int type, const std::vector<Size>& shape) {
  std::string dims;
  for (const Size& s : shape) dims += bytes(1, s.open ? (s.name.empty() ? "" : bytes(2, s.name)) : number(1, s.value));
  return bytes(1, name) + bytes(2, bytes(1, number(1, type) + bytes(2, dims)));
}
inline std::string node(const std::string& op, const Strings& inputs, const Strings& outputs, const std::string& attributes = "",
                        const std::string& domain = "") {
  std::string out;
  for (const std::string& i : inputs) out += bytes(1, i);
  for (const std::string& o : outputs) out += bytes(2, o);
  return out + bytes(3, "n_" + outputs.at(0)) + bytes(4, op) + attributes + (domain.empty() ? "" : bytes(7, domain));
}
struct Parts {
  Strings nodes, inputs, outputs, initializers = {};
};
inline std::string graph(const Parts& parts) {
  std::string out = bytes(2, "g");
  for (const std::string& n : parts.nodes) out += bytes(1, n);
  for (const std::string& t : parts.initializers) out += bytes(5, t);
  for (const std::string& v : parts.inputs) out += bytes(11, v);
  for (const std::string& v : parts.outputs) out += bytes(12, v);
  return out;
}
inline std::string model(const std::string& graph_bytes, int64_t opset = 17, int64_t ir = 8) {
  return number(1, ir) + bytes(7, graph_bytes) + bytes(8, number(2, opset));
}

}  // namespace dl::test
