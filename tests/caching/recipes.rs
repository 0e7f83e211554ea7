//! The manual's settings for identity providers, with keys and tokens of their shape.

use std::path::Path;

use harness::core::Core;
use harness::keys::Key;
use harness::setting::Setting;
use harness::tokens::{now, with_header};
use serde_json::{Value, json};

use super::discovery;
use super::keys::edit;
use super::provider::{Provider, certified, jwk, patient, set, x5c};
use super::running::Running;

/// The parameters of a block with `issuer_url`, with those of another block in its place.
fn by_set(title: &str, number: usize, keys: usize) -> Result<Vec<(String, String)>, String> {
    let mut all = recipe(title, keys)?;
    let whole = recipe(title, number)?;
    let count = whole.len();
    all.extend(whole.into_iter().filter(|(name, _)| name != "issuer_url"));
    match all.iter().any(|(name, _)| name == "jwks_url") && all.len() > count {
        true => Ok(all),
        false => Err(format!(
            "{title}: block {keys} does not take the place of issuer_url"
        )),
    }
}

/// The parameters of one block of a section of the manual.
fn recipe(title: &str, number: usize) -> Result<Vec<(String, String)>, String> {
    let path = harness::root().join("docs/auth_web.md");
    let manual = std::fs::read_to_string(&path).map_err(|e| e.to_string())?;
    let missing = || format!("the manual has no block {number} on {title}");
    let (_, section) = manual
        .split_once(&format!("\n#### {title}\n"))
        .ok_or_else(missing)?;
    let section = section.split("\n#### ").next().unwrap_or(section);
    let block = section
        .split("```opensips\n")
        .nth(number + 1)
        .ok_or_else(missing)?;
    let block = block.split("```").next().unwrap_or(block);
    let line = |line: &str| {
        let inside = line
            .strip_prefix("modparam(\"auth_web\", \"")?
            .strip_suffix("\")")?;
        let (name, value) = inside.split_once("\", \"")?;
        Some((name.to_owned(), value.to_owned()))
    };
    block
        .lines()
        .map(|text| line(text).ok_or_else(|| format!("{title}: {text}")))
        .collect()
}

/// A text in which all that is at some https server is at this one.
fn moved(text: &str, to: &str) -> String {
    const SCHEME: &str = "https://";
    let mut parts = text.split(SCHEME);
    let mut moved = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(['/', '"', ' ', ',']).unwrap_or(part.len());
        moved.push_str(to);
        moved.push_str(&part[end..]);
    }
    moved
}

/// A core with the parameters of a recipe, whose keys are at `keys`. Of one with `issuer_url`, those are the ones that
/// the block behind it names.
fn start(
    setting: &Setting,
    core: &Core,
    (title, number): (&str, usize),
    keys: &str,
    authority: &str,
) -> Result<Running, String> {
    let mut recipe = recipe(title, number)?;
    if recipe.iter().any(|(name, _)| name == "issuer_url") {
        // Cognito's two have one behind both.
        recipe = by_set(title, number, number + 1).or_else(|_| by_set(title, number, 1))?;
    }
    let places = recipe.iter().filter(|(name, _)| name == "jwks_url");
    let schemes: Vec<_> = places.map(|(_, url)| url.split(':').next()).collect();
    if schemes != [keys.split(':').next()] {
        return Err(format!("{title}: its keys are at {schemes:?}"));
    }
    Running::start(setting, core, |script| {
        let script = patient(script)
            .set("http_tls_ca", authority)
            .set("jwks_url", keys);
        let others = recipe.iter().filter(|(name, _)| name != "jwks_url");
        others.fold(script, |script, (name, value)| {
            script.set(name, value.as_str())
        })
    })
}

/// What a recipe is tried with.
struct Trial<'a> {
    recipe: (&'a str, usize),
    header: Value,
    good: Value,
    user: &'a str,
    key: &'a Key,
    /// Changes to the claims after which the token is refused, with the code.
    refused: &'a [(&'a str, Value, i32)],
}

