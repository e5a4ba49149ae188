// The importer of ONNX: what stays symbolic, what is computed while it reads, and files that are wrong or want harm. The numbers of the
// operators are judged by the conformance cases of ONNX (tests/oracle/test_onnx_import.py).
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "backend/backend.h"
#include "base/error.h"
#include "io/needs_input.h"
#include "io/onnx/read.h"
#include "layers/graph_layer.h"
#include "plan/session.h"
#include "unit/io/onnx_bytes.h"
#include "unit/test_folder.h"

using namespace dl;
using namespace dl::test;
namespace fs = std::filesystem;

namespace {

constexpr int kFloat = 1, kInt64 = 7, kBool = 9;

SavedModel read_import(const std::string& bytes, const ReadOptions& options = {}) {
  return read_onnx_bytes(std::as_bytes(std::span(bytes.data(), bytes.size())), options);
}
std::string import_error(const std::string& bytes) {
  try {
    read_import(bytes);
  } catch (const FileError& e) {
    CHECK(std::string_view(e.what()).find('\n') == std::string_view::npos);
    return e.what();
  }
  return "no error";
}
bool fails_with(const std::string& bytes, const std::string& text) {
  const std::string error = import_error(bytes);
  if (error.find(text) == std::string::npos) MESSAGE(error);
  return error.find(text) != std::string::npos;
}

// A graph of one float input "x", one output "y".
Parts parts(const std::vector<Size>& shape, Strings nodes, Strings initializers = {}) {
  return {std::move(nodes), {value("x", kFloat, shape)}, {value("y", kFloat, {})}, std::move(initializers)};
}
std::string onnx_model(const std::vector<Size>& shape, Strings nodes, Strings initializers = {}, int64_t opset = 17) {
  return model(graph(parts(shape, std::move(nodes), std::move(initializers))), opset);
}

const Program& program_of(const SavedModel& saved) {
  REQUIRE(graph_of(saved.model));
  return *graph_of(saved.model);
}
std::string shape_of_output(const std::string& bytes) {
  const SavedModel saved = read_import(bytes);
  const Program& program = program_of(saved);
  return to_string(program.graph.type(program.outputs.at(0).value).shape);
}

std::vector<float> run(const SavedModel& saved, const std::vector<Tensor>& inputs) {
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  Session session(*backend, {});
  const Program& program = program_of(saved);
  for (const auto& [name, tensor] : saved.weights) session.parameters().set(name, tensor);
  const Tensor out = session.run(session.add(program), inputs).output(0).cast(DType::kFloat32);
  return {out.data<float>(), out.data<float>() + out.size()};
}

// The error of a model whose one weight is [2] floats at `location` of the folder.
std::string external_error(const TestFolder& folder, const std::string& location, const std::string& offset = "",
                           const std::string& length = "") {
  folder.write("m.onnx", onnx_model({2}, {node("Add", {"x", "w"}, {"y"})}, {external("w", {2}, location, offset, length)}));
  try {
    const SavedModel saved = read_model(folder / "m.onnx");
    return "read " + std::to_string(saved.weights.at("w").at(0));
  } catch (const FileError& e) {
    CHECK(std::string(e.what()).find("initialiser 'w': ") != std::string::npos);
    return e.what();
  }
}

// Nodes nested in branches, `depth` deep.
std::string nested(int depth) {
  std::string body = graph({{node("Identity", {"x"}, {"b0"})}, {}, {value("b0", kFloat, {2})}});
  for (int i = 1; i < depth; ++i) {
    const std::string name = "b" + std::to_string(i);
    body = graph({{node("If", {"c"}, {name}, graph_attribute("then_branch", body) + graph_attribute("else_branch", body))},
                  {},
                  {value(name, kFloat, {2})}});
  }
  return body;
}

}  // namespace

