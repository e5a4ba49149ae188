// The graph and the plan of every model in models/, against the texts beside this file. A refactoring changes none of them.
// After a wanted change: DLTOOL_UPDATE_GOLDEN=1 golden_models, then read the difference.
// Plans use the reference kernels, so they are the same on every processor.
#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "layers/build.h"
#include "layers/model.h"
#include "plan/compile.h"

using namespace dl;
namespace fs = std::filesystem;

namespace {

std::string read_file(const fs::path& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

void check_golden(const std::string& name, const std::string& text) {
  const fs::path path = fs::path("tests/golden/models") / (name + ".txt");
  if (std::getenv("DLTOOL_UPDATE_GOLDEN")) std::ofstream(path) << text;
  INFO("golden file " << path.string());
  CHECK(read_file(path) == text);
}

}  // namespace

TEST_CASE("graphs and plans of the shipped models") {
  const std::unique_ptr<Backend> backend = make_null_backend();
  int count = 0;
  for (const auto& entry : fs::directory_iterator("models")) {
    if (entry.path().extension() != ".yaml") continue;
    ++count;
    const std::string name = entry.path().stem().string();
    CAPTURE(name);
    const Model model = load_model_spec(entry.path().string());
    const Program program = build_inference_program(model);
    verify(program);
    check_golden(name + ".graph", to_text(program));
    Bindings sizes;
    for (const NamedValue& in : program.inputs)
      for (Dim d : program.graph.type(in.value).shape)
        if (!d.known()) sizes[to_string(d)] = to_string(d) == "batch" ? 4 : 5;
    CompileOptions options;
    options.reference_only = true;
    const Compiled compiled = compile(program, sizes, *backend, options);
    verify(compiled.program);
    if (compiled.plan.steps.size() > 1000) continue;  // hundreds of time steps, one like the other
    check_golden(name + ".plan", to_text(compiled.plan, compiled.program) + "\n" + memory_text(compiled.plan));
  }
  CHECK(count >= 6);
}
