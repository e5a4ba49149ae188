// A training step of a CNN with batch normalisation and dropout allocates nothing of its own: not in the executor and not in
// a kernel. oneDNN's primitives allocate inside the library at each execution; their steps are left out by name.
#include <doctest/doctest.h>

#include "layers/initializers.h"
#include "plan/session.h"
#include "train/step_program.h"
#include "unit/plan/allocation_count.h"

using namespace dl;

TEST_CASE("no step but oneDNN's allocates") {
  const Model model = load_model_spec("models/digits-cnn.yaml");
  spec::Problems problems;
  const std::vector<std::string> outputs = {model.outputs[0].name};
  const std::vector<OutputLoss> losses =
      read_losses(spec::Node::string("sparse_categorical_crossentropy"), nullptr, outputs, "loss", problems);
  const Optimizer optimizer = read_optimizer(spec::Node::string("adam"), "optimizer", problems);
  REQUIRE(problems.empty());
  const TrainingProgram step = build_training_program(model, losses, optimizer, {});
  const std::unique_ptr<Backend> cpu = make_cpu_backend();
  Session session(*cpu, {});
  for (const Parameter& p : step.program.parameters) session.parameters().set(p.name, initial_value(step.program, p, 1));
  const size_t id = session.add(step.program);
  Tensor rate(DType::kFloat32, {});
  rate.set(0, 1e-3);
  const std::vector<Tensor> batch = {Tensor(DType::kFloat32, {32, 8, 8, 1}),
                                     Tensor(step.program.graph.type(step.program.inputs[1].value).dtype, {32}), rate};
  Executable& run = session.run(id, batch);
  run.run();
  int64_t steps = 0, before = 0;
  const auto check = [&](const Step& s, double) {
    const int64_t count = allocation_count() - before;
    const bool onednn = s.row.rfind("onednn", 0) == 0 || s.row == "reorder";
    CAPTURE(s.op);
    CAPTURE(s.row);
    if (!onednn) CHECK(count == 0);
    steps += !onednn;
    before = allocation_count();
  };
  before = allocation_count();
  run.run_profiled(check);
  before = allocation_count();
  run.run_profiled(check);
  CHECK(steps > 60);
}
