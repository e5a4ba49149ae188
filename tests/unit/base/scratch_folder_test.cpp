// Results beside their target: in place whole, what they replace is gone, what was not published too.
#include "base/scratch_folder.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "unit/test_folder.h"

using namespace dl;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& path, const std::string& text) { std::ofstream(path) << text; }
std::string read(const fs::path& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

}  // namespace

TEST_CASE("files and folders are published over files and folders") {
  const TestFolder folder;
  const fs::path target = folder / "m";
  for (const bool old_is_folder : {false, true})
    for (const bool new_is_folder : {false, true}) {
      fs::remove_all(target);
      if (old_is_folder) fs::create_directory(target);
      write(old_is_folder ? target / "old" : target, "old");
      {
        ScratchFolder scratch(target.string());
        const fs::path result = scratch.path() / "m";
        if (new_is_folder) fs::create_directory(result);
        write(new_is_folder ? result / "new" : result, "new");
        write(scratch.path() / "left", "not published");
        CHECK(read(old_is_folder ? target / "old" : target) == "old");
        scratch.publish(result);
      }
      CHECK(folder.files() == std::vector<std::string>{"m"});
      CHECK(read(new_is_folder ? target / "new" : target) == "new");
      CHECK(!fs::exists(target / "old"));
    }
}

TEST_CASE("the folder takes the target's place") {
  const TestFolder folder;
  const fs::path target = folder / "model";
  for (int round = 0; round < 2; ++round) {
    ScratchFolder scratch(target.string() + "/");
    write(scratch.path() / std::to_string(round), "x");
    scratch.become_target();
  }
  CHECK(folder.files() == std::vector<std::string>{"model"});
  CHECK(fs::exists(target / "1"));
  CHECK(!fs::exists(target / "0"));
  CHECK((fs::status(target).permissions() & fs::perms::owner_all) == fs::perms::owner_all);
  CHECK_THROWS_AS(ScratchFolder(folder / "none/m"), EnvError);
}
