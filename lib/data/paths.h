// Several files by one key: a path, a list of paths, glob patterns (*, ?, [..]) and WebDataset's ranges ({000000..000009}).
// Who uses it: sources whose data is in many files.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/reader.h"

namespace dl {

// The required key `key`: a path or a list of them, resolved but not expanded; empty after reporting a problem.
std::vector<std::string> read_paths(spec::Reader& reader, std::string_view key, const std::string& base_dir);

// Every file that `patterns` stand for: in their order, those of one pattern in byte order, a number range in the order of numbers.
// EnvError when a pattern finds nothing, FileError when one file comes twice. A pattern that names an existing file is that file.
std::vector<std::string> expand_paths(const std::vector<std::string>& patterns);

// The format whose suffix `path` has, as in a source without `format:`; "" where it tells nothing.
std::string_view format_of_suffix(std::string_view path);

// "a.tar", or "a.tar and 11 more", for messages.
std::string describe_paths(const std::vector<std::string>& paths);

}  // namespace dl
