// SPDX-License-Identifier: Apache-2.0
// One end of a tcp connection over loopback, without delay: what raw sockets and TLS stand on.
#pragma once

#include <string>

namespace harness::bench {

class TcpEnd {
 public:
  TcpEnd() = default;
  ~TcpEnd();
  TcpEnd(const TcpEnd&) = delete;
  TcpEnd& operator=(const TcpEnd&) = delete;

  /// Listens; returns the port. Gives up when it cannot, as all of these.
  std::string listen();
  /// Waits for the one who connects.
  void accept();
  void connect(const std::string& port);
  [[nodiscard]] bool connected() const noexcept { return socket_ >= 0; }
  [[nodiscard]] int socket() const noexcept { return socket_; }

 private:
  void without_delay() const noexcept;
  int listener_ = -1;
  int socket_ = -1;
};

/// Ends the program because of errno.
[[noreturn]] void socket_failed();

}  // namespace harness::bench
