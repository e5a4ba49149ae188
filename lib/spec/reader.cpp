#include "spec/reader.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "spec/scalar.h"

namespace dl::spec {
namespace {

constexpr size_t kMaxLinesShown = 100;

std::string shorten(std::string_view text) {
  std::string out;
  for (char c : text.substr(0, 60)) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  while (text.size() > 60 && !out.empty() && (static_cast<unsigned char>(text[out.size()]) & 0xC0u) == 0x80u) out.pop_back();
  return text.size() > 60 ? out + "..." : out;
}

// What a message says was found: the value itself where it is short.
std::string describe(const Node& node) {
  switch (node.kind()) {
    case Kind::kNull:
      return "nothing (null)";
    case Kind::kBool:
      return node.as_bool() ? "true" : "false";
    case Kind::kInt:
      return std::to_string(node.as_int());
    case Kind::kFloat:
      return format_real(node.as_double());
    case Kind::kString:
      return "the string '" + shorten(node.as_string()) + "'";
    case Kind::kList:
      return fmt::format("a list of {}", node.items().size());
    case Kind::kMap:
      return "a map";
  }
  return "?";
}

std::string range_text(const IntRange& range) {
  constexpr IntRange kAny;
  const bool low = range.min != kAny.min, high = range.max != kAny.max;
  if (low && high) return fmt::format(" from {} to {}", range.min, range.max);
  if (low) return fmt::format(" >= {}", range.min);
  if (high) return fmt::format(" <= {}", range.max);
  return "";
}

std::string range_text(const FloatRange& range) {
  const bool low = std::isfinite(range.min), high = std::isfinite(range.max);
  std::string out;
  if (low) out = fmt::format(" {} {}", range.min_open ? ">" : ">=", range.min);
  if (high) out += fmt::format("{} {} {}", low ? " and" : "", range.max_open ? "<" : "<=", range.max);
  return out;
}

int64_t harmless(const IntRange& range) { return std::clamp<int64_t>(0, range.min, std::max(range.min, range.max)); }

double harmless(const FloatRange& range) {
  const bool low = std::isfinite(range.min), high = std::isfinite(range.max);
  if (low && high) return range.min + (range.max - range.min) / 2;
  if (low) return range.min + 1;
  return high ? range.max - 1 : 0;
}

// Advice for the usual slips: 2.0, "3", yes.
std::string advice_for_int(const Node& node) {
  if (node.kind() == Kind::kFloat) {
    const double value = node.as_double();
    if (std::trunc(value) == value && std::abs(value) < 0x1p53) return fmt::format("; write {}", static_cast<int64_t>(value));
  }
  if (node.is_string()) {
    std::string problem, digits = node.as_string();
    std::erase(digits, '_');
    if (resolve_scalar(digits, problem).kind() == Kind::kInt)
      return fmt::format("; write {} without quotes or underscores", shorten(digits));
  }
  return "";
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return out;
}

std::string advice_for_bool(const Node& node) {
  if (!node.is_string() && node.kind() != Kind::kInt) return "";
  const std::string text = node.is_string() ? lower(node.as_string()) : std::to_string(node.as_int());
  if (text == "yes" || text == "on" || text == "y" || text == "true" || text == "1") return "; write true";
  if (text == "no" || text == "off" || text == "n" || text == "false" || text == "0") return "; write false";
  return "";
}

// Optimal string alignment distance: insertions, deletions, substitutions, swaps of neighbours.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before(b.size() + 1), last(b.size() + 1), row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) last[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    before.swap(last);
    last.swap(row);
  }
  return last[b.size()];
}

Node integers(const std::vector<int64_t>& values) {
  std::vector<Node> items;
  for (int64_t value : values) items.push_back(Node::integer(value));
  return Node::list(std::move(items));
}

Node strings(const std::vector<std::string>& values) {
  std::vector<Node> items;
  for (const std::string& value : values) items.push_back(Node::string(value));
  return Node::list(std::move(items));
}

std::string join(std::span<const std::string_view> words) {
  std::string out;
  for (std::string_view word : words) out += (out.empty() ? "" : ", ") + std::string(word);
  return out;
}

}  // namespace

void Problems::add(const Place& place, const std::string& path, const std::string& message) {
  std::string line = to_string(place) + ": " + (path.empty() ? "" : path + ": ") + message;
  if (std::find(lines_.begin(), lines_.end(), line) != lines_.end()) return;
  auto file = std::find(files_.begin(), files_.end(), place.file);
  if (file == files_.end()) file = files_.insert(files_.end(), place.file);
  const Order order{static_cast<int>(file - files_.begin()), place.line, place.column};
  const auto position = std::upper_bound(orders_.begin(), orders_.end(), order);
  lines_.insert(lines_.begin() + (position - orders_.begin()), std::move(line));
  orders_.insert(position, order);
}

void Problems::throw_if_any() const {
  if (lines_.empty()) return;
  std::string text;
  for (size_t i = 0; i < std::min(lines_.size(), kMaxLinesShown); ++i) text += (i > 0 ? "\n" : "") + lines_[i];
  if (lines_.size() > kMaxLinesShown) text += fmt::format("\n... and {} more problems", lines_.size() - kMaxLinesShown);
  throw UserError(text);
}

