// JSON lines, TFRecord, text and audio.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <bit>
#include <cmath>

#include "base/crc32c.h"
#include "data/image.h"
#include "data/lines.h"
#include "data/tokenizer.h"
#include "data/wav.h"
#include "helpers.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::test;

namespace {

OpenedSource open(const TestFolder& folder, const std::string& name, const std::string& bytes, const std::string& keys) {
  folder.write(name, bytes);
  return open_source("{path: " + name + ", " + keys + "}", folder.path);
}

std::string error(const std::string& name, const std::string& bytes, const std::string& keys) {
  const TestFolder folder;
  const std::string text = error_of([&] { open(folder, name, bytes, keys); });
  const size_t at = text.find(folder.path);
  return at == std::string::npos ? text : text.substr(0, at) + text.substr(at + folder.path.size() + 1);
}

std::string little(uint64_t value, int bytes) {
  std::string text;
  for (int i = 0; i < bytes; ++i) text += static_cast<char>(value >> (8 * i));
  return text;
}

// ---- tf.train.Example, byte by byte

std::string varint(uint64_t v) {
  std::string text;
  for (; v >= 128; v >>= 7) text += static_cast<char>(v | 128);
  return text + static_cast<char>(v);
}
std::string field(int number, const std::string& bytes) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(bytes.size()) + bytes;
}
std::string floats(const std::vector<float>& values) {
  std::string packed;
  for (const float v : values) packed += little(std::bit_cast<uint32_t>(v), 4);
  return field(2, field(1, packed));
}
std::string ints(const std::vector<int64_t>& values) {
  std::string packed;
  for (const int64_t v : values) packed += varint(static_cast<uint64_t>(v));
  return field(3, field(1, packed));
}
std::string bytes(const std::string& value) { return field(1, field(1, value)); }
std::string example(const std::vector<std::pair<std::string, std::string>>& features) {
  std::string map;
  for (const auto& [key, feature] : features) map += field(1, field(1, key) + field(2, feature));
  return field(1, map);
}
std::string record(const std::string& data) {
  const std::string length = little(data.size(), 8);
  return length + little(mask_crc32c(crc32c(length)), 4) + data + little(mask_crc32c(crc32c(data)), 4);
}

std::string wav(int channels, int rate, int bits, const std::string& data, int code = 1) {
  const std::string format = little(static_cast<uint64_t>(code), 2) + little(static_cast<uint64_t>(channels), 2) +
                             little(static_cast<uint64_t>(rate), 4) + little(static_cast<uint64_t>(rate * channels * bits / 8), 4) +
                             little(static_cast<uint64_t>(channels * bits / 8), 2) + little(static_cast<uint64_t>(bits), 2);
  const std::string body = "WAVEfmt " + little(format.size(), 4) + format + "LIST" + little(3, 4) + "abc" + std::string(1, '\0') + "data" +
                           little(data.size(), 4) + data;
  return "RIFF" + little(body.size(), 4) + body;
}

}  // namespace

