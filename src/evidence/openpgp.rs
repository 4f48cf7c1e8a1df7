//! Who an OpenPGP signature says made it: the issuer's fingerprint or key ID, read from the armour and not checked.
//!
//! RFC 9580 (and RFC 4880 before it): armour in section 6.2, packets in 4.2, signatures in 5.2. Only the first packet
//! is looked at, and of that only the subpackets that name the issuer.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// How much of the armour is decoded: a signature names its issuer far before.
const BASE64_BYTES_MAX: usize = 16 * 1024;

/// Subpacket types (section 5.2.3.7): the issuer's key ID, and its fingerprint.
const ISSUER_KEY_ID: u8 = 16;
const ISSUER_FINGERPRINT: u8 = 33;

/// The issuer of an armoured signature, in upper-case hex: its fingerprint, else its key ID, else nothing, where
/// neither can be read.
#[must_use]
pub fn issuer(armored: &[u8]) -> Option<String> {
    let packets = dearmor(armored)?;
    let body = signature_packet(&packets)?;
    let issuer = match body.first()? {
        3 => body.get(7..15)?,
        // The lengths of the two subpacket areas take 2 bytes in version 4, and 4 in version 6.
        4 => issuer_of_subpackets(body.get(4..)?, 2)?,
        6 => issuer_of_subpackets(body.get(4..)?, 4)?,
        _ => return None,
    };
    Some(hex::encode_upper(issuer))
}

/// The bytes between the armour's headers, which an empty line ends, and its checksum or tail.
fn dearmor(armored: &[u8]) -> Option<Vec<u8>> {
    let mut lines = armored.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find(|line| line.is_empty())?;
    let mut base64 = Vec::new();
    for line in lines.take_while(|line| !line.starts_with(b"=") && !line.starts_with(b"-")) {
        if base64.len() + line.len() > BASE64_BYTES_MAX {
            return None;
        }
        base64.extend_from_slice(line);
    }
    STANDARD.decode(base64).ok()
}

/// The body of the first packet, if that is a signature (type 2), whose length stands in front (section 4.2).
fn signature_packet(packets: &[u8]) -> Option<&[u8]> {
    let (&first, rest) = packets.split_first()?;
    let (kind, (length, rest)) = match first {
        0xc0.. => (first & 0x3f, new_length(rest)?),
        0x80.. => ((first >> 2) & 0x0f, old_length(first & 3, rest)?),
        _ => return None,
    };
    rest.get(..length).filter(|_| kind == 2)
}

fn new_length(rest: &[u8]) -> Option<(usize, &[u8])> {
    match *rest {
        [first @ ..192, ref rest @ ..] => Some((first.into(), rest)),
        [first @ 192..224, second, ref rest @ ..] => {
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        [255, ref rest @ ..] => big_endian(4, rest),
        _ => None,
    }
}

fn old_length(length_type: u8, rest: &[u8]) -> Option<(usize, &[u8])> {
    match length_type {
        0 => big_endian(1, rest),
        1 => big_endian(2, rest),
        2 => big_endian(4, rest),
        _ => Some((rest.len(), rest)),
    }
}

/// The number in the first `bytes` bytes, at most 4, and what follows it.
fn big_endian(bytes: usize, rest: &[u8]) -> Option<(usize, &[u8])> {
    let (number, rest) = rest.split_at_checked(bytes)?;
    Some((number.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)), rest))
}

/// The issuer that the hashed subpackets name, or the others, which stand behind them; a fingerprint goes first.
fn issuer_of_subpackets(areas: &[u8], length_bytes: usize) -> Option<&[u8]> {
    let (length, rest) = big_endian(length_bytes, areas)?;
    let (hashed, rest) = rest.split_at_checked(length)?;
    let (length, rest) = big_endian(length_bytes, rest)?;
    let areas = [hashed, rest.get(..length)?];
    let find = |wanted| areas.into_iter().find_map(|area| subpacket(area, wanted));
    // A fingerprint has the version of its key in front.
    find(ISSUER_FINGERPRINT).and_then(|data| data.get(1..)).or_else(|| find(ISSUER_KEY_ID))
}

/// The data of the first subpacket of that type; the highest bit of a type says that it is critical.
fn subpacket(mut area: &[u8], wanted: u8) -> Option<&[u8]> {
    while !area.is_empty() {
        let (length, rest) = subpacket_length(area)?;
        let (packet, rest) = rest.split_at_checked(length)?;
        let (&kind, data) = packet.split_first()?;
        if kind & 0x7f == wanted {
            return Some(data);
        }
        area = rest;
    }
    None
}

/// As a packet's new length, but that two bytes reach to 254 (section 5.2.3.7).
fn subpacket_length(area: &[u8]) -> Option<(usize, &[u8])> {
    match *area {
        [first @ 192..=254, second, ref rest @ ..] => {
            Some(((usize::from(first) - 192) * 256 + usize::from(second) + 192, rest))
        }
        _ => new_length(area),
    }
}
