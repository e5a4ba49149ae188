#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "data/split.h"
#include "data/stored.h"
#include "data/timestamp.h"
#include "helpers.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::test;

namespace {

// Hours from `hour` of 2020-01-01 on, and values begin, begin + 1, ...
std::string hours(int hour, int begin, int count) {
  std::string text = "time,v,w\n";
  for (int i = 0; i < count; ++i)
    text += "2020-01-0" + std::to_string(1 + (hour + i) / 24) + " " + ((hour + i) % 24 < 10 ? "0" : "") + std::to_string((hour + i) % 24) +
            ":00:00," + std::to_string(begin + i) + "," + std::to_string(10 * (begin + i)) + "\n";
  return text;
}

std::vector<double> x_of(const DatasetPtr& dataset) { return numbers(gather_all(*dataset)[0]); }
std::vector<double> y_of(const DatasetPtr& dataset) { return numbers(gather_all(*dataset)[1]); }

}  // namespace

TEST_CASE("series: several files are several series, gap, horizon and stride") {
  const TestFolder folder;
  folder.write("a.csv", hours(0, 1, 6));
  folder.write("b.csv", hours(0, 101, 5));
  const OpenedSource opened =
      open_source("{path: [a.csv, b.csv], columns: {x: v, y: w}, window: {length: 2, gap: 1, horizon: 1, stride: 2}}", folder.path);
  CHECK(x_of(opened.dataset) == std::vector<double>{1, 2, 3, 4, 101, 102});
  CHECK(y_of(opened.dataset) == std::vector<double>{40, 60, 1040});
  const OpenedSource all = open_source("{path: \"*.csv\", columns: {x: v}, window: {length: 3}}", folder.path);
  CHECK(x_of(all.dataset) == std::vector<double>{1, 2, 3, 2, 3, 4, 3, 4, 5, 101, 102, 103, 102, 103, 104});
  CHECK(y_of(all.dataset) == std::vector<double>{4, 5, 6, 104, 105});
  const std::vector<Field> trained = all.dataset->fields();
  CHECK(open_source("{path: \"*.csv\", columns: {x: v}, window: {length: 3}}", folder.path, {&trained, true}).dataset->size() == 7);
  folder.write("c.csv", hours(0, 1, 3));
  CHECK(has(error_of([&] { open_source("{path: [a.csv, c.csv], columns: {x: v}, window: {length: 3}}", folder.path); }),
            "c.csv: 3 rows are too few for a window of length 3 + horizon 1"));
  folder.write("d.csv", "time,v,u\n1,2,3\n");
  CHECK(has(error_of([&] { open_source("{path: [a.csv, d.csv], columns: {x: v}}", folder.path); }),
            "d.csv:1:3: the header differs from that of"));
}

TEST_CASE("series: splits go by rows, file by file, and no window crosses") {
  const TestFolder folder;
  folder.write("a.csv", hours(0, 0, 20));
  folder.write("b.csv", hours(0, 100, 10));
  const std::string train = "{train: {path: [a.csv, b.csv], columns: {x: v}, time: time, window: {length: 2}}";
  const Data data = open_data(parse_data(train + ", validation: {split: 0.2}, test: {split: 0.3}, standardize: [x]}", folder.path));
  // a: rows 0-9 | 10-13 | 14-19; b: 100-104 | 105-106 | 107-109.
  CHECK(data.train->size() == 8 + 3);
  CHECK(data.validation->size() == 2);
  CHECK(data.test->size() == 4 + 1);
  CHECK(y_of(data.validation) == std::vector<double>{12, 13});
  CHECK(y_of(data.test) == std::vector<double>{16, 17, 18, 19, 109});
  double mean = 0;
  for (const double v : x_of(data.train)) mean += v;
  CHECK(std::abs(mean) < 1e-4);  // the scaling comes from the training windows alone
  const Data timed = open_data(parse_data(train + ", test: {after: \"2020-01-01 08:00\"}}", folder.path));
  CHECK(y_of(timed.test) == std::vector<double>{10, 11, 12, 13, 14, 15, 16, 17, 18, 19});
  CHECK(timed.train->size() == 6 + 6);
  CHECK(has(error_of([&] { open_data(parse_data(train + ", test: {split: 0.2, by: random}}", folder.path)); }),
            "2: run.yaml:1:1: a series is split by time"));
  CHECK(has(error_of([&] { open_data(parse_data(train + ", test: {after: 2021-01-01}}", folder.path)); }), "0 for test"));
  CHECK(has(error_of([&] {
              open_data(parse_data("{train: {path: a.csv, columns: {x: v}, window: {length: 2}}, test: {after: 2020-01-01}}", folder.path));
            }),
            "after: needs time:"));
  CHECK(
      has(error_of([&] { open_data(parse_data("{train: {path: a.csv, columns: {x: v, y: w}}, test: {after: 2020-01-01}}", folder.path)); }),
          "after: splits a series"));
}