TEST_CASE("onnx: a batch without a size stays symbolic through shapes that are computed from it") {
  const Strings flatten = {node("Shape", {"x"}, {"s"}), node("Gather", {"s", "zero"}, {"n"}, attribute("axis", 0)),
                           node("Unsqueeze", {"n", "first"}, {"n1"}), node("Concat", {"n1", "rest"}, {"to"}, attribute("axis", 0)),
                           node("Reshape", {"x", "to"}, {"y"})};
  const Strings constants = {ints("zero", {}, {0}), ints("first", {1}, {0}), ints("rest", {1}, {-1})};
  CHECK(shape_of_output(onnx_model({"N", 3, 4}, flatten, constants)) == "[N, 12]");
  CHECK(shape_of_output(onnx_model({"", 3, 4}, flatten, constants)) == "[batch, 12]");
  CHECK(shape_of_output(onnx_model({"unk__7", 3, 4}, flatten, constants)) == "[batch, 12]");
  CHECK(shape_of_output(onnx_model({5, 3, 4}, flatten, constants)) == "[5, 12]");
  const SavedModel saved = read_import(onnx_model({"N", 3, 4}, flatten, constants));
  for (int64_t n : {1, 4}) CHECK(run(saved, {Tensor(DType::kFloat32, {n, 3, 4})}).size() == static_cast<size_t>(12 * n));
}

TEST_CASE("onnx: inputs whose first axes have no name share the batch") {
  const Parts both = {
      {node("Add", {"a", "b"}, {"y"})}, {value("a", kFloat, {"", 2}), value("b", kFloat, {"", 2})}, {value("y", kFloat, {})}};
  CHECK(shape_of_output(model(graph(both))) == "[batch, 2]");
}

TEST_CASE("onnx: sizes that nodes compute are folded; a size that depends on values asks for them by name") {
  const Strings nodes = {node("Mul", {"two", "three"}, {"six"}), node("Concat", {"minus", "six"}, {"to"}, attribute("axis", 0)),
                         node("Reshape", {"x", "to"}, {"y"})};
  const Strings constants = {ints("two", {1}, {2}), ints("three", {1}, {3}), ints("minus", {1}, {-1})};
  CHECK(shape_of_output(onnx_model({"N", 12}, nodes, constants)) == "[2*N, 6]");
  const Parts open = {{node("Reshape", {"x", "to"}, {"y"})}, {value("x", kFloat, {6}), value("to", kInt64, {2})}, {value("y", kFloat, {})}};
  try {
    read_import(model(graph(open)));
    FAIL("read");
  } catch (const NeedsInput& e) {
    CHECK(e.inputs == std::vector<std::string>{"to"});
  }
  const ReadOptions given{.given = {{"to", Tensor::from<int64_t>({2}, std::vector<int64_t>{3, 2})}}, .input_shapes = {}};
  const SavedModel saved = read_import(model(graph(open)), given);
  CHECK(to_string(program_of(saved).graph.type(program_of(saved).outputs[0].value).shape) == "[3, 2]");
}

TEST_CASE("onnx: a loop with a constant count and a branch with a constant condition are written out") {
  const std::string body = graph({{node("Add", {"a", "x"}, {"b"}), node("Identity", {"c"}, {"d"})},
                                  {value("i", kInt64, {}), value("c", kBool, {}), value("a", kFloat, {2})},
                                  {value("d", kBool, {}), value("b", kFloat, {2})}});
  const SavedModel loop =
      read_import(onnx_model({2}, {node("Loop", {"three", "", "x"}, {"y"}, graph_attribute("body", body))}, {ints("three", {}, {3})}));
  CHECK(run(loop, {Tensor::from<float>({2}, std::vector<float>{1, 2})}) == std::vector<float>{4, 8});
  const std::string yes = graph({{node("Neg", {"x"}, {"t"})}, {}, {value("t", kFloat, {2})}}),
                    no = graph({{node("Identity", {"x"}, {"e"})}, {}, {value("e", kFloat, {2})}});
  const std::string choice = node("If", {"c"}, {"y"}, graph_attribute("then_branch", yes) + graph_attribute("else_branch", no));
  const SavedModel branch = read_import(onnx_model({2}, {choice}, {tensor("c", 9, {}, bytes(9, std::string(1, '\1')))}));
  CHECK(run(branch, {Tensor::from<float>({2}, std::vector<float>{1, 2})}) == std::vector<float>{-1, -2});
  CHECK(fails_with(
      onnx_model({2}, {node("Loop", {"many", "", "x"}, {"y"}, graph_attribute("body", body))}, {ints("many", {}, {int64_t{1} << 40})}),
      "nodes when loops are written out"));
}

