#include "data/config.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "data/loader.h"
#include "helpers.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::test;

namespace {

std::string csv_rows(int n) {
  std::string text;
  for (int i = 0; i < n; ++i) text += std::to_string(i) + "," + std::to_string(100 + 3 * i) + "," + (i % 2 ? "b" : "a") + "\n";
  return text;
}

std::vector<double> first_column(const DatasetPtr& data) {
  std::vector<double> column;
  const Tensor x = gather_all(*data)[0];
  for (int64_t i = 0; i < x.dims()[0]; ++i) column.push_back(x.at(i * x.dims()[1]));
  return column;
}

}  // namespace

TEST_CASE("data section: every problem at once, with place and path") {
  const std::string all = problems_of(
      "train: {format: csv, path: a.csv, heade: false, missing: maybe, columns: {x: [-1], z: 3}, delimiter: ab, classes: true}\n"
      "validation: {split: 1.5}\n"
      "test: {split: 0.1, by: first}\n"
      "workers: -1\n"
      "shufle: true\n");
  CHECK(has(all, "run.yaml:1:35: data.train.heade"));
  CHECK(has(all, "'header'"));
  CHECK(has(all, "data.train.missing"));
  CHECK(has(all, "data.train.columns.x: expected a column name or a column number from 0"));
  CHECK(has(all, "data.train.columns.z"));
  CHECK(has(all, "data.train.delimiter: expected one character"));
  CHECK(has(all, "data.train.classes: needs exactly one target column, found 0"));
  CHECK(has(all, "data.validation.split"));
  CHECK(has(all, "data.test.by"));
  CHECK(has(all, "run.yaml:4:10: data.workers"));
  CHECK(has(all, "data.shufle"));
  CHECK(has(problems_of("{}"), "data.train: required"));
  CHECK(has(
      problems_of("train: {path: a.xyz}"),
      "data.train.format: required here; one of csv, idx, npy, npz, hdf5, images, webdataset, jsonl, tfrecord, text, audio, synthetic"));
  CHECK(has(problems_of("train: {format: csw, path: a}"), "data.train.format"));
  CHECK(has(problems_of("train: {format: csv, path: a, header: false, columns: {x: [name]}}"), "columns are named, but header: false"));
  CHECK(has(problems_of("train: {format: csv, path: a, window: {length: 0}}"), "data.train.window.length"));
  CHECK(has(problems_of("train: {format: csv, path: a, window: {length: 3}, missing: drop}"), "drop would tear holes"));
  CHECK(has(problems_of("train: {format: images, path: a, corrupt: skip}"), "data.train.size: required with corrupt: skip"));
  CHECK(has(problems_of("train: {format: idx, images: a, rescale: 1/0}"), "'1/0' is not a number"));
  CHECK(has(problems_of("train: {format: csv, path: a, columns: {y: 1}, classes: [a, b, a]}"), "class 'a' is listed twice"));
  CHECK(has(problems_of("{train: {path: a.csv}, validation: {split: 0.5}, test: {split: 0.5}}"), "nothing for training"));
  CHECK(has(problems_of("{train: {path: a.csv}, standardize: [x], normalize: [x]}"), "'x' is standardized already"));
  CHECK(problems_of("{train: {path: a.csv, rescale: 0.5}, validation: {path: b.csv.gz}}").empty());
}

TEST_CASE("data section: splits are disjoint, complete, and a function of the seed") {
  const TestFolder folder;
  folder.write("t.csv", csv_rows(50));
  const auto open = [&](const std::string& keys) {
    return open_data(parse_data("{train: {path: t.csv, header: false, columns: {y: 2}}, " + keys + "}", folder.path));
  };
  const Data data = open("validation: {split: 0.2}, test: {split: 0.1}");
  CHECK(data.train->size() == 35);
  CHECK(data.validation->size() == 10);
  CHECK(data.test->size() == 5);
  std::vector<double> all = first_column(data.train), validation = first_column(data.validation), test = first_column(data.test);
  all.insert(all.end(), validation.begin(), validation.end());
  all.insert(all.end(), test.begin(), test.end());
  std::sort(all.begin(), all.end());
  for (int i = 0; i < 50; ++i) CHECK(all[static_cast<size_t>(i)] == i);
  CHECK(validation != std::vector<double>{40, 41, 42, 43, 44, 45, 46, 47, 48, 49});
  CHECK(first_column(open("validation: {split: 0.2}, test: {split: 0.1}").validation) == validation);
  CHECK(first_column(open("validation: {split: 0.2}, test: {split: 0.1}, seed: 1").validation) != validation);
  const Data last = open("validation: {split: 0.2, by: last}, test: {split: 0.1, by: last}");
  CHECK(first_column(last.validation) == std::vector<double>{35, 36, 37, 38, 39, 40, 41, 42, 43, 44});
  CHECK(first_column(last.test) == std::vector<double>{45, 46, 47, 48, 49});
  CHECK(data.preprocessing.class_names() == std::vector<std::string>{"a", "b"});
  CHECK(has(error_of([&] { open("validation: {split: 0.001}"); }),
            "splitting 50 samples leaves 50 for training, 0 for validation, 0 for test; every part needs one"));
}

