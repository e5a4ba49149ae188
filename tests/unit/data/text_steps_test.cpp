// Steps that make numbers of texts: the encoders against real Keras (text_steps.yaml, made by make_text_golden.py), and fields of texts
// from the files of each format to the samples of each part.
#include "data/text_steps.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstring>

#include "data/text_encoder.h"
#include "data/text_store.h"
#include "helpers.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::test;

namespace {

std::unique_ptr<TextEncoder> make(const std::string& name, const spec::Node& config) {
  spec::Problems problems;
  spec::Reader reader(config, name, problems);
  auto encoder = make_text_encoder(name, reader);
  reader.finish();
  problems.throw_if_any();
  return encoder;
}

std::vector<double> encode(const TextEncoder& encoder, const std::vector<std::string>& texts) {
  const Dims dims = encoder.output({static_cast<int64_t>(texts.size())});
  std::vector<std::byte> row(static_cast<size_t>(4 * element_count(dims)));
  encoder.encode(texts, row.data());
  std::vector<double> values;
  for (size_t i = 0; i < row.size(); i += 4) {
    float real = 0;
    int32_t number = 0;
    std::memcpy(&real, row.data() + i, 4);
    std::memcpy(&number, row.data() + i, 4);
    values.push_back(encoder.dtype() == DType::kInt32 ? number : real);
  }
  return values;
}

std::vector<std::string> strings_of(const spec::Node& list) {
  std::vector<std::string> strings;
  for (const spec::Node& item : list.items()) strings.push_back(item.as_string());
  return strings;
}

const std::string kReviews =
    "text,town,n,y\n\"Good, good film\",Rome,1,pos\nbad film,Oslo,2,neg\ngood,Rome,3,pos\n\"bad, bad\",Lima,4,neg\n";

}  // namespace

TEST_CASE("texts become Keras's numbers") {
  const spec::Node golden = spec::load_yaml("tests/unit/data/text_steps.yaml");
  REQUIRE(golden.find("cases")->items().size() > 25);
  for (const spec::Node& c : golden.find("cases")->items()) {
    const std::string name = c.find("class")->as_string(), config_text = spec::to_yaml(*c.find("config"));
    CAPTURE(name);
    CAPTURE(config_text);
    spec::Node config = *c.find("config");
    auto encoder = make(name, config);
    if (encoder->learns()) {
      for (const spec::Node& texts : c.find("texts")->items()) encoder->learn(strings_of(texts));
      const spec::Node keys = encoder->learned();
      CHECK(strings_of(*keys.find("vocabulary")) == strings_of(*c.find("vocabulary")));
      for (const auto& [key, value] : keys.entries()) config.set(key, value);
      encoder = make(name, config);
    }
    CHECK(!encoder->learns());
    Dims shape;
    for (const spec::Node& size : c.find("shape")->items()) shape.push_back(size.as_int());
    size_t at = 0;
    const std::vector<spec::Node>& wanted = c.find("values")->items();
    for (const spec::Node& texts : c.find("texts")->items()) {
      const std::vector<std::string> strings = strings_of(texts);
      CHECK(encoder->output({static_cast<int64_t>(strings.size())}) == shape);
      for (const double v : encode(*encoder, strings)) {
        REQUIRE(at < wanted.size());
        CHECK(v == doctest::Approx(wanted[at++].as_double()).epsilon(1e-6));
      }
    }
    CHECK(at == wanted.size());
  }
}