TEST_CASE("series: excluded times, and windows that are their own target") {
  const TestFolder folder;
  folder.write("a.csv", hours(0, 0, 24));
  const std::string source =
      "{path: a.csv, columns: {x: v}, time: time, window: {length: 3, horizon: 0}, exclude: [[2020-01-01 05:30, 2020-01-01 07:00]]}";
  const Data data = open_data(parse_data("{train: " + source + ", reconstruct: true, standardize: [x]}", folder.path));
  CHECK(data.train->size() == 22 - 4);  // windows with row 6 or 7
  const std::vector<Tensor> all = gather_all(*data.train);
  CHECK(bit_equal(all[0], all[1]));
  REQUIRE(data.preprocessing.find("y"));
  CHECK(std::round(undo_scaling(all[1], *data.preprocessing.find("y")).at(2)) == 2);
  spec::Problems problems;
  const Preprocessing back = read_preprocessing(to_node(data.preprocessing), "p", problems);
  problems.throw_if_any();
  CHECK(back.reconstruct);
  const auto other = parse_source(spec::parse_yaml(source, "r"), "d", folder.path, problems);
  CHECK(open_part(*other, back, false)->size() == 22);  // a part of its own is scored whole
  CHECK(open_part(*other, back, true)->fields().size() == 1);
  const Data split = open_data(parse_data("{train: " + source + ", test: {split: 0.5}}", folder.path));
  CHECK(split.train->size() == 10 - 4);
  CHECK(has(error_of([&] { open_data(parse_data("{train: {path: a.csv, columns: {x: v, y: w}}, reconstruct: true}", folder.path)); }),
            "has a field y already"));
  CHECK(has(problems_of("{train: {path: a.csv, window: {length: 2}, exclude: [[1, 2]]}}"), "exclude: needs time:"));
  CHECK(has(problems_of("{train: {path: a.csv, window: {length: 2}, time: t, exclude: [[b, a]]}}"), "expected a list of pairs of times"));
  CHECK(has(problems_of("{train: {path: a.csv, time: t}}"), "needs window:"));
  CHECK(has(problems_of("{train: {path: a.csv}, test: {after: soon}}"), "expected a time such as"));
}

TEST_CASE("series: what is known of a window reaches through every decorator") {
  const TestFolder folder;
  folder.write("a.csv", hours(0, 0, 24));
  const std::string source = "{path: a.csv, columns: {x: v, y: [w, v]}, time: time, window: {length: 3, gap: 1, horizon: 2}, ";
  const Data data = open_data(parse_data(
      "{train: " + source + "anomalies: [[2020-01-01 05:30, 2020-01-01 07:00]]}, test: {split: 0.5}, standardize: [x], normalize: [y]}",
      folder.path));
  CHECK(data.train->size() == 7 - 6);  // rows 0-11 without those windows that see row 6 or 7: what is known to be wrong is not trained on
  REQUIRE(data.test->size() == 7);
  const DatasetPtr cast = cast_fields(slice(data.test, 1, 5), {DType::kFloat64, DType::kFloat32});
  const SampleOrigin origin = cast->origin(2);
  REQUIRE(origin.series);
  CHECK(origin.window == 15);
  CHECK(*origin.series->times_of(origin.window) == TimeRange{1577836800 + 15 * 3600, 1577836800 + 20 * 3600});
  std::vector<float> last(4);
  CHECK(origin.series->last_value(origin.window, 1, last));
  CHECK(last == std::vector<float>{170, 17, 170, 17});  // in the units of the data, once for each row of the target
  CHECK(!origin.series->last_value(origin.window, 0, last));
  CHECK(!origin.series->last_value(origin.window, 2, last));
  CHECK(origin.series->anomalies() == std::vector<TimeRange>{{1577836800 + 19800, 1577836800 + 25200}});
  REQUIRE(cast->scaling(0));
  CHECK(*cast->scaling(0) == *data.preprocessing.find("x"));
  CHECK(*cast->scaling(1) == *data.preprocessing.find("y"));
  CHECK(shuffle(data.test, 1, 0)->origin(0).series == origin.series);

  const std::string self = "{path: a.csv, columns: {x: v}, time: time, window: {length: 3, horizon: 0}}";
  const Data again = open_data(parse_data("{train: " + self + ", reconstruct: true, standardize: [x]}", folder.path));
  REQUIRE(again.train->scaling(1));
  CHECK(again.train->scaling(1)->center == again.preprocessing.find("x")->center);
  CHECK(!again.train->origin(0).series->last_value(0, 1, last));
  CHECK(open_source("{path: a.csv, columns: {x: v}}", folder.path).dataset->origin(0).series == nullptr);
  CHECK(!open_source("{path: a.csv, columns: {x: v}, window: {length: 3}}", folder.path).dataset->origin(0).series->times_of(0));
  CHECK(has(problems_of("{train: {path: a.csv, window: {length: 2}, anomalies: [[1, 2]]}}"), "anomalies: needs time:"));
}

