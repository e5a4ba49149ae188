#include "data/csv.h"

#include <doctest/doctest.h>

#include <clocale>
#include <cmath>

#include "data/number.h"
#include "helpers.h"

using namespace dl;
using namespace dl::test;
using Rows = std::vector<std::vector<std::string>>;

namespace {

Rows parse(const std::string& text, char delimiter = ',') {
  const auto stream = open_memory(bytes_of(text), "t.csv");
  CsvReader reader(*stream, delimiter);
  Rows rows;
  std::vector<CsvCell> cells;
  while (reader.next(cells)) {
    rows.emplace_back();
    for (const CsvCell& cell : cells) rows.back().emplace_back(cell.text);
  }
  return rows;
}

std::string csv_error(const std::string& text) {
  return error_of([&] { parse(text); });
}

// The error of reading `text` as a source with the further keys `options`.
std::string source_error(const std::string& text, const std::string& options = "header: false") {
  const TestFolder folder;
  folder.write("t.csv", text);
  std::string error = error_of([&] { open_source("{format: csv, path: t.csv, " + options + "}", folder.path); });
  const size_t at = error.find(folder.path + "/");
  return at == std::string::npos ? error : error.erase(at, folder.path.size() + 1);
}

OpenedSource source_of(const std::string& text, const std::string& options) {
  const TestFolder folder;
  folder.write("t.csv", text);
  return open_source("{format: csv, path: t.csv, " + options + "}", folder.path);
}

}  // namespace

TEST_CASE("csv: cells, quotes and line ends") {
  CHECK(parse("a,b\n1,2\n") == Rows{{"a", "b"}, {"1", "2"}});
  CHECK(parse("a,b\r\n1,2") == Rows{{"a", "b"}, {"1", "2"}});                // no line end at the end
  CHECK(parse("a\n1\r\n2\r3\n\r\n\n") == Rows{{"a"}, {"1"}, {"2"}, {"3"}});  // mixed ends, empty lines
  CHECK(parse("\xef\xbb\xbf"
              "a,b\n") == Rows{{"a", "b"}});
  CHECK(parse("\"a\"\"b\",\"c,d\",\"e\r\nf\"\n") == Rows{{"a\"b", "c,d", "e\nf"}});
  CHECK(parse(" a\t, \"b \" ,,\n") == Rows{{"a", "b ", "", ""}});
  CHECK(parse("\"\",\"\"") == Rows{{"", ""}});
  CHECK(parse("a;b\n", ';') == Rows{{"a", "b"}});
  CHECK(parse("a\t\"b\"\n", '\t') == Rows{{"a", "b"}});
  CHECK(parse("").empty());
  CHECK(parse("\xef\xbb\xbf").empty());
  CHECK(parse(",\n") == Rows{{"", ""}});
}

TEST_CASE("csv: cells that straddle the read buffer") {
  for (const size_t length : {65533u, 65534u, 65535u, 65536u, 65537u, 131072u}) {
    const std::string cell(length, 'x');
    CHECK(parse(cell + ",b\r\n\"" + cell + "\"\"\",c\r\n") == Rows{{cell, "b"}, {cell + "\"", "c"}});
  }
}

TEST_CASE("csv: errors name file, line and cell") {
  CHECK(csv_error("a,b\n1,\"2\n3") == "3: t.csv:2:2: quoted cell is never closed; add the closing quote or double a quote inside the cell");
  CHECK(csv_error("a,b\n\"1\"x,2\n") == "3: t.csv:2:1: text after the closing quote; a quote inside a quoted cell is written twice");
  CHECK(csv_error(std::string("a,b\n1,2\0\n", 9)) == "3: t.csv:2:2: NUL byte; this is not a text file");
  CHECK(csv_error("\xff\xfe"
                  "a") == "3: t.csv:1:1: UTF-16 text; convert the file to UTF-8");
  CHECK(csv_error("a\n\"l1\nl2\"\n\"x") ==
        "3: t.csv:4:1: quoted cell is never closed; add the closing quote or double a quote inside the cell");
  CHECK(csv_error("ok," + std::string(kMaxCellBytes + 1, 'x')) == "3: t.csv:1:2: cell longer than 10 MiB");
  CHECK(csv_error("1\n\"" + std::string(kMaxCellBytes + 1, 'x')) == "3: t.csv:2:1: cell longer than 10 MiB; is a closing quote missing?");
  CHECK(csv_error("1," + std::string(kMaxCellBytes, 'x')).empty());
}

