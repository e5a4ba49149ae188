// The jsonl format: one JSON object a line. Keys may be paths into nested objects (image.width); arrays of numbers may be nested, if
// rectangular. Options in config.h.
#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "data/lines.h"
#include "data/paths.h"
#include "data/record_table.h"
#include "data/source.h"

namespace dl {
namespace {

constexpr size_t kMaxDepth = 64, kMaxNumbers = size_t{1} << 26;

// Takes the values of the wanted keys out of a line; everything else is only checked.
class Picker : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Picker(const std::vector<std::string>& keys) : keys_(keys) {}

  void start(std::vector<RecordValue>& values) {
    values_ = &values;
    values.assign(keys_.size(), {});
    seen_.assign(keys_.size(), false);
    path_.clear();
    ends_.clear();
    levels_.clear();
    wanted_ = nullptr;
    error_.clear();
    whole_ = false;
  }
  const std::string& error() const { return error_; }

  bool null() override { return number_value(std::numeric_limits<double>::quiet_NaN(), false, true); }
  bool boolean(bool value) override { return number_value(value ? 1 : 0, false); }
  bool number_integer(number_integer_t value) override { return number_value(static_cast<double>(value), true); }
  bool number_unsigned(number_unsigned_t value) override { return number_value(static_cast<double>(value), true); }
  bool number_float(number_float_t value, const string_t&) override { return number_value(value, false); }
  bool binary(binary_t&) override { return fail("binary data"); }

  bool string(string_t& value) override {
    if (levels_.empty()) return not_object();
    if (!wanted_) return true;
    if (arrays_ > 0) return fail(fmt::format("key '{}': an array of texts; only arrays of numbers are read", printable(wanted_path_)));
    wanted_->kind = RecordValue::Kind::kText;
    wanted_->text = std::move(value);
    wanted_ = nullptr;
    return true;
  }

  bool start_object(std::size_t) override {
    if (wanted_ && arrays_ > 0)
      return fail(fmt::format("key '{}': an array of objects; only arrays of numbers are read", printable(wanted_path_)));
    if (wanted_)
      return fail(fmt::format("key '{}': an object; name the key inside it, as {}.KEY", printable(wanted_path_), printable(wanted_path_)));
    if (levels_.empty() && whole_) return not_object();
    whole_ = true;
    return enter('{');
  }
  bool key(string_t& name) override {
    path_.resize(ends_.back());
    if (in_array_) return true;  // objects in arrays nobody asks for
    if (!path_.empty()) path_ += '.';
    path_ += name;
    const auto at = std::find(keys_.begin(), keys_.end(), path_);
    if (at == keys_.end()) return true;
    const auto i = static_cast<size_t>(at - keys_.begin());
    if (seen_[i]) return fail(fmt::format("key '{}' comes twice", printable(path_)));
    seen_[i] = true;
    wanted_ = &(*values_)[i];
    wanted_path_ = path_;
    arrays_ = 0;
    return true;
  }
  bool end_object() override { return leave(); }

  bool start_array(std::size_t) override {
    if (levels_.empty()) return not_object();
    if (wanted_) {
      ++arrays_;
      if (counts_.size() < arrays_) counts_.resize(arrays_);
      counts_[arrays_ - 1] = 0;
      if (arrays_ == 1) wanted_->dims.clear();
      if (wanted_->dims.size() < arrays_) {
        if (!wanted_->numbers.empty()) return ragged();
        wanted_->dims.push_back(-1);
      }
    }
    return enter('[');
  }
  bool end_array() override {
    if (wanted_ && arrays_ > 0) {
      int64_t& size = wanted_->dims[arrays_ - 1];
      if (size >= 0 && size != counts_[arrays_ - 1]) return ragged();
      size = counts_[arrays_ - 1];
      --arrays_;
      if (arrays_ > 0) {
        ++counts_[arrays_ - 1];
      } else {
        wanted_->kind = RecordValue::Kind::kNumbers;
        wanted_ = nullptr;
      }
    }
    return leave();
  }

