#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <mutex>
#include <nlohmann/json.hpp>
#include <regex>
#include <thread>

#include "base/atomic_file.h"
#include "base/log.h"
#include "base/parallel.h"
#include "base/terminal.h"
#include "commands.h"
#include "convert_job.h"
#include "output.h"
#include "remote_source.h"
#include "table.h"

namespace dl::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

// Held until the process ends; the file stays, so that two processes never lock different files of one name.
class Lock {
 public:
  explicit Lock(const std::string& path) {
    if (path.empty()) return;
    fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd_ < 0) throw_file_error(path, "cannot open", errno);
    if (::flock(fd_, LOCK_EX | LOCK_NB) == 0) return;
    const int error = errno;
    ::close(fd_);
    if (error != EWOULDBLOCK) throw_file_error(path, "cannot lock", error);
    throw Error(ExitCode::kInterrupted, path + ": another process holds this lock; nothing was done, try again later");
  }
  ~Lock() {
    if (fd_ >= 0) ::close(fd_);
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  int fd_ = -1;
};

ConvertSettings settings_of(const ConvertOptions& o) {
  ConvertSettings s;
  s.write.opset = static_cast<int>(o.opset);
  s.write.keras_version = static_cast<int>(o.keras_version);
  s.write.layout = o.layout == "nchw" ? Layout::kNchw : o.layout == "nhwc" ? Layout::kNhwc : Layout::kKeep;
  s.write.half = o.half;
  s.write.external_data = o.external_data;
  s.write.optimizer = !o.no_optimizer;
  for (const auto& [name, sizes] : o.input_shapes) s.input_shapes[name] = sizes;
  s.dynamic = o.dynamic;
  s.fold_preprocessing = o.fold_preprocessing;
  s.strip_preprocessing = o.strip_preprocessing;
  s.verify = !o.no_verify;
  s.parity.samples = o.samples;
  s.parity.atol = o.atol.value_or(o.half ? 1e-2 : s.parity.atol);
  s.parity.rtol = o.rtol.value_or(o.half ? 1e-2 : s.parity.rtol);
  s.force = o.force;
  s.if_newer = o.if_newer;
  return s;
}

Json options_json(const ConvertOptions& o, const ConvertSettings& s, const ConvertResult& r) {
  const std::string& format = r.target.format;
  Json json = Json::object();
  if (format == "onnx") json["opset"] = r.options.opset;
  if (format == "h5") json["keras_version"] = o.keras_version;
  if (!o.layout.empty()) json["layout"] = o.layout;
  if (o.half) json["half"] = true;
  if (o.external_data) json["external_data"] = true;
  if (o.no_optimizer) json["optimizer"] = false;
  if (!o.dynamic.empty()) json["dynamic"] = o.dynamic;
  for (const auto& [name, sizes] : o.input_shapes) json["input_shape"][name] = sizes;
  if (s.verify) json["verify"] = {{"samples", s.parity.samples}, {"atol", s.parity.atol}, {"rtol", s.parity.rtol}};
  return json;
}

Json result_json(const std::string& source, const ConvertResult& r, const Json& options) {
  Json json = {{"schema_version", 1},
               {"status", r.skipped ? "skipped" : "converted"},
               {"source", source},
               {"target", r.target.path},
               {"format", r.target.format}};
  if (r.skipped) return json;
  json.update({{"bytes", r.bytes}, {"sha256", r.sha256}, {"seconds", r.seconds}, {"options", options}});
  if (r.parity) {
    Json outputs = Json::array();
    for (const OutputParity& o : r.parity->outputs)
      outputs.push_back({{"name", o.name}, {"max_error", o.max_error}, {"mean_error", o.mean_error}, {"max_value", o.max_value}});
    json["parity"] = {{"max_error", r.parity->max_error()}, {"outputs", outputs}};
  }
  return json;
}

std::string result_text(const std::string& source, const ConvertResult& r, const ConvertSettings& settings) {
  if (r.skipped) return fmt::format("{}: not older than {}, left as it is\n", safe_for_terminal(r.target.path), safe_for_terminal(source));
  std::string text =
      fmt::format("{} -> {}: {}", safe_for_terminal(source), safe_for_terminal(r.target.path), bytes_text(static_cast<double>(r.bytes)));
  if (!r.parity) return text + ", not verified\n";
  text += fmt::format(", {} sample{} agree\n", settings.parity.samples, settings.parity.samples == 1 ? "" : "s");
  for (const OutputParity& o : r.parity->outputs)
    text += fmt::format("  {}: largest error {:.2g}, mean {:.2g}, of values up to {:.3g}\n", safe_for_terminal(o.name), o.max_error,
                        o.mean_error, o.max_value);
  return text;
}