TEST_CASE("csv: gzip members are read one after the other, and truncation is told") {
  const std::string two = gzip("a,b\n1,") + gzip("2\n3,4\n");
  CHECK(parse(two) == Rows{{"a", "b"}, {"1", "2"}, {"3", "4"}});
  CHECK(parse(two + std::string(512, '\0')) == Rows{{"a", "b"}, {"1", "2"}, {"3", "4"}});
  CHECK(csv_error(two + "junk") == "3: t.csv: bytes after the end of the gzip data; the file is damaged");
  for (size_t n = 2; n < two.size(); ++n) {
    if (n == gzip("a,b\n1,").size()) continue;  // a whole member: nothing tells that another should follow
    CHECK(csv_error(two.substr(0, n)) == "3: t.csv: gzip data ends early; the file is truncated");
  }
  std::string flipped = two;
  flipped[14] = static_cast<char>(flipped[14] ^ 0x55);
  CHECK(csv_error(flipped).find("damaged gzip data") != std::string::npos);
}

TEST_CASE("numbers: decimal notation only, whatever the locale") {
  const auto kind = [](std::string_view s) {
    double v = 0;
    return parse_number(s, v);
  };
  const auto value = [](std::string_view s) {
    double v = -1;
    CHECK(parse_number(s, v) == NumberKind::kNumber);
    return v;
  };
  const char* before = std::setlocale(LC_NUMERIC, "de_DE.UTF-8");
  MESSAGE("de_DE.UTF-8 ", before ? "is" : "is not", " installed");
  CHECK(value("1.5") == 1.5);
  CHECK(value("+1.5e3") == 1500);
  CHECK(value("-0") == 0);
  CHECK(value(".5") == 0.5);
  CHECK(value("5.") == 5);
  CHECK(value("1e-400") == 0);
  CHECK(value("0." + std::string(400, '0') + "1") == 0);
  CHECK(kind("1e400") == NumberKind::kTooLarge);
  CHECK(kind("0.5e400") == NumberKind::kTooLarge);
  CHECK(kind(std::string(400, '9')) == NumberKind::kTooLarge);
  for (const char* bad : {"", "1,5", "1 ", " 1", "0x10", "1e", "e5", "1_000", "--1", "+-1", "++1", "1.2.3", "abc", "+", "-"})
    CHECK(kind(bad) == NumberKind::kNotNumber);
  for (const char* bad : {"nan", "inf", "-INF", "Infinity", "NaN"}) CHECK(kind(bad) == NumberKind::kNotFinite);
  std::setlocale(LC_NUMERIC, "C");
}

TEST_CASE("csv source: columns by name and number, class targets, shapes") {
  const OpenedSource opened = source_of("id,a,b,kind\n9,1,2,dog\n9,3,4,cat\n9,5,6,dog\n", "columns: {x: [b, 1], y: kind}");
  const std::vector<Field>& fields = opened.dataset->fields();
  REQUIRE(fields.size() == 2);
  CHECK(fields[0].name == "x");
  CHECK(fields[0].dims == Dims{2});
  CHECK(fields[1].dtype == DType::kInt32);
  CHECK(fields[1].dims.empty());
  CHECK(fields[1].target);
  CHECK(fields[1].classes == std::vector<std::string>{"cat", "dog"});
  const std::vector<Tensor> all = gather_all(*opened.dataset);
  CHECK(numbers(all[0]) == std::vector<double>{2, 1, 4, 3, 6, 5});
  CHECK(numbers(all[1]) == std::vector<double>{1, 0, 1});

  const OpenedSource rest = source_of("1,2,3,10\n4,5,6,9\n", "header: false, columns: {y: 3}, shape: [3, 1], rescale: 1/2, offset: 1");
  CHECK(rest.dataset->fields()[0].dims == Dims{3, 1});
  CHECK(rest.dataset->fields()[1].dims == Dims{1});
  CHECK(numbers(gather_all(*rest.dataset)[0]) == std::vector<double>{1.5, 2, 2.5, 3, 3.5, 4});
  CHECK(numbers(gather_all(*rest.dataset)[1]) == std::vector<double>{10, 9});

  const OpenedSource several = source_of("a,b,c,d\n1,2,3,4\n", "columns: {x: {left: [a, c], right: b}, y: {out: d}}");
  CHECK(several.dataset->fields()[0].name == "left");
  CHECK(several.dataset->fields()[1].name == "right");
  CHECK(several.dataset->fields()[2].name == "out");
  CHECK(numbers(gather_all(*several.dataset)[0]) == std::vector<double>{1, 3});
}

