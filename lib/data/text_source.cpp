// The text format: lines of files, or whole files in a folder with one sub-folder per class (as Keras's text_dataset_from_directory), as
// numbers of words. Options in config.h.
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "data/class_folder.h"
#include "data/lines.h"
#include "data/paths.h"
#include "data/record_table.h"
#include "data/source.h"

namespace dl {
namespace {

constexpr std::string_view kSuffixes[] = {".txt"};
constexpr int64_t kMaxTextBytes = int64_t{64} << 20;

struct TextSpec {
  std::vector<std::string> paths;   // of lines, or one folder
  std::vector<std::string> labels;  // of the files in `paths`, where these are given by class
  bool folder_labels = true;
  std::vector<std::string> classes;
  RecordSpec records;
};

class TextSource : public Source {
 public:
  explicit TextSource(TextSpec spec) : spec_(std::move(spec)) {}

  OpenedSource open(const OpenOptions& options) const override {
    std::error_code ignored;
    if (spec_.paths.size() == 1 && std::filesystem::is_directory(spec_.paths[0], ignored)) return open_folder(options);
    RecordSpec records = spec_.records;
    if (!spec_.labels.empty()) records.fields.push_back({"y", true, {"y"}});
    if (spec_.labels.size() > 0) records.classes.names = spec_.labels;
    RecordTable table(records, options);
    std::vector<RecordValue> values(table.keys().size());
    std::string line;
    for (size_t p = 0; p < spec_.paths.size(); ++p)
      for (const std::string& path : expand_paths({spec_.paths[p]})) {
        const std::unique_ptr<ByteStream> stream = open_bytes(path);
        LineReader lines(*stream);
        while (lines.next(line)) {
          values[0].kind = RecordValue::Kind::kText;
          values[0].text = line;
          if (values.size() > 1) {
            values[1].kind = RecordValue::Kind::kText;
            values[1].text = spec_.labels[p];
          }
          table.add(values, [&] { return lines.place(); });
        }
      }
    return table.finish(describe_paths(spec_.paths));
  }

 private:
  OpenedSource open_folder(const OpenOptions& options) const {
    const ClassFolder folder = list_class_folder({spec_.paths[0], spec_.folder_labels, spec_.classes}, kSuffixes, "texts", options);
    RecordSpec records = spec_.records;
    if (!folder.classes.empty()) records.fields.push_back({"y", true, {"y"}});
    records.classes.names = folder.classes;
    RecordTable table(records, options);
    std::vector<RecordValue> values(table.keys().size());
    for (const ClassFolder::Entry& entry : folder.entries) {
      const std::string file = spec_.paths[0] + "/" + entry.file;
      const std::vector<std::byte> bytes = read_file(file, kMaxTextBytes);
      values[0].kind = RecordValue::Kind::kText;
      values[0].text.assign(reinterpret_cast<const char*>(bytes.data()), bytes.size());
      if (values.size() > 1) {
        values[1].kind = RecordValue::Kind::kText;
        values[1].text = folder.classes[static_cast<size_t>(entry.label)];
      }
      table.add(values, [&] { return printable(file); });
    }
    return table.finish(printable(spec_.paths[0]));
  }

  TextSpec spec_;
};

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  TextSpec spec;
  const spec::Node* path = reader.has("path") ? reader.get("path") : nullptr;
  if (path && path->is_map()) {
    spec::Reader map(*path, reader.path_of("path"), reader.problems());
    for (const auto& [name, child] : path->entries()) {
      spec.labels.push_back(name);
      spec.paths.push_back(read_path(map, name, base_dir));
    }
    if (spec.labels.size() < 2) reader.report("path", "a map from classes to files needs at least two classes");
  } else {
    spec.paths = read_paths(reader, "path", base_dir);
  }
  spec.folder_labels = reader.get_bool("labels", true);
  spec.classes = reader.get_strings("classes", std::vector<std::string>{});
  spec.records.fields = {{"x", false, {"x"}}};
  if (const spec::Node* text = reader.get("text")) spec.records.text = read_text_options(*text, reader.path_of("text"), reader.problems());
  return std::make_shared<TextSource>(std::move(spec));
}

}  // namespace

const SourceFormat kTextFormat{"text", ".txt .txt.gz", parse};

}  // namespace dl
