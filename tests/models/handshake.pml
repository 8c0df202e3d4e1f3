/* SPDX-License-Identifier: Apache-2.0
 * Handshake and records of `encrypt`, explored to the end: A dials B, and the network is somebody's.
 *
 * Whatever was once said is the attacker's for ever: it loses frames, repeats them, holds them back and plays
 * them in any order, any number of times and of them at once, in this session or the next. It makes HELLOs of
 * its own in anybody's name, changes A's, asks for cookies from every address, and puts any header on what it
 * sends. It cannot make what takes a key: an ACCEPT is right when B made it for the very words that the
 * reader said, a READY when A made it for this answer of B's, a record when the peer sealed it under this key
 * of this session. To break an attempt or a link off is its right: it owns the wire.
 *
 * Drawn at the start: whether there is an attacker, or a network that delays, reorders (three records) and
 * loses a READY; what else is lost its sender repeats, so that it only comes later. Whether B is under load
 * then; the medium (`strict`: reliable and in order); whose records are followed, by attempt and direction.
 * Directions and sessions share nothing but the handshake: of those that are not followed every record that
 * may have been sealed is the attacker's to play.
 *
 *   agreement    a link at B in A's name is of an attempt of A that took this answer to its very words;
 *                what A took is B's answer to what A said
 *   once         an attempt makes one link at B; repeated frames make none
 *   not early    nothing is delivered at B before READY has proved A, nor at A before it has written READY
 *   own          a record is delivered in its session and direction, and once
 *   keys         never under a key that is forgotten; no number is sealed twice; strict: nothing is missing
 *   unhindered   a record that comes within its key's time opens, whatever was injected before
 *   cookie       under load a place is had only for a fresh cookie that went to the same address
 *   bounded      no more places than there are
 *   live         without an attacker both ends come up and all records arrive, under load, across new keys
 *
 * Bounds: two attempts of A, the second by a new process; 3 answers of B, 2 places (of 256); 4 records, 4
 * keys, a window of 3 (of 8192), leaps of 2 keys (of 8), 2 cookies an attempt (of 8). Not here: offers, names
 * and certificates (setup.pml), buckets, places of silent strangers, an epoch's name that comes round at 256.
 *
 * -DEARLY, -DREINSTALL, -DSAME_ANSWER, -DNO_TRANSCRIPT, -DCOOKIE_UNBOUND, -DNO_EVICTION, -DNO_READY_AGAIN,
 * -DNUMBERS_RESTART, -DWINDOW_RESTART, -DONE_KEY, -DPREVIOUS_STAYS, -DSTEPS_BACK, -DLEAP_FIRST, -DNO_GAP
 * plant the bugs that the model must find (tests/models/run.py).
 */
#define ANSWERS 3
#define PLACES 2
#define COOKIES 2
#define N 4
#define EPOCH_LAST 3
#define WINDOW 3
#define AHEAD 2
#define none 15

bool peaceful, loaded, strict, forth; /* forth: A's records to B are followed, else B's to A */
byte watched;                         /* … of this attempt */

/* A's link (Link::State), and what its two attempts chose */
#define dialing 0
#define up 1
#define over 2
byte attempt = 1, a_state, chose[3], cookies, losses;
bool cookie_good, ready_under_way; /* only where it is peaceful: the attacker has both anyway */

/* B's places, by answer: whose words it answered (1, 2: that attempt's; others: the attacker's) */
#define others 3
#define half 1
#define link 2
#define gone 3
byte answers, heard[4], place[4], standing; /* the answer whose link stands in A's name; 0: none */
bool linked[3];                             /* by attempt: it has made a link */

/* The direction that is followed: Sealer, Opener. sealed: by number, its epoch + 1; delivered, ring: bits */
byte number, epoch, first, sealed[N];
byte current, previous = none, next = none, window_end, ring, delivered;
byte newest, gone_below; /* epochs: the highest that was opened; the lowest whose key there may be */
bool leap_paused, session_over;

#define has(set_, i_) ((set_ >> (i_)) & 1)
#define halves ((place[1] == half) + (place[2] == half) + (place[3] == half))
#define b_has_session (standing != 0 && heard[standing] == watched)
#define a_has_session (a_state == up && attempt == watched)
#define sealing (!session_over && (forth -> a_has_session : b_has_session))
#define receiving (!session_over && (forth -> b_has_session : a_has_session))

