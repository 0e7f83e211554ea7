//! Challenges as they are received: values of WWW-Authenticate and Proxy-Authenticate (RFC 3261
//! section 25.1, RFC 7616 section 3.3, RFC 8760 section 2).

use super::algorithm::{Algorithm, UnknownAlgorithm};
use super::lexer::{Lexer, is_white_space, trim};

/// The most bytes of challenges that are read, in all headers of an answer: no SIP message is longer.
const MAX_LENGTH: usize = 65_536;

/// Names of the headers that hold challenges, which may stand before a value.
const HEADERS: [&[u8]; 2] = [b"WWW-Authenticate", b"Proxy-Authenticate"];

/// The value of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    /// Without quotes and escapes: what it means.
    pub plain: Vec<u8>,
    /// As received, without the quotes around it: what is sent back, so that a server that compares
    /// bytes recognizes it.
    pub raw: Vec<u8>,
}

/// The quality of protection that an answer has (RFC 7616 section 3.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Qop {
    /// `auth`: the method and the URI are protected.
    Auth,
    /// `auth-int`: the body is, too.
    AuthInt,
    /// None is offered: the form of RFC 2069.
    None,
}

/// One challenge of scheme Digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The protection domain.
    pub realm: Text,
    /// What the answer is made for.
    pub nonce: Text,
    /// To be sent back unchanged.
    pub opaque: Option<Text>,
    /// The hash.
    pub algorithm: Algorithm,
    /// Its name as received; `None` if it was not named, which means MD5.
    pub algorithm_name: Option<Vec<u8>>,
    /// What the answer has to have. Of several that are offered, `auth` is chosen: devices on the path
    /// that change bodies are common.
    pub qop: Qop,
    /// Only the nonce of the previous answer was too old.
    pub stale: bool,
    /// The user name is to be hidden in a hash (RFC 7616 section 3.4.4).
    pub userhash: bool,
    /// How often its nonce will have been used with the answer, from 1: servers do not send `nc`,
    /// so whoever answers again has to add it.
    pub count: u32,
}

/// Why a challenge can't be answered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReceivedError {
    /// There is nothing at all.
    #[error("there is no challenge")]
    Nothing,
    /// No challenge of scheme Digest.
    #[error("the scheme {0:?} is not Digest")]
    Scheme(String),
    /// Not `scheme name=value, name=value`.
    #[error("the challenge does not follow the grammar of RFC 3261 section 25.1")]
    Grammar,
    /// Longer than a SIP message.
    #[error("the challenges are {0} bytes long, {MAX_LENGTH} are allowed")]
    TooLong(usize),
    /// A required parameter is missing.
    #[error("the challenge has no {0}")]
    Missing(&'static str),
    /// A parameter occurs twice, with different values.
    #[error("the challenge has more than one {0}")]
    Duplicate(&'static str),
    /// A hash that nobody here knows.
    #[error("the algorithm {0:?}: {UnknownAlgorithm}")]
    Algorithm(String),
    /// None that is known.
    #[error("the qop {0:?} is neither auth nor auth-int")]
    Qop(String),
}

/// One challenge, whether or not it can be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// Its realm, if it is of scheme Digest and has one.
    pub realm: Option<Vec<u8>>,
    /// Its text, in one line.
    pub text: Vec<u8>,
    /// What it asks for.
    pub challenge: Result<Received, ReceivedError>,
}

impl Received {
    /// All challenges in `value`, in their order. It is the value of one header, or of several that
    /// are joined by commas or line ends; one header may hold several challenges, and be folded.
    ///
    /// # Errors
    /// Fails with [`ReceivedError`] if there are none.
    pub fn list(value: &[u8]) -> Result<Vec<Offer>, ReceivedError> {
        if value.len() > MAX_LENGTH {
            return Err(ReceivedError::TooLong(value.len()));
        }
        let mut drafts: Vec<Draft> = Vec::new();
        for line in lines(value) {
            let line = without_name(&line).to_vec();
            // A line is a header of its own.
            let mut begins = true;
            for element in elements(&line) {
                read_element(&mut drafts, element, begins);
                begins = false;
            }
        }
        if drafts.is_empty() {
            return Err(ReceivedError::Nothing);
        }
        Ok(drafts.into_iter().map(Draft::finish).collect())
    }

