//! Parameters for the requirements on tokens.

use std::time::Duration;

use super::avp_list;
use super::introspection::{self, IntrospectionSettings};
use super::issuers::IssuerSettings;
use super::raw::{ConfigError, Raw};
use crate::introspection::IntrospectionRow;
use crate::jwt::algorithm::AlgorithmSet;
use crate::jwt::binding::BoundTokens;
use crate::jwt::path::ClaimPath;
use crate::jwt::rules::{RequiredClaim, Rules};
use crate::jwt::token::Limits;
use crate::jwt::username::Username;
use crate::keys::{KeyReference, SourceConfig};
use crate::store::issuers::Defaults;
use crate::store::revocations::RevocationTable;

/// Which address of record the user of a token stands for (`jwt_aor`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenAor {
    /// It is left to the script.
    Unchecked,
    /// The one that the user names, `user@domain`.
    Whole,
    /// The same; without a domain, that user in each of these domains.
    OfDomains(Vec<String>),
}

/// The requirements on tokens.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// Claim that names the profile (`tag_claim`).
    pub tag_claim: String,
    /// Limits on what is read at all.
    pub limits: Limits,
    /// What is checked once a signature is good.
    pub rules: Rules,
    /// Whether HMAC secrets that are shorter than their hash may be used (`weak_keys`).
    pub weak_keys: bool,
    /// The JWK Set, or the file of keys, of an identity provider (`jwks_url`).
    pub jwks_url: Option<String>,
    /// The issuers that have rules of their own.
    pub issuers: IssuerSettings,
    /// How issuers are asked for tokens.
    pub introspection: IntrospectionSettings,
    /// The claim that is the username of tokens of these (`username_claim`).
    pub username_claim: Username,
    /// Which address of record a token's user stands for (`jwt_aor`).
    pub aor: TokenAor,
    /// How long JWK Sets are kept (`jwks_min_ttl`, `jwks_max_ttl`, `jwks_min_refresh`).
    pub sources: SourceConfig,
    /// Most verified tokens that one process remembers (`token_cache_size`).
    pub cache_size: usize,
    /// Most verified signatures that all processes together remember (`signature_cache_size`).
    pub signature_cache_size: usize,
    /// Most revocations that count at a time (`revocations_max`).
    pub revocations_max: usize,
    /// Audiences of logout tokens, if they are others than those of `audience` (`logout_audience`).
    pub logout_audiences: Vec<String>,
    /// For how many seconds what a logout revokes counts (`logout_expire`); `None` if that is not said.
    pub logout_expire: Option<u64>,
    /// Whether revocations are shared with other machines by Redis (`revocations_cachedb`).
    pub revocations_cachedb: bool,
    /// For how long what is known of them serves while Redis can't be asked (`cache_grace`).
    pub cache_grace: Duration,
    /// The table of revocations.
    pub revocations: RevocationTable,
    /// Whether the script names it, so that it must exist.
    pub revocation_tables_named: bool,
    /// Which tokens are admitted, as to what they are bound to (`bound_tokens`).
    pub bound: BoundTokens,
    /// The AVP in which a script hands over the client's certificate (`client_certificate_avp`).
    pub certificate_avp: Option<String>,
    /// AVPs and the claims that go into them (`load_claims`).
    pub claims: Vec<(String, ClaimPath)>,
}

