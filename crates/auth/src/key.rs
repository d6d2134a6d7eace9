//! Keys as people carry them: `fb_admin_`, 43 random characters, a checksum of six.

use forebay_model::{Error, Result};

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
const RANDOM_CHARACTERS: usize = 43;
const CHECK_CHARACTERS: usize = 6;

/// Makes a key of 256 random bits; the checksum lets scanners tell a leaked key from noise.
pub(crate) fn generate() -> Result<String> {
    let mut key = String::from("fb_admin_");
    while key.len() < "fb_admin_".len() + RANDOM_CHARACTERS {
        for byte in random()? {
            // 248 is the largest multiple of 62: beyond it letters would not be even.
            if byte < 248 && key.len() < "fb_admin_".len() + RANDOM_CHARACTERS {
                key.push(char::from(ALPHABET[usize::from(byte % 62)]));
            }
        }
    }
    let mut check = crc32(key.as_bytes());
    for _ in 0..CHECK_CHARACTERS {
        let digit = usize::try_from(check % 62).unwrap_or(0);
        key.push(char::from(ALPHABET[digit]));
        check /= 62;
    }
    Ok(key)
}

/// Thirty-two bytes of the system's randomness.
pub(crate) fn random() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(Error::internal)?;
    Ok(bytes)
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
        let key = generate().unwrap();
        assert_eq!(key.len(), 9 + 43 + 6);
        assert_ne!(key, generate().unwrap());
    }
}