TEST_CASE("onnx: initialisers of narrow types keep their numbers") {
  // int4, two in a byte, low half first; float16; bfloat16 as typed data; int8 with scale and zero point.
  const SavedModel four =
      read_import(onnx_model({3}, {node("DequantizeLinear", {"q", "s"}, {"w"}), node("Add", {"x", "w"}, {"y"})},
                             {tensor("q", 22, {3}, bytes(9, std::string("\x7f\x08", 2))), floats("s", {}, {0.5f})}, 21));
  CHECK(run(four, {Tensor::from<float>({3}, std::vector<float>{0, 0, 0})}) == std::vector<float>{-0.5f, 3.5f, -4});
  const SavedModel half = read_import(onnx_model({2}, {node("Cast", {"h"}, {"w"}, attribute("to", 1)), node("Add", {"x", "w"}, {"y"})},
                                                 {tensor("h", 10, {2}, bytes(9, raw<uint16_t>({0x3c00, 0xc100})))}));
  CHECK(run(half, {Tensor::from<float>({2}, std::vector<float>{0, 0})}) == std::vector<float>{1, -2.5f});
  const SavedModel brain = read_import(onnx_model({2}, {node("Cast", {"h"}, {"w"}, attribute("to", 1)), node("Add", {"x", "w"}, {"y"})},
                                                  {tensor("h", 16, {2}, number(5, 0x3f80) + number(5, 0xc020))}));
  CHECK(run(brain, {Tensor::from<float>({2}, std::vector<float>{0, 0})}) == std::vector<float>{1, -2.5f});
}

TEST_CASE("onnx: a graph that is wrong is refused, naming the node") {
  CHECK(fails_with(onnx_model({2}, {node("Add", {"x", "z"}, {"y"}), node("Neg", {"y"}, {"z"})}),
                   "node 'n_y' (Add): input 'z' is not defined"));
  CHECK(fails_with(onnx_model({2}, {node("Neg", {"y"}, {"y"})}), "input 'y' is not defined"));
  CHECK(fails_with(onnx_model({2}, {node("Neg", {"x"}, {"z"})}), "output 'y' is not defined"));
  CHECK(fails_with(onnx_model({2}, {node("Neg", {"x"}, {"x"})}), "'x' is defined twice"));
  CHECK(fails_with(onnx_model({2}, {node("Add", {"x"}, {"y"})}), "node 'n_y' (Add): input 1 is missing"));
  CHECK(fails_with(onnx_model({2}, {node("Add", {"x", "w"}, {"y"})}, {floats("w", {3}, {1, 2, 3})}), "node 'n_y' (Add): "));
  CHECK(fails_with(onnx_model({2}, {node("MatMul", {"x", "w"}, {"y"})}, {floats("w", {3, 1}, {1, 2, 3})}), "node 'n_y' (MatMul): "));
  CHECK(fails_with(onnx_model({2}, {node("And", {"x", "x"}, {"y"})}), "takes booleans"));
  CHECK(fails_with(onnx_model({2}, {node("Gather", {"x", "x"}, {"y"})}), "indices must be int32 or int64"));
  CHECK(fails_with(onnx_model({2}, {node("Softmax", {"x"}, {"y"}, attribute("axis", 7))}), "node 'n_y' (Softmax): "));
  CHECK(fails_with(onnx_model({2, 3}, {node("Transpose", {"x"}, {"y"}, attribute("perm", Numbers{0, 0}))}), "node 'n_y' (Transpose): "));
  CHECK(fails_with(onnx_model({1, 1, 4, 4}, {node("MaxPool", {"x"}, {"y"}, attribute("kernel_shape", Numbers{0, 2}))}),
                   "node 'n_y' (MaxPool): "));
  CHECK(fails_with(onnx_model({1, 1, 4, 4}, {node("MaxPool", {"x"}, {"y"}, attribute("kernel_shape", Numbers{INT64_MAX, 2}))}),
                   "node 'n_y' (MaxPool): "));
  CHECK(fails_with(onnx_model({2}, {node("Reshape", {"x", "to"}, {"y"})}, {ints("to", {2}, {int64_t{1} << 62, 8})}),
                   "node 'n_y' (Reshape): "));
  CHECK(fails_with(onnx_model({2}, {node("Split", {"x"}, {"y", "z", "w"})}), "node 'n_y' (Split): "));
  CHECK(fails_with(onnx_model({2}, {}), "output 'y' is not defined"));
  CHECK(fails_with(
      onnx_model({2}, {node("Scan", {"x", ""}, {"y"},
                            attribute("num_scan_inputs", 1) + graph_attribute("body", graph({{}, {}, {value("x", kFloat, {2})}})))}),
      "an operand that it needs is left out"));
  CHECK(fails_with(onnx_model({2, 3, 4}, {node("TensorScatter", {"x", "u", "u"}, {"y"})}, {ints("u", {1}, {0})}, 25),
                   "node 'n_y' (TensorScatter): "));
  CHECK(fails_with(model(graph({{node("Neg", {"x"}, {"y"})}, {value("x", kFloat, {2})}, {}})), "has no outputs"));
  CHECK(
      fails_with(model(graph({{node("Neg", {"x"}, {"y"})}, {value("x", kFloat, {2}), value("x", kFloat, {2})}, {value("y", kFloat, {2})}})),
                 "input 'x' has no name of its own"));
  CHECK(fails_with(model(graph({{node("Neg", {"x"}, {"y"})}, {value("x", 8, {2})}, {value("y", 8, {2})}})), "input 'x' holds strings"));
}

