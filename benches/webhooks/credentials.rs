//! Digest credentials (RFC 7616) as a phone would send them, computed once: SIPp then only has to
//! send them.

use md5::{Digest, Md5};

use crate::endpoint::{PASSWORD, REALM, USERNAME};

const URI: &str = "sip:example.org";
const NONCE: &str = "157590482938000-c2f0b1a9";
const CNONCE: &str = "6b8b4567";
const NC: &str = "00000001";

/// The value of an Authorization header for a REGISTER.
pub fn authorization() -> String {
    let secret = md5(&format!("{USERNAME}:{REALM}:{PASSWORD}"));
    let request = md5(&format!("REGISTER:{URI}"));
    let response = md5(&format!("{secret}:{NONCE}:{NC}:{CNONCE}:auth:{request}"));
    format!(
        "Digest username=\"{USERNAME}\", realm=\"{REALM}\", nonce=\"{NONCE}\", uri=\"{URI}\", \
         response=\"{response}\", algorithm=MD5, cnonce=\"{CNONCE}\", qop=auth, nc={NC}"
    )
}

fn md5(text: &str) -> String {
    let digest = Md5::digest(text.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}
