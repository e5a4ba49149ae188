#include "io/keras/architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "io/keras/import.h"
#include "io/keras/json_node.h"
#include "io/keras/training.h"

namespace dl {
namespace {

constexpr uint64_t kMaxJsonBytes = uint64_t{64} << 20;

}  // namespace

bool looks_like_keras_config(std::string_view head) {
  size_t at = head.find_first_not_of(" \t\r\n");
  if (at == std::string_view::npos || head[at] != '{') return false;
  at = head.find_first_not_of(" \t\r\n", at + 1);
  if (at == std::string_view::npos) return false;
  static constexpr std::string_view kFirst[] = {"\"class_name\"", "\"module\"", "\"config\"", "\"keras_version\"", "\"backend\""};
  return std::any_of(std::begin(kFirst), std::end(kFirst), [&](std::string_view key) { return head.substr(at).starts_with(key); });
}

bool is_keras_architecture(const std::string& path) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) return false;
  std::array<char, 256> bytes{};
  std::ifstream file(path, std::ios::binary);
  file.read(bytes.data(), bytes.size());
  return looks_like_keras_config({bytes.data(), static_cast<size_t>(file.gcount())});
}

spec::Node load_keras_json(const std::string& path) {
  std::error_code ignored;
  if (std::filesystem::file_size(path, ignored) > kMaxJsonBytes) throw FileError(path + ": is larger than any model's description");
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  if (!file) throw EnvError(path + ": cannot be read");
  return parse_json(text.str(), path);
}

std::string keras_json_version(const spec::Node& config) {
  if (const spec::Node* given = config.find("keras_version"); given && given->is_string()) return given->as_string();
  return config.find("module") ? "3" : "";
}

SavedModel read_keras_architecture(const std::string& path) {
  const spec::Node config = load_keras_json(path);
  const std::string version = keras_json_version(config);
  KerasImport import = is_keras1(config, version) ? import_keras1_config(config, {path, false, {}})
                                                  : import_keras_config(config, path, keras_version_of(version));
  if (const spec::Node* compile = config.find("compile_config")) read_training(*compile, import);
  return std::move(import.saved);
}

}  // namespace dl
