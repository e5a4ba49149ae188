#include "hdf5/hdf5_file.h"

#include <errno.h>
#include <fmt/format.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/error.h"
#include "hdf5/hdf5_child.h"
#include "hdf5/hdf5_mutex.h"
#include "tensor/cast.h"

namespace dl {
namespace {

constexpr int kStallMs = 60'000;
constexpr size_t kMaxListingBytes = size_t{512} << 20;
constexpr size_t kMaxSplits = 10'000;

// Takes a payload apart; anything that does not fit throws.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T number() {
    T value;
    memcpy(&value, take(sizeof value).data(), sizeof value);
    return value;
  }
  std::string text() {
    const uint32_t length = number<uint32_t>();
    return std::string(take(length));
  }

 private:
  std::string_view take(size_t count) {
    if (count > bytes_.size()) throw FileError("is damaged or hostile: the answers of the HDF5 library make no sense");
    const std::string_view part = bytes_.substr(0, count);
    bytes_.remove_prefix(count);
    return part;
  }
  std::string_view bytes_;
};

}  // namespace

Hdf5File::Hdf5File(const std::string& name, const FileRange& range) : name_(name) {
  start_child(range);
  try {
    read_listing();
  } catch (FileError& error) {
    stop_child();
    if (!std::string_view(error.what()).starts_with(name_)) error.add_context(name_);
    throw;
  } catch (...) {
    stop_child();
    throw;
  }
}

Hdf5File::~Hdf5File() { stop_child(); }

void Hdf5File::start_child(const FileRange& range) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
    throw EnvError(fmt::format("{}: cannot start the reader of HDF5 files: {}", name_, strerror(errno)));
  int error = 0;
  {
    // The child must not find the library in the middle of a call of another thread.
    const std::lock_guard lock(hdf5_mutex());
    child_ = fork();
    error = errno;
  }
  if (child_ == 0) run_hdf5_child(range, ends[1]);
  close(ends[1]);
  socket_ = ends[0];
  if (child_ < 0) {
    close(socket_);
    throw EnvError(fmt::format("{}: cannot start the reader of HDF5 files: {}", name_, strerror(error)));
  }
}

void Hdf5File::stop_child() noexcept {
  if (socket_ >= 0) close(socket_);
  socket_ = -1;
  if (child_ > 0) {
    kill(child_, SIGKILL);
    while (waitpid(child_, nullptr, 0) < 0 && errno == EINTR) {
    }
  }
  child_ = -1;
}

void Hdf5File::fail(const std::string& message) {
  throw FileError(fmt::format("{}: {}{}", name_, at_.empty() ? "" : fmt::format("{}: ", at_), message));
}

// The child is gone in the middle of an answer.
void Hdf5File::report_end() {
  int status = 0;
  pid_t ended;
  while ((ended = waitpid(child_, &status, 0)) < 0 && errno == EINTR) {
  }
  child_ = -1;
  if (ended > 0 && WIFSIGNALED(status))
    fail(fmt::format("is damaged or hostile: the HDF5 library crashed while reading it ({})", strsignal(WTERMSIG(status))));
  fail("is damaged or hostile: the HDF5 library gave up while reading it");
}

void Hdf5File::receive(void* destination, size_t bytes) {
  char* next = static_cast<char*>(destination);
  while (bytes > 0) {
    pollfd waiting{socket_, POLLIN, 0};
    const int ready = poll(&waiting, 1, kStallMs);
    if (ready < 0 && errno == EINTR) continue;
    if (ready == 0) fail(fmt::format("is damaged or hostile: the HDF5 library did not get on for {} seconds", kStallMs / 1000));
    const ssize_t got = ::read(socket_, next, bytes);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) report_end();
    next += got;
    bytes -= static_cast<size_t>(got);
  }
}

void Hdf5File::send(const void* source, size_t bytes) {
  while (::send(socket_, source, bytes, MSG_NOSIGNAL) < 0)
    if (errno != EINTR) report_end();
}

