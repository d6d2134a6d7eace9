//! Programs of others that speak with Forebay: Debian's packages, installed where they are missing
//! and the user is root.

use std::path::{Path, PathBuf};

use anyhow::Result;

use crate::host::install;

const OATHTOOL: &str = "/usr/bin/oathtool";
const PROMTOOL: &str = "/usr/bin/promtool";
const PYTHON: &str = "/usr/bin/python3";
const PACKAGES: &str = "/usr/lib/python3/dist-packages";

/// Finds `oathtool`, which makes a second factor's codes as a phone does.
pub fn oathtool() -> Result<PathBuf> {
    install("oathtool", || Path::new(OATHTOOL).exists())?;
    Ok(OATHTOOL.into())
}

/// Finds `promtool`, which says what Prometheus thinks of metrics.
pub fn promtool() -> Result<PathBuf> {
    install("prometheus", || Path::new(PROMTOOL).exists())?;
    Ok(PROMTOOL.into())
}

/// Finds a Python that has PyJWT, which checks tokens by published keys.
pub fn python_with_jwt() -> Result<PathBuf> {
    for (package, module) in [("python3-cryptography", "cryptography"), ("python3-jwt", "jwt")] {
        install(package, || Path::new(PACKAGES).join(module).exists())?;
    }
    Ok(PYTHON.into())
}
