// Input made to exhaust time or memory: refused at once, with a place.
#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>

#include "base/error.h"
#include "spec/yaml.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::spec;

namespace {

// glibc keeps the peak for the whole process, so each case sees the worst one before it too.
double peak_megabytes() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || !defined(NDEBUG)
constexpr double kSlower = 10;  // instrumented or unoptimised
#else
constexpr double kSlower = 1;
#endif

template <class F>
std::string refused(const F& read) {
  const std::clock_t start = std::clock();  // processor time: other programs do not count
  std::string message = "no error";
  try {
    read();
  } catch (const UserError& error) {
    message = error.what();
  }
  CHECK(static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC < kSlower);
  CHECK(peak_megabytes() < 100 * kSlower);
  return message;
}

std::string parse_refused(const std::string& text) {
  return refused([&] { parse_yaml(text, "f.yaml"); });
}

}  // namespace

TEST_CASE("alias bombs are refused") {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int level = 1; level <= 10; ++level) {
    const std::string alias = "*a" + std::to_string(level - 1);
    bomb += "a" + std::to_string(level) + ": &a" + std::to_string(level) + " [" + alias + repeat(", " + alias, 9) + "]\n";
  }
  CHECK(parse_refused(bomb) == "f.yaml:5:45: the aliases expand to too many values; at most 100000 are allowed");
  const std::string strings = "a: &a '" + std::string(500'000, 'x') + "'\nb: [*a" + repeat(", *a", 1000) + "]\n";
  CHECK(parse_refused(strings).find("the aliases expand to more than") != std::string::npos);
  const std::string deep = "a: &a " + repeat("[", 40) + repeat("]", 40) + "\nb: " + repeat("[", 40) + "*a" + repeat("]", 40) + "\n";
  CHECK(parse_refused(deep) == "f.yaml:2:44: nested too deep; at most 64 levels are allowed");
}

TEST_CASE("nested anchors take memory once") {
  std::string text = "&a0 ";
  for (int i = 1; i < 60; ++i) text += "[&a" + std::to_string(i) + " ";
  text += "[" + repeat("1,", 90'000) + "]" + repeat("]", 59);
  CHECK(refused([&] { CHECK(parse_yaml(text, "f.yaml").is_list()); }) == "no error");
}

TEST_CASE("deep nesting is refused") {
  for (const char* part : {"[", "{", "- ", "[{a: ", "{a: ["}) {
    INFO(std::string(part));
    CHECK(parse_refused(repeat(part, 10'000)).find("nested too deep; at most 64 levels are allowed") != std::string::npos);
  }
  CHECK(parse_refused(repeat("? ", 10'000)) == "f.yaml:1:3: a map cannot be a key");
  CHECK(parse_refused(std::string(1'000'000, '[')).find("f.yaml:1:513: nested too deep") != std::string::npos);
  std::string blocks;
  for (size_t i = 0; i < 1000; ++i) blocks += std::string(i, ' ') + "a:\n";
  CHECK(parse_refused(blocks) == "f.yaml:65:65: nested too deep; at most 64 levels are allowed");
  CHECK(refused([] { parse_yaml(repeat("[", 64) + repeat("]", 64), "f.yaml"); }) == "no error");
  CHECK(parse_refused(repeat("[", 65) + repeat("]", 65)) == "f.yaml:1:65: nested too deep; at most 64 levels are allowed");
}

TEST_CASE("too many values, too many bytes") {
  for (const std::string& text : {"[" + repeat("1,", 400'000) + "]", "[" + repeat("1,\n", 300'000) + "]", repeat("- 1\n", 250'000),
                                  "[" + std::string(1'000'000, ',') + "]"}) {
    CHECK(parse_refused(text).find("too many values; at most 100000 are allowed") != std::string::npos);
  }
  CHECK(parse_refused(std::string(static_cast<size_t>(kMaxFileBytes) + 1, 'x')) ==
        "f.yaml: 1048577 bytes are too many for a specification; at most 1048576 are allowed");
  CHECK(refused([] { parse_yaml("a: '" + std::string(1'000'000, 'x') + "'", "f.yaml"); }) == "no error");
}

TEST_CASE("text that makes the parser loop or look far ahead ends soon") {
  for (const char c : {',', ':', '?', '&', '!', ']', '*', '|', '%', '"', '\'', '-', '#', ' ', '\n', '@', '`'}) {
    INFO(c);
    const std::string text(1'000'000, c);
    const std::string_view none = "no error";
    // Four of them are values: "----" and "????" strings, "&&&&" an anchored null, an even number of single quotes a string of quotes.
    const bool value = std::string_view("-?&'").find(c) != std::string_view::npos;
    CHECK((parse_refused(text) == none) == value);
    parse_refused("[" + text);
    parse_refused("{" + text);
    parse_refused("a: |\n " + text);
  }
}

TEST_CASE("files that are no specification") {
  const auto folder = std::filesystem::temp_directory_path() / ("dltool-spec-" + std::to_string(getpid()));
  std::filesystem::create_directories(folder);
  const std::string big = folder / "big.yaml", fifo = folder / "fifo", loop = folder / "loop", odd = folder / "-a b\n\xC3\xA9.yaml";
  { std::ofstream(big) << "a: 1\n"; }
  std::filesystem::resize_file(big, 100'000'000);
  REQUIRE(mkfifo(fifo.c_str(), 0600) == 0);
  std::filesystem::create_symlink(loop, loop);
  { std::ofstream(odd) << "a: 1\n"; }
  CHECK(refused([&] { load_yaml(big); }) == big + ": too large for a specification; at most 1048576 bytes are allowed");
  CHECK(refused([&] { load_yaml(folder); }) == folder.string() + ": is a directory; a YAML file is wanted");
  CHECK(refused([&] { load_yaml(fifo); }) == fifo + ": is not a regular file; a YAML file is wanted");
  CHECK(refused([&] { load_yaml("/dev/zero"); }) == "/dev/zero: is not a regular file; a YAML file is wanted");
  CHECK(refused([&] { load_yaml(loop); }).find("cannot be opened") != std::string::npos);
  CHECK(refused([&] { load_yaml(folder / "missing.yaml"); }).find("missing.yaml: cannot be opened: No such file") != std::string::npos);
  CHECK(load_yaml(odd).find("a")->as_int() == 1);
  std::filesystem::remove_all(folder);
}
