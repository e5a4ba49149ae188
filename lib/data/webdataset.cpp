// The webdataset format: tar shards whose members are grouped into samples by base name (000017.jpg, 000017.cls). Images and arrays stay
// where they are and are decoded when a sample is asked for; numbers and classes are read when the shards are scanned, once.
// Options in config.h.
#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <cmath>
#include <limits>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/positional_io.h"
#include "data/class_names.h"
#include "data/convert.h"
#include "data/file.h"
#include "data/image_rows.h"
#include "data/npy.h"
#include "data/number.h"
#include "data/paths.h"
#include "data/source.h"
#include "data/tar.h"

namespace dl {
namespace {

enum class Kind { kImage, kArray, kText };

struct FieldSpec {
  std::string name;
  bool target = false;
  std::vector<std::string> suffixes;  // any of them
  std::string key = "";               // of the value in a JSON object, a path such as box.width; "" for other members
  bool takes(std::string_view suffix) const { return std::find(suffixes.begin(), suffixes.end(), suffix) != suffixes.end(); }
};

struct WebSpec {
  std::vector<std::string> paths;
  std::vector<FieldSpec> fields;  // empty x or y: found in the first sample
  bool find_x = true, find_y = true, drop_incomplete = false;
  ImageOptions image;
  ClassSpec classes;
  Dims shape;
};

struct Blob {
  int64_t offset = 0;
  int64_t size = 0;
  int32_t shard = 0;  // -1: spilled
};

const std::vector<std::string> kImageSuffixes = {"jpg", "jpeg", "png"};

Kind kind_of(std::string_view suffix) {
  const std::string_view last = suffix.substr(suffix.rfind('.') + 1);  // npos + 1 == 0
  if (std::find(kImageSuffixes.begin(), kImageSuffixes.end(), last) != kImageSuffixes.end()) return Kind::kImage;
  return last == "npy" ? Kind::kArray : Kind::kText;
}

// "dir/000017.seg.png" -> {"dir/000017", "seg.png"}; nothing for names that are no sample's.
std::optional<std::pair<std::string, std::string>> split_name(const std::string& name) {
  const size_t slash = name.rfind('/'), begin = slash == std::string::npos ? 0 : slash + 1;
  const size_t dot = name.find('.', begin);
  if (dot == std::string::npos || dot == begin || dot + 1 == name.size()) return {};
  std::string suffix = name.substr(dot + 1);
  for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return std::pair{name.substr(0, dot), suffix};
}

bool is_json(std::string_view suffix) { return suffix == "json" || suffix.ends_with(".json"); }

std::string_view trim(std::string_view text) {
  const auto blank = [](char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; };
  while (!text.empty() && blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && blank(text.back())) text.remove_suffix(1);
  return text;
}

// Numbers of an array, however nested, one after the other. False: there is something else in it.
bool append_numbers(const nlohmann::json& value, std::string& text, int depth = 0) {
  constexpr int kMaxDepth = 32;
  if (value.is_array())
    return depth < kMaxDepth &&
           std::all_of(value.begin(), value.end(), [&](const nlohmann::json& item) { return append_numbers(item, text, depth + 1); });
  if (!value.is_number() && !value.is_boolean()) return false;
  if (!text.empty()) text += ' ';
  text += value.is_boolean() ? (value.get<bool>() ? "1" : "0") : value.dump();
  return true;
}

// The value of `key` in a JSON object, as the text that a member of its own would hold. FileError without a place.
std::string json_text(std::string_view member, std::string_view key) {
  const nlohmann::json root = nlohmann::json::parse(member, nullptr, false);
  if (root.is_discarded()) throw FileError("is no JSON");
  const nlohmann::json* value = &root;
  for (size_t begin = 0; begin <= key.size();) {
    const size_t end = std::min(key.find('.', begin), key.size());
    const std::string name(key.substr(begin, end - begin));
    if (!value->is_object() || !value->contains(name)) throw FileError(fmt::format("has no key '{}'", key.substr(0, end)));
    value = &(*value)[name];
    begin = end + 1;
  }
  if (value->is_string()) return value->get<std::string>();
  std::string text;
  if (!append_numbers(*value, text))
    throw FileError(fmt::format("key '{}': is {}, expected a number, a text or an array of numbers", key, value->type_name()));
  return text;
}

// The shards, for reading at random; the first kKept stay open.
class Shards {
 public:
  explicit Shards(std::vector<std::string> paths) : paths_(std::move(paths)), fds_(std::min(paths_.size(), kKept)) {
    for (auto& fd : fds_) fd = -1;
  }
  ~Shards() {
    for (const auto& fd : fds_)
      if (fd >= 0) ::close(fd);
  }
  Shards(const Shards&) = delete;
  Shards& operator=(const Shards&) = delete;

