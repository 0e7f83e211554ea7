//! Credentials for the servers of documents, by origin: sent there, and nowhere else.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use thiserror::Error;
use ureq::http::Uri;
use ureq::http::uri::Scheme;
use zeroize::Zeroizing;

use super::basic::Basic;
use super::report::{Report, Reports};
use super::tls::{LOOK_INTERVAL, MAX_PEM};
use super::url::EndpointUrl;
use crate::files::{self, Stamp};

/// Why a text is not an origin with its credentials. It does not repeat the text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OriginError {
    /// Not in the form.
    #[error(
        "must be \"https://host[:port] user:password\" or \"https://host[:port] file:///path\""
    )]
    Form,
    /// Anybody could read the password.
    #[error("is for http, which is allowed only to 127.0.0.0/8, [::1] and localhost")]
    Unprotected,
    /// RFC 7617 section 2.
    #[error("has a control character in user or password")]
    Unsendable,
    /// Another one for the same server.
    #[error("is the second for its server")]
    Twice,
    /// The file can't be used.
    #[error("names the file {}: {cause}", .path.display().to_string().escape_debug())]
    File {
        /// Which one.
        path: PathBuf,
        /// What is wrong with it.
        cause: String,
    },
}

/// Scheme, host and port of a server.
type Origin = (bool, String, u16);

fn origin(uri: &Uri) -> Option<Origin> {
    let is_https = uri.scheme() == Some(&Scheme::HTTPS);
    let port = uri.port_u16().unwrap_or(if is_https { 443 } else { 80 });
    Some((is_https, uri.host()?.to_ascii_lowercase(), port))
}

/// See the [module](self).
#[derive(Default, Clone)]
pub struct Origins(Vec<(Origin, Arc<Source>)>);

enum Source {
    Fixed(Basic),
    File(PasswordFile),
}

struct PasswordFile {
    path: PathBuf,
    state: Mutex<State>,
}

struct State {
    basic: Basic,
    stamp: Stamp,
    looked: Instant,
}

impl Origins {
    /// Adds one: `https://host[:port]`, a blank, and `user:password` or the `file://` URL of a file with that
    /// in its only line, which is read now.
    ///
    /// # Errors
    /// Fails with [`OriginError`].
    pub fn add(&mut self, text: &str) -> Result<(), OriginError> {
        let (server, credentials) = text.trim().split_once(' ').ok_or(OriginError::Form)?;
        let url: EndpointUrl = server.parse().map_err(|_| OriginError::Form)?;
        let uri = url.uri();
        let is_bare = uri.path() == "/" && uri.query().is_none() && !server.contains(['#', '?']);
        if !is_bare || url.basic().is_some() {
            return Err(OriginError::Form);
        }
        if !url.is_protected() {
            return Err(OriginError::Unprotected);
        }
        let origin = origin(uri).ok_or(OriginError::Form)?;
        if self.0.iter().any(|(known, _)| *known == origin) {
            return Err(OriginError::Twice);
        }
        let source = match credentials.strip_prefix("file://") {
            Some(path) if path.starts_with('/') => {
                let path = PathBuf::from(path);
                let stamp = Stamp::at(&path);
                let basic = read(&path).map_err(|cause| OriginError::File {
                    path: path.clone(),
                    cause,
                })?;
                Source::File(PasswordFile {
                    path,
                    state: Mutex::new(State {
                        basic,
                        stamp,
                        looked: Instant::now(),
                    }),
                })
            }
            Some(_) => return Err(OriginError::Form),
            None => Source::Fixed(basic(credentials)?),
        };
        self.0.push((origin, Arc::new(source)));
        Ok(())
    }

