#include "spec/yaml.h"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <string>

#include "base/error.h"

using namespace dl;
using namespace dl::spec;

namespace {

Node parse(std::string_view text) { return parse_yaml(text, "f.yaml"); }

std::string yaml_error(std::string_view text) {
  try {
    parse(text);
  } catch (const UserError& error) {
    return error.what();
  }
  return "no error";
}

bool begins(const std::string& text, std::string_view prefix) {
  INFO(text);
  const bool yes = text.starts_with(prefix);
  CHECK(yes);
  return yes;
}

}  // namespace

TEST_CASE("scalars follow the core schema") {
  const Node n = parse(
      "a: true\nb: False\nc: ~\nd: null\ne:\nf: 12\ng: -3\nh: 0x1F\ni: 1e-3\nj: 1.5\nk: .5\nl: no\nm: yes\nn: on\no: \"12\"\np: 'true'\n"
      "q: 99999999999\nr: 1e3\ns: 2.0\nt: 0\nu: 0o17\nv: -9223372036854775808\nw: 1_000\nx: +4\ny: !!str 5\nz: !!float 3\n");
  CHECK(*n.find("a") == Node::boolean(true));
  CHECK(*n.find("b") == Node::boolean(false));
  CHECK(n.find("c")->is_null());
  CHECK(n.find("d")->is_null());
  CHECK(n.find("e")->is_null());
  CHECK(*n.find("f") == Node::integer(12));
  CHECK(*n.find("g") == Node::integer(-3));
  CHECK(*n.find("h") == Node::integer(31));
  CHECK(*n.find("i") == Node::real(1e-3));
  CHECK(*n.find("j") == Node::real(1.5));
  CHECK(*n.find("k") == Node::real(0.5));
  CHECK(*n.find("l") == Node::string("no"));
  CHECK(*n.find("m") == Node::string("yes"));
  CHECK(*n.find("n") == Node::string("on"));
  CHECK(*n.find("o") == Node::string("12"));
  CHECK(*n.find("p") == Node::string("true"));
  CHECK(*n.find("q") == Node::integer(99999999999));
  CHECK(*n.find("r") == Node::integer(1000));
  CHECK(*n.find("s") == Node::real(2.0));
  CHECK(*n.find("t") == Node::integer(0));
  CHECK(*n.find("u") == Node::integer(15));
  CHECK(*n.find("v") == Node::integer(std::numeric_limits<int64_t>::min()));
  CHECK(*n.find("w") == Node::string("1_000"));
  CHECK(*n.find("x") == Node::integer(4));
  CHECK(*n.find("y") == Node::string("5"));
  CHECK(*n.find("z") == Node::real(3));
  const Node f = parse("[.nan, .inf, -.inf]");
  CHECK(std::isnan(f.items()[0].as_double()));
  CHECK(f.items()[1].as_double() == std::numeric_limits<double>::infinity());
  CHECK(f.items()[2].as_double() == -std::numeric_limits<double>::infinity());
}

TEST_CASE("numbers that cannot be represented, or are ambiguous, are refused") {
  CHECK(yaml_error("units: 017") ==
        "f.yaml:1:8: the number 017 starts with a zero, which some readers take as octal; write 17 or quote it if it is a string");
  CHECK(yaml_error("units: -007").find("write -7 or quote") != std::string::npos);
  CHECK(yaml_error("a: 00").find("write 0 or quote") != std::string::npos);
  CHECK(yaml_error("a: 9223372036854775808").find("does not fit 64 bits") != std::string::npos);
  CHECK(yaml_error("a: 0xFFFFFFFFFFFFFFFFFF").find("does not fit 64 bits") != std::string::npos);
  CHECK(yaml_error("a: 1e400").find("out of range") != std::string::npos);
}