impl Tokens {
    /// Reads the parameters.
    ///
    /// # Errors
    /// Fails with the first parameter that is wrong.
    pub fn new(raw: &Raw) -> Result<Self, ConfigError> {
        raw.note("algorithms", || AlgorithmSet::ALL.to_string());
        let algorithms = match raw.text("algorithms")? {
            None if raw.has("algorithms") => AlgorithmSet::parse(""),
            None => Ok(AlgorithmSet::ALL),
            Some(list) => AlgorithmSet::parse(list),
        };
        let algorithms = algorithms.map_err(|error| {
            let all = AlgorithmSet::ALL;
            raw.error(
                "algorithms",
                format!("a list of {all}, separated by commas or blanks ({error})"),
            )
        })?;
        let leeway = raw.int("leeway", 0, 0..=86_400, "seconds")?;
        let max_token_size = raw.int("max_token_size", 8192, 256..=65_535, "bytes")?;
        let rules = rules(raw, algorithms, leeway.unsigned_abs())?;
        let username_claim = ClaimPath::parse(raw.text_or("username_claim", "sub")?)
            .map(Username::Claim)
            .map_err(|error| other("username_claim", error.to_string()))?;
        let jwks_url = jwks_url(raw)?;
        let defaults = Defaults {
            rules,
            username: username_claim,
        };
        let asked = introspection::row(raw)?;
        let issuers = IssuerSettings::new(raw, defaults.clone(), &asked)?;
        let conflict = match () {
            () if jwks_url.is_none() => None,
            () if !issuers.fixed.is_empty() => Some("issuer_url"),
            () if issuers.tables_named => Some("issuers_table"),
            () => None,
        };
        if let Some(name) = conflict {
            return Err(other(name, "is not allowed with jwks_url".into()));
        }
        let cache_size = raw.int("token_cache_size", 4096, 0..=1_000_000, "tokens, 0 = off")?;
        let cache_size = usize::try_from(cache_size).unwrap_or(0);
        let own = match issuers.fixed.is_empty() {
            true => asked,
            false => IntrospectionRow::default(),
        };
        let (rules, has_keys) = (&defaults.rules, jwks_url.is_some());
        let introspection = IntrospectionSettings::new(raw, own, rules, has_keys, cache_size)?;
        Ok(Tokens {
            tag_claim: raw.text_or("tag_claim", "tag")?.to_owned(),
            limits: Limits {
                max_token_size: usize::try_from(max_token_size).unwrap_or(8192),
            },
            rules: defaults.rules,
            cache_size,
            signature_cache_size: usize::try_from(raw.int(
                "signature_cache_size",
                100_000,
                0..=10_000_000,
                "signatures, 0 = off",
            )?)
            .unwrap_or(0),
            revocations_max: usize::try_from(raw.int(
                "revocations_max",
                10_000,
                1..=1_000_000,
                "revocations",
            )?)
            .unwrap_or(1),
            logout_audiences: raw.values("logout_audience")?,
            logout_expire: match raw.int(
                "logout_expire",
                0,
                0..=315_360_000,
                "seconds, 0 = not known",
            )? {
                0 => None,
                seconds => Some(seconds.unsigned_abs()),
            },
            revocations_cachedb: raw.flag("revocations_cachedb", false)?,
            cache_grace: super::database::cache(raw)?.grace,
            revocations: RevocationTable {
                table: raw.identifier("revocations_table", "jwt_revocations", true)?,
            },
            revocation_tables_named: raw.has("revocations_table"),
            weak_keys: raw.flag("weak_keys", true)?,
            bound: bound(raw)?,
            certificate_avp: avp_list::one(raw, "client_certificate_avp")?,
            claims: claims(raw)?,
            jwks_url,
            issuers,
            introspection,
            username_claim: defaults.username,
            aor: aor(raw)?,
            sources: sources(raw)?,
        })
    }
}

/// What tokens are checked against.
fn rules(raw: &Raw, algorithms: AlgorithmSet, leeway: u64) -> Result<Rules, ConfigError> {
    Ok(Rules {
        algorithms,
        leeway,
        issuers: raw.values("issuer")?,
        audiences: raw.values("audience")?,
        require_exp: raw.flag("require_exp", false)?,
        required_claims: required_claims(raw)?,
        max_age: match raw.int("max_age", 0, 0..=315_360_000, "seconds, 0 = any")? {
            0 => None,
            age => Some(age.unsigned_abs()),
        },
        token_type: raw.text("token_type")?.map(str::to_owned),
        required_scope: raw.values("required_scope")?,
    })
}

