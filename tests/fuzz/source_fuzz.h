// What the fuzz targets of data sources share: the bytes as a file in memory, read as samples by a source of the run file.
// The first byte of the input chooses the options, the rest is the file.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "base/error.h"
#include "data/config.h"
#include "fuzz/memory_file.h"
#include "spec/yaml.h"

namespace dl::fuzz {

// Calls `visit` with the opened source of {format, path, options}; a FileError is what bad bytes may give.
template <class Visit>
void read_source(const std::string& format, std::span<const char* const> options, const uint8_t* data, size_t size, const Visit& visit) {
  if (size == 0) return;
  const MemoryFile file(data + 1, size - 1);
  const std::string chosen = options[data[0] % options.size()];
  const std::string yaml = "{format: " + format + ", path: " + file.path() + (chosen.empty() ? "" : ", ") + chosen + "}";
  spec::Problems problems;
  const auto source = parse_source(spec::parse_yaml(yaml, "fuzz"), "data", "", problems);
  problems.throw_if_any();
  try {
    visit(source->open({}));
  } catch (const FileError&) {
  }
}

inline void read_all(const OpenedSource& opened) {
  for (const Tensor& tensor : gather_all(*opened.dataset)) (void)tensor;
}

}  // namespace dl::fuzz