impl Trial<'_> {
    /// With the metadata as the provider publishes them, which are here as all else, and `keys`.
    fn discovered(
        &self,
        (setting, core): (&Setting, &Core),
        file: &str,
        keys: &[Value],
    ) -> Result<(), String> {
        let of = |problem: String| format!("{:?}: {file}: {problem}", self.recipe);
        let path = harness::root().join(format!("tests/discovery/{file}.json"));
        let text = std::fs::read_to_string(&path).map_err(|e| of(e.to_string()))?;
        let provider = Provider::start(&setting.folder(), &[])?;
        let here = provider.at("");
        let page: Value = serde_json::from_str(&moved(&text, &here)).map_err(|e| e.to_string())?;
        let path_of = |name: &str| {
            let url = page[name].as_str().unwrap_or_default();
            let path = url.strip_prefix(&here).unwrap_or_default();
            path.trim_end_matches('/').to_owned()
        };
        let at = path_of("issuer").replace("{tenantid}", "common");
        provider.page(&format!("{at}{}", discovery::OPENID), &page);
        provider.page(&path_of("jwks_uri"), set(keys));
        let (title, number) = self.recipe;
        let recipe = recipe(title, number)?;
        let mut running = Running::start(setting, core, |script| {
            let script = patient(script).set("http_tls_ca", provider.authority());
            recipe.iter().fold(script, |script, (name, value)| {
                let value = match name.as_str() {
                    "issuer_url" => moved(value, &here),
                    _ => value.clone(),
                };
                script.set(name, value.as_str())
            })
        })?;
        let iss = |value: &Value| {
            value
                .as_str()
                .map_or(value.clone(), |s| json!(moved(s, &here)))
        };
        let refused: Vec<_> = self
            .refused
            .iter()
            .map(|(name, value, code)| match *name {
                "iss" => (*name, iss(value), *code),
                _ => (*name, value.clone(), *code),
            })
            .collect();
        Trial {
            recipe: self.recipe,
            header: self.header.clone(),
            good: edit(self.good.clone(), |claims| {
                claims["iss"] = iss(&self.good["iss"])
            }),
            user: self.user,
            key: self.key,
            refused: &refused,
        }
        .run(&mut running)
        .map_err(of)
    }

    fn run(&self, running: &mut Running) -> Result<(), String> {
        let of = |problem: String| format!("{:?}: {problem}", self.recipe);
        let alg = self.header["alg"].as_str().unwrap_or_default();
        let signed = |key: &Key, claims: &Value| {
            with_header(key, alg, &self.header.to_string(), &claims.to_string())
        };
        let token = signed(self.key, &self.good);
        running.everywhere(&token, 1).map_err(of)?;
        let said = running.expect(&token, 1).map_err(of)?;
        said.expect_header("X-User", self.user).map_err(of)?;
        for (name, value, code) in self.refused {
            let changed = edit(self.good.clone(), |claims| match value {
                Value::Null => drop(claims.as_object_mut().and_then(|c| c.remove(*name))),
                value => claims[*name] = value.clone(),
            });
            running
                .expect(&signed(self.key, &changed), *code)
                .map_err(|e| of(format!("{name} {value}: {e}")))?;
        }
        let expired = edit(self.good.clone(), |c| c["exp"] = json!(now() - 1));
        running
            .expect(&signed(self.key, &expired), -3)
            .map_err(of)?;
        let forger = match self.key {
            Key::Rsa(_) => Key::rsa(),
            Key::Ec(_) => Key::p256(),
            Key::Ed(_) => Key::ed25519(),
            Key::Secret(_) => Key::secret(),
        };
        running
            .expect(&signed(&forger, &self.good), -1)
            .map_err(of)?;
        running.instance.check_workers()
    }
}