// What to convert: a source and where its results go.
struct Job {
  std::string source;
  std::vector<ConvertTarget> targets;
  std::string name() const { return is_url(source) ? public_url(source) : source; }  // for messages
};

// Reports each file as it is done. Thread-safe.
class Reporter {
 public:
  Reporter(const ConvertOptions& options, const ConvertSettings& settings, bool many)
      : options_(options), settings_(settings), many_(many) {}

  void done(const std::string& source, const std::vector<ConvertResult>& results) {
    const std::lock_guard lock(mutex_);
    for (const ConvertResult& r : results) {
      const std::string line = dump(result_json(source, r, options_json(options_, settings_, r)));
      record(line);
      if (options_.common.json)
        write_stdout(line);
      else if (options_.common.quiet == 0)
        write_stdout(result_text(source, r, settings_));
    }
  }

  void failed(const Job& job, const Error& error) {
    const std::lock_guard lock(mutex_);
    worst_ = std::max(worst_, static_cast<int>(error.code()));
    Json json = {{"schema_version", 1}, {"status", "failed"}, {"source", job.name()}};
    if (job.targets.size() == 1) json.update({{"target", job.targets[0].path}, {"format", job.targets[0].format}});
    json["error"] = {{"code", static_cast<int>(error.code())}, {"message", error.what()}};
    record(dump(json));
    if (!many_) return;  // the error goes on to main
    if (options_.common.json)
      write_stdout(dump(json));
    else
      log_error(error.what());
  }

  ExitCode worst() const { return static_cast<ExitCode>(worst_); }

 private:
  static std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n"; }

  // One write of one line, so that lines of several processes stay whole.
  void record(const std::string& line) {
    if (options_.manifest.empty()) return;
    const int fd = ::open(options_.manifest.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0) throw_file_error(options_.manifest, "cannot open", errno);
    const bool whole = ::write(fd, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    const int error = errno;
    ::close(fd);
    if (!whole) throw_file_error(options_.manifest, "cannot write", error);
  }

  const ConvertOptions& options_;
  const ConvertSettings& settings_;
  const bool many_;
  std::mutex mutex_;
  int worst_ = 0;
};

// ---- patterns

// '*' and '?' stay within a folder, "**/" stands for any folders, [...] is a set.
std::regex regex_of(const std::string& pattern) {
  std::string text;
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (pattern.compare(i, 3, "**/") == 0) {
      text += "(?:[^/]+/)*";
      i += 2;
    } else if (pattern[i] == '*') {
      text += "[^/]*";
    } else if (pattern[i] == '?') {
      text += "[^/]";
    } else if (std::string_view(".+()^$|{}\\[]").find(pattern[i]) != std::string_view::npos) {
      text += std::string("\\") + pattern[i];
    } else {
      text += pattern[i];
    }
  }
  return std::regex(text);
}

// The folder above the first component with a wildcard.
fs::path root_of(const std::string& pattern) {
  const size_t wild = std::min(pattern.find_first_of("*?"), pattern.size());
  const size_t slash = pattern.rfind('/', wild);
  return slash == std::string::npos ? fs::path(".") : slash == 0 ? fs::path("/") : fs::path(pattern.substr(0, slash));
}

std::vector<std::string> matches_of(const std::string& pattern) {
  const std::regex wanted = regex_of(pattern);
  const fs::path root = root_of(pattern);
  std::vector<std::string> found;
  std::error_code error;
  for (fs::recursive_directory_iterator it(root, fs::directory_options::skip_permission_denied, error), end; !error && it != end;
       it.increment(error)) {
    std::string path = it->path().string();
    if (path.starts_with("./") && !pattern.starts_with("./")) path.erase(0, 2);
    if (it->path().filename().string().starts_with(".")) {
      it.disable_recursion_pending();
      continue;
    }
    if (std::regex_match(path, wanted)) found.push_back(path);
  }
  if (found.empty())
    throw UserError(fmt::format("--glob {}: no file fits; quote the pattern, so that the shell does not expand it", pattern));
  std::sort(found.begin(), found.end());
  return found;
}

