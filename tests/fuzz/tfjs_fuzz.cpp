// A TF.js model: two bytes say how long model.json is, what follows it is the file of weights "w".
#include <sys/stat.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/error.h"
#include "io/format.h"

namespace {

std::string make_folder() {
  std::string name = access("/dev/shm", W_OK) == 0 ? "/dev/shm/tfjs-fuzz.XXXXXX" : "/tmp/tfjs-fuzz.XXXXXX";
  if (!mkdtemp(name.data())) __builtin_trap();
  return name;
}

struct Folder {
  const std::string path = make_folder();
  ~Folder() {
    unlink((path + "/model.json").c_str());
    unlink((path + "/w").c_str());
    rmdir(path.c_str());
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const Folder folder;
  if (size < 2) return 0;
  const size_t length = std::min<size_t>(data[0] + size_t{256} * data[1], size - 2);
  const auto* text = reinterpret_cast<const char*>(data) + 2;
  std::ofstream(folder.path + "/model.json", std::ios::binary).write(text, static_cast<std::streamsize>(length));
  std::ofstream(folder.path + "/w", std::ios::binary).write(text + length, static_cast<std::streamsize>(size - 2 - length));
  try {
    dl::read_model(folder.path, {}, dl::find_format("tfjs"));
  } catch (const dl::FileError&) {
  }
  return 0;
}
