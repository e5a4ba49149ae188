// Format: one kind of model file, as a row of a table: how to recognise it, read it and write it.
// Who uses it: every command that takes a model, through read_model; convert and export, through write_model.
// To add one: a folder in lib/io, a `format_<name>` constant there, a row in formats.def, goldens, fuzz target.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "io/saved_model.h"

namespace dl {

struct ReadOptions {
  // Inputs whose values are known (ONNX): sizes and branches may depend on them. By input name, else by position.
  NamedTensors given;
  // Concrete sizes for inputs of which the file leaves axes open or that are to be replaced.
  std::map<std::string, Shape> input_shapes;
};

enum class Layout { kKeep, kNchw, kNhwc };

struct WriteOptions {
  int opset = 17;         // ONNX
  int keras_version = 3;  // .h5: 2 or 3
  Layout layout = Layout::kKeep;
  bool half = false;           // weights as float16
  bool external_data = false;  // ONNX: weights in a file beside the model
  bool optimizer = true;       // optimizer state where the format can hold it
};

struct Format {
  const char* name;     // "keras": what --from and --to take
  const char* summary;  // one line for man page and messages
  std::vector<const char*>
      suffixes;               // with the dot; the first is the usual one. A folder format has suffixes of the path or of a file in it
  bool weights_only = false;  // read() gives weights and no model
  bool layers_only = false;   // holds no operators: graphs are raised to layers first (io/raise)
  // Looks at the name and the first bytes (at most 4096; empty for a folder). Never throws.
  bool (*probe)(const std::string& path, std::string_view head) = nullptr;
  // FileError: damaged, hostile or unsupported (all unsupported things at once, a line each: place, what, why).
  SavedModel (*read)(const std::string& path, const ReadOptions& options) = nullptr;
  // What the format cannot hold of the model, a line each: "layer 'x' (GRU): reset_after is not known to TF.js; ...". Empty: all is well.
  std::vector<std::string> (*unsupported)(const SavedModel& model, const WriteOptions& options) = nullptr;
  // Atomic: a temporary file or folder beside the target, fsynced, renamed. FileError when unsupported() has something to say.
  void (*write)(const SavedModel& model, const std::string& path, const WriteOptions& options) = nullptr;
};

std::span<const Format* const> format_table();
const Format* find_format(std::string_view name);         // null when unknown
const Format* format_of_path(const std::string& path);    // by suffix, for writing; null when it tells nothing
const Format* recognize_format(const std::string& path);  // by the first bytes and the suffix; null when nothing fits

// What stands in the way of writing `model`, a line each; empty: all is well.
std::vector<std::string> hindrances(const SavedModel& model, const Format& format, const WriteOptions& options);
// FileError with all of them, else Format::write. Weights of a model that is moved here are let go of as they take their other form.
void write_model(SavedModel model, const std::string& path, const Format& format, const WriteOptions& options);

// By `format`, else as recognised. FileError naming the formats there are when none fits.
SavedModel read_model(const std::string& path, const ReadOptions& options = {}, const Format* format = nullptr);

}  // namespace dl
