// What other programs see: plain HDF5, read here with the library itself.
#include <doctest/doctest.h>
#include <hdf5.h>

#include "base/crc32c.h"
#include "ckpt/checkpoint.h"
#include "unit/test_folder.h"

namespace dl {
namespace {

std::string text_at(hid_t file, const char* path) {
  const hid_t dataset = H5Dopen2(file, path, H5P_DEFAULT), type = H5Dget_type(dataset);
  REQUIRE(H5Tget_class(type) == H5T_STRING);
  std::string text(H5Tget_size(type), '\0');
  REQUIRE(H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, text.data()) >= 0);
  H5Tclose(type);
  H5Dclose(dataset);
  return text;
}

TEST_CASE("HDF5 finds weights, slots and texts") {
  const TestFolder folder;
  Checkpoint c;
  c.spec = "model: \"größe\"";
  c.facts["host"] = "node7";
  const std::vector<float> values = {1, -2, 3.5f, 4, 5, 1e-30f};
  c.parameters["dense/kernel"] = Tensor::from<float>({2, 3}, values);
  c.parameters["dense/kernel/adam_m"] = Tensor::from<float>({3, 2}, values);
  Tensor half(DType::kFloat16, {2});
  half.set(0, 0.25);
  half.set(1, -1024);
  c.parameters["half"] = half;
  Tensor brain(DType::kBFloat16, {1});
  brain.set(0, 1.5);
  c.parameters["brain"] = brain;
  const std::string path = folder / "x.ckpt.h5";
  write_checkpoint(path, c);

  CHECK(H5Fis_hdf5(path.c_str()) > 0);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDONLY, H5P_DEFAULT);
  REQUIRE(file >= 0);
  for (const char* name : {"/parameters/dense/kernel", "/slots/adam_m/dense/kernel"}) {
    const hid_t dataset = H5Dopen2(file, name, H5P_DEFAULT);
    REQUIRE(dataset >= 0);
    std::vector<float> found(6);
    CHECK(H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, found.data()) >= 0);
    CHECK(found == values);
    uint32_t crc = 0;
    const hid_t attribute = H5Aopen(dataset, "crc32c", H5P_DEFAULT);
    CHECK(H5Aread(attribute, H5T_NATIVE_UINT32, &crc) >= 0);
    CHECK(crc == crc32c(values.data(), 24));
    H5Aclose(attribute);
    H5Dclose(dataset);
  }
  double halves[2];
  hid_t dataset = H5Dopen2(file, "/parameters/half", H5P_DEFAULT);
  CHECK(H5Dread(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, halves) >= 0);
  CHECK(halves[0] == 0.25);
  CHECK(halves[1] == -1024);
  H5Dclose(dataset);
  dataset = H5Dopen2(file, "/parameters/brain", H5P_DEFAULT);
  CHECK(H5Aexists(dataset, "dtype") > 0);
  uint16_t bits = 0;
  CHECK(H5Dread(dataset, H5T_NATIVE_UINT16, H5S_ALL, H5S_ALL, H5P_DEFAULT, &bits) >= 0);
  CHECK(bits == 0x3fc0);
  H5Dclose(dataset);
  CHECK(text_at(file, "/spec") == c.spec);
  CHECK(text_at(file, "/facts/host") == "node7");
  CHECK(H5Fclose(file) >= 0);
}

}  // namespace
}  // namespace dl