TEST_CASE("csv source: classes sorted by number, counted, listed; one_hot") {
  const std::string text = "1,10\n1,9\n1,10\n";
  CHECK(source_of(text, "header: false, columns: {y: 1}, classes: true").dataset->fields()[1].classes ==
        std::vector<std::string>{"9", "10"});
  CHECK(source_of(text, "header: false, columns: {y: 1}, classes: 11").dataset->fields()[1].classes.size() == 11);
  CHECK(numbers(gather_all(*source_of(text, "header: false, columns: {y: 1}, classes: [10, 9]").dataset)[1]) ==
        std::vector<double>{0, 1, 0});
  CHECK(source_error(text, "header: false, columns: {y: 1}, classes: 10") ==
        "3: t.csv:1:2: '10' is not a known class; known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9");
  const OpenedSource hot = source_of("s,v\nM,1\nI,2\n", "one_hot: {s: [F, I, M]}");
  CHECK(hot.dataset->fields()[0].dims == Dims{4});
  CHECK(numbers(gather_all(*hot.dataset)[0]) == std::vector<double>{0, 0, 1, 1, 0, 1, 0, 2});
  CHECK(
      source_error("M,1\nX,2\n", "header: false, one_hot: {0: [F, I, M]}").find("3: t.csv:2:1: 'X' is not in the column's one_hot list") ==
      0);
}

TEST_CASE("csv source: each bad input has its place") {
  CHECK(source_error("1,2\n3\n") == "3: t.csv:2:2: the row has 1 cells, the first row has 2");
  CHECK(source_error("a,b\n1,2,3\n", "header: true") == "3: t.csv:2:3: the row has 3 cells, the header has 2");
  CHECK(source_error("1,2\n3,\"4\n") ==
        "3: t.csv:2:2: quoted cell is never closed; add the closing quote or double a quote inside the cell");
  CHECK(source_error("1;2\n1,5;3\n", "header: false, delimiter: ';'") ==
        "3: t.csv:2:1: '1,5' is not a number (the decimal separator is a point)");
  CHECK(source_error("1,2\n3,x\n") ==
        "3: t.csv:2:2: 'x' is not a number; for text use a step of data.preprocess (StringLookup), one_hot:, classes:, or leave the column "
        "out of columns:");
  CHECK(source_error("1,2\n3,inf\n") == "3: t.csv:2:2: 'inf' is not a finite number");
  CHECK(source_error("1,2\n3,1e39\n") == "3: t.csv:2:2: '1e39' is too large for float32");
  CHECK(source_error("1,2\n3,\n") == "3: t.csv:2:2: missing value; say missing: drop, mean, zero, nan or a number");
  CHECK(source_error("1,2\nNaN,2\n") == "3: t.csv:2:1: missing value 'NaN'; say missing: drop, mean, zero, nan or a number");
  CHECK(source_error("a,b\n", "header: true") == "3: t.csv: no data rows (the first line is the header; header: false if it is data)");
  CHECK(source_error("") == "3: t.csv: no data rows");
  CHECK(source_error("1,2\n3,4\n", "header: true") ==
        "3: t.csv:1:1: the header row holds numbers only; if the file has no header, say header: false");
  CHECK(source_error("a,b,a\n1,2,3\n", "columns: {x: [a]}") ==
        "3: t.csv: two columns are named 'a', numbers 0 and 2; choose one by its number");
  CHECK(source_error("a,b,a\n1,2,3\n", "columns: {x: [b, 2]}").empty());
  CHECK(source_error("length,b\n1,2\n", "columns: {x: [lenght]}") == "3: t.csv: no column 'lenght' (did you mean 'length'?)");
  CHECK(source_error("1,2\n", "header: false, columns: {x: [2]}") == "3: t.csv: no column 2; the columns are 0 to 1");
  CHECK(source_error("1,2\n", "header: false, shape: [3]").find("do not fit shape: [3]") != std::string::npos);
  CHECK(source_error("\"1\n2\",3\n4,x\n").find("t.csv:1:1: '1\\n2' is not a number") != std::string::npos);
  CHECK(source_error("1,\"a\nb\",2\n3,c,x\n", "header: false, columns: {x: [0, 2]}").find("3: t.csv:3:3: 'x' is not a number") ==
        0);  // physical line
}

