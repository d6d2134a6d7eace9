//! Which passwords are taken: long enough, and not what a guesser tries first.

use forebay_model::{Error, FieldError, Result};
use unicode_normalization::UnicodeNormalization as _;

use super::Password;

/// Characters of a password that stands alone.
const ALONE: usize = 15;
/// Characters of a password beside a second factor.
const BESIDE: usize = 8;
/// A guesser needs about 10^8 tries (of zxcvbn's five grades, 0 to 4).
const MIN_SCORE: u8 = 3;
/// zxcvbn takes time with the cube of the length; a password is not weakened by what follows.
const LOOKED_AT: usize = 100;
/// A shorter part of a name stands in many a good password by chance.
const MIN_NAME: usize = 4;

/// Whose password it is to be.
pub(crate) struct Owner<'o> {
    pub(crate) email: &'o str,
    pub(crate) name: &'o str,
    pub(crate) second_factor: bool,
}

/// Reads the member at `path`; a password that is not good enough is told why.
pub(crate) fn check(path: &str, text: &str, owner: &Owner<'_>) -> Result<Password> {
    let refuse = |code, message: String| Error::invalid(FieldError::new(path, code, message));
    let most = Password::MAX_BYTES;
    let password =
        Password::new(text).ok_or_else(|| refuse("too_long", format!("at most {most} bytes")))?;
    let least = if owner.second_factor { BESIDE } else { ALONE };
    if password.text().chars().count() < least {
        return Err(refuse("too_short", format!("at least {least} characters")));
    }
    let plain = plain(password.text());
    if names(owner).iter().any(|name| plain.contains(name.as_str())) {
        let message = "holds the account's name or address".to_owned();
        return Err(refuse("too_easy", message));
    }
    let looked_at: String = password.text().chars().take(LOOKED_AT).collect();
    let known = names(owner);
    let known: Vec<&str> = known.iter().map(String::as_str).collect();
    let score: u8 = zxcvbn::zxcvbn(&looked_at, &known).score().into();
    if score < MIN_SCORE {
        let message = "is among what a guesser tries first; several unrelated words are better";
        return Err(refuse("too_easy", message.to_owned()));
    }
    Ok(password)
}

/// Whether a password is too short to be the only factor.
pub(crate) fn is_short(password: &Password) -> bool {
    password.text().chars().count() < ALONE
}

fn plain(text: &str) -> String {
    text.nfkc().flat_map(char::to_lowercase).collect()
}

/// What of an account must not stand in its password.
fn names(owner: &Owner<'_>) -> Vec<String> {
    let (local, domain) = owner.email.rsplit_once('@').unwrap_or((owner.email, ""));
    let domain = domain.rsplit_once('.').map_or(domain, |(domain, _)| domain);
    let names = [owner.email, local, domain, owner.name].into_iter().map(plain);
    names.filter(|name| name.chars().count() >= MIN_NAME).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str, second_factor: bool) -> Option<&'static str> {
        let owner = Owner { email: "margaret@example.com", name: "Hamilton", second_factor };
        check("/password", text, &owner).err().map(|error| error.errors[0].code)
    }

    #[test]
    fn long_and_not_guessed_at_once() {
        for good in
            ["wet otter climbs 9 stairs", "  spaces are kept  ", "🐎🔋📎🐎🔋📎🦀🌋🗿🎺🧵🫀🐙🪐🧂"]
        {
            assert_eq!(code(good, false), None, "{good}");
        }
        assert_eq!(code("gK4#pw0Zr!", false), Some("too_short"));
        assert_eq!(code("gK4#pw0Zr!", true), None);
        assert_eq!(code("gK4#pw0", true), Some("too_short"));
        for easy in [
            "passwordpassword",
            "123456789012345",
            "aaaaaaaaaaaaaaaaaaaaaa",
            "qwertyuiopasdfgh",
            "the MARGARET of 9 stairs",
            "wet hAMILTON climbs 9",
            "margaret@example.com",
        ] {
            assert_eq!(code(easy, false), Some("too_easy"), "{easy}");
        }
        assert_eq!(code("iloveyou", true), Some("too_easy"));
        assert_eq!(code(&"x9 q".repeat(257), false), Some("too_long"));
    }
}
