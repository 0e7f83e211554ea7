//! Lists of AVPs and their sources, in the syntax of auth_jwt's `load_credentials`, which
//! `load_claims`, `load_grant` and `load_authorization` share: `entry (';' entry)*`, where an entry
//! is `$avp(name)=source`, or `source` for an AVP of the same name.

use super::raw::{ConfigError, Raw};

/// One value to hand to the script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvpSource {
    /// Name of the AVP, as in `$avp(name)`.
    pub avp: String,
    /// Where the value comes from.
    pub source: String,
}

/// What is allowed, for messages.
pub const SYNTAX: &str =
    "a list of column names, each by itself or as $avp(name)=column, separated by ;";

/// Parses a list. `None` if it breaks the syntax.
pub fn parse(list: &str) -> Option<Vec<AvpSource>> {
    let list = list.trim();
    let list = list.strip_suffix(';').unwrap_or(list);
    if list.is_empty() {
        return Some(Vec::new());
    }
    list.split(';').map(parse_one).collect()
}

fn parse_one(text: &str) -> Option<AvpSource> {
    let Some((avp, source)) = text.split_once('=') else {
        let name = Some(text.trim()).filter(|t| !t.is_empty())?;
        return Some(AvpSource {
            avp: name.to_owned(),
            source: name.to_owned(),
        });
    };
    let source = source.trim();
    let avp = name(avp).filter(|_| !source.is_empty())?;
    Some(AvpSource {
        avp: avp.to_owned(),
        source: source.to_owned(),
    })
}

/// The name in `$avp(name)`.
pub fn name(avp: &str) -> Option<&str> {
    let name = avp.trim().strip_prefix("$avp(")?.strip_suffix(')')?.trim();
    Some(name).filter(|name| !name.is_empty() && !name.contains(['$', '(', ')']))
}

/// The name of the AVP that a parameter names, as `$avp(name)`; `None` if it names none.
///
/// # Errors
/// Fails with what is wrong with it.
pub fn one(raw: &Raw, parameter: &str) -> Result<Option<String>, ConfigError> {
    let Some(avp) = raw.text(parameter)? else {
        return Ok(None);
    };
    let avp = name(avp).ok_or_else(|| raw.error(parameter, "an AVP, as $avp(name)"))?;
    Ok(Some(avp.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &str) -> Option<Vec<(String, String)>> {
        parse(list).map(|l| l.into_iter().map(|c| (c.avp, c.source)).collect())
    }

    #[test]
    fn both_forms_and_blanks() {
        assert_eq!(
            pairs(" $avp(extra) = col ; plain;$avp(s:old)=c2; "),
            Some(vec![
                ("extra".into(), "col".into()),
                ("plain".into(), "plain".into()),
                ("s:old".into(), "c2".into())
            ])
        );
        assert_eq!(pairs(""), Some(vec![]));
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in [
            "$avp(a)=",
            "$var(a)=c",
            "$avp()=c",
            "avp(a)=c",
            "a;;b",
            "$avp($var(x))=c",
            "=c",
        ] {
            assert_eq!(pairs(bad), None, "{bad}");
        }
    }
}
