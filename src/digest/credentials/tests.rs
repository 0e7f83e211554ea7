use proptest::prelude::*;

use super::*;

const FULL: &str = r#"Digest username="john", realm="jambonz.org", nonce="157590482938000", uri="sip:172.37.0.10:5060", response="be641cf7951ff23ab04c57907d59f37d", qop=auth, nc=00000001, cnonce="6b8b4567", algorithm=MD5"#;

fn digest(value: &str) -> Digest {
    match Credentials::parse(value.as_bytes()) {
        Ok(Credentials::Digest(digest)) => *digest,
        other => panic!("{value}: {other:?}"),
    }
}

fn error(value: &str) -> CredentialsError {
    Credentials::parse(value.as_bytes()).expect_err(value)
}

#[test]
fn the_published_example_is_read() {
    let read = digest(FULL);
    assert_eq!(read.username, b"john");
    assert_eq!(read.realm, b"jambonz.org");
    assert_eq!(read.nonce, b"157590482938000");
    assert_eq!(read.uri, b"sip:172.37.0.10:5060");
    assert_eq!(read.response, "be641cf7951ff23ab04c57907d59f37d");
    assert_eq!(read.qop.as_deref(), Some("auth"));
    assert_eq!(read.nc.as_deref(), Some("00000001"));
    assert_eq!(read.cnonce.as_deref(), Some(b"6b8b4567".as_slice()));
    assert_eq!(read.algorithm, Algorithm::Md5);
    assert_eq!((read.opaque, read.userhash), (None, false));
}

#[test]
fn order_case_quotes_and_white_space_do_not_matter() {
    let shuffled = "dIGEST\r\n ALGORITHM=\"md5\" ,\tNC = \"00000001\",qOp=\"auth\",\r\n\t\
        Response=be641cf7951ff23ab04c57907d59f37d,URI=\"sip:172.37.0.10:5060\",CNonce=6b8b4567,\
        nonce=\"157590482938000\",REALM=\"jambonz.org\",UserName=\"john\"  ";
    assert_eq!(digest(shuffled), digest(FULL));
}

