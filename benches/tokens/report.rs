//! The table of calls.

use std::fmt;

use harness::measure::median;
use harness::measure::table::Table;

use crate::call::Call;

/// Which module, under which conditions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// The C module.
    Peer,
    /// Ours, querying the database each time and remembering no tokens.
    CachesOff,
    /// Ours without parameters, with new tokens.
    FirstSight,
    /// The same, with a token seen before.
    SeenBefore,
}

/// All figures, in microseconds per call.
pub struct Report {
    figures: Vec<(Call, Who, f64)>,
    no_peer: Option<String>,
}

impl Report {
    /// An empty report. `no_peer` says why there is nothing to compare with, if so.
    pub fn new(no_peer: Option<String>) -> Report {
        Report {
            figures: Vec::new(),
            no_peer,
        }
    }

    /// Records that there is nothing to compare with after all.
    pub fn no_peer(&mut self, reason: String) {
        self.no_peer = Some(reason);
    }

    /// Adds a figure.
    pub fn add(&mut self, call: Call, who: Who, micros: f64) {
        self.figures.push((call, who, micros));
    }

    fn micros(&self, call: Call, who: Who) -> Option<f64> {
        let mut figures = self
            .figures
            .iter()
            .filter(|(of, by, _)| (*of, *by) == (call, who))
            .map(|(_, _, micros)| *micros)
            .peekable();
        figures.peek()?;
        Some(median(figures))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(
            2,
            &[
                "call",
                "token",
                "auth_jwt us",
                "auth_web us",
                "times faster",
                "goal",
                "reached",
            ],
        );
        for call in Call::ALL {
            let (first, before) = call.goal();
            for (who, token, goal) in [
                (Who::CachesOff, "any, caches off", None),
                (Who::FirstSight, "first sight", Some(first)),
                (Who::SeenBefore, "seen before", Some(before)),
            ] {
                let (theirs, ours) = (self.micros(call, Who::Peer), self.micros(call, who));
                let ratio = theirs.zip(ours).map(|(theirs, ours)| theirs / ours);
                let number = |value: Option<f64>, decimals: usize| {
                    value.map_or(String::new(), |value| format!("{value:.decimals$}"))
                };
                let reached = match (ratio, goal) {
                    (Some(ratio), Some(goal)) if ratio >= goal => "yes",
                    (Some(_), Some(_)) => "no",
                    _ => "",
                };
                table.row(vec![
                    call.name().to_owned(),
                    token.to_owned(),
                    number(theirs, 1),
                    number(ours, 2),
                    number(ratio, 1),
                    number(goal, 0),
                    reached.to_owned(),
                ]);
            }
        }
        write!(f, "{table}")?;
        if let Some(reason) = &self.no_peer {
            writeln!(f, "The column of auth_jwt is empty: {reason}")?;
        }
        Ok(())
    }
}
