/* SPDX-License-Identifier: Apache-2.0
 * A live swap (stack/link_swap.hpp, stack/link_cut.cpp), explored to the end: both ends send all the time,
 * the old and the new stack are queues that know nothing of each other, and every set-up frame may be lost,
 * doubled or late.
 *
 * HELLO, ACCEPT, READY, CUT and FIN are repeated whenever their sender likes, so a loss is one that was not
 * sent again yet; two of them are in flight at most. Either end may give up before it has cut; when the other
 * one has cut by then the link is lost, and nothing more is promised. The old queue carries what was sent
 * before the cut whole and in order, the new one what was sent after it, in any interleaving of the two.
 *
 *   order    what is delivered is the next of what the peer sent: nothing lost, doubled or reordered
 *   gate     the new stack delivers nothing before the old one has delivered what the peer's count says
 *   end      an old stack ends only when both queues of it are empty and both ends have cut
 *   abort    an end that gives up before its cut has sent nothing by the new stack
 *
 * -DNO_GATE, -DEARLY_COUNT, -DFIN_BEFORE_DRAINED plant the bugs that the model must find
 * (tests/models/run.py).
 */
#define K 3 /* messages each way */
#define unknown 15

mtype = { hello, accept, ready, cut, fin, fin_ack };

chan setup[2] = [2] of { mtype, byte }; /* by who receives: 0 the initiator, 1 the responder */
chan old[2] = [K] of { byte };
chan new[2] = [K] of { byte };
bool has_cut[2], lost, ended[2];

/* A frame that is not sent may be sent again: one that finds no room is one that was lost. */
inline say(what, number) {
  if
  :: nfull(setup[1 - me]) -> setup[1 - me] ! what, number
  :: full(setup[1 - me]) -> skip
  fi
}

inline cut_now() {
  has_cut[me] = true;
#ifdef EARLY_COUNT
  count = (sent > 0 -> sent - 1 : 0);
#else
  count = sent;
#endif
}

inline hear_count(number) {
  if
  :: told == unknown -> told = number
  :: else -> skip
  fi
}

proctype End(byte me) {
  byte sent, delivered, old_got, count, told = unknown, x;
  bool asking, answered, fin_acked, fin_received;
  do
  :: !lost && sent < K && !has_cut[me] -> atomic { old[1 - me] ! sent; sent++ }
  :: !lost && sent < K && has_cut[me] -> atomic { new[1 - me] ! sent; sent++ }
  :: atomic { old[me] ? x -> assert(x == delivered); delivered++; old_got++; x = 0 }
  :: atomic {
#ifdef NO_GATE
       !lost && has_cut[me] && nempty(new[me]) ->
#else
       !lost && has_cut[me] && told != unknown && old_got >= told && nempty(new[me]) ->
       assert(empty(old[me]));
#endif
       new[me] ? x; assert(x == delivered); delivered++; x = 0
     }
  /* data counts as READY */
  :: atomic { !lost && me == 1 && answered && !has_cut[me] && nempty(new[me]) -> cut_now() }

  /* set-up frames, again and again */
  :: atomic { !lost && me == 0 && !asking && !has_cut[me] -> asking = true }
  :: atomic { !lost && asking && !has_cut[me] -> say(hello, 0) }
  :: atomic { !lost && answered && !has_cut[me] -> say(accept, 0) }
  :: atomic { !lost && me == 0 && has_cut[me] && !ended[me] -> say(ready, 0) }
  :: atomic { !lost && has_cut[me] && !ended[me] -> say(cut, count) }
#ifdef FIN_BEFORE_DRAINED
  :: atomic { !lost && has_cut[me] && !fin_acked -> say(fin, count) }
#else
  :: atomic { !lost && has_cut[me] && !fin_acked && empty(old[1 - me]) -> say(fin, count) }
#endif
  :: atomic {
       setup[me] ? hello, x ->
       if
       :: me == 1 && !has_cut[me] -> answered = true
       :: else -> skip
       fi
     }
  :: atomic {
       setup[me] ? accept, x ->
       if
       :: me == 0 && asking && !has_cut[me] -> cut_now()
       :: else -> skip
       fi
     }
  :: atomic {
       setup[me] ? ready, x ->
       if
       :: me == 1 && answered && !has_cut[me] -> cut_now()
       :: else -> skip
       fi
     }
  :: atomic {
       setup[me] ? cut, x ->
       if
       :: me == 1 && answered && !has_cut[me] -> cut_now() /* READY was lost */
       :: else -> skip
       fi;
       hear_count(x); x = 0
     }
  :: atomic {
       setup[me] ? fin, x ->
       fin_received = true; hear_count(x); x = 0; say(fin_ack, 0)
     }
  :: atomic { setup[me] ? fin_ack, x -> fin_acked = true }

  /* giving up, before the cut */
  :: atomic {
       !lost && (asking || answered) && !has_cut[me] ->
       assert(sent == 0 || empty(new[1 - me]));
       if
       :: has_cut[1 - me] -> lost = true
       :: else -> asking = false; answered = false
       fi
     }

  :: atomic {
       !lost && has_cut[me] && !ended[me] && fin_acked && fin_received && told != unknown &&
       old_got >= told ->
       assert(has_cut[1 - me] && empty(old[me]) && empty(old[1 - me]));
       ended[me] = true
     }
  :: lost || (sent == K && delivered == K && ended[0] && ended[1]) -> break
  od
}

init { atomic { run End(0); run End(1) } }
