//! What is sent to an endpoint.
//!
//! The members and their order follow jambonz's published example; `headers` is what its current
//! release adds: names in lower case and in their long form (except names that begin with `X-` or
//! `P-`, such as P-Asserted-..., which stay as received), the values of a repeated header joined
//! with a comma.

use std::borrow::Cow;
use std::collections::HashMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Serialize, Serializer};

use super::endpoint::Method;
use crate::digest::Credentials;

/// The longest query of a GET, in bytes. Web servers accept request lines of 8 KiB by default
/// (nginx, Apache httpd), and close the connection on a longer one, which would look like an
/// outage.
pub const MAX_QUERY: usize = 7 * 1024;

/// A query.
#[derive(Debug, Clone)]
pub struct Request {
    /// The SIP method.
    pub method: String,
    /// The requested expiry in seconds: the Contact's parameter, or else the Expires header, if
    /// any.
    pub expires: Option<u32>,
    /// The credentials.
    pub credentials: Credentials,
    /// The source address of the request.
    pub source_address: String,
    /// The source port.
    pub source_port: u16,
    /// All headers of the request, names and values, in order, if they are to be sent.
    pub headers: Option<Vec<(Vec<u8>, Vec<u8>)>>,
    /// Whether they are sent in the query of a GET as well, which makes it long.
    pub headers_in_query: bool,
}

/// A [`Request`] in the form in which it is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// A JSON object, the body of a POST.
    Json(String),
    /// A query, without the question mark, for a GET.
    Query(String),
}

enum Value<'a> {
    Null,
    Number(u32),
    True,
    Text(Cow<'a, str>),
    Headers(Vec<(String, String)>),
}

/// What is not escaped in a query: the unreserved characters of RFC 3986 section 2.3.
const QUERY: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

impl Payload {
    /// The form required by `method`.
    ///
    /// SIP values are UTF-8 by RFC 3261 section 7.3.1; invalid bytes are replaced with U+FFFD, so
    /// that the result is always valid.
    pub fn new(request: &Request, method: Method) -> Payload {
        let members = members(request, method);
        match method {
            Method::Post => Payload::Json(json(&members)),
            Method::Get => Payload::Query(query(&members)),
        }
    }

    /// The body; empty for a GET.
    pub fn body(&self) -> &[u8] {
        match self {
            Payload::Json(json) => json.as_bytes(),
            Payload::Query(_) => b"",
        }
    }
}

fn members(request: &Request, method: Method) -> Vec<(&'static str, Value<'_>)> {
    fn text(bytes: &[u8]) -> Value<'_> {
        Value::Text(String::from_utf8_lossy(bytes))
    }
    fn same(text: &str) -> Value<'_> {
        Value::Text(Cow::Borrowed(text))
    }
    let mut members = vec![
        ("method", same(&request.method)),
        (
            "expires",
            request.expires.map_or(Value::Null, Value::Number),
        ),
    ];
    match &request.credentials {
        Credentials::Digest(digest) => {
            members.extend([
                ("scheme", same("digest")),
                ("username", text(&digest.username)),
                ("realm", text(&digest.realm)),
                ("nonce", text(&digest.nonce)),
                ("uri", text(&digest.uri)),
                ("response", same(&digest.response)),
            ]);
            members.extend(digest.qop.as_deref().map(|qop| ("qop", same(qop))));
            members.extend(digest.nc.as_deref().map(|nc| ("nc", same(nc))));
            members.extend(
                digest
                    .cnonce
                    .as_deref()
                    .map(|cnonce| ("cnonce", text(cnonce))),
            );
            members.push(("algorithm", same(digest.algorithm.name())));
            members.extend(
                digest
                    .opaque
                    .as_deref()
                    .map(|opaque| ("opaque", text(opaque))),
            );
            members.extend(digest.userhash.then_some(("userhash", Value::True)));
        }
        Credentials::Bearer(bearer) => {
            members.extend([("scheme", same("bearer")), ("token", same(&bearer.token))]);
        }
    }
    members.extend([
        ("source_address", same(&request.source_address)),
        ("source_port", Value::Number(u32::from(request.source_port))),
    ]);
    let is_sent = method == Method::Post || request.headers_in_query;
    let headers = request.headers.as_deref().filter(|_| is_sent);
    members.extend(headers.map(|headers| ("headers", Value::Headers(by_name(headers)))));
    members
}

