// A source that is a URL: fetched into a folder beside the first target, for all of them. What the server said of that version (ETag,
// Last-Modified) is kept beside each target as .NAME.source, by which --if-newer asks for what has changed since.
// Used by convert and export.
#pragma once

#include <string>
#include <vector>

#include "base/scratch_folder.h"
#include "convert_job.h"
#include "net/http.h"

namespace dl::app {

class RemoteSource {
 public:
  // `if_changed`: only where the server has another version than the one that all targets were made of.
  RemoteSource(const std::string& url, const std::vector<ConvertTarget>& targets, bool if_changed);
  bool changed() const { return download_.changed; }
  std::string path() const { return path_; }
  // `text` with the URL in place of the local path.
  std::string named(std::string text) const;
  // The targets are made of this version.
  void record() const;

 private:
  std::string shown_;
  std::vector<std::string> records_;
  ScratchFolder scratch_;
  std::string path_;
  Download download_;
};

}  // namespace dl::app