TEST_CASE("a store gives each text back") {
  TextStore store;
  const std::vector<std::string> texts = {"", "a", std::string(100'000, 'x'), "\xC3\xBC\n", ""};
  for (size_t i = 0; i < texts.size(); ++i) CHECK(store.append(texts[i]) == static_cast<int32_t>(i));
  store.finish();
  for (size_t i = texts.size(); i-- > 0;) CHECK(store.read(static_cast<int32_t>(i)) == texts[i]);
}

TEST_CASE("a CSV column of texts: learned from the training part, the same for other parts") {
  const TestFolder folder;
  folder.write("r.csv", kReviews);
  folder.write("v.csv", "text,town,n,y\ngood news,Bern,5,pos\n");
  const DataSpec spec = parse_data(
      "train: {path: r.csv, columns: {x: {words: text, town: town, n: n}, y: y}}\nvalidation: {path: v.csv, columns: {x: {words: text, "
      "town: "
      "town, n: n}, y: y}}\npreprocess: {words: [TextVectorization: {output_sequence_length: 3}], town: [StringLookup: {output_mode: "
      "one_hot}]}\n",
      folder.path);
  const Data data = open_data(spec);
  const std::vector<Tensor> train = gather_all(*data.train), validation = gather_all(*data.validation);
  // good 3, bad 3, film 2: of equal counts the later one by bytes first
  CHECK(numbers(train[0]) == std::vector<double>{2, 2, 4, 3, 4, 0, 2, 0, 0, 3, 3, 0});
  CHECK(train[0].dtype() == DType::kInt32);
  CHECK(train[1].dims() == Dims{4, 4});  // [UNK], Rome, Oslo, Lima
  CHECK(numbers(train[1]) == std::vector<double>{0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1});
  CHECK(numbers(validation[0]) == std::vector<double>{2, 1, 0});
  CHECK(numbers(validation[1]) == std::vector<double>{1, 0, 0, 0});
  CHECK(has(spec::to_yaml(data.preprocessing.steps), "vocabulary"));
  // As a checkpoint keeps it.
  spec::Problems problems;
  const Preprocessing kept = read_preprocessing(spec::parse_yaml(spec::to_yaml(to_node(data.preprocessing)), "p.yaml"), "p", problems);
  problems.throw_if_any();
  const Data again = open_data(spec, &kept);
  CHECK(numbers(gather_all(*again.train)[0]) == numbers(train[0]));
  const DatasetPtr live = open_part(*spec.validation.source, kept, true);
  CHECK(numbers(gather_all(*live)[0]) == std::vector<double>{2, 1, 0});
}

TEST_CASE("samples that are split off teach nothing") {
  const TestFolder folder;
  folder.write("r.csv", kReviews);
  const Data data = open_data(parse_data(
      "train: {path: r.csv, columns: {x: town, y: y}}\nvalidation: {split: 0.25, by: last}\npreprocess: [StringLookup]\n", folder.path));
  CHECK(numbers(gather_all(*data.train)[0]) == std::vector<double>{1, 2, 1});
  CHECK(numbers(gather_all(*data.validation)[0]) == std::vector<double>{0});
}

TEST_CASE("columns of a field are crossed") {
  const TestFolder folder;
  folder.write("r.csv", kReviews);
  const Data data = open_data(
      parse_data("train: {path: r.csv, columns: {x: [town, n], y: y}}\npreprocess: [HashedCrossing: {num_bins: 100}]\n", folder.path));
  const Tensor bins = gather_all(*data.train)[0];
  CHECK(bins.dims() == Dims{4, 1});
}

TEST_CASE("texts of JSON lines and of text files") {
  const TestFolder folder;
  folder.write("r.jsonl", "{\"t\": \"a b a\", \"k\": 7}\n{\"t\": \"b c\", \"k\": 7}\n");
  const Data records = open_data(
      parse_data("train: {path: r.jsonl, x: {t: t, k: k}}\npreprocess: {t: [TextVectorization: {output_mode: count}], k: [StringLookup]}\n",
                 folder.path));
  const std::vector<Tensor> values = gather_all(*records.train);
  CHECK(numbers(values[0]) == std::vector<double>{0, 1, 2, 0, 0, 1, 0, 1});  // [UNK], b, a, c
  CHECK(numbers(values[1]) == std::vector<double>{1, 1});
  folder.write("r.txt", "one two\ntwo\n");
  const Data lines = open_data(
      parse_data("train: {path: r.txt, format: text}\npreprocess: [TextVectorization: {output_sequence_length: 2}]\n", folder.path));
  CHECK(numbers(gather_all(*lines.train)[0]) == std::vector<double>{3, 2, 2, 0});
}

TEST_CASE("missing texts by policy") {
  const TestFolder folder;
  folder.write("m.csv", "t,y\nRome,1\n,2\nOslo,3\n");
  const auto open = [&](const std::string& policy) {
    return open_data(parse_data("train: {path: m.csv, columns: {x: t, y: y}" + policy + "}\npreprocess: [StringLookup: {mask_token: ''}]\n",
                                folder.path));
  };
  CHECK(has(error_of([&] { open(""); }), "m.csv:3:1: missing text; say missing: drop, or zero for the empty text"));
  CHECK(open(", missing: drop").train->size() == 2);
  CHECK(numbers(gather_all(*open(", missing: zero").train)[0]) == std::vector<double>{2, 0, 3});
}

TEST_CASE("steps of texts that do not fit") {
  const TestFolder folder;
  folder.write("r.csv", kReviews);
  const auto error = [&](const std::string& columns, const std::string& steps) {
    const std::string train = "train: {path: r.csv, columns: " + columns + "}\npreprocess: " + steps + "\n";
    const std::string text = error_of([&] { gather_all(*open_data(parse_data(train, folder.path)).train); });
    return text;
  };
  CHECK(has(error("{x: n, y: y}", "[TextVectorization: {}]"), "output_sequence_length: is missing"));
  CHECK(has(error("{x: n, y: y}", "[TextVectorization: {output_mode: count, output_sequence_length: 3}]"), "needs output_mode 'int'"));
  CHECK(has(error("{x: n, y: y}", "[StringLookup: {vocabulary: [a, a]}]"), "has 'a' twice"));
  CHECK(has(error("{x: n, y: y}", "[StringLookup: {vocabulary: [a, b], max_tokens: 2}]"), "is less than the size of the vocabulary, 3"));
  CHECK(has(error("{x: n, y: y}", "[StringLookup, StringLookup]"), "stands alone"));
  CHECK(has(error("{x: n, y: y}", "[RandomFlip, StringLookup]"), "comes first, alone"));
  CHECK(has(error("{x: n, y: y}", "[StringLooking]"), "did you mean 'StringLookup'"));
  CHECK(has(error("{x: n, y: y}", "{z: [StringLookup]}"), "no field 'z'"));
  CHECK(has(error("{x: n, y: y}", "{y: [StringLookup]}"), "and no text"));
  CHECK(has(error("{x: [text, town], y: y}", "[TextVectorization: {output_mode: count}]"), "splits one text of a sample, not 2"));
  CHECK(has(error("{x: town, y: y}", "[HashedCrossing: {num_bins: 3}]"), "crosses two or more columns"));
  CHECK(has(error("{x: town, y: y}", "[StringLookup: {vocabulary: [Rome], num_oov_indices: 0}]"), "'Oslo' is not in the vocabulary"));
  CHECK(has(error("{x: town, y: n}", "[]"), "for text use a step of data.preprocess (StringLookup)"));
}