    /// The strongest of these that can be answered; the first of equals.
    ///
    /// # Errors
    /// Fails with the reason why the first one of scheme Digest can't be; if there is none of that
    /// scheme, with the first reason.
    pub fn strongest<'a>(
        offers: impl IntoIterator<Item = &'a Offer>,
    ) -> Result<(&'a Offer, &'a Received), ReceivedError> {
        let mut error = None;
        let mut best: Option<(&Offer, &Received)> = None;
        let rank = |of: &Received| (of.algorithm, of.qop);
        for offer in offers {
            match &offer.challenge {
                Ok(found) if best.is_none_or(|(_, best)| rank(found) < rank(best)) => {
                    best = Some((offer, found));
                }
                Ok(_) => {}
                Err(found) => {
                    if matches!(error, None | Some(ReceivedError::Scheme(_))) {
                        error = Some(found.clone());
                    }
                }
            }
        }
        best.ok_or(error.unwrap_or(ReceivedError::Nothing))
    }
}

/// The headers, unfolded: a line end followed by white space is a space (RFC 3261 section 7.3.1).
fn lines(value: &[u8]) -> Vec<Vec<u8>> {
    let mut lines = vec![Vec::new()];
    let mut rest = value;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let line = match lines.last_mut() {
            Some(line) => line,
            None => break,
        };
        if !b"\r\n".contains(byte) {
            line.push(*byte);
            continue;
        }
        let end = rest.iter().position(|byte| !b"\r\n".contains(byte));
        rest = end.and_then(|end| rest.get(end..)).unwrap_or_default();
        match rest.first() {
            Some(b' ' | b'\t') => {
                line.push(b' ');
                let text = rest.iter().position(|byte| !b" \t".contains(byte));
                rest = text.and_then(|at| rest.get(at..)).unwrap_or_default();
            }
            _ => lines.push(Vec::new()),
        }
    }
    lines
}

/// The line without the name of a header.
fn without_name(line: &[u8]) -> &[u8] {
    let mut lexer = Lexer::new(trim(line));
    let name = lexer.token();
    match HEADERS.iter().any(|known| known.eq_ignore_ascii_case(name)) && lexer.separator(b':') {
        true => lexer.rest(),
        false => line,
    }
}

/// What is between commas that are not quoted. An unterminated quoted string extends to the end.
fn elements(line: &[u8]) -> Vec<&[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    line.split(move |byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ => {}
        }
        *byte == b',' && !quoted
    })
    .map(trim)
    .filter(|element| !element.is_empty())
    .collect()
}

/// A challenge that is being read.
struct Draft {
    scheme: Vec<u8>,
    text: Vec<u8>,
    values: [Option<Text>; NAMES.len()],
    error: Option<ReceivedError>,
    /// The last parameter was a `qop` without quotes, whose list the next element may continue.
    in_qop: bool,
}

/// The parameters that an answer depends on; the position is the index in [`Draft::values`].
const NAMES: [&str; 8] = [
    "realm",
    "nonce",
    "opaque",
    "algorithm",
    "qop",
    "stale",
    "userhash",
    "nc",
];

fn read_element(drafts: &mut Vec<Draft>, element: &[u8], begins: bool) {
    let mut lexer = Lexer::new(element);
    let name = lexer.token();
    let separated = lexer.rest().first().is_some_and(|b| is_white_space(*b));
    let is_parameter = !name.is_empty() && lexer.separator(b'=');
    let draft = match drafts.last_mut() {
        // The first element of a header names a scheme.
        Some(draft) if !begins && is_parameter => {
            draft.add(element);
            draft.parameter(name, &mut lexer);
            draft
        }
        Some(draft) if !begins && draft.in_qop && lexer.is_at_end() => {
            draft.add(element);
            draft.more_qop(name);
            return;
        }
        Some(draft) if !begins && (name.is_empty() || !(separated || lexer.is_at_end())) => {
            draft.add(element);
            draft.fail(ReceivedError::Grammar);
            return;
        }
        _ => {
            let mut draft = Draft::new(name, element);
            if name.is_empty() || is_parameter || !(separated || lexer.is_at_end()) {
                draft.fail(ReceivedError::Grammar);
            } else if draft.is_digest() && !lexer.is_at_end() {
                draft.first_parameter(&mut lexer);
            }
            drafts.push(draft);
            return;
        }
    };
    draft.more_parameters(&mut lexer);
}

impl Draft {
    fn new(scheme: &[u8], element: &[u8]) -> Self {
        Draft {
            scheme: scheme.to_vec(),
            text: element.to_vec(),
            values: Default::default(),
            error: None,
            in_qop: false,
        }
    }

