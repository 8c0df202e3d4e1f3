// SPDX-License-Identifier: Apache-2.0
// A transport with one planted defect: a decorator over loop, so that every case of the suite is seen to
// fail.
//
// Each endpoint wraps one of loop and stands between it and the receiver in both directions. With
// Defect::none it changes nothing, which the meta test checks first.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <boost/intrusive/list.hpp>

#include <harness/stack/transport.hpp>

namespace harness::tests {

enum class Defect : std::uint8_t {
  none,
  // listening and dialling
  returns_another_address,
  listens_twice,
  gives_no_advice,
  dials_anything,
  polls_in_dial,
  swallows_losses,
  changes_codes,
  drops_details,
  dials_once,
  forgets_a_dial,
  // set-up frames
  drops_setup,
  drops_early_setup,
  hands_setup_up_as_data,
  sends_setup_first,
  cuts_long_setup,
  refuses_setup_while_held,
  takes_any_setup,
  eats_refused_setup,
  never_frees_setup,
  // data frames
  drops_empty_frames,
  pads_tiny_frames,
  cuts_full_slabs,
  cuts_at_8_kib,
  cuts_the_largest,
  flips_a_bit,
  drops_headers,
  drops_headers_apart,
  sends_the_first_piece,
  scribbles_on_bodies,
  joins_frames,
  carries_annotations,
  duplicates,
  swaps_neighbours,
  delays_large_frames,
  loses_one_in_a_thousand,
  deaf_dialler,
  polls_in_send,
  reuses_slabs,
  drops_without_headroom,
  leaks_received,
  mixes_links,
  // flow
  never_holds,
  drops_large_while_held,
  drops_control_while_held,
  never_writable,
  writable_twice,
  opens_the_gate_late,
  writable_at_random,
  holds_once,
  loses_after_writable,
  queues_without_bound,
  commits_nothing,
  reserves_small_rooms,
  reserves_always,
  sends_reserved_rooms,
  charges_nothing,
  ignores_the_quota,
  sleeps_on_the_quota,
  ignores_pause,
  drops_while_paused,
  pauses_setup_too,
  pauses_late,
  pauses_sending_too,
  // ends
  drops_on_close,
  calls_deaths_orderly,
  tells_the_end_early,
  ends_twice,
  talks_after_close,
  always_drained,
  never_drained,
  dies_of_a_second_close,
  opens_the_gate_at_the_end,
  keeps_dead_letters,
  // facts
  states_weak_facts,
  ignores_configure,
  misnames_its_peer,
  counts_everything,
  describes_nothing,
  always_busy,
  allocates,
  count,
};

class BrokenEndpoint;

class BrokenTransport final : public Transport, private Acceptor {
 public:
  BrokenTransport(Engine& engine, Transport& inner, Defect defect);
  ~BrokenTransport() override;

  [[nodiscard]] std::string_view name() const noexcept override { return inner_.name(); }
  Result<std::string> listen(std::string_view address, Acceptor& acceptor) override;
  Result<std::unique_ptr<Endpoint>> dial(std::string_view address) override;
  unsigned poll(unsigned budget) override;

 private:
  friend class BrokenEndpoint;
  void accepted(std::unique_ptr<Endpoint> endpoint) override;
  [[nodiscard]] bool is(Defect defect) const noexcept { return defect_ == defect; }

  Engine& engine_;
  Transport& inner_;
  Defect defect_;
  Acceptor* acceptor_ = nullptr;
  std::vector<BrokenEndpoint*> endpoints_;
  std::vector<Message> leaked_;
  std::vector<std::unique_ptr<char>> wasted_;
  bool failed_once_ = false;
  unsigned dials_ = 0;
};

}  // namespace harness::tests
