// Parse, run, turn an error into one line and an exit code.
#include <stdlib.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <new>
#include <string_view>

#include "base/parallel.h"
#include "base/terminal.h"
#include "help.h"
#include "output.h"
#include "parse.h"
#include "version.h"

namespace dl::app {
namespace {

void apply(const CommonOptions& options) {
  configure_log(
      {.level = log_level_for(options.quiet, options.verbose), .format = options.log_format, .color = wants_color(STDERR_FILENO)});
  if (options.threads > 0) set_thread_count(options.threads);
}

ExitCode run(const Invocation& line, const std::vector<Command>& commands) {
  using What = Invocation::What;
  switch (line.what) {
    case What::kUsage: {
      std::string text = line.command ? command_help(*line.command, false) : top_help(commands);
      std::fwrite(text.data(), 1, text.size(), stderr);
      return ExitCode::kUsage;
    }
    case What::kHelp:
      write_stdout(line.command ? command_help(*line.command, true) : top_help(commands));
      return ExitCode::kDone;
    case What::kVersion:
      write_stdout(version_text(line.json));
      return ExitCode::kDone;
    case What::kMan:
      write_man(commands, line.arguments[0], line.arguments[1]);
      return ExitCode::kDone;
    case What::kComplete:
      write_stdout(completion(commands, line.arguments[0]));
      return ExitCode::kDone;
    case What::kRun:
      apply(*line.command->common);
      return line.command->run();
  }
  throw InternalError("unknown invocation");
}

int main_inside(int argc, char** argv) {
  bool json = false;  // a line that cannot be parsed may still say how to report it
  for (int i = 1; i < argc && std::string_view(argv[i]) != "--"; ++i) {
    std::string_view word = argv[i];
    json = json || word == "--json" || word == "--log-format=json" || (word == "json" && std::string_view(argv[i - 1]) == "--log-format");
  }
  auto fail = [json](const Error& error) {
    report_error(error, json);
    return static_cast<int>(error.code());
  };
  try {
    std::vector<Command> all = commands();
    Invocation line = parse(argc, argv, all);
    cap_onednn_isa();
    ExitCode code = run(line, all);
    finish_stdout();
    return static_cast<int>(code);
  } catch (const Error& error) {
    return fail(error);
  } catch (const std::bad_alloc&) {
    return fail(EnvError("out of memory; try a smaller batch size, see dltool inspect for the memory a model needs"));
  } catch (const std::exception& error) {
    return fail(InternalError(std::string("unexpected exception: ") + error.what()));
  } catch (...) {
    return fail(InternalError("unexpected exception of unknown type"));
  }
}

}  // namespace
}  // namespace dl::app

// Threads of libgomp that wait spin for milliseconds before they sleep, which on a busy machine keeps the core from the thread
// they wait for: training with 2 threads took up to five times as long there. The limit can only come from the environment, and
// only before the library starts, so the program starts itself again once. Whoever set either variable keeps the say.
static void limit_openmp_spinning(int argc, char** argv) {
  if (argc < 3 || getenv("GOMP_SPINCOUNT") || getenv("OMP_WAIT_POLICY")) return;  // argc < 3: nothing to compute
  setenv("GOMP_SPINCOUNT", "10000", 1);
  execv("/proc/self/exe", argv);  // returns only where that is not possible: then as before
}

int main(int argc, char** argv) {
  dl::app::guard_standard_streams();
  limit_openmp_spinning(argc, argv);
  return dl::app::main_inside(argc, argv);
}