#[test]
fn quoted_strings_keep_commas_and_equals_signs() {
    let tricky = FULL.replace("\"john\"", r#""a 'b', realm=x, c/d""#);
    let read = digest(&tricky);
    assert_eq!(read.username, br"a 'b', realm=x, c/d");
    assert_eq!(read.realm, b"jambonz.org");
}

/// To OpenSIPS a string ends at the first quote, and a backslash is an ordinary character.
#[test]
fn a_backslash_that_could_be_read_in_two_ways_is_refused() {
    for name in ["username", "realm", "nonce", "uri", "cnonce"] {
        let escaped = |pair: &str| FULL.replace(&format!("{name}=\""), &format!("{name}=\"{pair}"));
        assert_eq!(error(&escaped("\\\"")), CredentialsError::Escape(name));
        let read = Credentials::parse(escaped("\\a\\\\").as_bytes());
        match name {
            "username" | "realm" => assert_eq!(read, Err(CredentialsError::Escape(name))),
            _ => assert!(matches!(read, Ok(Credentials::Digest(_))), "{read:?}"),
        }
    }
    for stolen in [
        r#"opaque="\", username=alice, z=\"""#,
        r#"x="\", username=alice, z=\"""#,
        r#"opaque="\\\", username=alice, z=\"""#,
    ] {
        let stolen = error(&format!("{FULL}, {stolen}"));
        assert!(matches!(stolen, CredentialsError::Escape(_)), "{stolen:?}");
    }
    // The escaped character is a backslash, and the quote ends the string for every parser.
    let read = digest(&format!(r#"{FULL}, opaque="\\", z=1"#));
    assert_eq!(read.opaque.as_deref(), Some(br"\".as_slice()));
}

#[test]
fn only_blanks_tabs_and_line_ends_are_white_space() {
    for bad in [
        "Digest\x0cusername",
        "\x0cDigest username",
        "Digest \x0busername",
    ] {
        let bad = FULL.replace("Digest username", bad);
        assert_eq!(error(&bad), CredentialsError::Grammar, "{bad:?}");
    }
}

#[test]
fn a_header_names_its_user_whatever_else_is_in_it() {
    let name = |value: &str| Credentials::username_of(value.as_bytes());
    assert_eq!(name(FULL), Ok(Some(b"john".to_vec())));
    let foreign = "Digest username=\"x\", algorithm=AKAv1-MD5";
    assert_eq!(name(foreign), Ok(Some(b"x".to_vec())));
    assert_eq!(name("Digest realm=\"r\""), Ok(Some(Vec::new())));
    assert_eq!(name("Basic am9objpwYXNz"), Ok(None));
    assert_eq!(name("Bearer a"), Ok(None));
    for nothing in ["", " ", "Digest", "digest ", "Bearer"] {
        assert_eq!(name(nothing), Ok(None), "{nothing:?}");
    }
    assert_eq!(name("Digest username=\"x"), Err(CredentialsError::Grammar));
}

/// An endpoint gets names as JSON: other bytes would become another user's name there.
#[test]
fn names_have_to_be_utf8() {
    for (name, sent) in [("username", "john"), ("realm", "jambonz.org")] {
        let mut value = FULL.as_bytes().to_vec();
        let at = FULL.find(&format!("\"{sent}\"")).expect("it is there") + 1;
        value[at] = 0xe9;
        let invalid = CredentialsError::Invalid {
            name,
            allowed: "UTF-8",
        };
        assert_eq!(Credentials::parse(&value), Err(invalid));
    }
    let mut value = FULL.as_bytes().to_vec();
    let at = FULL.find("6b8b").expect("it is there");
    value[at] = 0xe9;
    assert!(Credentials::parse(&value).is_ok());
}

#[test]
fn extensions_are_skipped_and_may_be_there_once() {
    assert_eq!(digest(&format!("{FULL}, x=1, y=\"2,3\"")), digest(FULL));
    assert_eq!(
        error(&format!("{FULL}, x=1, X=\"2,3\"")),
        CredentialsError::DuplicateExtension
    );
}

#[test]
fn without_algorithm_and_qop_it_is_the_oldest_form() {
    let read = digest(
        r#"Digest username="a", realm="r", nonce="n", uri="sip:r", response="00000000000000000000000000000000", opaque="o""#,
    );
    assert_eq!(read.algorithm, Algorithm::Md5);
    assert_eq!((read.qop, read.nc, read.cnonce), (None, None, None));
    assert_eq!(read.opaque.as_deref(), Some(b"o".as_slice()));
}

#[test]
fn each_algorithm_wants_the_length_of_its_hash() {
    let short = "be641cf7951ff23ab04c57907d59f37d";
    let long = format!("{short}{short}");
    for algorithm in Algorithm::ALL {
        let named = FULL.replace("=MD5", &format!("={algorithm}"));
        let (good, bad) = match algorithm.response_length() {
            32 => (named.clone(), named.replace(short, &long)),
            _ => (named.replace(short, &long), named),
        };
        assert_eq!(digest(&good).algorithm, algorithm);
        assert!(matches!(
            error(&bad),
            CredentialsError::Invalid {
                name: "response",
                ..
            }
        ));
    }
    assert_eq!(
        error(&FULL.replace("=MD5", "=SHA-1")),
        CredentialsError::Algorithm(UnknownAlgorithm)
    );
}

#[test]
fn what_must_be_there_is_missed() {
    let missing = |name| match name {
        "nonce" | "response" => CredentialsError::Unanswered,
        name => CredentialsError::Missing(name),
    };
    for name in [
        "username", "realm", "nonce", "uri", "response", "nc", "cnonce",
    ] {
        let gone = FULL.replace(&format!(" {name}="), &format!(" x-{name}="));
        assert_eq!(error(&gone), missing(name), "{gone}");
    }
    for name in ["username", "realm", "nonce", "uri", "response", "cnonce"] {
        let read = digest(FULL);
        let value = match name {
            "username" => read.username,
            "realm" => read.realm,
            "nonce" => read.nonce,
            "uri" => read.uri,
            "response" => read.response.into_bytes(),
            _ => read.cnonce.expect("it is there"),
        };
        let value = String::from_utf8(value).expect("it is ASCII");
        let empty = FULL.replace(&format!("{name}=\"{value}\""), &format!("{name}=\"\""));
        assert_ne!(empty, FULL);
        assert_eq!(error(&empty), missing(name), "{empty}");
    }
    let session = r#"Digest username="a", realm="r", nonce="n", uri="sip:r", response="00000000000000000000000000000000", algorithm=MD5-sess"#;
    assert_eq!(error(session), CredentialsError::Missing("cnonce"));
}

#[test]
fn what_says_nothing_answers_no_challenge() {
    for nothing in [
        "",
        " \r\n ",
        "Digest",
        "Digest ",
        "Bearer",
        "bearer \t",
        "Digest realm=\"r\", nonce=\"\", uri=\"sip:r\", response=\"\"",
        "Digest username=\"\", realm=\"r\"",
        "Digest username=\"john\", realm=\"r\", nonce=, uri=\"sip:r\", response=",
        "Digest username=\"john\", RESPONSE= ",
    ] {
        let error = error(nothing);
        assert_eq!(error, CredentialsError::Unanswered, "{nothing:?}");
        assert!(error.wants_challenge());
    }
}

#[test]
fn empty_quotes_say_nothing() {
    let old = r#"Digest username="john", realm="r", nonce="n", uri="sip:r", response="00000000000000000000000000000000""#;
    for more in ["qop=\"\"", "algorithm=\"\"", "algorithm=\"\", qop=\"\""] {
        assert_eq!(digest(&format!("{old}, {more}")), digest(old), "{more}");
    }
}

#[test]
fn several_in_one_header_are_a_list() {
    let bearer = "Bearer abc.def";
    for list in [
        format!("{FULL}, {FULL}"),
        format!("{FULL},{bearer}"),
        format!("{FULL} ,\r\n\tbasic abc"),
        format!("{bearer}, {FULL}"),
        format!("{bearer} ,{bearer}"),
    ] {
        assert_eq!(error(&list), CredentialsError::List, "{list}");
    }
    for other in [
        format!("{FULL}, Digest"),
        format!("{FULL}, Other x"),
        format!("Digest,{}", FULL.trim_start_matches("Digest")),
        format!("{bearer}, Other {FULL}"),
    ] {
        assert_ne!(error(&other), CredentialsError::List, "{other}");
    }
    // A parameter of that name is one.
    assert!(Credentials::parse(format!("{FULL}, digest=1").as_bytes()).is_ok());
}

#[test]
fn a_jwt_may_come_without_its_scheme() {
    for token in [
        "eyJh.eyJi.c2ln",
        "eyJh.eyJi.",
        "eyJh.a.b.c.d",
        " eyJh.e-_.c \t",
    ] {
        match Credentials::parse(token.as_bytes()) {
            Ok(Credentials::Bearer(bearer)) => assert_eq!(bearer.token, token.trim()),
            other => panic!("{token}: {other:?}"),
        }
        assert_eq!(Credentials::username_of(token.as_bytes()), Ok(None));
    }
    for other in [
        "eyJh",
        "eyJh.b",
        "eyJh.a.b.c",
        "abc.def.ghi",
        "eyJh.a+.c",
        "eyJh.a.c d",
    ] {
        assert_eq!(error(other), CredentialsError::Scheme, "{other}");
    }
}

#[test]
fn a_known_parameter_may_be_there_once() {
    for name in [
        "username", "realm", "nonce", "uri", "response", "qop", "nc", "cnonce",
    ] {
        let doubled = format!("{FULL}, {}=\"x\"", name.to_ascii_uppercase());
        assert_eq!(error(&doubled), CredentialsError::Duplicate(name));
    }
    assert_eq!(
        error(&format!("{FULL}, algorithm=MD5")),
        CredentialsError::Duplicate("algorithm")
    );
}

#[test]
fn forms_are_checked() {
    for count in ["1", "0000000g", "000000001", "\"\""] {
        let bad = FULL.replace("00000001", count);
        assert!(
            matches!(error(&bad), CredentialsError::Invalid { name: "nc", .. }),
            "{bad}"
        );
    }
    let bad = FULL.replace("qop=auth", "qop=\"auth,auth-int\"");
    assert!(matches!(
        error(&bad),
        CredentialsError::Invalid { name: "qop", .. }
    ));
    assert_eq!(
        digest(&FULL.replace("qop=auth", "qop=auth-int"))
            .qop
            .as_deref(),
        Some("auth-int")
    );
    let bad = FULL.replace("be641cf7", "be641cfz");
    assert!(matches!(
        error(&bad),
        CredentialsError::Invalid {
            name: "response",
            ..
        }
    ));
}

#[test]
fn what_is_no_list_of_parameters_is_refused() {
    for bad in [
        "Digest username",
        "Digest username=",
        "Digest nonce",
        "Digest opaque=, nonce=",
        "Digest username=\"john",
        "Digest username=\"john\\",
        "Digest ,username=\"john\"",
        "Digest=\"x\"",
        "\"Digest\" username=\"john\"",
        &format!("{FULL},"),
        &format!("{FULL} x"),
        &format!("{FULL}; x=1"),
        &FULL.replace("john\",", "john\""),
        &FULL.replace("john", "jo\r\nhn"),
        &FULL.replace("john", "jo\0hn"),
        &FULL.replace("john", "jo\\\nhn"),
    ] {
        assert_eq!(error(bad), CredentialsError::Grammar, "{bad:?}");
    }
}

#[test]
fn limits_are_kept() {
    let room = MAX_HEADER_LENGTH - FULL.len() - ", x=".len();
    let longest = format!("{FULL}, x={}", "y".repeat(room));
    assert_eq!(longest.len(), MAX_HEADER_LENGTH);
    assert_eq!(digest(&longest), digest(FULL));
    assert_eq!(
        error(&format!("{longest}y")),
        CredentialsError::TooLong(MAX_HEADER_LENGTH + 1)
    );
    let more: String = (0..MAX_PARAMETERS).map(|n| format!(", x{n}=1")).collect();
    let many = format!("{FULL}{more}");
    assert_eq!(error(&many), CredentialsError::TooManyParameters);
}

#[test]
fn the_extended_username_is_decoded() {
    let extended = FULL.replace(
        "username=\"john\"",
        "username*=UTF-8''J%C3%A4s%C3%B8n%20Doe",
    );
    assert_eq!(digest(&extended).username, "Jäsøn Doe".as_bytes());
    assert!(digest(&format!("{FULL}, userhash=true")).userhash);
    assert_eq!(
        error(&format!("{FULL}, username*=UTF-8''x")),
        CredentialsError::Duplicate("username")
    );
    for bad in [
        "ISO-8859-1''x",
        "UTF-8'x",
        "UTF-8''",
        "UTF-8''%FF",
        "UTF-8''%0d%0a",
    ] {
        let bad = FULL.replace("username=\"john\"", &format!("username*={bad}"));
        assert!(matches!(
            error(&bad),
            CredentialsError::Invalid {
                name: "username*",
                ..
            }
        ));
    }
}

#[test]
fn a_bearer_token_is_one_b64token() {
    let token = |value: &str| Credentials::parse(value.as_bytes());
    for good in ["eyJh.eyJz.c2ln", "a", "a-._~+/9==", "abc="] {
        let expected = Credentials::Bearer(Bearer {
            token: good.to_owned(),
        });
        assert_eq!(token(&format!("bEARER  {good} ")), Ok(expected));
    }
    for bad in ["=", "==", "a b", "a,b", "a=b", "\"a\"", "a\u{e4}"] {
        assert_eq!(
            token(&format!("Bearer {bad}")),
            Err(CredentialsError::Token),
            "{bad:?}"
        );
    }
    let shown = format!("{:?}", token("Bearer verysecret").expect("a token"));
    assert!(!shown.contains("verysecret"), "{shown}");
}

#[test]
fn basic_is_another_scheme() {
    assert_eq!(error("Basic am9objpwYXNz"), CredentialsError::Scheme);
    assert_eq!(error("NTLM"), CredentialsError::Scheme);
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(value: Vec<u8>) {
        _ = Credentials::parse(&value);
        _ = Credentials::parse(&[b"Digest ".as_slice(), &value].concat());
        _ = Credentials::parse(&[b"Bearer ".as_slice(), &value].concat());
    }

    #[test]
    fn any_text_survives_quoting(text in "[ !#-\\[\\]-~]{1,40}") {
        let read = digest(&FULL.replace("john", &text));
        prop_assert_eq!(read.username, text.into_bytes());
        prop_assert_eq!(read.realm, b"jambonz.org");
    }
}
