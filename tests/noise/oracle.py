#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Noise handshakes by another hand: the specification (rev 34) in plain Python, for the patterns that no
public vector covers.

  tests/noise/oracle.py SEED COUNT

prints COUNT handshakes a pattern and suite as JSON in the form of the public vectors: keys, psks, payloads
and every message; then records of layer `encrypt` as docs/layers/encrypt.md describes them. Nothing is shared
with the code under test; hashes are hashlib's, the rest is arithmetic written here from RFC 7748, RFC 8439
and NIST SP 800-38D. Slow and not in constant time, on purpose simple."""

import hashlib
import hmac
import json
import random
import sys

P = 2**255 - 19
PATTERNS = {  # pre-messages of initiator and responder, then the messages
    "XXpsk3": ("", "", ["e", "e ee s es", "s se psk"]),
    "IKpsk2": ("", "s", ["e es s ss", "e ee se psk"]),
    "XXpsk0": ("", "", ["psk e", "e ee s es", "s se"]),
}


def x25519(secret, public):
    scalar = int.from_bytes(secret, "little")
    scalar = (scalar & ~7 & (2**255 - 1)) | 2**254
    x1 = int.from_bytes(public, "little") & (2**255 - 1)
    x2, z2, x3, z3, swap = 1, 0, x1, 1, 0
    for t in reversed(range(255)):
        bit = scalar >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a % P, b * b % P, d * a % P, c * b % P
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public_of(secret):
    return x25519(secret, (9).to_bytes(32, "little"))


def rotate(value, bits):
    return (value << bits | value >> 32 - bits) & 0xFFFFFFFF


def chacha_block(key, counter, nonce):
    words = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    words += [int.from_bytes(key[i : i + 4], "little") for i in range(0, 32, 4)]
    words += [counter] + [int.from_bytes(nonce[i : i + 4], "little") for i in range(0, 12, 4)]
    state = list(words)

    def quarter(a, b, c, d):
        for x, y, z, bits in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
            state[x] = (state[x] + state[y]) & 0xFFFFFFFF
            state[z] = rotate(state[z] ^ state[x], bits)

    for _ in range(10):
        for i in range(4):
            quarter(i, 4 + i, 8 + i, 12 + i)
        for i in range(4):
            quarter(i, 4 + (i + 1) % 4, 8 + (i + 2) % 4, 12 + (i + 3) % 4)
    return b"".join(((s + w) & 0xFFFFFFFF).to_bytes(4, "little") for s, w in zip(state, words))


def pad16(data):
    return data + bytes(-len(data) % 16)


def chacha_seal(key, nonce, clear, plain):
    stream = b"".join(chacha_block(key, 1 + i, nonce) for i in range((len(plain) + 63) // 64))
    sealed = bytes(a ^ b for a, b in zip(plain, stream))
    one_time = chacha_block(key, 0, nonce)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    data = pad16(clear) + pad16(sealed) + len(clear).to_bytes(8, "little") + len(sealed).to_bytes(8, "little")
    total = 0
    for i in range(0, len(data), 16):
        total = (total + int.from_bytes(data[i : i + 16] + b"\1", "little")) * r % (2**130 - 5)
    tag = (total + int.from_bytes(one_time[16:32], "little")) & (2**128 - 1)
    return sealed + tag.to_bytes(16, "little")


def times_x(value):
    return (value << 1 ^ (0x11B if value & 0x80 else 0)) & 0xFF


def make_sbox():
    box = [0] * 256
    p = q = 1
    while True:
        p = p ^ times_x(p)
        q ^= q << 1
        q ^= q << 2
        q ^= q << 4
        q &= 0xFF
        if q & 0x80:
            q ^= 0x09
        x = q
        for shift in range(1, 5):
            x ^= (q << shift | q >> 8 - shift) & 0xFF
        box[p] = x ^ 0x63
        if p == 1:
            break
    box[0] = 0x63
    return box


SBOX = make_sbox()


def aes_round_keys(key):
    words = [list(key[i : i + 4]) for i in range(0, 32, 4)]
    factor = 1
    for i in range(8, 60):
        word = list(words[-1])
        if i % 8 == 0:
            word = [SBOX[b] for b in word[1:] + word[:1]]
            word[0] ^= factor
            factor = times_x(factor)
        elif i % 8 == 4:
            word = [SBOX[b] for b in word]
        words.append([a ^ b for a, b in zip(words[-8], word)])
    return [sum(words[i : i + 4], []) for i in range(0, 60, 4)]


def aes_block(keys, block):
    state = [a ^ b for a, b in zip(block, keys[0])]
    for number, key in enumerate(keys[1:], 1):
        state = [SBOX[b] for b in state]
        state = [state[(i + 4 * (i % 4)) % 16] for i in range(16)]
        if number < 14:
            mixed = []
            for c in range(0, 16, 4):
                a = state[c : c + 4]
                every = a[0] ^ a[1] ^ a[2] ^ a[3]
                mixed += [a[i] ^ every ^ times_x(a[i] ^ a[(i + 1) % 4]) for i in range(4)]
            state = mixed
        state = [a ^ b for a, b in zip(state, key)]
    return bytes(state)


def multiply(x, y):
    product = 0
    for i in reversed(range(128)):
        if x >> i & 1:
            product ^= y
        y = y >> 1 ^ (0xE1 << 120 if y & 1 else 0)
    return product


def aes_seal(key, nonce, clear, plain):
    keys = aes_round_keys(key)
    h = int.from_bytes(aes_block(keys, bytes(16)), "big")
    count = (len(plain) + 15) // 16
    stream = b"".join(aes_block(keys, nonce + (2 + i).to_bytes(4, "big")) for i in range(count))
    sealed = bytes(a ^ b for a, b in zip(plain, stream))
    lengths = (8 * len(clear)).to_bytes(8, "big") + (8 * len(sealed)).to_bytes(8, "big")
    data, total = pad16(clear) + pad16(sealed) + lengths, 0
    for i in range(0, len(data), 16):
        total = multiply(total ^ int.from_bytes(data[i : i + 16], "big"), h)
    first = aes_block(keys, nonce + (1).to_bytes(4, "big"))
    return sealed + bytes(a ^ b for a, b in zip(total.to_bytes(16, "big"), first))


# What Noise calls a suite, its number in layer `encrypt`, its cipher and the byte order of Noise's nonces.
SUITES = {"AESGCM": (1, aes_seal, "big"), "ChaChaPoly": (2, chacha_seal, "little")}


def noise_seal(suite, key, number, clear, plain):
    _, seal, order = SUITES[suite]
    return seal(key, bytes(4) + number.to_bytes(8, order), clear, plain)


def mac(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def hkdf(chaining_key, data, count):
    temporary, outputs = mac(chaining_key, data), []
    for i in range(count):
        outputs.append(mac(temporary, (outputs[-1] if outputs else b"") + bytes([i + 1])))
    return outputs


class Transcript:
    """Both ends at once: they do the same with the same bytes, so one state is enough to write by."""

    def __init__(self, name, suite, prologue):
        self.suite, self.key, self.number = suite, None, 0
        name = name.encode()
        self.h = name.ljust(32, b"\0") if len(name) <= 32 else hashlib.sha256(name).digest()
        self.ck = self.h
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def mix_key(self, data):
        self.ck, self.key = hkdf(self.ck, data, 2)
        self.number = 0

    def mix_key_and_hash(self, data):
        self.ck, hashed, self.key = hkdf(self.ck, data, 3)
        self.mix_hash(hashed)
        self.number = 0

    def seal(self, plain):
        if self.key is None:
            sealed = plain
        else:
            sealed = noise_seal(self.suite, self.key, self.number, self.h, plain)
            self.number += 1
        self.mix_hash(sealed)
        return sealed


def handshake(pattern, suite, chance):
    def draw(count):
        return bytes(chance.randrange(256) for _ in range(count))

    name = f"Noise_{pattern}_25519_{suite}_SHA256"
    secrets = {side + kind: draw(32) for side in "ir" for kind in "es"}
    publics = {which: public_of(secret) for which, secret in secrets.items()}
    prologue, psk = draw(chance.randrange(40)), draw(32)
    known_initiator, known_responder, lines = PATTERNS[pattern]
    state = Transcript(name, suite, prologue)
    if known_initiator:
        state.mix_hash(publics["is"])
    if known_responder:
        state.mix_hash(publics["rs"])
    messages = []
    for turn, line in enumerate(lines):
        side, message = "ir"[turn % 2], b""
        for token in line.split():
            if token == "psk":
                state.mix_key_and_hash(psk)
            elif token == "e":
                message += publics[side + "e"]
                state.mix_hash(publics[side + "e"])
                state.mix_key(publics[side + "e"])  # §9.2: every pattern here has a psk
            elif token == "s":
                message += state.seal(publics[side + "s"])
            else:
                state.mix_key(x25519(secrets["i" + token[0]], publics["r" + token[1]]))
        payload = draw(chance.randrange(60))
        message += state.seal(payload)
        messages.append({"payload": payload.hex(), "ciphertext": message.hex()})
    keys = hkdf(state.ck, b"", 2)
    for turn in range(4):
        payload = draw(chance.randrange(60))
        key = keys[(len(lines) + turn) % 2]
        sealed = noise_seal(suite, key, turn // 2, b"", payload)
        messages.append({"payload": payload.hex(), "ciphertext": sealed.hex()})
    vector = {
        "protocol_name": name,
        "init_prologue": prologue.hex(),
        "init_psks": [psk.hex()],
        "init_static": secrets["is"].hex(),
        "init_ephemeral": secrets["ie"].hex(),
        "resp_prologue": prologue.hex(),
        "resp_psks": [psk.hex()],
        "resp_static": secrets["rs"].hex(),
        "resp_ephemeral": secrets["re"].hex(),
        "handshake_hash": state.h.hex(),
        "messages": messages,
    }
    if known_responder:
        vector["init_remote_static"] = publics["rs"].hex()
    return vector


def expand(key, info, count):
    output, block = b"", b""
    while len(output) < count:
        block = mac(key, block + info + bytes([len(output) // 32 + 1]))
        output += block
    return output[:count]


def records(suite, chance):
    """One direction of a link: records of a few epochs."""
    number_of_suite, seal, _ = SUITES[suite]
    secret = bytes(chance.randrange(256) for _ in range(32))
    direction, number, made = {"suite": number_of_suite, "secret": secret.hex()}, 0, []
    for epoch in range(4):
        label = bytes([number_of_suite])
        key = expand(secret, b"harness encrypt key" + label, 32)
        base = expand(secret, b"harness encrypt iv" + label, 12)
        for _ in range(3):
            header = (number << 8 | epoch).to_bytes(8, "little")
            nonce = base[:4] + bytes(a ^ b for a, b in zip(base[4:], header))
            text = bytes(chance.randrange(256) for _ in range(chance.randrange(70)))
            sealed = seal(key, nonce, header, text)
            made.append({"text": text.hex(), "record": (header + sealed[-16:] + sealed[:-16]).hex()})
            number += 1
        secret = expand(secret, b"harness encrypt next" + label, 32)
    return direction | {"records": made}


def main():
    chance = random.Random(int(sys.argv[1]))
    count = int(sys.argv[2])
    vectors = [
        handshake(pattern, suite, chance) for pattern in PATTERNS for suite in SUITES for _ in range(count)
    ]
    directions = [records(suite, chance) for suite in SUITES]
    json.dump({"vectors": vectors, "directions": directions}, sys.stdout)


if __name__ == "__main__":
    main()
