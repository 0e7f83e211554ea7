//! Devices and those who pretend to be some, played by SIPp.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use harness::database::program;
use harness::registrar::CROWD;
use harness::server::Server;
use harness::tokens::with_broken_signature;
use harness::{ports, root};

use super::provider::Provider;

/// The realm of tokens, and how many have one.
const TOKENS: &str = "token.example";
const HOLDERS: usize = 100;

/// How many devices have passwords, and the first of those of whom somebody else guesses it.
const DEVICES: usize = 500;
const GUESSED: usize = 1500;

/// How long SIPp may take to end: the longest wait for an answer, and some more.
const END: Duration = Duration::from_secs(60);

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    /// Devices with passwords, which are challenged, and then refresh.
    Devices,
    /// Somebody who guesses passwords.
    Guessers,
    /// Devices with tokens.
    Holders,
    /// Somebody with tokens that are forged, expired, somebody else's, or by a key that was replaced.
    Forgers,
}

impl Who {
    const ALL: [Who; 4] = [Who::Devices, Who::Guessers, Who::Holders, Who::Forgers];

    fn is_good(self) -> bool {
        matches!(self, Who::Devices | Who::Holders)
    }

    /// How many wait for an answer at a time. SIPp begins the next as soon as one is done, so that the
    /// registrar has as much to do as it can do, and no more.
    fn open(self) -> &'static str {
        if self.is_good() { "30" } else { "6" }
    }

    fn scenario(self) -> &'static str {
        match self {
            Who::Devices | Who::Guessers => "password",
            Who::Holders | Who::Forgers => "token",
        }
    }

    fn realm(self) -> &'static str {
        match self {
            Who::Devices | Who::Guessers => CROWD,
            Who::Holders | Who::Forgers => TOKENS,
        }
    }
}

/// The rows of all who have tokens: each has a profile of its own, with the key at this URL.
pub fn profiles(url: &str) -> String {
    let one = |number: usize| {
        format!(
            "INSERT INTO jwt_profiles (tag, sip_username) VALUES ('holder{number}', 'holder{number}@{TOKENS}');\n\
             INSERT INTO jwt_secrets (corresponding_tag, secret, start_ts, end_ts) \
             VALUES ('holder{number}', '{url}', 0, 2147483647);\n"
        )
    };
    (0..HOLDERS).map(one).collect()
}

/// How requests of one kind ended.
#[derive(Debug, Clone, Copy, Default)]
struct Ends {
    admitted: u64,
    refused: u64,
    /// Told to come again: 503, or another challenge.
    later: u64,
    /// No answer, or another one.
    lost: u64,
}

/// How those of a round ended: first good ones, then bad ones.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    good: Ends,
    bad: Ends,
    /// Whose requests had no answer or an odd one, with what SIPp says of the first.
    odd: Vec<String>,
}

impl Seen {
    pub const HEADINGS: &str = "\
| what | good: admitted | refused | later | lost | bad: refused | admitted | later | lost | a second |
|---|---|---|---|---|---|---|---|---|---|";

    pub fn row(&self, what: &str, took: Duration) -> String {
        let Seen { good, bad, .. } = self;
        format!(
            "| {what} | {} | {} | {} | {} | {} | {} | {} | {} | {:.0} |",
            good.admitted,
            good.refused,
            good.later,
            good.lost,
            bad.refused,
            bad.admitted,
            bad.later,
            bad.lost,
            self.answered() as f64 / took.as_secs_f64()
        )
    }

    pub fn answered(&self) -> u64 {
        let of = |ends: &Ends| ends.admitted + ends.refused + ends.later;
        of(&self.good) + of(&self.bad)
    }

    pub fn sums(&self) -> String {
        let Seen { good, bad, .. } = self;
        format!(
            "{} good requests admitted, {} told to come again, {} lost, {} refused; \
             {} bad ones refused, {} told to come again, {} lost, {} admitted",
            good.admitted,
            good.later,
            good.lost,
            good.refused,
            bad.refused,
            bad.later,
            bad.lost,
            bad.admitted
        )
    }