/// One entry per name, in the order of first appearance.
fn by_name(headers: &[(Vec<u8>, Vec<u8>)]) -> Vec<(String, String)> {
    let mut grouped: Vec<(String, String)> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (name, value) in headers {
        let name = header_name(&String::from_utf8_lossy(name));
        let value = String::from_utf8_lossy(value);
        match places.get(&name).and_then(|at| grouped.get_mut(*at)) {
            Some((_, joined)) => {
                joined.push(',');
                joined.push_str(&value);
            }
            None => {
                places.insert(name.clone(), grouped.len());
                grouped.push((name, value.into_owned()));
            }
        }
    }
    grouped
}

fn header_name(name: &str) -> String {
    let own = name.starts_with("X-")
        || (name.starts_with("P-") && !name.starts_with("P-Asserted"))
        || name == "Diversion";
    if own {
        return name.to_owned();
    }
    let name = name.to_ascii_lowercase();
    // The compact forms of the IANA registry of SIP header fields.
    let long = match name.as_str() {
        "a" => "accept-contact",
        "b" => "referred-by",
        "c" => "content-type",
        "d" => "request-disposition",
        "e" => "content-encoding",
        "f" => "from",
        "i" => "call-id",
        "j" => "reject-contact",
        "k" => "supported",
        "l" => "content-length",
        "m" => "contact",
        "n" => "identity-info",
        "o" => "event",
        "r" => "refer-to",
        "s" => "subject",
        "t" => "to",
        "u" => "allow-events",
        "v" => "via",
        "x" => "session-expires",
        "y" => "identity",
        _ => return name,
    };
    long.to_owned()
}

/// In the order of the list, with nothing between the members, as this is what is signed.
struct Object<'a>(&'a [(&'static str, Value<'a>)]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Null => serializer.serialize_none(),
            Value::True => serializer.serialize_bool(true),
            Value::Number(number) => serializer.serialize_u32(*number),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Headers(headers) => {
                serializer.collect_map(headers.iter().map(|(name, value)| (name, value)))
            }
        }
    }
}

fn json(members: &[(&'static str, Value<'_>)]) -> String {
    // Strings and numbers under string names: JSON can represent all of these.
    serde_json::to_string(&Object(members)).unwrap_or_default()
}