    fn is_digest(&self) -> bool {
        self.scheme.eq_ignore_ascii_case(b"Digest")
    }

    fn add(&mut self, element: &[u8]) {
        self.text.extend_from_slice(b", ");
        self.text.extend_from_slice(element);
    }

    fn fail(&mut self, error: ReceivedError) {
        self.error.get_or_insert(error);
    }

    fn first_parameter(&mut self, lexer: &mut Lexer<'_>) {
        let name = lexer.token();
        if name.is_empty() || !lexer.separator(b'=') {
            return self.fail(ReceivedError::Grammar);
        }
        self.parameter(name, lexer);
        self.more_parameters(lexer);
    }

    /// Some servers put spaces where commas belong; the meaning is clear as well.
    fn more_parameters(&mut self, lexer: &mut Lexer<'_>) {
        while self.is_digest() && self.error.is_none() && !lexer.is_at_end() {
            if !lexer.white_space() {
                return self.fail(ReceivedError::Grammar);
            }
            let name = lexer.token();
            if name.is_empty() || !lexer.separator(b'=') {
                return self.fail(ReceivedError::Grammar);
            }
            self.parameter(name, lexer);
        }
    }

    /// The value of the parameter `name`, which the lexer is at.
    fn parameter(&mut self, name: &[u8], lexer: &mut Lexer<'_>) {
        self.in_qop = false;
        if !self.is_digest() {
            return;
        }
        let before = lexer.rest();
        let quoted = before.first() == Some(&b'"');
        let text = if before.is_empty() {
            Text {
                plain: Vec::new(),
                raw: Vec::new(),
            }
        } else {
            let Ok(plain) = lexer.value() else {
                return self.fail(ReceivedError::Grammar);
            };
            let read = before.len().saturating_sub(lexer.rest().len());
            let raw = before.get(..read).unwrap_or_default();
            let raw = match quoted {
                true => raw.get(1..read.saturating_sub(1)).unwrap_or_default(),
                false => raw,
            };
            // Without quotes, a backslash is one that has to be escaped between them.
            let raw = match quoted {
                true => raw.to_vec(),
                false => escape(raw),
            };
            Text { plain, raw }
        };
        let known = NAMES
            .iter()
            .zip(&mut self.values)
            .find(|(known, _)| known.as_bytes().eq_ignore_ascii_case(name));
        match known {
            None => {}
            Some((name, Some(old))) if old.plain != text.plain => {
                self.fail(ReceivedError::Duplicate(name));
            }
            Some((name, slot)) => {
                self.in_qop = *name == "qop" && !quoted;
                *slot = Some(text);
            }
        }
    }

    /// `qop=auth,auth-int` without quotes.
    fn more_qop(&mut self, name: &[u8]) {
        let at = NAMES.iter().position(|known| *known == "qop");
        if let Some(Some(qop)) = at.and_then(|at| self.values.get_mut(at)) {
            qop.plain.push(b',');
            qop.plain.extend_from_slice(name);
        }
    }

    fn take(&mut self, name: &'static str) -> Option<Text> {
        let at = NAMES.iter().position(|known| *known == name)?;
        self.values.get_mut(at)?.take()
    }

    fn finish(mut self) -> Offer {
        let text = std::mem::take(&mut self.text);
        let at = NAMES.iter().position(|known| *known == "realm");
        let realm = at.and_then(|at| self.values.get(at)?.as_ref());
        Offer {
            realm: realm.map(|realm| realm.plain.clone()),
            text,
            challenge: self.challenge(),
        }
    }

