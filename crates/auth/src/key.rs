//! Keys as people carry them: `fb_<kind>_`, 43 random characters, a checksum of six.

use aws_lc_rs::digest;
use forebay_model::{Error, Result};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARACTERS: usize = 43;
const CHECK_CHARACTERS: usize = 6;
/// The longest kind is `admin`.
const MOST_CHARACTERS: usize = 80;

/// Makes a key of 256 random bits; the checksum lets scanners tell a leaked key from noise.
pub(crate) fn generate(kind: &str) -> Result<String> {
    let mut key = format!("fb_{kind}_");
    let length = key.len() + RANDOM_CHARACTERS;
    while key.len() < length {
        for byte in random()? {
            // 248 is the largest multiple of 62: beyond it letters would not be even.
            if byte < 248 && key.len() < length {
                key.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
    }
    let check = checksum(&key);
    key.push_str(&check);
    Ok(key)
}

/// Whether a text has the shape and the checksum of a key: what has not needs no look-up.
pub(crate) fn is_whole(text: &str) -> bool {
    let plain = text.is_ascii() && text.starts_with("fb_") && text.len() <= MOST_CHARACTERS;
    let split = text.len().checked_sub(CHECK_CHARACTERS).filter(|_| plain);
    split.is_some_and(|at| checksum(&text[..at]) == text[at..])
}

/// A key is random and long, so that one round is enough: there is nothing to guess.
pub(crate) fn hash(text: &str) -> Vec<u8> {
    digest::digest(&digest::SHA256, text.as_bytes()).as_ref().to_vec()
}

/// Thirty-two bytes of the system's randomness.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
}

/// Six characters that a typing error changes.
pub(crate) fn checksum(text: &str) -> String {
    let mut check = crc32(text.as_bytes());
    let digits = (0..CHECK_CHARACTERS).map(|_| {
        let digit = usize::try_from(check % 62).unwrap_or(0);
        check /= 62;
        char::from(ALPHABET[digit])
    });
    digits.collect()
}

/// CRC-32 (ISO 3309), bit by bit: keys are short.
fn crc32(bytes: &[u8]) -> u32 {
    let crc = bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
        })
    });
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_shape_and_its_checksum() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
        let key = generate("key").unwrap();
        assert_eq!(key.len(), "fb_key_".len() + 43 + 6);
        assert_ne!(key, generate("key").unwrap());
        assert!(is_whole(&key));
        for wrong in
            ["", "fb_", "fb_key_x", &key[1..], &key[..key.len() - 1], &format!("{key}x"), "fb_é"]
        {
            assert!(!is_whole(wrong), "{wrong}");
        }
    }
}