TEST_CASE("csv source: the missing policies") {
  const std::string text = "1,a\n,b\n3,a\nNA,b\n";
  const auto x = [&](const std::string& policy) {
    return gather_all(*source_of(text, "header: false, columns: {y: 1}, missing: " + policy).dataset);
  };
  CHECK(numbers(x("drop")[0]) == std::vector<double>{1, 3});
  CHECK(numbers(x("drop")[1]) == std::vector<double>{0, 0});
  CHECK(numbers(x("zero")[0]) == std::vector<double>{1, 0, 3, 0});
  CHECK(std::isnan(x("nan")[0].at(1)));
  CHECK(numbers(x("-7.5")[0]) == std::vector<double>{1, -7.5, 3, -7.5});
  const OpenedSource mean = source_of(text, "header: false, columns: {y: 1}, missing: mean");
  CHECK(mean.impute == std::vector<std::string>{"x"});
  const OpenedSource dropped = source_of(text, "header: false, columns: {y: 1}, missing: drop");
  REQUIRE(dropped.notes.size() == 1);
  CHECK(dropped.notes[0].find("2 of 4 rows dropped") != std::string::npos);
  CHECK(source_error("1,a\n2,\n", "header: false, columns: {y: 1}") == "3: t.csv:2:2: missing class; missing: drop leaves such rows out");
  CHECK(source_error(",a\n", "header: false, columns: {y: 1}, missing: drop") == "3: t.csv: missing: drop left no rows of 1");
  CHECK(source_error("1,2\n1,\n", "header: false, columns: {y: 1}, missing: mean").find("3: t.csv:2:2: missing value") ==
        0);  // never an invented target
}

TEST_CASE("csv source: windows over a series") {
  const std::string series = "t,v\na,1\nb,2\nc,3\nd,4\ne,5\n";
  const OpenedSource next = source_of(series, "columns: {x: [v]}, window: {length: 3}");
  CHECK(next.ordered);
  CHECK(next.dataset->fields()[0].dims == Dims{3, 1});
  CHECK(next.dataset->fields()[1].dims == Dims{1});
  CHECK(numbers(gather_all(*next.dataset)[0]) == std::vector<double>{1, 2, 3, 2, 3, 4});
  CHECK(numbers(gather_all(*next.dataset)[1]) == std::vector<double>{4, 5});
  const OpenedSource two = source_of("1,10\n2,20\n3,30\n4,40\n5,50\n6,60\n",
                                     "header: false, columns: {x: [0, 1], y: 1}, window: {length: 2, horizon: 2, stride: 2}");
  CHECK(numbers(gather_all(*two.dataset)[0]) == std::vector<double>{1, 10, 2, 20, 3, 30, 4, 40});
  CHECK(numbers(gather_all(*two.dataset)[1]) == std::vector<double>{30, 40, 50, 60});
  CHECK(source_error("1\n2\n3\n", "header: false, window: {length: 3}") ==
        "3: t.csv: 3 rows are too few for a window of length 3 + horizon 1");
}

TEST_CASE("csv source: validation follows the classes of training; predict needs no target") {
  const TestFolder folder;
  folder.write("a.csv", "v,k\n1,x\n2,y\n3,z\n");
  folder.write("b.csv", "v,k\n1,z\n");
  folder.write("c.csv", "v,k\n1,w\n");
  folder.write("d.csv", "v\n7\n");
  const std::string keys = ", columns: {y: k}}";
  const OpenedSource train = open_source("{path: a.csv" + keys, folder.path);
  const OpenOptions options{&train.dataset->fields(), false}, inputs{&train.dataset->fields(), true};
  CHECK(numbers(gather_all(*open_source("{path: b.csv" + keys, folder.path, options).dataset)[1]) == std::vector<double>{2});
  CHECK(error_of([&] {
          open_source("{path: c.csv" + keys, folder.path, options);
        }).find("c.csv:2:2: 'w' is not a known class; known: x, y, z") != std::string::npos);
  for (const char* file : {"c.csv", "d.csv"}) {
    const OpenedSource opened = open_source("{path: " + std::string(file) + keys, folder.path, inputs);
    CHECK(opened.dataset->fields().size() == 1);
    CHECK(opened.dataset->fields()[0].dims == Dims{1});
  }
}
