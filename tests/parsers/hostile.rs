//! Requests that are almost right: what devices send, with a few modifications about which parsers
//! disagree.

use super::random::Random;
use super::wire::Request;

/// See the [module](self).
pub struct Hostile {
    random: Random,
    port: u16,
    number: u64,
}

/// White space, and what some parsers take for it.
const BLANKS: &[&[u8]] = &[
    b" ", b"\t", b"  ", b"\r\n ", b"\n\t", b"\r\n\t ", b"\x0b", b"\x0c", b"\0", b"\r", b"\xa0",
    b"\r\r\n ", b"\n", b"\r\n", b"\x85", b"\x1f",
];

const USERS: &[&[u8]] = &[
    b"alice",
    b"mallory",
    b"bob",
    b"alice@a.example",
    b"alice@evil.example",
    b"a",
    b"ab",
    b"%61lice",
    b"ALICE",
    b" alice ",
    b"al\xc3\xadce",
    b"al\xedce",
    b"alice,bob",
    b"alice=bob",
    b"alice;x=y",
    b"'alice'",
    b"alice@",
    b"@a.example",
    b"",
    b"<null>",
    b"alice\ttab",
    b"username=bob",
];

const REALMS: &[&[u8]] = &[
    b"a.example",
    b"b.example",
    b"A.Example",
    b"",
    b"a.example, b.example",
    b"r@r",
    b"\xff",
];

/// Names of parameters, and near misses.
const NAMES: &[&[u8]] = &[
    b"username",
    b"realm",
    b"nonce",
    b"uri",
    b"response",
    b"algorithm",
    b"qop",
    b"nc",
    b"cnonce",
    b"opaque",
    b"auts",
    b"userhash",
    b"username*",
    b"x",
    b"ik",
    b"usernam",
    b"usernames",
    b"user",
    b"n",
    b"nonc",
    b"realm ",
    b"user name",
    b"username\t",
    b"realmx",
    b"USERNAME",
    b"Realm",
    b"",
    b"\x55sername",
    b"username\0",
    b"usernam\xe5",
    b"\xf5sername",
    b"domain",
    b"stale",
];

/// Names of the header that matters, and what is taken for it.
const HEADERS: &[&[u8]] = &[
    b"AUTHORIZATION",
    b"authorization",
    b"Authorization ",
    b"Authorization\t",
    b"Authorization \t ",
    b"Authorization\r\n ",
    b"Authorization\n",
    b"Authorization\0",
    b"\0Authorization",
    b" Authorization",
    b"\tAuthorization",
    b"\x0cAuthorization",
    b"Authorization\x0b",
    b"\rAuthorization",
    b"Authorization\r",
    b"Auth\r\norization",
    b"Proxy-Authorization",
    b"Proxy\rAuthorization",
    b"Proxy\nAuthorization",
    b"proxy-authorization ",
    b"Authorizatio",
    b"Authorization:",
    b"X-Authorization",
    b"Authorization;x",
    b"Authorization X",
    b"Authorizati\xefn",
    b"WWW-Authenticate",
    b"Authorization,Authorization",
    b"\"Authorization\"",
    b"",
];

/// Names known to the core or to other readers.
const KNOWN: &[&[u8]] = &[
    b"Via",
    b"From",
    b"To",
    b"Call-ID",
    b"CSeq",
    b"Contact",
    b"Route",
    b"Record-Route",
    b"Path",
    b"Max-Forwards",
    b"Expires",
    b"Content-Length",
    b"Content-Type",
    b"Supported",
    b"Unsupported",
    b"Proxy-Require",
    b"Require",
    b"Allow",
    b"Event",
    b"Accept",
    b"Accept-Language",
    b"Organization",
    b"Priority",
    b"Subject",
    b"User-Agent",
    b"Content-Disposition",
    b"Diversion",
    b"Remote-Party-ID",
    b"Refer-To",
    b"Session-Expires",
    b"Min-SE",
    b"Min-Expires",
    b"P-Preferred-Identity",
    b"P-Asserted-Identity",
    b"Privacy",
    b"Retry-After",
    b"Call-Info",
    b"WWW-Authenticate",
    b"Proxy-Authenticate",
    b"Feature-Caps",
    b"Replaces",
    b"Message-ID",
    b"Status",
    b"Security-Client",
    b"Security-Verify",
    b"X-Any",
    b"v",
    b"f",
    b"t",
    b"i",
    b"m",
    b"l",
    b"c",
    b"k",
    b"o",
    b"x",
    b"r",
    b"b",
    b"s",
    b"e",
    b"u",
    b"a",
    b"d",
    b"j",
    b"n",
    b"y",
];

