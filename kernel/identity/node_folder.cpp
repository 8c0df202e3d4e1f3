// SPDX-License-Identifier: Apache-2.0
// node.key and node.certificate.
#include <harness/kernel/identity/node_folder.hpp>

#include <harness/kernel/files.hpp>
#include <harness/kernel/identity/line.hpp>

namespace harness::identity {

namespace {

constexpr const char* key_name = "/node.key";
constexpr const char* certificate_name = "/node.certificate";

template <class T>
Result<T> named(const std::string& path, Result<T> result) {
  if (result || result.error().code != Errc::corrupt) return result;
  Error error = result.error();
  error.what = path + ": " + error.what;
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace

Result<Secret> NodeFolder::key_file() const {
  Secret file(key_file_bytes_max);
  auto size = read_file_into(path_ + key_name, file.bytes(), Privacy::secret);
  if (!size) return tl::unexpected<Error>(size.error());
  file.shorten(*size);
  return file;
}

Result<std::optional<KeyFacts>> NodeFolder::facts() const {
  if (!file_exists(path_ + key_name)) return std::optional<KeyFacts>();
  auto file = key_file();
  if (!file) return tl::unexpected<Error>(file.error());
  auto facts = named(path_ + key_name, look_at_key(file->bytes()));
  if (!facts) return tl::unexpected<Error>(facts.error());
  return std::optional<KeyFacts>(*facts);
}

Result<NodeKeys> NodeFolder::keys(const Secret* passphrase) const {
  auto file = key_file();
  if (!file) return tl::unexpected<Error>(file.error());
  return named(path_ + key_name, open_node_keys(file->bytes(), passphrase));
}

Result<NodeKeys> NodeFolder::keys_or_new(const Secret* passphrase, WrapCost cost) {
  if (auto made = make_private_folder(path_); !made) return tl::unexpected<Error>(made.error());
  auto lock = FolderLock::take(path_);
  if (!lock) return tl::unexpected<Error>(lock.error());
  if (file_exists(path_ + key_name)) return keys(passphrase);
  NodeKeys keys = NodeKeys::make();
  auto file = write_key(keys, passphrase, cost);
  if (!file) return tl::unexpected<Error>(file.error());
  if (auto kept = write_file(path_ + key_name, file->bytes(), Privacy::secret); !kept)
    return tl::unexpected<Error>(kept.error());
  return keys;
}

Result<std::optional<std::vector<std::byte>>> NodeFolder::certificate() const {
  const std::string path = path_ + certificate_name;
  if (!file_exists(path)) return std::optional<std::vector<std::byte>>();
  auto text = read_file(path, 2 * certificate_bytes_max + 64, Privacy::open);
  if (!text) return tl::unexpected<Error>(text.error());
  auto bytes =
      named(path, read_line(as_text(*text), certificate_prefix, "the certificate", certificate_bytes_max));
  if (!bytes) return tl::unexpected<Error>(bytes.error());
  return std::optional(std::move(*bytes));
}

Result<> NodeFolder::keep_certificate(Bytes certificate) {
  const std::string line = write_line(certificate_prefix, certificate) + "\n";
  return write_file(path_ + certificate_name, as_bytes(line), Privacy::open);
}

}  // namespace harness::identity