  const std::vector<std::string>& paths() const { return paths_; }
  std::vector<std::byte> read(const Blob& blob, const Spill& spill) const {
    std::vector<std::byte> bytes(static_cast<size_t>(blob.size));
    if (blob.shard < 0) {
      spill.read(blob.offset, bytes);
      return bytes;
    }
    const auto shard = static_cast<size_t>(blob.shard);
    const std::string name = printable(paths_[shard]);
    const bool keep = shard < fds_.size();
    int fd = keep ? fds_[shard].load() : -1;
    const bool opened = fd < 0;
    if (opened) fd = open_regular(paths_[shard]);
    const Transfer read = read_at(fd, static_cast<uint64_t>(blob.offset), bytes.data(), bytes.size());
    if (opened) {
      int none = -1;
      if (!keep || !fds_[shard].compare_exchange_strong(none, fd)) ::close(fd);
    }
    if (read.error != 0) throw_file_error(name, "cannot read", read.error);
    if (read.bytes < bytes.size()) throw FileError(name + ": has become shorter since it was opened");
    return bytes;
  }

 private:
  static constexpr size_t kKept = 16;
  std::vector<std::string> paths_;
  mutable std::vector<std::atomic<int>> fds_;
};

// A field whose values are text: a class or numbers, kept in memory.
struct TextColumn {
  std::optional<ClassNames> classes;
  std::vector<int32_t> labels;
  std::vector<float> numbers;
  int64_t elements = 0;  // of a sample
};

struct WebData {
  explicit WebData(std::vector<std::string> paths) : shards(std::move(paths)) {}
  Shards shards;
  Spill spill, names;
  std::vector<int64_t> name_ends;  // of sample i, in `names`
  std::vector<FieldSpec> specs;    // parallel to fields
  std::vector<Kind> kinds;         // the same
  std::vector<Field> fields;
  std::vector<TextColumn> texts;         // the same; empty for others
  std::vector<std::vector<Blob>> blobs;  // [field][sample]; empty for texts
  std::vector<std::unique_ptr<ImageRows>> images;
  ImageOptions image;
  int64_t samples = 0;

  std::string name_of(int64_t sample) const {
    const auto i = static_cast<size_t>(sample);
    const int64_t begin = i == 0 ? 0 : name_ends[i - 1];
    std::string name(static_cast<size_t>(name_ends[i] - begin), '\0');
    names.read(begin, std::as_writable_bytes(std::span(name)));
    return printable(name);
  }
  std::string place(int64_t sample, size_t field) const {
    const Blob& blob = blobs[field][static_cast<size_t>(sample)];
    const std::string shard = blob.shard < 0 ? describe_paths(shards.paths()) : printable(shards.paths()[static_cast<size_t>(blob.shard)]);
    return fmt::format("{}: sample '{}', {}", shard, name_of(sample), fmt::join(specs[field].suffixes, "|"));
  }
  Image decode(int64_t sample, size_t field) const {
    const Blob& blob = blobs[field][static_cast<size_t>(sample)];
    if (blob.size > kMaxImageBytes) throw FileError(fmt::format("{}: more than {} bytes", place(sample, field), kMaxImageBytes));
    const std::vector<std::byte> bytes = shards.read(blob, spill);
    try {
      return decode_image(bytes, "", image.channels);
    } catch (const FileError& e) {  // the place costs a look-up, so it is made only when needed
      throw FileError(
          fmt::format("{}{}{}", place(sample, field), e.what(), image.skip_corrupt ? "" : "; corrupt: skip leaves such images out"));
    }
  }
  Tensor array(int64_t sample, size_t field) const {
    return read_npy(shards.read(blobs[field][static_cast<size_t>(sample)], spill), place(sample, field));
  }
};

class WebDataset : public Dataset {
 public:
  explicit WebDataset(std::unique_ptr<WebData> data) : data_(std::move(data)) {}
  int64_t size() const override { return data_->samples; }
  const std::vector<Field>& fields() const override { return data_->fields; }
  int32_t label(int64_t index, size_t field) const override {
    return data_->texts[field].classes ? data_->texts[field].labels[static_cast<size_t>(index)] : Dataset::label(index, field);
  }

