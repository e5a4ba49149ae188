// Files whose seal is right and whose content is not: what somebody could send. Each is refused with its path and the object's.
#include <doctest/doctest.h>
#include <hdf5.h>

#include <cstring>
#include <fstream>
#include <functional>

#include "base/crc32c.h"
#include "base/error.h"
#include "ckpt/checkpoint.h"
#include "ckpt/seal.h"
#include "test_folder.h"

namespace dl {
namespace {

// Seals the HDF5 file as it is.
void seal(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  std::string bytes((std::istreambuf_iterator<char>(in)), {});
  bytes.replace(0, kSealBytes, make_seal(bytes.size(), crc32c(std::string_view(bytes).substr(kSealBytes))));
  std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

// A good checkpoint, changed by `change` through HDF5 and sealed again; the message of the FileError.
std::string refusal(const std::function<void(hid_t file, const std::string& folder)>& change) {
  const TestFolder folder;
  Checkpoint c;
  c.spec = "model: {}";
  c.parameters["dense/kernel"] = Tensor(DType::kFloat32, {4, 8});
  c.parameters["dense/kernel/adam_m"] = Tensor(DType::kFloat32, {4, 8});
  const std::string path = folder.file("x.ckpt.h5");
  write_checkpoint(path, c);
  const hid_t file = H5Fopen(path.c_str(), H5F_ACC_RDWR, H5P_DEFAULT);
  REQUIRE(file >= 0);
  change(file, folder.path);
  REQUIRE(H5Fclose(file) >= 0);
  seal(path);
  CHECK(is_checkpoint(path));
  try {
    read_checkpoint(path);
    return "";
  } catch (const FileError& error) {
    const std::string message = error.what();
    CHECK(message.starts_with(path + ": "));
    return message.substr(path.size() + 2);
  }
}

bool has(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

// A dataset with these creation properties; the space is float32 [n] unless given.
void make_dataset(hid_t file, const char* path, hid_t type, std::vector<hsize_t> dims, hid_t creation = H5P_DEFAULT, hid_t own_space = -1) {
  const hid_t space = own_space >= 0 ? own_space : H5Screate_simple(static_cast<int>(dims.size()), dims.data(), nullptr);
  const hid_t dataset = H5Dcreate2(file, path, type, space, H5P_DEFAULT, creation, H5P_DEFAULT);
  REQUIRE(dataset >= 0);
  const hid_t scalar = H5Screate(H5S_SCALAR);
  const hid_t attribute = H5Acreate2(dataset, "crc32c", H5T_STD_U32LE, scalar, H5P_DEFAULT, H5P_DEFAULT);
  const uint32_t zero = 0;
  H5Awrite(attribute, H5T_NATIVE_UINT32, &zero);
  H5Aclose(attribute);
  H5Sclose(scalar);
  H5Dclose(dataset);
  H5Sclose(space);
}

TEST_CASE("unchanged, it reads") {
  CHECK(refusal([](hid_t, const std::string&) {}) == "");
}

TEST_CASE("links lead nowhere") {
  CHECK(refusal([](hid_t f, const std::string&) {
          H5Lcreate_external("/etc/passwd", "/x", f, "/parameters/x", H5P_DEFAULT, H5P_DEFAULT);
        }) == "/parameters/x: is a soft or external link, which is not allowed in a checkpoint");
  CHECK(has(
      refusal([](hid_t f, const std::string&) { H5Lcreate_soft("/parameters", f, "/parameters/dense/loop", H5P_DEFAULT, H5P_DEFAULT); }),
      "/parameters/dense/loop: is a soft or external link"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              H5Ldelete(f, "/spec", H5P_DEFAULT);
              H5Lcreate_soft("/state", f, "/spec", H5P_DEFAULT, H5P_DEFAULT);
            }),
            "/spec: is a soft or external link"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              H5Lmove(f, "/parameters", f, "/p", H5P_DEFAULT, H5P_DEFAULT);
              H5Lcreate_soft("/p", f, "/parameters", H5P_DEFAULT, H5P_DEFAULT);
            }),
            "/parameters: is a soft or external link"));
  // A cycle of hard links, and one dataset under two names.
  CHECK(has(
      refusal([](hid_t f, const std::string&) { H5Lcreate_hard(f, "/parameters", f, "/parameters/dense/loop", H5P_DEFAULT, H5P_DEFAULT); }),
      "has several names"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              H5Lcreate_hard(f, "/parameters/dense/kernel", f, "/parameters/twin", H5P_DEFAULT, H5P_DEFAULT);
            }),
            "has several names"));
}

