// The format of TF.js layers models: a folder with model.json (the layers, and a manifest of the weights) and files of weights.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>

#include "base/error.h"
#include "io/format.h"
#include "io/keras/architecture.h"
#include "io/keras/import.h"
#include "io/keras/json_node.h"
#include "io/keras/training.h"
#include "io/tfjs/test_pairs.h"
#include "io/tfjs/topology_reader.h"
#include "io/tfjs/weight_names.h"
#include "io/tfjs/weights.h"
#include "io/tfjs/write.h"

namespace dl {
namespace {

namespace fs = std::filesystem;

constexpr const char* kModelFile = "model.json";
constexpr int64_t kMaxJsonBytes = int64_t{256} << 20;

bool is_folder(const std::string& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

// model.json: the path itself, or in it.
std::string json_path(const std::string& path) { return is_folder(path) ? (fs::path(path) / kModelFile).string() : path; }

bool probe(const std::string& path, std::string_view head) {
  std::error_code ignored;
  if (is_folder(path)) return fs::is_regular_file(fs::path(path) / kModelFile, ignored);
  const size_t first = head.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos || head[first] != '{') return false;
  for (const char* key : {"\"modelTopology\"", "\"weightsManifest\"", "\"layers-model\"", "\"graph-model\""})
    if (head.find(key) != std::string_view::npos) return true;
  return fs::path(path).filename() == kModelFile && !looks_like_keras_config(head);
}

std::string load_text(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) throw FileError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  struct stat status {};
  std::string text, problem;
  if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
    problem = "is no regular file";
  else if (status.st_size > kMaxJsonBytes)
    problem = "is larger than any model's description";
  else
    text.resize(static_cast<size_t>(status.st_size));
  size_t done = 0;
  while (problem.empty() && done < text.size()) {
    const ssize_t count = read(fd, text.data() + done, text.size() - done);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) problem = fmt::format("cannot be read: {}", std::strerror(errno));
    if (count <= 0) break;
    done += static_cast<size_t>(count);
  }
  close(fd);
  if (!problem.empty()) throw FileError(fmt::format("{}: {}", path, problem));
  text.resize(done);
  return text;
}

SavedModel read(const std::string& path, const ReadOptions&) {
  const std::string file = json_path(path);
  const spec::Node root = parse_json(load_text(file), file);
  tfjs::Topology topology = tfjs::read_topology(root, file);
  const KerasVersion version = topology.version.empty() ? KerasVersion::k2 : keras_version_of(topology.version);
  KerasImport import = import_keras_config(topology.model, file, version);
  const spec::Node* manifest = root.find("weightsManifest");
  const tfjs::StoredWeights stored(manifest ? *manifest : spec::Node::list({}), fs::path(file).parent_path().string(), file);
  tfjs::read_weights(stored, import, file);
  if (!topology.training.is_null()) read_training(topology.training, import);
  for (std::string& warning : topology.warnings) import.saved.warnings.push_back(std::move(warning));
  if (!topology.version.empty()) import.saved.metadata["keras_version"] = topology.version;
  for (const char* key : {"generatedBy", "convertedBy"})
    if (const spec::Node* value = root.find(key); value && value->is_string()) import.saved.metadata[key] = value->as_string();
  tfjs::read_test_pairs(root, import.saved);
  return std::move(import.saved);
}

}  // namespace

extern const Format format_tfjs;  // of formats.def
const Format format_tfjs = {
    .name = "tfjs",
    .summary = "TF.js layers model: a folder with model.json",
    .suffixes = {".tfjs", "model.json"},
    .layers_only = true,
    .probe = probe,
    .read = read,
    .unsupported = tfjs::unsupported,
    .write = tfjs::write,
};

}  // namespace dl