 protected:
  bool read(int64_t index, std::span<std::byte* const> rows, const Draw*) const override {
    DL_CHECK(index >= 0 && index < size(), "sample number out of range");
    for (size_t f = 0; f < rows.size(); ++f)
      if (!read_field(index, f, rows[f])) return false;
    return true;
  }

 private:
  bool read_field(int64_t index, size_t f, std::byte* row) const {
    const Field& field = data_->fields[f];
    if (data_->kinds[f] == Kind::kText) {
      const TextColumn& text = data_->texts[f];
      if (text.classes)
        *reinterpret_cast<int32_t*>(row) = text.labels[static_cast<size_t>(index)];
      else
        std::copy_n(text.numbers.begin() + index * text.elements, text.elements, reinterpret_cast<float*>(row));
      return true;
    }
    if (data_->kinds[f] == Kind::kArray) {
      const Tensor array = data_->array(index, f);
      if (array.size() != field.row_elements())
        throw FileError(fmt::format("{}: has shape {}, the first sample's has {} elements", data_->place(index, f),
                                    to_string(std::span<const int64_t>(array.dims())), field.row_elements()));
      convert_row(static_cast<const std::byte*>(array.raw()), array.dtype(), row, field.dtype, array.size(),
                  field.target ? 1 : data_->image.rescale, field.target ? 0 : data_->image.offset);
      return true;
    }
    try {
      data_->images[f]->write(index, reinterpret_cast<float*>(row), [&] { return data_->decode(index, f); });
    } catch (const FileError&) {
      if (!data_->image.skip_corrupt) throw;
      return false;
    }
    return true;
  }

  std::unique_ptr<WebData> data_;
};

// ---- Scanning ------------------------------------------------------------------------------------------------------------

class Scanner {
 public:
  Scanner(const WebSpec& spec, const OpenOptions& options)
      : spec_(spec), options_(options), data_(std::make_unique<WebData>(expand_paths(spec.paths))) {
    for (const FieldSpec& field : spec.fields)
      if (!options.inputs_only || !field.target) data_->specs.push_back(field);
    if (complete_spec()) prepare();
  }

  OpenedSource run() {
    const std::vector<std::string>& paths = data_->shards.paths();
    for (shard_ = 0; shard_ < paths.size(); ++shard_) {
      shard_name_ = paths[shard_] == "-" ? "standard input" : printable(paths[shard_]);
      scan_tar(
          paths[shard_], data_->spill, [this](const std::string& name) { return use(name); },
          [this](TarMember&& member) { add(std::move(member)); });
      end_sample();
    }
    return finish();
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw FileError(fmt::format("{}: sample '{}': {}", shard_name_, printable(key_), message));
  }

  bool complete_spec() const {
    return !spec_.find_x && (!spec_.find_y || options_.inputs_only || (options_.training && !has_trained_target()));
  }
  bool has_trained_target() const {
    return std::any_of(options_.training->begin(), options_.training->end(), [](const Field& f) { return f.target; });
  }

  // What is in the first sample decides the fields that the spec leaves open; all its members are read for that.
  TarUse use(const std::string& name) {
    const auto parts = split_name(name);
    if (!parts) return TarUse::kSkip;
    if (!prepared_) return kind_of(parts->second) == Kind::kText ? TarUse::kRead : TarUse::kPlace;
    for (size_t f = 0; f < data_->specs.size(); ++f)  // fields of one member are of one kind
      if (data_->specs[f].takes(parts->second)) return data_->kinds[f] == Kind::kText ? TarUse::kRead : TarUse::kPlace;
    return TarUse::kSkip;
  }

