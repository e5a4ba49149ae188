#include "spec/yaml.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <yaml-cpp/emitterstyle.h>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <sstream>
#include <unordered_map>
#include <unordered_set>

#include "base/error.h"
#include "spec/scalar.h"
#include "spec/text_check.h"

namespace dl::spec {
namespace {

constexpr size_t kMaxKeyBytes = 240;  // a simple key may take 1024 characters on its line, with every byte escaped
constexpr int64_t kMaxExpandedBytes = 16 * kMaxFileBytes;

// One node as written. An alias is an Item that points at its target, so that memory follows the text and not what it
// expands to; the tree is built once its size is known.
struct Item {
  Node value;  // scalars only
  Kind kind = Kind::kNull;
  int alias_of = -1;
  std::vector<int> children;  // items of a list, values of a map
  std::vector<std::pair<std::string, Place>> keys;
  Place place;
  int64_t nodes = 1;  // of the expanded subtree
  int64_t bytes = 0;
  int levels = 1;
  bool complete = false;
};

class TreeBuilder : public YAML::EventHandler {
 public:
  explicit TreeBuilder(const CleanText& clean) : clean_(clean) {}

  void OnDocumentStart(const YAML::Mark& mark) override {
    start_token(mark, false);
    if (++documents_ > 1) fail_second_document(mark);
  }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) override;
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) override;
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    open(Kind::kList, mark, tag, anchor, style);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) override {
    open(Kind::kMap, mark, tag, anchor, style);
  }
  void OnMapEnd() override { close(); }

  bool has_root() const { return !items_.empty(); }
  Node build_root() const { return build(0); }
  [[noreturn]] void fail_parse(const YAML::Exception& error) const;
  void check_last_quote() const;

 private:
  struct Open {
    int item;
    bool flow;
    std::unordered_set<std::string> keys;
    bool key_pending = false;  // a map's next scalar is a key
  };

  [[noreturn]] void fail(const Place& place, const std::string& message) const { throw UserError(to_string(place) + ": " + message); }
  [[noreturn]] void fail_second_document(const YAML::Mark& mark) const;
  Place place_of(const YAML::Mark& mark) const { return clean_.place_at(static_cast<size_t>(std::max(mark.pos, 0))); }
  bool closes(size_t offset) const;
  void start_token(const YAML::Mark& mark, bool plain);
  bool expects_key() const { return !open_.empty() && open_.back().key_pending; }
  void add_key(const std::string& text, const Place& place);
  int add(Item item, YAML::anchor_t anchor);
  void finish(int index);
  void open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style);
  void close();
  Node build(int index) const;

  const CleanText& clean_;
  std::vector<Item> items_;
  std::vector<Open> open_;
  std::unordered_map<YAML::anchor_t, int> anchors_;
  int64_t nodes_ = 0, bytes_ = 0;
  int documents_ = 0;
  int last_line_ = 0;
  bool last_plain_ = false;
  std::optional<size_t> last_quote_;  // offset of the last quoted scalar's mark
};

// Called with every token in order. yaml-cpp takes a tab in the indentation of block style for a space now and then.
void TreeBuilder::start_token(const YAML::Mark& mark, bool plain) {
  const bool block = std::none_of(open_.begin(), open_.end(), [](const Open& o) { return o.flow; });
  if (block) {
    for (int line = last_plain_ ? last_line_ + 1 : std::max(mark.line, last_line_ + 1); line <= mark.line; ++line) {
      const std::string_view text = clean_.line(static_cast<size_t>(line));
      const size_t end = std::min(text.find_first_not_of(" \t"), text.size());
      const size_t tab = text.find('\t');
      if (end == text.size() || text[end] == '#' || tab >= end) continue;
      fail(clean_.place_at(clean_.line_starts[static_cast<size_t>(line)] + tab), "a tab cannot indent YAML; use spaces");
    }
  }
  last_line_ = std::max(last_line_, mark.line);
  last_plain_ = plain;
}

void TreeBuilder::fail_second_document(const YAML::Mark& mark) const {
  for (size_t line = 0; line < clean_.line_starts.size() && static_cast<int>(line) <= mark.line; ++line) {
    const std::string_view text = clean_.line(line);
    const bool marker = text.starts_with("---") || text.starts_with("...");
    if (marker && clean_.line_starts[line] > 0)
      fail(place_of(mark), "a second document starts here; a file may hold one ('---' separates documents)");
  }
  fail(place_of(mark), "unexpected content after the value that began the file; check the indentation");
}

