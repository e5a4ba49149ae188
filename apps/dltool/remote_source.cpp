#include "remote_source.h"

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/atomic_file.h"
#include "base/log.h"

namespace dl::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

std::string record_path(const std::string& target) {
  const fs::path path = fs::absolute(target).lexically_normal();
  return (path.parent_path() / ("." + path.filename().string() + ".source")).string();
}

// The version that every target was made of.
HttpVersion known_version(const std::string& url, const std::vector<ConvertTarget>& targets) {
  std::optional<HttpVersion> known;
  for (const ConvertTarget& target : targets) {
    std::error_code ignored;
    std::ifstream file(record_path(target.path));
    const Json record = Json::parse(file, nullptr, false);
    if (!record.is_object() || record.value("url", "") != url || !fs::exists(target.path, ignored)) return {};
    const HttpVersion version = {record.value("etag", ""), record.value("last_modified", "")};
    if (known && (known->etag != version.etag || known->last_modified != version.last_modified)) return {};
    known = version;
  }
  return known.value_or(HttpVersion());
}

}  // namespace

RemoteSource::RemoteSource(const std::string& url, const std::vector<ConvertTarget>& targets, bool if_changed)
    : shown_(public_url(url)), scratch_(targets.front().path), path_((scratch_.path() / file_name_of_url(url)).string()) {
  for (const ConvertTarget& target : targets) records_.push_back(record_path(target.path));
  download_ = download(url, path_, if_changed ? known_version(shown_, targets) : HttpVersion());
  if (if_changed && download_.version.etag.empty() && download_.version.last_modified.empty())
    log_warning(shown_ + ": the server tells no version (ETag, Last-Modified), so --if-newer converts every time");
}

std::string RemoteSource::named(std::string text) const {
  for (size_t at; (at = text.find(path_)) != std::string::npos;) text.replace(at, path_.size(), shown_);
  return text;
}

void RemoteSource::record() const {
  const Json json = {{"url", shown_}, {"etag", download_.version.etag}, {"last_modified", download_.version.last_modified}};
  for (const std::string& record : records_) {
    AtomicFile file(record);
    file.write(json.dump() + "\n");
    file.commit();
  }
}

}  // namespace dl::app