void Problems::note_default(const std::string& path, const Node& value) {
  if (!value.is_null() && !(value.is_string() && value.as_string().empty())) defaults_.push_back({path, value});
}

Reader::Reader(const Node& node, std::string path, Problems& problems) : node_(node), path_(std::move(path)), problems_(problems) {
  if (!node.is_null() && !node.is_map())
    problems.add(node.place(), path_, fmt::format("expected a map (key: value), found {}", describe(node)));
}

std::string Reader::path_of(std::string_view key) const { return path_.empty() ? std::string(key) : path_ + "." + std::string(key); }

const Node* Reader::get(std::string_view key) {
  if (std::find(known_.begin(), known_.end(), key) == known_.end()) known_.emplace_back(key);
  return node_.find(key);
}

bool Reader::has(std::string_view key) const { return node_.find(key) != nullptr; }

void Reader::report(std::string_view key, const std::string& message) {
  const Node* child = node_.find(key);
  problems_.add(child != nullptr ? child->place() : node_.place(), path_of(key), message);
}

// The child for a typed getter; reports when it is missing and required.
const Node* Reader::fetch(std::string_view key, bool required, const std::string& wanted, const Node& fallback) {
  const Node* child = get(key);
  if (child == nullptr) problems_.note_default(path_of(key), fallback);
  const bool readable = node_.is_null() || node_.is_map();  // otherwise the constructor has reported
  if (child == nullptr && required && readable) report(key, fmt::format("missing; expected {}", wanted));
  return child;
}

int64_t Reader::get_int(std::string_view key, std::optional<int64_t> fallback, IntRange range) {
  const std::string wanted = "an integer" + range_text(range);
  const int64_t otherwise = fallback.value_or(harmless(range));
  const Node* child = fetch(key, !fallback, wanted, fallback ? Node::integer(*fallback) : Node());
  if (child == nullptr) return otherwise;
  if (child->kind() == Kind::kInt && child->as_int() >= range.min && child->as_int() <= range.max) return child->as_int();
  report(key, fmt::format("expected {}, found {}{}", wanted, describe(*child), advice_for_int(*child)));
  return otherwise;
}

double Reader::get_float(std::string_view key, std::optional<double> fallback, FloatRange range) {
  const std::string wanted = "a finite number" + range_text(range);
  const double otherwise = fallback.value_or(harmless(range));
  const Node* child = fetch(key, !fallback, wanted, fallback ? Node::real(*fallback) : Node());
  if (child == nullptr) return otherwise;
  if (child->is_number()) {
    const double value = child->as_double();
    const bool above = range.min_open ? value > range.min : value >= range.min;
    const bool below = range.max_open ? value < range.max : value <= range.max;
    if (std::isfinite(value) && above && below) return value;
  }
  report(key, fmt::format("expected {}, found {}", wanted, describe(*child)));
  return otherwise;
}

bool Reader::get_bool(std::string_view key, std::optional<bool> fallback) {
  const Node* child = fetch(key, !fallback, "true or false", fallback ? Node::boolean(*fallback) : Node());
  if (child == nullptr) return fallback.value_or(false);
  if (child->kind() == Kind::kBool) return child->as_bool();
  report(key, fmt::format("expected true or false, found {}{}", describe(*child), advice_for_bool(*child)));
  return fallback.value_or(false);
}

std::string Reader::get_string(std::string_view key, std::optional<std::string> fallback) {
  const Node* child = fetch(key, !fallback, "a string", fallback ? Node::string(*fallback) : Node());
  if (child != nullptr) {
    if (child->is_string()) return child->as_string();
    const bool quotable = child->is_number() || child->kind() == Kind::kBool;
    report(key, fmt::format("expected a string, found {}{}", describe(*child), quotable ? "; quote it" : ""));
  }
  return std::move(fallback).value_or("");
}

std::string Reader::get_choice(std::string_view key, std::span<const std::string_view> allowed, std::optional<std::string> fallback) {
  const std::string wanted = "one of " + join(allowed);
  const Node* child = fetch(key, !fallback, wanted, fallback ? Node::string(*fallback) : Node());
  if (child != nullptr) {
    if (child->is_string() && std::find(allowed.begin(), allowed.end(), child->as_string()) != allowed.end()) return child->as_string();
    const std::string near = child->is_string() ? nearest(child->as_string(), allowed) : "";
    report(key, fmt::format("expected {}, found {}{}", wanted, describe(*child), near.empty() ? "" : " (did you mean '" + near + "'?)"));
  }
  if (fallback) return *std::move(fallback);
  return allowed.empty() ? "" : std::string(allowed.front());
}