/// Lines that do not belong in a message head, or only just.
const JUNK: &[&[u8]] = &[
    b"Junk",
    b"X-Any: thing",
    b":",
    b": x",
    b" ",
    b"\t",
    b" folded: x",
    b"X",
    b"X:",
    b"X :y",
    b"X-A\0: b",
    b"X-A: b\0c",
    b"\x0c",
    b"X-A: b\rTo: <sip:eve@evil.example>",
    b"\r",
    b"\"",
    b"(",
    b"X-A: \"open",
    b"X-A: (open",
    b"X-A: b\\",
    b"To",
    b"t",
    b"From\r\n : x",
    b"l: 0",
    b"l:\t3",
    b"Content-Length:\r\n 0",
    b"k: path",
    b"x: 90",
    b"c: application/sdp",
    b"o: reg",
    b"e: gzip",
    b"s: hello",
    b"Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK1",
    b"v : SIP/2.0/UDP 192.0.2.2",
    b"Via: SIP/2.0/UDP 192.0.2.3;x=\"a",
    b"Via: SIP/2.0/UDP 192.0.2.3 (a",
    b"To: <sip:eve@evil.example>",
    b"t: <sip:eve@evil.example>",
    b"f: <sip:eve@evil.example>;tag=e",
    b"From: <sip:eve@evil.example>;tag=e",
    b"i: other",
    b"CSeq: 2 REGISTER",
    b"Expires: 60",
    b"Route: <sip:192.0.2.1;lr>",
    b"Contact: *",
    b"m: <sip:e@192.0.2.9>;expires=0",
    b"User-Agent: x (\r\n y)",
    b"Subject: \xe2\x82\xac",
    b"Supported:",
    b"P-X.!%*_+`'~: y",
    b"Retry-After: 5 (\r\n x)",
    b"Session-Expires: 90;refresher=uas",
    b"Event: reg;id=\"a\r\n b\"",
];

/// What is inserted into the middle of things.
const PIECES: &[&[u8]] = &[
    b"\"",
    b"\\",
    b"\\\"",
    b"\\\\",
    b"\\\\\"",
    b"\\\r\n",
    b"\\\n",
    b"\\\r",
    b",",
    b",,",
    b";",
    b"=",
    b"==",
    b"'",
    b"<",
    b">",
    b"(",
    b")",
    b"@",
    b"%00",
    b"%22",
    b"\x7f",
    b"\xc2\x85",
    b"\xff",
    b"username=alice",
    b"username=\"bob\"",
    b", username=bob",
    b",realm=b.example",
    b"\", username=bob, z=\"",
    b"\\\", username=bob, z=\\\"",
    b"\r\nAuthorization: Digest username=\"bob\"\r\n",
    b"\r\nTo: <sip:eve@evil.example>\r\n",
    b"\r\n\r\n",
    b"\n\n",
    b"\r\r",
    b"Digest ",
    b"/* */",
    b"?",
    b"~",
];

struct Parameter {
    name: Vec<u8>,
    before: Vec<u8>,
    after: Vec<u8>,
    value: Vec<u8>,
    end: Vec<u8>,
}

impl Hostile {
    /// Requests are sent from this port.
    pub fn new(seed: u64, port: u16) -> Hostile {
        Hostile {
            random: Random::new(seed),
            port,
            number: 0,
        }
    }

