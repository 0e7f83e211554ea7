use proptest::prelude::*;
use serde_json::{Map, Number, Value as Other};

use super::*;

/// The same value, as serde_json has it.
fn other(value: &Value) -> Other {
    match value {
        Value::Null => Other::Null,
        Value::Bool(flag) => Other::from(*flag),
        Value::Integer(integer) => Other::from(*integer),
        Value::Number(text) => Other::from(text.parse::<f64>().unwrap()),
        Value::String(text) => Other::from(text.as_str()),
        Value::Array(elements) => elements.iter().map(other).collect(),
        Value::Object(members) => Other::Object(others(members)),
    }
}

fn others(members: &Object) -> Map<String, Other> {
    let member = |(name, value): (&str, &Value)| (name.to_owned(), other(value));
    members.iter().map(member).collect()
}

fn read(text: &[u8]) -> Result<Map<String, Other>, JsonError> {
    parse_object(text).map(|object| others(&object))
}

fn error(text: &str) -> JsonError {
    parse_object(text.as_bytes()).unwrap_err()
}

#[test]
fn objects_with_every_kind_of_value_are_read() {
    let text = " {\"s\":\"a\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00é\",\"i\":-7,\
                \"r\":1.5e1,\"t\":true,\"f\":false,\"n\":null,\"a\":[1,[],{}],\"o\":{\"\":0}}\r\n";
    let object = read(text.as_bytes()).unwrap();
    assert_eq!(object["s"], "a\"\\/\u{8}\u{c}\n\r\té😀é");
    assert_eq!(object["i"], -7);
    assert_eq!(object["r"], 15.0);
    assert!(object["r"].is_f64(), "a real stays a real");
    assert_eq!(object["a"], serde_json::json!([1, [], {}]));
    assert_eq!(object["o"], serde_json::json!({"": 0}));
}

#[test]
fn anything_but_one_object_is_refused() {
    for text in [
        "",
        "null",
        "[]",
        "\"a\"",
        "1",
        "true",
        "[{}]",
        "\u{feff}{}",
        "\0{}",
    ] {
        assert_eq!(error(text), JsonError::NotAnObject, "{text:?}");
    }
    for text in [
        "{}{}",
        "{} x",
        "{}\0",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "{\"a\":1,}",
    ] {
        assert!(matches!(error(text), JsonError::Syntax(_)), "{text:?}");
    }
}

#[test]
fn grammar_is_not_stretched() {
    for value in [
        "01",
        "-",
        "+1",
        "1.",
        ".5",
        "1e",
        "1e+",
        "0x1",
        "NaN",
        "Infinity",
        "-Infinity",
        "tru",
        "True",
        "'a'",
        "[1,]",
        "[,]",
        "[1 2]",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\t\"",
        "\"\u{0}\"",
        "\"a",
        "// c\n1",
        "\"\\ud800\"",
        "\"\\udc00\"",
        "\"\\ud800\\u0041\"",
        "\"\\ud800x\"",
        "\"\\u+123\"",
        "",
    ] {
        let text = format!("{{\"a\":{value}}}");
        assert!(matches!(error(&text), JsonError::Syntax(_)), "{text:?}");
    }
    for text in ["{a:1}", "{\"a\" 1}", "{\"a\":1 \"b\":2}", "{,}", "{1:2}"] {
        assert!(matches!(error(text), JsonError::Syntax(_)), "{text:?}");
    }
}

#[test]
fn bytes_that_are_no_utf8_are_refused() {
    for bytes in [
        &b"{\"a\":\"\xff\"}"[..],
        b"{\"a\":\"\xc0\x80\"}",
        b"{\"a\":\"\xed\xa0\x80\"}",
    ] {
        assert_eq!(parse_object(bytes), Err(JsonError::NotUtf8));
    }
}

