// The checks that text passes before a YAML parser sees it, so that binary files, UTF-16, tabs and giant or deeply
// nested input get a plain message and cost no memory. Private to lib/spec.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "spec/node.h"

namespace dl::spec {

// Text with line ends made \n and without a byte order mark, and where each of its lines starts.
struct CleanText {
  std::string file;
  std::string text;
  std::vector<size_t> line_starts = {0};

  Place place_at(size_t offset) const;  // the column counts characters, not bytes
  std::string_view line(size_t index) const;

 private:
  mutable size_t counted_offset_ = 0;
  mutable int counted_column_ = 1;
};

// UserError, with place, unless `text` is UTF-8 of at most kMaxFileBytes without control characters.
CleanText clean_text(std::string_view text, const std::string& file);
// UserError when brackets nest so deep, or so many items are listed, that the parser's own token queue would grow large.
void check_structure(const CleanText& clean);

}  // namespace dl::spec