TEST_CASE("places count lines and characters from 1") {
  const Node n = parse("\xEF\xBB\xBFlayers:\r\n  - Dense: {units: 5}\r\n  - Flatten:\r\n\xC3\xA9: {\xC3\xA9: 7}\r\n");
  const Node& layers = *n.find("layers");
  CHECK(to_string(n.key_place("layers")) == "f.yaml:1:1");
  CHECK(to_string(layers.items()[0].find("Dense")->find("units")->place()) == "f.yaml:2:20");
  CHECK(to_string(layers.items()[0].find("Dense")->key_place("units")) == "f.yaml:2:13");
  CHECK(to_string(layers.items()[1].find("Flatten")->place()) == "f.yaml:3:5");
  CHECK(to_string(n.find("\xC3\xA9")->find("\xC3\xA9")->place()) == "f.yaml:4:8");
  CHECK(to_string(Place{"command line", 0, 0}) == "command line");
}

TEST_CASE("files that are not YAML text") {
  CHECK(yaml_error("") == "f.yaml:1:1: the file is empty or holds only comments");
  CHECK(yaml_error("# only\n\n# comments\n") == "f.yaml:1:1: the file is empty or holds only comments");
  CHECK(yaml_error(std::string_view("\xFF\xFE"
                                    "a\0:\0",
                                    6)) == "f.yaml:1:1: the file is UTF-16 or UTF-32 text; save it as UTF-8");
  CHECK(yaml_error(std::string_view("\xFE\xFF\0a", 4)).find("UTF-16") != std::string::npos);
  CHECK(yaml_error(std::string_view("a\0:\0 \0001\0", 8)).find("UTF-16") != std::string::npos);
  begins(yaml_error(std::string_view("a: 1\nb: \0", 9)), "f.yaml:2:4: NUL byte");
  begins(yaml_error("a: 1\nb: \x1B[31m"), "f.yaml:2:4: control character (0x1b): the file is binary");
  begins(yaml_error("\x89PNG\r\n\x1a\n"), "f.yaml:1:1: byte 0x89 is not UTF-8");
  begins(yaml_error("a: \xC0\xAF"), "f.yaml:1:4: byte 0xc0 is not UTF-8");
  CHECK(parse("- a\n- b\n").is_list());  // Reader says that a map is wanted
}

TEST_CASE("tabs") {
  CHECK(yaml_error("a:\n\tb: 1\n") == "f.yaml:2:1: a tab cannot indent YAML; use spaces");
  CHECK(yaml_error("a: 1\n\tb: 1\n") == "f.yaml:2:1: a tab cannot indent YAML; use spaces");
  CHECK(yaml_error("a:\n  - x\n \t- y\n") == "f.yaml:3:2: a tab cannot indent YAML; use spaces");
  CHECK(yaml_error("a: b\n\tc\n") == "f.yaml:2:1: a tab cannot indent YAML; use spaces");
  CHECK(parse("{\n\t\"a\": 1,\n\t\"b\": [\n\t\t2]\n}\n") == parse("{a: 1, b: [2]}"));  // JSON
  CHECK(parse("a:\tb\n") == parse("a: b"));
  CHECK(parse("a:\n\t# comment\n  b: 2\n") == parse("{a: {b: 2}}"));
}

TEST_CASE("duplicate keys, merge keys, odd keys") {
  CHECK(yaml_error("a: 1\nb: 2\na: 3\n") == "f.yaml:3:1: duplicate key 'a', first given on line 1; keep one of them");
  begins(yaml_error("x: {a: 1, \"a\": 2}"), "f.yaml:1:11: duplicate key 'a'");
  begins(yaml_error("d: &d {a: 1}\ne:\n  <<: *d\n"), "f.yaml:3:3: merge keys (<<) are not supported");
  CHECK(parse("\"<<\": 1").find("<<") != nullptr);
  begins(yaml_error("? [a, b]\n: 1\n"), "f.yaml:1:3: a list cannot be a key");
  begins(yaml_error(": 1\n"), "f.yaml:1:1: a key is missing or null");
  begins(yaml_error("a: &x b\n*x : 2\n"), "f.yaml:2:1: an alias cannot be a key");
  begins(yaml_error(std::string(300, 'k') + ": 1"), "f.yaml:1:1: the key is 300 bytes long");
  begins(yaml_error("a: !foo 1"), "f.yaml:1:4: the tag '!foo' is not supported");
  begins(yaml_error("a: !!int x"), "f.yaml:1:4: 'x' is not what its tag !!int says");
}

