// Specifications from anybody: text is either read, and then writes and reads back equal, or refused with a UserError.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/error.h"
#include "spec/expression.h"
#include "spec/reader.h"
#include "spec/yaml.h"

using namespace dl;
using namespace dl::spec;

namespace {

[[noreturn]] void fail(const char* what, const std::string& text) {
  std::fprintf(stderr, "%s:\n%s\n", what, text.c_str());
  std::abort();
}

void check_node(std::string_view text) {
  Node node;
  try {
    node = parse_yaml(text, "f.yaml");
  } catch (const UserError& error) {
    if (!std::string_view(error.what()).starts_with("f.yaml:")) fail("an error without its place", error.what());
    return;
  }
  const std::string written = to_yaml(node);
  // Indentation can make a small file with many aliases a large one.
  if (static_cast<int64_t>(written.size()) > kMaxFileBytes / 2) return;
  try {
    if (!(parse_yaml(written, "written") == node)) fail("text that reads back different", written);
  } catch (const UserError& error) {
    fail(error.what(), written);
  }
}

void check_reader(std::string_view text) {
  try {
    const Node node = parse_yaml(text, "f.yaml");
    Problems problems;
    Reader reader(node, "", problems);
    reader.get_int("a", 1);
    reader.get_float("b", 1.0);
    reader.get_tuple("c", 2, 1);
    reader.get_strings("d");
    if (const Node* child = reader.get("e")) read_named(*child, "e", problems);
    reader.finish();
    problems.throw_if_any();
  } catch (const UserError&) {
  }
}

void check_override(std::string_view text) {
  try {
    Node root = parse_yaml("a: {b: [1, {c: 2}], d: x}", "f.yaml");
    apply_override(root, text);
    const std::string written = to_yaml(root);
    if (!(parse_yaml(written, "written") == root)) fail("an override that reads back different", written);
  } catch (const UserError&) {
  }
}

void check_expression(std::string_view text) {
  try {
    const Expr tree = parse_expression(text);
    const std::string written = to_string(tree);
    // The parentheses of a high tree exceed the bound on nesting.
    if (tree.height < kMaxExpressionDepth / 2 && written.size() < kMaxExpressionBytes && !equal(parse_expression(written), tree)) {
      fail("an expression that reads back different", written);
    }
  } catch (const UserError&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_node(text);
  check_reader(text);
  check_override(text);
  check_expression(text);
  return 0;
}
