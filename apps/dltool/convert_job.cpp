#include "convert_job.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/scratch_folder.h"
#include "base/sha256.h"
#include "io/onnx/export.h"
#include "layers/graph_layer.h"
#include "train/model_file.h"
#include "train/model_preprocessing.h"

namespace dl::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kCheckpoint = "checkpoint", kCheckpointSuffix = ".ckpt.h5";
constexpr size_t kMaxTestBytes = 32 << 10;         // of a test pair stored in the file
constexpr size_t kLargeBytes = size_t{256} << 20;  // such weights are not kept beside what is read back

// ---- sizes of the inputs

Shape parse_sizes(const std::string& text, const std::string& option) {
  Shape shape;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find('x', begin), text.size());
    const std::string part = text.substr(begin, end - begin);
    int64_t size = 0;
    const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), size);
    if (error == std::errc() && rest == part.data() + part.size()) {
      if (size < 1) throw UserError(fmt::format("{}: '{}' is no size; give numbers from 1, or names for open sizes", option, part));
      shape.push_back(Dim(size));
    } else if (!part.empty()) {
      shape.push_back(Dim::symbol(part));
    } else {
      throw UserError(fmt::format("{}: '{}' is not of the form 1x224x224x3", option, text));
    }
    begin = end + 1;
  }
  return shape;
}

std::map<std::string, Shape> wanted_shapes(const Model& model, const ConvertSettings& settings) {
  std::map<std::string, Shape> shapes;
  std::vector<std::string> names;
  for (const ModelInput& in : model.inputs) names.push_back(in.name);
  for (const auto& [name, text] : settings.input_shapes) {
    const std::string option = fmt::format("--input-shape {}", name.empty() ? text : name + ":" + text);
    const auto found = name.empty() && model.inputs.size() == 1 ? model.inputs.begin()
                                                                : std::find_if(model.inputs.begin(), model.inputs.end(),
                                                                               [&n = name](const ModelInput& in) { return in.name == n; });
    if (found == model.inputs.end())
      throw UserError(fmt::format("{}: the model has no input '{}'; its inputs are {}", option, name, fmt::join(names, ", ")));
    Shape shape = parse_sizes(text, option);
    if (shape.size() != found->shape.size())
      throw UserError(fmt::format("{}: has {} sizes, input '{}' has {}: {}", option, shape.size(), found->name, found->shape.size(),
                                  to_string(found->shape)));
    shapes[found->name] = std::move(shape);
  }
  for (const ModelInput& in : model.inputs) {
    if (settings.dynamic.empty()) break;
    Shape shape = shapes.contains(in.name) ? shapes[in.name] : in.shape;
    for (size_t i = 0; i < std::min(shape.size(), settings.dynamic.size()); ++i) shape[i] = Dim::symbol(settings.dynamic[i]);
    shapes[in.name] = std::move(shape);
  }
  return shapes;
}

spec::Node to_node(const Shape& shape, size_t first) {
  std::vector<spec::Node> sizes;
  for (size_t i = first; i < shape.size(); ++i)
    sizes.push_back(shape[i].known() ? spec::Node::integer(shape[i].value()) : spec::Node::string(to_string(shape[i])));
  return spec::Node::list(std::move(sizes));
}

// For a model of layers the shapes of its inputs are its own; a graph has them in its nodes and is read anew.
void set_shapes(SavedModel& model, const std::map<std::string, Shape>& shapes) {
  for (ModelInput& in : model.model.inputs) {
    const auto found = shapes.find(in.name);
    if (found == shapes.end()) continue;
    in.shape = found->second;
    spec::Node* inputs = model.model_tree.find("inputs");
    spec::Node* entry = inputs ? inputs->find(in.name) : nullptr;
    if (!entry || !entry->is_map()) continue;
    std::erase_if(entry->entries(), [](const auto& e) { return e.first == "shape" || e.first == "batch_shape"; });
    const bool open_batch = !in.shape.empty() && !in.shape[0].known();
    entry->set(open_batch ? "shape" : "batch_shape", to_node(in.shape, open_batch ? 1 : 0));
  }
}