fn aor(raw: &Raw) -> Result<TokenAor, ConfigError> {
    const NAME: &str = "jwt_aor";
    let allowed = || {
        raw.error(
            NAME,
            "\"off\", \"full\", or domains separated by commas or blanks",
        )
    };
    raw.note(NAME, || "off".to_owned());
    let list = raw.values(NAME).map_err(|_| allowed())?;
    let is = |word: &str| list.iter().any(|value| value == word);
    let is_domain = |value: &String| {
        let bytes = value.bytes();
        bytes
            .into_iter()
            .all(|b| b.is_ascii_alphanumeric() || b"-.:[]_".contains(&b))
    };
    match list.len() {
        0 => Ok(TokenAor::Unchecked),
        1 if is("off") => Ok(TokenAor::Unchecked),
        1 if is("full") => Ok(TokenAor::Whole),
        _ if is("off") || is("full") || !list.iter().all(is_domain) => Err(allowed()),
        _ => Ok(TokenAor::OfDomains(list)),
    }
}

fn bound(raw: &Raw) -> Result<BoundTokens, ConfigError> {
    const NAME: &str = "bound_tokens";
    raw.note(NAME, || "checked".to_owned());
    match raw.text(NAME)? {
        None if raw.has(NAME) => Err(raw.error(NAME, BOUND)),
        None | Some("checked") => Ok(BoundTokens::Checked),
        Some("required") => Ok(BoundTokens::Required),
        Some(_) => Err(raw.error(NAME, BOUND)),
    }
}

/// What `bound_tokens` allows.
const BOUND: &str = "\"checked\" or \"required\"";

fn jwks_url(raw: &Raw) -> Result<Option<String>, ConfigError> {
    const NAME: &str = "jwks_url";
    let Some(text) = raw.text(NAME)? else {
        return Ok(None);
    };
    let secret = |cause| ConfigError::Secret {
        name: NAME.into(),
        cause,
    };
    match KeyReference::of(text.as_bytes()) {
        Some(Ok(_)) => Ok(Some(text.to_owned())),
        Some(Err(error)) => Err(secret(error.to_string())),
        None => Err(secret(
            "is not a URL, allowed are https://host[:port]/path and file:///absolute/path".into(),
        )),
    }
}

fn sources(raw: &Raw) -> Result<SourceConfig, ConfigError> {
    let defaults = SourceConfig::default();
    let seconds = |name, default: Duration| {
        let default = i64::try_from(default.as_secs()).unwrap_or(i64::MAX);
        raw.int(name, default, 1..=31_536_000, "seconds")
            .map(|seconds| Duration::from_secs(seconds.unsigned_abs()))
    };
    let min_ttl = seconds("jwks_min_ttl", defaults.min_ttl)?;
    let max_ttl = seconds("jwks_max_ttl", defaults.max_ttl)?;
    if min_ttl > max_ttl {
        return Err(other("jwks_min_ttl", "is more than jwks_max_ttl".into()));
    }
    let min_refresh = seconds("jwks_min_refresh", defaults.min_refresh)?;
    let places = i64::try_from(defaults.places).unwrap_or(i64::MAX);
    let places = raw.int("jwks_cache_size", places, 0..=10_000, "URLs, 0 = none")?;
    let places = usize::try_from(places).unwrap_or(0);
    Ok(SourceConfig {
        places,
        max_sources: defaults.max_sources.max(places),
        min_ttl,
        max_ttl,
        min_refresh,
        named: raw.text("jwks_url")?.map(str::to_owned),
    })
}

/// Claims that a token must have: `name` or `name=value`, separated by `;`, or by setting the
/// parameter more than once.
fn required_claims(raw: &Raw) -> Result<Vec<RequiredClaim>, ConfigError> {
    const NAME: &str = "required_claims";
    let texts = raw.texts(NAME)?;
    let all = texts.join(";");
    if texts.is_empty() {
        return Ok(Vec::new());
    }
    if all.split(';').all(|text| text.trim().is_empty()) {
        return Err(raw.error(NAME, "a list of name or name=value, separated by ;"));
    }
    RequiredClaim::parse_list(&all).map_err(|error| other(NAME, error.to_string()))
}