void Hdf5File::read_listing() {
  size_t total = 0;
  for (;;) {
    char type = 0;
    uint64_t length = 0;
    receive(&type, 1);
    receive(&length, sizeof length);
    total += length;
    if (length > kMaxFrameBytes || total > kMaxListingBytes) fail("holds too many groups and attributes for a model");
    std::string payload(length, '\0');
    receive(payload.data(), length);
    switch (type) {
      case 'G':
        at_ = payload;
        groups_[payload] = true;
        break;
      case 'A':
        read_attribute(payload);
        break;
      case 'D':
        read_dataset_row(payload);
        break;
      case 'E':
        at_.clear();
        fail(payload);
      case 'L':
        at_.clear();
        return;
      default:
        fail("is damaged or hostile: the answers of the HDF5 library make no sense");
    }
  }
}

void Hdf5File::read_attribute(std::string_view payload) {
  Fields fields(payload);
  const std::string object = fields.text(), name = fields.text();
  Attribute& attribute = attributes_[object][name];
  attribute.scalar = fields.number<uint8_t>() != 0;
  attribute.is_text = fields.number<uint8_t>() != 0;
  const uint32_t count = fields.number<uint32_t>();
  for (uint32_t i = 0; i < count; ++i) attribute.texts.push_back(fields.text());
}

void Hdf5File::read_dataset_row(std::string_view payload) {
  Fields fields(payload);
  at_ = fields.text();
  Hdf5Dataset row;
  row.number = static_cast<uint32_t>(datasets_.size());
  row.dtype = static_cast<DType>(fields.number<uint8_t>());
  const uint32_t rank = fields.number<uint32_t>();
  for (uint32_t i = 0; i < rank; ++i) row.dims.push_back(fields.number<int64_t>());
  row.problem = fields.text();
  if (row.problem.empty()) element_count(row.dims);
  if (!datasets_.emplace(at_, std::move(row)).second) fail("appears twice");
}

const Hdf5Dataset* Hdf5File::dataset(const std::string& path) const {
  const auto found = datasets_.find(path);
  return found == datasets_.end() ? nullptr : &found->second;
}

std::optional<std::string> Hdf5File::text(const std::string& object, const std::string& attribute) const {
  const std::optional<std::vector<std::string>> found = texts(object, attribute);
  return found && found->size() == 1 ? std::optional((*found)[0]) : std::nullopt;
}

std::optional<std::vector<std::string>> Hdf5File::texts(const std::string& object, const std::string& attribute) const {
  const auto of_object = attributes_.find(object);
  if (of_object == attributes_.end()) return std::nullopt;
  const auto found = of_object->second.find(attribute);
  // h5py stores an empty list as numbers.
  if (found != of_object->second.end())
    return found->second.is_text || !found->second.scalar ? std::optional(found->second.texts) : std::nullopt;
  std::vector<std::string> joined;
  size_t part = 0;
  for (; part < kMaxSplits; ++part) {
    const auto next = of_object->second.find(attribute + std::to_string(part));
    if (next == of_object->second.end()) break;
    joined.insert(joined.end(), next->second.texts.begin(), next->second.texts.end());
  }
  return part > 0 ? std::optional(std::move(joined)) : std::nullopt;
}

const Hdf5Dataset& Hdf5File::begin(const std::string& path) {
  const Hdf5Dataset* row = dataset(path);
  at_ = path;
  if (!row) fail("is missing");
  if (!row->problem.empty()) fail(row->problem);
  send(&row->number, sizeof row->number);
  char type = 0;
  uint64_t length = 0;
  receive(&type, 1);
  receive(&length, sizeof length);
  if (type == 'E' && length <= kMaxFrameBytes) {
    std::string message(length, '\0');
    receive(message.data(), length);
    fail(message);
  }
  if (type != 'B' || length != 0) fail("is damaged or hostile: the answers of the HDF5 library make no sense");
  return *row;
}

Tensor Hdf5File::read(const std::string& path, std::optional<DType> dtype) {
  const Hdf5Dataset& row = begin(path);
  Tensor tensor =
      from_pieces(row.dtype, row.dims, dtype.value_or(row.dtype), [this](uint64_t, void* bytes, size_t count) { receive(bytes, count); });
  at_.clear();
  return tensor;
}

}  // namespace dl
