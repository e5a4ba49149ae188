// The format .h5: a whole Keras model (model_config, model_weights, optimizer_weights), or weights alone with the model's .json beside it.
#include <errno.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/working_file.h"
#include "io/format.h"
#include "io/keras/architecture.h"
#include "io/keras/export.h"
#include "io/keras/import.h"
#include "io/keras/json_node.h"
#include "io/keras/training.h"

namespace dl {
namespace {

constexpr std::string_view kMagic = "\x89HDF\r\n\x1a\n";

bool probe(const std::string& path, std::string_view head) {
  if (path.ends_with(".ckpt.h5")) return false;
  // The signature may follow a block of the user's own.
  for (size_t at = 0; at + kMagic.size() <= head.size(); at = at == 0 ? 512 : at * 2)
    if (head.substr(at).starts_with(kMagic)) return true;
  return path.ends_with(".h5") || path.ends_with(".hdf5");
}

class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (fd_ < 0) throw EnvError(fmt::format("{}: cannot be opened: {}", path, strerror(errno)));
    struct stat status {};
    if (fstat(fd_, &status) == 0 && S_ISREG(status.st_mode)) length_ = static_cast<uint64_t>(status.st_size);
    if (length_ > 0) return;
    close(fd_);
    throw FileError(path + ": is empty or no regular file; an HDF5 file is needed");
  }
  ~OpenFile() { close(fd_); }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  FileRange range() const { return {fd_, 0, length_}; }

 private:
  int fd_;
  uint64_t length_ = 0;
};

std::string without_suffix(const std::string& path, std::string_view suffix) {
  return path.ends_with(suffix) ? path.substr(0, path.size() - suffix.size()) : path;
}

// The model of a file that holds weights alone: what model.to_json() gives.
std::pair<spec::Node, std::string> load_json_beside(const std::string& path) {
  const std::string stem = without_suffix(without_suffix(path, ".h5"), ".hdf5");
  for (const std::string& name : {stem + ".json", without_suffix(stem, ".weights") + ".json"}) {
    std::error_code ignored;
    if (std::filesystem::is_regular_file(name, ignored)) return {load_keras_json(name), name};
  }
  throw FileError(fmt::format("{}: holds weights alone; put the model's description (model.to_json()) beside it as {}.json", path, stem));
}

// What the weights of a file of Keras 1 tell beyond its config. `root`: the group of the layers.
Keras1File keras1_file(const std::string& path, Hdf5File& file, const std::string& root) {
  Keras1File told{path, false, {}};
  bool tensorflow = false;
  std::multimap<std::string, Dims> arrays;  // by name
  for (const std::string& layer : file.texts(root, "layer_names").value_or(std::vector<std::string>())) {
    const std::string group = root.empty() ? layer : root + "/" + layer;
    for (const std::string& weight : file.texts(group, "weight_names").value_or(std::vector<std::string>())) {
      tensorflow |= weight.ends_with(":0");
      if (const Hdf5Dataset* dataset = file.dataset(group + "/" + weight)) arrays.emplace(weight, dataset->dims);
    }
  }
  told.theano = !tensorflow;  // also where there are no weights to tell: what Theano computes otherwise is refused then
  told.arrays = [arrays = std::move(arrays)](const std::string& layer) {
    std::vector<Dims> dims;
    for (auto it = arrays.lower_bound(layer + "_"); it != arrays.end() && it->first.starts_with(layer + "_"); ++it)
      dims.push_back(it->second);
    return dims;
  };
  return told;
}

SavedModel read(const std::string& path, const ReadOptions&) {
  const OpenFile opened(path);
  Hdf5File file(path, opened.range());
  std::string version = file.text("", "keras_version").value_or(file.text("model_weights", "keras_version").value_or(""));
  spec::Node config;
  std::string origin = path;
  const bool whole = file.text("", "model_config").has_value();
  if (whole) {
    config = parse_json(*file.text("", "model_config"), path + ": model_config");
  } else {
    std::tie(config, origin) = load_json_beside(path);
    if (version.empty()) version = keras_json_version(config);
  }
  const std::string root = whole || file.has_group("model_weights") ? "model_weights" : "";
  const bool is_first = is_keras1(config, version);
  KerasImport import = is_first ? import_keras1_config(config, keras1_file(origin, file, root))
                                : import_keras_config(config, origin, keras_version_of(version));
  if (!root.empty()) {
    read_legacy_weights(file, "model_weights", import);
  } else if (file.texts("", "layer_names")) {
    read_legacy_weights(file, "", import);
  } else {
    read_object_weights(file, import);
  }
  if (const std::optional<std::string> training = file.text("", "training_config"))
    read_training(parse_json(*training, path + ": training_config"), import);
  if (is_first) {
    // Their order and those of the weights they belong to have changed since.
    if (file.has_group("optimizer_weights"))
      import.saved.warnings.push_back(path +
                                      ": the state of the optimizer is that of Keras 1; it is left out, and training begins without");
  } else if (whole) {
    read_legacy_slots(file, import);
  } else {
    read_object_slots(file, import);
  }
  if (!version.empty()) import.saved.metadata["keras_version"] = version;
  read_private(file, import.saved);
  return std::move(import.saved);
}

KerasVersion version_of(const WriteOptions& options) { return options.keras_version == 2 ? KerasVersion::k2 : KerasVersion::k3; }

std::vector<std::string> unsupported(const SavedModel& saved, const WriteOptions& options) {
  return write_keras_config(saved, version_of(options)).problems;
}

void write(const SavedModel& saved, const std::string& path, const WriteOptions& options) {
  const KerasVersion version = version_of(options);
  const char* version_text = version == KerasVersion::k2 ? kKeras2Version : kKeras3Version;
  const KerasExport model = export_keras_model(saved, path, "h5", version, options.half);
  WorkingFile target(path);
  Hdf5Output file(target.fd(), 0, path);
  file.set_text("", "keras_version", version_text);
  file.set_text("", "backend", "tensorflow");
  file.set_text("", "model_config", to_json(model.config.node));
  if (const spec::Node training = write_training(saved, version, true); !training.is_null())
    file.set_text("", "training_config", to_json(training));
  write_legacy_weights(file, saved, model);
  file.set_text("model_weights", "backend", "tensorflow");
  file.set_text("model_weights", "keras_version", version_text);
  if (options.optimizer) write_legacy_slots(file, saved, model);
  write_private(file, saved);
  file.close();
  target.commit();
}

}  // namespace

extern const Format format_h5;  // of formats.def
const Format format_h5 = {
    .name = "h5",
    .summary = "Keras model as HDF5 (of Keras 1 to 3; Deeplearning4j)",
    .suffixes = {".h5", ".hdf5"},
    .layers_only = true,
    .probe = probe,
    .read = read,
    .unsupported = unsupported,
    .write = write,
};

}  // namespace dl