TEST_CASE("data outside of the file") {
  CHECK(has(refusal([](hid_t f, const std::string&) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              H5Pset_external(creation, "/etc/passwd", 0, 400);
              make_dataset(f, "/parameters/stolen", H5T_IEEE_F32LE, {100}, creation);
              H5Pclose(creation);
            }),
            "/parameters/stolen: keeps its data in another file"));
  CHECK(has(refusal([](hid_t f, const std::string& folder) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              const hsize_t dims[] = {10};
              const hid_t space = H5Screate_simple(1, dims, nullptr);
              H5Pset_virtual(creation, space, (folder + "/other.h5").c_str(), "/x", space);
              H5Sclose(space);
              make_dataset(f, "/parameters/virtual", H5T_IEEE_F32LE, {10}, creation);
              H5Pclose(creation);
            }),
            "/parameters/virtual: is chunked, compact or virtual"));
}

TEST_CASE("sizes that the file cannot hold") {
  for (const bool deflate : {false, true}) {
    CHECK(has(refusal([&](hid_t f, const std::string&) {
                const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
                const hsize_t chunk[] = {1 << 20};
                H5Pset_chunk(creation, 1, chunk);
                if (deflate) H5Pset_deflate(creation, 9);
                make_dataset(f, "/parameters/bomb", H5T_IEEE_F32LE, {hsize_t{1} << 40}, creation);
                H5Pclose(creation);
              }),
              "/parameters/bomb: is larger than the file can hold"));
  }
  CHECK(has(refusal([](hid_t f, const std::string&) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              H5Pset_alloc_time(creation, H5D_ALLOC_TIME_LATE);  // never written, so no storage at all
              make_dataset(f, "/parameters/unwritten", H5T_IEEE_F32LE, {10}, creation);
              H5Pclose(creation);
            }),
            "/parameters/unwritten: holds 0 bytes instead of 40"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              const hid_t creation = H5Pcreate(H5P_DATASET_CREATE);
              const hsize_t chunk[] = {4};
              H5Pset_chunk(creation, 1, chunk);
              make_dataset(f, "/parameters/chunked", H5T_IEEE_F32LE, {10}, creation);
              H5Pclose(creation);
            }),
            "/parameters/chunked: is chunked"));
}

TEST_CASE("types that checkpoints do not use") {
  const auto with_type = [](hid_t type) {
    return refusal([&](hid_t f, const std::string&) { make_dataset(f, "/parameters/odd", type, {3}); });
  };
  const hid_t text = H5Tcopy(H5T_C_S1);
  H5Tset_size(text, H5T_VARIABLE);
  const hid_t lists = H5Tvlen_create(H5T_IEEE_F32LE);
  const hid_t record = H5Tcreate(H5T_COMPOUND, 8);
  H5Tinsert(record, "a", 0, H5T_IEEE_F32LE);
  for (const hid_t type : {H5T_IEEE_F32BE, text, lists, record, H5T_STD_REF_OBJ, H5T_STD_B8LE}) {
    CHECK(has(with_type(type), "/parameters/odd: has an element type that checkpoints do not use"));
  }
  H5Tclose(text);
  H5Tclose(lists);
  H5Tclose(record);
  CHECK(has(refusal([](hid_t f, const std::string&) {
              make_dataset(f, "/parameters/none", H5T_IEEE_F32LE, {}, H5P_DEFAULT, H5Screate(H5S_NULL));
            }),
            "/parameters/none: has no shape"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              const hid_t named = H5Tcopy(H5T_IEEE_F32LE);
              H5Tcommit2(f, "/parameters/type", named, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
              H5Tclose(named);  // or the file stays open
            }),
            "/parameters/type: is neither group nor dataset"));
}