SavedModel load(const std::string& source, const std::string& from, const ConvertSettings& settings) {
  const Format* format = from.empty() || from == kCheckpoint ? nullptr : find_format(from);
  LoadedModel loaded = format ? load_foreign(source, {}, format) : load_model(source);
  if (from == kCheckpoint && loaded.kind != ModelFileKind::kCheckpoint)
    throw FileError(fmt::format("{}: is a {}, not a checkpoint as --from says", source, name_of(loaded.kind)));
  if (!loaded.has_weights()) log_warning(fmt::format("{}: is not trained; its initial weights are written", source));
  const std::map<std::string, Shape> shapes = wanted_shapes(loaded.model, settings);
  if (!shapes.empty() && graph_of(loaded.model)) {
    ReadOptions options;
    options.input_shapes = shapes;
    loaded = load_foreign(source, options, format);
  }
  SavedModel saved = to_saved_model(loaded);
  if (!graph_of(saved.model)) set_shapes(saved, shapes);
  if (settings.strip_preprocessing) strip_preprocessing(saved, source);
  if (settings.fold_preprocessing) fold_preprocessing(saved, loaded);
  return saved;
}

// ---- writing

template <class Tensors>
size_t bytes_of(const Tensors& tensors) {
  size_t bytes = 0;
  for (const auto& [name, tensor] : tensors) bytes += tensor.bytes();
  return bytes;
}

// The file of the target's name last: until then the old model is whole.
void publish_all(ScratchFolder& scratch, const fs::path& result) {
  std::vector<fs::path> others;
  for (const fs::directory_entry& entry : fs::directory_iterator(scratch.path()))
    if (entry.path() != result) others.push_back(entry.path());
  for (const fs::path& other : others) scratch.publish(other);
  scratch.publish(result);
}

void hash_target(const std::string& path, ConvertResult& result) {
  if (!fs::is_directory(path)) {
    result.bytes = fs::file_size(path);
    result.sha256 = sha256_of_file(path);
    return;
  }
  std::vector<fs::path> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(path))
    if (entry.is_regular_file()) files.push_back(entry.path());
  std::sort(files.begin(), files.end());
  Sha256 all;
  for (const fs::path& file : files) {
    result.bytes += fs::file_size(file);
    const std::string line = fmt::format("{}  {}\n", sha256_of_file(file.string()), file.lexically_relative(path).string());
    all.update(line.data(), line.size());
  }
  result.sha256 = all.hex();
}

void write(SavedModel model, const std::string& path, const std::string& format, const WriteOptions& options) {
  if (format == kCheckpoint) return write_model_checkpoint(path, model);
  write_model(std::move(model), path, *find_format(format), options);
}

SavedModel read_back(const std::string& path, const std::string& format) {
  return format == kCheckpoint ? to_saved_model(load_model(path)) : read_model(path, {}, find_format(format));
}

bool holds_weights_only(const std::string& name) {
  const Format* format = find_format(name);
  return format && format->weights_only;
}

std::string describe(const Parity& parity, const ParityOptions& options) {
  std::string text;
  for (const OutputParity& o : parity.outputs)
    if (o.differing > 0)
      text += fmt::format("{}output '{}': {} of {} elements differ by more than {:g} + {:g} * |value|, at most by {:.3g}",
                          text.empty() ? "" : "; ", o.name, o.differing, o.elements, options.atol, options.rtol, o.max_error);
  return text;
}

bool is_newer(const std::string& target, const std::string& source) {
  std::error_code error;
  const auto ours = fs::last_write_time(target, error);
  if (error) return false;
  const auto theirs = fs::last_write_time(source, error);
  return !error && ours >= theirs;
}

}  // namespace

std::vector<std::string> readable_formats() {
  std::vector<std::string> names;
  for (const Format* f : format_table())
    if (f->read && !f->weights_only) names.emplace_back(f->name);
  names.emplace_back(kCheckpoint);
  return names;
}

std::vector<std::string> writable_formats() {
  std::vector<std::string> names;
  for (const Format* f : format_table())
    if (f->write) names.emplace_back(f->name);
  names.emplace_back(kCheckpoint);
  return names;
}

std::string format_for(const std::string& path) {
  if (path.ends_with(kCheckpointSuffix)) return std::string(kCheckpoint);
  const Format* format = format_of_path(path);
  if (format && format->write) return format->name;
  std::string known;
  for (const Format* f : format_table())
    if (f->write) known += fmt::format("{}, ", f->suffixes.front());
  throw UserError(fmt::format("{}: the suffix does not tell the format; use {}{}, or say --to {}", path, known, kCheckpointSuffix,
                              fmt::join(writable_formats(), "|")));
}

