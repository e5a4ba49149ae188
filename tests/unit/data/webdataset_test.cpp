#include <doctest/doctest.h>
#include <zstd.h>

#include <map>

#include "archives.h"
#include "data/image.h"
#include "data/loader.h"
#include "data/npy.h"
#include "data/spill.h"
#include "helpers.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::test;

namespace {

std::string zstd(const std::string& text) {
  std::string out(ZSTD_compressBound(text.size()), '\0');
  out.resize(ZSTD_compress(out.data(), out.size(), text.data(), text.size(), 3));
  return out;
}

std::string jpg() { return read_text(kFiles + "rgb.jpg"); }
std::string png() { return read_text(kFiles + "rgb.png"); }

// Three samples: JPEG, PNG, JPEG of one size, classes 3, 0, 1.
std::string small_tar() {
  return tar_of({{"a/000000.jpg", jpg()},
                 {"a/000000.cls", "3"},
                 {"a/000001.cls", "0\n"},
                 {"a/000001.png", png()},
                 {"a/000002.JPG", jpg()},
                 {"a/000002.cls", "1"}});
}

std::string open_error(const TestFolder& folder, const std::string& bytes, const std::string& keys = "") {
  const std::string path = folder.write("bad.tar", bytes);
  return error_of([&] { gather_all(*open_source("{format: webdataset, path: bad.tar" + keys + "}", folder.path).dataset); });
}

}  // namespace

TEST_CASE("webdataset: images and classes, plain and compressed, hold the same samples") {
  const TestFolder folder;
  folder.write("plain.tar", small_tar());
  folder.write("one.tar.gz", gzip(small_tar()));
  folder.write("one.tar.zst", zstd(small_tar()));
  const std::vector<Tensor> plain = gather_all(*open_source("{path: plain.tar}", folder.path).dataset);
  const Image first = decode_image(bytes_of(jpg()), "", 3);
  REQUIRE(plain[0].dims() == Dims{3, first.height, first.width, 3});
  for (int64_t i = 0; i < first.height * first.width * 3; ++i) REQUIRE(plain[0].at(i) == first.pixels[static_cast<size_t>(i)]);
  CHECK(numbers(plain[1]) == std::vector<double>{2, 0, 1});  // of the classes 0, 1, 3
  for (const char* name : {"one.tar.gz", "one.tar.zst"}) {
    const OpenedSource opened = open_source(std::string("{path: ") + name + "}", folder.path);
    CHECK(opened.dataset->fields()[1].classes == std::vector<std::string>{"0", "1", "3"});
    const std::vector<Tensor> same = gather_all(*opened.dataset);
    CHECK(bit_equal(same[0], plain[0]));
    CHECK(bit_equal(same[1], plain[1]));
  }
  // Scaled, gray, resized, out of the cache: the cache changes nothing.
  for (const char* keys : {"rescale: 1/255, offset: -0.5", "color: gray", "size: [5, 7]"}) {
    const std::string yaml = std::string("{path: plain.tar, ") + keys;
    const DatasetPtr cached = open_source(yaml + ", cache: memory}", folder.path).dataset;
    const std::vector<Tensor> once = gather_all(*cached), twice = gather_all(*cached),
                              none = gather_all(*open_source(yaml + "}", folder.path).dataset);
    CHECK(bit_equal(once[0], twice[0]));
    CHECK(bit_equal(once[0], none[0]));
  }
}

TEST_CASE("webdataset: shards by list, glob and range; order is theirs") {
  const TestFolder folder;
  for (int i = 8; i < 12; ++i)
    folder.write(fmt::format("s-{:02}.tar", i),
                 tar_of({{"x.npy", npy_bytes(Tensor::scalar<float>(static_cast<float>(i)))}, {"x.cls", "1"}}));
  const auto first = [&](const std::string& path) {
    return numbers(gather_all(*open_source("{format: webdataset, path: " + path + "}", folder.path).dataset)[0]);
  };
  CHECK(first("s-*.tar") == std::vector<double>{8, 9, 10, 11});
  CHECK(first("\"s-{09..11}.tar\"") == std::vector<double>{9, 10, 11});
  CHECK(first("[s-11.tar, s-08.tar]") == std::vector<double>{11, 8});
  CHECK(has(error_of([&] { first("t-*.tar"); }), "4: "));
  CHECK(has(error_of([&] { first("[s-08.tar, s-*.tar]"); }), "s-08.tar: named twice"));
  CHECK(has(error_of([&] { first("\"s-{11..09}.tar\""); }), "2: "));
  CHECK(has(error_of([&] { first("\"s-{12..13}.tar\""); }), "No such file"));
}

