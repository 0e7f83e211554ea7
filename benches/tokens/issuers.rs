//! What it costs to have several issuers: of one, of ten, and of many.

use std::time::Instant;

use harness::keys::Key;
use harness::measure::table::Table;
use harness::measure::{machine, median};
use harness::tokens::{b64, now, with_header};
use serde_json::json;

use crate::call::Call;
use crate::place::Place;
use crate::probe::{LOOP, Probe};

/// Measures each, and returns a table.
///
/// # Errors
/// Fails if something does not start.
pub fn run(place: &Place, issuers: u32, rounds: u32) -> Result<String, String> {
    let mut table = Table::new(
        1,
        &[
            "issuers",
            "start s",
            "memory MiB",
            "first sight us",
            "seen before us",
        ],
    );
    for issuers in [1, 10, issuers] {
        table.row(cost(place, issuers, rounds)?);
    }
    Ok(format!(
        "\njwt_authorize ES256, tokens of all issuers in turn; a table of issuers, each with its JWK Set\n\n\
         {table}\
         start: until the core answers, after reading all of them. memory: of all processes of the core,\n\
         what they share counted once.\n"
    ))
}

fn cost(place: &Place, issuers: u32, rounds: u32) -> Result<Vec<String>, String> {
    let key = Key::p256();
    let database = place.database(1)?;
    // The point is at the end of the structure, uncompressed.
    let der = key.public_der();
    let (x, y) = der[der.len() - 64..].split_at(32);
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "one", "x": b64(x), "y": b64(y) });
    place.list_issuers(&database, issuers, &json!({ "keys": [jwk] }).to_string())?;
    let setting = [("cache_ttl", 3600.into())];
    let folder = place.folder.path().join(format!("issuers{issuers}"));
    let (module, routes) = (harness::module(), include_str!("loop.cfg"));
    let started = Instant::now();
    let probe = Probe::start(
        &place.core,
        &module,
        &database,
        &setting,
        routes,
        1,
        &folder,
    )?;
    let start = started.elapsed().as_secs_f64();
    let token = |number: u32| {
        let claims = json!({
            "iss": format!("https://idp{}.example", number % issuers + 1), "sub": "alice",
            "iat": now(), "exp": now() + 3600, "n": number,
        });
        let header = r#"{"alg":"ES256","typ":"JWT","kid":"one"}"#;
        with_header(&key, "ES256", header, &claims.to_string())
    };
    let mut number = 0;
    let mut tokens = || -> Vec<String> {
        let range = number..number + LOOP as u32;
        number = range.end;
        range.map(token).collect()
    };
    let known = tokens();
    probe.measure(Call::Database, &known)?;
    let mut measured = [const { Vec::new() }; 2];
    for _ in 0..rounds {
        measured[0].push(probe.measure(Call::Database, &tokens())?);
        measured[1].push(probe.measure(Call::Database, &known)?);
    }
    let (memory, _) = machine::memory(probe.instance.pid());
    let [first, before] = measured.map(|figures| format!("{:.2}", median(figures)));
    Ok(vec![
        issuers.to_string(),
        format!("{start:.2}"),
        format!("{:.0}", memory as f64 / 1024.0),
        first,
        before,
    ])
}
