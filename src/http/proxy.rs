//! The proxy through which connections out are made.

use std::fmt;

use ureq::ProxyProtocol;
use ureq::http::uri::Scheme;

use super::url::EndpointUrl;

/// Why a text does not name a proxy. The text is not repeated, as it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be http://[user[:password]@]host[:port]")]
pub struct ProxyError;

/// An HTTP proxy that is asked, with CONNECT (RFC 9110 section 9.3.6), for a connection to whatever is
/// not on this machine. Never taken from the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    pub(super) proxy: ureq::Proxy,
    /// For messages: without user and password.
    shown: String,
}

impl Proxy {
    /// `http://[user[:password]@]host[:port]`, user and password percent-encoded; the port is 80 if
    /// none is given.
    ///
    /// # Errors
    /// Fails with [`ProxyError`] for anything else.
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let url: EndpointUrl = text.parse().map_err(|_| ProxyError)?;
        let uri = url.uri();
        let is_bare = uri.path() == "/" && uri.query().is_none() && !text.contains(['#', '?']);
        if uri.scheme() != Some(&Scheme::HTTP) || !is_bare {
            return Err(ProxyError);
        }
        let port = uri.port_u16().unwrap_or(80);
        let mut builder = ureq::Proxy::builder(ProxyProtocol::Http)
            .host(uri.host().ok_or(ProxyError)?)
            .port(port);
        if let Some(basic) = url.basic() {
            if !basic.is_sendable() {
                return Err(ProxyError);
            }
            builder = builder.username(&basic.username).password(&basic.password);
        }
        Ok(Proxy {
            proxy: builder.build().map_err(|_| ProxyError)?,
            shown: url.to_string(),
        })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_host_and_port_and_its_password_is_not_shown() {
        let proxy = Proxy::parse("http://u:p%40%3Ass@proxy.example:3128").expect("a proxy");
        assert_eq!(proxy.to_string(), "http://proxy.example:3128/");
        assert_eq!(proxy.proxy.username(), Some("u"));
        assert_eq!(proxy.proxy.password(), Some("p@:ss"));
        assert!(!format!("{proxy:?}").contains("ss@"));
        let bare = Proxy::parse("http://[::1]/").expect("a proxy");
        assert_eq!((bare.proxy.host(), bare.proxy.port()), ("[::1]", 80));
        for bad in [
            "",
            "proxy.example:3128",
            "https://proxy.example",
            "socks5://proxy.example",
            "http://",
            "http://proxy.example/path",
            "http://proxy.example/?q",
            "http://proxy.example?",
            "http://proxy.example/#f",
            "http://u%0a:p@proxy.example",
            "http://u%3Ax:p@proxy.example",
        ] {
            assert_eq!(Proxy::parse(bad), Err(ProxyError), "{bad}");
        }
    }
}