TEST_CASE("onnx: every operator that is not known is told at once, as is every node that does not fit") {
  const std::string unknown = import_error(onnx_model({2},
                                                      {node("Frobnicate", {"x"}, {"a"}), node("Neg", {"a"}, {"b"}),
                                                       node("Gelu", {"b"}, {"c"}, "", "com.example"), node("HardSwish", {"c"}, {"y"})},
                                                      {}, 13));
  CHECK(unknown.find("'n_a' (Frobnicate)") != std::string::npos);
  CHECK(unknown.find("'n_c' (Gelu) of domain 'com.example'") != std::string::npos);
  CHECK(unknown.find("'n_y' (HardSwish): came with opset 14, the file says 13") != std::string::npos);
  const std::string two = import_error(onnx_model(
      {2}, {node("Softmax", {"x"}, {"a"}, attribute("axis", 7)), node("And", {"x", "x"}, {"b"}), node("Add", {"a", "b"}, {"y"})}));
  CHECK(two.find("n_a") != std::string::npos);
  CHECK(two.find("n_b") != std::string::npos);
}

TEST_CASE("onnx: versions") {
  const std::string plain = graph(parts({2}, {node("Neg", {"x"}, {"y"})}));
  for (int64_t opset : {1, 7, 13, 26}) CHECK(import_error(model(plain, opset)) == "no error");
  for (int64_t ir : {3, 8, 13}) CHECK(import_error(model(plain, 17, ir)) == "no error");
  CHECK(fails_with(model(plain, 99), "uses opset 99; 1 to 26 can be read"));
  CHECK(fails_with(model(plain, 0), "uses opset 0"));
  CHECK(fails_with(model(plain, -1), "uses opset -1"));
  CHECK(fails_with(model(plain, 17, 99), "has IR version 99; 3 to 13 can be read"));
  CHECK(fails_with(model(plain) + bytes(8, number(2, 18)), "names the operator set '' twice"));
  CHECK(fails_with(number(1, 8) + bytes(7, plain), "does not say the version of its operator set"));
}

TEST_CASE("onnx: initialisers that lie about their size") {
  const auto with = [](const std::string& w) { return onnx_model({2}, {node("Add", {"x", "w"}, {"y"})}, {w}); };
  CHECK(fails_with(with(tensor("w", 1, {2}, bytes(9, "123"))), "initialiser 'w': holds 3 bytes; its shape [2] of float32 needs 8"));
  CHECK(fails_with(with(tensor("w", 1, {2}, "")), "initialiser 'w': holds 0 numbers; its shape [2] needs 2"));
  CHECK(fails_with(with(tensor("w", 1, {int64_t{1} << 40}, bytes(9, "1234"))), "initialiser 'w': "));
  CHECK(fails_with(with(tensor("w", 1, {int64_t{1} << 32, int64_t{1} << 32, 4}, bytes(9, "1234"))), "initialiser 'w': "));
  CHECK(fails_with(with(tensor("w", 1, {int64_t{1} << 62, 4}, "")), "initialiser 'w': "));
  CHECK(fails_with(with(tensor("w", 1, {-2}, bytes(9, "12345678"))), "initialiser 'w': "));
  CHECK(fails_with(with(tensor("w", 8, {2}, "")), "initialiser 'w': holds strings"));
  CHECK(fails_with(with(tensor("w", 14, {2}, "")), "initialiser 'w': holds complex64"));
  CHECK(fails_with(with(tensor("w", 99, {2}, "")), "initialiser 'w': holds element type 99"));
  CHECK(fails_with(onnx_model({2}, {node("Add", {"x", "w"}, {"y"})}, {floats("w", {2}, {1, 2}), floats("w", {2}, {1, 2})}),
                   "initialiser 'w' has no name of its own"));
}