    /// What is sent to the server of this URL, if anything. May read a file.
    pub fn basic(&self, url: &EndpointUrl, reports: &Reports) -> Option<Basic> {
        let wanted = origin(url.uri())?;
        let (_, source) = self.0.iter().find(|(origin, _)| *origin == wanted)?;
        match &**source {
            Source::Fixed(basic) => Some(basic.clone()),
            Source::File(file) => Some(file.basic(reports)),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origins = self.0.iter().map(|(origin, _)| origin);
        f.debug_list().entries(origins).finish()
    }
}

fn basic(text: &str) -> Result<Basic, OriginError> {
    let (username, password) = text.split_once(':').ok_or(OriginError::Form)?;
    if username.is_empty() {
        return Err(OriginError::Form);
    }
    let basic = Basic {
        username: username.to_owned(),
        password: Zeroizing::new(password.to_owned()),
    };
    match basic.is_sendable() {
        true => Ok(basic),
        false => Err(OriginError::Unsendable),
    }
}

/// The only line of a file.
fn read(path: &Path) -> Result<Basic, String> {
    let content = files::read(path, MAX_PEM)
        .map_err(|error| error.to_string())?
        .1;
    let text = str::from_utf8(&content).map_err(|_| "it is not UTF-8".to_owned())?;
    let line = text.trim_end_matches(['\r', '\n']);
    basic(line).map_err(|_| "it is not one line with user:password".to_owned())
}

impl PasswordFile {
    fn basic(&self, reports: &Reports) -> Basic {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() < LOOK_INTERVAL {
            return state.basic.clone();
        }
        let stamp = Stamp::at(&self.path);
        state.looked = Instant::now();
        if stamp != state.stamp {
            // Also if it can't be read: it is not tried again before it changes.
            state.stamp = stamp;
            let path = self.path.display().to_string();
            let path = path.escape_debug();
            match read(&self.path) {
                Ok(basic) => {
                    state.basic = basic;
                    reports.push(Report {
                        line: format!("{path}: read again"),
                        is_failure: false,
                    });
                }
                Err(cause) => reports.push(Report {
                    line: format!("{path}: {cause}; what was read before stays in use"),
                    is_failure: true,
                }),
            }
        }
        state.basic.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Result<Origins, OriginError> {
        let mut origins = Origins::default();
        for text in texts {
            origins.add(text)?;
        }
        Ok(origins)
    }

    fn sent(origins: &Origins, url: &str) -> Option<(String, String)> {
        let url = url.parse().expect("a URL");
        let basic = origins.basic(&url, &Reports::default())?;
        Some((basic.username, basic.password.to_string()))
    }

    #[test]
    fn they_are_for_one_server() {
        let origins = of(&[
            "https://idp.example user:pass:word",
            "http://localhost:80 a:b",
        ]);
        let origins = origins.expect("they are good");
        let expected = Some(("user".to_owned(), "pass:word".to_owned()));
        for url in [
            "https://idp.example/certs",
            "https://IDP.example:443/x?y",
            "https://other:x@idp.example/",
        ] {
            assert_eq!(sent(&origins, url), expected, "{url}");
        }
        for url in [
            "http://idp.example/certs",
            "https://idp.example:8443/",
            "https://idp.example.org/",
            "https://sub.idp.example/",
            "https://idp.example./",
            "https://localhost/",
        ] {
            assert_eq!(sent(&origins, url), None, "{url}");
        }
        assert!(!format!("{origins:?}").contains("pass"));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, error) in [
            ("", OriginError::Form),
            ("https://idp.example", OriginError::Form),
            ("https://idp.example user", OriginError::Form),
            ("https://idp.example :pass", OriginError::Form),
            ("https://idp.example/path user:pass", OriginError::Form),
            ("https://u:p@idp.example user:pass", OriginError::Form),
            ("ftp://idp.example user:pass", OriginError::Form),
            ("https://idp.example file://relative", OriginError::Form),
            ("http://idp.example user:pass", OriginError::Unprotected),
            ("https://idp.example user:pa\tss", OriginError::Unsendable),
        ] {
            assert_eq!(of(&[text]).err(), Some(error), "{text}");
        }
        let twice = ["https://idp.example a:b", "https://idp.example:443/ a:c"];
        assert_eq!(of(&twice).err(), Some(OriginError::Twice));
        let missing = of(&["https://idp.example file:///nonexistent/password"]);
        assert!(matches!(missing.err(), Some(OriginError::File { .. })));
    }

    #[test]
    fn a_file_has_one_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("password");
        let text = format!("https://idp.example file://{}", path.display());
        for (content, good) in [
            ("user:pass\n", true),
            ("user:pass", true),
            ("user:pass\r\n", true),
            ("user:pass\nmore", false),
            ("user", false),
            ("", false),
        ] {
            std::fs::write(&path, content).expect("it can be written");
            let found = of(&[&text]);
            assert_eq!(found.is_ok(), good, "{content:?}");
            if let Ok(found) = found {
                let expected = Some(("user".to_owned(), "pass".to_owned()));
                assert_eq!(sent(&found, "https://idp.example/"), expected);
            }
        }
    }
}