    /// The next request.
    pub fn request(&mut self) -> Request {
        self.number += 1;
        let method = self.random.pick(&[
            "REGISTER",
            "REGISTER",
            "REGISTER",
            "INVITE",
            "SUBSCRIBE",
            "MESSAGE",
            "BYE",
            "NOTIFY",
        ]);
        let method = match method {
            // A literal, since it outlives the request.
            "REGISTER" => "REGISTER",
            "INVITE" => "INVITE",
            "SUBSCRIBE" => "SUBSCRIBE",
            "MESSAGE" => "MESSAGE",
            "BYE" => "BYE",
            _ => "NOTIFY",
        };
        let mut lines = self.lines(method);
        for _ in 0..self.random.below(3) {
            self.disturb(&mut lines);
        }
        let body: &[u8] = match self.random.below(6) {
            0 => b"Authorization: Digest username=\"bob\", realm=\"b.example\"\r\n\r\n",
            1 => b"\r\nTo: <sip:eve@evil.example>\r\n\r\n",
            2 => b"v=0\r\n",
            _ => b"",
        };
        let lead: &[u8] = match self.random.below(12) {
            0 => b"\r\n",
            1 => b"\r\n\r\n",
            2 => b"\n",
            _ => b"",
        };
        let end: &[u8] = match self.random.below(12) {
            0 => b"\n",
            _ => b"\r\n",
        };
        let mut rest = Vec::new();
        for line in lines {
            rest.extend(line);
            rest.extend(match self.random.below(1200) {
                0 => b"\r\r\n".as_slice(),
                1 => b"\r",
                2 => b"\n",
                3 => b"\n\r",
                4 => b" \r\n",
                5 => b"",
                _ => end,
            });
        }
        rest.extend(end);
        rest.extend(body);
        if self.random.once_in(15) {
            self.bytes(&mut rest);
        }
        Request {
            lead: lead.to_vec(),
            method,
            rest,
        }
    }

    fn lines(&mut self, method: &str) -> Vec<Vec<u8>> {
        let (port, number) = (self.port, self.number);
        let user = self
            .random
            .pick(&["alice", "bob", "mallory", "%61lice", "alice%40a.example"]);
        let to = self.address(user);
        let from = self.address(user);
        let mut lines: Vec<Vec<u8>> = vec![
            format!("Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK-{number}").into(),
            [
                b"From: ".as_slice(),
                &from,
                format!(";tag={number}").as_bytes(),
            ]
            .concat(),
            [b"To: ".as_slice(), &to].concat(),
            format!("Call-ID: {number}").into(),
            format!("CSeq: {number} {method}").into(),
            b"Max-Forwards: 70".to_vec(),
            format!("Contact: <sip:{user}@127.0.0.1:{port}>;expires=60").into(),
        ];
        for _ in 0..self.random.below(3) {
            let at = self.random.below(lines.len() + 1);
            let line = match self.random.below(6) {
                0 => self.random.pick(JUNK).to_vec(),
                1 | 2 => self.known(),
                _ => b"X-Any: thing".to_vec(),
            };
            lines.insert(at, line);
        }
        let several = match self.random.below(6) {
            0 => 2 + self.random.below(2),
            _ => 1,
        };
        for _ in 0..several {
            let at = self.random.below(lines.len() + 1);
            let line = self.credentials();
            lines.insert(at, line);
        }
        let length: &[u8] = match self.random.below(24) {
            0 => b"Content-Length: 5",
            1 => b"Content-Length: 99999",
            2 => b"Content-Length: 0 ",
            3 => b"Content-Length:0\t",
            4 => b"Content-Length : 0",
            5 => b"l: 0",
            6 => b"L \t:0",
            7 => b"Content-Length: -1",
            8 => b"Content-Length: 0x1",
            9 => b"Content-Length: 0\r\n ",
            10 => b"Content-Length: 0\r\n 9",
            11 => b"X-None: 1",
            _ => b"Content-Length: 0",
        };
        lines.push(length.to_vec());
        lines
    }

    /// A header that the core knows, or nearly knows.
    fn known(&mut self) -> Vec<u8> {
        let mut name = self.random.pick(KNOWN).to_vec();
        match self.random.below(8) {
            0 => name.make_ascii_uppercase(),
            1 => name.make_ascii_lowercase(),
            2 => name.extend(self.random.pick(BLANKS)),
            3 => name.extend(self.random.pick(&[b" ".as_slice(), b"\t", b" \t", b"  "])),
            4 => {
                let at = self.random.below(name.len());
                name[at] ^= 0x20;
            }
            5 => drop(name.pop()),
            _ => {}
        }
        let value: &[u8] = self
            .random
            .pick(&[b"1".as_slice(), b"x", b"<sip:x@192.0.2.1>", b""]);
        [&name, b":".as_slice(), value].concat()
    }