  void add(TarMember&& member) {
    auto [key, suffix] = *split_name(member.name);
    if (key != key_) {
      end_sample();
      key_ = std::move(key);
    }
    for (const auto& [other, m] : members_)
      if (other == suffix) fail(fmt::format("two members end in '.{}'", printable(suffix)));
    members_.emplace_back(std::move(suffix), std::move(member));
  }

  // The suffixes of open fields, from the first sample.
  void find_fields() {
    const auto first_of = [&](const auto& accepts) -> std::string {
      for (const auto& [suffix, member] : members_)
        if (accepts(suffix)) return suffix;
      return "";
    };
    if (spec_.find_x) {
      std::string x = first_of([](const std::string& s) { return kind_of(s) == Kind::kImage; });
      if (x.empty()) x = first_of([](const std::string& s) { return kind_of(s) == Kind::kArray; });
      if (x.empty()) {
        std::vector<std::string> found;
        for (const auto& [suffix, member] : members_) found.push_back(printable(suffix));
        fail(fmt::format("no image and no array among its members ({}); say which one is the input with x:", fmt::join(found, ", ")));
      }
      const bool image = kind_of(x) == Kind::kImage && x.find('.') == std::string::npos;
      data_->specs.insert(data_->specs.begin(), {"x", false, image ? kImageSuffixes : std::vector{x}});
    }
    if (spec_.find_y && !options_.inputs_only && !first_of([](const std::string& s) { return s == "cls"; }).empty())
      data_->specs.push_back({"y", true, {"cls"}});
  }

  // All fields are known by name; what is in them shows with the first sample.
  void prepare() {
    prepared_ = true;
    const size_t n = data_->specs.size();
    for (const FieldSpec& field : data_->specs) data_->kinds.push_back(kind_of(field.suffixes[0]));
    data_->texts.resize(n);
    data_->blobs.resize(n);
  }

  void end_sample() {
    if (members_.empty()) return;
    if (!prepared_) {
      find_fields();
      prepare();
    }
    std::vector<TarMember*> found(data_->specs.size(), nullptr);
    for (auto& [suffix, member] : members_)
      for (size_t f = 0; f < found.size(); ++f) {
        if (!data_->specs[f].takes(suffix)) continue;
        if (found[f]) fail(fmt::format("has two members for field '{}'", data_->specs[f].name));
        found[f] = &member;
      }
    const auto missing = std::find(found.begin(), found.end(), nullptr);
    if (missing != found.end() && !spec_.drop_incomplete)
      fail(fmt::format("has no member .{} (the members of a sample follow one another; missing: drop leaves such samples out)",
                       fmt::join(data_->specs[static_cast<size_t>(missing - found.begin())].suffixes, ", ")));
    if (missing != found.end()) {
      ++dropped_;
    } else {
      keep(found);
    }
    members_.clear();
  }

  void keep(const std::vector<TarMember*>& found) {
    for (size_t f = 0; f < found.size(); ++f) {
      TarMember& member = *found[f];
      if (data_->kinds[f] != Kind::kText)
        data_->blobs[f].push_back({member.offset, member.size, member.spilled ? -1 : static_cast<int32_t>(shard_)});
      else
        add_text(f, text_of(f, {reinterpret_cast<const char*>(member.bytes.data()), member.bytes.size()}));
    }
    data_->names.append(std::as_bytes(std::span(key_)));
    data_->name_ends.push_back(data_->names.size());
    ++data_->samples;
  }

  std::string text_of(size_t f, std::string_view member) const {
    const FieldSpec& spec = data_->specs[f];
    if (spec.key.empty()) return std::string(trim(member));
    try {
      return json_text(member, spec.key);
    } catch (const FileError& e) {
      fail(fmt::format("member .{}: {}", fmt::join(spec.suffixes, "|"), printable(e.what())));
    }
  }

