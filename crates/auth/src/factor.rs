//! Second factors: codes from a phone (TOTP, RFC 6238) and codes on paper.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use forebay_model::time::Timestamp;
use forebay_model::{Error, Result};
use qrcode::QrCode;
use qrcode::render::svg;

use crate::key;

const STEP_SECONDS: i64 = 30;
const DIGITS: usize = 6;
const SEED_BYTES: usize = 20;
const ISSUER: &str = "Forebay";
/// Codes on paper that are given at once.
pub(crate) const RECOVERY_CODES: usize = 10;
/// 130 bits.
const RECOVERY_CHARACTERS: usize = 26;
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// A new seed.
pub(crate) fn seed() -> Result<Vec<u8>> {
    Ok(key::random()?[..SEED_BYTES].to_vec())
}

/// Whether a code is good now: its step, which is later than the last one that was taken.
pub(crate) fn step_of(seed: &[u8], code: &str, now: Timestamp, last: i64) -> Option<i64> {
    let plain = code.len() == DIGITS && code.bytes().all(|b| b.is_ascii_digit());
    let step = now.micros().div_euclid(STEP_SECONDS * 1_000_000);
    let fits = |step: &i64| {
        let expected = code_at(seed, *step);
        verify_slices_are_equal(expected.as_bytes(), code.as_bytes()).is_ok()
    };
    // Clocks of phones are late or early by half a minute.
    (step - 1..=step + 1).filter(|_| plain).find(|step| *step > last && fits(step))
}

fn code_at(seed: &[u8], step: i64) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, seed);
    let tag = hmac::sign(&key, &step.to_be_bytes());
    let tag = tag.as_ref();
    // RFC 4226, 5.3: the last four bits say where the number begins.
    let at = usize::from(tag.last().copied().unwrap_or(0) & 0x0f);
    let number = tag.iter().skip(at).take(4).fold(0u32, |n, byte| (n << 8) | u32::from(*byte));
    format!("{:06}", (number & 0x7fff_ffff) % 1_000_000)
}

/// A seed as people type it.
pub(crate) fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(5) {
        let mut padded = [0; 8];
        padded[3..3 + group.len()].copy_from_slice(group);
        let bits = u64::from_be_bytes(padded);
        for n in 0..(group.len() * 8).div_ceil(5) {
            let digit = usize::try_from(bits >> (35 - 5 * n) & 31).unwrap_or(0);
            text.push(char::from(BASE32[digit]));
        }
    }
    text
}

/// What a phone reads: seed and account.
pub(crate) fn otpauth_url(seed: &[u8], email: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut label = String::new();
    for byte in email.bytes() {
        if plain(byte) {
            label.push(char::from(byte));
        } else {
            label.push_str(&format!("%{byte:02X}"));
        }
    }
    let seed = base32(seed);
    format!(
        "otpauth://totp/{ISSUER}:{label}?secret={seed}&issuer={ISSUER}&algorithm=SHA1&digits={DIGITS}&period={STEP_SECONDS}"
    )
}

/// The same for its camera.
pub(crate) fn qr_svg(url: &str) -> Result<String> {
    let code = QrCode::new(url).map_err(Error::internal)?;
    Ok(code.render::<svg::Color<'_>>().min_dimensions(200, 200).build())
}

/// New codes on paper: as they are shown, once.
pub(crate) fn recovery_codes() -> Result<Vec<String>> {
    let code = |_| {
        let code = base32(&key::random()?).to_lowercase();
        let parts: Vec<&str> =
            [(0, 7), (7, 13), (13, 20), (20, RECOVERY_CHARACTERS)].map(|(a, b)| &code[a..b]).into();
        Ok(parts.join("-"))
    };
    (0..RECOVERY_CODES).map(code).collect()
}

/// How a code on paper is kept: it is long and random, so that one round is enough. Spaces, dashes
/// and case are the reader's.
pub(crate) fn recovery_hash(code: &str) -> Option<Vec<u8>> {
    let plain: String = code.chars().filter(|c| !" -".contains(*c)).collect();
    let plain = plain.to_ascii_uppercase();
    let whole = plain.len() == RECOVERY_CHARACTERS && plain.bytes().all(|b| BASE32.contains(&b));
    whole.then(|| key::hash(&plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &[u8] = b"12345678901234567890";

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn the_codes_of_the_standard() {
        // RFC 6238, appendix B: the last six digits.
        for (seconds, code) in [
            (59, "287082"),
            (1_111_111_109, "081804"),
            (1_111_111_111, "050471"),
            (1_234_567_890, "005924"),
            (2_000_000_000, "279037"),
            (20_000_000_000, "353130"),
        ] {
            assert_eq!(code_at(SEED, seconds / 30), code);
            assert_eq!(step_of(SEED, code, at(seconds), 0), Some(seconds / 30));
        }
    }

    #[test]
    fn a_code_is_good_once_and_around_its_time() {
        let step = 1_111_111_109 / 30;
        let began = step * 30;
        let good = |now, last| step_of(SEED, "081804", at(now), last).is_some();
        assert!(good(began - 30, 0) && good(began, 0) && good(began + 59, 0));
        assert!(!good(began - 31, 0) && !good(began + 60, 0));
        assert!(good(began, step - 1) && !good(began, step) && !good(began, step + 1));
        for odd in ["", "81804", "0818040", "08180a", "081 804", "٠٨١٨٠٤", "+81804"] {
            assert_eq!(step_of(SEED, odd, at(began), 0), None, "{odd}");
        }
    }

    #[test]
    fn seeds_as_phones_read_them() {
        assert_eq!(base32(SEED), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(base32(b"f"), "MY");
        assert_eq!(base32(b"foobar"), "MZXW6YTBOI");
        let url = otpauth_url(SEED, "a+b@exämple.com");
        assert!(url.starts_with("otpauth://totp/Forebay:a%2Bb%40ex%C3%A4mple.com?secret=GEZDG"));
        assert!(qr_svg(&url).unwrap().contains("<svg"));
        assert_eq!(seed().unwrap().len(), 20);
    }

    #[test]
    fn codes_on_paper_are_long_and_forgiving() {
        let codes = recovery_codes().unwrap();
        assert_eq!(codes.len(), 10);
        let hash = recovery_hash(&codes[0]).unwrap();
        let typed = codes[0].to_uppercase().replace('-', " ");
        assert_eq!(recovery_hash(&typed).unwrap(), hash);
        assert_ne!(recovery_hash(&codes[1]).unwrap(), hash);
        for odd in ["", "-", &codes[0][1..], &format!("{}a", codes[0]), "é", &"1".repeat(26)] {
            assert_eq!(recovery_hash(odd), None, "{odd}");
        }
    }
}
