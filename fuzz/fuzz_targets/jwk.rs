//! Whatever an identity provider publishes as its keys.
#![no_main]

use auth_web::jwt::key::{Key, KeySet, MAX_SET_SIZE};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    check(data);
    // As a member of a set, next to another one.
    let mut set = br#"{"keys":[{"kty":"unknown"},"#.to_vec();
    set.extend(data);
    set.extend(b"]}");
    check(&set);
});

fn check(json: &[u8]) {
    match KeySet::parse_published(json) {
        Ok(keys) => {
            assert!(!keys.keys().is_empty());
            assert!(keys.keys().len() + keys.skipped().len() <= MAX_SET_SIZE);
            for key in keys.keys() {
                assert!(!key.is_secret(), "what is published is no secret");
                assert!(!key.algorithms().is_empty());
            }
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
    let _ = Key::parse(json);
}
