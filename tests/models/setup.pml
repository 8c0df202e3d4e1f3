/* SPDX-License-Identifier: Apache-2.0
 * Link set-up with a handshake, explored to the end: two nodes, and somebody in between who owns the wire.
 *
 * Two attempts of A (its second is another process under its name), two places for strangers at B. The
 * attacker is a node of its own with a certificate: four times it takes a frame off the wire and loses it,
 * changes what it says in clear, or sends it twice, or makes its own in anybody's name. What it cannot make
 * is the proof of another's frame: a proof is modelled as everything it binds, and is right when that is
 * what the reader has seen. Three frames are in flight at most.
 *
 *   authentic     a link at B in A's name belongs to an attempt of A that chose B's answer to that attempt
 *   once          one attempt makes one link at B, however often its READY comes
 *   standing      a link at B ends only for a later process of A that has proved itself
 *   same offers   what B chose from is what A offered
 *
 * -DNO_READY, -DNO_NAME, -DNO_BIND plant the bugs that the model must find (tests/models/run.py).
 */
#define A 1
#define M 2 /* the attacker */
#define B 3

#define both_stacks 1  /* the offers: encrypted, or clear within the domain */
#define clear_only 2   /* what is left when somebody takes the encrypted one out */

/* hello: attempt, claimed name, offers. The proof is the attempt's key: everybody may send it again. */
/* accept: attempt, the answer's key, offers as B saw them, who proves it. */
/* ready: attempt, the answer's key, offers as A sent them, who proves it. */
mtype = { hello, accept, ready };
chan wire = [3] of { mtype, byte /* attempt */, byte /* answer */, byte /* claimed */, byte /* offers */,
                     byte /* prover */, bool /* to B */ };

/* Attempts 1 and 2 are A's, 3 is the attacker's own. Answers 4 and 5 are B's, 6 the attacker's own. */
byte chose[4];       /* by attempt of A: the answer that it took */
bool links_made[7];  /* at B, by answer */
byte standing = 0;   /* the attempt that B's link in A's name belongs to */

byte place_attempt[6];  /* by answer 4 and 5: what B answered to */
byte place_claimed[6];
byte place_offers[6];
byte places = 0;

/* An attempt of A: HELLO, then the first ACCEPT whose proof fits what was sent. */
proctype Initiator(byte attempt) {
  byte answer, offers, prover, claimed;
  wire ! hello, attempt, 0, A, both_stacks, 0, true;
  do
  :: atomic {
       wire ?? accept, eval(attempt), answer, claimed, offers, prover, false ->
       if
#ifdef NO_BIND
       :: prover == B ->
#else
       :: prover == B && offers == both_stacks ->
#endif
          chose[attempt] = answer;
          wire ! ready, attempt, answer, A, offers, A, true;
          break
       :: else -> answer = 0; offers = 0; claimed = 0; prover = 0 /* not B's answer to this HELLO */
       fi
     }
  :: timeout -> break
  od
}

inline make_link(answer_) {
  assert(place_claimed[answer_] != A || place_attempt[answer_] != 3);          /* authentic */
  assert(place_claimed[answer_] != A || chose[place_attempt[answer_]] == answer_);
  assert(place_offers[answer_] == both_stacks || place_claimed[answer_] != A); /* same offers */
  assert(!links_made[answer_]);                                                /* once */
  links_made[answer_] = true;
  if
  :: place_claimed[answer_] == A ->
     assert(standing == 0 || chose[place_attempt[answer_]] != 0);              /* standing */
     standing = place_attempt[answer_]
  :: else -> skip
  fi
}

inline forget() { attempt = 0; answer = 0; claimed = 0; offers = 0; prover = 0 }

proctype Responder() {
  byte attempt, answer, claimed, offers, prover;
  do
  :: atomic {
       places < 2 && wire ?? [hello, attempt, answer, claimed, offers, prover, true] ->
       wire ?? hello, attempt, answer, claimed, offers, prover, true;
       answer = 4 + places;
       places++;
       place_attempt[answer] = attempt;
       place_claimed[answer] = claimed;
       place_offers[answer] = offers;
#ifdef NO_READY
       make_link(answer);
#endif
       wire ! accept, attempt, answer, B, offers, B, false;
       forget()
     }
  :: atomic {
       wire ?? ready, attempt, answer, claimed, offers, prover, true ->
       if
       /* A place takes one READY: then it is a link, and no place any more. */
       :: (answer == 4 || answer == 5) && place_attempt[answer] == attempt && !links_made[answer] &&
#ifndef NO_NAME
          prover == place_claimed[answer] &&
#endif
          offers == place_offers[answer] -> make_link(answer)
       :: else -> skip
       fi;
       forget()
     }
  :: timeout -> break
  od
}

/* Owns the wire. */
proctype Attacker() {
  mtype kind;
  byte attempt, answer, claimed, offers, prover, budget = 4;
  bool to_b;
  do
  :: atomic {
       budget > 0 ->
       budget--;
       if
       /* takes a frame off the wire: lost, changed in what it says in clear, or sent twice */
       :: wire ?? kind, attempt, answer, claimed, offers, prover, to_b ->
          if
          :: skip
          :: kind == hello -> wire ! hello, attempt, answer, A, clear_only, prover, to_b
          :: kind == hello -> wire ! hello, attempt, answer, M, offers, prover, to_b
          :: wire ! kind, attempt, answer, claimed, offers, prover, to_b;
             wire ! kind, attempt, answer, claimed, offers, prover, to_b
          /* its own proof in place of the peer's */
          :: kind != hello -> wire ! kind, attempt, answer, claimed, offers, M, to_b
          :: kind == accept -> wire ! accept, attempt, 6, B, both_stacks, M, false
          fi
       /* says something of its own */
       :: wire ! hello, 3, 0, A, both_stacks, 0, true
       :: wire ! hello, 3, 0, M, both_stacks, 0, true
       :: wire ! ready, 3, 4, A, both_stacks, M, true
       :: wire ! ready, 1, 4, A, both_stacks, M, true
       :: wire ! ready, 1, 5, A, both_stacks, M, true
       fi;
       kind = 0; attempt = 0; answer = 0; claimed = 0; offers = 0; prover = 0; to_b = false
     }
  :: break
  od
}

init {
  atomic {
    run Responder();
    run Initiator(1);
    run Initiator(2);
    run Attacker()
  }
}
