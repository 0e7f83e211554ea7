//! Ensures that logs contain no secrets, at any log level.

/// At level 4, OpenSIPS's own drivers for MySQL and PostgreSQL log every value that they fetch, and
/// the core logs each again when it is freed. The module cannot prevent that.
const TALKATIVE: [&str; 3] = ["DBG:db_mysql:", "DBG:db_postgres:", "DBG:core:db_free_row:"];

/// Fails if one of the texts is in the log. The message does not repeat it in full: a failing test
/// must not publish it either.
pub fn check<'a>(log: &str, unspeakable: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let entries = entries(log);
    for text in unspeakable.into_iter().filter(|text| !text.is_empty()) {
        let said =
            |entry: &&String| entry.contains(text) && !TALKATIVE.iter().any(|t| entry.contains(t));
        if let Some(entry) = entries.iter().find(said) {
            let shown: String = entry.replace(text, "(here)").chars().take(300).collect();
            return Err(format!("something secret was logged: {shown}"));
        }
    }
    Ok(())
}

/// The log by entries: a value with line ends in it spreads one entry over several lines.
fn entries(log: &str) -> Vec<String> {
    const LEVELS: [&str; 7] = [
        "DBG:",
        "INFO:",
        "NOTICE:",
        "WARNING:",
        "ERROR:",
        "CRITICAL:",
        "ALERT:",
    ];
    let mut entries: Vec<String> = Vec::new();
    for line in log.lines() {
        let begins = line
            .split_once("] ")
            .is_some_and(|(_, rest)| LEVELS.iter().any(|level| rest.starts_with(level)));
        match entries.last_mut() {
            Some(entry) if !begins => {
                entry.push('\n');
                entry.push_str(line);
            }
            _ => entries.push(line.to_string()),
        }
    }
    entries
}

/// The part of a token that must not be seen: its signature, without which it is useless; and of a
/// token without a signature, a good part of it.
pub fn of_token(token: &str) -> Option<&str> {
    let signature = token.rsplit('.').next()?;
    (signature.len() >= 20).then_some(signature)
}
