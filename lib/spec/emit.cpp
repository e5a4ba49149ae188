// Node to YAML text: block style, lists of scalars in brackets, strings quoted only where they would read back as something else.
#include <fmt/format.h>

#include <algorithm>

#include "spec/scalar.h"
#include "spec/yaml.h"

namespace dl::spec {
namespace {

constexpr size_t kLineWidth = 100;

bool is_plain(std::string_view text) {
  if (text.empty() || text.size() > 200 || text == "<<") return false;
  const auto safe = [](char c) { return std::isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.' || c == '/'; };
  const auto inner = [&](char c) { return safe(c) || c == '-' || c == '+' || c == ' '; };
  if (!safe(text.front()) || text.back() == ' ' || !std::all_of(text.begin(), text.end(), inner)) return false;
  if (text.starts_with("...")) return false;  // end of document at the start of a line
  std::string problem;
  return resolve_scalar(text, problem).is_string() && problem.empty();
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\r':
        out += "\\r";
        break;
      default:
        if (byte < 0x20 || byte == 0x7F) {
          out += fmt::format("\\x{:02x}", byte);
        } else {
          out += c;
        }
    }
  }
  return out + '"';
}

std::string string_text(const std::string& text) { return is_plain(text) ? text : quote(text); }

// Text that fits on the line of its key; "" for lists and maps that need lines of their own.
std::string inline_text(const Node& node) {
  switch (node.kind()) {
    case Kind::kNull:
      return "null";
    case Kind::kBool:
      return node.as_bool() ? "true" : "false";
    case Kind::kInt:
      return std::to_string(node.as_int());
    case Kind::kFloat:
      return format_real(node.as_double());
    case Kind::kString:
      return string_text(node.as_string());
    case Kind::kMap:
      return node.entries().empty() ? "{}" : "";
    case Kind::kList:
      break;
  }
  std::string out = "[";
  for (const Node& item : node.items()) {
    if (item.is_map() && !item.entries().empty()) return "";
    const std::string text = inline_text(item);
    if (text.empty()) return "";
    out += (out.size() > 1 ? ", " : "") + text;
    if (out.size() > kLineWidth) return "";
  }
  return out + "]";
}

void append_block(const Node& node, size_t indent, bool continues_line, std::string& out) {
  bool first = true;
  const auto begin_entry = [&] {
    if (!(first && continues_line)) out.append(indent, ' ');
    first = false;
  };
  if (node.is_map()) {
    for (const auto& [key, value] : node.entries()) {
      begin_entry();
      out += string_text(key) + ":";
      if (const std::string text = inline_text(value); !text.empty()) {
        out += " " + text + "\n";
      } else {
        out += "\n";
        append_block(value, indent + 2, false, out);
      }
    }
    return;
  }
  for (const Node& item : node.items()) {
    begin_entry();
    out += "- ";
    if (const std::string text = inline_text(item); !text.empty()) {
      out += text + "\n";
    } else {
      append_block(item, indent + 2, true, out);
    }
  }
}

}  // namespace

std::string to_yaml(const Node& node) {
  if (const std::string text = inline_text(node); !text.empty()) return text + "\n";
  std::string out;
  append_block(node, 0, false, out);
  return out;
}

}  // namespace dl::spec
