#include "train/signals.h"

#include <unistd.h>

#include <csignal>

namespace dl {
namespace {

volatile std::sig_atomic_t g_received = 0;
constexpr int kSignals[] = {SIGINT, SIGTERM, SIGUSR1};
struct sigaction g_saved[3];

void handle(int number) {
  if (g_received != 0) _exit(128 + number);
  g_received = number;
}

}  // namespace

SignalWatch::SignalWatch() {
  g_received = 0;
  struct sigaction action {};
  action.sa_handler = handle;
  sigemptyset(&action.sa_mask);
  action.sa_flags = SA_RESTART;
  for (size_t i = 0; i < 3; ++i) sigaction(kSignals[i], &action, &g_saved[i]);
}

SignalWatch::~SignalWatch() {
  for (size_t i = 0; i < 3; ++i) sigaction(kSignals[i], &g_saved[i], nullptr);
}

int SignalWatch::received() { return g_received; }

}  // namespace dl