TEST_CASE("series: times must be times; going back is told") {
  const TestFolder folder;
  const auto error = [&](const std::string& text) {
    folder.write("t.csv", "time,v\n" + text);
    return error_of([&] { open_source("{path: t.csv, columns: {x: v}, time: time, window: {length: 1}}", folder.path); });
  };
  CHECK(has(error("2020-01-01,1\n2020-02-30,2\n"), "t.csv:3:1: '2020-02-30' is not a time"));
  folder.write("t.csv", "time,v\n2020-01-02,1\n2020-01-01,2\n2020-01-03,3\n2020-01-03,4\n");
  const std::string yaml = "{path: t.csv, columns: {x: v}, time: time, window: {length: 1}}";
  CHECK(has(open_source(yaml, folder.path).notes.at(0), "t.csv:3:1: 1 rows are earlier than the row before them"));
  const Data after = open_data(parse_data("{train: " + yaml + ", test: {after: 2020-01-03}}", folder.path));
  CHECK(x_of(after.test) == std::vector<double>{3});
}

TEST_CASE("timestamps") {
  CHECK(parse_timestamp("1970-01-01") == 0);
  CHECK(parse_timestamp("2000-02-29 12:34:56") == 951827696);
  CHECK(parse_timestamp("2000/02/29T12:34:56.75Z") == 951827696);
  CHECK(parse_timestamp("2000-02-29 14:34+02:00") == 951827640);
  CHECK(parse_timestamp("2000-02-29T12:04:00-0030") == 951827640);
  CHECK(parse_timestamp("1949-01") == -662688000);
  CHECK(parse_timestamp("1969-12-31 23:59:59") == -1);
  CHECK(parse_timestamp("951827696.5") == 951827696);
  for (const char* bad : {"", "2001-02-29", "2000-13-01", "2000-00-10", "20-1-1", "2000-01-01 24:00", "2000-01-01 10:60", "2000-01-01x",
                          "yesterday", "2000-01-01 10:00:00.", "2000-01-01 10:00 +25:00", "nan", "1e300"})
    CHECK_MESSAGE(!parse_timestamp(bad), bad);
  for (const int64_t seconds : {int64_t{0}, int64_t{-1}, int64_t{951827696}, int64_t{-662688000}, int64_t{1} << 60})
    CHECK(parse_timestamp(timestamp_text(seconds)).value_or(seconds) == seconds);
  CHECK(timestamp_text(951827696) == "2000-02-29 12:34:56");
}

TEST_CASE("splits by class keep the shares; oversampling repeats the small classes") {
  const TestFolder folder;
  std::string text;
  for (int i = 0; i < 200; ++i) text += std::to_string(i) + (i % 20 == 0 ? ",rare\n" : i % 2 ? ",odd\n" : ",even\n");
  folder.write("t.csv", text);
  const std::string train = "{train: {path: t.csv, header: false, columns: {y: 1}}, ";
  const Data data = open_data(parse_data(train + "validation: {split: 0.2, by: class}, test: {split: 0.1, by: class}}", folder.path));
  const auto counts = [](const DatasetPtr& part) {
    std::vector<int> of(3);
    for (int64_t i = 0; i < part->size(); ++i) ++of.at(static_cast<size_t>(part->label(i, 1)));
    return of;
  };
  CHECK(counts(data.validation) == std::vector<int>{18, 20, 2});
  CHECK(counts(data.test) == std::vector<int>{9, 10, 1});
  CHECK(counts(data.train) == std::vector<int>{63, 70, 7});
  std::set<double> seen;
  for (const auto* part : {&data.train, &data.validation, &data.test})
    for (const double v : x_of(*part)) seen.insert(v);
  CHECK(seen.size() == 200);
  const Data even = open_data(parse_data(train + "test: {split: 0.3, by: class}, balance: oversample}", folder.path));
  CHECK(counts(even.train) == std::vector<int>{70, 70, 70});
  std::set<double> kept;
  for (const double v : x_of(even.train)) kept.insert(v);
  CHECK(kept.size() == 140);  // repeated, none lost
  CHECK(has(error_of([&] {
              open_data(parse_data("{train: {path: t.csv, header: false, columns: {x: 0}, missing: zero}, test: {split: 0.1, by: class}}",
                                   folder.path));
            }),
            "by: class needs a target with classes"));
}