/// Keycloak, Entra ID, Auth0 and Okta.
pub fn companies(setting: &Setting, core: &Core) -> Result<(), String> {
    let (key, other) = (Key::rsa(), Key::rsa());
    let provider = Provider::start(&setting.folder(), &[])?;
    let start = |recipe| start(setting, core, recipe, &provider.url(), provider.authority());

    const KID: &str = "FJ86GcF3jTbNLOco4NvZkUCIUmfYCqoqtOQeMfbhNlE";
    let keys = [
        certified("Rk5yZG9t", &other, "enc", "RSA-OAEP"),
        certified(KID, &key, "sig", "RS256"),
    ];
    provider.publish(&keys);
    let recipe = ("Keycloak", 0);
    let keycloak = Trial {
        recipe,
        header: json!({ "alg": "RS256", "typ": "JWT", "kid": KID }),
        good: json!({
            "exp": now() + 300, "iat": now(), "auth_time": now() - 5,
            "jti": "onrtac:4a1e8a9d-7b2c-4a7e-9a55-3f4f8f0c2b1d",
            "iss": "https://login.example.org/realms/sip", "aud": ["sip.example.org", "account"],
            "sub": "c0a8e1f2-6b1d-4a53-9a3e-2f1d8a4b7c66", "typ": "Bearer", "azp": "sip.phone",
            "sid": "0f3c9c0e-8f1e-4b44-8a80-5d7a2c3b1e11", "acr": "1",
            "allowed-origins": ["https://phone.example.org"],
            "realm_access": { "roles": ["default-roles-sip", "sip"] },
            "resource_access": { "account": { "roles": ["manage-account"] } },
            "scope": "openid profile email", "email_verified": true,
            "preferred_username": "alice", "email": "alice@example.org",
        }),
        user: "alice",
        key: &key,
        refused: &[
            ("typ", json!("ID"), -5),
            ("aud", json!("account"), -5),
            (
                "realm_access",
                json!({ "roles": ["default-roles-sip"] }),
                -5,
            ),
            ("iss", json!("https://login.example.org/realms/other"), -5),
            ("preferred_username", Value::Null, -5),
        ],
    };
    keycloak.run(&mut start(recipe)?)?;
    keycloak.discovered((setting, core), "keycloak", &keys)?;

    const TENANT: &str = "11111111-2222-3333-4444-555555555555";
    const OTHER: &str = "99999999-8888-7777-6666-555555555555";
    const STRANGER: &str = "00000000-0000-0000-0000-000000000000";
    const APP: &str = "6e74172b-be56-4843-9ff4-e66a39bb12e3";
    let v2 = |tenant: &str| format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let v1 = |tenant: &str| format!("https://sts.windows.net/{tenant}/");
    let kid = "0R8mR-ryABBMnDNI-W-3j5NhmHw";
    let entra = |kid: &str, key: &Key| {
        edit(jwk(kid, key), |jwk| {
            drop(jwk.as_object_mut().and_then(|jwk| jwk.remove("alg")));
            jwk["x5t"] = json!(kid);
            jwk["x5c"] = json!([x5c(key)]);
            jwk["issuer"] = json!("https://login.microsoftonline.com/{tenantid}/v2.0");
        })
    };
    let keys = [
        entra(kid, &key),
        entra("PFPkEj-3fnNIyxuEOkMVpkMjKUU", &other),
    ];
    provider.publish(&keys);
    let of_v2 = |tenant: &str| {
        json!({
            "aud": APP, "iss": v2(tenant), "iat": now(), "nbf": now(), "exp": now() + 3900,
            "aio": "AXQAi/8IAAAA", "azp": APP, "azpacr": "0", "name": "Alice Example",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474",
            "preferred_username": "alice@example.com", "rh": "I", "scp": "access_as_user",
            "sub": "HKZpfaHyWadeOouYlitjrI-KffTm222X5rrV3xDqfKQ", "tid": tenant,
            "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "2.0",
        })
    };
    let of_v1 = |tenant: &str| {
        json!({
            "aud": format!("api://{APP}"), "iss": v1(tenant), "iat": now(), "nbf": now(),
            "exp": now() + 3900, "acr": "1", "aio": "AXQAi/8IAAAA", "amr": ["pwd", "mfa"],
            "appid": APP, "appidacr": "0", "family_name": "Example", "given_name": "Alice",
            "ipaddr": "192.0.2.1", "name": "Alice Example",
            "oid": "690222be-ff1a-4d56-abd1-7e4f7d38e474", "rh": "0.AXQ",
            "scp": "access_as_user", "sub": "HKZpfaHyWadeOouYlitjrI", "tid": tenant,
            "unique_name": "alice@example.com", "upn": "alice@example.com",
            "uti": "fqiBqXLPj0eQa82S-IYFAA", "ver": "1.0",
        })
    };
    let header = json!({ "typ": "JWT", "alg": "RS256", "kid": kid });
    let with_x5t = edit(header.clone(), |header| header["x5t"] = json!(kid));
    let user = "690222be-ff1a-4d56-abd1-7e4f7d38e474";
    let trial = |number, good: Value, refused| Trial {
        recipe: ("Entra ID", number),
        header: if good["ver"] == "1.0" {
            with_x5t.clone()
        } else {
            header.clone()
        },
        good,
        user,
        key: &key,
        refused,
    };
    let graph = json!("00000003-0000-0000-c000-000000000000");
    let refused_v2 = [
        ("iss", json!(v1(TENANT)), -5),
        ("iss", json!(v2(STRANGER)), -5),
        ("aud", graph.clone(), -5),
        ("scp", Value::Null, -5),
        ("nbf", json!(now() + 600), -3),
    ];
    let tenant = trial(0, of_v2(TENANT), &refused_v2);
    tenant.run(&mut start(("Entra ID", 0))?)?;
    tenant.discovered((setting, core), "entra-tenant", &keys)?;
    let refused_v1 = [
        ("iss", json!(v2(TENANT)), -5),
        (
            "iss",
            json!(format!("https://sts.windows.net/{TENANT}")),
            -5,
        ),
        ("iss", json!(v1(STRANGER)), -5),
        ("aud", graph, -5),
    ];
    trial(3, of_v1(TENANT), &refused_v1).run(&mut start(("Entra ID", 3))?)?;
    let several = [
        ("iss", json!(v2(STRANGER)), -5),
        ("iss", json!(v1(STRANGER)), -5),
        ("iss", json!(v1(TENANT)), -5),
        (
            "iss",
            json!("https://login.microsoftonline.com/{tenantid}/v2.0"),
            -5,
        ),
    ];
    let mut running = start(("Entra ID", 4))?;
    for good in [of_v2(TENANT), of_v2(OTHER), of_v1(OTHER)] {
        trial(4, good, &several).run(&mut running)?;
    }
    // The same keys by the metadata of all tenants.
    for tenant in [TENANT, OTHER] {
        let several = trial(2, of_v2(tenant), &several);
        several.discovered((setting, core), "entra-common", &keys)?;
    }

    const AUTH0: &str = "NjVBRjY5MDlCMUIwNzU4RTA2QzZFMDQ4QzQ2MDAyQjVDNjk1RTM2Qg";
    let auth0 = edit(jwk(AUTH0, &key), |jwk| {
        jwk["x5t"] = json!(AUTH0);
        jwk["x5c"] = json!([x5c(&key)]);
    });
    provider.publish(std::slice::from_ref(&auth0));
    let recipe = ("Auth0", 0);
    let trial = Trial {
        recipe,
        header: json!({ "alg": "RS256", "typ": "JWT", "kid": AUTH0 }),
        good: json!({
            "https://example.org/sip_user": "alice", "iss": "https://example.eu.auth0.com/",
            "sub": "auth0|5f7c8ec7c33c6c004bbafe82",
            "aud": ["https://sip.example.org", "https://example.eu.auth0.com/userinfo"],
            "iat": now(), "exp": now() + 86_400, "azp": "my_client_id", "scope": "openid profile",
        }),
        user: "alice",
        key: &key,
        refused: &[
            ("iss", json!("https://example.eu.auth0.com"), -5),
            ("aud", json!("my_client_id"), -5),
            ("https://example.org/sip_user", Value::Null, -5),
        ],
    };
    trial.run(&mut start(recipe)?)?;
    trial.discovered((setting, core), "auth0", &[auth0])?;

    const OKTA: &str = "y3RoS8a3SYpOx9mVxFCZm2CKQzUYOo3Yk0rDZFDhsnk";
    provider.publish(&[jwk(OKTA, &key)]);
    let recipe = ("Okta", 0);
    let trial = Trial {
        recipe,
        header: json!({ "kid": OKTA, "alg": "RS256" }),
        good: json!({
            "ver": 1, "jti": "AT.0mP4JKAZX1iACIT4vbEDF7LpvDVjxypPMf0D7uX39RE",
            "iss": "https://example.okta.com/oauth2/default", "aud": "api://default",
            "iat": now(), "exp": now() + 3600, "cid": "0oa1b2c3d4E5f6G7h8i9",
            "uid": "00ujmkLgagxeRrAg20g3", "scp": ["openid", "sip"], "auth_time": now() - 9,
            "sub": "alice@example.org",
        }),
        user: "alice@example.org",
        key: &key,
        refused: &[
            ("iss", json!("https://example.okta.com"), -5),
            ("aud", json!("https://example.okta.com"), -5),
            ("cid", json!("0oa0000000000000000"), -5),
            ("scp", json!(["openid"]), -5),
        ],
    };
    trial.run(&mut start(recipe)?)?;
    trial.discovered((setting, core), "okta", &[jwk(OKTA, &key)])
}

