#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>

#include "base/atomic_file.h"
#include "base/error.h"
#include "ckpt/checkpoint.h"

namespace dl {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "step-", kSuffix = ".ckpt.h5";

std::string file_name(int64_t step) { return fmt::format("{}{:08}{}", kPrefix, step, kSuffix); }

std::optional<int64_t> step_of(const std::string& name) {
  if (name.size() <= kPrefix.size() + kSuffix.size() || !name.starts_with(kPrefix) || !name.ends_with(kSuffix)) return std::nullopt;
  int64_t step = 0;
  const char* end = name.data() + name.size() - kSuffix.size();
  const auto [next, error] = std::from_chars(name.data() + kPrefix.size(), end, step);
  // Only names that save() gives: nobody else's files may be deleted.
  return error == std::errc() && next == end && step >= 0 && file_name(step) == name ? std::optional(step) : std::nullopt;
}

}  // namespace

CheckpointFolder::CheckpointFolder(std::string directory, int keep_last) : directory_(std::move(directory)), keep_last_(keep_last) {
  DL_CHECK(keep_last >= 1, "a checkpoint folder keeps at least one");
}

void CheckpointFolder::prepare() {
  std::error_code error;
  fs::create_directories(directory_, error);
  if (error) throw EnvError(fmt::format("{}: cannot create the folder: {}", directory_, error.message()));
  remove_stale_temp_files(directory_);
}

std::string CheckpointFolder::best_path() const { return (fs::path(directory_) / "best.ckpt.h5").string(); }

std::string CheckpointFolder::save(int64_t step, const Checkpoint& checkpoint) {
  const std::string path = (fs::path(directory_) / file_name(step)).string();
  write_checkpoint(path, checkpoint);
  int kept = 0;
  for (const Entry& entry : list()) {
    if (entry.step <= step && kept < keep_last_) {
      ++kept;
      continue;
    }
    // A file that cannot be deleted does no harm; the next save tries again.
    ::unlink(entry.path.c_str());
  }
  return path;
}

std::string CheckpointFolder::save_best(const Checkpoint& checkpoint) {
  write_checkpoint(best_path(), checkpoint);
  return best_path();
}

std::vector<CheckpointFolder::Entry> CheckpointFolder::list() const {
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator it(directory_, error), end; !error && it != end; it.increment(error)) {
    if (const std::optional<int64_t> step = step_of(it->path().filename().string())) entries.push_back({*step, it->path().string()});
  }
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.step > b.step; });
  return entries;
}

std::optional<std::pair<std::string, Checkpoint>> CheckpointFolder::load_latest(std::vector<std::string>* warnings) const {
  const std::vector<Entry> entries = list();
  std::string first_error;
  for (const Entry& entry : entries) {
    try {
      return std::pair(entry.path, read_checkpoint(entry.path));
    } catch (const FileError& error) {
      if (first_error.empty()) first_error = error.what();
      if (warnings) warnings->push_back(fmt::format("{}; trying the one before", error.what()));
    }
  }
  if (entries.empty()) return std::nullopt;
  throw FileError(
      fmt::format("{}: no checkpoint of {} can be read: {} (move them away to start anew)", directory_, entries.size(), first_error));
}

}  // namespace dl
