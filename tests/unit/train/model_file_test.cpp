#include "train/model_file.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "backend/backend.h"
#include "data/npy.h"
#include "layers/build.h"
#include "spec/yaml.h"
#include "unit/test_folder.h"

using namespace dl;
namespace fs = std::filesystem;

namespace {

constexpr const char* kModel = "inputs: {x: {shape: [2]}}\nlayers: [{Dense: {units: 3, name: head}}]\n";
constexpr const char* kRun =
    "model: ../models/net.yaml\n"
    "data:\n"
    "  train: {format: npy, x: {x: ../data/x.npy}, y: 'y$${v}.npy'}\n"
    "  validation: {path: val.csv}\n"
    "  test: {format: idx, images: /abs/images, labels: labels}\n"
    "training: {loss: mse, seed: 7, initial_weights: first.npz}\n";

void put(const std::string& path, const std::string& text) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

// folder/configs/run.yaml and folder/models/net.yaml
std::string put_run(const std::string& folder) {
  put(folder + "/models/net.yaml", kModel);
  put(folder + "/configs/run.yaml", kRun);
  return folder + "/configs/run.yaml";
}

std::string error_of(const std::string& path, ExitCode code) {
  try {
    load_model(path);
  } catch (const Error& e) {
    CHECK(e.code() == code);
    return e.what();
  }
  return "no error";
}

Checkpoint make_checkpoint(const RunSpec& spec) {
  Checkpoint c;
  c.spec = spec::to_yaml(self_contained(spec));
  c.parameters["head/kernel"] = Tensor::from<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6});
  c.parameters["head/bias"] = Tensor(DType::kFloat32, {3});
  RunState state;
  state.step = 12;
  c.state = to_json(state);
  c.facts["version"] = "1";
  return c;
}

}  // namespace

TEST_CASE("a self-contained run has its model inside and means the same from any folder") {
  const TestFolder folder;
  const RunSpec spec = load_run_spec(put_run(folder.path), {"training.epochs=4"});
  const spec::Node node = self_contained(spec);
  CHECK(*node.find("model") == spec::parse_yaml(kModel, "net.yaml"));
  const spec::Node& data = *node.find("data");
  CHECK(data.find("train")->find("x")->find("x")->as_string() == folder / "data/x.npy");
  CHECK(data.find("validation")->find("path")->as_string() == folder / "configs/val.csv");
  CHECK(data.find("test")->find("images")->as_string() == "/abs/images");
  CHECK(data.find("test")->find("labels")->as_string() == folder / "configs/labels");
  CHECK(node.find("training")->find("initial_weights")->as_string() == folder / "configs/first.npz");
  CHECK(node.find("training")->find("epochs")->as_int() == 4);
  CHECK(node.find("output")->as_string() == "runs/run");

  // What was a plain ${ stays one, however often the text is read and written.
  const RunSpec again = parse_run_spec(spec::to_yaml(node), "/elsewhere/x.ckpt.h5");
  CHECK(again.resolved.find("data")->find("train")->find("y")->as_string() == folder / "configs/y${v}.npy");
  CHECK(self_contained(again) == node);
  CHECK(again.training.epochs == 4);
  CHECK(again.training.seed == 7);
  CHECK(again.model.layers.size() == 1);
}

TEST_CASE("the model of a run is what was read at the start, whatever becomes of its file") {
  const TestFolder folder;
  const RunSpec spec = load_run_spec(put_run(folder.path), {});
  fs::remove(folder / "models/net.yaml");
  CHECK(*self_contained(spec).find("model") == spec::parse_yaml(kModel, "net.yaml"));
}

TEST_CASE("kinds of model files") {
  const TestFolder folder;
  const std::string run = put_run(folder.path);
  CHECK(load_model(run).kind == ModelFileKind::kRunFile);
  CHECK(load_model(run, {"training.seed=3"}).run->training.seed == 3);
  const LoadedModel model = load_model(folder / "models/net.yaml");
  CHECK(model.kind == ModelFileKind::kModelFile);
  CHECK_FALSE(model.trained());
  CHECK_FALSE(model.run.has_value());
  CHECK_THROWS_AS(load_model(folder / "models/net.yaml", {"training.seed=3"}), UserError);
}

TEST_CASE("untrained models get the initial values of their seed") {
  const TestFolder folder;
  const std::string run = put_run(folder.path), none = "training.initial_weights=''";
  const LoadedModel a = load_model(run, {none}), b = load_model(run, {none, "training.seed=8"});
  const Program program = build_inference_program(a.model);
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  ParameterStore first(*backend), second(*backend), other(*backend);
  set_parameters(a, program, first);
  set_parameters(a, program, second);
  set_parameters(b, program, other);
  CHECK(bit_equal(first.get("head/kernel"), second.get("head/kernel")));
  CHECK_FALSE(bit_equal(first.get("head/kernel"), other.get("head/kernel")));
}

