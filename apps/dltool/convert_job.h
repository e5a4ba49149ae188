// One conversion: a model file in, the same model in other formats out, each proven by reading it back. Shared by convert and export.
// Errors are thrown as everywhere; what was at the target stays until a proven new file replaces it.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "io/format.h"
#include "io/parity.h"

namespace dl::app {

struct ConvertSettings {
  WriteOptions write;                               // opset 0: the usual one of the model
  std::map<std::string, std::string> input_shapes;  // --input-shape: "x" -> "1x224x224x3"
  std::vector<std::string> dynamic;                 // --dynamic: names of the leading axes of every input
  bool fold_preprocessing = false, strip_preprocessing = false;
  bool verify = true;
  ParityOptions parity;
  bool force = false, if_newer = false;
};

struct ConvertTarget {
  std::string path, format;
};

struct ConvertResult {
  ConvertTarget target;
  bool skipped = false;  // --if-newer: the target is not older than the source
  uint64_t bytes = 0;
  std::string sha256;  // of the file, or of the files of a folder in the order of their names
  double seconds = 0;
  WriteOptions options;  // as they were used
  std::optional<Parity> parity;
};

// Every name that --from and --to take: those of format_table() that do it, and checkpoint.
std::vector<std::string> readable_formats();
std::vector<std::string> writable_formats();
// By the suffix; UserError naming the formats when it tells nothing.
std::string format_for(const std::string& path);
// "model.onnx" for model.keras and onnx.
std::string target_name(const std::string& source, const std::string& format);

// UserError where a target cannot be written, or exists and settings do not replace it.
void check_target(const std::string& source, const ConvertTarget& target, const ConvertSettings& settings);

// `from`: "" = as recognised. One result for each target, in order. A target whose numbers differ throws ParityError.
class ParityError : public Error {
 public:
  using Error::Error;
};
std::vector<ConvertResult> convert(const std::string& source, const std::string& from, const std::vector<ConvertTarget>& targets,
                                   const ConvertSettings& settings);

}  // namespace dl::app