  void add_text(size_t f, std::string_view text) {
    TextColumn& column = data_->texts[f];
    const FieldSpec& spec = data_->specs[f];
    double value = 0;
    if (data_->samples == 0 && spec.target) {
      const Field* trained = options_.training ? find_field(*options_.training, spec.name) : nullptr;
      const bool number = parse_number(text.substr(0, text.find_first_of(" \t\r\n")), value) == NumberKind::kNumber;
      if (trained ? !trained->classes.empty() : spec_.classes.given || !number || spec.suffixes[0] == "cls")
        column.classes.emplace(spec_.classes, trained);
    }
    const std::string member =
        fmt::format("member .{}{}", fmt::join(spec.suffixes, "|"), spec.key.empty() ? "" : fmt::format(": key '{}'", printable(spec.key)));
    if (column.classes) {
      if (text.empty()) fail(member + " is empty; expected a class");
      auto label = column.classes->number(text);
      if (!label && spec.suffixes[0] == "cls") label = column.classes->by_number(text);  // what WebDataset puts there
      if (!label) fail(fmt::format("{}: {}", member, column.classes->explain(text)));
      column.labels.push_back(*label);
      return;
    }
    int64_t count = 0;
    for (std::string_view rest = text; !rest.empty(); ++count) {
      const size_t end = std::min(rest.find_first_of(" \t\r\n"), rest.size());
      if (parse_number(rest.substr(0, end), value) != NumberKind::kNumber || std::abs(value) > std::numeric_limits<float>::max())
        fail(fmt::format("{}: '{}' is not a number that float32 holds", member, excerpt(rest.substr(0, end))));
      column.numbers.push_back(static_cast<float>(value));
      rest = trim(rest.substr(end));
    }
    if (data_->samples == 0) column.elements = count;
    if (count == 0 || count != column.elements)
      fail(fmt::format("{} holds {} numbers, that of the first sample {}", member, count, column.elements));
  }

  OpenedSource finish() {
    const std::string place = describe_paths(data_->shards.paths());
    if (data_->samples == 0)
      throw FileError(fmt::format("{}: no samples{}; expected members such as 000000.jpg and 000000.cls", place,
                                  dropped_ ? fmt::format(" ({} incomplete ones dropped)", dropped_) : ""));
    data_->spill.finish();
    data_->names.finish();
    data_->image = spec_.image;
    OpenedSource opened;
    for (size_t f = 0; f < data_->specs.size(); ++f) data_->fields.push_back(describe(f));
    data_->images.resize(data_->fields.size());
    for (size_t f = 0; f < data_->fields.size(); ++f)
      if (data_->kinds[f] == Kind::kImage) data_->images[f] = std::make_unique<ImageRows>(data_->image, data_->samples, &opened.notes);
    if (dropped_) opened.notes.push_back(fmt::format("{}: {} incomplete samples dropped", place, dropped_));
    opened.dataset = std::make_shared<WebDataset>(std::move(data_));
    return opened;
  }

  Field describe(size_t f) {
    const FieldSpec& spec = data_->specs[f];
    Field field{spec.name, DType::kFloat32, {}, spec.target, {}};
    if (data_->kinds[f] == Kind::kImage) {
      if (data_->image.height == 0) {
        const Image first = data_->decode(0, f);
        data_->image.height = first.height;
        data_->image.width = first.width;
      }
      field.dims = {data_->image.height, data_->image.width, data_->image.channels};
      return field;
    }
    TextColumn& text = data_->texts[f];
    if (data_->kinds[f] == Kind::kArray) {
      field.dims = data_->array(0, f).dims();
    } else if (text.classes) {
      const std::vector<int32_t> renumber = text.classes->sort();
      for (int32_t& label : text.labels) label = renumber[static_cast<size_t>(label)];
      field.dtype = DType::kInt32;
      field.classes = text.classes->names();
    } else {
      field.dims = {text.elements};
    }
    if (!spec.target) apply_shape(field, spec_.shape, describe_paths(data_->shards.paths()));
    return field;
  }

  const WebSpec& spec_;
  const OpenOptions& options_;
  std::unique_ptr<WebData> data_;
  size_t shard_ = 0;
  std::string shard_name_, key_;
  std::vector<std::pair<std::string, TarMember>> members_;  // of the current sample
  bool prepared_ = false;
  int64_t dropped_ = 0;
};

class WebSource : public Source {
 public:
  explicit WebSource(WebSpec spec) : spec_(std::move(spec)) {}
  OpenedSource open(const OpenOptions& options) const override { return Scanner(spec_, options).run(); }