TEST_CASE("onnx: numbers in a file ask for no more memory than there is") {
  CHECK(fails_with(onnx_model({INT64_MAX, 2}, {node("Neg", {"x"}, {"y"})}),
                   "input 'x': shape [9223372036854775807, 2] is larger than any memory"));
  CHECK(fails_with(onnx_model({2}, {node("ConstantOfShape", {"n"}, {"z"}), node("Gather", {"z", "i"}, {"y"})},
                              {ints("n", {2}, {int64_t{1} << 40, int64_t{1} << 40}), ints("i", {}, {0})}),
                   "node 'n_z'"));
  CHECK(fails_with(
      onnx_model({2}, {node("Range", {"a", "b", "c"}, {"y"})}, {ints("a", {}, {0}), ints("b", {}, {INT64_MAX}), ints("c", {}, {1})}),
      "node 'n_y' (Range): "));
  CHECK(fails_with(onnx_model({2}, {node("Pad", {"x", "p"}, {"y"}, bytes(5, bytes(1, "mode") + bytes(4, "edge")))},
                              {ints("p", {2}, {int64_t{1} << 60, 0})}),
                   "node 'n_y' (Pad): "));
  CHECK(fails_with(onnx_model({2}, {node("Tile", {"x", "n"}, {"y"})}, {ints("n", {1}, {INT64_MAX})}), "node 'n_y' (Tile): "));
  CHECK(fails_with(onnx_model({2}, {node("OneHot", {"i", "d", "v"}, {"y"})},
                              {ints("i", {1}, {0}), ints("d", {}, {INT64_MAX}), floats("v", {2}, {0, 1})}),
                   "node 'n_y' (OneHot)"));
}

TEST_CASE("onnx: a file cut anywhere, or with any byte changed, is read or refused") {
  const std::string whole = onnx_model(
      {"N", 3}, {node("MatMul", {"x", "w"}, {"a"}), node("Add", {"a", "b"}, {"c"}), node("Softmax", {"c"}, {"y"}, attribute("axis", -1))},
      {floats("w", {3, 2}, {1, 2, 3, 4, 5, 6}), floats("b", {2}, {1, 2})});
  REQUIRE(import_error(whole) == "no error");
  size_t refused = 0;
  for (size_t n = 0; n < whole.size(); ++n) refused += import_error(whole.substr(0, n)) != "no error";
  CHECK(refused > whole.size() / 2);
  for (size_t n = 0; n < whole.size(); ++n)
    for (const int flip : {1, 0x10, 0x80, 0xff}) {
      std::string changed = whole;
      changed[n] = static_cast<char>(changed[n] ^ flip);
      import_error(changed);
    }
  CHECK(fails_with("", "holds no ONNX model"));
  CHECK(fails_with(std::string(1000, '\0'), "is damaged"));
}

TEST_CASE("onnx: graphs nested too deeply are refused") {
  CHECK(import_error(onnx_model(
            {2}, {node("If", {"c"}, {"y"}, graph_attribute("then_branch", nested(3)) + graph_attribute("else_branch", nested(3)))},
            {tensor("c", 9, {}, bytes(9, std::string(1, '\1')))})) == "no error");
  // A chain, so that the file stays small.
  std::string body = graph({{node("Identity", {"x"}, {"y"})}, {}, {value("y", kFloat, {2})}});
  for (int i = 0; i < 60; ++i)
    body = graph({{node("Loop", {"one", "", "x"}, {"y"}, graph_attribute("body", body))}, {}, {value("y", kFloat, {2})}});
  const std::string error = import_error(model(body));
  CHECK((error.find("nested deeper") != std::string::npos || error.find("is damaged") != std::string::npos));
}