TEST_CASE("aliases expand to copies, within bounds") {
  CHECK(parse("a: &x {q: [1, 2]}\nb: *x\nc: [*x]\n") == parse("{a: {q: [1, 2]}, b: {q: [1, 2]}, c: [{q: [1, 2]}]}"));
  CHECK(parse("a: &x\nb: *x\n") == parse("{a: ~, b: ~}"));
  CHECK(parse("a: &x 1\nb: &x 2\nc: *x\n").find("c")->as_int() == 2);
  begins(yaml_error("&a [*a]\n"), "f.yaml:1:5: the alias refers to the value it lies in (line 1): a cycle");
  begins(yaml_error("a: &a\n  b: &b\n    c: *a\n"), "f.yaml:3:8: the alias refers to the value it lies in (line 1): a cycle");
  begins(yaml_error("a: *nowhere\n"), "f.yaml:1:4: the alias refers to nothing");
}

TEST_CASE("several documents, unclosed and misplaced text") {
  begins(yaml_error("a: 1\n---\nb: 1\n"), "f.yaml:2:1: a second document starts here");
  begins(yaml_error("---\na: 1\n---\n"), "f.yaml:3:1: a second document starts here");
  CHECK(parse("---\na: 1\n...\n") == parse("a: 1"));
  begins(yaml_error("- a\nb: 1\n"), "f.yaml:2:1: unexpected content after the value that began the file; check the indentation");
  begins(yaml_error("a: \"abc\nb: 3\n"), "f.yaml:1:4: the string that opens here is not closed");
  begins(yaml_error("a: !!str 'it''s\n"), "f.yaml:1:10: the string that opens here is not closed");
  begins(yaml_error("a: [1, 2\nb: 3\n"), "f.yaml:2:2: '[' of line 1 is not closed, or a comma is missing");
  begins(yaml_error("a: {x: 1\nb: 3\n"), "f.yaml:2:2: '{' of line 1 is not closed, or a comma is missing");
  begins(yaml_error("a: b: c\n"), "f.yaml:1:5: a second ':' in this line");
  begins(yaml_error("a:\n    b: 1\n  c: 2\n"), "f.yaml:3:3: unexpected content: the indentation");
  begins(yaml_error("a: [1]]\n"), "f.yaml:1:7: a closing bracket without an opening one");
  begins(yaml_error("a: @x\n"), "f.yaml:1:4: a value cannot start with '@'; quote it");
  begins(yaml_error("a: \"\\q\"\n"), "f.yaml:1:7: unknown escape character: q");
  begins(yaml_error("b: - 1\n"), "f.yaml:1:4: '- ' cannot stand here");
}

TEST_CASE("text is written so that it reads back equal") {
  const Node n = parse(
      "inputs: {image: {shape: [28, 28, 1]}}\nlayers: [{Conv2D: {filters: 32, w: [[1, 2], [3.5, .nan]]}}, {Flatten: }, 'Dropout', [[{a: "
      "1}], []]]\n"
      "s: ['', ' x', 'x ', '1', 'true', 'null', '~', '017', '1e3', 'a: b', '# c', '- x', \"tab\\tnl\\nesc\\e\\x00\", '<<', '---', '...', "
      "'é', '*a']\n"
      "big: 1.0e16\ntiny: 5.0e-324\nneg: -0.0\ninf: -.inf\nint: 1e3\nempty: {}\n'~': 1\n'1': 2\n'': 3\nlong: '" +
      std::string(3000, 'x') + "'\n");
  const std::string text = to_yaml(n);
  INFO(text);
  CHECK(parse(text) == n);
  CHECK(to_yaml(parse(text)) == text);
  CHECK(std::signbit(parse(text).find("neg")->as_double()));
  CHECK(to_yaml(parse("layers:\n- Conv2D: {filters: 32, size: [3, 3]}\n- Flatten:\n")) ==
        "layers:\n  - Conv2D:\n      filters: 32\n      size: [3, 3]\n  - Flatten: null\n");
  for (const Node& root : {Node::null(), Node::real(1e16), Node::string("..."), Node::string("a"), Node::list({}), Node::map({})}) {
    CHECK(parse(to_yaml(root)) == root);
  }
}