// Whether the bracket at `offset` has its closing one (brackets inside strings count: good enough to word a message).
bool TreeBuilder::closes(size_t offset) const {
  int open = 0;
  for (size_t i = offset; i < clean_.text.size(); ++i) {
    const char c = clean_.text[i];
    if (c == '[' || c == '{') ++open;
    if ((c == ']' || c == '}') && --open <= 0) return true;
  }
  return false;
}

int TreeBuilder::add(Item item, YAML::anchor_t anchor) {
  nodes_ += item.nodes;
  bytes_ += item.bytes;
  if (nodes_ > kMaxNodes) {
    fail(item.place, fmt::format("{}; at most {} are allowed",
                                 item.alias_of >= 0 ? "the aliases expand to too many values" : "too many values", kMaxNodes));
  }
  if (bytes_ > kMaxExpandedBytes) fail(item.place, fmt::format("the aliases expand to more than {} bytes", kMaxExpandedBytes));
  const int levels = static_cast<int>(open_.size()) + item.levels;
  if (levels > kMaxDepth) fail(item.place, fmt::format("nested too deep; at most {} levels are allowed", kMaxDepth));
  const int index = static_cast<int>(items_.size());
  items_.push_back(std::move(item));
  if (!open_.empty()) {
    items_[static_cast<size_t>(open_.back().item)].children.push_back(index);
    if (items_[static_cast<size_t>(open_.back().item)].kind == Kind::kMap) open_.back().key_pending = true;
  }
  if (anchor != 0) anchors_[anchor] = index;
  return index;
}

// Adds a finished child's size to the container it lies in.
void TreeBuilder::finish(int index) {
  Item& item = items_[static_cast<size_t>(index)];
  item.complete = true;
  if (open_.empty()) return;
  Item& parent = items_[static_cast<size_t>(open_.back().item)];
  parent.nodes += item.nodes;
  parent.bytes += item.bytes;
  parent.levels = std::max(parent.levels, item.levels + 1);
}

void TreeBuilder::add_key(const std::string& text, const Place& place) {
  Open& map = open_.back();
  if (text.size() > kMaxKeyBytes) fail(place, fmt::format("the key is {} bytes long; at most {} are allowed", text.size(), kMaxKeyBytes));
  Item& item = items_[static_cast<size_t>(map.item)];
  if (!map.keys.insert(text).second) {
    const auto first = std::find_if(item.keys.begin(), item.keys.end(), [&](const auto& key) { return key.first == text; });
    fail(place, fmt::format("duplicate key '{}', first given on line {}; keep one of them", text, first->second.line));
  }
  item.keys.emplace_back(text, place);
  item.bytes += static_cast<int64_t>(text.size());
  bytes_ += static_cast<int64_t>(text.size());
  map.key_pending = false;
}

void TreeBuilder::OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) {
  start_token(mark, false);
  if (expects_key()) fail(place_of(mark), "a key is missing or null here; write a name, in quotes if it is 'null'");
  Item item;
  const auto offset = static_cast<size_t>(std::max(mark.pos, 0));
  const bool written = offset < clean_.text.size() && std::string_view("~nN&!").find(clean_.text[offset]) != std::string_view::npos;
  item.place = place_of(mark);
  // For "Flatten:" yaml-cpp gives the place of the token after it.
  if (!open_.empty() && !written) {
    const Item& parent = items_[static_cast<size_t>(open_.back().item)];
    if (!parent.keys.empty()) item.place = parent.keys.back().second;
  }
  finish(add(std::move(item), anchor));
}

void TreeBuilder::OnAlias(const YAML::Mark& mark, YAML::anchor_t anchor) {
  start_token(mark, false);
  const Place place = place_of(mark);
  if (expects_key()) fail(place, "an alias cannot be a key");
  const auto found = anchors_.find(anchor);
  if (found == anchors_.end()) fail(place, "the alias refers to nothing; define it with & before using it with *");
  const Item& target = items_[static_cast<size_t>(found->second)];
  if (!target.complete) fail(place, fmt::format("the alias refers to the value it lies in (line {}): a cycle", target.place.line));
  Item item;
  item.kind = target.kind;
  item.alias_of = found->second;
  item.place = place;
  item.nodes = target.nodes;
  item.bytes = target.bytes;
  item.levels = target.levels;
  finish(add(std::move(item), 0));
}