TEST_CASE("onnx: functions that call themselves or have too many operands are refused") {
  const auto function = [](const std::string& nodes) {
    return bytes(25, bytes(1, "F") + bytes(4, "a") + bytes(5, "b") + nodes + bytes(9, number(2, 17)) + bytes(10, "own"));
  };
  const std::string call = graph(parts({2}, {node("F", {"x"}, {"y"}, "", "own")}));
  const SavedModel good =
      read_import(model(call) + function(bytes(7, node("Neg", {"a"}, {"b"}))) + bytes(8, bytes(1, "own") + number(2, 1)));
  CHECK(run(good, {Tensor::from<float>({2}, std::vector<float>{1, 2})}) == std::vector<float>{-1, -2});
  CHECK(fails_with(model(call) + function(bytes(7, node("F", {"a"}, {"b"}, "", "own"))), "functions call each other deeper than"));
  CHECK(fails_with(model(graph(parts({2}, {node("F", {"x", "x"}, {"y"}, "", "own")}))) + function(bytes(7, node("Neg", {"a"}, {"b"}))),
                   "more inputs than its function"));
}

TEST_CASE("onnx: external data is read from the model's own folder and from nowhere else") {
  const TestFolder folder;
  const std::string eight = raw<float>({1.5f, 2}), secret = folder.path + "-secret", name = fs::path(secret).filename().string();
  folder.write("w.bin", eight);
  folder.write("long.bin", "12345678" + eight);
  folder.write("sub/w.bin", eight);
  folder.write("short.bin", "1234");
  std::ofstream(secret, std::ios::binary) << eight;
  CHECK(external_error(folder, "w.bin").starts_with("read 1.5"));
  CHECK(external_error(folder, "sub/w.bin").starts_with("read 1.5"));
  CHECK(external_error(folder, "./w.bin").starts_with("read 1.5"));
  CHECK(external_error(folder, "long.bin", "8", "8").starts_with("read 1.5"));
  const auto refused = [&](const std::string& why, const std::string& location, const std::string& offset = "",
                           const std::string& length = "") {
    const std::string error = external_error(folder, location, offset, length);
    if (error.find(why) == std::string::npos) MESSAGE(location << ": " << error);
    return error.find(why) != std::string::npos;
  };
  CHECK(refused("outside of the model's folder", "../" + name));
  CHECK(refused("outside of the model's folder", "sub/../../" + name));
  CHECK(refused("outside of the model's folder", "sub/.."));
  CHECK(refused("not relative to the model", secret));
  CHECK(refused("not relative to the model", "C:w.bin"));
  CHECK(refused("not relative to the model", "sub\\w.bin"));
  CHECK(refused("'w.bin?x' is no file name", std::string("w.bin\0x", 7)));
  CHECK(refused("is no file name", ""));
  CHECK(refused("cannot be opened", "missing.bin"));
  CHECK(refused("is no regular file", "sub"));
  fs::create_symlink(secret, folder / "link.bin");
  fs::create_directory_symlink(fs::path(folder.path).parent_path(), folder / "up");
  fs::create_hard_link(secret, folder / "hard.bin");
  CHECK(refused("is a link", "link.bin"));
  CHECK(refused("is a link", "up/" + name));
  CHECK(refused("several names (hard links)", "hard.bin"));
  REQUIRE(mkfifo((folder / "pipe").c_str(), 0600) == 0);
  CHECK(refused("is no regular file", "pipe"));
  CHECK(refused("holds 4 bytes; 8 at offset 0 are needed", "short.bin"));
  CHECK(refused("holds 16 bytes; 8 at offset 9 are needed", "long.bin", "9"));
  CHECK(refused("8 at offset 9223372036854775807 are needed", "long.bin", "9223372036854775807"));
  CHECK(refused("offset of its external data is no number", "long.bin", "-8"));
  CHECK(refused("offset of its external data is no number", "long.bin", "99999999999999999999"));
  CHECK(refused("offset of its external data is no number", "long.bin", "8x"));
  CHECK(refused("is said to give 4 bytes; the shape needs 8", "long.bin", "0", "4"));
  fs::remove(secret);
}

TEST_CASE("onnx: what is no file with a model") {
  const TestFolder folder;
  folder.write("empty.onnx", "");
  folder.write("text.onnx", "hello");
  const auto error = [&](const std::string& name) -> std::string {
    try {
      read_model(folder / name, {}, find_format("onnx"));
    } catch (const FileError& e) {
      return e.what();
    }
    return "no error";
  };
  CHECK(error("empty.onnx").ends_with("empty.onnx: is empty"));
  CHECK(error("text.onnx").find("text.onnx: ") != std::string::npos);
  CHECK(error("none.onnx").find("cannot be opened: No such file") != std::string::npos);
  std::filesystem::create_directory(folder / "sub");
  CHECK(error("sub").find("is no regular file") != std::string::npos);
}
