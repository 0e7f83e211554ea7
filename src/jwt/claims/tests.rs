use std::time::Duration;

use super::*;
use crate::jwt::path::ClaimPath;
use crate::jwt::testing::{NOW, at, claiming, parse, with_header};

fn check(payload: &str, rules: &Rules) -> Result<(), ClaimError> {
    check_claims(&claiming(payload), rules, at(NOW))
}

fn check_default(payload: &str) -> Result<(), ClaimError> {
    check(payload, &Rules::default())
}

#[test]
fn exp_is_the_first_second_too_late() {
    assert_eq!(check_default(&format!(r#"{{"exp":{}}}"#, NOW + 1)), Ok(()));
    let at = check_default(&format!(r#"{{"exp":{NOW}}}"#));
    assert_eq!(at, Err(ClaimError::Expired { seconds: 0 }));
    let after = check_default(&format!(r#"{{"exp":{}}}"#, NOW - 37)).unwrap_err();
    assert_eq!(after.to_string(), "expired 37 s ago");
    assert_eq!(check_default("{}"), Ok(()));
}

#[test]
fn nbf_is_the_first_second_that_is_not_too_early() {
    assert_eq!(check_default(&format!(r#"{{"nbf":{NOW}}}"#)), Ok(()));
    let before = check_default(&format!(r#"{{"nbf":{}}}"#, NOW + 5)).unwrap_err();
    assert_eq!(before.to_string(), "not valid for another 5 s");
}

#[test]
fn leeway_moves_both_edges() {
    let rules = Rules {
        leeway: 10,
        ..Rules::default()
    };
    assert_eq!(check(&format!(r#"{{"exp":{}}}"#, NOW - 9), &rules), Ok(()));
    assert!(check(&format!(r#"{{"exp":{}}}"#, NOW - 10), &rules).is_err());
    assert_eq!(check(&format!(r#"{{"nbf":{}}}"#, NOW + 10), &rules), Ok(()));
    assert!(check(&format!(r#"{{"nbf":{}}}"#, NOW + 11), &rules).is_err());
}

#[test]
fn fractions_of_seconds_count() {
    assert_eq!(check_default(&format!(r#"{{"exp":{NOW}.001}}"#)), Ok(()));
    assert!(check_default(&format!(r#"{{"exp":{}.999}}"#, NOW - 1)).is_err());
    assert!(check_default(&format!(r#"{{"nbf":{NOW}.5}}"#)).is_err());
    assert_eq!(
        check_default(&format!(r#"{{"nbf":{}.5}}"#, NOW - 1)),
        Ok(())
    );
    assert_eq!(check_default(r#"{"exp":1.7000000001e10}"#), Ok(()));
}

#[test]
fn the_clock_has_fractions_too() {
    const CLAIMS: &str = include_str!(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/tokens/fractions.json"
    ));
    let token = claiming(CLAIMS);
    let recent = Rules {
        max_age: Some(60),
        ..Rules::default()
    };
    let check_at = |seconds: u64, micros: u32, rules: &Rules| {
        let now = Duration::new(seconds, micros * 1000);
        let checked = check_claims(&token, rules, now);
        let validity = Validity::of(&token, rules).unwrap();
        assert_eq!(validity.includes(now), checked.is_ok());
        checked.map_err(|error| error.to_string())
    };
    let error = |text: &str| Err(text.to_owned());
    let early = error("not valid for another 1 s");
    for rules in [&Rules::default(), &recent] {
        assert_eq!(check_at(1_729_185_718, 641_225, rules), early);
        assert_eq!(check_at(1_729_185_718, 641_226, rules), Ok(()));
        assert_eq!(check_at(1_729_185_719, 0, rules), Ok(()));
    }
    let rules = Rules::default();
    assert_eq!(check_at(1_729_189_318, 612_344, &rules), Ok(()));
    let late = error("expired 0 s ago");
    assert_eq!(check_at(1_729_189_318, 612_345, &rules), late);
    assert_eq!(check_at(1_729_189_318, 999_999, &rules), late);
    assert_eq!(
        check_at(1_729_189_319, 700_000, &rules),
        error("expired 1 s ago")
    );
    // Whole seconds of age.
    assert_eq!(check_at(1_729_185_779, 641_224, &recent), Ok(()));
    assert_eq!(
        check_at(1_729_185_779, 641_226, &recent),
        error("issued 61 s ago, at most 60 s are allowed")
    );
}

#[test]
fn numbers_of_any_size_are_survived() {
    let rules = Rules {
        leeway: u64::MAX,
        max_age: Some(u64::MAX),
        ..Rules::default()
    };
    for number in [
        "9223372036854775807",
        "-9223372036854775808",
        "1e300",
        "-1e300",
        "1.7976931348623157e308",
        "12345678901234567890",
        "-12345678901234567890123456789012345678901234567890",
        "1e400",
        "-1e99999999999999999999",
        "1e-99999999999999999999",
        "5e-324",
        "0",
        "-1",
        "-0.0",
    ] {
        for name in ["exp", "nbf", "iat"] {
            for now in [0, NOW, u64::MAX] {
                let token = claiming(&format!(r#"{{"{name}":{number}}}"#));
                let _ = check_claims(&token, &Rules::default(), at(now));
                let _ = check_claims(&token, &rules, at(now));
            }
        }
    }
    assert_eq!(check_default(r#"{"exp":1e300,"nbf":-1e300}"#), Ok(()));
    assert!(check_default(r#"{"exp":-1}"#).is_err());
    assert!(check_default(r#"{"exp":0}"#).is_err());
    assert!(check_default(r#"{"exp":-1e300}"#).is_err());
    assert!(check_default(r#"{"nbf":1e300}"#).is_err());
    assert!(check_default(r#"{"nbf":9223372036854775807}"#).is_err());
}

#[test]
fn times_must_be_numbers() {
    for value in [
        "\"4102444800\"",
        "\"\"",
        "null",
        "true",
        "[4102444800]",
        "{}",
    ] {
        for name in ["exp", "nbf", "iat"] {
            let error = check_default(&format!(r#"{{"{name}":{value}}}"#)).unwrap_err();
            assert_eq!(error.to_string(), format!("{name} is not a number"));
            assert!(error.is_about_time());
        }
    }
    // iat alone says nothing about validity (RFC 7519 section 4.1.6).
    assert_eq!(check_default(r#"{"iat":4102444800}"#), Ok(()));
    assert_eq!(check_default(r#"{"iat":0}"#), Ok(()));
}

#[test]
fn exp_can_be_required() {
    let rules = Rules {
        require_exp: true,
        ..Rules::default()
    };
    let error = check("{}", &rules).unwrap_err();
    assert_eq!(error, ClaimError::Missing("exp".into()));
    assert!(!error.is_about_time());
    assert_eq!(check(r#"{"exp":4102444800}"#, &rules), Ok(()));
}

#[test]
fn issuer_is_compared_exactly() {
    let rules = Rules {
        issuers: vec!["https://a".into(), "b".into()],
        ..Rules::default()
    };
    assert_eq!(check(r#"{"iss":"https://a"}"#, &rules), Ok(()));
    assert_eq!(check(r#"{"iss":"b"}"#, &rules), Ok(()));
    assert_eq!(check("{}", &rules), Err(ClaimError::Missing("iss".into())));
    for other in ["\"https://a/\"", "\"B\"", "\"\"", "null", "[\"b\"]", "1"] {
        let error = check(&format!(r#"{{"iss":{other}}}"#), &rules).unwrap_err();
        let error = error.to_string();
        assert!(
            error.starts_with("iss differs from what is required: it is ")
                && error.ends_with(r#", allowed are "https://a", "b""#),
            "{error}"
        );
    }
}

#[test]
fn audience_is_one_or_several() {
    let rules = Rules {
        audiences: vec!["sip".into(), "voice".into()],
        ..Rules::default()
    };
    for good in ["\"sip\"", "[\"sip\"]", "[\"web\",\"voice\"]"] {
        assert_eq!(
            check(&format!(r#"{{"aud":{good}}}"#), &rules),
            Ok(()),
            "{good}"
        );
    }
    for bad in [
        "\"web\"",
        "[]",
        "[\"web\"]",
        "\"sip voice\"",
        "[[\"sip\"]]",
        "[\"sip\",1]",
        "null",
        "{\"sip\":1}",
    ] {
        let error = check(&format!(r#"{{"aud":{bad}}}"#), &rules).unwrap_err();
        assert!(
            matches!(error, ClaimError::NotAllowed { claim: "aud", .. }),
            "{bad}"
        );
        assert!(!error.is_about_time());
    }
    let several = check(r#"{"aud":["a","b","c","d","e","f"]}"#, &rules).unwrap_err();
    assert_eq!(
        several.to_string(),
        r#"aud differs from what is required: it is "a", "b", "c", "d" and 2 more, allowed are "sip", "voice""#
    );
    assert_eq!(check("{}", &rules), Err(ClaimError::Missing("aud".into())));
}

#[test]
fn age_is_bounded_on_both_sides() {
    let rules = Rules {
        max_age: Some(60),
        leeway: 5,
        ..Rules::default()
    };
    let aged = |seconds: i64| {
        check(
            &format!(r#"{{"iat":{}}}"#, i64::try_from(NOW).unwrap() - seconds),
            &rules,
        )
    };
    for good in [65, 0, -5] {
        assert_eq!(aged(good), Ok(()), "{good}");
    }
    assert_eq!(aged(66), Err(ClaimError::TooOld { age: 66, limit: 60 }));
    assert_eq!(aged(-6), Err(ClaimError::IssuedInFuture { seconds: 6 }));
    assert_eq!(check("{}", &rules), Err(ClaimError::Missing("iat".into())));
}

#[test]
fn the_type_of_a_token_can_be_required() {
    let typed = |required: &str, header: &str| {
        let rules = Rules {
            token_type: Some(required.into()),
            ..Rules::default()
        };
        check_claims(&parse(&with_header(header)), &rules, at(NOW))
    };
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
    ] {
        let header = format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#);
        assert_eq!(typed("at+jwt", &header), Ok(()), "{typ}");
        assert_eq!(typed("application/at+jwt", &header), Ok(()), "{typ}");
    }
    for typ in [
        "\"JWT\"",
        "\"at+jw\"",
        "\"application/x/at+jwt\"",
        "\"\"",
        "null",
        "1",
        "[\"at+jwt\"]",
    ] {
        let error = typed("at+jwt", &format!(r#"{{"alg":"HS256","typ":{typ}}}"#)).unwrap_err();
        assert!(matches!(error, ClaimError::TokenType { .. }), "{typ}");
        assert!(!error.is_about_time());
    }
    assert_eq!(
        typed("at+jwt", r#"{"alg":"HS256"}"#),
        Err(ClaimError::Missing("typ".into()))
    );
}

#[test]
fn claims_can_be_required_with_and_without_value() {
    let rules = |name: &str, value: Option<&str>| Rules {
        required_claims: vec![RequiredClaim {
            path: ClaimPath::parse(name).unwrap(),
            value: value.map(Into::into),
        }],
        ..Rules::default()
    };
    let payload = r#"{"s":"v","n":7,"r":1.5,"big":12345678901234567890,"b":true,"z":null,"l":["a","b",3],"o":{"v":1},"e":""}"#;
    for (name, value) in [
        ("s", None),
        ("n", None),
        ("b", None),
        ("l", None),
        ("o", None),
        ("e", None),
        ("s", Some("v")),
        ("n", Some("7")),
        ("r", Some("1.5")),
        ("r", Some("1.50")),
        ("r", Some("15e-1")),
        ("big", Some("12345678901234567890")),
        ("b", Some("true")),
        ("l", Some("a")),
        ("l", Some("3")),
        ("e", Some("")),
    ] {
        assert_eq!(
            check(payload, &rules(name, value)),
            Ok(()),
            "{name} {value:?}"
        );
    }
    for name in ["x", "z", "o.x"] {
        let missing = Err(ClaimError::Missing(name.into()));
        assert_eq!(check(payload, &rules(name, None)), missing, "{name}");
        assert_eq!(check(payload, &rules(name, Some("v"))), missing, "{name}");
    }
    for (name, value) in [
        ("s", "V"),
        ("s", ""),
        ("n", "07"),
        ("r", "1.51"),
        ("r", "01.5"),
        ("big", "12345678901234567891"),
        ("big", "12345678901234567000"),
        ("b", "1"),
        ("l", "c"),
        ("o", "v"),
    ] {
        let differs = Err(ClaimError::Differs(name.into()));
        assert_eq!(check(payload, &rules(name, Some(value))), differs, "{name}");
    }
}

#[test]
fn time_is_judged_before_everything_else() {
    let rules = Rules {
        issuers: vec!["a".into()],
        require_exp: true,
        ..Rules::default()
    };
    assert!(check(r#"{"exp":1}"#, &rules).unwrap_err().is_about_time());
}

#[test]
fn required_claims_are_written_as_name_or_name_and_value() {
    let parsed = |text: &str| RequiredClaim::parse(text).unwrap();
    assert_eq!(
        parsed("a.b[0]"),
        RequiredClaim {
            path: ClaimPath::parse("a.b[0]").unwrap(),
            value: None
        }
    );
    for (text, value) in [("a=b", "b"), (" a = b ", "b"), ("a=", ""), ("a=b=c", "b=c")] {
        let expected = RequiredClaim {
            path: ClaimPath::parse("a").unwrap(),
            value: Some(value.into()),
        };
        assert_eq!(parsed(text), expected, "{text}");
    }
    assert!(RequiredClaim::parse("=b").is_err());
    let rules = Rules {
        required_claims: vec![parsed("o.roles=sip")],
        ..Rules::default()
    };
    assert_eq!(check(r#"{"o":{"roles":["web","sip"]}}"#, &rules), Ok(()));
    assert_eq!(
        check(r#"{"o":{"roles":["web"]}}"#, &rules),
        Err(ClaimError::Differs("o.roles".into()))
    );
}

#[test]
fn all_required_scopes_must_be_granted() {
    let rules = Rules {
        required_scope: vec!["sip".into(), "voice".into()],
        ..Rules::default()
    };
    for granted in [
        r#"{"scope":"voice sip"}"#,
        r#"{"scope":"openid  sip voice"}"#,
        r#"{"scp":["sip","voice"]}"#,
        r#"{"scp":"sip voice"}"#,
        r#"{"scope":["voice","sip","x"]}"#,
    ] {
        assert_eq!(check(granted, &rules), Ok(()), "{granted}");
    }
    for (granted, missing) in [
        ("{}", "sip"),
        (r#"{"scope":"sip"}"#, "voice"),
        (r#"{"scope":"sip voices"}"#, "voice"),
        (r#"{"scope":"sip,voice"}"#, "sip"),
        (r#"{"scope":"SIP voice"}"#, "sip"),
        (r#"{"scope":"","scp":"sip voice"}"#, "sip"),
        (r#"{"scope":null}"#, "sip"),
        (r#"{"scope":{"sip":1}}"#, "sip"),
    ] {
        let error = check(granted, &rules).unwrap_err();
        assert_eq!(
            error,
            ClaimError::InsufficientScope(missing.into()),
            "{granted}"
        );
        assert!(!error.is_about_time());
    }
}
