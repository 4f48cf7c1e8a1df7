"""Ed25519 by the two rules of docs/auditing.md, "Signatures".

`audit` is the rule for authors' signatures; it also tells whether the strict rule agrees. `strict` is the rule for
notes. Both come to the same answer whatever libsodium is installed: libsodium's verification only serves as a fast
path, taken where its "yes" together with R in the prime-order subgroup proves both rules. Everything else is decided
by the arithmetic on this page. Nothing here is secret, so nothing runs in constant time.
"""

from __future__ import annotations

import hashlib
from enum import Enum
from functools import lru_cache

from nacl import bindings
from nacl.exceptions import BadSignatureError

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
SQRT_MINUS_ONE = pow(2, (P - 1) // 4, P)

# A point is (X, Y, Z, T) with x = X/Z, y = Y/Z, xy = T/Z.
Point = tuple[int, int, int, int]
IDENTITY: Point = (0, 1, 1, 0)


class Outcome(Enum):
    STRICT = "passes both rules"
    NOT_STRICT = "passes the audit rule and not the strict one"
    BAD_SIGNATURE = "fails"
    UNFIT_KEY = "is by a key that no signature should be believed of"


def add(a: Point, b: Point) -> Point:
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    p, q = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    r, s = 2 * D * t1 * t2 % P, 2 * z1 * z2 % P
    e, f, g, h = q - p, s - r, s + r, q + p
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def double(a: Point) -> Point:
    x, y, z, _ = a
    p, q = x * x % P, y * y % P
    h = p + q
    e = h - (x + y) * (x + y)
    g = p - q
    f = 2 * z * z + g
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def negate(a: Point) -> Point:
    x, y, z, t = a
    return (-x % P, y, z, -t % P)


def multiply(scalar: int, point: Point) -> Point:
    result = IDENTITY
    for bit in bin(scalar)[2:]:
        result = double(result)
        if bit == "1":
            result = add(result, point)
    return result


def times_eight(point: Point) -> Point:
    return double(double(double(point)))


def is_identity(point: Point) -> bool:
    x, y, z, _ = point
    return x % P == 0 and (y - z) % P == 0


def decode_point(data: bytes) -> Point | None:
    """The point of a canonical encoding; None for every other 32 bytes."""
    number = int.from_bytes(data, "little")
    y, sign = number & (2**255 - 1), number >> 255
    if y >= P:
        return None
    x = root_of_fraction(y * y - 1, D * y * y + 1)
    if x is None or (x == 0 and sign == 1):
        return None
    if x & 1 != sign:
        x = P - x
    return (x, y, 1, x * y % P)


def root_of_fraction(u: int, v: int) -> int | None:
    """A square root of u/v modulo P, where there is one (RFC 8032, 5.1.3)."""
    root = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    square = v * root * root % P
    if square == u % P:
        return root
    if square == -u % P:
        return root * SQRT_MINUS_ONE % P
    return None


def encode_point(point: Point) -> bytes:
    x, y, z, _ = point
    inverse = pow(z, -1, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


def base_point() -> Point:
    point = decode_point((4 * pow(5, -1, P) % P).to_bytes(32, "little"))
    assert point is not None
    return point


BASE = base_point()


@lru_cache(maxsize=65_536)
def key_is_fit(key: bytes) -> bool:
    """Canonical, on the curve, not of small order, free of torsion."""
    point = decode_point(key)
    return point is not None and not is_identity(times_eight(point)) and is_identity(multiply(ORDER, point))


def audit(key: bytes, message: bytes, signature: bytes) -> Outcome:
    if not key_is_fit(key):
        return Outcome.UNFIT_KEY
    if libsodium_proves_it(key, message, signature):
        return Outcome.STRICT
    return by_hand(key, message, signature)


def strict(key: bytes, message: bytes, signature: bytes) -> bool:
    return audit(key, message, signature) is Outcome.STRICT


def libsodium_proves_it(key: bytes, message: bytes, signature: bytes) -> bool:
    """True only where both rules surely hold.

    Some releases of libsodium verify with the cofactor and some without. With key and R both in the prime-order
    subgroup the two equations are one, so its answer is then the same in all of them.
    """
    try:
        bindings.crypto_sign_open(signature + message, key)
    except BadSignatureError:
        return False
    return bindings.crypto_core_ed25519_is_valid_point(signature[:32])


def by_hand(key: bytes, message: bytes, signature: bytes) -> Outcome:
    """Steps 2 to 4 of the rule. The key is known to be fit."""
    r_bytes, s = signature[:32], int.from_bytes(signature[32:], "little")
    r, a = decode_point(r_bytes), decode_point(key)
    if a is None or r is None or s >= ORDER or is_identity(times_eight(r)):
        return Outcome.BAD_SIGNATURE
    k = int.from_bytes(hashlib.sha512(r_bytes + key + message).digest(), "little") % ORDER
    difference = add(two_multiples(s, BASE, k, negate(a)), negate(r))
    if is_identity(difference):
        return Outcome.STRICT
    return Outcome.NOT_STRICT if is_identity(times_eight(difference)) else Outcome.BAD_SIGNATURE


def two_multiples(m: int, a: Point, n: int, b: Point) -> Point:
    """[m]a + [n]b, with one run of doublings."""
    both, result = add(a, b), IDENTITY
    for place in range(max(m.bit_length(), n.bit_length()) - 1, -1, -1):
        result = double(result)
        pick = (m >> place & 1) + 2 * (n >> place & 1)
        if pick:
            result = add(result, (a, b, both)[pick - 1])
    return result