    /// The contents of From and To.
    fn address(&mut self, user: &str) -> Vec<u8> {
        let uri = format!("<sip:{user}@a.example>");
        let display: &[u8] = match self.random.below(90) {
            0 => b"\"A B\" ",
            1 => b"A B ",
            2 => b"\"<sip:eve@evil.example>\" ",
            3 => b"\"a\\\"b\" ",
            4 => b"\"a\\\\\" ",
            5 => b"\"a\r\n b\" ",
            6 => b"\"a\r\nAuthorization: Digest username=bob\r\nX: \" ",
            7 => b"\"a\\\nAuthorization: Digest username=bob\\\nX: \" ",
            8 => b"\"a\\\r\nAuthorization: Digest username=bob\\\r\nX: \" ",
            9 => b"\r\n ",
            10 => b"\"\" ",
            11 => b"A\r\n B ",
            12 => b"A, ",
            13 => b"\"a\0b\" ",
            14 => b"\"a\tb\"\t",
            15 => b"\"a\\",
            _ => b"",
        };
        let more: &[u8] = match self.random.below(90) {
            0 => b" ",
            1 => b";x=\"a\r\nX: b\"",
            2 => b";x=\"a\\\r\nAuthorization: Digest username=bob\r\nX: \"",
            3 => b"\r\n ;x=y",
            4 => b";x",
            5 => b" ; x = y",
            6 => b";x=\"a\\\"b\"",
            7 => b"\t",
            8 => b";",
            9 => b";x=",
            10 => b"\0",
            11 => b", <sip:eve@evil.example>",
            12 => b";x=y\0",
            13 => b"?Authorization=x",
            14 => b";x=\"a\\\nX: b\"",
            _ => b"",
        };
        let uri = match self.random.below(40) {
            0 => format!("sip:{user}@a.example"),
            1 => format!("sips:{user}:pw@A.EXAMPLE:5061;transport=tls"),
            2 => "sip:a.example".to_string(),
            3 => "tel:+15551234".to_string(),
            4 => format!("<sip:{user}@a.example;user=phone?X=y>"),
            5 => format!("< sip:{user}@a.example >"),
            6 => format!("<sip:{user}@A.Example.>"),
            _ => uri,
        };
        let mut uri = uri.into_bytes();
        if self.random.once_in(50) {
            self.bytes(&mut uri);
        }
        [display, &uri, more].concat()
    }

    /// A header with credentials.
    fn credentials(&mut self) -> Vec<u8> {
        let name = match self.random.below(12) {
            0 => self.random.pick(HEADERS).to_vec(),
            1 | 2 => b"Proxy-Authorization".to_vec(),
            _ => b"Authorization".to_vec(),
        };
        let colon: &[u8] = match self.random.below(80) {
            0 => b":",
            1 => b"",
            2 => b" : ",
            3 => b":\r\n ",
            4 => b":\t",
            5 => b"::",
            _ => b": ",
        };
        if self.random.once_in(12) {
            let value: &[u8] = self.random.pick(&[
                b"Bearer eyJhbGciOiJub25lIn0.e30.x".as_slice(),
                b"Basic YWxpY2U6c2VjcmV0",
                b"Bearer a b",
                b"bearer\tabc",
                b"Basic username=\"bob\", realm=\"b.example\"",
                b"Digest",
                b"",
                b"Bearer",
                b"Negotiate username=\"bob\"",
            ]);
            return [&name, colon, value].concat();
        }
        let mut all = self.parameters();
        for _ in 0..self.random.below(4).min(self.random.below(4)) {
            self.alter(&mut all);
        }
        let scheme: &[u8] = match self.random.below(100) {
            0 => b"digest ",
            1 => b"DIGEST\t",
            2 => b"Digest,",
            3 => b"Digest\r\n ",
            4 => b"Digest\x0c",
            5 => b"Digest\x0b",
            6 => b"Digest",
            7 => b"",
            8 => b"DigestX ",
            9 => b"Digest  \t",
            10 => b"Digest , ",
            11 => b"\"Digest\" ",
            12 => b"Digest\0",
            13 => b"X, Digest ",
            14 => b"\x0cDigest ",
            _ => b"Digest ",
        };
        let mut line = [&name, colon, scheme].concat();
        for Parameter {
            name,
            before,
            after,
            value,
            end,
        } in all
        {
            line.extend([&name, &before, b"=".as_slice(), &after, &value, &end].concat());
        }
        // Most of the time, no comma follows the last one.
        if !self.random.once_in(40) {
            let end = line.iter().rposition(|byte| *byte == b',');
            line.truncate(end.unwrap_or(line.len()));
        }
        if self.random.once_in(20) {
            self.bytes(&mut line);
        }
        line
    }

