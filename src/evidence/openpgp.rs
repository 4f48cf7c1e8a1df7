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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn armored(packets: &[u8]) -> Vec<u8> {
        format!("-----BEGIN PGP SIGNATURE-----\nVersion: 1\n\n{}\n=abcd\n-----END", STANDARD.encode(packets))
            .into()
    }

    /// A signature of version 4 with these subpackets: RSA, SHA-512, and nothing behind that is read.
    fn version_4(hashed: &[u8], unhashed: &[u8]) -> Vec<u8> {
        let area = |area: &[u8]| [&[0, u8::try_from(area.len()).unwrap()], area].concat();
        [vec![4, 0, 1, 10], area(hashed), area(unhashed), vec![0xab, 0xcd]].concat()
    }

    fn old_packet(body: &[u8]) -> Vec<u8> {
        [&[0x88, u8::try_from(body.len()).unwrap()], body].concat()
    }

    #[test]
    fn issuers_are_read_wherever_a_signature_names_them() {
        let key_id = [&[9, ISSUER_KEY_ID][..], &[0x11; 8]].concat();
        let fingerprint = [&[22, ISSUER_FINGERPRINT, 4][..], &[0x22; 20]].concat();
        let critical = [&[9, ISSUER_KEY_ID | 0x80][..], &[0x33; 8]].concat();
        let created = [5, 2, 0, 0, 0, 0];
        let version_3 = [&[3, 5, 0, 0, 0, 0, 0][..], &[0x44; 8], &[1, 8, 0, 0]].concat();
        let version_6 =
            [&[6, 0, 27, 10, 0, 0, 0, 0, 0, 0, 0, 35, 34, ISSUER_FINGERPRINT, 6][..], &[0x55; 32]].concat();
        let body = version_4(&created, &key_id);
        let length = u8::try_from(body.len()).unwrap();
        for (case, packets, expected) in [
            ("a key ID that is not hashed", old_packet(&body), Some("11".repeat(8))),
            ("a fingerprint", old_packet(&version_4(&fingerprint, &[])), Some("22".repeat(20))),
            (
                "both",
                old_packet(&version_4(&created, &[key_id, fingerprint].concat())),
                Some("22".repeat(20)),
            ),
            ("a critical subpacket", old_packet(&version_4(&critical, &[])), Some("33".repeat(8))),
            ("version 3", old_packet(&version_3), Some("44".repeat(8))),
            ("version 6", old_packet(&version_6), Some("55".repeat(32))),
            ("neither", old_packet(&version_4(&created, &[])), None),
            ("a new packet", [&[0xc2, length], &*body].concat(), Some("11".repeat(8))),
            (
                "a new packet of five octets",
                [&[0xc2, 255, 0, 0, 0, length], &*body].concat(),
                Some("11".repeat(8)),
            ),
            ("an old packet of two octets", [&[0x89, 0, length], &*body].concat(), Some("11".repeat(8))),
            ("an old packet to the end", [&[0x8b], &*body].concat(), Some("11".repeat(8))),
            ("another packet", [&[0xc6, length], &*body].concat(), None),
            ("a packet cut off", [&[0xc2, length + 1], &*body].concat(), None),
            ("nothing", Vec::new(), None),
        ] {
            assert_eq!(issuer(&armored(&packets)), expected, "{case}");
        }
        let crlf = String::from_utf8(armored(&old_packet(&body))).unwrap().replace('\n', "\r\n");
        assert_eq!(issuer(crlf.as_bytes()), Some("11".repeat(8)));
        assert_eq!(issuer(b"-----BEGIN PGP SIGNATURE-----\nno empty line"), None);
        let long = [&old_packet(&body)[..], &vec![0; BASE64_BYTES_MAX]].concat();
        assert_eq!(issuer(&armored(&long)), None, "more than is read");
    }

    proptest! {
        #[test]
        fn no_packets_panic(mut packets in prop::collection::vec(any::<u8>(), 0..80), plain: bool) {
            if let (Some(first), true) = (packets.first_mut(), plain) {
                *first = 0x88;
            }
            let _ = issuer(&armored(&packets));
            let _ = issuer(&packets);
        }
    }
}
