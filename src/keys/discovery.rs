//! Where the metadata of an issuer are (OpenID Connect Discovery 1.0 section 4, RFC 8414 section 3).

use std::fmt;

use thiserror::Error;

use crate::http::EndpointUrl;

/// What stands for the tenant in an issuer of Entra ID.
pub const TENANT: &str = "{tenantid}";

/// The tenant whose metadata are those of all tenants.
const ANY_TENANT: &str = "common";

/// An issuer, and where its metadata are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Discovery {
    /// The issuer, a blank, and the URL of its metadata if it is not the well-known one. There is no
    /// blank in a URL, so that this is never the name of a JWK Set.
    name: String,
}

/// Why the metadata of an issuer can't be asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DiscoveryError {
    /// The issuer is not a URL from which that of its metadata follows (RFC 8414 section 2).
    #[error("an issuer whose keys are to be discovered must be https://host[:port][/path]")]
    Issuer,
    /// What stands for a tenant is in its host, or its URL is not one.
    #[error("the URL of an issuer's metadata must be https://host[:port]/path")]
    Url,
    /// What is fetched without protection could be anyone's.
    #[error(
        "the metadata of an issuer must be at https; http only to 127.0.0.0/8, [::1] and localhost"
    )]
    Unprotected,
}

impl Discovery {
    /// The metadata of `issuer`, at `url` or, without it, where it follows from the issuer.
    ///
    /// # Errors
    /// Fails with [`DiscoveryError`] if that can't be a place of metadata.
    pub fn new(issuer: &str, url: Option<&str>) -> Result<Self, DiscoveryError> {
        match url {
            // The issuer itself may have any form.
            Some(_) if !issuer.contains(' ') => {}
            None if is_plain(issuer) && !host(issuer).contains(TENANT) => {}
            _ => return Err(DiscoveryError::Issuer),
        }
        let discovery = Discovery {
            name: format!("{issuer} {}", url.unwrap_or_default()),
        };
        for place in places(issuer, url.unwrap_or_default()) {
            let place: EndpointUrl = place.parse().map_err(|_| DiscoveryError::Url)?;
            if !place.is_protected() {
                return Err(DiscoveryError::Unprotected);
            }
        }
        Ok(discovery)
    }

    /// What [`KeySources`](super::KeySources) knows it by.
    pub fn name(&self) -> &str {
        &self.name
    }
}

/// The URL of the metadata, as it may be logged.
impl fmt::Display for Discovery {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&shown(&self.name).unwrap_or_default())
    }
}

/// Host and port of a URL.
fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or("", |(_, rest)| rest);
    rest.split('/').next().unwrap_or_default()
}

/// Whether a text is a URL that names a host and perhaps a path, and nothing else.
fn is_plain(issuer: &str) -> bool {
    let strange = |byte: u8| !byte.is_ascii_graphic() || b"?#@\\".contains(&byte);
    !issuer.bytes().any(strange)
}

/// Issuer and URL of a name that is not that of a JWK Set.
pub(super) fn parts(name: &str) -> Option<(&str, &str)> {
    name.split_once(' ')
}

/// Where metadata may be, in the order in which that is tried: at `url` if it is not empty, else
/// where OpenID Connect has them, and where RFC 8414 section 3.1 has them.
pub(super) fn places(issuer: &str, url: &str) -> Vec<String> {
    if !url.is_empty() {
        return vec![url.to_owned()];
    }
    let issuer = issuer.replace(TENANT, ANY_TENANT);
    let issuer = issuer.trim_end_matches('/');
    let host = issuer.find("://").map_or(0, |at| at + 3);
    let path = issuer[host..]
        .find('/')
        .map_or(issuer.len(), |at| host + at);
    let (origin, path) = issuer.split_at(path);
    vec![
        format!("{issuer}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

/// The first place of a name's metadata, as it may be logged; `None` if it is the name of a JWK Set.
pub(super) fn shown(name: &str) -> Option<String> {
    let (issuer, url) = parts(name)?;
    let place = places(issuer, url).into_iter().next()?;
    let place = place.parse::<EndpointUrl>();
    Some(place.map_or_else(|_| "a URL".to_owned(), |url| url.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_is_no_host() {
        for issuer in [
            "https://{tenantid}",
            "https://{tenantid}.login.example",
            "https://login.example:{tenantid}/x",
        ] {
            assert_eq!(Discovery::new(issuer, None), Err(DiscoveryError::Issuer));
        }
    }

    #[test]
    fn places_follow_from_the_issuer() {
        for (issuer, openid, oauth) in [
            (
                "https://a.example",
                "https://a.example/.well-known/openid-configuration",
                "https://a.example/.well-known/oauth-authorization-server",
            ),
            (
                "https://a.example:8443/x/y/",
                "https://a.example:8443/x/y/.well-known/openid-configuration",
                "https://a.example:8443/.well-known/oauth-authorization-server/x/y",
            ),
            (
                "https://login.example/{tenantid}/v2.0",
                "https://login.example/common/v2.0/.well-known/openid-configuration",
                "https://login.example/.well-known/oauth-authorization-server/common/v2.0",
            ),
        ] {
            assert_eq!(places(issuer, ""), [openid, oauth], "{issuer}");
            assert_eq!(Discovery::new(issuer, None).unwrap().to_string(), openid);
        }
    }
}
