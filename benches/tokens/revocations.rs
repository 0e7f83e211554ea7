//! What it costs to look up whether a token is revoked: of nothing, of one row, and of many.

use std::time::Instant;

use harness::keys::Key;
use harness::measure::table::Table;
use harness::measure::{machine, median};
use harness::tokens::{now, with_header};
use serde_json::json;

use crate::TAG;
use crate::call::Call;
use crate::place::{Place, add_profile};
use crate::probe::{LOOP, Probe};

/// Measures each, and returns a table.
///
/// # Errors
/// Fails if something does not start.
pub fn run(place: &Place, revocations: u32, rounds: u32) -> Result<String, String> {
    let mut table = Table::new(
        1,
        &[
            "revoked",
            "start s",
            "memory MiB",
            "first sight us",
            "seen before us",
            "refused us",
        ],
    );
    for revoked in [0, 1, revocations] {
        table.row(cost(place, revoked, rounds)?);
    }
    Ok(format!(
        "\njwt_authorize HS256, tokens with jti, sub, sid, kid and iss; a table of revocations\n\n{table}\
         revoked: rows of all kinds in turn, each with an issuer and without, so that of each token eight\n\
         things are looked up. start: until the core answers, after reading all of them. memory: of all\n\
         processes of the core, what they share counted once. refused: a token whose jti is revoked, at\n\
         first sight.\n"
    ))
}

fn cost(place: &Place, revoked: u32, rounds: u32) -> Result<Vec<String>, String> {
    let key = Key::secret();
    let database = place.database(1)?;
    add_profile(&database, TAG, &key.verifier())?;
    place.revoke(&database, revoked)?;
    let setting = [
        ("cache_ttl", 3600.into()),
        ("revocations_max", i64::from(revoked.max(1)).into()),
    ];
    let folder = place.folder.path().join(format!("revocations{revoked}"));
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
    let token = |jti: &str, number: usize| {
        let claims = json!({
            "tag": TAG, "iss": "https://login.example.org", "sub": "alice", "sid": "08a5019c-17e1-4977",
            "jti": jti, "iat": now(), "exp": now() + 3600, "n": number,
        });
        let header = r#"{"alg":"HS256","typ":"JWT","kid":"5yf1t7"}"#;
        with_header(&key, "HS256", header, &claims.to_string())
    };
    let mut number = 0;
    let mut tokens = |jti: &str| -> Vec<String> {
        let range = number..number + LOOP;
        number = range.end;
        range.map(|number| token(jti, number)).collect()
    };
    let known = vec![tokens("known")[0].clone(); LOOP];
    probe.measure(Call::Database, &known)?;
    let mut measured = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        measured[0].push(probe.measure(Call::Database, &tokens("good"))?);
        measured[1].push(probe.measure(Call::Database, &known)?);
        if revoked > 0 {
            measured[2].push(probe.measure_refused(Call::Database, &tokens("revoked1"))?);
        }
    }
    let (memory, _) = machine::memory(probe.instance.pid());
    let micros = |figures: Vec<f64>| match figures.is_empty() {
        true => String::new(),
        false => format!("{:.2}", median(figures)),
    };
    let [first, before, refused] = measured.map(micros);
    Ok(vec![
        revoked.to_string(),
        format!("{start:.2}"),
        format!("{:.0}", memory as f64 / 1024.0),
        first,
        before,
        refused,
    ])
}