    pub fn add(&mut self, other: &Seen) {
        for (to, from) in [(&mut self.good, other.good), (&mut self.bad, other.bad)] {
            to.admitted += from.admitted;
            to.refused += from.refused;
            to.later += from.later;
            to.lost += from.lost;
        }
    }

    /// Fails unless each good request was admitted, and each bad one refused.
    pub fn is_right(&self) -> Result<(), String> {
        let Seen { good, bad, odd } = self;
        let wrong = good.refused + good.later + good.lost + bad.admitted + bad.later + bad.lost;
        match wrong == 0 && good.admitted > 0 && bad.refused > 0 {
            true => Ok(()),
            false => Err(format!("{}: {}", self.sums(), odd.join("; "))),
        }
    }

    /// The same, with those counted apart that could not be told from bad ones.
    pub fn excused(mut self, excuse: Excuse) -> Seen {
        if excuse == Excuse::Keys {
            self.good.later += std::mem::take(&mut self.good.refused);
        }
        self
    }

    /// Fails if a bad request was admitted or a good one refused; and unless each was answered, if there was
    /// somebody who could.
    pub fn is_safe(&self, excuse: Excuse) -> Result<(), String> {
        let Seen { good, bad, odd } = self;
        let is_lost = good.lost + bad.lost > 0 && excuse != Excuse::Nobody;
        match bad.admitted + good.refused > 0 || is_lost {
            false => Ok(()),
            true => Err(format!("{}: {}", self.sums(), odd.join("; "))),
        }
    }
}

/// What may happen, besides that good ones are told to come again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Excuse {
    /// Nothing.
    None,
    /// No answer, for a time nobody is there who could give one.
    Nobody,
    /// Tokens by a key that nobody has been told of yet are refused.
    Keys,
}

/// Where rounds are played.
pub struct Traffic {
    registrar: u16,
    folder: PathBuf,
    /// By each key of the provider those of each holder.
    tokens: Vec<Vec<Tokens>>,
    number: AtomicU32,
}

/// What a holder has.
struct Tokens {
    good: String,
    expired: String,
}

/// A round that has begun.
pub struct Round {
    players: Vec<(Who, Server, PathBuf)>,
}

impl Traffic {
    pub fn new(registrar: u16, folder: PathBuf, provider: &Provider) -> Traffic {
        let of = |key: usize| {
            let one = |user: usize| {
                let claims = format!("\"tag\":\"holder{user}\",");
                Tokens {
                    good: provider.token(key, &claims, false),
                    expired: provider.token(key, &claims, true),
                }
            };
            (0..HOLDERS).map(one).collect()
        };
        Traffic {
            registrar,
            folder,
            tokens: Provider::all().map(of).collect(),
            number: AtomicU32::new(0),
        }
    }

    /// All begin to send, until [`Round::end`]. Where keys are an excuse, nobody has a token by the former one:
    /// it counts for whoever has not been told that it does not.
    ///
    /// # Errors
    /// Fails if SIPp can't be started.
    pub fn begin(&self, provider: &Provider, excused: Excuse) -> Result<Round, String> {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        let mut players = Vec::new();
        for who in Who::ALL {
            let folder = self.folder.join(format!("{number}-{who:?}"));
            fs::create_dir_all(&folder)
                .and_then(|()| {
                    fs::write(
                        folder.join("rows.csv"),
                        rows(who, provider, &self.tokens, excused),
                    )
                })
                .map_err(|e| e.to_string())?;
            let server = self.play(who, number, &folder)?;
            players.push((who, server, folder));
        }
        Ok(Round { players })
    }

    fn play(&self, who: Who, number: u32, folder: &Path) -> Result<Server, String> {
        let scenario = format!("tests/outages/soak/{}.xml", who.scenario());
        let mut command = Command::new(program("sipp").ok_or("no sipp")?);
        command
            .arg(format!("127.0.0.1:{}", self.registrar))
            .arg("-sf")
            .arg(root().join(scenario))
            .args(["-inf", "rows.csv", "-key", "realm", who.realm()])
            // Every other round they have moved, and are asked for their passwords.
            .args(["-key", "place", &(number / 2).to_string()])
            .args(["-i", "127.0.0.1", "-p", &ports::free().to_string()])
            .args(["-r", "5000", "-l", who.open()])
            .args(["-recv_timeout", "20000", "-deadcall_wait", "0"])
            .args(["-buff_size", "4194304", "-nostdin"])
            .args(["-trace_logs", "-log_file", "log"])
            .args(["-trace_err", "-error_file", "errors"])
            .args(["-trace_stat", "-stf", "statistics.csv", "-fd", "600"])
            .current_dir(folder)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Server::start(&mut command).map_err(|e| format!("sipp: {e}"))
    }
}