TEST_CASE("data section: statistics come from the training part only and can be undone") {
  const TestFolder folder;
  folder.write("t.csv", csv_rows(50));
  folder.write("u.csv", "1000,7,a\n");
  const std::string source = "{path: t.csv, header: false, columns: {x: [0, 1], y: 2}}";
  const Data data = open_data(parse_data(
      "{train: " + source +
          ", validation: {split: 0.2, by: last}, test: {path: u.csv, header: false, columns: {x: [0, 1], y: 2}}, standardize: [x]}",
      folder.path));
  const FieldScaling* s = data.preprocessing.find("x");
  REQUIRE(s);
  CHECK(s->center == std::vector<double>{19.5, 158.5});  // of 0..39 and 100..217
  CHECK(std::abs(1 / s->scale[0] - std::sqrt((40.0 * 40 - 1) / 12)) < 1e-12);
  CHECK(s->fill.empty());
  const std::vector<double> x = first_column(data.train);
  double mean = 0, square = 0;
  for (const double v : x) mean += v / 40, square += v * v / 40;
  CHECK(std::abs(mean) < 1e-6);
  CHECK(std::abs(square - 1) < 1e-6);
  CHECK(first_column(data.test)[0] == doctest::Approx((1000 - 19.5) * s->scale[0]));
  const Tensor back = undo_scaling(gather_all(*data.validation)[0], *s);
  CHECK(undo_scaling(gather_all(*data.validation)[0].cast(DType::kBFloat16), *s).dtype() == DType::kFloat32);
  for (int i = 0; i < 10; ++i) CHECK(back.at(2 * i) == doctest::Approx(40 + i).epsilon(1e-5));

  const Data normalized = open_data(parse_data("{train: " + source + ", normalize: [x]}", folder.path));
  CHECK(first_column(normalized.train)[49] == 1);
  CHECK(first_column(normalized.train)[0] == 0);
  CHECK(has(error_of([&] { open_data(parse_data("{train: " + source + ", normalize: [y]}", folder.path)); }),
            "field 'y' holds class numbers and cannot be scaled"));
  CHECK(has(error_of([&] { open_data(parse_data("{train: " + source + ", normalize: [z]}", folder.path)); }),
            "data.normalize: no field 'z'"));
}

TEST_CASE("data section: missing: mean is the training part's mean; constant columns stay finite") {
  const TestFolder folder;
  folder.write("t.csv", "1,5\n3,5\n,5\n100,\n");
  const Data data =
      open_data(parse_data("{train: {path: t.csv, header: false, missing: mean}, validation: {split: 0.25, by: last}}", folder.path));
  CHECK(numbers(gather_all(*data.train)[0]) == std::vector<double>{1, 5, 3, 5, 2, 5});
  CHECK(numbers(gather_all(*data.validation)[0]) == std::vector<double>{100, 5});
  const Data scaled = open_data(parse_data(
      "{train: {path: t.csv, header: false, missing: mean}, validation: {split: 0.25, by: last}, standardize: [x]}", folder.path));
  CHECK(numbers(gather_all(*scaled.train)[0]) == std::vector<double>{-1, 0, 1, 0, 0, 0});
}

