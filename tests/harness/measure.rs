//! The common basis of both benchmarks: which core is measured, settings from the environment,
//! medians and tables.

pub mod machine;
pub mod table;

use std::str::FromStr;

use crate::core::{self, Core, Kind};

/// The OpenSIPS to measure: the newest that the module supports and that has all these modules, or
/// the newest of the release that the environment variable `OPENSIPS` names (`OPENSIPS=3.6`).
///
/// # Errors
/// Fails if there is none; the message says why.
pub fn opensips(modules: &[&str]) -> Result<Core, String> {
    let wanted = std::env::var("OPENSIPS").unwrap_or_default();
    let of_release = |core: &Core| match &core.kind {
        Kind::OpenSips(version) => version.starts_with(&wanted),
        Kind::StandIn(_) => false,
    };
    let found: Vec<Core> = core::opensips()
        .into_iter()
        .filter(|core| core.is_served() && of_release(core))
        .collect();
    if found.is_empty() {
        let release = match wanted.as_str() {
            "" => "from 3.4 to 4.0",
            wanted => wanted,
        };
        return Err(format!(
            "no OpenSIPS {release} on PATH, in /usr/sbin, /usr/local/sbin or /opt/opensips-*/sbin"
        ));
    }
    let lacks = |core: &Core| modules.iter().find(|file| core.module(file).is_none());
    let missing: Vec<String> = found
        .iter()
        .filter_map(|core| Some(format!("{core} has no {}", lacks(core)?)))
        .collect();
    found
        .into_iter()
        .rfind(|core| lacks(core).is_none())
        .ok_or_else(|| missing.join("; "))
}

/// A number from the environment.
///
/// # Errors
/// Fails if it is set to something else.
pub fn setting<T: FromStr>(name: &str, default: T) -> Result<T, String> {
    match std::env::var(name) {
        Ok(text) if !text.is_empty() => text
            .parse()
            .map_err(|_| format!("{name}={text}: not a number that fits")),
        _ => Ok(default),
    }
}

/// The median of several values; for an even number of values, the mean of the middle two. NaN if
/// there are none.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 1 => values[n / 2],
        n => f64::midpoint(values[n / 2 - 1], values[n / 2]),
    }
}