/* The receiver's end of the session that is followed is gone: it never comes back. */
inline end_session() {
  session_over = true;
  number = 0; epoch = 0; first = 0;
  sealed[0] = 0; sealed[1] = 0; sealed[2] = 0; sealed[3] = 0;
  current = 0; previous = none; next = none; window_end = 0; ring = 0; delivered = 0;
  newest = 0; gone_below = 0; leap_paused = false
}

/* ---- A ---- */

inline end_attempt() {
  if
  :: !forth && attempt == watched -> end_session()
  :: else
  fi;
  a_state = over; cookies = 0; cookie_good = false; ready_under_way = false
}

/* B's link ends: Link::finish. */
inline end_link() {
  if
  :: forth && b_has_session -> end_session()
  :: else
  fi;
  place[standing] = gone;
  standing = 0
}

/* Link::on_accept, Link::finish_handshake, KeyExchange::finish: what fits, B made for these words. */
inline hear_accept(r_) {
  atomic {
    a_state == dialing && place[r_] != 0 && (!peaceful || place[r_] == half) &&
#ifdef NO_TRANSCRIPT
    (heard[r_] == attempt || heard[r_] == others) ->
#else
    heard[r_] == attempt ->
#endif
    assert(heard[r_] == attempt); /* agreement */
    chose[attempt] = r_;
    a_state = up;
    cookies = 0; cookie_good = false;
    ready_under_way = peaceful
  }
}

/* Link::on_accept of a link that is up: READY again, and no key anew. */
inline hear_accept_again(r_) {
  atomic {
#ifdef NO_READY_AGAIN
    a_state == up && chose[attempt] == r_ && !peaceful ->
#else
    a_state == up && chose[attempt] == r_ && (!peaceful || (place[r_] == half && !ready_under_way)) ->
#endif
    ready_under_way = peaceful;
#ifdef REINSTALL
    if
    :: forth && sealing -> number = 0; epoch = 0
    :: else
    fi
#else
    skip
#endif
  }
}

proctype Initiator() {
  do
  :: hear_accept(1)
  :: hear_accept(2)
  :: hear_accept(3)
  :: hear_accept_again(1)
  :: hear_accept_again(2)
  :: hear_accept_again(3)
  /* A frame that does not fit, a REFUSE, or its time ends an attempt (Link::dial_next) or a link. */
  :: atomic { !peaceful && a_state != over -> end_attempt() }
  /* A comes back as a new process. */
  :: atomic {
       attempt == 1 && (!peaceful || (watched == 2 && a_state == up && standing != 0)) ->
       end_attempt();
       attempt = 2;
       a_state = dialing
     }
  /* The network. */
  :: atomic { peaceful && ready_under_way && losses < 1 -> ready_under_way = false; losses++ }
  :: atomic { peaceful && cookie_good && cookies < COOKIES -> cookie_good = false /* it grew old */ }
  od
}

/* ---- B ---- */

/* Node::enter, after on_ready found the proof right; meant() and make_way() before. */
inline make_link(r_) {
  if
  :: standing != 0 && heard[standing] == heard[r_] -> place[r_] = gone /* exists */
  :: else ->
     assert(heard[r_] != others && chose[heard[r_]] == r_); /* agreement, not early */
     assert(!linked[heard[r_]]);                            /* once */
     linked[heard[r_]] = true;
     if
     :: standing != 0 -> end_link()
     :: else
     fi;
     place[r_] = link;
     standing = r_
  fi
}

/* Node::answer: a place, a key of its own, ACCEPT; the oldest place goes when there is none left. */
inline answer(words_) {
#ifndef NO_EVICTION
  if
  :: halves < PLACES -> skip
  :: else -> place[1] = gone /* this is the third answer, and the two before wait for READY */
  fi;
#endif
  answers++;
  heard[answers] = words_;
  place[answers] = half;
  assert(halves <= PLACES); /* bounded */
#ifdef EARLY
  make_link(answers)
#else
  skip
#endif
}

#define may_answer(words_) (answers < ANSWERS && !(standing != 0 && heard[standing] == words_))