/// Cognito, Google, Firebase, Laravel Passport and Supabase.
pub fn applications(setting: &Setting, core: &Core) -> Result<(), String> {
    let (key, other) = (Key::rsa(), Key::rsa());
    let provider = Provider::start(&setting.folder(), &[])?;
    let start_at = |recipe, url: &str| start(setting, core, recipe, url, provider.authority());
    let start = |recipe| start_at(recipe, &provider.url());

    const POOL: &str = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI";
    const CLIENT: &str = "1h57kf5cpq17m0eml12example";
    const USER: &str = "c3f49832-60d1-70d5-a2b9-3f0a4c9e7c11";
    let kid = "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG=";
    let keys = [jwk("1234example=", &other), jwk(kid, &key)];
    provider.publish(&keys);
    let header = json!({ "kid": kid, "alg": "RS256" });
    let recipe = ("Amazon Cognito", 0);
    let trial = Trial {
        recipe,
        header: header.clone(),
        good: json!({
            "sub": USER, "device_key": "eu-central-1_11112222-3333-4444-5555-666677778888",
            "cognito:groups": ["phones"], "iss": POOL, "version": 2, "client_id": CLIENT,
            "origin_jti": "0d9f5a7b-1111-2222-3333-444455556666", "token_use": "access",
            "event_id": "f4b5c6d7-1111-2222-3333-444455556666",
            "scope": "aws.cognito.signin.user.admin", "auth_time": now() - 5,
            "exp": now() + 3600, "iat": now(), "jti": "a1b2c3d4-1111-2222-3333-444455556666",
            "username": "alice",
        }),
        user: "alice",
        key: &key,
        refused: &[
            ("token_use", json!("id"), -5),
            ("client_id", json!("another"), -5),
            ("client_id", Value::Null, -5),
            ("iss", json!(POOL.replace("AbCd", "Othe")), -5),
        ],
    };
    trial.run(&mut start(recipe)?)?;
    trial.discovered((setting, core), "cognito", &keys)?;
    let recipe = ("Amazon Cognito", 2);
    let trial = Trial {
        recipe,
        header,
        good: json!({
            "sub": USER, "email_verified": true, "iss": POOL, "cognito:username": "alice",
            "origin_jti": "0d9f5a7b-1111-2222-3333-444455556666", "aud": CLIENT,
            "event_id": "f4b5c6d7-1111-2222-3333-444455556666", "token_use": "id",
            "auth_time": now() - 5, "exp": now() + 3600, "iat": now(), "jti": "a1b2",
            "email": "alice@example.org",
        }),
        user: "alice",
        key: &key,
        refused: &[
            ("token_use", json!("access"), -5),
            ("aud", json!("another"), -5),
            ("aud", Value::Null, -5),
        ],
    };
    trial.run(&mut start(recipe)?)?;
    trial.discovered((setting, core), "cognito", &keys)?;

    const GOOGLE: &str = "d98f49bc6ca4581eae8dfadd494fce10ea23aab0";
    const BEFORE: &str = "89ce3598c473af1bda4bff95e6c8736450206fba";
    let recipe = ("Google", 0);
    let google = Trial {
        recipe,
        header: json!({ "alg": "RS256", "kid": GOOGLE, "typ": "JWT" }),
        good: json!({
            "iss": "https://accounts.google.com", "azp": "407408718192.apps.googleusercontent.com",
            "aud": "407408718192.apps.googleusercontent.com", "sub": "110169484474386276334",
            "hd": "example.org", "email": "alice@example.org", "email_verified": true,
            "at_hash": "HK6E_P6Dh8Y93mRNtsDB1Q", "iat": now(), "exp": now() + 3600,
        }),
        user: "alice@example.org",
        key: &key,
        refused: &[
            ("hd", Value::Null, -5),
            ("email_verified", json!(false), -5),
            ("aud", json!("another.apps.googleusercontent.com"), -5),
            (
                "iss",
                json!("https://securetoken.google.com/example-project"),
                -5,
            ),
        ],
    };
    let published = |kid: &str, key: &Key| edit(jwk(kid, key), |jwk| jwk["use"] = json!("sig"));
    let keys = [published(BEFORE, &other), published(GOOGLE, &key)];
    provider.publish(&keys);
    google.run(&mut start(recipe)?)?;
    google.discovered((setting, core), "google", &keys)?;
    let certificates =
        json!({ BEFORE: other.certificate(), GOOGLE: key.certificate() }).to_string();
    provider.published().body = certificates;
    google.run(&mut start(recipe)?)?;

    let recipe = ("Firebase", 0);
    let trial = Trial {
        recipe,
        header: json!({ "alg": "RS256", "kid": GOOGLE, "typ": "JWT" }),
        good: json!({
            "name": "Alice", "iss": "https://securetoken.google.com/example-project",
            "aud": "example-project", "auth_time": now() - 5,
            "user_id": "ZpfaHyWadeOouYlitjrI1234567a", "sub": "ZpfaHyWadeOouYlitjrI1234567a",
            "iat": now(), "exp": now() + 3600, "email": "alice@example.org",
            "email_verified": false,
            "firebase": {
                "identities": { "email": ["alice@example.org"] }, "sign_in_provider": "password",
            },
        }),
        user: "ZpfaHyWadeOouYlitjrI1234567a",
        key: &key,
        refused: &[
            ("aud", json!("another-project"), -5),
            (
                "iss",
                json!("https://securetoken.google.com/another-project"),
                -5,
            ),
            ("sub", json!(""), -5),
        ],
    };
    trial.run(&mut start(recipe)?)?;
    trial.discovered((setting, core), "firebase", &keys)?;

    let folder = setting.folder();
    std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).map_err(|e| e.to_string())?;
        Ok::<_, String>(format!("file://{}", Path::new(&path).display()))
    };
    let clock = std::time::SystemTime::now().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let clock = clock.map_err(|e| e.to_string())?.as_secs_f64();
    let recipe = ("Laravel Passport", 0);
    Trial {
        recipe,
        header: json!({ "typ": "JWT", "alg": "RS256" }),
        good: json!({
            "aud": "2", "jti": "0a1b", "iat": clock, "nbf": clock, "exp": clock + 3600.0,
            "sub": "3", "scopes": ["sip"],
        }),
        user: "3",
        key: &key,
        refused: &[
            ("aud", json!("3"), -5),
            ("scopes", json!(["*"]), -5),
            ("scopes", json!([]), -5),
            ("nbf", json!(clock + 600.5), -3),
        ],
    }
    .run(&mut start_at(
        recipe,
        &file("oauth-public.key", &key.verifier())?,
    )?)?;

    let (ec, secret) = (Key::p256(), Key::secret());
    let kid = "b3d3f3a2-1111-4222-8333-444455556666";
    let supabase = edit(jwk(kid, &ec), |jwk| {
        jwk["alg"] = json!("ES256");
        jwk["ext"] = json!(true);
        jwk["key_ops"] = json!(["verify"]);
    });
    provider.publish(std::slice::from_ref(&supabase));
    let good = json!({
        "iss": "https://abcdefghijklmnopqrst.supabase.co/auth/v1", "sub": USER,
        "aud": "authenticated", "exp": now() + 3600, "iat": now(), "email": "alice@example.org",
        "phone": "", "app_metadata": { "provider": "email", "providers": ["email"] },
        "user_metadata": { "email_verified": true }, "role": "authenticated", "aal": "aal1",
        "amr": [{ "method": "password", "timestamp": now() - 5 }],
        "session_id": "f4b5c6d7-1111-2222-3333-444455556666", "is_anonymous": false,
    });
    let refused = [
        ("aud", json!("anon"), -5),
        ("role", json!("service_role"), -5),
        ("is_anonymous", json!(true), -5),
        ("iss", json!("supabase"), -5),
    ];
    let trial = |number, header, key| Trial {
        recipe: ("Supabase", number),
        header,
        good: good.clone(),
        user: USER,
        key,
        refused: &refused,
    };
    let by_set = trial(0, json!({ "alg": "ES256", "kid": kid, "typ": "JWT" }), &ec);
    by_set.run(&mut start(("Supabase", 0))?)?;
    by_set.discovered((setting, core), "supabase", &[supabase])?;
    let legacy = json!({ "alg": "HS256", "kid": "dG9rZW4", "typ": "JWT" });
    trial(2, legacy, &secret).run(&mut start_at(
        ("Supabase", 2),
        &file("supabase.secret", &format!("{}\n", secret.verifier()))?,
    )?)
}
