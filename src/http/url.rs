//! The URL of an endpoint.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use zeroize::Zeroizing;

use super::basic::Basic;

/// Why a text is not the URL of an endpoint. The text itself is not repeated, as it may hold a
/// password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not HTTP.
    #[error("the URL of an endpoint must begin with http:// or https://")]
    Scheme,
    /// Not a URL.
    #[error("the URL of an endpoint must be scheme://[user[:password]@]host[:port][/path][?query]")]
    Form,
    /// The userinfo part has a percent sign without two hexadecimal digits, or is not UTF-8.
    #[error("the user and password of a URL must be percent-encoded UTF-8")]
    UserInfo,
}

/// A parsed URL. Its printed form (also in the log) has neither userinfo nor query.
#[derive(Clone, PartialEq, Eq)]
pub struct EndpointUrl {
    /// The URL without userinfo and fragment.
    target: String,
    /// Where the query begins in `target`, including the question mark, or its length.
    query: usize,
    /// The target, parsed once.
    uri: Uri,
    basic: Option<Basic>,
}

impl EndpointUrl {
    /// The request target, with the query but without userinfo.
    pub fn target(&self) -> &str {
        &self.target
    }

    pub(super) fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The target with `query` appended to its own.
    pub fn with_query(&self, query: &str) -> String {
        let target = &self.target;
        match self.target.get(self.query..) {
            None | Some("") => format!("{target}?{query}"),
            Some("?") => format!("{target}{query}"),
            Some(_) => format!("{target}&{query}"),
        }
    }

    /// Whether whatever comes from there is protected from tampering: over TLS, or without leaving
    /// this machine (127.0.0.0/8, `[::1]` and `localhost`).
    pub fn is_protected(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS) || self.is_local()
    }

    /// Whether its host is this machine: 127.0.0.0/8, `[::1]` and `localhost`.
    pub fn is_local(&self) -> bool {
        let host = self.uri.host().unwrap_or_default();
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'))
            .unwrap_or(host);
        bare.eq_ignore_ascii_case("localhost")
            || bare
                .parse::<IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    }

    /// User and password from the userinfo part.
    pub fn basic(&self) -> Option<&Basic> {
        self.basic.as_ref()
    }
}

impl fmt::Display for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.target.get(..self.query).unwrap_or_default())
    }
}

impl fmt::Debug for EndpointUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EndpointUrl({self})")
    }
}

impl FromStr for EndpointUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if scheme != "http" && scheme != "https" {
            return Err(UrlError::Scheme);
        }
        // What some parsers take for a slash would make them see another host than we do.
        if rest.contains(|c: char| c == '\\' || c.is_control() || c.is_whitespace()) {
            return Err(UrlError::Form);
        }
        let rest = rest.split_once('#').map_or(rest, |(rest, _)| rest);
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end).ok_or(UrlError::Form)?;
        // The last one: users write @ in passwords.
        let (userinfo, host) = match authority.rsplit_once('@') {
            Some((userinfo, host)) => (Some(userinfo), host),
            None => (None, authority),
        };
        let slash = if path.starts_with('/') { "" } else { "/" };
        let target = format!("{scheme}://{host}{slash}{path}");
        let uri: Uri = target.parse().map_err(|_| UrlError::Form)?;
        let name = uri
            .host()
            .filter(|name| !name.is_empty())
            .ok_or(UrlError::Form)?;
        let port = host.strip_prefix(name).ok_or(UrlError::Form)?;
        // RFC 3986 section 3.2.3 allows a colon without digits.
        let port = port.strip_prefix(':').unwrap_or(port);
        if !port.is_empty() && !port.parse::<u16>().is_ok_and(|port| port > 0) {
            return Err(UrlError::Form);
        }
        let query = target.find('?').unwrap_or(target.len());
        Ok(EndpointUrl {
            query,
            target,
            uri,
            basic: userinfo.map(basic).transpose()?,
        })
    }
}

fn basic(userinfo: &str) -> Result<Basic, UrlError> {
    let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    Ok(Basic {
        username: decode(username)?,
        password: Zeroizing::new(decode(password)?),
    })
}

fn decode(part: &str) -> Result<String, UrlError> {
    let mut after_percent = part.split('%');
    _ = after_percent.next();
    let encoded =
        |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !after_percent.all(encoded) {
        return Err(UrlError::UserInfo);
    }
    let decoded = percent_decode_str(part)
        .decode_utf8()
        .map_err(|_| UrlError::UserInfo)?;
    if decoded.contains(char::is_control) {
        return Err(UrlError::UserInfo);
    }
    Ok(decoded.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> EndpointUrl {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn userinfo_and_query_are_never_shown() {
        let read = url("HTTPS://us%40er:p%3Ass@Example.org:8443/auth/x?key=secret#frag");
        assert_eq!(read.to_string(), "https://Example.org:8443/auth/x");
        assert_eq!(
            format!("{read:?}"),
            "EndpointUrl(https://Example.org:8443/auth/x)"
        );
        assert_eq!(read.target(), "https://Example.org:8443/auth/x?key=secret");
        let basic = read.basic().expect("userinfo");
        assert_eq!(
            (basic.username.as_str(), basic.password.as_str()),
            ("us@er", "p:ss")
        );
    }

    #[test]
    fn a_query_is_added_to_the_one_that_is_there() {
        assert_eq!(url("http://h").with_query("a=1"), "http://h/?a=1");
        assert_eq!(url("http://h/p?").with_query("a=1"), "http://h/p?a=1");
        assert_eq!(
            url("http://h/p?k=v").with_query("a=1"),
            "http://h/p?k=v&a=1"
        );
        assert_eq!(url("http://h?k=v").with_query("a=1"), "http://h/?k=v&a=1");
    }

    #[test]
    fn odd_but_good_urls() {
        assert_eq!(
            url("http://[::1]:8080/x").to_string(),
            "http://[::1]:8080/x"
        );
        let read = url("http://u:p@w@h/");
        assert_eq!(read.to_string(), "http://h/");
        assert_eq!(
            read.basic().map(|basic| basic.password.as_str()),
            Some("p@w")
        );
        assert_eq!(
            url("http://u@h")
                .basic()
                .map(|basic| basic.password.as_str()),
            Some("")
        );
    }

    #[test]
    fn what_is_no_url_of_an_endpoint() {
        for bad in ["", "example.org", "ftp://h/", "file:///etc", "http:/h"] {
            assert_eq!(bad.parse::<EndpointUrl>(), Err(UrlError::Scheme), "{bad}");
        }
        for bad in [
            "http://",
            "http:///p",
            "http://h:99999/",
            "http://h:0/",
            "http://a b/",
        ] {
            assert_eq!(bad.parse::<EndpointUrl>(), Err(UrlError::Form), "{bad}");
        }
        for bad in [
            "http://u%4:p@h/",
            "http://u:%@h/",
            "http://%ff@h/",
            "http://u:%0a@h/",
        ] {
            assert_eq!(bad.parse::<EndpointUrl>(), Err(UrlError::UserInfo), "{bad}");
        }
    }
}