TEST_CASE("jsonl: numbers, nested keys, arrays, classes") {
  const TestFolder folder;
  const std::string text =
      "\xef\xbb\xbf{\"a\": 1, \"in\": {\"b\": [[1, 2.5], [3, 4e1]], \"skip\": [{\"a\": 7}, null]}, \"k\": \"dog\", \"u\\u00e9\": "
      "\"\\ud83d\\ude00\"}\r\n"
      "\n"
      "{\"k\": \"cat\", \"a\": -2, \"in\": {\"skip\": {\"b\": 1}, \"b\": [[5,6],[7,8]]}, \"t\": true}";
  const OpenedSource opened = open(folder, "a.jsonl", text, "x: {left: a, right: in.b}, y: k, rescale: 2, offset: 1");
  REQUIRE(opened.dataset->fields().size() == 3);
  CHECK(opened.dataset->fields()[0].dims == Dims{1});
  CHECK(opened.dataset->fields()[1].dims == Dims{2, 2});
  CHECK(opened.dataset->fields()[2].classes == std::vector<std::string>{"cat", "dog"});
  const std::vector<Tensor> all = gather_all(*opened.dataset);
  CHECK(numbers(all[0]) == std::vector<double>{3, -3});
  CHECK(numbers(all[1]) == std::vector<double>{3, 6, 7, 81, 11, 13, 15, 17});
  CHECK(numbers(all[2]) == std::vector<double>{1, 0});
  CHECK(opened.dataset->label(0, 2) == 1);
  const OpenedSource columns =
      open(folder, "b.ndjson", "{\"p\": 1, \"q\": [2, 3], \"r\": 4, \"n\": 3}\n{\"p\": 5, \"q\": [6, 7], \"r\": true, \"n\": 1}",
           "x: [r, q, p], y: n, classes: true, shape: [4, 1]");
  CHECK(numbers(gather_all(*columns.dataset)[0]) == std::vector<double>{4, 2, 3, 1, 1, 6, 7, 5});
  CHECK(columns.dataset->fields()[0].dims == Dims{4, 1});
  CHECK(columns.dataset->fields()[1].classes == std::vector<std::string>{"1", "3"});
  // Gzip of two members, read whole.
  const OpenedSource two = open(folder, "c.jsonl.gz", gzip("{\"a\": 1}\n") + gzip("{\"a\": 2}\n"), "x: a");
  CHECK(numbers(gather_all(*two.dataset)[0]) == std::vector<double>{1, 2});
}

TEST_CASE("jsonl: what is missing") {
  const TestFolder folder;
  const std::string text = "{\"a\": 1, \"b\": [1, 2]}\n{\"a\": null, \"b\": [3, 4]}\n{\"a\": 3}\n{\"a\": 4, \"b\": [null, 6]}\n";
  const auto x = [&](const std::string& policy) {
    return numbers(gather_all(*open(folder, "a.jsonl", text, "x: [a, b], missing: " + policy).dataset)[0]);
  };
  CHECK(x("drop") == std::vector<double>{1, 1, 2});
  CHECK(x("zero") == std::vector<double>{1, 1, 2, 0, 3, 4, 3, 0, 0, 4, 0, 6});
  CHECK(x("9.5") == std::vector<double>{1, 1, 2, 9.5, 3, 4, 3, 9.5, 9.5, 4, 9.5, 6});
  CHECK(open(folder, "a.jsonl", text, "x: [a, b], missing: mean").impute == std::vector<std::string>{"x"});
  CHECK(has(open(folder, "a.jsonl", text, "x: [a, b], missing: drop").notes.at(0), "3 of 4 records dropped"));
  CHECK(error("a.jsonl", text, "x: [a, b]") == "3: a.jsonl:2: key 'a': missing value; say missing: drop, mean, zero or a number");
  CHECK(error("a.jsonl", "{\"a\": 1, \"b\": \"x\"}\n{\"a\": 2}", "x: a, y: b, missing: zero") ==
        "3: a.jsonl:2: key 'b': missing value; say missing: drop");
}

