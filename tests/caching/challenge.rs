//! Challenges for a token (RFC 8898, 4).

use harness::core::Core;
use harness::setting::Setting;

use super::running::{Running, Said};

const SERVER: &str = "https://login.example.org/realms/sip";

/// `jwt_challenge`: every part that may occur, and what none may contain.
pub fn bearer(setting: &Setting, core: &Core) -> Result<(), String> {
    let mut running = Running::start(setting, core, |script| script)?;
    let ask = |[realm, server, scope, error]: [&str; 4]| {
        let mut headers = vec![
            ("X-Realm", realm),
            ("X-Server", server),
            ("X-Scope", scope),
            ("X-Error", error),
        ];
        headers.retain(|(_, value)| !value.is_empty());
        Said::of(running.exchange("challenge", &headers)?)
    };
    for (parts, value) in [
        (
            ["a.example", "", "", ""],
            r#"Bearer realm="a.example""#.to_string(),
        ),
        (
            ["a.example", SERVER, "", ""],
            format!(r#"Bearer realm="a.example", authz_server="{SERVER}""#),
        ),
        (
            ["a.example", SERVER, "sip calls", "insufficient_scope"],
            format!(
                "Bearer realm=\"a.example\", authz_server=\"{SERVER}\", scope=\"sip calls\", \
                 error=\"insufficient_scope\""
            ),
        ),
        (
            [r#"the "a" realm"#, "", "", "invalid_token"],
            r#"Bearer realm="the \"a\" realm", error="invalid_token""#.to_string(),
        ),
        (
            ["a.example", "", "sip", "invalid_request"],
            r#"Bearer realm="a.example", scope="sip", error="invalid_request""#.to_string(),
        ),
        (
            ["a.example", "", "", "invalid_scope"],
            r#"Bearer realm="a.example", error="invalid_scope""#.to_string(),
        ),
        (
            // The domain of the request.
            ["", SERVER, "sip", ""],
            format!(r#"Bearer realm="example.org", authz_server="{SERVER}", scope="sip""#),
        ),
    ] {
        ask(parts)?
            .expect(1)?
            .expect_header("X-Challenge", &value)?;
    }
    for parts in [
        ["a.example", "http://login.example.org/", "", ""],
        ["a.example", "login.example.org", "", ""],
        ["a.example", "", r#"si"p"#, ""],
        ["a.example", "", "sip  calls", ""],
        ["a.example", "", "", "expired"],
        ["a.example", "", "", "INVALID_TOKEN"],
    ] {
        ask(parts)?
            .expect(-1)
            .and_then(|said| said.expect_header("X-Challenge", "<null>"))
            .map_err(|e| format!("{parts:?}: {e}"))?;
    }
    running.instance.check_workers()
}