void TreeBuilder::OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, const std::string& text) {
  const bool quoted = tag == "!" || tag == "tag:yaml.org,2002:str";
  start_token(mark, tag == "?");
  last_quote_.reset();
  if (tag != "?") last_quote_ = static_cast<size_t>(std::max(mark.pos, 0));
  const Place place = place_of(mark);
  if (!quoted && tag != "?" && !tag.empty()) {
    static constexpr std::string_view kCore = "tag:yaml.org,2002:";
    const bool known = tag == "tag:yaml.org,2002:int" || tag == "tag:yaml.org,2002:float" || tag == "tag:yaml.org,2002:bool";
    if (!known)
      fail(place, fmt::format("the tag '{}' is not supported; remove it", tag.starts_with(kCore) ? "!!" + tag.substr(kCore.size()) : tag));
  }
  if (expects_key()) {
    if (tag == "?" && text == "<<")
      fail(place, "merge keys (<<) are not supported; write the keys out, or use an alias for the whole value");
    if (anchor != 0) fail(place, "a key cannot carry an anchor");
    return add_key(text, place);
  }
  Item item;
  std::string problem;
  item.value = quoted ? Node::string(text) : resolve_scalar(text, problem);
  if (!problem.empty()) fail(place, problem);
  if (!quoted && tag != "?" && !tag.empty()) {
    const Kind kind = item.value.kind();
    const bool fits = tag.ends_with(":int") ? kind == Kind::kInt : tag.ends_with(":bool") ? kind == Kind::kBool : item.value.is_number();
    if (!fits) fail(place, fmt::format("'{}' is not what its tag !!{} says", text.substr(0, 40), tag.substr(tag.rfind(':') + 1)));
    if (tag.ends_with(":float")) item.value = Node::real(item.value.as_double());
  }
  item.kind = item.value.kind();
  item.bytes = static_cast<int64_t>(text.size());
  item.place = place;
  finish(add(std::move(item), anchor));
}

void TreeBuilder::open(Kind kind, const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, YAML::EmitterStyle::value style) {
  start_token(mark, false);
  Item item;
  item.kind = kind;
  item.place = place_of(mark);
  if (expects_key()) {
    // yaml-cpp takes an unclosed bracket at the end of the text for a key.
    if (style == YAML::EmitterStyle::Flow && !closes(static_cast<size_t>(std::max(mark.pos, 0)))) {
      fail(item.place, fmt::format("'{}' is not closed", kind == Kind::kMap ? '{' : '['));
    }
    fail(item.place, fmt::format("{} cannot be a key", name_of(kind)));
  }
  const char* own_tag = kind == Kind::kMap ? "tag:yaml.org,2002:map" : "tag:yaml.org,2002:seq";
  if (!tag.empty() && tag != "?" && tag != "!" && tag != own_tag)
    fail(item.place, fmt::format("the tag '{}' is not supported; remove it", tag));
  const int index = add(std::move(item), anchor);
  open_.push_back({index, style == YAML::EmitterStyle::Flow, {}, kind == Kind::kMap});
}

void TreeBuilder::close() {
  const int index = open_.back().item;
  open_.pop_back();
  finish(index);
}

Node TreeBuilder::build(int index) const {
  const Item* item = &items_[static_cast<size_t>(index)];
  while (item->alias_of >= 0) item = &items_[static_cast<size_t>(item->alias_of)];
  Node node = item->value;
  if (item->kind == Kind::kList) {
    std::vector<Node> items;
    items.reserve(item->children.size());
    for (int child : item->children) items.push_back(build(child));
    node = Node::list(std::move(items));
  } else if (item->kind == Kind::kMap) {
    Node::Map entries;
    entries.reserve(item->children.size());
    for (size_t i = 0; i < item->children.size(); ++i) entries.emplace_back(item->keys[i].first, build(item->children[i]));
    for (size_t i = 0; i < entries.size(); ++i) entries[i].second.set_own_key_place(item->keys[i].second);
    node = Node::map(std::move(entries));
  }
  node.set_place(item->place);
  return node;
}

// yaml-cpp accepts a quoted string that the end of the text cuts off; only the last scalar can be one.
void TreeBuilder::check_last_quote() const {
  if (!last_quote_) return;
  const std::string_view text = clean_.text;
  size_t i = *last_quote_;
  while (i < text.size() && (text[i] == '!' || text[i] == '&')) {  // tag and anchor stand before the string
    i = std::min(text.find_first_of(" \n\t", i), text.size());
    i = std::min(text.find_first_not_of(" \n\t", i), text.size());
  }
  if (i >= text.size() || (text[i] != '"' && text[i] != '\'')) return;
  const char quote = text[i];
  for (size_t k = i + 1; k < text.size(); ++k) {
    if (quote == '"' && text[k] == '\\') {
      ++k;
    } else if (text[k] == quote) {
      if (quote == '"' || k + 1 >= text.size() || text[k + 1] != quote) return;
      ++k;
    }
  }
  fail(clean_.place_at(i), "the string that opens here is not closed");
}