  bool parse_error(std::size_t position, const std::string&, const nlohmann::detail::exception& e) override {
    std::string_view what = e.what();  // "[json.exception.parse_error.101] parse error at line 1, column 5: ..."
    const size_t colon = what.find(": ");
    return fail(
        fmt::format("not JSON at byte {}: {}", position, printable(colon == std::string_view::npos ? what : what.substr(colon + 2))));
  }

 private:
  bool fail(std::string message) {
    if (error_.empty()) error_ = std::move(message);
    return false;
  }
  bool not_object() { return fail("expected an object, {\"key\": value, ...}, on each line"); }
  bool ragged() { return fail(fmt::format("key '{}': the rows of the array differ in length", printable(wanted_path_))); }

  bool enter(char kind) {
    if (levels_.size() >= kMaxDepth) return fail(fmt::format("more than {} levels", kMaxDepth));
    levels_.push_back(kind);
    ends_.push_back(path_.size());
    in_array_ += kind == '[';
    return true;
  }
  bool leave() {
    in_array_ -= levels_.back() == '[';
    levels_.pop_back();
    path_.resize(ends_.back());
    ends_.pop_back();
    return true;
  }

  bool number_value(double value, bool integer, bool null = false) {
    if (levels_.empty()) return not_object();
    if (!wanted_) return true;
    if (arrays_ == 0) {
      if (!null) *wanted_ = {RecordValue::Kind::kNumbers, {value}, {}, false, {}};
      (void)integer;  // JSON does not tell 3 from 3.0, so classes: says which targets are classes
      wanted_ = nullptr;
      return true;
    }
    if (arrays_ != wanted_->dims.size()) return ragged();
    if (wanted_->numbers.size() >= kMaxNumbers)
      return fail(fmt::format("key '{}': more than {} numbers", printable(wanted_path_), kMaxNumbers));
    ++counts_[arrays_ - 1];
    wanted_->numbers.push_back(value);
    return true;
  }

  const std::vector<std::string>& keys_;
  std::vector<RecordValue>* values_ = nullptr;
  std::vector<bool> seen_;
  std::string path_;          // of the key read last
  std::vector<size_t> ends_;  // length of the path at each level
  std::vector<char> levels_;  // '{' or '['
  int in_array_ = 0;
  bool whole_ = false;
  RecordValue* wanted_ = nullptr;  // value being read
  std::string wanted_path_;
  size_t arrays_ = 0;            // levels of arrays in it
  std::vector<int64_t> counts_;  // elements so far, of each
  std::string error_;
};

class JsonSource : public Source {
 public:
  explicit JsonSource(RecordFiles spec) : spec_(std::move(spec)) {}

  OpenedSource open(const OpenOptions& options) const override {
    const std::vector<std::string> paths = expand_paths(spec_.paths);
    RecordTable table(spec_.records, options);
    Picker picker(table.keys());
    std::vector<RecordValue> values;
    std::string line;
    for (const std::string& path : paths) {
      const std::unique_ptr<ByteStream> stream = open_bytes(path);
      LineReader lines(*stream);
      while (lines.next(line)) {
        if (line.find_first_not_of(" \t") == std::string::npos) continue;
        picker.start(values);
        if (!nlohmann::json::sax_parse(line, &picker) || !picker.error().empty())
          throw FileError(fmt::format("{}: {}", lines.place(), picker.error()));
        table.add(values, [&] { return lines.place(); });
      }
    }
    return table.finish(describe_paths(paths));
  }

 private:
  RecordFiles spec_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  return std::make_shared<JsonSource>(read_record_files(reader, base_dir));
}

}  // namespace

const SourceFormat kJsonLinesFormat{"jsonl", ".jsonl .jsonl.gz .ndjson .ndjson.gz", parse};

}  // namespace dl
