// Signals that end or save a run. The handler only sets a flag; the loop looks at it after each step.
// SIGINT, SIGTERM, SIGUSR1: save, then exit 75. A second one: exit 128+n at once.
#pragma once

namespace dl {

// Installs the handlers for its lifetime.
class SignalWatch {
 public:
  SignalWatch();
  ~SignalWatch();
  SignalWatch(const SignalWatch&) = delete;
  SignalWatch& operator=(const SignalWatch&) = delete;
  // Number of the first signal that came, 0 for none.
  static int received();
};

}  // namespace dl