    fn parameters(&mut self) -> Vec<Parameter> {
        let user = match self.random.below(3) {
            0 => self.random.pick(USERS),
            _ => self.random.pick(&[b"alice".as_slice(), b"bob", b"mallory"]),
        };
        let realm = match self.random.below(6) {
            0 => self.random.pick(REALMS),
            _ => b"a.example",
        };
        let mut all: Vec<(&[u8], Vec<u8>)> = vec![
            (b"username", quoted(user)),
            (b"realm", quoted(realm)),
            (b"nonce", quoted(b"n0nce==")),
            (b"uri", quoted(b"sip:a.example")),
            (b"response", quoted(b"0123456789abcdef0123456789abcdef")),
        ];
        if self.random.once_in(2) {
            all.extend([
                (b"qop".as_slice(), b"auth".to_vec()),
                (b"nc", b"00000001".to_vec()),
                (b"cnonce", quoted(b"c")),
            ]);
        }
        for (name, value) in [
            (b"algorithm".as_slice(), b"MD5".as_slice()),
            (b"opaque", b"\"o\""),
            (b"auts", b"\"a\""),
        ] {
            if self.random.once_in(4) {
                all.push((name, value.to_vec()));
            }
        }
        for _ in 0..self.random.below(3) {
            let (a, b) = (self.random.below(all.len()), self.random.below(all.len()));
            all.swap(a, b);
        }
        let end: &[u8] = self
            .random
            .pick(&[b", ".as_slice(), b", ", b",", b",\r\n "]);
        let of = |(name, value): (&[u8], Vec<u8>)| Parameter {
            name: name.to_vec(),
            before: Vec::new(),
            after: Vec::new(),
            value,
            end: end.to_vec(),
        };
        all.into_iter().map(of).collect()
    }

    /// Makes one change to one of the parameters.
    fn alter(&mut self, all: &mut Vec<Parameter>) {
        let at = self.random.below(all.len());
        let blank = self.random.pick(BLANKS).to_vec();
        let piece = self.random.pick(PIECES).to_vec();
        let user = self.random.pick(USERS).to_vec();
        let other = self.random.pick(NAMES).to_vec();
        let here = &mut all[at];
        match self.random.below(20) {
            0 => here.before = blank,
            1 => here.after = blank,
            2 => here.end.extend(blank),
            3 => here.end.splice(0..0, blank).for_each(drop),
            4 => here.name = other,
            5 => here.name.make_ascii_uppercase(),
            6 => {
                let bare = here.value.iter().filter(|byte| **byte != b'"');
                here.value = bare.copied().collect();
            }
            7 => here.value = quoted(&here.value.clone()),
            8 => drop(here.value.pop()),
            9 => {
                let place = self.random.below(here.value.len() + 1);
                here.value.splice(place..place, piece).for_each(drop);
            }
            10 => here.end = piece,
            11 => here.value = user,
            12 => {
                let place = self.random.below(here.value.len() + 1);
                here.value.splice(place..place, blank).for_each(drop);
            }
            // One more, at any place.
            13..=15 => {
                let name = match self.random.below(3) {
                    0 => other,
                    1 => all[at].name.clone(),
                    _ => b"username".to_vec(),
                };
                let value = match self.random.below(5) {
                    0 => user,
                    1 => quoted(&piece),
                    2 => [b"UTF-8''".as_slice(), &user].concat(),
                    _ => quoted(&user),
                };
                let place = self.random.below(all.len() + 1);
                let end = self.random.pick(&[b", ".as_slice(), b","]).to_vec();
                let (before, after) = (Vec::new(), Vec::new());
                all.insert(
                    place,
                    Parameter {
                        name,
                        before,
                        after,
                        value,
                        end,
                    },
                );
            }
            // Where an escape makes a difference.
            17 | 18 => {
                let names = |named: &&mut Parameter| {
                    [b"username".as_slice(), b"realm"].contains(&&*named.name)
                };
                if let Some(named) = all.iter_mut().filter(names).nth(at % 2) {
                    let place = self.random.below(named.value.len() + 1);
                    let escape = self.random.pick(&[b"\\".as_slice(), b"\\\"", b"\\\\"]);
                    named
                        .value
                        .splice(place..place, escape.iter().copied())
                        .for_each(drop);
                }
            }
            // One that hides another.
            16 => {
                let hidden = self.random.pick(&[
                    b"\"\\\", username=bob, z=\\\"\"".as_slice(),
                    b"\"\\\", username=\\\"bob\\\", z=\\\"\"",
                    b"\"\\\\\", username=bob, z=\"\"",
                    b"\", username=bob, z=\"",
                    b"'\", username=bob, z=\"'",
                    b"\"\\\\\\\", realm=b.example, z=\\\"\"",
                ]);
                here.value = hidden.to_vec();
            }
            _ => drop(all.remove(at)),
        }
        if all.is_empty() {
            all.extend(self.parameters());
        }
    }