std::string target_name(const std::string& source, const std::string& format) {
  fs::path path = fs::path(source).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  std::string stem = path.filename().string();
  const Format* known = format_of_path(stem);
  std::vector<std::string_view> suffixes = {kCheckpointSuffix};
  if (known) suffixes.insert(suffixes.end(), known->suffixes.begin(), known->suffixes.end());
  for (const std::string_view suffix : suffixes)
    if (stem.size() > suffix.size() && stem.ends_with(suffix)) {
      stem.resize(stem.size() - suffix.size());
      break;
    }
  return stem + (format == kCheckpoint ? std::string(kCheckpointSuffix) : find_format(format)->suffixes.front());
}

void check_target(const std::string& source, const ConvertTarget& target, const ConvertSettings& settings) {
  std::error_code ignored;
  if (fs::equivalent(source, target.path, ignored)) throw UserError(fmt::format("{}: is the source; give another target", target.path));
  const fs::path parent = fs::absolute(target.path).lexically_normal().parent_path();
  if (!fs::is_directory(parent, ignored))
    throw UserError(fmt::format("{}: its folder {} does not exist; make it", target.path, parent.string()));
  if (!settings.force && !settings.if_newer && fs::exists(target.path, ignored))
    throw UserError(fmt::format("{}: exists already; --force replaces it, --if-newer does where the source is newer", target.path));
}

std::vector<ConvertResult> convert(const std::string& source, const std::string& from, const std::vector<ConvertTarget>& targets,
                                   const ConvertSettings& settings) {
  std::vector<ConvertResult> results;
  bool work = false;
  for (const ConvertTarget& target : targets) {
    check_target(source, target, settings);
    ConvertResult result;
    result.target = target;
    result.skipped = settings.if_newer && !settings.force && is_newer(target.path, source);
    work |= !result.skipped;
    results.push_back(std::move(result));
  }
  if (!work) return results;
  SavedModel model = load(source, from, settings);
  const Model computed = model.model;
  NamedTensors inputs, expected;
  std::vector<TestPair> tests;
  if (settings.verify) {
    inputs = random_inputs(model, settings.parity);
    expected = run_model(model, inputs);
    if (bytes_of(inputs) + bytes_of(expected) <= kMaxTestBytes) model.tests = tests = {{inputs, expected}};
  }
  const bool large = bytes_of(model.weights) + bytes_of(model.slots) > kLargeBytes;
  bool released = false;
  for (ConvertResult& result : results) {
    if (result.skipped) continue;
    if (released) {
      model = load(source, from, settings);
      if (!tests.empty()) model.tests = tests;
    }
    const bool last =
        std::none_of(results.begin() + (&result - results.data()) + 1, results.end(), [](const auto& r) { return !r.skipped; });
    const auto start = std::chrono::steady_clock::now();
    // Written and proven in a folder of its own beside the target, then moved.
    ScratchFolder scratch(result.target.path);
    const std::string working = (scratch.path() / scratch.target().filename()).string();
    try {
      result.options = settings.write;
      if (result.options.opset == 0) result.options.opset = usual_onnx_opset(model);
      released = last || large;  // a large model is in memory once, not beside what is made of it or read back
      write(released ? std::move(model) : model, working, result.target.format, result.options);
      if (settings.verify) {
        SavedModel again = read_back(working, result.target.format);
        if (holds_weights_only(result.target.format)) again.model = computed;
        result.parity = compare_outputs(expected, run_model(std::move(again), inputs), settings.parity);
        if (!result.parity->ok())
          throw ParityError(ExitCode::kThresholdMissed, describe(*result.parity, settings.parity) + "; not written");
      }
    } catch (const Error& e) {  // what it says of the working copy is meant for the target
      std::string text = e.what();
      for (size_t at; (at = text.find(working)) != std::string::npos;) text.replace(at, working.size(), result.target.path);
      if (text.find(result.target.path) == std::string::npos) text = result.target.path + ": " + text;
      if (dynamic_cast<const ParityError*>(&e)) throw ParityError(e.code(), text);
      throw Error(e.code(), text);
    }
    hash_target(working, result);
    publish_all(scratch, working);
    result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  }
  return results;
}

}  // namespace dl::app
