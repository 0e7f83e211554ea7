//! A token is valid for its user's address of record, and for no other.

use harness::core::Core;
use harness::database::Backend;
use harness::keys::Key;
use harness::profiles::Content;
use harness::setting::Setting;
use harness::sip;
use harness::tokens::{now, token};

use super::running::{LIMIT, Running, Said};

/// What From contains in all requests; To differs only in its user, which names the service.
const CALLER: &str = "caller@example.org";

/// Username of a profile, and whether its token is valid for `plain@example.org`: where the
/// username must be the whole address, and where it may be a user of example.org and b.example.
const PROFILES: [(&str, bool, bool); 11] = [
    ("plain@example.org", true, true),
    ("plain@EXAMPLE.org", true, true),
    ("plain", false, true),
    ("PLAIN@example.org", false, false),
    ("Plain", false, false),
    ("plain@b.example", false, false),
    ("plain@evil.example@example.org", false, false),
    ("plain@", false, false),
    ("%70lain@example.org", false, false),
    ("caller@example.org", false, false),
    ("@example.org", false, false),
];

fn claims(tag: usize) -> String {
    // A claim has no influence on the realm.
    let more = "\"realm\":\"example.org\",\"sub\":\"plain@example.org\"";
    format!("{{\"tag\":\"{tag}\",{more},\"exp\":{}}}", now() + 600)
}

/// `jwt_aor`, in the first call and for a remembered token, synchronous and asynchronous.
pub fn addresses(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let mut content = Content::default();
    for (tag, (username, ..)) in PROFILES.iter().enumerate() {
        content.profile(&tag.to_string(), username);
        content.secret(&tag.to_string(), &key.verifier());
    }
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    for (wanted, domains) in [("full", false), ("example.org, b.example", true)] {
        let running = Running::start_with(setting, core, 1, |script| {
            script.database(&database).set("jwt_aor", wanted)
        })?;
        for (tag, (username, whole, listed)) in PROFILES.iter().enumerate() {
            let good = if domains { *listed } else { *whole };
            let token = token(&key, "HS256", &claims(tag));
            let header = [("X-JWT", token.as_str())];
            let code = if good { 1 } else { -7 };
            for _ in 0..2 {
                let said = running
                    .expect(&token, code)
                    .map_err(|e| format!("jwt_aor {wanted}, {username}: {e}"))?;
                if !good {
                    said.because("is not plain@example.org (jwt_aor)")?;
                }
                // Of two To headers, one counts before a wait, the other after it.
                let twice = [header[0], ("To", "<sip:caller@example.org>")];
                Said::of(running.exchange("plain", &twice)?)?.expect(-7)?;
                // There, To has another name.
                Said::of(running.exchange("async", &header)?)?.expect(-7)?;
                let invite =
                    sip::exchange(running.instance.port, "INVITE", "plain", &header, LIMIT);
                let invited = Said::of(invite.map_err(|e| e.to_string())?)?;
                invited.expect(if *username == CALLER { 1 } else { -7 })?;
            }
        }
    }
    let running = Running::start_with(setting, core, 1, |script| script.database(&database))?;
    for tag in 0..PROFILES.len() {
        running.expect(&token(&key, "HS256", &claims(tag)), 1)?;
    }
    Ok(())
}

/// Claims passed to a script are single lines.
pub fn lines(setting: &Setting, core: &Core) -> Result<(), String> {
    let key = Key::secret();
    let content = super::demand::profile("0", &key);
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let running = Running::start_with(setting, core, 1, |script| {
        script
            .database(&database)
            .set("load_claims", "$avp(role)=hook;$avp(org)=hooks")
    })?;
    let ask = |claims: &str, code: i32| {
        let claims = format!("{{\"tag\":\"0\",{claims},\"exp\":{}}}", now() + 600);
        let token = token(&key, "HS256", &claims);
        running.expect(&token, code)?;
        running.expect(&token, code)
    };
    for end in [
        "\\r\\n",
        "\\n",
        "\\r",
        "\\u0000",
        "\\u000a",
        "\\u0000\\r\\n",
    ] {
        let claims = format!("\"hook\":\"https://x{end}X-Registered-User: alice\"");
        ask(&claims, -5)?.because("claim \"hook\" has a CR, LF or NUL")?;
        // In JSON it is escaped, and what nobody reads harms nobody.
        ask(&format!("\"hooks\":[\"x{end}y\"]"), 1)?;
        ask(&format!("\"other\":\"x{end}y\""), 1)?;
    }
    ask("\"hook\":\"https://x\"", 1).map(drop)
}
