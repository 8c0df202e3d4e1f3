// SPDX-License-Identifier: Apache-2.0
// Endpoints: made, bound, enabled, named, driven, closed.
#include <harness/transports/ofi/mock/endpoint.hpp>

#include <string.h>

#include <algorithm>

namespace harness::transports::ofi::mock {

namespace {

constexpr unsigned packets_per_step = 64;

int close_endpoint(fid* face) {
  const std::unique_ptr<Endpoint> ends(&object_of<Endpoint>(face));
  return 0;
}

int bind_endpoint(fid* face, fid* object, std::uint64_t flags) {
  return object_of<Endpoint>(face).bind(*object, flags);
}

int control_endpoint(fid* face, int command, void*) {
  return command == FI_ENABLE ? object_of<Endpoint>(face).enable() : -FI_ENOSYS;
}

fi_ops* fid_table() {
  static fi_ops operations = fid_operations(close_endpoint, bind_endpoint, control_endpoint);
  return &operations;
}

ssize_t cancel(fid* face, void* context) { return object_of<Endpoint>(face).target.cancel(context); }

int get_option(fid* face, int level, int name, void* value, std::size_t* bytes) {
  if (level != FI_OPT_ENDPOINT || name != FI_OPT_MIN_MULTI_RECV) return -FI_ENOPROTOOPT;
  if (*bytes < sizeof(std::size_t)) return -FI_ETOOSMALL;
  memcpy(value, &object_of<Endpoint>(face).target.multi_receive_bytes_min, sizeof(std::size_t));
  *bytes = sizeof(std::size_t);
  return 0;
}

int set_option(fid* face, int level, int name, const void* value, std::size_t bytes) {
  if (level != FI_OPT_ENDPOINT || name != FI_OPT_MIN_MULTI_RECV) return -FI_ENOPROTOOPT;
  if (bytes != sizeof(std::size_t)) return -FI_EINVAL;
  memcpy(&object_of<Endpoint>(face).target.multi_receive_bytes_min, value, bytes);
  return 0;
}

fi_ops_ep* endpoint_operations() {
  static fi_ops_ep operations{.size = sizeof(fi_ops_ep),
                              .cancel = cancel,
                              .getopt = get_option,
                              .setopt = set_option,
                              .tx_ctx = refuse,
                              .rx_ctx = refuse,
                              .rx_size_left = refuse,
                              .tx_size_left = refuse};
  return &operations;
}

int get_name(fid* face, void* address, std::size_t* bytes) {
  const Endpoint& endpoint = object_of<Endpoint>(face);
  if (!endpoint.enabled()) return -FI_EOPBADSTATE;
  const std::size_t room = *bytes;
  *bytes = address_bytes;
  if (room < address_bytes) return -FI_ETOOSMALL;
  const std::string text = endpoint.station.addresses->text_of(endpoint.station.wire.name());
  memset(address, 0, address_bytes);
  memcpy(address, text.data(), text.size());
  return 0;
}

fi_ops_cm* name_operations() {
  static fi_ops_cm operations{.size = sizeof(fi_ops_cm),
                              .setname = refuse,
                              .getname = get_name,
                              .getpeer = refuse,
                              .connect = refuse,
                              .listen = refuse,
                              .accept = refuse,
                              .reject = refuse,
                              .shutdown = refuse,
                              .join = refuse};
  return &operations;
}

fi_ops_tagged* no_tagged_operations() {
  static fi_ops_tagged operations{.size = sizeof(fi_ops_tagged),
                                  .recv = refuse,
                                  .recvv = refuse,
                                  .recvmsg = refuse,
                                  .send = refuse,
                                  .sendv = refuse,
                                  .sendmsg = refuse,
                                  .inject = refuse,
                                  .senddata = refuse,
                                  .injectdata = refuse};
  return &operations;
}

std::size_t sized(std::size_t asked, std::uint64_t otherwise) { return asked != 0 ? asked : otherwise; }

}  // namespace

Endpoint::Endpoint(Domain& domain, const fi_info& info, void* context)
    : fid_ep{.fid = {FI_CLASS_EP, context, fid_table()},
             .ops = endpoint_operations(),
             .cm = name_operations(),
             .msg = message_operations(),
             .rma = rma_operations(),
             .tagged = no_tagged_operations(),
             .atomic = atomic_operations(),
             .collective = nullptr},
      station(domain, domain.knobs().seed + 0x9e3779b97f4a7c15 * ++domain.endpoints),
      initiator(station, sized(info.tx_attr->size, domain.knobs().tx)),
      target(station, sized(info.rx_attr->size, domain.knobs().rx)), caps_(info.caps),
      transmit_flags_(info.tx_attr->op_flags), receive_flags_(info.rx_attr->op_flags) {
  ++domain.children;
  station.identity = &fid;
}

Endpoint::~Endpoint() {
  for (CompletionQueue* queue : {station.transmitted, station.received})
    if (queue != nullptr) queue->detach(*this, station.wire.descriptor());
  if (station.addresses != nullptr) --station.addresses->users;
  --station.domain.children;
}

int Endpoint::bind(struct fid& object, std::uint64_t flags) {
  if (enabled_) return -FI_EOPBADSTATE;
  if (object.fclass == FI_CLASS_CQ) return bind_queue(object_of<CompletionQueue>(&object), flags);
  if (object.fclass != FI_CLASS_AV) return -FI_EINVAL;
  auto& vector = object_of<AddressVector>(&object);
  if (&vector.domain() != &station.domain || station.addresses != nullptr) return -FI_EINVAL;
  station.addresses = &vector;
  ++vector.users;
  return 0;
}

int Endpoint::bind_queue(CompletionQueue& queue, std::uint64_t flags) {
  if (&queue.domain() != &station.domain) return -FI_EINVAL;
  if ((flags & ~(FI_TRANSMIT | FI_RECV | FI_SELECTIVE_COMPLETION)) != 0) return -FI_EBADFLAGS;
  if ((flags & (FI_TRANSMIT | FI_RECV)) == 0) return -FI_EINVAL;
  const bool selective = (flags & FI_SELECTIVE_COMPLETION) != 0;
  if ((flags & FI_TRANSMIT) != 0) {
    station.transmitted = &queue;
    station.selects_transmitted = selective;
  }
  if ((flags & FI_RECV) != 0) {
    station.received = &queue;
    station.selects_received = selective;
  }
  queue.attach(*this, station.wire.descriptor());
  return 0;
}

int Endpoint::enable() {
  if (enabled_) return -FI_EOPBADSTATE;
  if (station.addresses == nullptr) return -FI_ENOAV;
  if (station.transmitted == nullptr || station.received == nullptr) return -FI_ENOCQ;
  enabled_ = true;
  return 0;
}

void Endpoint::progress() {
  if (!enabled_) return;
  std::string from;
  Packet packet;
  std::span<const std::byte> piece;
  for (unsigned i = 0; i < packets_per_step && station.wire.receive(from, packet, piece); ++i) {
    const bool asks =
        packet.kind == Kind::request || packet.kind == Kind::data || packet.kind == Kind::cancel;
    asks ? target.hear(from, packet, piece) : initiator.hear(from, packet, piece);
  }
  target.step();
  initiator.step();
  wire_waits_ = station.wire.flush();
}

int open_endpoint(fid_domain* face, fi_info* info, fid_ep** out, void* context) {
  Domain& domain = *static_cast<Domain*>(face);
  if (info->tx_attr == nullptr || info->rx_attr == nullptr) return -FI_EINVAL;
  if (info->tx_attr->size > domain.knobs().tx || info->rx_attr->size > domain.knobs().rx) return -FI_EINVAL;
  auto endpoint = std::make_unique<Endpoint>(domain, *info, context);
  if (!endpoint->usable()) return -FI_EMFILE;
  *out = endpoint.release();
  return 0;
}

}  // namespace harness::transports::ofi::mock