TEST_CASE("orders and selections of very many samples take bounded memory") {
  for (const int64_t n : {1, 2, 5, 1000, 4097}) {
    const EpochOrder order(n, 3, 4, 0), other(n, 3, 5, 0);
    std::set<int64_t> seen;
    int same = 0;
    for (int64_t i = 0; i < n; ++i) {
      REQUIRE(order[i] >= 0);
      REQUIRE(order[i] < n);
      seen.insert(order[i]);
      same += order[i] == other[i];
    }
    CHECK(static_cast<int64_t>(seen.size()) == n);
    if (n >= 1000) CHECK(same < 20);
  }
  // Neighbours come far apart, and first places are as likely from anywhere: the mean of the first half is the mean of all.
  const EpochOrder large(int64_t{1} << 24, 1, 0);
  double mean = 0, step = 0;
  for (int64_t i = 0; i < 100'000; ++i) {
    mean += static_cast<double>(large[i]) / 1e5;
    step += std::abs(static_cast<double>(large[i] - large[i + 1])) / 1e5;
  }
  const double n = 1 << 24;
  CHECK(std::abs(mean / n - 0.5) < 5 * 0.29 / 316);
  CHECK(std::abs(step / n - 1.0 / 3) < 5 * 0.24 / 316);
  const EpochOrder listed(100, 7, 2);
  for (int64_t i = 0; i < 100; ++i) CHECK(listed[i] == epoch_order(100, 7, 2)[static_cast<size_t>(i)]);

  const Data numbered = open_data(parse_data("{train: {format: synthetic, samples: 3000, shape: [1]}}", ""));
  std::vector<uint64_t> bits(47, 0);
  std::vector<int64_t> chosen;
  for (int64_t i = 0; i < 3000; i += i % 7 + 1) {
    chosen.push_back(i);
    bits[static_cast<size_t>(i) / 64] |= uint64_t{1} << (i % 64);
  }
  CHECK(bit_equal(gather_all(*select_marked(numbered.train, bits))[0], gather_all(*select(numbered.train, chosen))[0]));
}

TEST_CASE("one-hot columns: values learned from the training data, and a policy for others") {
  const TestFolder folder;
  folder.write("a.csv", "town,v\nUlm,1\nBonn,2\nUlm,3\n,4\n");
  folder.write("b.csv", "town,v\nBonn,1\nKiel,2\n");
  const auto yaml = [](const std::string& file, const std::string& more) {
    return "{path: " + file + ", columns: {x: [town], y: v}, one_hot: {town: learn}, missing: zero" + more + "}";
  };
  const Data data =
      open_data(parse_data("{train: " + yaml("a.csv", "") + ", test: " + yaml("b.csv", ", unknown: zeros") + "}", folder.path));
  CHECK(x_of(data.train) == std::vector<double>{0, 1, 1, 0, 0, 1, 0, 0});
  CHECK(x_of(data.test) == std::vector<double>{1, 0, 0, 0});
  spec::Problems problems;
  const Preprocessing back = read_preprocessing(to_node(data.preprocessing), "p", problems);
  problems.throw_if_any();
  CHECK(back.fields[0].vocabularies == data.preprocessing.fields[0].vocabularies);
  CHECK(has(error_of([&] { open_data(parse_data("{train: " + yaml("a.csv", "") + ", test: " + yaml("b.csv", "") + "}", folder.path)); }),
            "b.csv:3:1: 'Kiel' is not in the column's one_hot list"));
  CHECK(has(problems_of("{train: {path: \"-\", format: csv, one_hot: {a: learn}}}"), "learn reads the data twice"));
}
