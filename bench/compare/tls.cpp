// SPDX-License-Identifier: Apache-2.0
// TLS 1.3 over tcp by OpenSSL, AES-256-GCM: two sockets with TCP_NODELAY, not blocking, tried until there is
// something. A stream without messages: what frames them would come on top.
//
// Tuned for floods in the ways that a program has: as many messages as fit a large write or one a write; each
// record a call of its own, as OpenSSL does it, or records gathered to 64 KiB a call and read ahead; the
// kernel's own TLS where it has that. Records are of 16 KiB wherever a write is longer.
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <harness/bench/compare/contestant.hpp>
#include <harness/bench/compare/tcp_end.hpp>
#include <harness/bench/support/machine.hpp>
#include <harness/bench/support/program.hpp>

namespace harness::bench {

namespace {

constexpr std::uint32_t large_write_bytes = 256 * 1024;
constexpr std::uint32_t gathered_bytes = 64 * 1024;

enum class Records : std::uint8_t { by_call, gathered, by_kernel };

struct Setting {
  bool large_writes;
  Records records;
  [[nodiscard]] std::string name() const {
    static constexpr const char* ways[] = {"a call a record", "records gathered to 64 KiB a call", "kTLS"};
    return fmt::format("TLS 1.3 ({}, {})", large_writes ? "256 KiB a write" : "a message a write",
                       ways[static_cast<int>(records)]);
  }
};

[[noreturn]] void tls_failed(const char* what) {
  std::array<char, 256> why{};
  ERR_error_string_n(ERR_peek_last_error(), why.data(), why.size());
  give_up(
      {Errc::io, what, ERR_peek_last_error() != 0 ? why.data() : std::strerror(errno), "the program again"});
}

/// A key and a certificate that says so itself, made once, before the fork.
struct Certificate {
  EVP_PKEY* key = EVP_EC_gen("P-256");
  X509* certificate = X509_new();
  static const Certificate& of_this_program() {
    static const Certificate made;
    return made;
  }

 private:
  Certificate() {
    constexpr long day_s = 86'400;
    X509_NAME* const name = X509_get_subject_name(certificate);
    const bool done =
        key != nullptr && certificate != nullptr && X509_set_version(certificate, X509_VERSION_3) == 1 &&
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1) == 1 &&
        X509_gmtime_adj(X509_getm_notBefore(certificate), -day_s) != nullptr &&
        X509_gmtime_adj(X509_getm_notAfter(certificate), day_s) != nullptr &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("bench"),
                                   -1, -1, 0) == 1 &&
        X509_set_issuer_name(certificate, name) == 1 && X509_set_pubkey(certificate, key) == 1 &&
        X509_sign(certificate, key, EVP_sha256()) != 0;
    if (!done) tls_failed("no certificate could be made");
  }
};

SSL_CTX* new_context(bool server, const Setting& setting) {
  const Certificate& own = Certificate::of_this_program();
  SSL_CTX* const context = SSL_CTX_new(server ? TLS_server_method() : TLS_client_method());
  bool done = context != nullptr && SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
              SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384") == 1;
  if (done && server)
    done = SSL_CTX_use_certificate(context, own.certificate) == 1 &&
           SSL_CTX_use_PrivateKey(context, own.key) == 1;
  if (done && !server) {
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nullptr);
    done = X509_STORE_add_cert(SSL_CTX_get_cert_store(context), own.certificate) == 1;
  }
  if (!done) tls_failed("no TLS context could be made");
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  if (setting.records == Records::by_kernel) SSL_CTX_set_options(context, SSL_OP_ENABLE_KTLS);
  if (setting.records != Records::gathered) return context;
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_read_buffer_len(context, gathered_bytes);
  return context;
}