/// As jambonz writes it: `null` is an empty value, members of `headers` are `headers[name]`.
fn query(members: &[(&'static str, Value<'_>)]) -> String {
    let mut query = String::with_capacity(512);
    let mut push = |name: &str, value: &str| {
        if !query.is_empty() {
            query.push('&');
        }
        query.extend(utf8_percent_encode(name, QUERY));
        query.push('=');
        query.extend(utf8_percent_encode(value, QUERY));
    };
    for (name, value) in members {
        match value {
            Value::Null => push(name, ""),
            Value::True => push(name, "true"),
            Value::Number(number) => push(name, &number.to_string()),
            Value::Text(text) => push(name, text),
            Value::Headers(headers) => {
                for (header, value) in headers {
                    push(&format!("{name}[{header}]"), value);
                }
            }
        }
    }
    query
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn credentials(value: &[u8]) -> Credentials {
        Credentials::parse(value).expect("good credentials")
    }

    fn published() -> Credentials {
        credentials(
            br#"Digest username="john",realm="jambonz.org",nonce="157590482938000",uri="sip:172.37.0.10:5060",response="be641cf7951ff23ab04c57907d59f37d",qop=auth,nc=00000001,cnonce="6b8b4567",algorithm=MD5"#,
        )
    }

    fn register(credentials: Credentials) -> Request {
        Request {
            method: "REGISTER".to_owned(),
            expires: Some(3600),
            credentials,
            source_address: "172.37.0.9".to_owned(),
            source_port: 5060,
            headers: None,
            headers_in_query: true,
        }
    }

    #[test]
    fn the_published_example_is_sent_byte_by_byte() {
        let payload = Payload::new(&register(published()), Method::Post);
        assert_eq!(
            payload,
            Payload::Json(
                r#"{"method":"REGISTER","expires":3600,"scheme":"digest","username":"john","realm":"jambonz.org","nonce":"157590482938000","uri":"sip:172.37.0.10:5060","response":"be641cf7951ff23ab04c57907d59f37d","qop":"auth","nc":"00000001","cnonce":"6b8b4567","algorithm":"MD5","source_address":"172.37.0.9","source_port":5060}"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn absent_components_are_left_out_and_expires_is_null() {
        let old = credentials(
            br#"Digest username="a", realm="r", nonce="n", uri="sip:r", response="00000000000000000000000000000000", opaque="o", userhash=true"#,
        );
        let request = Request {
            expires: None,
            method: "INVITE".to_owned(),
            ..register(old)
        };
        assert_eq!(
            Payload::new(&request, Method::Post),
            Payload::Json(
                r#"{"method":"INVITE","expires":null,"scheme":"digest","username":"a","realm":"r","nonce":"n","uri":"sip:r","response":"00000000000000000000000000000000","algorithm":"MD5","opaque":"o","userhash":true,"source_address":"172.37.0.9","source_port":5060}"#
                    .to_owned()
            )
        );
        assert_eq!(
            Payload::new(&request, Method::Get),
            Payload::Query(
                "method=INVITE&expires=&scheme=digest&username=a&realm=r&nonce=n&uri=sip%3Ar&\
                 response=00000000000000000000000000000000&algorithm=MD5&opaque=o&userhash=true&\
                 source_address=172.37.0.9&source_port=5060"
                    .to_owned()
            )
        );
    }

    #[test]
    fn a_bearer_token_goes_too() {
        let token = credentials(b"Bearer a+b/c=");
        let payload = Payload::new(&register(token), Method::Post);
        assert_eq!(
            payload,
            Payload::Json(
                r#"{"method":"REGISTER","expires":3600,"scheme":"bearer","token":"a+b/c=","source_address":"172.37.0.9","source_port":5060}"#
                    .to_owned()
            )
        );
    }

    #[test]
    fn headers_are_named_as_jambonz_names_them() {
        let token = credentials(b"Bearer t");
        let header = |name: &str, value: &str| (name.as_bytes().to_vec(), value.into());
        let headers = [
            header("Via", "SIP/2.0/UDP a"),
            header("f", "\"J\" <sip:j@r>"),
            header("v", "SIP/2.0/UDP b"),
            header("X-Custom", "1"),
            header("P-Asserted-Identity", "<sip:j@r>"),
            header("P-Charging-Vector", "2"),
            header("CONTENT-LENGTH", "0"),
        ];
        let request = Request {
            headers: Some(headers.to_vec()),
            ..register(token)
        };
        let Payload::Json(json) = Payload::new(&request, Method::Post) else {
            panic!("not JSON")
        };
        let (_, sent) = json.split_once(r#","headers":"#).expect("headers");
        assert_eq!(
            sent,
            r#"{"via":"SIP/2.0/UDP a,SIP/2.0/UDP b","from":"\"J\" <sip:j@r>","X-Custom":"1","p-asserted-identity":"<sip:j@r>","P-Charging-Vector":"2","content-length":"0"}}"#
        );
        let Payload::Query(query) = Payload::new(&request, Method::Get) else {
            panic!("not it")
        };
        assert!(query.contains("&headers%5Bvia%5D=SIP%2F2.0%2FUDP%20a%2CSIP%2F2.0%2FUDP%20b&"));
        let request = Request {
            headers_in_query: false,
            ..request
        };
        assert_eq!(Payload::new(&request, Method::Post), Payload::Json(json));
        let Payload::Query(query) = Payload::new(&request, Method::Get) else {
            panic!("not it")
        };
        assert!(!query.contains("headers"));
    }

    proptest! {
        #[test]
        fn any_bytes_become_valid_json(user in prop::collection::vec(any::<u8>(), 1..40)) {
            let mut digest = match published() {
                Credentials::Digest(digest) => digest,
                other => panic!("{other:?}"),
            };
            digest.username = user.clone();
            let credentials = Credentials::Digest(digest);
            let headers = [(user.clone(), user.clone())];
            let request = Request { headers: Some(headers.to_vec()), ..register(credentials) };
            let Payload::Json(json) = Payload::new(&request, Method::Post) else {
                panic!("not JSON")
            };
            let read: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
            prop_assert_eq!(&read["username"], &String::from_utf8_lossy(&user).into_owned());
        }
    }
}
