#include "hdf5/hdf5_output.h"

#include <fmt/format.h>
#include <hdf5.h>
#include <string.h>

#include <algorithm>
#include <bit>
#include <utility>

#include "base/atomic_file.h"
#include "base/error.h"
#include "base/positional_io.h"
#include "hdf5/hdf5_handles.h"
#include "hdf5/hdf5_mutex.h"
#include "tensor/cast.h"

namespace dl {

static_assert(std::endian::native == std::endian::little, "tensors are written as they lie in memory");

// Where the file driver below writes. A failed write is kept and not told to HDF5 1.10, which does not get over it.
struct Hdf5Target {
  int fd;
  uint64_t offset;
  std::string name;
  int error = 0;
  uint64_t end = 0;  // of what was written

  void write(uint64_t address, const void* bytes, size_t count) {
    end = std::max(end, address + count);
    if (error == 0) error = write_at(fd, offset + address, bytes, count).error;
  }
  // Before the library reads again what could not be written.
  void throw_if_failed() const {
    if (error != 0) throw_file_error(name, "cannot write", error);
  }
};

namespace {

using namespace hdf5;

constexpr size_t kMaxAttributeBytes = 64512;  // Keras's HDF5_OBJECT_HEADER_LIMIT

// ---- the driver
struct OutputFile {
  H5FD_t base;  // first: HDF5 sees this
  Hdf5Target* target;
  haddr_t allocated;
};

OutputFile* file_of(H5FD_t* base) { return reinterpret_cast<OutputFile*>(base); }
const OutputFile* file_of(const H5FD_t* base) { return reinterpret_cast<const OutputFile*>(base); }

H5FD_t* open_output(const char*, unsigned, hid_t access, haddr_t) {
  auto* file = new OutputFile{};
  file->target = *static_cast<Hdf5Target* const*>(H5Pget_driver_info(access));
  return &file->base;
}
herr_t close_output(H5FD_t* base) {
  delete file_of(base);
  return 0;
}
herr_t query_output(const H5FD_t*, unsigned long* flags) {
  *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE | H5FD_FEAT_AGGREGATE_SMALLDATA;
  return 0;
}
haddr_t allocated_of(const H5FD_t* base, H5FD_mem_t) { return file_of(base)->allocated; }
herr_t set_allocated(H5FD_t* base, H5FD_mem_t, haddr_t address) {
  file_of(base)->allocated = address;
  return 0;
}
haddr_t end_of(const H5FD_t* base, H5FD_mem_t) { return file_of(base)->target->end; }

herr_t read_output(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size, void* buffer) {
  Hdf5Target& target = *file_of(base)->target;
  const Transfer read = read_at(target.fd, target.offset + address, buffer, size);
  if (target.error == 0) target.error = read.error;
  memset(static_cast<char*>(buffer) + read.bytes, 0, size - read.bytes);
  return 0;
}

herr_t write_output(H5FD_t* base, H5FD_mem_t, hid_t, haddr_t address, size_t size, const void* buffer) {
  file_of(base)->target->write(address, buffer, size);
  return 0;
}

H5FD_class_t output_class() {
  H5FD_class_t c;
  memset(&c, 0, sizeof c);
#ifdef H5FD_CLASS_VERSION
  c.version = H5FD_CLASS_VERSION;
  c.value = 600;
#endif
  c.name = "dltool-output";
  c.maxaddr = static_cast<haddr_t>(INT64_MAX);
  c.fc_degree = H5F_CLOSE_STRONG;
  c.fapl_size = sizeof(Hdf5Target*);
  c.open = open_output;
  c.close = close_output;
  c.query = query_output;
  c.get_eoa = allocated_of;
  c.set_eoa = set_allocated;
  c.get_eof = end_of;
  c.read = read_output;
  c.write = write_output;
  const H5FD_mem_t map[] = H5FD_FLMAP_SINGLE;
  std::copy(std::begin(map), std::end(map), c.fl_map);
  return c;
}

hid_t output_driver() {
  static const hid_t id = [] {
    set_up_hdf5();
    static const H5FD_class_t kClass = output_class();
    return H5FDregister(&kClass);
  }();
  DL_CHECK(id >= 0, "HDF5: H5FDregister failed");
  return id;
}

Id open_object(hid_t file, const std::string& path) {
  return Id(H5Oopen(file, path.empty() ? "/" : path.c_str(), H5P_DEFAULT), H5Oclose, ("H5Oopen of " + path).c_str());
}

void write_attribute(hid_t object, const std::string& name, hid_t type, hid_t space, const void* value) {
  const Id attribute(H5Acreate2(object, name.c_str(), type, space, H5P_DEFAULT, H5P_DEFAULT), H5Aclose, ("H5Acreate of " + name).c_str());
  if (value) check(H5Awrite(attribute.get(), type, value), "H5Awrite");
}

Id scalar_space() { return Id(H5Screate(H5S_SCALAR), H5Sclose, "H5Screate"); }

// Strings of `bytes` bytes, padded with NULs.
Id fixed_text(size_t bytes) {
  Id type = copy_type(H5T_C_S1);
  check(H5Tset_size(type.get(), std::max<size_t>(bytes, 1)), "H5Tset_size");
  check(H5Tset_strpad(type.get(), H5T_STR_NULLPAD), "H5Tset_strpad");
  return type;
}

void write_text_array(hid_t object, const std::string& name, const std::string* first, size_t count, size_t width) {
  std::string bytes(count * width, '\0');
  for (size_t i = 0; i < count; ++i) bytes.replace(i * width, first[i].size(), first[i]);
  const hsize_t size = count;
  const Id type = fixed_text(width), space(H5Screate_simple(1, &size, nullptr), H5Sclose, "H5Screate_simple");
  write_attribute(object, name, type.get(), space.get(), bytes.data());
}

// Space in the file from the start, so that it is known where the data goes: it is written past the library, in pieces.
uint64_t create_dataset(hid_t file, const std::string& path, const Id& type, const Id& space, bool empty) {
  const Id creation = dataset_creation();
  check(H5Pset_alloc_time(creation.get(), H5D_ALLOC_TIME_EARLY), "H5Pset_alloc_time");
  const Id dataset(H5Dcreate2(file, path.c_str(), type.get(), space.get(), link_creation().get(), creation.get(), H5P_DEFAULT), H5Dclose,
                   ("H5Dcreate of " + path).c_str());
  if (empty) return 0;
  const haddr_t address = H5Dget_offset(dataset.get());
  DL_CHECK(address != HADDR_UNDEF, "HDF5: H5Dget_offset failed");
  return address;
}

}  // namespace

Hdf5Output::Hdf5Output(int fd, uint64_t offset, const std::string& name, size_t user_block_bytes)
    : lock_(hdf5_mutex()), target_(new Hdf5Target{fd, offset, name, 0, 0}) {
  const Id access = property_list(H5P_FILE_ACCESS), creation = property_list(H5P_FILE_CREATE);
  const Hdf5Target* target = target_.get();
  check(H5Pset_driver(access.get(), output_driver(), &target), "H5Pset_driver");
  check(H5Pset_userblock(creation.get(), user_block_bytes), "H5Pset_userblock");
  check(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  file_ = H5Fcreate("output", H5F_ACC_TRUNC, creation.get(), access.get());
  DL_CHECK(file_ >= 0, "HDF5: H5Fcreate failed");
}

Hdf5Output::~Hdf5Output() {
  if (file_ >= 0) H5Fclose(file_);
}

void Hdf5Output::add_group(const std::string& path) {
  target_->throw_if_failed();
  if (path.empty() || H5Lexists(file_, path.substr(0, path.find('/')).c_str(), H5P_DEFAULT) > 0) {
    // H5Lexists wants every group above to be there.
    bool found = true;
    for (size_t slash = path.find('/'); found && slash != std::string::npos; slash = path.find('/', slash + 1))
      found = H5Lexists(file_, path.substr(0, slash).c_str(), H5P_DEFAULT) > 0;
    if (path.empty() || (found && H5Lexists(file_, path.c_str(), H5P_DEFAULT) > 0)) return;
  }
  const Id creation = property_list(H5P_GROUP_CREATE);
  check(H5Pset_obj_track_times(creation.get(), false), "H5Pset_obj_track_times");
  const Id group(H5Gcreate2(file_, path.c_str(), link_creation().get(), creation.get(), H5P_DEFAULT), H5Gclose,
                 ("H5Gcreate of " + path).c_str());
}

uint64_t Hdf5Output::add_dataset(const std::string& path, const Tensor& tensor, DType stored) {
  target_->throw_if_failed();
  const uint64_t begin = create_dataset(file_, path, stored_type(stored), space_of(tensor), tensor.size() == 0);
  uint64_t next = begin;
  for_each_piece(tensor, stored, [&](const void* bytes, size_t count) {
    target_->write(next, bytes, count);
    next += count;
  });
  target_->throw_if_failed();
  // What HDF5 lacks has a type of the same size.
  if (stored == DType::kBFloat16 || stored == DType::kBool) set_text(path, "dtype", name_of(stored));
  return begin;
}

uint64_t Hdf5Output::add_text(const std::string& path, std::string_view text) {
  target_->throw_if_failed();
  const Id type = fixed_text(text.size());
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  const uint64_t begin = create_dataset(file_, path, type, scalar_space(), false);
  target_->write(begin, text.empty() ? "" : text.data(), std::max<size_t>(text.size(), 1));
  target_->throw_if_failed();
  return begin;
}

void Hdf5Output::set_text(const std::string& object, const std::string& name, std::string_view value) {
  const std::string text(value);
  const char* pointer = text.c_str();
  const Id type = copy_type(H5T_C_S1);
  check(H5Tset_size(type.get(), H5T_VARIABLE), "H5Tset_size");
  check(H5Tset_cset(type.get(), H5T_CSET_UTF8), "H5Tset_cset");
  const Id space = scalar_space(), opened = open_object(file_, object);
  write_attribute(opened.get(), name, type.get(), space.get(), &pointer);
}

void Hdf5Output::set_number(const std::string& object, const std::string& name, uint32_t value) {
  const Id type = stored_type(DType::kUInt32), space = scalar_space(), opened = open_object(file_, object);
  write_attribute(opened.get(), name, type.get(), space.get(), &value);
}

void Hdf5Output::set_texts(const std::string& object, const std::string& name, const std::vector<std::string>& values) {
  const Id opened = open_object(file_, object);
  size_t width = 1;
  for (const std::string& value : values) width = std::max(width, value.size());
  if (values.empty()) {
    // What numpy makes of an empty list.
    const hsize_t none = 0;
    const Id type = copy_type(H5T_IEEE_F64LE), space(H5Screate_simple(1, &none, nullptr), H5Sclose, "H5Screate_simple");
    return write_attribute(opened.get(), name, type.get(), space.get(), nullptr);
  }
  DL_CHECK(width <= kMaxAttributeBytes, fmt::format("HDF5: a name of {} bytes", width));
  const size_t room = kMaxAttributeBytes / width;
  if (values.size() <= room) return write_text_array(opened.get(), name, values.data(), values.size(), width);
  const size_t parts = (values.size() + room - 1) / room;
  // numpy.array_split: the first ones are longer by one.
  size_t begin = 0;
  for (size_t p = 0; p < parts; ++p) {
    const size_t count = values.size() / parts + (p < values.size() % parts ? 1 : 0);
    write_text_array(opened.get(), fmt::format("{}{}", name, p), &values[begin], count, width);
    begin += count;
  }
}

uint64_t Hdf5Output::close() {
  const herr_t closed = H5Fclose(std::exchange(file_, -1));
  target_->throw_if_failed();
  check(closed, "H5Fclose");
  return target_->end;
}

}  // namespace dl
