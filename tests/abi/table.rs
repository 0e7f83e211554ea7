//! The table in names.txt: which of OpenSIPS's names corresponds to each of ours.

use std::fmt;

/// A released series, major and minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release(pub u32, pub u32);

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}

impl Release {
    /// Reads `3.6`; anything after the minor number is ignored.
    pub fn parse(text: &str) -> Option<Release> {
        let mut parts = text.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor: String = parts
            .next()?
            .chars()
            .take_while(char::is_ascii_digit)
            .collect();
        Some(Release(major, minor.parse().ok()?))
    }
}

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum What {
    /// A type as a whole: its size.
    Type(Size),
    /// A member: its offset and size.
    Member,
    /// An enumerator or a macro: its value.
    Constant,
    /// An exported function or variable: its size, which is 1 for a function.
    Symbol,
}

/// How the size that we declare must relate to theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// Equal.
    Same,
    /// Equal or larger: the core fills what is ours.
    AtLeast,
    /// Equal or smaller: we fill what is the core's.
    AtMost,
}

/// One thing that both sides have.
#[derive(Debug, Clone)]
pub struct Entry {
    /// What it is.
    pub what: What,
    /// The line in names.txt.
    pub line: usize,
    /// Our name: a type as C spells it, or a constant or symbol.
    pub ours: Name,
    /// Their name.
    pub theirs: Name,
    first: Option<Release>,
    last: Option<Release>,
}

/// A name, with the type it belongs to if it is a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Name {
    /// As C spells it: `struct async_ctx`, `pv_spec_t`, `L_DBG`.
    pub c: String,
    /// The member, dots included.
    pub member: Option<String>,
}

/// `async_ctx.resume_f`: without the keyword.
impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(bare(&self.c))?;
        match &self.member {
            Some(member) => write!(f, ".{member}"),
            None => Ok(()),
        }
    }
}

impl Entry {
    /// Whether that release has it.
    pub fn is_in(&self, release: Release) -> bool {
        self.first.is_none_or(|first| first <= release)
            && self.last.is_none_or(|last| release <= last)
    }

    /// How its line in the stored numbers begins.
    pub fn key(&self) -> String {
        match self.what {
            What::Type(_) | What::Member => self.theirs.to_string(),
            What::Constant => format!("const {}", self.theirs),
            What::Symbol => format!("symbol {}", self.theirs),
        }
    }
}

/// The whole table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    /// Headers of OpenSIPS, in the order in which they are read.
    pub headers: Vec<String>,
    /// Everything that is measured.
    pub entries: Vec<Entry>,
    /// Names of ours that cannot be measured: space for what the core writes, and symbols that no
    /// OpenSIPS header declares.
    pub unmeasured: Vec<String>,
}

impl Table {
    /// Reads names.txt.
    pub fn parse(text: &str) -> Result<Table, String> {
        let mut table = Table::default();
        // The type to which the members that follow belong.
        let mut current: Option<Entry> = None;
        for (index, line) in text.lines().enumerate() {
            let number = index + 1;
            let wrong = |why: &str| format!("names.txt, line {number}: {why}: {line}");
            let content = line.split('#').next().unwrap_or_default().trim_end();
            if content.is_empty() {
                continue;
            }
            if let Some(member) = content.strip_prefix(' ') {
                let owner = current.as_ref().ok_or_else(|| wrong("a member of what?"))?;
                table.member(owner, member.trim(), number);
                continue;
            }
            let (kind, rest) = content.split_once(' ').ok_or_else(|| wrong("one word"))?;
            let mut parts = rest.split(';').map(str::trim);
            let names = parts.next().unwrap_or_default();
            let (ours, theirs) = both(names);
            let mut entry = Entry {
                what: What::Constant,
                line: number,
                ours: name(ours),
                theirs: name(theirs),
                first: None,
                last: None,
            };
            current = None;
            match kind {
                "header" => table.headers.push(names.to_string()),
                "no" => {
                    let name = names.strip_prefix("header ");
                    let name = name.ok_or_else(|| wrong("no what?"))?;
                    table.unmeasured.push(name.trim().to_string());
                }
                "const" => table.entries.push(entry),
                "symbol" => {
                    entry.what = What::Symbol;
                    table.entries.push(entry);
                }
                "type" => {
                    let mut size = Size::Same;
                    for condition in parts {
                        match condition.split_once(' ') {
                            Some(("since", release)) => entry.first = Release::parse(release),
                            Some(("until", release)) => entry.last = Release::parse(release),
                            Some(("may", "be larger")) => size = Size::AtLeast,
                            Some(("may", "be shorter")) => size = Size::AtMost,
                            _ => return Err(wrong("not a condition")),
                        }
                    }
                    entry.what = What::Type(size);
                    table.entries.push(entry.clone());
                    current = Some(entry);
                }
                _ => return Err(wrong("not a kind")),
            }
        }
        Ok(table)
    }

    fn member(&mut self, owner: &Entry, text: &str, line: usize) {
        let (ours, theirs) = both(text);
        let of = |name: &Name, member: &str| Name {
            c: name.c.clone(),
            member: Some(member.to_string()),
        };
        if theirs == "room" {
            self.unmeasured.push(of(&owner.ours, ours).to_string());
            return;
        }
        self.entries.push(Entry {
            what: What::Member,
            line,
            ours: of(&owner.ours, ours),
            theirs: of(&owner.theirs, theirs),
            ..owner.clone()
        });
    }

    /// The entries that apply to that release.
    pub fn of(&self, release: Release) -> Vec<&Entry> {
        self.entries
            .iter()
            .filter(|entry| entry.is_in(release))
            .collect()
    }
}

fn name(c: &str) -> Name {
    Name {
        c: c.to_string(),
        member: None,
    }
}

/// `A = B`, or `A` where both sides use one name.
fn both(text: &str) -> (&str, &str) {
    match text.split_once('=') {
        Some((ours, theirs)) => (ours.trim(), theirs.trim()),
        None => (text.trim(), text.trim()),
    }
}

/// The name of a type without `struct`, `union` or `enum`.
pub fn bare(c: &str) -> &str {
    c.rsplit(' ').next().unwrap_or(c)
}
