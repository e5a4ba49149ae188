// Shared by the tests of lib/data: one-line sources from YAML text, messages of thrown errors.
#pragma once

#include <zlib.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <typeinfo>
#include <vector>

#include "base/error.h"
#include "data/config.h"
#include "spec/yaml.h"
#include "unit/test_folder.h"

namespace dl::test {

inline const std::string kFiles = "tests/unit/data/files/";

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

inline std::string gzip(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&z, text.size()) + 64, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

inline DataSpec parse_data(const std::string& yaml, const std::string& base_dir) {
  const spec::Node node = spec::parse_yaml(yaml, "run.yaml");
  spec::Problems problems;
  DataSpec spec = dl::parse_data(node, "data", base_dir, problems);
  problems.throw_if_any();
  return spec;
}

// The problems of a data section, one per line.
inline std::string problems_of(const std::string& yaml) {
  try {
    parse_data(yaml, "");
  } catch (const UserError& e) {
    return e.what();
  }
  return "";
}

inline OpenedSource open_source(const std::string& yaml, const std::string& base_dir, const OpenOptions& options = {}) {
  const spec::Node node = spec::parse_yaml(yaml, "run.yaml");
  spec::Problems problems;
  const auto source = parse_source(node, "data.train", base_dir, problems);
  problems.throw_if_any();
  return source->open(options);
}

// What f throws, as "code: message"; "" when it throws nothing.
template <class F>
std::string error_of(F f) {
  try {
    f();
  } catch (const Error& e) {
    return std::to_string(static_cast<int>(e.code())) + ": " + e.what();
  }
  return "";
}

inline std::vector<double> numbers(const Tensor& t) {
  std::vector<double> v;
  for (int64_t i = 0; i < t.size(); ++i) v.push_back(t.at(i));
  return v;
}

inline std::string data_folder() {
  const char* set = std::getenv("DLTOOL_DATA");
  const std::string folder = set ? set : "../shared/data";
  return std::filesystem::is_directory(folder) ? folder : "";
}

}  // namespace dl::test