TEST_CASE("webdataset: fields by suffix: arrays, texts, classes by name") {
  const TestFolder folder;
  const float values[] = {1, 2, 3, 4, 5, 6};
  const auto array = [&](float add) {
    Tensor t = Tensor::from<float>({2, 3}, values);
    for (int64_t i = 0; i < 6; ++i) t.set(i, t.at(i) + add);
    return npy_bytes(t);
  };
  folder.write("t.tar", tar_of({{"p.left.npy", array(0)},
                                {"p.right.npy", array(10)},
                                {"p.kind.txt", "cat\n"},
                                {"p.age.txt", " 1.5 2\t3e2"},
                                {"q.left.npy", array(1)},
                                {"q.note", "not asked for"},
                                {"q.right.npy", array(11)},
                                {"q.kind.txt", "ape"},
                                {"q.age.txt", "4 5 6"}}));
  const OpenedSource opened =
      open_source("{path: t.tar, x: {l: left.npy, r: right.npy}, y: {kind: kind.txt, age: age.txt}, shape: [6], rescale: 2}", folder.path);
  REQUIRE(opened.dataset->fields().size() == 4);
  CHECK(opened.dataset->fields()[0].dims == Dims{6});
  CHECK(opened.dataset->fields()[2].classes == std::vector<std::string>{"ape", "cat"});
  CHECK(opened.dataset->fields()[3].dims == Dims{3});
  const std::vector<Tensor> all = gather_all(*opened.dataset);
  CHECK(numbers(all[0]) == std::vector<double>{2, 4, 6, 8, 10, 12, 4, 6, 8, 10, 12, 14});
  CHECK(numbers(all[1])[6] == 24);
  CHECK(numbers(all[2]) == std::vector<double>{1, 0});
  CHECK(numbers(all[3]) == std::vector<double>{1.5, 2, 300, 4, 5, 6});
  // The classes of the training part hold for another part; inputs alone need no targets.
  const std::vector<Field> trained = {{"kind", DType::kInt32, {}, true, {"bee", "cat", "ape"}}};
  const std::string yaml = "{path: t.tar, x: left.npy, y: {kind: kind.txt}}";
  CHECK(numbers(gather_all(*open_source(yaml, folder.path, {&trained, false}).dataset)[1]) == std::vector<double>{1, 2});
  CHECK(open_source(yaml, folder.path, {&trained, true}).dataset->fields().size() == 1);
  const std::vector<Field> other = {{"kind", DType::kInt32, {}, true, {"bee", "cat"}}};
  CHECK(has(error_of([&] {
              open_source(yaml, folder.path, {&other, false});
            }),
            "t.tar: sample 'q': member .kind.txt: 'ape' is not a known class"));
}

TEST_CASE("webdataset: names for the numbers of .cls") {
  const TestFolder folder;
  const std::string array = npy_bytes(Tensor::scalar<float>(1));
  folder.write("t.tar", tar_of({{"p.npy", array}, {"p.cls", "1"}, {"q.npy", array}, {"q.cls", "0"}, {"r.npy", array}, {"r.cls", "bee"}}));
  const auto labels = [&](const char* classes) {
    return numbers(gather_all(*open_source(std::string("{path: t.tar, classes: ") + classes + "}", folder.path).dataset)[1]);
  };
  CHECK(labels("[ape, bee]") == std::vector<double>{1, 0, 1});
  CHECK(labels("[\"1\", bee, \"0\"]") == std::vector<double>{0, 2, 1});  // names come first
  CHECK(has(error_of([&] { labels("[ape, cat]"); }), "sample 'r': member .cls: 'bee' is not a known class; known: ape, cat"));
}