    fn challenge(mut self) -> Result<Received, ReceivedError> {
        let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
        if !self.is_digest() && self.error.is_none() {
            return Err(ReceivedError::Scheme(shown(&self.scheme)));
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        let realm = self.take("realm").ok_or(ReceivedError::Missing("realm"))?;
        let nonce = self.take("nonce").ok_or(ReceivedError::Missing("nonce"))?;
        let algorithm_name = self.take("algorithm").map(|text| text.plain);
        let algorithm = match &algorithm_name {
            None => Algorithm::Md5,
            Some(name) => str::from_utf8(name)
                .ok()
                .and_then(|name| name.parse().ok())
                .ok_or_else(|| ReceivedError::Algorithm(shown(name)))?,
        };
        let qop = match self.take("qop") {
            None => Qop::None,
            Some(list) => {
                qop_of(&list.plain).ok_or_else(|| ReceivedError::Qop(shown(&list.plain)))?
            }
        };
        let is_true =
            |text: Option<Text>| text.is_some_and(|t| t.plain.eq_ignore_ascii_case(b"true"));
        Ok(Received {
            realm,
            nonce,
            opaque: self.take("opaque"),
            algorithm,
            algorithm_name,
            qop,
            stale: is_true(self.take("stale")),
            userhash: is_true(self.take("userhash")),
            count: self.take("nc").map_or(1, |text| count_of(&text.plain)),
        })
    }
}

/// Hexadecimal digits; 1 for anything else.
fn count_of(text: &[u8]) -> u32 {
    let count = str::from_utf8(text).ok();
    let count = count.and_then(|text| u32::from_str_radix(text, 16).ok());
    count.unwrap_or(1).max(1)
}

/// The best of a list; what is unknown is ignored (RFC 7616 section 3.3). An empty list offers
/// nothing. `None` if nothing in it is known.
fn qop_of(list: &[u8]) -> Option<Qop> {
    let mut known = Vec::new();
    let mut is_empty = true;
    for name in list.split(|byte| *byte == b',' || is_white_space(*byte)) {
        is_empty &= name.is_empty();
        if name.eq_ignore_ascii_case(b"auth") {
            known.push(Qop::Auth);
        } else if name.eq_ignore_ascii_case(b"auth-int") {
            known.push(Qop::AuthInt);
        }
    }
    match is_empty {
        true => Some(Qop::None),
        false => known.into_iter().min(),
    }
}

/// What stands between quotes for this text.
pub(super) fn escape(text: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(text.len());
    for byte in text {
        if b"\"\\".contains(byte) {
            escaped.push(b'\\');
        }
        escaped.push(*byte);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn list(value: &str) -> Vec<Offer> {
        Received::list(value.as_bytes()).unwrap_or_else(|e| panic!("{value}: {e}"))
    }

    fn one(value: &str) -> Received {
        match &list(value)[..] {
            [
                Offer {
                    challenge: Ok(found),
                    ..
                },
            ] => found.clone(),
            other => panic!("{value}: {other:?}"),
        }
    }

    fn error(value: &str) -> ReceivedError {
        Received::strongest(&list(value)).expect_err(value)
    }

    #[test]
    fn lawful_forms() {
        let plain = one(r#"Digest realm="r", nonce="n""#);
        assert_eq!((plain.algorithm, plain.qop), (Algorithm::Md5, Qop::None));
        assert_eq!((plain.algorithm_name, plain.opaque), (None, None));
        let folded = one("Digest realm=\"r\",\r\n nonce=\"n==\",algorithm=MD5,\r\n\tqop=\"auth\"");
        assert_eq!(folded.nonce.plain, b"n==");
        assert_eq!(folded.qop, Qop::Auth);
        let odd = one(
            "dIgEsT  REALM = \"r\" ,, Nonce=n , QOP=\"x-new , auth-int\", stale=TRUE, algorithm=\"sha-256\",",
        );
        assert_eq!((odd.qop, odd.stale), (Qop::AuthInt, true));
        assert_eq!(odd.algorithm, Algorithm::Sha256);
        assert_eq!(odd.algorithm_name.as_deref(), Some(&b"sha-256"[..]));
        assert_eq!(
            one("Digest realm=r,nonce=n,qop=auth,auth-int,opaque=o").qop,
            Qop::Auth
        );
        assert_eq!(one("Digest realm=r,nonce=n,qop=\"\"").qop, Qop::None);
        assert_eq!(one("Digest realm=r,nonce=n").count, 1);
        assert_eq!(one("Digest realm=r,nonce=n, nc=0000000a").count, 10);
        assert_eq!(one("Digest realm=r,nonce=n, nc=x, nc=x").count, 1);
        assert_eq!(
            one("Digest realm=\"r\" nonce=\"n\" qop=\"auth\"").qop,
            Qop::Auth
        );
        assert_eq!(
            one("Digest realm=\"a\r\n b\", nonce=\"\"").realm.plain,
            b"a b"
        );
        assert_eq!(
            one("Digest realm=r, nonce=n, realm=\"r\"").realm.plain,
            b"r"
        );
    }

    #[test]
    fn quoted_pairs_are_read_and_kept() {
        let found =
            one(r#"Digest realm="a \"b\", c=\\", nonce="n\o", opaque="", x="Digest y=1, z""#);
        assert_eq!(found.realm.plain, br#"a "b", c=\"#);
        assert_eq!(found.realm.raw, br#"a \"b\", c=\\"#);
        assert_eq!(
            (&found.nonce.plain[..], &found.nonce.raw[..]),
            (&b"no"[..], &br"n\o"[..])
        );
        assert_eq!(found.opaque.map(|o| o.plain), Some(vec![]));
    }

    #[test]
    fn several_challenges_in_one_header_and_in_several() {
        let headers = "Digest realm=\"a\", nonce=\"1\", algorithm=MD5, \
             Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, Negotiate, Basic realm=\"b\", NTLM abc==\r\n\
             WWW-Authenticate: Bearer realm=\"c\", Digest nonce=\"3\",\r\n  realm=\"d\"\nDigest realm=e,nonce=4";
        let offers = list(headers);
        let realms: Vec<_> = offers
            .iter()
            .map(|o| o.realm.clone().unwrap_or_default())
            .collect();
        let realms: Vec<_> = realms.iter().map(|r| str::from_utf8(r).unwrap()).collect();
        assert_eq!(realms, ["a", "a", "", "", "", "", "d", "e"]);
        assert_eq!(
            offers[1].text,
            br#"Digest realm="a", nonce="2", algorithm=SHA-256"#
        );
        let (offer, best) = Received::strongest(&offers).unwrap();
        assert_eq!(best.nonce.plain, b"2");
        assert!(std::ptr::eq(offer, &offers[1]));
    }

    #[test]
    fn the_first_of_equals_and_the_strongest_that_is_known() {
        let headers = "Digest realm=r, nonce=1, algorithm=SHA-3, Digest realm=r, nonce=2, algorithm=MD5\n\
             Digest realm=r, nonce=3, algorithm=SHA-512-256, qop=\"x\"\n\
             Digest realm=r, nonce=4, algorithm=SHA-256\nDigest realm=r, nonce=5, algorithm=SHA-256";
        let offers = list(headers);
        assert_eq!(Received::strongest(&offers).unwrap().1.nonce.plain, b"4");
    }

    #[test]
    fn why_it_can_not_be_answered() {
        assert_eq!(Received::list(b" \r\n ,"), Err(ReceivedError::Nothing));
        let long = vec![b'x'; MAX_LENGTH + 1];
        assert!(matches!(
            Received::list(&long),
            Err(ReceivedError::TooLong(_))
        ));
        let named = ReceivedError::Scheme("Bearer".into());
        assert_eq!(error("Bearer realm=\"r\", scope=\"x\""), named);
        assert_eq!(error("Digest"), ReceivedError::Missing("realm"));
        assert_eq!(
            error("Basic realm=\"b\", Digest realm=\"r\""),
            ReceivedError::Missing("nonce")
        );
        assert_eq!(
            error("Digest realm=a, nonce=n, realm=b"),
            ReceivedError::Duplicate("realm")
        );
        for bad in [
            "realm=\"r\", nonce=\"n\"",
            "Digest realm=\"r, nonce=\"n\"",
            "Digest realm=\"r\", nonce=\"n",
            "Digest realm=\"r\"nonce=\"n\"",
            "Digest realm=\"r\", nonce=\"n\\",
            "Digest realm=\"r\u{1}\", nonce=\"n\"",
            "Digest realm=\"r\", nonce=\"n\", a:b",
            "=, Digest",
        ] {
            assert_eq!(error(bad), ReceivedError::Grammar, "{bad}");
        }
        let algorithm = error("Digest realm=r, nonce=n, algorithm=AKAv1-MD5").to_string();
        assert!(
            algorithm.contains("AKAv1-MD5") && algorithm.contains("SHA-512-256"),
            "{algorithm}"
        );
        let qop = error("Digest realm=r, nonce=n, qop=\"auth-conf\"").to_string();
        assert!(qop.contains("auth-conf"), "{qop}");
    }

    proptest! {
        #[test]
        fn whatever_is_received_is_read_without_a_panic(value: Vec<u8>) {
            _ = Received::list(&value);
        }

        #[test]
        fn whatever_resembles_a_challenge_is_read_without_a_panic(
            value in r#"([Dd]igest |Basic |realm|nonce|qop|=|"|,|\\|[ \t\r\n]|[a-z"]){0,40}"#
        ) {
            for offer in Received::list(value.as_bytes()).unwrap_or_default() {
                if let Ok(found) = offer.challenge {
                    prop_assert!(!found.realm.raw.iter().any(|b| b"\r\n".contains(b)));
                }
            }
        }
    }
}