    /// Makes one change to the head as a whole.
    fn disturb(&mut self, lines: &mut Vec<Vec<u8>>) {
        let at = self.random.below(lines.len());
        let other = self.random.below(lines.len());
        match self.random.below(40) {
            0 | 1 => lines.insert(at, self.random.pick(JUNK).to_vec()),
            2 => lines.swap(at, other),
            3 => drop(lines.remove(at)),
            14..=16 => lines.insert(at, self.known()),
            4 => lines.insert(at, lines[other].clone()),
            5 => lines.insert(at, Vec::new()),
            6 => lines.insert(at, self.credentials()),
            7 => {
                let blank = self.random.pick(BLANKS);
                let line = &mut lines[at];
                let colon = line.iter().position(|byte| *byte == b':').unwrap_or(0);
                line.splice(colon..colon, blank.iter().copied())
                    .for_each(drop);
            }
            8 => {
                let piece = self.random.pick(PIECES);
                let line = &mut lines[at];
                let place = self.random.below(line.len() + 1);
                line.splice(place..place, piece.iter().copied())
                    .for_each(drop);
            }
            // Valid names, too.
            9 | 10 => {
                for line in lines.iter_mut() {
                    for (long, short) in [("From:", "f:"), ("To:", "t :"), ("Call-ID:", "i:")] {
                        if line.starts_with(long.as_bytes()) {
                            line.splice(..long.len(), short.bytes()).for_each(drop);
                        }
                    }
                }
            }
            11 => {
                let fold = lines[at].iter().position(|byte| *byte == b' ');
                if let Some(fold) = fold {
                    lines[at].splice(fold..fold, *b"\r\n").for_each(drop);
                }
            }
            12 => lines[at].make_ascii_uppercase(),
            13 => {
                for _ in 0..self.random.below(300) {
                    lines.insert(at, b"X: y".to_vec());
                }
            }
            17 => {
                let length = lines[at].len();
                lines[at].truncate(self.random.below(length + 1));
            }
            // Most of the time the lines stay as they are.
            _ => {}
        }
        if lines.is_empty() {
            lines.push(b"X-Any: thing".to_vec());
        }
    }

    /// Changes some bytes.
    fn bytes(&mut self, text: &mut Vec<u8>) {
        for _ in 0..=self.random.below(3) {
            let at = self.random.below(text.len() + 1);
            let byte = match self.random.below(3) {
                0 => self.random.byte(),
                1 => *self
                    .random
                    .pick(&[
                        b"\"", b"\\", b",", b"=", b" ", b"\r", b"\n", b"\0", b":", b";",
                    ])
                    .first()
                    .unwrap_or(&b' '),
                _ => match text.get(at) {
                    Some(byte) => byte ^ 0x20,
                    None => b' ',
                },
            };
            match (self.random.below(3), at < text.len()) {
                (0, true) => text[at] = byte,
                (1, true) => drop(text.remove(at)),
                _ => text.insert(at, byte),
            }
        }
    }
}

fn quoted(value: &[u8]) -> Vec<u8> {
    [b"\"", value, b"\""].concat()
}
