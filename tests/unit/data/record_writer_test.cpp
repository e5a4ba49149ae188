#include "data/record_writer.h"

#include <doctest/doctest.h>

#include <cmath>

#include "data/npy.h"
#include "helpers.h"

using namespace dl;
using namespace dl::test;

namespace {

const std::vector<float> kProbabilities = {0.1f, 0.9f, 1e-30f, NAN, 3.0f, -INFINITY};

std::string written(const std::string& format) {
  const TestFolder folder;
  const std::string path = folder / ("out." + format);
  const auto writer = make_record_writer(path, format, {{"class", {}, {"a,b", "c\"d"}}, {"p", {2}, {}}, {"n", {}, {}}});
  const Tensor p = Tensor::from<float>({3, 2}, kProbabilities);
  const Tensor k = Tensor::from<int32_t>({3}, std::vector<int32_t>{0, 1, 0});
  const Tensor n = Tensor::from<int64_t>({3}, std::vector<int64_t>{1, -9007199254740993, 3});
  writer->append(std::vector<Tensor>{k.rows(0, 2), p.rows(0, 2), n.rows(0, 2)});
  CHECK(!std::filesystem::exists(path));
  writer->append(std::vector<Tensor>{k.rows(2, 3), p.rows(2, 3), n.rows(2, 3)});
  writer->close();
  return read_text(path);
}

}  // namespace

TEST_CASE("records: csv") {
  CHECK(written("csv") == "class,p_0,p_1,n\n\"a,b\",0.1,0.9,1\n\"c\"\"d\",1e-30,nan,-9007199254740993\n\"a,b\",3,-inf,3\n");
}

TEST_CASE("records: jsonl") {
  CHECK(written("jsonl") ==
        "{\"class\": \"a,b\", \"p\": [0.1, 0.9], \"n\": 1}\n"
        "{\"class\": \"c\\\"d\", \"p\": [1e-30, null], \"n\": -9007199254740993}\n"
        "{\"class\": \"a,b\", \"p\": [3, null], \"n\": 3}\n");
}

TEST_CASE("records: times are text") {
  const TestFolder folder;
  for (const char* format : {"csv", "jsonl"}) {
    const auto writer = make_record_writer(folder / "t", format, {{"from", {}, {}, true}});
    writer->append(std::vector<Tensor>{Tensor::from<int64_t>({1}, std::vector<int64_t>{951827696})});
    writer->close();
    CHECK(read_text(folder / "t") == (format[0] == 'c' ? "from\n2000-02-29 12:34:56\n" : "{\"from\": \"2000-02-29 12:34:56\"}\n"));
  }
}

TEST_CASE("records: npz and npy") {
  const std::string npz = written("npz");
  const NamedTensors arrays = read_npz(bytes_of(npz), "t");
  REQUIRE(arrays.size() == 3);
  CHECK(arrays[0].second.dtype() == DType::kInt32);
  CHECK(bit_equal(arrays[1].second, Tensor::from<float>({3, 2}, kProbabilities)));
  const TestFolder folder;
  const auto writer = make_record_writer(folder / "o.npy", "npy", {{"p", {2}, {}}});
  writer->append(std::vector<Tensor>{Tensor::from<float>({3, 2}, kProbabilities)});
  writer->close();
  CHECK(bit_equal(read_npy(folder / "o.npy"), Tensor::from<float>({3, 2}, kProbabilities)));
  CHECK(error_of([&] {
          make_record_writer(folder / "o.npy", "npy", {{"a", {}, {}}, {"b", {}, {}}});
        }).find("holds one output, here are 2; write .npz") != std::string::npos);
  CHECK(error_of([&] { make_record_writer("o.xml", "xml", {}); }).find("use csv, jsonl, npy or npz") != std::string::npos);
  CHECK(record_format_of("a/b.jsonl") == "jsonl");
  CHECK(record_format_of(".csv") == "csv");
  CHECK(record_format_of("csv").empty());
}