#[test]
fn duplicate_members_are_refused_at_any_level_and_however_escaped() {
    for text in [
        r#"{"tag":1,"tag":1}"#,
        r#"{"tag":1,"x":2,"\u0074ag":3}"#,
        r#"{"\u0074ag":1,"t\u0061g":3}"#,
        r#"{"a":{"b":1,"b":2}}"#,
        r#"{"a":[{"b":null,"b":null}]}"#,
        r#"{"":1,"":2}"#,
    ] {
        assert_eq!(error(text), JsonError::DuplicateMember, "{text}");
    }
    assert!(parse_object(br#"{"tag":1,"Tag":2,"tag ":3,"a":{"tag":1}}"#).is_ok());
}

#[test]
fn nesting_is_bounded_at_its_edge() {
    let nested = |levels: usize| {
        format!(
            "{{\"a\":{}{}}}",
            "[".repeat(levels - 1),
            "]".repeat(levels - 1)
        )
    };
    assert!(parse_object(nested(MAX_DEPTH).as_bytes()).is_ok());
    assert_eq!(error(&nested(MAX_DEPTH + 1)), JsonError::TooDeep);
    assert_eq!(error(&nested(1_000_000)), JsonError::TooDeep);
    let objects = "{\"a\":".repeat(100_000);
    assert_eq!(error(&objects), JsonError::TooDeep);
}

#[test]
fn numbers_are_kept_as_they_are_written() {
    let number = |text: &str| {
        let object = parse_object(format!("{{\"n\":{text}}}").as_bytes()).unwrap();
        object.get("n").unwrap().clone()
    };
    assert_eq!(number("9223372036854775807"), Value::Integer(i64::MAX));
    assert_eq!(number("-9223372036854775808"), Value::Integer(i64::MIN));
    assert_eq!(number("-0"), Value::Integer(0));
    for text in [
        "9223372036854775808",
        "-9223372036854775809",
        "1".repeat(400).as_str(),
        "1e400",
        "1E-400",
        "0.10",
        "-0.0",
        "9007199254740993.0",
        "1e+2",
    ] {
        assert_eq!(number(text), Value::Number(text.into()), "{text}");
    }
}

#[test]
fn members_are_found_sorted_and_replaced() {
    let text = br#"{"b":1,"a":2,"a name that is longer than what fits into a short one":3,"":4}"#;
    let mut object = parse_object(text).unwrap();
    let names: Vec<_> = object.iter().map(|(name, _)| name).collect();
    let long = "a name that is longer than what fits into a short one";
    assert_eq!(names, ["", "a", long, "b"]);
    assert_eq!(object.get("a"), Some(&Value::Integer(2)));
    assert_eq!(object.get(""), Some(&Value::Integer(4)));
    assert!(object.get("c").is_none() && !object.contains("c") && object.contains("b"));
    let many: Vec<_> = (0..100).map(|n| format!("\"{n}\":{n}")).collect();
    let many = parse_object(format!("{{{}}}", many.join(",")).as_bytes()).unwrap();
    assert!((0..100).all(|n| many.get(&n.to_string()) == Some(&Value::Integer(n))));
    assert!(many.get("100").is_none() && many.get("").is_none() && !many.contains("x"));
    object.insert("b", Value::Null);
    object.insert("ab", Value::from("new"));
    let names: Vec<_> = object.iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["", "a", long, "ab", "b"]);
    assert_eq!(object.get("b"), Some(&Value::Null));
}

proptest! {
    #[test]
    fn what_serde_json_writes_is_read_the_same(object in json_object()) {
        let text = serde_json::to_vec(&object).unwrap();
        prop_assert_eq!(read(&text), Ok(object));
    }

    #[test]
    fn any_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse_object(&bytes);
    }

    #[test]
    fn what_is_accepted_serde_json_accepts_too(
        text in "\\{\"a\":[-+0-9.eE\\[\\]{}\",:a\\\\u ]{0,12}\\}",
    ) {
        if parse_object(text.as_bytes()).is_ok() {
            let error = serde_json::from_str::<Other>(&text).err();
            let error = error.map(|error| error.to_string());
            // It has no place for some numbers, and says so.
            let is_range = |error: &String| error.starts_with("number out of range");
            prop_assert!(error.as_ref().is_none_or(is_range), "{text}: {error:?}");
        }
    }
}

fn json_object() -> impl Strategy<Value = Map<String, Other>> {
    let leaf = prop_oneof![
        Just(Other::Null),
        any::<bool>().prop_map(Other::from),
        any::<i64>().prop_map(Other::from),
        any::<f64>().prop_filter_map("finite", |real| Number::from_f64(real).map(Other::Number)),
        any::<String>().prop_map(Other::from),
    ];
    let value = leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Other::from),
            proptest::collection::btree_map(any::<String>(), inner, 0..6)
                .prop_map(|members| Other::Object(members.into_iter().collect())),
        ]
    });
    proptest::collection::btree_map(any::<String>(), value, 0..6)
        .prop_map(|members| members.into_iter().collect())
}

#[test]
fn what_a_string_can_not_hold_is_found_wherever_it_is() {
    for length in 0..20 {
        for at in 0..=length {
            for byte in 0..=u8::MAX {
                let mut bytes = vec![b'x'; length];
                bytes.splice(at..at, [byte]);
                let special = matches!(byte, b'"' | b'\\' | 0..0x20);
                let expected = if special { at } else { length + 1 };
                assert_eq!(plain_length(&bytes), expected, "{byte} at {at} of {length}");
            }
        }
    }
}
