// SPDX-License-Identifier: Apache-2.0
// The contracts of design §3 to §5, written from the text.
#include <harness/tests/support/contract_layers.hpp>

namespace harness::tests {

namespace {

using namespace property;

constexpr OptionSpec size_option[] = {{"size", OptionKind::size, 64, 1 << 20, 16 << 10, "largest fragment"}};

constexpr Descriptor resume{.name = "resume",
                            .summary = "keeps messages over reconnects",
                            .header_bytes_max = 12,
                            .contract = {.requires_below = message | reliable | fifo | no_duplicates,
                                         .adds = resumable,
                                         .emits_control = true,
                                         .state_on_rx = true,
                                         .cost = {1, 15, 12}},
                            .place = 10};
constexpr Descriptor mux{.name = "mux",
                         .summary = "channels with priority",
                         .header_bytes_max = 2,
                         .contract = {.requires_below = message, .adds = channels, .cost = {0, 2, 2}},
                         .place = 20};
constexpr Descriptor compress{.name = "compress",
                              .summary = "fewer bytes",
                              .header_bytes_max = 1,
                              .contract = {.requires_below = message,
                                           .adds = compact,
                                           .clears = loan | place,
                                           .expands_input = true,
                                           .cost = {0, 400, 1}},
                              .place = 30};
constexpr Descriptor order{.name = "order",
                           .summary = "first in, first out",
                           .header_bytes_max = 8,
                           .contract = {.requires_below = message,
                                        .adds = fifo | no_duplicates,
                                        .state_on_rx = true,
                                        .cost = {0, 3, 8}},
                           .place = 40};
constexpr Descriptor put{.name = "put",
                         .summary = "one-sided writes as messages",
                         .header_bytes_max = 16,
                         .contract = {.requires_below = message | reliable | no_duplicates,
                                      .adds = put_emulated,
                                      .state_on_rx = true,
                                      .cost = {0, 10, 16}},
                         .place = 50};
constexpr Descriptor frag{.name = "frag",
                          .summary = "messages of any size",
                          .options = size_option,
                          .header_bytes_max = 12,
                          .contract = {.requires_below = message | reliable | no_duplicates,
                                       .clears = total.without(fifo),
                                       .state_on_rx = true,
                                       .unlimited_message = true,
                                       .frame_bytes_min = 128,
                                       .cost = {0, 3, 4}},
                          .place = 60};
constexpr Descriptor reliable_layer{
    .name = "reliable",
    .summary = "acknowledged and repeated",
    .header_bytes_max = 16,
    .contract = {.requires_below = message | checked16,
                 .adds = reliable | no_duplicates | flow_controlled | congestion_controlled,
                 .clears = whole(Axis::order),
                 .emits_control = true,
                 .state_on_rx = true,
                 .cost = {0, 120, 16}},
    .place = 70};
constexpr Descriptor heartbeat{.name = "heartbeat",
                               .summary = "notices a dead peer",
                               .header_bytes_max = 1,
                               .contract = {.requires_below = message,
                                            .adds = death_within,
                                            .emits_control = true,
                                            .state_on_rx = true,
                                            .cost = {0, 1, 1}},
                               .place = 80};
constexpr Descriptor checksum{.name = "checksum",
                              .summary = "notices damage",
                              .header_bytes_max = 4,
                              .contract = {.requires_below = message,
                                           .adds = checked32,
                                           .clears = whole(Axis::one_sided),
                                           .cost = {0, 20, 4}},
                              .place = 90};
constexpr Descriptor encrypt{
    .name = "encrypt",
    .summary = "nobody else reads or writes",
    .header_bytes_max = 16,
    .contract = {.requires_below = message,
                 .adds = authenticated | forward_secret | principal | replay_windowed,
                 .clears = whole(Axis::one_sided) | loan | place,
                 .state_on_rx = true,
                 .encrypts = true,
                 .cost = {1, 180, 16}},
    .place = 95};
constexpr Descriptor check_fifo{
    .name = "check_fifo", .summary = "watches the order", .contract = {.requires_below = fifo}, .place = 5};
constexpr Descriptor fault_drop{.name = "fault_drop",
                                .summary = "loses on purpose",
                                .contract = {.requires_below = message, .clears = whole(Axis::loss)},
                                .place = 99};
constexpr const Descriptor* layers[] = {&resume,   &mux,     &compress,       &order,
                                        &put,      &frag,    &reliable_layer, &heartbeat,
                                        &checksum, &encrypt, &check_fifo,     &fault_drop};

Facts udp(const OptionValues&, Properties trust) {
  return {message | checked16 | known_address | trust, 1452, {0, 1500, 24}};
}
Facts tcp(const OptionValues&, Properties trust) {
  return {message | reliable | fifo | no_duplicates | checked16 | known_address | flow_controlled |
              congestion_controlled | place | trust,
          4000,
          {1, 8000, 4}};
}
Facts shm(const OptionValues&, Properties trust) {
  return {message | reliable | fifo | no_duplicates | authenticated | host_private | no_replay |
              flow_controlled | lossless_fabric | death_immediate | loan | put_signal | trust,
          4000,
          {0, 120, 8}};
}
Facts rdma(const OptionValues&, Properties trust) {
  return {message | reliable | no_duplicates | checked32 | known_address | flow_controlled | lossless_fabric |
              atomics | place | trust,
          4096,
          {1, 1000, 4}};
}
Facts loop(const OptionValues&, Properties trust) {
  return {message | reliable | fifo | no_duplicates | authenticated | host_private | no_replay |
              flow_controlled | lossless_fabric | death_immediate | loan | trust,
          4000,
          {0, 15, 0}};
}

Properties user_alone(const OptionValues&) { return same_user; }
Properties process_alone(const OptionValues&) { return same_process; }
Result<std::unique_ptr<Transport>> none_runs(Engine&, const OptionValues&) { return nullptr; }

}  // namespace

LayerType contract_layer(const Descriptor& descriptor) {
  LayerType type;
  type.descriptor = &descriptor;
  type.size = 1;
  type.construct = [](void*, const OptionValues&, LayerContext&) {};
  type.destroy = [](void*) noexcept {};
  return type;
}

Catalogue contract_catalogue() {
  Catalogue catalogue;
  for (const Descriptor* descriptor : layers) catalogue.add(contract_layer(*descriptor));
  catalogue.add(TransportType{.name = "udp", .facts = &udp, .make = &none_runs});
  catalogue.add(TransportType{.name = "tcp", .facts = &tcp, .make = &none_runs});
  catalogue.add(TransportType{.name = "shm", .facts = &shm, .make = &none_runs, .reach = &user_alone});
  catalogue.add(TransportType{.name = "rdma", .facts = &rdma, .make = &none_runs});
  catalogue.add(TransportType{.name = "loop", .facts = &loop, .make = &none_runs, .reach = &process_alone});
  return catalogue;
}

Facts facts_of(const Catalogue& catalogue, std::string_view transport, unsigned trust) {
  const TransportType* type = catalogue.transport(transport);
  return type->facts(OptionValues(type->options), trust_level(trust));
}

}  // namespace harness::tests
