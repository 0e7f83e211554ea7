//! The measurements, as tables.

use std::fmt;

use harness::measure::median;
use harness::measure::table::Table;

use crate::contender::Contender;
use crate::load::Seen;

/// One load on one contender.
#[derive(Debug, Clone)]
pub struct Measured {
    /// As seen by SIPp.
    pub seen: Seen,
    /// Seconds of processor time used by its OpenSIPS meanwhile.
    pub cpu: f64,
}

/// A column of the table: its name, what it shows, whether more is better, the number of decimals.
struct Column {
    name: &'static str,
    value: fn(&Measured) -> f64,
    more_is_better: bool,
    decimals: usize,
}

const COLUMNS: [Column; 5] = [
    Column {
        name: "answered/s",
        value: |m| m.seen.throughput,
        more_is_better: true,
        decimals: 0,
    },
    Column {
        name: "failed",
        value: |m| m.seen.failed as f64,
        more_is_better: false,
        decimals: 0,
    },
    Column {
        name: "mean ms",
        value: |m| m.seen.mean,
        more_is_better: false,
        decimals: 1,
    },
    Column {
        name: "99% ms",
        value: |m| m.seen.percentile99,
        more_is_better: false,
        decimals: 1,
    },
    Column {
        name: "CPU s",
        value: |m| m.cpu,
        more_is_better: false,
        decimals: 2,
    },
];

/// Two values that differ by less than this are considered equal: the variation between runs.
const NOISE: f64 = 0.02;

/// A latency and a rate, with the results of all rounds.
pub struct Case {
    latency: u64,
    rate: u32,
    measured: Vec<(Contender, Measured)>,
}

impl Case {
    /// A case without measurements so far. Latency in ms, rate in requests a second.
    pub fn new(latency: u64, rate: u32) -> Case {
        Case {
            latency,
            rate,
            measured: Vec::new(),
        }
    }

    /// Adds one round of a contender.
    pub fn add(&mut self, contender: Contender, measured: Measured) {
        self.measured.push((contender, measured));
    }

    /// One line per contender, to be read while the rest is measured.
    pub fn progress(&self) -> String {
        let mut out = String::new();
        for contender in Contender::BOTH {
            out.push_str(&format!(
                "{} ms, {}/s, {:11}",
                self.latency,
                self.rate,
                contender.name()
            ));
            for column in &COLUMNS {
                out.push_str(&format!(
                    "  {} {}",
                    column.name,
                    self.cell(column, contender)
                ));
            }
            out.push('\n');
        }
        out
    }

    fn median(&self, column: &Column, contender: Contender) -> f64 {
        let mine = self.measured.iter().filter(|(who, _)| *who == contender);
        median(mine.map(|(_, measured)| (column.value)(measured)))
    }

    fn cell(&self, column: &Column, contender: Contender) -> String {
        format!("{:.*}", column.decimals, self.median(column, contender))
    }

    /// Which contender is ahead; `None` if both are equal.
    fn ahead(&self, column: &Column) -> Option<Contender> {
        let [ours, theirs] = Contender::BOTH.map(|contender| self.median(column, contender));
        let difference = (ours - theirs) * if column.more_is_better { 1.0 } else { -1.0 };
        if difference.abs() <= NOISE * ours.abs().max(theirs.abs()) {
            None
        } else if difference > 0.0 {
            Some(Contender::AuthWeb)
        } else {
            Some(Contender::RestClient)
        }
    }
}

/// All cases: the figures, then which contender is ahead in which column.
pub struct Report<'a>(pub &'a [Case]);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut headings = vec!["latency", "requests/s", "over"];
        headings.extend(COLUMNS.iter().map(|column| column.name));
        let mut table = Table::new(3, &headings);
        for case in self.0 {
            for contender in Contender::BOTH {
                let mut row = vec![
                    format!("{} ms", case.latency),
                    case.rate.to_string(),
                    contender.name().to_owned(),
                ];
                row.extend(COLUMNS.iter().map(|column| case.cell(column, contender)));
                table.row(row);
            }
            let mut row = vec![String::new(), String::new(), "ahead".to_owned()];
            row.extend(COLUMNS.iter().map(|column| match case.ahead(column) {
                None => "=".to_owned(),
                Some(contender) => contender.name().to_owned(),
            }));
            table.row(row);
        }
        writeln!(f, "\n{table}")?;
        writeln!(
            f,
            "= : the two differ by at most {:.0} %. CPU s: user and system time of all processes \
             of OpenSIPS during a load.",
            NOISE * 100.0
        )?;
        for column in &COLUMNS {
            let behind = self
                .0
                .iter()
                .filter(|case| case.ahead(column) == Some(Contender::RestClient));
            let behind: Vec<String> = behind
                .map(|case| format!("{} ms at {}/s", case.latency, case.rate))
                .collect();
            if behind.is_empty() {
                writeln!(f, "{}: auth_web is ahead or level everywhere", column.name)?;
            } else {
                writeln!(
                    f,
                    "{}: rest_client is ahead with {}",
                    column.name,
                    behind.join(", ")
                )?;
            }
        }
        Ok(())
    }
}
