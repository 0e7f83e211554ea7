//! Nothing secret in a log, whatever the log level.

/// At level 4 OpenSIPS's own drivers for MySQL and PostgreSQL log every value that they fetch, and
/// the core every one of them again as it is freed. Nothing in the module could hinder them.
const TALKATIVE: [&str; 3] = ["DBG:db_mysql:", "DBG:db_postgres:", "DBG:core:db_free_row:"];

/// Complains when one of the texts is in the log. What it found is not repeated whole: a failing
/// test must not publish it either.
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

/// The log by entries: a value with line ends in it makes several lines of one.
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

/// What must not be seen of a token: its signature, without which it is no use to anybody; and
/// of what has none, a good part of it.
pub fn of_token(token: &str) -> Option<&str> {
    let signature = token.rsplit('.').next()?;
    (signature.len() >= 20).then_some(signature)
}
