//! The line protocol of InfluxDB 1.x.

use std::fmt::Write;

/// The longest value of a tag, in bytes; the rest is cut off. A SID is a UUID of 36.
pub const MOST_TAG: usize = 64;

/// A point with these tags and fields, without its time. Tags and fields without a value are left out. Each field
/// comes with the most bytes of it that are kept.
pub fn point(
    measurement: &str,
    tags: &[(&str, Option<&str>)],
    fields: &[(&str, Option<&str>, usize)],
) -> String {
    let mut out = measurement.to_owned();
    for (name, value) in tags {
        let value = tag(value.unwrap_or_default());
        if !value.is_empty() {
            _ = write!(out, ",{name}={value}");
        }
    }
    let mut separator = ' ';
    for (name, value, most) in fields {
        let value = cut(value.unwrap_or_default(), *most);
        if !value.is_empty() {
            _ = write!(out, "{separator}{name}=\"{}\"", field(value));
            separator = ',';
        }
    }
    out
}

/// The beginning of a text, whole characters of it.
fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// The value of a tag. Line ends can't be in one, and a backslash at its end would escape what follows.
fn tag(value: &str) -> String {
    let value = cut(value, MOST_TAG).trim();
    let value = value.replace(|c: char| c.is_control(), " ");
    let value = value.trim_end_matches('\\');
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        if matches!(character, ',' | '=' | ' ') {
            out.push('\\');
        }
        out.push(character);
    }
    out
}

/// The value of a string field.
fn field(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    for character in value.chars() {
        match character {
            '"' | '\\' => out.extend(['\\', character]),
            character if character.is_control() => out.push(' '),
            character => out.push(character),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_value_ends_it() {
        let tags = [
            ("a", Some("x y,z=1")),
            ("b", Some("line\r\nend\\\\")),
            ("c", Some("")),
            ("d", None),
            ("e", Some("\\")),
        ];
        let fields = [
            ("f", Some("say \"no\" \\ \n,x=1"), 99),
            ("g", None, 99),
            ("h", Some("h\u{e9}h\u{e9}"), 4),
        ];
        assert_eq!(
            point("m", &tags, &fields),
            "m,a=x\\ y\\,z\\=1,b=line\\ \\ end f=\"say \\\"no\\\" \\\\  ,x=1\",h=\"h\u{e9}h\""
        );
    }
}