TEST_CASE("attributes that lie") {
  const auto with_mark = [](const char* mark, hid_t element) {
    return refusal([&](hid_t f, const std::string&) {
      make_dataset(f, "/parameters/marked", element, {0});
      const hid_t dataset = H5Dopen2(f, "/parameters/marked", H5P_DEFAULT), type = H5Tcopy(H5T_C_S1), scalar = H5Screate(H5S_SCALAR);
      H5Tset_size(type, std::strlen(mark));
      H5Tset_strpad(type, H5T_STR_NULLPAD);
      H5Tset_cset(type, H5T_CSET_UTF8);
      const hid_t attribute = H5Acreate2(dataset, "dtype", type, scalar, H5P_DEFAULT, H5P_DEFAULT);
      H5Awrite(attribute, type, mark);
      H5Aclose(attribute);
      H5Sclose(scalar);
      H5Tclose(type);
      H5Dclose(dataset);
    });
  };
  CHECK(has(with_mark("bfloat16", H5T_STD_U16LE), "the checksum over its content does not fit"));  // right as far as it goes
  CHECK(has(with_mark("bfloat16", H5T_IEEE_F32LE), "/parameters/marked: has an element type"));
  CHECK(has(with_mark("float8", H5T_STD_U8LE), "/parameters/marked: has an element type"));
  CHECK(has(with_mark(std::string(5000, 'x').c_str(), H5T_STD_U8LE), "/parameters/marked: has an element type"));
  CHECK(has(refusal([](hid_t f, const std::string&) { H5Adelete_by_name(f, "/parameters/dense/kernel", "crc32c", H5P_DEFAULT); }),
            "/parameters/dense/kernel: has no number in its attribute 'crc32c'"));
  CHECK(has(refusal([](hid_t f, const std::string&) { H5Adelete(f, "content_crc32c"); }),
            "/: has no number in its attribute 'content_crc32c'"));
}

TEST_CASE("what is missing, added or in the wrong place") {
  CHECK(has(refusal([](hid_t f, const std::string&) { H5Ldelete(f, "/spec", H5P_DEFAULT); }), "/spec: is missing"));
  CHECK(
      has(refusal([](hid_t f, const std::string&) { H5Ldelete(f, "/slots", H5P_DEFAULT); }), "the checksum over its content does not fit"));
  CHECK(has(refusal([](hid_t f, const std::string&) { make_dataset(f, "/parameters/more", H5T_IEEE_F32LE, {0}); }),
            "the checksum over its content"));
  CHECK(has(refusal([](hid_t f, const std::string&) { make_dataset(f, "/slots/alone", H5T_IEEE_F32LE, {0}); }),
            "/slots/alone: belongs to no parameter"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              H5Lmove(f, "/parameters/dense/kernel", f, "/parameters/kernel", H5P_DEFAULT, H5P_DEFAULT);
            }),
            "the checksum over its content does not fit"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              H5Ldelete(f, "/spec", H5P_DEFAULT);
              make_dataset(f, "/spec", H5T_IEEE_F32LE, {2});
            }),
            "/spec: is not a single text"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              H5Ldelete(f, "/parameters", H5P_DEFAULT);
              make_dataset(f, "/parameters", H5T_IEEE_F32LE, {0});
            }),
            "/parameters: is no group"));
  CHECK(has(refusal([](hid_t f, const std::string&) {
              const float one = 1;
              const hid_t dataset = H5Dopen2(f, "/parameters/dense/kernel", H5P_DEFAULT);
              const hsize_t at[] = {2, 5};
              const hid_t point = H5Dget_space(dataset), memory = H5Screate(H5S_SCALAR);
              H5Sselect_elements(point, H5S_SELECT_SET, 1, at);
              H5Dwrite(dataset, H5T_NATIVE_FLOAT, memory, point, H5P_DEFAULT, &one);
              H5Sclose(memory);
              H5Sclose(point);
              H5Dclose(dataset);
            }),
            "/parameters/dense/kernel: its checksum does not fit its data"));
}

TEST_CASE("groups without end") {
  CHECK(has(refusal([](hid_t f, const std::string&) {
              std::string path = "/parameters";
              for (int i = 0; i < 300; ++i) {
                path += "/g";
                H5Gclose(H5Gcreate2(f, path.c_str(), H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
              }
            }),
            "groups are nested more than"));
}

TEST_CASE("not HDF5 behind a good seal") {
  const TestFolder folder;
  for (const size_t size : {kSealBytes, kSealBytes + 1, kSealBytes + 100'000}) {
    std::ofstream(folder.file("x"), std::ios::binary) << std::string(size, 'x');
    seal(folder.file("x"));
    CHECK_THROWS_WITH_AS(read_checkpoint(folder.file("x")), doctest::Contains("HDF5 cannot open it"), FileError);
  }
}

}  // namespace
}  // namespace dl