std::vector<int64_t> Reader::get_ints(std::string_view key, std::optional<std::vector<int64_t>> fallback, IntRange range) {
  const std::string wanted = "a list of integers" + range_text(range);
  const Node* child = fetch(key, !fallback, wanted, fallback ? integers(*fallback) : Node());
  if (child == nullptr) return std::move(fallback).value_or(std::vector<int64_t>{});
  std::vector<int64_t> values;
  if (!child->is_list()) {
    report(key, fmt::format("expected {}, found {}", wanted, describe(*child)));
    return std::move(fallback).value_or(values);
  }
  for (size_t i = 0; i < child->items().size(); ++i) {
    const Node& item = child->items()[i];
    if (item.kind() == Kind::kInt && item.as_int() >= range.min && item.as_int() <= range.max) {
      values.push_back(item.as_int());
    } else {
      problems_.add(item.place(), fmt::format("{}[{}]", path_of(key), i),
                    fmt::format("expected an integer{}, found {}{}", range_text(range), describe(item), advice_for_int(item)));
      values.push_back(harmless(range));
    }
  }
  return values;
}

std::vector<std::string> Reader::get_strings(std::string_view key, std::optional<std::vector<std::string>> fallback) {
  const Node* child = fetch(key, !fallback, "a list of strings", fallback ? strings(*fallback) : Node());
  if (child == nullptr) return std::move(fallback).value_or(std::vector<std::string>{});
  std::vector<std::string> values;
  if (!child->is_list()) {
    report(key, fmt::format("expected a list of strings, found {}", describe(*child)));
    return std::move(fallback).value_or(values);
  }
  for (size_t i = 0; i < child->items().size(); ++i) {
    const Node& item = child->items()[i];
    if (!item.is_string())
      problems_.add(item.place(), fmt::format("{}[{}]", path_of(key), i), "expected a string, found " + describe(item));
    values.push_back(item.is_string() ? item.as_string() : "");
  }
  return values;
}

std::vector<int64_t> Reader::get_tuple(std::string_view key, size_t rank, std::optional<int64_t> fallback, IntRange range) {
  const std::string wanted = fmt::format("an integer{} or a list of {} of them", range_text(range), rank);
  const std::vector<int64_t> otherwise(rank, fallback.value_or(harmless(range)));
  const Node* child = fetch(key, !fallback, wanted, fallback ? Node::integer(*fallback) : Node());
  if (child == nullptr) return otherwise;
  if (child->is_list() && child->items().size() == rank) return get_ints(key, otherwise, range);
  if (child->kind() == Kind::kInt && child->as_int() >= range.min && child->as_int() <= range.max)
    return std::vector(rank, child->as_int());
  report(key, fmt::format("expected {}, found {}{}", wanted, describe(*child), advice_for_int(*child)));
  return otherwise;
}

void Reader::finish() {
  if (!node_.is_map()) return;
  const std::vector<std::string_view> known(known_.begin(), known_.end());
  for (const auto& [key, value] : node_.entries()) {
    if (std::find(known.begin(), known.end(), key) != known.end()) continue;
    const std::string allowed = known.empty() ? "; no keys are allowed here" : suggestion(key, known);
    problems_.add(node_.key_place(key), path_of(shorten(key)), "unknown key" + allowed);
  }
}

std::optional<NamedConfig> read_named(const Node& node, const std::string& path, Problems& problems) {
  if (node.is_string()) {
    if (!node.as_string().empty()) return NamedConfig{node.as_string(), nullptr, &node};
    problems.add(node.place(), path, "expected a name, found an empty string");
    return std::nullopt;
  }
  if (!node.is_map() || node.entries().empty()) {
    problems.add(node.place(), path, fmt::format("expected a name or 'Name: {{settings}}', found {}", describe(node)));
    return std::nullopt;
  }
  const auto& [name, config] = node.entries().front();
  if (node.entries().size() > 1) {
    problems.add(
        node.key_place(node.entries()[1].first), path,
        fmt::format("expected one name with its settings below it, found '{}' and '{}' side by side; indent the settings further than '{}'",
                    shorten(name), shorten(node.entries()[1].first), shorten(name)));
    return std::nullopt;
  }
  if (!config.is_null() && !config.is_map()) {
    problems.add(config.place(), path,
                 fmt::format("expected the settings of '{}' as a map (key: value), found {}", shorten(name), describe(config)));
    return std::nullopt;
  }
  return NamedConfig{name, config.is_map() ? &config : nullptr, &node};
}

std::string nearest(std::string_view word, std::span<const std::string_view> candidates) {
  constexpr size_t kMaxWord = 64;
  if (word.empty() || word.size() > kMaxWord) return "";
  const std::string wanted = lower(word);
  size_t best = std::max<size_t>(1, word.size() / 3) + 1;
  std::string_view found;
  for (std::string_view candidate : candidates) {
    if (candidate.size() > kMaxWord || candidate == word) continue;
    const size_t distance = edit_distance(wanted, lower(candidate));
    // A word replaced as a whole is no typo, however short it is.
    if (distance < best && distance < std::max(word.size(), candidate.size())) {
      best = distance;
      found = candidate;
    }
  }
  return std::string(found);
}

std::string suggestion(std::string_view word, std::span<const std::string_view> candidates) {
  if (const std::string near = nearest(word, candidates); !near.empty()) return " (did you mean '" + near + "'?)";
  if (candidates.empty() || candidates.size() > 20) return "";
  return "; known: " + join(candidates);
}

}  // namespace dl::spec
