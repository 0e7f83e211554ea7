//! JSON values as the reader makes them.
//!
//! A token is parsed again for each request, and one allocation per name and string, as in
//! serde_json, would take most of that time: so the members are in one block, with short texts
//! inline.

use compact_str::CompactString;

/// A JSON value. Numbers are kept as they are written: whoever issued them meant every digit.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number without a fraction or exponent, in the signed 64-bit range.
    Integer(i64),
    /// The text of any other number (RFC 8259 section 6): with a fraction or an exponent, or longer.
    Number(CompactString),
    /// A string, unescaped.
    String(CompactString),
    /// An array.
    Array(Vec<Value>),
    /// An object.
    Object(Object),
}

impl Value {
    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        match self {
            Self::Array(elements) => Some(elements),
            _ => None,
        }
    }

    /// The members of an object.
    pub fn as_object(&self) -> Option<&Object> {
        match self {
            Self::Object(members) => Some(members),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

/// Up to this many members are searched linearly.
const FEW: usize = 16;

/// Members of a JSON object, sorted by the bytes of their names, without duplicates.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object {
    members: Vec<(CompactString, Value)>,
}

impl Object {
    /// From members in any order; `None` if a name occurs twice.
    pub fn new(mut members: Vec<(CompactString, Value)>) -> Option<Self> {
        members.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        let twice = members.windows(2).any(|pair| pair[0].0 == pair[1].0);
        (!twice).then_some(Self { members })
    }

    /// The member with this name.
    pub fn get(&self, name: &str) -> Option<&Value> {
        if self.members.len() > FEW {
            return self.place(name).ok().map(|place| &self.members[place].1);
        }
        // Claim names have three letters, and the first one distinguishes most of them: checking it
        // in each is done before a string comparison would have begun.
        let same = |member: &str| {
            member.len() == name.len() && member.bytes().zip(name.bytes()).all(|(a, b)| a == b)
        };
        let mut members = self.members.iter();
        members.find(|(member, _)| same(member)).map(|m| &m.1)
    }

    /// How many members there are.
    pub fn len(&self) -> usize {
        self.members.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Whether there is a member with this name.
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Inserts a member, replacing any of the same name.
    pub fn insert(&mut self, name: &str, value: Value) {
        match self.place(name) {
            Ok(place) => self.members[place].1 = value,
            Err(place) => self.members.insert(place, (name.into(), value)),
        }
    }

    /// Names and values, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Value)> + Clone {
        self.members
            .iter()
            .map(|(name, value)| (name.as_str(), value))
    }

    /// All values.
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut Value> {
        self.members.iter_mut().map(|(_, value)| value)
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.members
            .binary_search_by(|(member, _)| member.as_str().cmp(name))
    }
}
