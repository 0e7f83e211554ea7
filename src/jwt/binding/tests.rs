use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use proptest::prelude::*;

use super::*;
use crate::jwt::testing::claiming;

fn made() -> (String, Vec<u8>) {
    let made = rcgen::generate_simple_self_signed(["h".to_owned()]).expect("a certificate");
    (made.cert.pem(), made.cert.der().to_vec())
}

fn bound(members: &str) -> Binding {
    Binding::of(&claiming(&format!(r#"{{"cnf":{members}}}"#)))
}

#[test]
fn a_certificate_is_read_in_every_form() {
    let (pem, der) = made();
    let (_, other) = made();
    let thumbprint = Thumbprint::of(&der);
    let hex: Vec<String> = thumbprint.0.iter().map(|b| format!("{b:02X}")).collect();
    let base64 = STANDARD.encode(&der);
    let escaped: String = pem
        .bytes()
        .map(|b| match b.is_ascii_alphanumeric() {
            true => char::from(b).to_string(),
            false => format!("%{b:02X}"),
        })
        .collect();
    for text in [
        URL_SAFE_NO_PAD.encode(thumbprint.0),
        hex.join(":"),
        hex.concat().to_lowercase(),
        pem.clone(),
        format!("\r\n{pem}\n{pem}"),
        escaped,
        pem.replace('\n', "%0A").replace('+', "%2B"),
        base64.clone(),
        format!(":{base64}:"),
    ] {
        assert_eq!(
            Thumbprint::parse(text.as_bytes()),
            Some(thumbprint),
            "{text}"
        );
    }
    assert_ne!(Thumbprint::of(&other), thumbprint);
    for bad in [
        String::new(),
        "x".to_owned(),
        "<null>".to_owned(),
        hex[..20].join(":"),
        hex.join("-"),
        URL_SAFE_NO_PAD.encode(&thumbprint.0[..31]),
        pem[..pem.len() / 2].to_owned(),
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned(),
        STANDARD.encode(b"no certificate"),
        base64[..base64.len() - 8].to_owned(),
        format!("{base64}{base64}"),
        "a".repeat(MAX_CERTIFICATE + 1),
    ] {
        assert_eq!(Thumbprint::parse(bad.as_bytes()), None, "{bad}");
    }
}

#[test]
fn what_a_token_is_bound_to_is_read_strictly() {
    let thumbprint = Thumbprint([7; 32]);
    let text = URL_SAFE_NO_PAD.encode(thumbprint.0);
    assert_eq!(Binding::of(&claiming("{}")), Binding::None);
    assert_eq!(bound("{}"), Binding::None);
    assert_eq!(bound(r#"{"kid":"x","x5t#s256":"y"}"#), Binding::None);
    assert_eq!(
        bound(&format!(r#"{{"x5t#S256":"{text}"}}"#)),
        Binding::Certificate(thumbprint)
    );
    for both in [
        r#"{"jkt":"x"}"#.to_owned(),
        r#"{"jkt":null}"#.to_owned(),
        format!(r#"{{"x5t#S256":"{text}","jkt":"x"}}"#),
    ] {
        assert_eq!(bound(&both), Binding::Key, "{both}");
    }
    for bad in [
        "null".to_owned(),
        "[]".to_owned(),
        r#""x""#.to_owned(),
        r#"{"x5t#S256":null}"#.to_owned(),
        r#"{"x5t#S256":7}"#.to_owned(),
        r#"{"x5t#S256":""}"#.to_owned(),
        format!(r#"{{"x5t#S256":"{text}="}}"#),
        format!(r#"{{"x5t#S256":["{text}"]}}"#),
    ] {
        assert_eq!(bound(&bad), Binding::Malformed, "{bad}");
    }
}

#[test]
fn a_bound_token_counts_with_its_certificate_alone() {
    let (pem, der) = made();
    let (other, _) = made();
    let binding = Binding::Certificate(Thumbprint::of(&der));
    for mode in [BoundTokens::Checked, BoundTokens::Required] {
        let check =
            |text: Option<&str>| binding.check(mode, || text.map(|it| it.as_bytes().to_vec()));
        assert_eq!(check(Some(&pem)), Ok(()));
        assert_eq!(check(Some(&other)), Err(BindingError::OtherCertificate));
        assert_eq!(check(Some("")), Err(BindingError::BadCertificate));
        assert_eq!(check(None), Err(BindingError::NoCertificate));
        let with = |binding: Binding| binding.check(mode, || Some(pem.clone().into_bytes()));
        assert_eq!(with(Binding::Key), Err(BindingError::Key));
        assert_eq!(with(Binding::Malformed), Err(BindingError::Malformed));
    }
    let unbound = |mode| Binding::None.check(mode, || unreachable!("it does not matter"));
    assert_eq!(unbound(BoundTokens::Checked), Ok(()));
    assert_eq!(unbound(BoundTokens::Required), Err(BindingError::NotBound));
}

proptest! {
    #[test]
    fn any_text_is_read(text: Vec<u8>) {
        _ = Thumbprint::parse(&text);
    }

    #[test]
    fn a_thumbprint_is_what_was_written(bytes: [u8; 32]) {
        let text = URL_SAFE_NO_PAD.encode(bytes);
        prop_assert_eq!(Thumbprint::parse(text.as_bytes()), Some(Thumbprint(bytes)));
    }
}
