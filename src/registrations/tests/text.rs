//! What needs no Redis: JSON, and what is handed to scripts.

use super::super::entry::GrantError;
use super::*;

#[test]
fn an_entry_has_what_readers_look_for() {
    let john = aor("john@A.example");
    let grant = Grant::parse(
        br#"{"call_hook":"https://a.example/call","call_status_hook":{"url":"x", "n":1e2},
        "allow_direct_app_calling":1,"allow_direct_queue_calling":"true",
        "allow_direct_user_calling":true,"more":[]}"#,
    )
    .unwrap();
    let mut entry = entry(&john, "sip:john@10.0.0.1", &grant);
    entry.private_sbc_address = "10.0.0.9:5060";
    let written = entry.json(NOW);
    assert!(written.contains("{\"url\":\"x\", \"n\":1e2}"), "{written}");
    let read: Value = serde_json::from_str(&written).unwrap();
    let status = json!({"url": "x", "n": 1e2});
    let wanted = json!({
        "expiryTime": NOW + 3_600_000,
        "contact": "sip:john@10.0.0.1",
        "sbcAddress": "192.0.2.1:5060",
        "privateSbcAddress": "10.0.0.9:5060",
        "protocol": "udp",
        "proxy": "sip:198.51.100.7:40000",
        "source": "198.51.100.7:40000",
        "callHook": "https://a.example/call",
        "call_hook": "https://a.example/call",
        "callStatusHook": status,
        "call_status_hook": status,
        "allow_direct_app_calling": true,
        "allow_direct_queue_calling": true,
        "allow_direct_user_calling": true,
    });
    assert_eq!(read, wanted);
}

#[test]
fn a_flag_is_on_as_it_is_in_javascript() {
    let all = Grant::parse(br#"{"allow_direct_app_calling":true}"#);
    for value in [
        "1",
        "2",
        "-1.5",
        "\"true\"",
        "\"1\"",
        "\"false\"",
        "\"0\"",
        "[]",
        "{}",
    ] {
        let text = format!(r#"{{"allow_direct_app_calling":{value}}}"#);
        assert_eq!(Grant::parse(text.as_bytes()), all, "{value}");
        let text = format!(r#"{{"Allow_Direct_App_Calling":{value}}}"#);
        assert_eq!(Grant::parse(text.as_bytes()), all, "{value}");
    }
}

#[test]
fn nothing_granted_is_nothing_allowed() {
    let nothing = Grant::parse(b"").unwrap();
    for text in [
        "{}",
        r#"{"call_hook":null,"allow_direct_app_calling":false}"#,
        r#"{"allow_direct_app_calling":0,"allow_direct_user_calling":""}"#,
        r#"{"allow_direct_app_calling":-0.0,"allow_direct_queue_calling":null}"#,
        r#"{"allow_direct_app_calling":true,"allow_direct_app_calling":0}"#,
    ] {
        assert_eq!(
            Grant::parse(text.as_bytes()).as_ref(),
            Ok(&nothing),
            "{text}"
        );
    }
    let john = aor("john@a.example");
    let json = entry(&john, "sip:1", &nothing).json(NOW);
    assert!(!json.contains("ook"), "{json}");
    for text in ["x", "[]", "1", "null", "{\"a\":1", "{\"a\":1}x"] {
        assert_eq!(
            Grant::parse(text.as_bytes()),
            Err(GrantError::NotAnObject),
            "{text}"
        );
    }
    assert!(Grant::parse(b"{\"call_hook\":\"\xff\"}").is_err());
    let half = br#"{"call_hook":"\ud800"}"#;
    assert_eq!(Grant::parse(half), Err(GrantError::Hook("call_hook")));
}

#[test]
fn members_are_found_by_name() {
    let text = format!(
        r#"{{"expiryTime":{}.5,"s":"a\nb","i":-7,"big":4294967296,"t":true,"o":{{"a": 1}},"n":null,
        "half":"\ud800","s2":"x","s2":"y"}}"#,
        NOW + 5999
    );
    let parse = |now| Registration::parse(text.clone().into_bytes(), now);
    let found = parse(NOW).unwrap();
    assert_eq!((found.left(), found.json()), (5, text.as_str()));
    let is = |name: &str, value: &str| {
        assert_eq!(
            found.member(name),
            Some(MemberValue::Text(value.to_owned()))
        );
    };
    is("s", "a\nb");
    is("s2", "y");
    is("big", "4294967296");
    is("t", "true");
    is("o", "{\"a\": 1}");
    assert_eq!(found.member("i"), Some(MemberValue::Integer(-7)));
    for name in ["n", "half", "S", ""] {
        assert_eq!(found.member(name), None, "{name}");
    }
    assert!(parse(NOW + 5998).is_some() && parse(NOW + 5999).is_none());
    for end in [
        "-1",
        "0",
        "\"9999999999999\"",
        "null",
        "true",
        "10000000000000",
        "1e300",
    ] {
        let text = format!("{{\"expiryTime\":{end}}}");
        assert!(
            Registration::parse(text.into_bytes(), NOW).is_none(),
            "{end}"
        );
    }
    assert!(Registration::parse(b"\xff".to_vec(), NOW).is_none());
}

#[test]
fn an_undo_is_one_line_of_text() {
    let untils = [None, Some(u64::MAX)];
    let entries = [b"".as_slice(), b"\0\r\n/\xff", b"{\"contact\":\"sip:1\"}"];
    let found = untils.into_iter().flat_map(|until| {
        entries.map(|entry| {
            let entry = entry.to_vec();
            Some(Before { entry, until })
        })
    });
    for before in found.chain([None]) {
        for saved_until in [None, Some(NOW)] {
            let undo = Undo {
                order: NOW * 1000,
                saved_until,
                before: before.clone(),
            };
            let text = undo.text();
            assert!(text.bytes().all(|byte| byte.is_ascii_graphic()), "{text}");
            assert_eq!(Undo::parse(text.as_bytes()), Some(undo));
        }
    }
    for text in [
        "",
        "-",
        "1",
        "-/-",
        "1/",
        "1/x",
        "x/1",
        "-1/-",
        "1/-/",
        "1/-/-",
        "-/-/-/",
        "1/-/-/=",
        "1/x/-/",
        "1/-/1.5/",
        "1/-/-/a b",
        "1/-1/-/",
        "1/-/-//",
        "99999999999999999999/-",
    ] {
        assert_eq!(Undo::parse(text.as_bytes()), None, "{text}");
    }
}
