//! The house's order, as far as a machine can see it.

mod decoders;
mod doors;
mod floors;
mod house;
mod numbers;
mod reasons;

use std::path::Path;

use anyhow::{Result, bail};

use house::House;

/// Fails with everything that is out of order.
pub(crate) fn check(root: &Path) -> Result<()> {
    let mut wrong = faults(root, numbers::OUTGROWN)?;
    wrong.extend(decoders::faults(root, decoders::DECODERS, decoders::READERS)?);
    if !wrong.is_empty() {
        bail!("the house is out of order:\n  {}", wrong.join("\n  "));
    }
    Ok(())
}

fn faults(root: &Path, outgrown: &[(&str, usize)]) -> Result<Vec<String>> {
    let house = House::read(root)?;
    let mut wrong = floors::faults(&house);
    wrong.extend(doors::faults(&house));
    wrong.extend(numbers::faults(root, outgrown)?);
    wrong.extend(reasons::faults(&house));
    Ok(wrong)
}

#[cfg(test)]
mod tests;