fn claims(raw: &Raw) -> Result<Vec<(String, ClaimPath)>, ConfigError> {
    const NAME: &str = "load_claims";
    let list = raw.text(NAME)?.unwrap_or("");
    let allowed = "a list of claims, each by itself or as $avp(name)=claim, separated by ;";
    avp_list::parse(list)
        .ok_or_else(|| raw.error(NAME, allowed))?
        .into_iter()
        .map(|c| match ClaimPath::parse(&c.source) {
            Ok(path) => Ok((c.avp, path)),
            Err(error) => Err(other(NAME, error.to_string())),
        })
        .collect()
}

fn other(name: &str, cause: String) -> ConfigError {
    ConfigError::Other {
        name: name.to_owned(),
        cause,
    }
}

#[cfg(test)]
mod tests {
    use super::super::raw::RawValue;
    use super::*;

    fn tokens(values: &[(&str, &str)]) -> Result<Tokens, ConfigError> {
        let mut raw = Raw::default();
        for (name, value) in values {
            raw.push(name, RawValue::Text((*value).to_owned()));
        }
        Tokens::new(&raw)
    }

    #[test]
    fn defaults() {
        let tokens = tokens(&[]).unwrap();
        assert_eq!(tokens.tag_claim, "tag");
        assert_eq!(tokens.limits.max_token_size, 8192);
        assert_eq!(tokens.rules.algorithms, AlgorithmSet::ALL);
        assert_eq!(tokens.rules.leeway, 0);
        assert!(tokens.rules.issuers.is_empty() && tokens.rules.audiences.is_empty());
        assert!(!tokens.rules.require_exp);
    }

    #[test]
    fn one_value_or_several() {
        let tokens = tokens(&[
            ("issuer", "https://a, https://b"),
            ("issuer", "c"),
            ("audience", "x y"),
        ]);
        let rules = tokens.unwrap().rules;
        assert_eq!(rules.issuers, ["https://a", "https://b", "c"]);
        assert_eq!(rules.audiences, ["x", "y"]);
    }

    #[test]
    fn a_token_stands_for_an_address_of_record() {
        let aor = |value: &str| tokens(&[("jwt_aor", value)]).map(|tokens| tokens.aor);
        assert_eq!(tokens(&[]).unwrap().aor, TokenAor::Unchecked);
        assert_eq!(aor("off"), Ok(TokenAor::Unchecked));
        assert_eq!(aor("full"), Ok(TokenAor::Whole));
        let domains = ["a.example", "[2001:db8::1]"].map(str::to_owned).to_vec();
        assert_eq!(
            aor("a.example, [2001:db8::1]"),
            Ok(TokenAor::OfDomains(domains))
        );
        for bad in ["", "full a.example", "off, off", "a@b", "$td"] {
            assert!(aor(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn keys_of_a_provider_are_at_a_url_or_in_a_file() {
        let url = |text: &str| tokens(&[("jwks_url", text)]).map(|tokens| tokens.jwks_url);
        for good in [
            "https://login.example.org/certs",
            "http://127.0.0.1/",
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com",
            "file:///var/www/app/storage/oauth-public.key",
        ] {
            assert_eq!(url(good).unwrap().as_deref(), Some(good));
        }
        for bad in [
            "http://login.example.org/",
            "file://relative",
            "/etc/key.pem",
            "key",
        ] {
            let message = url(bad).unwrap_err().to_string();
            assert!(message.contains("jwks_url"), "{message}");
        }
    }

    #[test]
    fn mistakes_name_parameter_value_and_what_is_allowed() {
        for (name, value, allowed) in [
            ("algorithms", "ES256,none", "HS256, HS384"),
            ("algorithms", "ES256 rs384", "HS256, HS384"),
            ("algorithms", "", "HS256, HS384"),
            ("leeway", "-1", "from 0 to 86400"),
            ("max_token_size", "100000", "from 256 to 65535"),
            ("require_exp", "yes", "0 or 1"),
            ("revocations_max", "0", "from 1 to 1000000"),
            ("issuer", " ", "one value"),
        ] {
            let message = tokens(&[(name, value)]).unwrap_err().to_string();
            let parts = [name, &format!("{value:?}"), allowed];
            assert!(parts.iter().all(|part| message.contains(part)), "{message}");
        }
    }
}