TEST_CASE("webdataset: values of a JSON object") {
  const TestFolder folder;
  const auto write = [&](const std::string& first, const std::string& second) {
    folder.write("a.tar", tar_of({{"0.json", first},
                                  {"0.npy", npy_bytes(Tensor(DType::kFloat32, {2}))},
                                  {"1.npy", npy_bytes(Tensor(DType::kFloat32, {2}))},
                                  {"1.json", second}}));
  };
  write(R"({"label": "dog", "box": {"corners": [[1, 2.5], [-3e2, true]]}, "age": 3})",
        R"({"age": 4, "label": "cat", "box": {"corners": [5, 6, 7, 8]}})");
  const OpenedSource opened =
      open_source("{path: a.tar, x: {image: npy, box: json:box.corners}, y: {label: json:label, age: json:age}}", folder.path);
  const std::vector<Field>& fields = opened.dataset->fields();
  CHECK(fields[1].dims == Dims{4});
  CHECK(fields[2].classes == std::vector<std::string>{"cat", "dog"});
  CHECK(fields[3].classes.empty());
  const std::vector<Tensor> all = gather_all(*opened.dataset);
  CHECK(numbers(all[1]) == std::vector<double>{1, 2.5, -300, 1, 5, 6, 7, 8});
  CHECK(numbers(all[2]) == std::vector<double>{1, 0});
  CHECK(numbers(all[3]) == std::vector<double>{3, 4});
  const auto error = [&](const std::string& second, const std::string& y) {
    write(R"({"label": "dog"})", second);
    return error_of([&] { open_source("{path: a.tar, x: npy, y: '" + y + "'}", folder.path); });
  };
  CHECK(has(error("{}", "json:label"), "a.tar: sample '1': member .json: has no key 'label'"));
  CHECK(has(error("{", "json:label"), "member .json: is no JSON"));
  CHECK(has(error(R"({"label": null})", "json:label"), "key 'label': is null, expected a number, a text or an array of numbers"));
  CHECK(has(error(R"({"label": )" + repeat("[", 1000) + repeat("]", 1000) + "}", "json:label"), "key 'label': is array"));
  CHECK(has(error("{}", "json"), "say which key of the JSON object it is, such as json:label"));
  CHECK(has(error("{}", "cls:label"), "a key is for members that are JSON"));
}

TEST_CASE("webdataset: long names, folders, links, dot files and odd paths") {
  const TestFolder folder;
  const std::string deep = std::string(150, 'd') + "/" + std::string(120, 'n');
  const auto pax = [](const std::string& name) {
    const std::string body = " path=" + name + "\n";
    size_t size = body.size() + 3;
    return tar_member("attributes", std::to_string(size) + body, 'x');
  };
  const std::string one = npy_bytes(Tensor::scalar<float>(1)), two = npy_bytes(Tensor::scalar<float>(2)),
                    three = npy_bytes(Tensor::scalar<float>(3));
  std::string tar = tar_member("folder/", "", '5') + tar_member("folder/link.npy", "", '2') + tar_member("._junk.npy", "x") +
                    tar_member("README", "no suffix") + tar_member("././@LongLink", deep + ".npy" + '\0', 'L') + tar_member("short", one) +
                    tar_member("/etc/passwd.npy", two) + pax("../../" + std::string(120, 'u') + "\xc3\xa4.npy") + tar_member("x", three) +
                    std::string(1024, '\0');
  folder.write("odd.tar", tar);
  const std::string yaml = "{path: odd.tar, x: npy}";
  CHECK(numbers(gather_all(*open_source(yaml, folder.path).dataset)[0]) == std::vector<double>{1, 2, 3});
  folder.write("odd.tar", gzip(tar));
  CHECK(numbers(gather_all(*open_source(yaml, folder.path).dataset)[0]) == std::vector<double>{1, 2, 3});
}

TEST_CASE("webdataset: damaged and hostile archives") {
  const TestFolder folder;
  CHECK(has(open_error(folder, ""), "bad.tar: an empty file"));
  CHECK(has(open_error(folder, std::string(2000, 'z')), "3: "));
  CHECK(has(open_error(folder, std::string(10240, '\0')), "no samples"));
  const std::string good = small_tar();
  // Cut anywhere, the archive is refused: it never passes for a shorter one.
  for (size_t cut = 1; cut + 512 < good.size(); cut += 509) {
    CAPTURE(cut);
    REQUIRE(open_error(folder, good.substr(0, cut)).starts_with("3: "));
    if (cut % 3 == 0) REQUIRE(open_error(folder, gzip(good).substr(0, gzip(good).size() * cut / good.size())).starts_with("3: "));
  }
  CHECK(has(open_error(folder, zstd(good).substr(0, zstd(good).size() - 30)), "3: "));
  // A size beyond the archive.
  std::string big = tar_header("a.npy", 0);
  big.replace(124, 12, std::string("\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff", 12));  // 2^63 - 1, base 256
  unsigned sum = 0;
  big.replace(148, 8, "        ");
  for (const char c : big) sum += static_cast<unsigned char>(c);
  big.replace(148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
  CHECK(open_error(folder, big + std::string(4096, '\0'), ", x: npy").starts_with("3: "));
  CHECK(open_error(folder, gzip(big + std::string(4096, '\0')), ", x: npy").starts_with("3: "));
  CHECK(has(open_error(folder, tar_member("a.jpg", jpg()).substr(0, 700) + std::string(1024, '\0')), "3: "));

  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"a.cls", "1"}, {"b.jpg", jpg()}}), ""), "sample 'b': has no member .cls"));
  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"a.cls", "1"}, {"a.jpg", jpg()}})), "sample 'a': two members end in '.jpg'"));
  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"a.png", png()}})), "has two members for field 'x'"));
  CHECK(has(open_error(folder, tar_of({{"a.mp4", "?"}, {"a.cls", "1"}})), "no image and no array among its members (mp4, cls)"));
  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"a.cls", ""}})), "member .cls is empty"));
  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"a.cls", "12"}}), ", classes: 10"),
            "sample 'a': member .cls: '12' is not a known class"));
  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"a.txt", "1 2"}, {"b.jpg", jpg()}, {"b.txt", "1"}}), ", y: txt"),
            "sample 'b': member .txt holds 1 numbers, that of the first sample 2"));
  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"b.jpg", jpg().substr(0, 300)}})), "sample 'b', jpg|jpeg|png: damaged JPEG"));
  CHECK(has(open_error(folder, tar_of({{"a.jpg", jpg()}, {"b.jpg", "GIF89a"}})), "the content is a GIF"));
  CHECK(has(
      open_error(folder, tar_of({{"a.npy", npy_bytes(Tensor(DType::kFloat32, {2}))}, {"b.npy", npy_bytes(Tensor(DType::kFloat32, {3}))}})),
      "sample 'b', npy: has shape [3], the first sample's has 2 elements"));
}