class Tls final : public Contestant {
 public:
  Tls(Task task, std::uint32_t bytes, Setting setting) : Contestant(task, bytes), setting_(setting) {}
  ~Tls() override {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  [[nodiscard]] std::string name() const override { return setting_.name(); }

  std::string listen() override { return end_.listen(); }
  void connect(const std::string& address) override {
    end_.connect(address);
    shake_hands(false);
  }

  void serve(Board& board, const Duo::Still& still) override {
    if (!end_.connected()) {
      end_.accept();
      shake_hands(true);
    }
    if (task() == Task::echo) {
      while (still)
        if (receive_one(still)) send_all(message_bytes());
      return;
    }
    std::uint64_t bytes = board.received.get() * message_bytes();
    while (still) {
      bytes += receive_some(buffer_.size());
      board.received.set(bytes / message_bytes());
    }
  }

  double ping(std::uint64_t budget_ns, Histogram& into) override {
    return ping_by(budget_ns, into, [this] {
      send_all(message_bytes());
      receive_one(true);
    });
  }

  double flood(std::uint64_t count, std::uint32_t bytes, const Board& board) override {
    const std::uint64_t wanted = board.received.get() + count * bytes / message_bytes();
    const std::uint64_t begin = now_ns();
    const std::uint64_t write_bytes = setting_.large_writes ? std::max(bytes, large_write_bytes) : bytes;
    for (std::uint64_t left = count * bytes; left != 0;) {
      const std::uint64_t part = std::min(left, write_bytes);
      send_all(part);
      left -= part;
    }
    if (setting_.records == Records::gathered)
      while (BIO_flush(SSL_get_wbio(ssl_)) != 1)
        if (BIO_should_retry(SSL_get_wbio(ssl_)) == 0) tls_failed("a TLS connection failed");
    while (board.received.get() < wanted) {
    }
    return static_cast<double>(now_ns() - begin) / static_cast<double>(count);
  }

 private:
  void shake_hands(bool server) {
    context_ = new_context(server, setting_);
    ssl_ = SSL_new(context_);
    if (ssl_ == nullptr || SSL_set_fd(ssl_, end_.socket()) != 1 ||
        (server ? SSL_accept(ssl_) : SSL_connect(ssl_)) != 1)
      tls_failed("the handshake of TLS failed");
    fcntl(end_.socket(), F_SETFL, O_NONBLOCK);
    buffer_.assign(std::max(large_write_bytes, message_bytes()), 'x');
    if (setting_.records != Records::gathered || task() == Task::echo) return;
    BIO* const gathers = BIO_new(BIO_f_buffer());
    if (gathers == nullptr || BIO_set_write_buffer_size(gathers, gathered_bytes) != 1)
      tls_failed("no buffer for records");
    SSL_set0_wbio(ssl_, BIO_push(gathers, BIO_new_socket(end_.socket(), BIO_NOCLOSE)));
  }
  static void must_try_again(int error) {
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) tls_failed("a TLS connection failed");
  }
  // What is there, at most `most`; 0 when nothing is.
  std::size_t receive_some(std::size_t most) {
    std::size_t got = 0;
    if (SSL_read_ex(ssl_, buffer_.data(), most, &got) == 1) return got;
    must_try_again(SSL_get_error(ssl_, 0));
    return 0;
  }
  template <class Still>
  bool receive_one(const Still& still) {
    for (std::size_t have = 0; have < message_bytes();) {
      have += receive_some(message_bytes() - have);
      if (have == 0 && !still) return false;
    }
    return true;
  }
  void send_all(std::size_t bytes) {
    for (std::size_t sent = 0; sent < bytes;) {
      std::size_t now = 0;
      if (SSL_write_ex(ssl_, buffer_.data() + sent, bytes - sent, &now) == 1)
        sent += now;
      else
        must_try_again(SSL_get_error(ssl_, 0));
    }
  }

  Setting setting_;
  SSL_CTX* context_ = nullptr;
  SSL* ssl_ = nullptr;
  TcpEnd end_;
  std::vector<char> buffer_;
};

bool kernel_has_tls() {
  std::ifstream names("/proc/sys/net/ipv4/tcp_available_ulp");
  for (std::string name; names >> name;)
    if (name == "tls") return true;
  return false;
}

}  // namespace

std::vector<std::unique_ptr<Contestant>> tls_variants(Task task, std::uint32_t bytes, TlsWrites writes) {
  Certificate::of_this_program();
  std::vector<std::unique_ptr<Contestant>> all;
  for (const Records records : {Records::by_call, Records::gathered, Records::by_kernel}) {
    if (records == Records::by_kernel && !kernel_has_tls()) continue;
    if (records == Records::gathered && task == Task::echo) continue;  // one message at a time
    all.push_back(std::make_unique<Tls>(task, bytes, Setting{false, records}));
    if (task == Task::sink && writes == TlsWrites::any)
      all.push_back(std::make_unique<Tls>(task, bytes, Setting{true, records}));
  }
  return all;
}

}  // namespace harness::bench