TEST_CASE("a run file's own initial weights come before those of its seed") {
  const TestFolder folder;
  const LoadedModel loaded = load_model(put_run(folder.path));
  const Program program = build_inference_program(loaded.model);
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  ParameterStore store(*backend);
  CHECK_THROWS_AS(set_parameters(loaded, program, store), Error);  // no such file
  const std::string weights = folder / "configs/first.npz";
  const Tensor kernel = Tensor::from<float>({2, 3}, std::vector<float>{1, 2, 3, 4, 5, 6}), bias(DType::kFloat32, {3});
  write_npz(weights, {{"head/kernel", kernel.cast(DType::kFloat64)}, {"head/bias", bias}});
  set_parameters(loaded, program, store);
  CHECK(bit_equal(store.get("head/kernel"), kernel));
  write_npz(weights, {{"head/kernel", kernel}});
  CHECK_THROWS_WITH_AS(set_parameters(loaded, program, store), doctest::Contains("has no array 'head/bias'"), UserError);
  write_npz(weights, {{"head/kernel", bias}, {"head/bias", bias}});
  CHECK_THROWS_WITH_AS(set_parameters(loaded, program, store), doctest::Contains("'head/kernel' has shape [3]"), UserError);
}

TEST_CASE("checkpoints: a file, the folder of a run, the folder of its checkpoints; the best before the newest") {
  const TestFolder folder;
  const Checkpoint checkpoint = make_checkpoint(load_run_spec(put_run(folder.path), {}));
  fs::create_directories(folder / "run/checkpoints");
  CheckpointFolder checkpoints(folder / "run/checkpoints", 3);
  checkpoints.prepare();
  checkpoints.save(11, checkpoint);
  const std::string newest = checkpoints.save(12, checkpoint);
  for (const std::string& path : {newest, folder / "run", folder / "run/checkpoints"}) {
    const LoadedModel loaded = load_model(path);
    CHECK(loaded.trained());
    CHECK(loaded.origin == newest);
    CHECK(loaded.state.step == 12);
    CHECK(loaded.facts.at("version") == "1");
    CHECK(loaded.run->training.seed == 7);
    const std::unique_ptr<Backend> backend = make_cpu_backend();
    ParameterStore store(*backend);
    set_parameters(loaded, build_inference_program(loaded.model), store);
    CHECK(store.get("head/kernel").at(5) == 6);
  }
  const std::string best = checkpoints.save_best(checkpoint);
  CHECK(load_model(folder / "run").origin == best);
}

TEST_CASE("parameters that do not fit the model are refused") {
  const TestFolder folder;
  Checkpoint checkpoint = make_checkpoint(load_run_spec(put_run(folder.path), {}));
  const std::string path = folder / "a.ckpt.h5";
  const std::unique_ptr<Backend> backend = make_cpu_backend();
  const auto set = [&] {
    write_checkpoint(path, checkpoint);
    const LoadedModel loaded = load_model(path);
    ParameterStore store(*backend);
    set_parameters(loaded, build_inference_program(loaded.model), store);
  };
  CHECK_NOTHROW(set());
  checkpoint.parameters["head/bias"] = Tensor(DType::kFloat32, {4});
  CHECK_THROWS_WITH_AS(set(), doctest::Contains("'head/bias' has shape [4], its model needs [3]"), FileError);
  checkpoint.parameters.erase("head/bias");
  CHECK_THROWS_WITH_AS(set(), doctest::Contains("has no parameter 'head/bias'"), FileError);
}

TEST_CASE("what is no model is refused with what is allowed") {
  const TestFolder folder;
  CHECK(error_of(folder / "nothing", ExitCode::kUsage).find("does not exist") != std::string::npos);
  CHECK(error_of(folder.path, ExitCode::kUsage).find("a folder without checkpoints") != std::string::npos);
  put(folder / "b.bin", "\x80\x02 and more");
  CHECK(error_of(folder / "b.bin", ExitCode::kBadFile).find("looks like a PyTorch file") != std::string::npos);
  put(folder / "c.tflite", "");
  CHECK(error_of(folder / "c.tflite", ExitCode::kBadFile).find("not supported") != std::string::npos);
  put(folder / "d.yaml", "just text\n");
  CHECK(error_of(folder / "d.yaml", ExitCode::kUsage).find("d.yaml:1:1") != std::string::npos);
}
