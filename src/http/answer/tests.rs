use proptest::prelude::*;

use super::*;

fn parse(body: &str) -> Result<Answer, AnswerError> {
    Answer::parse(body.as_bytes(), Some(3600), 600)
}

fn verdict(body: &str) -> Verdict {
    parse(body)
        .unwrap_or_else(|error| panic!("{body}: {error}"))
        .verdict
}

fn admitted(expires: u32) -> Verdict {
    Verdict::Admitted {
        expires: Some(expires),
    }
}

fn denied(ban: Option<Ban>) -> Verdict {
    Verdict::Denied { ban }
}

#[test]
fn ok_in_any_case_admits_and_nothing_else_does() {
    for ok in ["ok", "OK", "Ok", "\\u006fk"] {
        assert_eq!(verdict(&format!(r#"{{"status":"{ok}"}}"#)), admitted(3600));
    }
    for other in [
        r#""fail""#,
        r#""""#,
        r#"" ok""#,
        r#""okay""#,
        "true",
        "1",
        "{}",
        r#"["ok"]"#,
    ] {
        assert_eq!(
            verdict(&format!(r#"{{"status":{other}}}"#)),
            denied(None),
            "{other}"
        );
    }
}

#[test]
fn what_is_no_answer_never_admits() {
    for bad in [
        "",
        "ok",
        "\"ok\"",
        "[]",
        "null",
        "<html>",
        "{",
        r#"{"status":"ok""#,
        r#"{"status":"ok"} x"#,
        r#"{"status":"ok"}{"status":"ok"}"#,
        r#"{"status":"ok",}"#,
        r#"{status:"ok"}"#,
        r#"{'status':'ok'}"#,
        r#"{"status":"ok","x":"\ud800"}"#,
        "{\"status\":\"o\nk\"}",
        r#"[{"status":"ok"}]"#,
    ] {
        assert!(
            matches!(parse(bad), Err(AnswerError::NotAnObject { .. })),
            "{bad}"
        );
    }
    for bad in ["{}", r#"{"status":null}"#, r#"{"x":{"status":"ok"}}"#] {
        assert_eq!(parse(bad), Err(AnswerError::NoStatus), "{bad}");
    }
    let twice = r#"{"status":"fail","status":"ok"}"#;
    assert_eq!(parse(twice), Err(AnswerError::Duplicate("status")));
    let twice = r#"{"Status":"ok","status":"fail"}"#;
    assert_eq!(parse(twice), Err(AnswerError::Duplicate("status")));
}

#[test]
fn answers_are_read_as_frameworks_write_them() {
    for body in [
        // ASP.NET, with and without its naming policy; encoders that write a byte order mark.
        r#"{"Status":"OK","Expires":null,"Msg":null,"Blacklist":false}"#,
        "\u{feff}{\"status\":\"ok\"}",
        // PHP: leading line ends of an included file, numbers as text, escaped slashes.
        "\r\n\r\n{\"status\":\"ok\",\"expires\":\"0\",\"call_hook\":\"https:\\/\\/x\"}\n",
        r#"{"status":"ok","expires":"","blacklist":0,"headers":[]}"#,
        // Node.
        r#"{"status":"ok","expires":0}"#,
        r#"{"status":"ok","expires":false,"undefined":null}"#,
    ] {
        assert_eq!(verdict(body), admitted(3600), "{body}");
    }
    let hook = |body: &str| parse(body).unwrap().grant.member("call_hook");
    let text = |text: &str| Some(GrantValue::Text(text.to_owned()));
    assert_eq!(hook(r#"{"status":"ok","CALL_HOOK":"a"}"#), text("a"));
    let both = r#"{"status":"ok","Call_Hook":"a","call_hook":"b","call_Hook":"c"}"#;
    assert_eq!(hook(both), text("b"), "its own spelling comes first");
    // Latin-1, which JavaScript reads as well, but not in a name.
    let latin = b"{\"status\":\"no\",\"msg\":\"ung\xfcltig\"}";
    let answer = Answer::parse(latin, None, 0).unwrap();
    assert_eq!(answer.message.as_deref(), Some("ung\u{fffd}ltig"));
    let named = b"{\"status\":\"ok\",\"aor\":\"j\xfcrgen@a.example\"}";
    assert_eq!(Answer::parse(named, None, 0), Err(AnswerError::Aor));
}

#[test]
fn a_status_denies_whatever_the_body_says() {
    let denial = |body: &str| Answer::denial(403, body.as_bytes(), 600);
    for body in ["", "Forbidden", "<html>", "[]", "{}", r#"{"status":"ok"}"#] {
        let answer = denial(body);
        assert_eq!(answer.verdict, denied(None), "{body}");
        assert_eq!((answer.message, answer.status), (None, Some(403)), "{body}");
        assert!(answer.grant.json().starts_with('{'), "{body}");
    }
    let answer = denial(r#"{"status":"fail","message":"locked","blacklist":true}"#);
    assert_eq!(answer.verdict, denied(Some(Ban::Seconds(600))));
    assert_eq!(answer.message.as_deref(), Some("locked"));
    let answer = denial(r#"{"msg":"a","msg":"b","blacklist":"soon"}"#);
    assert_eq!((answer.verdict, answer.message), (denied(None), None));
}

#[test]
fn expires_is_at_most_what_was_requested() {
    for (given, granted) in [
        ("1800", 1800),
        ("3600", 3600),
        ("\"1800\"", 1800),
        ("\" 60 \"", 60),
        ("1.8e3", 1800),
        ("60.0", 60),
        ("null", 3600),
        ("1", 1),
    ] {
        let answer = parse(&format!(r#"{{"status":"ok","expires":{given}}}"#)).expect(given);
        assert_eq!(
            (answer.verdict, answer.remark),
            (admitted(granted), None),
            "{given}"
        );
    }
    for given in [
        "3601",
        "\"86400\"",
        "99999999999999999999999999999999999999999999",
        "1e300",
    ] {
        let answer = parse(&format!(r#"{{"status":"ok","expires":{given}}}"#)).expect(given);
        assert_eq!(answer.verdict, admitted(3600), "{given}");
        let remark = answer.remark.expect("it is logged").to_string();
        assert!(remark.ends_with("it was cut to 3600"), "{remark}");
    }
}

#[test]
fn an_expires_that_makes_no_sense_never_admits() {
    for given in [
        "-1", "-3600", "\"-5\"", "\"soon\"", "\"1h\"", "\"1.5\"", "1.5", "true", "{}", "[]",
        "[3600]", "-1e300", "\"+5\"", "\"0x10\"", "\" \"",
    ] {
        let answer = parse(&format!(r#"{{"status":"ok","expires":{given}}}"#));
        assert_eq!(answer, Err(AnswerError::Expires), "{given}");
        // Nobody is kept from unregistering.
        let off = Answer::parse(
            format!(r#"{{"status":"ok","expires":{given}}}"#).as_bytes(),
            Some(0),
            0,
        );
        assert_eq!(off.map(|answer| answer.verdict), Ok(admitted(0)), "{given}");
        // A denial stays a denial.
        assert_eq!(
            verdict(&format!(r#"{{"status":"no","expires":{given}}}"#)),
            denied(None)
        );
    }
    let twice = r#"{"status":"ok","expires":60,"expires":60}"#;
    assert_eq!(parse(twice), Err(AnswerError::Duplicate("expires")));
}

#[test]
fn a_zero_says_nothing() {
    for given in ["0", "\"0\"", "0.0", "-0", "false", "\"\"", "null"] {
        let body = format!(r#"{{"status":"ok","expires":{given}}}"#);
        assert_eq!(verdict(&body), admitted(3600), "{given}");
        let unasked = Answer::parse(body.as_bytes(), None, 0).map(|answer| answer.verdict);
        let nothing = Verdict::Admitted { expires: None };
        assert_eq!(unasked, Ok(nothing), "{given}");
    }
}

#[test]
fn without_a_requested_expiry_the_given_one_counts() {
    let expires = |body: &str, requested| {
        Answer::parse(body.as_bytes(), requested, 0).map(|answer| answer.verdict)
    };
    let granted = |expires| Ok(Verdict::Admitted { expires });
    assert_eq!(expires(r#"{"status":"ok"}"#, None), granted(None));
    assert_eq!(
        expires(r#"{"status":"ok","expires":90}"#, None),
        granted(Some(90))
    );
    assert_eq!(
        expires(r#"{"status":"ok","expires":4294967296}"#, None),
        granted(Some(i32::MAX.unsigned_abs()))
    );
    // Unregistering: whatever the endpoint says, nothing stays registered.
    assert_eq!(expires(r#"{"status":"ok"}"#, Some(0)), granted(Some(0)));
    assert_eq!(
        expires(r#"{"status":"ok","expires":0}"#, Some(0)),
        granted(Some(0))
    );
    assert_eq!(
        expires(r#"{"status":"ok","expires":3600}"#, Some(0)),
        granted(Some(0))
    );
}

#[test]
fn a_denial_may_ban() {
    for (given, ban) in [
        ("3600", Some(Ban::Seconds(3600))),
        ("\"3600\"", Some(Ban::Seconds(3600))),
        ("-1", Some(Ban::Forever)),
        ("\"-1\"", Some(Ban::Forever)),
        ("9999999999", Some(Ban::Forever)),
        ("0", None),
        ("false", None),
        ("null", None),
        ("true", Some(Ban::Seconds(600))),
    ] {
        for name in ["blacklist", "blaclist"] {
            let answer = parse(&format!(r#"{{"status":"fail","{name}":{given}}}"#)).expect(given);
            assert_eq!(
                (answer.verdict, answer.remark),
                (denied(ban), None),
                "{name} {given}"
            );
        }
    }
    for given in ["-2", "1.5", "\"long\"", "{}", "[1]"] {
        let answer = parse(&format!(r#"{{"status":"fail","blacklist":{given}}}"#)).expect(given);
        assert_eq!(answer.verdict, denied(None), "{given}");
        assert_eq!(answer.remark, Some(Remark::BlacklistIgnored), "{given}");
    }
    let both = verdict(r#"{"status":"fail","blaclist":1,"blacklist":2}"#);
    assert_eq!(both, denied(Some(Ban::Seconds(2))));
    assert_eq!(verdict(r#"{"status":"ok","blacklist":-1}"#), admitted(3600));
}

#[test]
fn an_admission_may_name_the_address_of_record() {
    let aor = |json: &str| parse(&format!(r#"{{"status":"ok","aor":{json}}}"#)).map(|a| a.aor);
    let named = AddressOfRecord::new(b"102", "a.example");
    for json in [r#""102@A.example""#, r#""sip:102@a.example""#] {
        assert_eq!(aor(json), Ok(Some(Box::new(named.clone()))), "{json}");
    }
    assert_eq!(aor("null"), Ok(None));
    for json in [r#""102""#, r#""""#, "102", "{}", "[]", "true"] {
        assert_eq!(aor(json), Err(AnswerError::Aor), "{json}");
    }
    let twice = parse(r#"{"status":"ok","aor":"a@b","aor":"c@d"}"#);
    assert_eq!(twice.map(drop), Err(AnswerError::Duplicate("aor")));
    // A denied request has no address of record.
    assert_eq!(parse(r#"{"status":"x","aor":7}"#).map(|a| a.aor), Ok(None));
}

#[test]
fn the_message_has_two_names_and_no_line_breaks() {
    let message = |body: &str| parse(body).expect(body).message;
    let some = |text: &str| Some(text.into());
    assert_eq!(
        message(r#"{"status":"x","msg":"unknown user"}"#),
        some("unknown user")
    );
    assert_eq!(message(r#"{"status":"x","message":"gone"}"#), some("gone"));
    assert_eq!(
        message(r#"{"status":"x","message":"b","msg":"a"}"#),
        some("a")
    );
    assert_eq!(
        message(r#"{"status":"x","message":"b","msg":null}"#),
        some("b")
    );
    assert_eq!(message(r#"{"status":"x","msg":12}"#), some("12"));
    assert_eq!(
        message(r#"{"status":"x","msg":"a\r\nVia: b\u0000"}"#),
        some("a  Via: b ")
    );
    assert_eq!(message(r#"{"status":"x"}"#), None);
}

#[test]
fn the_grant_is_the_answer_without_white_space() {
    let body = "{ \"status\" : \"ok\",\r\n \"z\" : [ 1, 2 ],\t\"a b\": \" c\\\" d\\\\\" , \
                \"n\": 1.50 }\n";
    let grant = parse(body).expect("good JSON").grant;
    assert_eq!(
        grant.json(),
        r#"{"status":"ok","z":[1,2],"a b":" c\" d\\","n":1.50}"#
    );
}

#[test]
fn members_become_integers_texts_or_json() {
    let grant = parse(
        r#"{"status":"ok","call_hook":"https://x/\u00e9","limit":12,"minus":-3,"big":2147483648,
            "half":0.5,"yes":true,"hook":{"url": "u", "m": null},"list":[1, "a b"],"none":null,
            "empty":"","two":1,"two":2,"number":"12"}"#,
    )
    .expect("good JSON")
    .grant;
    let text = |text: &str| Some(GrantValue::Text(text.to_owned()));
    assert_eq!(grant.member("status"), text("ok"));
    assert_eq!(grant.member("call_hook"), text("https://x/é"));
    assert_eq!(grant.member("limit"), Some(GrantValue::Integer(12)));
    assert_eq!(grant.member("minus"), Some(GrantValue::Integer(-3)));
    assert_eq!(grant.member("big"), text("2147483648"));
    assert_eq!(grant.member("half"), text("0.5"));
    assert_eq!(grant.member("yes"), text("true"));
    assert_eq!(grant.member("hook"), text(r#"{"url":"u","m":null}"#));
    assert_eq!(grant.member("list"), text(r#"[1,"a b"]"#));
    assert_eq!(grant.member("none"), None);
    assert_eq!(grant.member("missing"), None);
    assert_eq!(grant.member("empty"), text(""));
    assert_eq!(grant.member("two"), Some(GrantValue::Integer(2)));
    assert_eq!(grant.member("number"), text("12"));
}

#[test]
fn depth_is_no_danger() {
    let nested = |status: &str, levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"status":"{status}","msg":"no","blacklist":9,"x":{open}"]]"{close}}}"#)
    };
    let last = MAX_DEPTH - 1;
    assert_eq!(verdict(&nested("ok", last)), admitted(3600));
    for levels in [last + 1, 20_000] {
        let deep = nested("ok", levels);
        assert_eq!(
            Answer::parse(deep.as_bytes(), None, 60),
            Err(AnswerError::TooDeep)
        );
        // A denial stays one, and scripts need not read it.
        let deep = nested("no", levels);
        let denied = Answer::parse(deep.as_bytes(), None, 60).unwrap();
        for denied in [denied, Answer::denial(403, deep.as_bytes(), 60)] {
            let ban = Some(Ban::Seconds(9));
            assert_eq!(denied.verdict, Verdict::Denied { ban });
            assert_eq!(denied.message.as_deref(), Some("no"));
            assert_eq!(denied.grant.json(), "{}");
            assert_eq!(denied.remark, Some(Remark::TooDeep));
        }
    }
}

#[test]
fn a_string_that_nobody_can_read_is_found_at_any_depth() {
    for readable in [
        r#"{"url":"\ud834\udd1e","n":1e999,"list":["\\",{"\"":"x"}]}"#,
        "[]",
        "1",
    ] {
        assert!(is_readable(readable), "{readable}");
    }
    assert!(!is_readable(r#""\ud800""#));
    assert!(!is_readable(r#"{"url":"x","more":[{"a":"\udd1e"}]}"#));
    assert!(!is_readable(r#"{"\ud800":1}"#));
    let grant = parse(r#"{"status":"ok","hook":{"url":"\ud800"},"other":{"url":"x"}}"#);
    let grant = grant.expect("good JSON").grant;
    assert!(!grant.is_readable("hook") && !grant.is_readable("Hook"));
    assert!(grant.is_readable("other") && grant.is_readable("none"));
}

proptest! {
    #[test]
    fn any_bytes_are_understood_or_refused(body: Vec<u8>) {
        _ = Answer::parse(&body, Some(60), 60);
    }

    #[test]
    fn compacting_changes_no_meaning(members in prop::collection::hash_map(
        "[a-z \\\\\"{},:]{0,8}", "\\PC{0,20}", 0..6,
    )) {
        let value = serde_json::json!({ "status": "ok", "members": members });
        let pretty = serde_json::to_string_pretty(&value).expect("serializable");
        let grant = parse(&pretty).expect("good JSON").grant;
        prop_assert_eq!(grant.json(), serde_json::to_string(&value).expect("serializable"));
    }
}
