//! Asks whoever sits at the terminal, or reads what is piped in: secrets are never arguments, which
//! every process of the machine could see.

use std::io::{BufRead as _, IsTerminal as _, Read as _, Write as _};

use crate::Failure;

/// The longest line that is read.
const MAX_BYTES: u64 = 64 << 10;

/// Asks for a line.
pub(crate) fn line(prompt: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        // Nobody reads stderr: then the question is in vain, and so is the answer.
        let _ = std::io::stderr().write_all(prompt.as_bytes());
    }
    let mut text = String::new();
    let read = std::io::stdin().lock().take(MAX_BYTES).read_line(&mut text).map_err(unreadable)?;
    if read == 0 {
        return Err(Failure::Configuration("there is nothing on stdin".to_owned()));
    }
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}

/// Asks for a secret, which a terminal does not show.
pub(crate) fn secret(prompt: &str) -> Result<String, Failure> {
    if std::io::stdin().is_terminal() {
        return rpassword::prompt_password(prompt).map_err(unreadable);
    }
    line(prompt)
}

/// Asks for a new password; at a terminal twice, because nobody sees what they type.
pub(crate) fn new_password() -> Result<String, Failure> {
    let password = secret("New password: ")?;
    if std::io::stdin().is_terminal() && secret("Once more: ")? != password {
        return Err(Failure::Configuration("the two are not the same".to_owned()));
    }
    Ok(password)
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::Other(format!("stdin: {error}"))
}