TEST_CASE("data section: what was learned survives a checkpoint and serves predict") {
  const TestFolder folder;
  folder.write("t.csv", csv_rows(20));
  folder.write("new.csv", "3,109\n");
  const std::string source = "{path: t.csv, header: false, columns: {x: [0, 1], y: 2}}";
  const DataSpec spec = parse_data("{train: " + source + ", validation: {split: 0.2}, standardize: [x]}", folder.path);
  const Data data = open_data(spec);
  spec::Problems problems;
  const spec::Node saved = spec::parse_yaml(spec::to_yaml(to_node(data.preprocessing)), "saved");
  const Preprocessing back = read_preprocessing(saved, "preprocessing", problems);
  problems.throw_if_any();
  CHECK(back.scalings == data.preprocessing.scalings);  // to the bit
  CHECK(back.class_names() == data.preprocessing.class_names());
  CHECK(back.fields[0].dims == Dims{2});
  const Data again = open_data(spec, &back);
  CHECK(bit_equal(gather_all(*again.validation)[0], gather_all(*data.validation)[0]));

  const spec::Node other = with_path(spec::parse_yaml(source, "run.yaml"), "new.csv");
  const auto input = parse_source(other, "data.train", folder.path, problems);
  const DatasetPtr predict = open_part(*input, back, true);
  CHECK(predict->fields().size() == 1);
  CHECK(gather_all(*predict)[0].at(0) == static_cast<float>((3 - back.find("x")->center[0]) * back.find("x")->scale[0]));
  folder.write("wide.npz", read_text(kFiles + "stored.npz"));
  const auto wide = parse_source(spec::parse_yaml("{path: wide.npz}", "run.yaml"), "in", folder.path, problems);
  CHECK(has(error_of([&] { open_part(*wide, back, true); }), "2: field 'x' is float32 [3, 4] here, but float32 [2] in training"));
  CHECK(has(error_of([&] {
              read_preprocessing(spec::parse_yaml("{fields: 3}", "s"), "p", problems);
              problems.throw_if_any();
            }),
            "p.fields"));
}

TEST_CASE("synthetic: repeatable, separable, and as its keys say") {
  const auto open = [](const std::string& keys) { return open_source("{format: synthetic, samples: 300, " + keys + "}", "").dataset; };
  const DatasetPtr blobs = open("shape: [4], classes: 3, seed: 9");
  CHECK(blobs->fields()[1].classes.size() == 3);
  const std::vector<Tensor> a = gather_all(*blobs), b = gather_all(*open("shape: [4], classes: 3, seed: 9")),
                            c = gather_all(*open("shape: [4], classes: 3, seed: 10"));
  CHECK(bit_equal(a[0], b[0]));
  CHECK(!bit_equal(a[0], c[0]));
  double mean[3][4] = {}, count[3] = {};
  for (int64_t i = 0; i < 300; ++i) {
    const auto k = static_cast<size_t>(a[1].at(i));
    ++count[k];
    for (size_t e = 0; e < 4; ++e) mean[k][e] += a[0].at(4 * i + static_cast<int64_t>(e));
  }
  double deviation = 0;
  for (int64_t i = 0; i < 300; ++i)
    for (size_t e = 0; e < 4; ++e) {
      const auto k = static_cast<size_t>(a[1].at(i));
      deviation += std::pow(a[0].at(4 * i + static_cast<int64_t>(e)) - mean[k][e] / count[k], 2) / 1200;
    }
  CHECK(deviation == doctest::Approx(1).epsilon(0.15));  // noise: 1 around each class center
  for (const double n : count) CHECK(n > 60);
  const DatasetPtr sine = open("pattern: sine, shape: [16, 1], noise: 0");
  CHECK(sine->fields()[1].dims == Dims{1});
  for (const double v : numbers(gather_all(*sine)[0])) CHECK(std::abs(v) <= 1);
  CHECK(open("pattern: random, shape: [2, 2, 1]")->fields()[0].dims == Dims{2, 2, 1});
}

TEST_CASE("digits ship with the project") {
  const Data data = open_data(parse_data(
      "{train: {path: configs/data/digits.csv.gz, columns: {y: label}, classes: 10, shape: [8, 8, 1], rescale: 1/16}, test: {split: 0.2}}",
      ""));
  CHECK(data.train->size() == 1438);
  CHECK(data.test->size() == 359);
  CHECK(data.train->fields()[0].dims == Dims{8, 8, 1});
  CHECK(data.preprocessing.class_names().size() == 10);
  const std::vector<Tensor> train = gather_all(*data.train), test = gather_all(*data.test);
  int64_t per_class[10] = {};
  double sum = 0;
  for (const auto* part : {&train, &test}) {
    for (const double y : numbers((*part)[1])) ++per_class[static_cast<int>(y)];
    for (const double x : numbers((*part)[0])) {
      sum += x * 16;
      CHECK((x >= 0 && x <= 1));
    }
  }
  CHECK(std::vector<int64_t>(per_class, per_class + 10) ==
        std::vector<int64_t>{178, 182, 177, 183, 181, 182, 181, 179, 174, 180});  // UCI's table
  CHECK(sum == 561718);
}
