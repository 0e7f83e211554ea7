//! Metadata as the well-known providers publish them.

use super::*;

/// The file, the issuer of tokens, where the metadata are, where they say the keys are, and whether tokens can be
/// asked for.
macro_rules! recorded {
    ($($name:literal: $issuer:literal, $at:literal, $keys:literal, $introspects:literal;)*) => {
        [$((
            $name,
            include_str!(concat!("../../../../tests/discovery/", $name, ".json")),
            $issuer, $at, $keys, $introspects,
        ),)*]
    };
}

#[test]
fn metadata_of_the_well_known_providers_are_read() {
    for (name, text, issuer, at, keys, introspects) in recorded! {
        "apple": "https://appleid.apple.com", "https://appleid.apple.com/.well-known/openid-configuration",
            "https://appleid.apple.com/auth/keys", false;
        "auth0": "https://example.eu.auth0.com/", "https://example.eu.auth0.com/.well-known/openid-configuration",
            "https://example.eu.auth0.com/.well-known/jwks.json", false;
        "cognito": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI",
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/openid-configuration",
            "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_AbCdEfGhI/.well-known/jwks.json", false;
        "entra-common": "https://login.microsoftonline.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/common/v2.0/.well-known/openid-configuration",
            "https://login.microsoftonline.com/common/discovery/v2.0/keys", false;
        "entra-tenant": "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0",
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/v2.0/.well-known/openid-configuration",
            "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/discovery/v2.0/keys", false;
        "firebase": "https://securetoken.google.com/example-project",
            "https://securetoken.google.com/example-project/.well-known/openid-configuration",
            "https://www.googleapis.com/service_accounts/v1/jwk/securetoken@system.gserviceaccount.com", false;
        "gitlab": "https://gitlab.com", "https://gitlab.com/.well-known/openid-configuration",
            "https://gitlab.com/oauth/discovery/keys", true;
        "google": "https://accounts.google.com", "https://accounts.google.com/.well-known/openid-configuration",
            "https://www.googleapis.com/oauth2/v3/certs", false;
        "keycloak": "https://login.example.org/realms/sip",
            "https://login.example.org/realms/sip/.well-known/openid-configuration",
            "https://login.example.org/realms/sip/protocol/openid-connect/certs", true;
        "okta": "https://example.okta.com/oauth2/default",
            "https://example.okta.com/oauth2/default/.well-known/openid-configuration",
            "https://example.okta.com/oauth2/default/v1/keys", true;
        "supabase": "https://abcdefghijklmnopqrst.supabase.co/auth/v1",
            "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/openid-configuration",
            "https://abcdefghijklmnopqrst.supabase.co/auth/v1/.well-known/jwks.json", false;
        "zitadel": "https://example-abc123.zitadel.cloud",
            "https://example-abc123.zitadel.cloud/.well-known/openid-configuration",
            "https://example-abc123.zitadel.cloud/oauth/v2/keys", true;
    } {
        let web = Web::default().with(at, text).with(keys, "the set");
        let discovery = Discovery::new(issuer, None).expect(name);
        let answer = web.get(&discovery).expect(name);
        assert_eq!(web.asked(), [at, keys], "{name}");
        let (metadata, _) = split(discovery.name(), &answer.body);
        let metadata = metadata.expect(name);
        assert_eq!(
            metadata.introspection_endpoint.is_some(),
            introspects,
            "{name}"
        );
        // Of no other issuer.
        let other = Discovery::new("https://other.example", Some(at)).expect(name);
        assert!(web.get(&other).is_err(), "{name}");
    }
}

/// The issuer of its tokens is at another host than its metadata, which name it.
#[test]
fn metadata_of_version_1_of_entra_id_are_where_the_row_says() {
    let issuer = "https://sts.windows.net/11111111-2222-3333-4444-555555555555/";
    let at = "https://login.microsoftonline.com/11111111-2222-3333-4444-555555555555/.well-known/openid-configuration";
    let keys = "https://login.microsoftonline.com/common/discovery/keys";
    let text = include_str!("../../../../tests/discovery/entra-v1.json");
    let web = Web::default().with(at, text).with(keys, "the set");
    let discovery = Discovery::new(issuer, Some(at)).expect("a URL");
    assert!(web.get(&discovery).is_ok());
    assert_eq!(web.asked(), [at, keys]);
}