 private:
  WebSpec spec_;
};

std::vector<std::string> suffixes(const spec::Node& node, const std::string& path, spec::Problems& problems) {
  std::vector<std::string> all;
  if (!node.is_string()) {
    problems.add(node.place(), path, "expected the suffix of a member, such as jpg, or several as jpg;png");
    return {"?"};
  }
  std::string_view rest = node.as_string();
  do {
    const size_t end = std::min(rest.find(';'), rest.size());
    std::string suffix(rest.substr(0, end));
    for (char& c : suffix) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    if (suffix.starts_with('.')) suffix.erase(0, 1);
    if (suffix.empty()) problems.add(node.place(), path, "an empty suffix; expected one such as jpg");
    if (!all.empty() && kind_of(suffix) != kind_of(all[0]))
      problems.add(node.place(), path, "the suffixes of one field must be of one kind");
    all.push_back(std::move(suffix));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  } while (!rest.empty());
  return all;
}

// "json:box.width" is the value of that key in the member .json.
FieldSpec read_field(const std::string& name, bool target, const spec::Node& node, const std::string& path, spec::Problems& problems) {
  FieldSpec field{name, target, {}};
  const size_t colon = node.is_string() ? node.as_string().find(':') : std::string::npos;
  if (colon == std::string::npos) {
    field.suffixes = suffixes(node, path, problems);
    if (std::any_of(field.suffixes.begin(), field.suffixes.end(), is_json))
      problems.add(node.place(), path, "say which key of the JSON object it is, such as json:label");
    return field;
  }
  spec::Node suffix = spec::Node::string(node.as_string().substr(0, colon));
  suffix.set_place(node.place());
  field.suffixes = suffixes(suffix, path, problems);
  field.key = node.as_string().substr(colon + 1);
  if (field.key.empty() || !std::all_of(field.suffixes.begin(), field.suffixes.end(), is_json))
    problems.add(node.place(), path, "a key is for members that are JSON, such as json:label");
  return field;
}

void read_fields(spec::Reader& reader, std::string_view key, bool target, WebSpec& web) {
  const spec::Node* node = reader.get(key);
  if (!node) return;
  (target ? web.find_y : web.find_x) = false;
  const std::string path = reader.path_of(key);
  if (!node->is_map()) {
    web.fields.push_back(read_field(std::string(key), target, *node, path, reader.problems()));
    return;
  }
  for (const auto& [name, child] : node->entries())
    web.fields.push_back(read_field(name, target, child, path + "." + name, reader.problems()));
}

std::shared_ptr<const Source> parse(spec::Reader& reader, const std::string& base_dir) {
  static constexpr std::string_view kMissing[] = {"error", "drop"};
  WebSpec web;
  web.paths = read_paths(reader, "path", base_dir);
  read_fields(reader, "x", false, web);
  read_fields(reader, "y", true, web);
  if (!reader.get_bool("labels", true)) {
    web.find_y = false;
    std::erase_if(web.fields, [](const FieldSpec& f) { return f.target; });
  }
  web.drop_incomplete = reader.get_choice("missing", kMissing, "error") == "drop";
  web.image = read_image_options(reader);
  web.classes = read_classes(reader, "classes");
  web.shape = read_shape(reader, "shape");
  for (size_t i = 0; i < web.fields.size(); ++i)
    for (size_t j = 0; j < i; ++j) {
      if (web.fields[i].name == web.fields[j].name) reader.report("y", fmt::format("two fields are named '{}'", web.fields[i].name));
      for (const std::string& suffix : web.fields[i].suffixes)
        if (web.fields[j].takes(suffix) && (web.fields[i].key.empty() || web.fields[j].key.empty()))
          reader.report("y", fmt::format("'{}' is a member of two fields, '{}' and '{}'", suffix, web.fields[j].name, web.fields[i].name));
    }
  return std::make_shared<WebSource>(std::move(web));
}

}  // namespace

const SourceFormat kWebDatasetFormat{"webdataset", ".tar .tar.gz .tgz .tar.zst .tar.zstd", parse};

}  // namespace dl