TEST_CASE("jsonl: each bad line has its place") {
  const auto bad = [](const std::string& line) { return error("a.jsonl", "{\"a\": [1, 2], \"b\": {\"c\": 1}}\n" + line, "x: a"); };
  CHECK(bad("{\"a\": [1, 2]}").empty());
  CHECK(has(bad("{\"a\": [1, 2]"), "3: a.jsonl:2: not JSON at byte"));
  CHECK(has(bad("{\"a\": [1, 2]} x"), "3: a.jsonl:2: not JSON at byte"));
  CHECK(has(bad("[1, 2]"), "a.jsonl:2: expected an object"));
  CHECK(has(bad("7"), "a.jsonl:2: expected an object"));
  CHECK(has(bad("{\"a\": \"1\"}"), "key 'a': '1' is text, not a number"));
  CHECK(has(bad("{\"a\": [1, 2, 3]}"), "key 'a': has shape [3], the first record's [2]"));
  CHECK(has(bad("{\"a\": [[1, 2], [3]]}"), "the rows of the array differ in length"));
  CHECK(has(bad("{\"a\": [1, [2]]}"), "the rows of the array differ in length"));
  CHECK(has(bad("{\"a\": [[1], 2]}"), "the rows of the array differ in length"));
  CHECK(has(bad("{\"a\": [\"x\"]}"), "an array of texts"));
  CHECK(has(bad("{\"a\": [{}]}"), "an array of objects"));
  CHECK(has(bad("{\"a\": {\"c\": 1}}"), "key 'a': an object; name the key inside it, as a.KEY"));
  CHECK(has(bad("{\"a\": [1, 2], \"a\": [3, 4]}"), "key 'a' comes twice"));
  CHECK(has(bad("{\"a\": [1, 1e39]}"), "no number that float32 holds"));
  CHECK(has(bad("{\"a\": [1, 1e999]}"), "3: a.jsonl:2: "));
  CHECK(has(bad("{\"a\": [1, NaN]}"), "3: a.jsonl:2: not JSON"));
  CHECK(has(bad("{\"a\xff\": 1}"), "3: a.jsonl:2: not JSON"));
  CHECK(has(bad("{\"b\": " + std::string(100'000, '[')), "more than 64 levels"));
  CHECK(has(bad("{\"b\": 1}"), "a.jsonl:2: key 'a': missing value"));
  CHECK(has(error("a.jsonl", "", "x: a"), "a.jsonl: holds no records"));
  CHECK(has(error("a.jsonl", "{\"a\": []}", "x: a"), "holds no numbers"));
  CHECK(has(error("a.jsonl", "{\"a\": \"some text\"}", "x: a"),
            "is text; data.preprocess makes numbers of it, such as x: [TextVectorization:"));
  CHECK(has(error("a.jsonl", "{\"a\": 1, \"k\": 5}", "x: a, y: k, classes: 3"), "key 'k': '5' is not a known class; known: 0, 1, 2"));
  CHECK(has(problems_of("{train: {path: a.jsonl}}"), "data.train.x: required"));
  CHECK(has(problems_of("{train: {path: a.jsonl, x: {y: a}, y: b}}"), "two fields are named 'y'"));
  CHECK(has(problems_of("{train: {path: a.jsonl, x: 3}}"), "expected the name of a key"));
}

TEST_CASE("lines: any end, any length, no UTF-16") {
  const std::string text = "one\r\n\ntwo\nlast";
  const auto stream = open_memory(bytes_of(text), "t");
  LineReader lines(*stream);
  std::vector<std::string> all;
  std::string line;
  while (lines.next(line)) all.push_back(line);
  CHECK(all == std::vector<std::string>{"one", "", "two", "last"});
  CHECK(lines.place() == "t:4");
  const std::string wide(
      "\xff\xfe"
      "a\0",
      4);
  const auto utf16 = open_memory(bytes_of(wide), "t");
  LineReader bad(*utf16);
  CHECK(has(error_of([&] { bad.next(line); }), "3: t:1: UTF-16"));
  const std::string endless(kMaxLineBytes + (1 << 17), 'x');
  const auto stream2 = open_memory(bytes_of(endless), "t");
  LineReader longest(*stream2);
  CHECK(has(error_of([&] { longest.next(line); }), "a line of more than 64 MiB"));
}

TEST_CASE("tfrecord: floats, integers, texts and images of tf.train.Example") {
  const TestFolder folder;
  const std::string jpg = read_text(kFiles + "rgb.jpg");
  const std::string file =
      record(example({{"v", floats({1, 2})}, {"n", ints({-3})}, {"name", bytes("dog")}, {"image", bytes(jpg)}})) +
      record(example({{"name", bytes("cat")}, {"image", bytes(jpg)}, {"n", ints({4})}, {"v", floats({3, 4})}, {"more", ints({})}}));
  const OpenedSource opened = open(folder, "a.tfrecord", file, "x: {v: v, n: n, image: image}, y: name");
  REQUIRE(opened.dataset->fields().size() == 4);
  const std::vector<Tensor> all = gather_all(*opened.dataset);
  CHECK(numbers(all[0]) == std::vector<double>{1, 2, 3, 4});
  CHECK(numbers(all[1]) == std::vector<double>{-3, 4});
  const Image image = decode_image(bytes_of(jpg), "", 3);
  REQUIRE(all[2].dims() == Dims{2, image.height, image.width, 3});
  for (int64_t i = 0; i < all[2].size() / 2; ++i) REQUIRE(all[2].at(i) == image.pixels[static_cast<size_t>(i)]);
  CHECK(numbers(all[3]) == std::vector<double>{1, 0});
  CHECK(opened.dataset->label(1, 3) == 0);
  // One integer as the target is a class.
  const OpenedSource classes = open(folder, "b.tfrecord", gzip(file), "x: v, y: n");
  CHECK(classes.dataset->fields()[1].classes == std::vector<std::string>{"-3", "4"});
}

TEST_CASE("tfrecord: damaged files") {
  const std::string good = record(example({{"v", floats({1, 2})}})) + record(example({{"v", floats({3, 4})}}));
  const auto bad = [](const std::string& file, const std::string& keys = "x: v") { return error("a.tfrecord", file, keys); };
  CHECK(bad(good).empty());
  for (size_t cut = 1; cut < good.size(); ++cut)
    if (cut != good.size() / 2) CHECK(bad(good.substr(0, cut)).starts_with("3: a.tfrecord: record "));
  CHECK(has(bad(good.substr(0, good.size() - 1)), fmt::format("record 2 at byte {}: claims", good.size() / 2)));
  for (size_t i = 0; i < good.size(); i += 3) {
    std::string flipped = good;
    flipped[i] = static_cast<char>(flipped[i] ^ 4);
    CHECK(has(bad(flipped), "checksum"));
  }
  const std::string huge = little(uint64_t{1} << 63, 8);
  CHECK(has(bad(huge + little(mask_crc32c(crc32c(huge)), 4)), "at most 268435456 are read"));
  CHECK(has(bad(""), "a.tfrecord: holds no records"));
  CHECK(has(bad(record("not a message")), "not a tf.train.Example"));
  CHECK(has(bad(record(example({{"w", floats({1})}}))), "has none of the keys that x: and y: name; it has w"));
  CHECK(has(bad(record(example({{"v", field(1, field(1, "a") + field(1, "b"))}}))), "key 'v': 2 texts; one is read"));
  CHECK(has(bad(good + record(example({{"v", floats({1, 2, 3})}}))), "key 'v': has shape [3], the first record's [2]"));
  CHECK(has(bad(record(example({{"v", floats({1})}, {"s", bytes("\x89PNG damaged")}})), "x: {a: v, b: s}"),
            "sample 0: field 'b': the content is of an unknown kind"));
}

TEST_CASE("tokenizer: Keras's rules") {
  spec::Problems problems;
  const auto options = [&](const std::string& yaml) { return read_text_options(spec::parse_yaml(yaml, "t"), "text", problems); };
  Tokenizer words(options("{output_sequence_length: 5, max_tokens: 5}"), {});
  std::vector<int32_t> a, b;
  words.encode("The cat, the DOG! \tand the (cat).", a);
  words.encode("dog's nap", b);
  const std::vector<int32_t> renumber = words.learn();
  CHECK(words.vocabulary() == std::vector<std::string>{"the", "cat", "nap"});  // ties: the last by bytes first
  const auto final_of = [&](std::vector<int32_t> v) {
    for (int32_t& n : v) n = renumber.at(static_cast<size_t>(n));
    return v;
  };
  CHECK(final_of(a) == std::vector<int32_t>{2, 3, 2, 1, 1});
  CHECK(final_of(b) == std::vector<int32_t>{1, 4, 0, 0, 0});
  words.encode("a nap", a);
  CHECK(a == std::vector<int32_t>{1, 4, 0, 0, 0});
  Tokenizer letters(options("{output_sequence_length: 4, split: character, standardize: none}"), {"a", "\xc3\xa4", " "});
  letters.encode("A\xc3\xa4 a", a);
  CHECK(a == std::vector<int32_t>{1, 3, 4, 2});
  CHECK(letters.learn().empty());
  problems.throw_if_any();
  options("{max_tokens: 2, vocabulary: [a, a]}");
  CHECK(problems.lines().size() == 3);
}

TEST_CASE("text: lines by file, files by folder; the vocabulary stays with the training part") {
  const TestFolder folder;
  folder.write("good.txt", "good film\nvery good\n");
  folder.write("bad.txt", "bad film");
  const std::string text = "text: {output_sequence_length: 2}";
  const Data data = open_data(parse_data("{train: {format: text, path: {good: good.txt, bad: bad.txt}, " + text +
                                             "}, test: {format: text, path: {bad: good.txt, good: bad.txt}, " + text + "}}",
                                         folder.path));
  const std::vector<Tensor> all = gather_all(*data.train), test = gather_all(*data.test);
  CHECK(data.train->fields()[0].dtype == DType::kInt32);
  CHECK(data.preprocessing.fields[0].vocabularies.at(0).values == std::vector<std::string>{"good", "film", "very", "bad"});
  CHECK(numbers(all[0]) == std::vector<double>{2, 3, 4, 2, 5, 3});
  CHECK(numbers(all[1]) == std::vector<double>{0, 0, 1});
  CHECK(numbers(test[1]) == std::vector<double>{1, 1, 0});
  folder.write("set/neg/1.txt", "new words");
  folder.write("set/pos/2.txt", "good");
  folder.write("set/pos/.hidden.txt", "x");
  const OpenedSource files = open_source("{format: text, path: set, " + text + "}", folder.path);
  CHECK(files.dataset->fields()[1].classes == std::vector<std::string>{"neg", "pos"});
  CHECK(numbers(gather_all(*files.dataset)[0]) == std::vector<double>{3, 2, 4, 0});
  CHECK(open_source("{path: good.txt, " + text + "}", folder.path).dataset->size() == 2);
  CHECK(has(error("a.txt", "one\n", "format: text"),
            "a.txt:1: key 'x': is text; data.preprocess makes numbers of it, such as x: [TextVecto"));
  CHECK(has(problems_of("{train: {format: text, path: {a: a.txt}, " + text + "}}"), "at least two classes"));
}

TEST_CASE("wav: every width, and files that are none") {
  const auto decode = [](const std::string& file) { return decode_wav(bytes_of(file), "t"); };
  const Sound s16 = decode(wav(2, 8000, 16, little(0x8000, 2) + little(0x7fff, 2) + little(0, 2) + little(0xffff, 2)));
  CHECK(s16.sampling_rate == 8000);
  CHECK(s16.frames == 2);
  CHECK(s16.samples == std::vector<float>{-1, 32767.0f / 32768, 0, -1.0f / 32768});
  CHECK(decode(wav(1, 1, 8, std::string("\x00\x80\xff", 3))).samples == std::vector<float>{-1, 0, 127.0f / 128});
  CHECK(decode(wav(1, 1, 24, little(0x800000, 3) + little(0x400000, 3))).samples == std::vector<float>{-1, 0.5});
  CHECK(decode(wav(1, 1, 32, little(0xc0000000, 4))).samples == std::vector<float>{-0.5});
  CHECK(decode(wav(1, 1, 32, little(std::bit_cast<uint32_t>(0.25f), 4), 3)).samples == std::vector<float>{0.25});
  CHECK(decode(wav(1, 1, 64, little(std::bit_cast<uint64_t>(-2.5), 8), 3)).samples == std::vector<float>{-2.5});
  const std::string good = wav(1, 8000, 16, std::string(100, '\1'));
  for (size_t cut = 0; cut < good.size(); ++cut) CHECK(error_of([&] { decode(good.substr(0, cut)); }).starts_with("3: t: "));
  CHECK(has(error_of([&] { decode(wav(1, 8000, 16, "abc")); }), "no whole frames"));
  CHECK(has(error_of([&] { decode(wav(0, 8000, 16, "")); }), "3: t: "));
  CHECK(has(error_of([&] { decode(wav(1, 8000, 12, "")); }), "is not read"));
  CHECK(has(error_of([&] { decode(wav(1, 8000, 8, "x", 7)); }), "WAV format 7 of 8 bits"));
  CHECK(has(error_of([&] { decode(wav(1, 1, 32, little(0x7fc00000, 4), 3)); }), "not a finite number"));
  CHECK(has(error_of([&] { decode("RIFF____AVI LIST"); }), "not a WAV file"));
}

TEST_CASE("audio: folders of WAV files") {
  const TestFolder folder;
  const auto tone = [](int rate, int channels, const std::vector<int16_t>& values) {
    std::string data;
    for (const int16_t v : values) data += little(static_cast<uint16_t>(v), 2);
    return wav(channels, rate, 16, data);
  };
  folder.write("s/a/1.wav", tone(4, 1, {0, 16384, -16384, 8192}));
  folder.write("s/b/2.WAV", tone(4, 1, {8192, 0}));
  const auto open_audio = [&](const std::string& keys) { return open_source("{format: audio, path: s" + keys + "}", folder.path); };
  const OpenedSource padded = open_audio(", output_sequence_length: 3, rescale: 2");
  CHECK(padded.dataset->fields()[0].dims == Dims{3, 1});
  CHECK(numbers(gather_all(*padded.dataset)[0]) == std::vector<double>{0, 1, -1, 0.5, 0, 0});
  CHECK(numbers(gather_all(*padded.dataset)[1]) == std::vector<double>{0, 1});
  CHECK(has(error_of([&] { gather_all(*open_audio("").dataset); }), "s/b/2.WAV: 2 samples, the first file has 4"));
  folder.write("s/b/2.WAV", tone(8, 1, {0, 8192, 16384, 16384, 0, 0, 0, 0}));
  CHECK(has(error_of([&] { gather_all(*open_audio("").dataset); }), "8 Hz, expected 4; resample: linear"));
  CHECK(numbers(gather_all(*open_audio(", sampling_rate: 4, resample: linear").dataset)[0]) ==
        std::vector<double>{0, 0.5, -0.5, 0.25, 0, 0.5, 0, 0});
  CHECK(numbers(gather_all(*open_audio(", sampling_rate: 8, resample: linear").dataset)[0]) ==
        std::vector<double>{0, 0.25, 0.5, 0, -0.5, -0.125, 0.25, 0.25, 0, 0.25, 0.5, 0.5, 0, 0, 0, 0});
  folder.write("s/b/2.WAV", tone(4, 2, {0, 16384, 8192, 8192, 0, 0, 0, 0}));
  CHECK(has(error_of([&] { gather_all(*open_audio("").dataset); }), "2 channels, the first file has 1"));
  CHECK(numbers(gather_all(*open_audio(", channels: mono").dataset)[0]) == std::vector<double>{0, 0.5, -0.5, 0.25, 0.25, 0.25, 0, 0});
  CHECK(has(problems_of("{train: {format: audio, path: s, resample: linear}}"), "sampling_rate: required"));
}