impl Round {
    /// No more requests are sent; returns once all are answered.
    ///
    /// # Errors
    /// Fails if SIPp does not end, or says nothing.
    pub fn end(self) -> Result<Seen, String> {
        let mut seen = Seen::default();
        let mut players = self.players;
        for (_, sipp, _) in &mut players {
            if sipp.ended().is_none() {
                let pid = sipp.pid().to_string();
                // SIPp begins no further call, and ends when those that are open have.
                let told = Command::new("kill").args(["-USR1", &pid]).status();
                told.map_err(|e| e.to_string())?;
            }
        }
        for (who, mut sipp, folder) in players {
            sipp.wait(END).ok_or("SIPp does not end")?;
            let ends = if who.is_good() {
                &mut seen.good
            } else {
                &mut seen.bad
            };
            let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
            let mut answered = 0;
            for word in log.split_whitespace() {
                match word {
                    "admitted" => ends.admitted += 1,
                    "refused" => ends.refused += 1,
                    // Who guesses is challenged again at most.
                    "again" if !who.is_good() => ends.refused += 1,
                    "again" | "later" => ends.later += 1,
                    _ => continue,
                }
                answered += 1;
            }
            let created = created(&folder)?;
            let lost = created.saturating_sub(answered);
            ends.lost += lost;
            if lost > 0 {
                let errors = fs::read_to_string(folder.join("errors")).unwrap_or_default();
                let first: String = errors.chars().take(600).collect();
                seen.odd
                    .push(format!("{who:?}: {lost} of {created}: {first}"));
            }
            fs::remove_dir_all(&folder).map_err(|e| e.to_string())?;
        }
        Ok(seen)
    }
}

/// How many calls SIPp has begun.
fn created(folder: &Path) -> Result<u64, String> {
    let statistics = fs::read_to_string(folder.join("statistics.csv"));
    let statistics = statistics.map_err(|e| format!("SIPp has no statistics: {e}"))?;
    let (names, rows) = statistics.split_once('\n').unwrap_or_default();
    let column = names.split(';').position(|name| name == "TotalCallCreated");
    let last = rows.lines().last().unwrap_or_default();
    let number = column.and_then(|column| last.split(';').nth(column)?.parse().ok());
    number.ok_or_else(|| "no count of SIPp".to_string())
}

/// The injection file of a round.
fn rows(who: Who, provider: &Provider, tokens: &[Vec<Tokens>], excused: Excuse) -> String {
    let mut rows = String::from("SEQUENTIAL\n");
    let mut password = |user: usize, password: &str| {
        rows += &format!("user{user};[authentication username=user{user} password={password}]\n");
    };
    match who {
        Who::Devices => (0..DEVICES).for_each(|user| password(user, "secret")),
        Who::Guessers => (0..HOLDERS).for_each(|user| password(GUESSED + user, "guess")),
        Who::Holders | Who::Forgers => {
            let (key, before) = provider.keys();
            for (user, one) in tokens[key].iter().enumerate() {
                let token = match (who, user % 4) {
                    (Who::Holders, _) => one.good.clone(),
                    (_, 0) => with_broken_signature(&one.good),
                    (_, 1) => one.expired.clone(),
                    (_, 2) => tokens[key][(user + 1) % HOLDERS].good.clone(),
                    // By the key that was replaced, as soon as one was.
                    _ => match before.filter(|_| excused != Excuse::Keys) {
                        Some(before) => tokens[before][user].good.clone(),
                        None => with_broken_signature(&one.good),
                    },
                };
                rows += &format!("holder{user};{token}\n");
            }
        }
    }
    rows
}
