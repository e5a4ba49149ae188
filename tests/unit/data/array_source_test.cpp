// The npy, npz and hdf5 sources. arrays.h5 and linked.h5 are h5py's own (files/make_files.py).
#include <doctest/doctest.h>

#include "data/idx.h"
#include "data/npy.h"
#include "data/npy_stream.h"
#include "helpers.h"
#include "unit/text.h"

using namespace dl;
using namespace dl::test;

namespace {

std::vector<double> eighths() {
  std::vector<double> values;
  for (int i = 0; i < 24; ++i) values.push_back(i / 8.0);
  return values;
}

std::string array_error(const std::string& yaml) {
  return error_of([&] { open_source(yaml, kFiles); });
}

}  // namespace

TEST_CASE("rows beyond the limit are spilled, and are the same") {
  const auto bytes = [](const std::string& file) { return read_text(kFiles + file); };
  for (const char* file : {"plain.npy", "big.npy", "fortran.npy", "bool.npy", "half.npy"}) {
    const std::string text = bytes(file);
    const Tensor expected = read_npy(bytes_of(text), "t");
    const ArrayRows spilled = read_npy_rows(*open_memory(bytes_of(text), "t"), 2);
    CHECK(bit_equal(spilled.tensor(), expected));
    std::vector<std::byte> buffer;
    const auto width = static_cast<int64_t>(size_of(expected.dtype()));
    CHECK(std::memcmp(spilled.elements(1, 2, buffer), static_cast<const std::byte*>(expected.raw()) + width,
                      static_cast<size_t>(2 * width)) == 0);
    const std::string cut = text.substr(0, text.size() - 1);
    CHECK(has(error_of([&] { read_npy_rows(*open_memory(bytes_of(cut), "t"), 2); }), "3: t: shape "));
  }
  const std::string idx{0, 0, 0x0b, 2, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8};
  CHECK(numbers(read_idx_rows(*open_memory(bytes_of(idx), "t"), 2).tensor()) == std::vector<double>{0x102, 0x304, 0x506, 0x708});
  CHECK(has(error_of([&] { read_idx_rows(*open_memory(bytes_of(idx + "x"), "t"), 2); }), "the file holds more"));
  CHECK(has(error_of([&] { read_idx_rows(*open_memory(bytes_of(idx.substr(0, 17)), "t"), 2); }), "the file holds 5"));
  std::vector<uint8_t> flags(200, 7);
  flags[3] = 0;
  size_t at = 0;
  const auto give = [&](std::span<std::byte> into) { std::memcpy(into.data(), flags.data() + at, into.size()), at += into.size(); };
  const Tensor bools = ArrayRows::read(DType::kBool, {200}, give, 10).tensor();
  CHECK(static_cast<const uint8_t*>(bools.raw())[2] == 1);
  CHECK(static_cast<const uint8_t*>(bools.raw())[3] == 0);
}

TEST_CASE("npz source: fields, class targets, mismatches") {
  const OpenedSource opened = open_source("{format: npz, path: " + kFiles + "deflated.npz, y: y, shape: [12]}", "");
  CHECK(opened.dataset->fields()[0].dims == Dims{12});
  CHECK(opened.dataset->fields()[1].dtype == DType::kInt32);
  CHECK(opened.dataset->fields()[1].classes == std::vector<std::string>{"0", "1"});
  CHECK(numbers(gather_all(*opened.dataset)[1]) == std::vector<double>{1, 0});
  CHECK(error_of([] { open_source("{path: " + kFiles + "deflated.npz, y: scale}", ""); }).find("'scale' is a single number") !=
        std::string::npos);
  CHECK(error_of([] { open_source("{path: " + kFiles + "deflated.npz, y: y, classes: [only, one, two], shape: [5]}", ""); }).find("2: ") ==
        0);
  CHECK(error_of([] {
          open_source("{format: npy, x: " + kFiles + "plain.npy, y: " + kFiles + "half.npy}", "");
        }).find("half.npy' holds 3 samples") != std::string::npos);
  const OpenedSource npy_source = open_source("{format: npy, x: {left: plain.npy}, y: {out: fortran.npy}, dtype: float64}", kFiles);
  CHECK(npy_source.dataset->fields()[0].name == "left");
  CHECK(npy_source.dataset->fields()[0].dtype == DType::kFloat64);
  CHECK(npy_source.dataset->fields()[1].dims == Dims{3, 4});
}

TEST_CASE("hdf5 source: any layout and byte order gives the same array") {
  for (const char* path : {"plain", "/packed/big", "grows"}) {
    CAPTURE(path);
    const OpenedSource opened = open_source(std::string("{path: arrays.h5, x: ") + path + ", y: y, shape: [12], rescale: 2}", kFiles);
    CHECK(opened.dataset->fields()[0].name == "x");
    CHECK(opened.dataset->fields()[0].dims == Dims{12});
    CHECK(opened.dataset->fields()[1].classes == std::vector<std::string>{"0", "1"});
    const std::vector<Tensor> all = gather_all(*opened.dataset);
    for (int64_t i = 0; i < 24; ++i) CHECK(all[0].at(i) == 2 * eighths()[static_cast<size_t>(i)]);
    CHECK(numbers(all[1]) == std::vector<double>{1, 0});
  }
  const OpenedSource several = open_source("{format: hdf5, path: arrays.h5, x: {a: plain, b: grows}, y: {flag: flags}}", kFiles);
  CHECK(several.dataset->fields()[1].name == "b");
  CHECK(several.dataset->fields()[2].classes == std::vector<std::string>{"0", "1"});
}

TEST_CASE("hdf5 source: what cannot be read is told with what there is") {
  CHECK(array_error("{path: arrays.h5}") ==
        "3: " + kFiles + "arrays.h5: no dataset 'x'; the file holds flags, grows, one, packed/big, plain, words, y");
  CHECK(has(array_error("{path: arrays.h5, x: words}"), "arrays.h5: words: holds elements that are no numbers"));
  CHECK(has(array_error("{path: arrays.h5, x: one}"), "'one' is a single number; its first axis must count the samples"));
  CHECK(has(array_error("{path: linked.h5}"), "x: is an external link, which may lead to other files"));
  CHECK(has(array_error("{path: none.h5}"), "none.h5"));
  CHECK(has(array_error("{format: hdf5, path: plain.npy}"), "is no HDF5 file"));
  CHECK(has(array_error("{format: hdf5, path: '-'}"), "2: standard input: HDF5 is read from a file only"));
}