std::vector<Job> glob_jobs(const ConvertOptions& o) {
  std::vector<Job> jobs;
  std::map<std::string, std::string> taken;  // target -> source
  const fs::path root = root_of(o.glob);
  for (const std::string& source : matches_of(o.glob)) {
    Job job{source, {}};
    fs::path folder = fs::path(source).parent_path();
    if (!o.out_dir.empty()) folder = fs::path(o.out_dir) / fs::path(source).parent_path().lexically_relative(root == "." ? "" : root);
    for (const std::string& format : o.to) {
      const std::string target = (folder / target_name(source, format)).lexically_normal().string();
      if (const auto [it, is_new] = taken.emplace(target, source); !is_new)
        throw UserError(fmt::format("{} and {} would both become {}; convert them apart", it->second, source, target));
      job.targets.push_back({target, format});
    }
    if (!o.out_dir.empty()) fs::create_directories(folder);
    jobs.push_back(std::move(job));
  }
  return jobs;
}

Job single_job(const ConvertOptions& o) {
  Job job{o.paths[0], {}};
  if (o.paths.size() == 2) {
    job.targets.push_back({o.paths[1], o.to.empty() ? format_for(o.paths[1]) : o.to[0]});
    return job;
  }
  const bool remote = is_url(job.source);  // its results go to the current folder
  const fs::path beside = remote ? fs::path() : fs::path(job.source).lexically_normal().parent_path();
  const fs::path folder = o.out_dir.empty() ? beside : fs::path(o.out_dir);
  if (!o.out_dir.empty()) fs::create_directories(folder);
  const std::string name = remote ? file_name_of_url(job.source) : job.source;
  for (const std::string& format : o.to) job.targets.push_back({(folder / target_name(name, format)).string(), format});
  return job;
}

ExitCode run_many(const std::vector<Job>& jobs, const ConvertOptions& o, const ConvertSettings& settings) {
  Reporter reporter(o, settings, true);
  std::atomic<size_t> next = 0;
  std::atomic<bool> give_up = false;
  std::exception_ptr failure;  // stdout or the manifest cannot be written
  std::mutex mutex;
  const int threads = std::max(1, thread_count() / static_cast<int>(o.jobs));
  const auto work = [&] {
    set_thread_count(threads);
    for (size_t j = next++; j < jobs.size() && !give_up; j = next++) {
      try {
        try {
          reporter.done(jobs[j].source, convert(jobs[j].source, o.from, jobs[j].targets, settings));
        } catch (const Error& e) {
          reporter.failed(jobs[j], e);
        } catch (const std::bad_alloc&) {
          reporter.failed(jobs[j], EnvError(jobs[j].source + ": out of memory"));
        }
      } catch (...) {
        const std::lock_guard lock(mutex);
        failure = std::current_exception();
        give_up = true;
      }
    }
  };
  std::vector<std::jthread> workers;
  for (int64_t w = 1; w < o.jobs; ++w) workers.emplace_back(work);
  work();
  workers.clear();
  if (failure) std::rethrow_exception(failure);
  return reporter.worst();
}

std::vector<ConvertResult> convert_remote(const Job& job, const ConvertOptions& o, ConvertSettings settings) {
  for (const ConvertTarget& target : job.targets) check_target(job.source, target, settings);
  const RemoteSource remote(job.source, job.targets, settings.if_newer && !settings.force);
  std::vector<ConvertResult> results;
  if (!remote.changed()) {
    for (const ConvertTarget& target : job.targets) {
      results.emplace_back().target = target;
      results.back().skipped = true;
    }
    return results;
  }
  settings.force = true;  // the server's version is another one
  try {
    results = convert(remote.path(), o.from, job.targets, settings);
  } catch (const ParityError& e) {
    throw ParityError(e.code(), remote.named(e.what()));
  } catch (const Error& e) {
    throw Error(e.code(), remote.named(e.what()));
  }
  remote.record();
  return results;
}

ExitCode run_one(const Job& job, const ConvertOptions& o, const ConvertSettings& settings) {
  Reporter reporter(o, settings, false);
  try {
    reporter.done(job.name(), is_url(job.source) ? convert_remote(job, o, settings) : convert(job.source, o.from, job.targets, settings));
  } catch (const Error& e) {
    reporter.failed(job, e);
    throw;
  }
  return ExitCode::kDone;
}

}  // namespace

ExitCode run_convert(const ConvertOptions& options) {
  const Lock lock(options.lock);
  const ConvertSettings settings = settings_of(options);
  if (!options.glob.empty()) return run_many(glob_jobs(options), options, settings);
  return run_one(single_job(options), options, settings);
}

ExitCode run_export(const ConvertOptions& options) {
  ConvertOptions o = options;
  std::error_code ignored;
  if (o.paths.size() == 1 && o.out_dir.empty() && fs::is_directory(o.paths[0], ignored))
    o.out_dir = (fs::path(o.paths[0]) / "export").string();
  return run_convert(o);
}

}  // namespace dl::app
