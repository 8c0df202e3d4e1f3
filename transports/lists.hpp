// SPDX-License-Identifier: Apache-2.0
// What a transport on sockets keeps its peers in: intrusive lists, and the few sockets that are read without
// asking epoll.
//
// A socket that received something lately is hot: it is read in every turn, since asking first costs a system
// call. More than `hot_max` active sockets make a crowd: then epoll alone tells, for `crowd_turns` turns.
#pragma once

#include <algorithm>
#include <array>

#include <boost/intrusive/list.hpp>

namespace harness::transports {

template <class Tag>
using Hook = boost::intrusive::list_base_hook<boost::intrusive::tag<Tag>,
                                              boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;
template <class T, class Tag>
using List = boost::intrusive::list<T, boost::intrusive::base_hook<Hook<Tag>>,
                                    boost::intrusive::constant_time_size<false>>;
struct OwnedTag;  // by the transport: alive or to be freed
struct ReadyTag;  // has something to do in the next poll
struct DirtyTag;  // was written to since the last flush
struct SentTag;   // gave bytes to the kernel that the peer may not have

/// The hot ones of T, which has `bool hot`, `unsigned misses` (reads in a row that found nothing) and
/// `guess_readable()`.
template <class T>
class HotSet {
 public:
  static constexpr unsigned hot_max = 4;
  static constexpr unsigned misses_max = 4096;  // empty reads before a socket is no longer hot
  static constexpr unsigned crowd_turns = 256;

  /// The socket received something: it may be read without asking first.
  void warm(T& one) noexcept {
    if (one.hot || crowd_ != 0 || closed_) return;
    if (count_ < hot_max) {
      one.hot = true;
      hot_[count_++] = &one;
      return;
    }
    crowd_ = crowd_turns;
    while (count_ != 0) cool(*hot_[0]);
  }
  /// None becomes hot from now on: sockets that say so little that epoll does better.
  void close() noexcept { closed_ = true; }
  /// … or no longer.
  void cool(T& one) noexcept {
    if (!one.hot) return;
    one.hot = false;
    const auto last = hot_.begin() + count_;
    std::iter_swap(std::find(hot_.begin(), last, &one), last - 1);
    --count_;
  }
  /// Once a turn: lets every hot socket be read; true when there is one.
  bool heat() noexcept {
    if (crowd_ != 0) --crowd_;
    for (unsigned i = count_; i-- > 0;) {
      T& one = *hot_[i];
      if (one.misses > misses_max) {
        cool(one);
      } else {
        one.guess_readable();
      }
    }
    return count_ != 0;
  }

 private:
  std::array<T*, hot_max> hot_{};
  unsigned count_ = 0;
  unsigned crowd_ = 0;
  bool closed_ = false;
};

}  // namespace harness::transports