TEST_CASE("webdataset: what may be left out is left out, and said") {
  const TestFolder folder;
  folder.write("t.tar", tar_of({{"a.jpg", jpg()}, {"a.cls", "1"}, {"b.jpg", jpg()}, {"c.jpg", jpg().substr(0, 300)}, {"c.cls", "0"}}));
  const Image first = decode_image(bytes_of(jpg()), "", 3);
  const std::string yaml = fmt::format("{{path: t.tar, y: cls, missing: drop, corrupt: skip, size: [{}, {}]}}", first.height, first.width);
  const OpenedSource opened = open_source(yaml, folder.path);
  CHECK(opened.dataset->size() == 2);
  REQUIRE(opened.notes.size() == 1);
  CHECK(has(opened.notes[0], "1 incomplete samples dropped"));
  LoaderOptions options;
  options.workers = 0;
  BatchLoader loader(opened.dataset, options);
  CHECK(loader.next()->count == 1);
  CHECK(loader.skipped() == 1);
}

TEST_CASE("webdataset: keys") {
  CHECK(has(problems_of("{train: {format: webdataset}}"), "data.train.path"));
  CHECK(has(problems_of("{train: {format: webdataset, path: [], y: 3}}"), "an empty list"));
  CHECK(has(problems_of("{train: {format: webdataset, path: a.tar, x: jpg;npy}}"), "must be of one kind"));
  CHECK(has(problems_of("{train: {format: webdataset, path: a.tar, x: jpg, y: jpg}}"), "'jpg' is a member of two fields"));
  CHECK(has(problems_of("{train: {path: a.tar, x: {a: jpg}, y: {a: cls}}}"), "two fields are named 'a'"));
  CHECK(has(problems_of("{train: {path: [a.tar, \"-\"]}}"), "standard input cannot be one of several"));
}

TEST_CASE("spill: what was appended is read back, in memory and in a file") {
  for (const size_t memory : {size_t{0}, size_t{1000}, size_t{1} << 30}) {
    Spill spill(memory);
    std::string all;
    for (int i = 0; i < 3000; ++i) {
      const std::string piece(static_cast<size_t>(i * 7 % 1301), static_cast<char>('a' + i % 26));
      CHECK(spill.append(bytes_of(piece)) == static_cast<int64_t>(all.size()));
      all += piece;
    }
    const auto back = [&](size_t at, size_t size) {
      std::string text(size, '\0');
      spill.read(static_cast<int64_t>(at), std::as_writable_bytes(std::span(text)));
      return text;
    };
    for (const bool finished : {false, true}) {
      if (finished) spill.finish();
      CHECK(spill.size() == static_cast<int64_t>(all.size()));
      CHECK(back(0, all.size()) == all);
      for (size_t at = 0; at < all.size(); at += 9973) CHECK(back(at, std::min<size_t>(5000, all.size() - at)) == all.substr(at, 5000));
    }
    CHECK_THROWS_AS(back(all.size(), 1), InternalError);
  }
  Spill full(0);
  ::setenv("TMPDIR", "/nonexistent/folder", 1);
  const std::string error = error_of([&] { full.append(bytes_of("x")); });
  ::unsetenv("TMPDIR");
  CHECK(has(error, "4: /nonexistent/folder: cannot make a temporary file"));
}