/* Node::screen and Node::on_hello. Under load something is shown: a cookie that went to this address for this
   attempt, one that did not, or one that is too old; else COOKIE is the answer, and nothing is kept. */
inline hear_hello(words_) {
  atomic {
    !peaceful && (words_ == others || words_ <= attempt) && may_answer(words_) ->
    if
    :: asks = false
    :: asks = true; fits_address = true; fresh = true
    :: asks = true; fresh = true
    :: asks = true; fits_address = true
    fi;
    if
#ifdef COOKIE_UNBOUND
    :: !asks || fresh ->
#else
    :: !asks || (fits_address && fresh) ->
#endif
       assert(!asks || (fits_address && fresh)); /* cookie */
       answer(words_)
    :: else
    fi;
    asks = false; fits_address = false; fresh = false
  }
}

/* Node::on_ready, KeyExchange::confirm. What the attacker can prove is not A's name. */
inline hear_ready(r_) {
  atomic {
    place[r_] == half && heard[r_] != others && (!peaceful || ready_under_way) &&
#ifdef SAME_ANSWER
    chose[heard[r_]] != 0 ->
#else
    chose[heard[r_]] == r_ ->
#endif
    ready_under_way = false;
    make_link(r_)
  }
}

/* Node::on_timer, a newer READY that does not fit: Node::release. */
inline lose_place(r_) {
  atomic { !peaceful && place[r_] == half -> place[r_] = gone }
}

proctype Responder() {
  bool asks, fits_address, fresh;
  do
  :: hear_hello(1)
  :: hear_hello(2)
  :: hear_hello(others)
  /* The same where nobody disturbs. A HELLO that comes again to its place is answered by the same ACCEPT. */
  :: atomic {
       peaceful && a_state == dialing && may_answer(attempt) &&
       !(place[1] == half && heard[1] == attempt) && !(place[2] == half && heard[2] == attempt) &&
       (!loaded || cookie_good) ->
       answer(attempt)
     }
  :: atomic {
       peaceful && a_state == dialing && loaded && !cookie_good && cookies < COOKIES ->
       cookies++; /* Link::on_cookie */
       cookie_good = true
     }
  :: hear_ready(1)
  :: hear_ready(2)
  :: hear_ready(3)
  :: lose_place(1)
  :: lose_place(2)
  :: lose_place(3)
  :: atomic { !peaceful && standing != 0 -> end_link() }
  od
}

/* ---- records ---- */

#define bits_below(i_) ((1 << (i_)) - 1)
/* What a peaceful network holds back is within the window: three records. */
#define has_room (number < WINDOW || (bits_below(number + 1 - WINDOW) & ~delivered) == 0)
/* The pause between steps is longer than a peaceful network delays: the first record of the key is there. */
#define pause_is_over ((bits_below(first + 1) & bits_below(number) & ~delivered) == 0)

/* Sealer::seal, Sealer::step: before any record a new key may be due, by count, bytes or time. */
proctype Sender() {
  do
  :: atomic {
       sealing && number < N && (!peaceful || has_room) ->
       if
       :: skip
       :: epoch < EPOCH_LAST && (!peaceful || pause_is_over) ->
          epoch++;
#ifdef NUMBERS_RESTART
          number = 0;
#endif
          first = (peaceful -> number : 0)
       fi;
       assert(sealed[number] == 0); /* keys: no number twice */
       sealed[number] = epoch + 1;
       number++
     }
  od
}

#define seen(i_) ((i_) < window_end && (window_end - (i_) > WINDOW || has(ring, (i_) % WINDOW)))

/* ReplayWindow::set */
inline remember(i_) {
  if
  :: i_ >= window_end ->
     if
     :: i_ + 1 - window_end >= WINDOW -> ring = 0
     :: else -> ring = ring & ~(1 << (window_end % WINDOW))
     fi;
     window_end = i_ + 1
  :: else
  fi;
  ring = ring | (1 << (i_ % WINDOW))
}

/* Opener::other_slot, Opener::prepare */
inline find_slot(e_) {
  if
  :: e_ == current -> slot = current
  :: e_ != current && e_ == previous -> slot = previous
  :: e_ == current + 1 && e_ != previous ->
     if
     :: next == none -> next = e_
     :: else
     fi;
     slot = next
  :: e_ > current + 1 && e_ != previous && e_ <= current + AHEAD && !leap_paused ->
     next = e_;
     slot = e_
  :: else -> slot = none
  fi
}

