//! Whatever a carrier or another server sends as challenges: values of WWW-Authenticate and
//! Proxy-Authenticate, which are answered.
#![no_main]

use auth_web::fuzzing::{Answering, Credentials, Received};
use libfuzzer_sys::fuzz_target;

/// Nothing that is printed or sent may have it.
const PASSWORD: &[u8] = b"Zq7vXw9KpT";

fuzz_target!(|data: &[u8]| {
    if data.windows(PASSWORD.len()).any(|it| it == PASSWORD) {
        return;
    }
    let offers = match Received::list(data) {
        Ok(offers) => offers,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    assert!(!offers.is_empty());
    for offer in &offers {
        assert!(!offer.text.iter().any(|byte| b"\r\n".contains(byte)));
        match &offer.challenge {
            Ok(challenge) => answer(challenge),
            Err(error) => assert!(!error.to_string().contains(char::is_control)),
        }
    }
    let good = offers
        .iter()
        .filter(|offer| offer.challenge.is_ok())
        .count();
    assert_eq!(Received::strongest(&offers).is_ok(), good > 0);
});

fn answer(challenge: &Received) {
    let request = Answering {
        method: b"REGISTER",
        uri: b"sip:carrier.example",
        body: b"",
    };
    let Ok(value) = challenge.answer(request, b"al\"ice", PASSWORD, "0123456789") else {
        return;
    };
    assert!(!value.windows(PASSWORD.len()).any(|it| it == PASSWORD));
    assert!(!value.iter().any(|byte| b"\r\n\0".contains(byte)));
    // Our own parser reads what was sent: to a server of our kind it says the same.
    // It takes no escapes in a realm.
    let is_escaped = challenge.realm.raw.contains(&b'\\');
    let Ok(Credentials::Digest(digest)) = Credentials::parse(&value) else {
        return;
    };
    if is_escaped {
        return;
    }
    assert_eq!(digest.nonce, challenge.nonce.plain);
    assert_eq!(digest.realm, challenge.realm.plain);
    if !challenge.userhash {
        assert_eq!(digest.username, b"al\"ice");
    }
}
