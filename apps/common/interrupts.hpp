// SPDX-License-Identifier: Apache-2.0
// Signals as a descriptor: Ctrl-C, a request to end, a child that ended. For programs; libraries never touch
// signals.
//
// Made before the first thread: the signals are blocked in every thread from then on and read from a
// signalfd. SIGPIPE and SIGXFSZ are ignored, so that a closed pipe and a full disk are errors of the call
// that met them. What is spawned gets a clean mask (Process). Rejected: handlers (nothing useful may be done
// in one).
#pragma once

#include <cstdint>

#include <harness/kernel/file_handle.hpp>

namespace harness::apps {

class Interrupts {
 public:
  /// Blocks SIGINT, SIGTERM, SIGHUP and SIGCHLD for the process.
  Interrupts();

  /// Readable when one has come.
  [[nodiscard]] int descriptor() const noexcept { return signals_.get(); }
  /// Takes what has come: true when somebody wants the program to end.
  bool take() noexcept;
  /// Whether that was ever so.
  [[nodiscard]] bool wanted() const noexcept { return wanted_; }

 private:
  FileHandle signals_;
  bool wanted_ = false;
};

}  // namespace harness::apps