/* Opener::refuse */
inline refuse() {
  if
  :: slot == next && slot != current + 1 -> next = none; leap_paused = true
  :: else
  fi
}

/* Opener::promote */
inline promote() {
  if
#ifdef STEPS_BACK
  :: slot != current ->
#else
  :: slot == next ->
#endif
     previous = current;
     current = slot;
     next = none;
#ifdef WINDOW_RESTART
     ring = 0
#endif
  :: else
  fi
}

inline deliver(e_, i_, own_) {
  assert(own_);                                          /* own */
  assert(!has(delivered, i_));                           /* once */
  assert(e_ >= gone_below);                              /* keys */
  assert(!strict || (bits_below(i_) & ~delivered) == 0); /* nothing missing */
  delivered = delivered | (1 << i_);
  if
  :: e_ > newest -> gone_below = newest; newest = e_
  :: else
  fi
}

/* Opener::open of a record with this header; own: the peer sealed it so. Then Encrypt::judge. */
inline open(e_, i_, own_) {
  good = false;
  slot = none;
#ifdef LEAP_FIRST
  find_slot(e_);
#endif
  if
#ifdef NO_GAP
  :: seen(i_) -> skip
#else
  :: seen(i_) || (strict && i_ != window_end) -> skip
#endif
  :: else ->
#ifndef LEAP_FIRST
     find_slot(e_);
#endif
     if
     :: slot == none -> skip
#ifdef ONE_KEY
     :: slot == e_ ->
#else
     :: slot == e_ && own_ ->
#endif
        good = true;
        remember(i_);
        deliver(e_, i_, own_);
        promote()
     :: else -> refuse()
     fi
  fi;
  /* unhindered */
  assert(good || !own_ || has(delivered, i_) || window_end > i_ + WINDOW ||
         (e_ < current && e_ != previous) || e_ > current + 1 || (strict && !peaceful));
  if
  :: strict && !good -> /* the link closes */
     if
     :: forth -> end_link()
     :: else -> end_attempt()
     fi
  :: else
  fi;
  slot = 0; good = false
}

/* Of a peaceful network records come once each, over a strict medium in order. */
inline hear_record(i_) {
  atomic {
    receiving && sealed[i_] != 0 &&
    (!peaceful || (!has(delivered, i_) && (!strict || bits_below(i_) == delivered))) ->
    e = sealed[i_] - 1;
    open(e, i_, true);
    e = 0
  }
}

#define late(i_) (sealed[i_] != 0 && sealed[i_] <= previous + 1 && !has(delivered, i_))

proctype Receiver() {
  byte e, i, slot;
  bool good;
  do
  :: hear_record(0)
  :: hear_record(1)
  :: hear_record(2)
  :: hear_record(3)
  /* Made up, sent back, or of another session. */
  :: atomic {
       receiving && !peaceful ->
       select(e : 0 .. EPOCH_LAST);
       if /* all that matters of its number */
       :: window_end != 0 -> i = window_end - 1 /* seen */
       :: i = window_end                        /* new */
       fi;
       open(e, i, false);
       e = 0; i = 0
     }
  /* Encrypt::retiring_, a second after the step. */
  :: atomic {
       receiving && previous != none && (!peaceful || !(late(0) || late(1) || late(2) || late(3))) ->
       gone_below = newest;
#ifndef PREVIOUS_STAYS
       previous = none
#endif
     }
  :: atomic { leap_paused -> leap_paused = false }
  od
}

proctype Judge() {
  timeout ->
  assert(!peaceful || /* live */
         (a_has_session && b_has_session && number == N && delivered == bits_below(N)))
}

init {
  atomic {
    select(watched : 1 .. 2);
    if
    :: peaceful = true
    :: peaceful = true; loaded = true
    :: skip
    fi;
    if
    :: strict = true
    :: skip
    fi;
    if
    :: forth = true
    :: skip
    fi;
    run Initiator();
    run Responder();
    run Sender();
    run Receiver();
    run Judge()
  }
}