// Plain words for yaml-cpp's messages, some of which name a consequence far from the cause.
void TreeBuilder::fail_parse(const YAML::Exception& error) const {
  check_last_quote();
  const std::string_view message = error.msg;
  const auto says = [&](std::string_view part) { return message.find(part) != std::string_view::npos; };
  const Place place = place_of(error.mark);
  const size_t offset = std::min(static_cast<size_t>(std::max(error.mark.pos, 0)), clean_.text.size());
  const std::string_view line = clean_.line(static_cast<size_t>(std::max(error.mark.line, 0)));
  const size_t indent = line.find_first_not_of(" \t");
  const bool flow = !open_.empty() && open_.back().flow;
  if (!flow && line.find('\t') < indent) {
    fail(clean_.place_at(clean_.line_starts[static_cast<size_t>(error.mark.line)] + line.find('\t')),
         "a tab cannot indent YAML; use spaces");
  }
  if (says("flow not found") && flow) {
    const Item& container = items_[static_cast<size_t>(open_.back().item)];
    const bool is_map = container.kind == Kind::kMap;
    fail(place, fmt::format("'{}' of line {} is not closed, or a comma is missing; add '{}' or ','", is_map ? '{' : '[',
                            container.place.line, is_map ? '}' : ']'));
  }
  if (says("bad file")) fail(place, fmt::format("nested too deep; at most {} levels are allowed", kMaxDepth));
  if (says("end of map not found") || says("end of sequence not found")) {
    fail(place, "unexpected content: the indentation matches no line above, ':' is missing after a key, or text follows a closed value");
  }
  if (says("illegal map value")) fail(place, "a second ':' in this line, or ':' where no value can stand; quote the text if it holds ': '");
  if (says("illegal block entry")) fail(place, "'- ' cannot stand here; begin the list on its own line, or quote the text");
  if (says("illegal map key")) fail(place, "a key cannot stand here");
  if (says("illegal flow end")) fail(place, "a closing bracket without an opening one");
  if (says("unknown token") && offset < clean_.text.size()) {
    fail(place, fmt::format("a value cannot start with '{}'; quote it", clean_.text.substr(offset, 1)));
  }
  if (says("referenced anchor is not defined") || says("invalid alias")) {
    fail(place, "the alias refers to nothing; define it with & before using it with *, or quote the text if it is a plain '*'");
  }
  if (says("unknown escape character"))
    fail(place, fmt::format("{} in a \"...\" string; write '\\\\' for a backslash, or use '...' quotes", message));
  fail(place, fmt::format("not valid YAML: {}", message));
}

std::string read_all(int descriptor, const std::string& path) {
  std::string text;
  char buffer[65536];
  while (static_cast<int64_t>(text.size()) <= kMaxFileBytes) {
    const ssize_t count = ::read(descriptor, buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw UserError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
    if (count == 0) return text;
    text.append(buffer, static_cast<size_t>(count));
  }
  throw UserError(fmt::format("{}: too large for a specification; at most {} bytes are allowed", path, kMaxFileBytes));
}

}  // namespace

Node parse_yaml(std::string_view text, const std::string& file_name) {
  const CleanText clean = clean_text(text, file_name);
  check_structure(clean);
  TreeBuilder builder(clean);
  std::istringstream stream(clean.text);
  try {
    YAML::Parser parser(stream);
    if (parser.HandleNextDocument(builder)) parser.HandleNextDocument(builder);
  } catch (const YAML::Exception& error) {
    builder.fail_parse(error);
  }
  builder.check_last_quote();
  if (!builder.has_root()) throw UserError(file_name + ":1:1: the file is empty or holds only comments");
  return builder.build_root();
}

Node load_yaml(const std::string& path) {
  if (path == "-") return parse_yaml(read_all(STDIN_FILENO, "standard input"), "standard input");
  // Pipes are read only where the shell made them (dltool train <(...)); a FIFO elsewhere could block for ever.
  const bool shell_pipe = path.starts_with("/dev/fd/") || path.starts_with("/proc/self/fd/") || path == "/dev/stdin";
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | (shell_pipe ? 0 : O_NONBLOCK));
  if (descriptor < 0) throw UserError(fmt::format("{}: cannot be opened: {}", path, std::strerror(errno)));
  struct Closer {
    int fd;
    ~Closer() { ::close(fd); }
  } closer{descriptor};
  struct stat info {};
  if (::fstat(descriptor, &info) != 0) throw UserError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  if (S_ISDIR(info.st_mode)) throw UserError(path + ": is a directory; a YAML file is wanted");
  if (!S_ISREG(info.st_mode) && !shell_pipe) throw UserError(path + ": is not a regular file; a YAML file is wanted");
  return parse_yaml(read_all(descriptor, path), path);
}

}  // namespace dl::spec
