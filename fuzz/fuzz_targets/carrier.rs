//! jambonz's carriers: rows of its tables, and what a carrier answers to a REGISTER. Fields are separated by NUL: first
//! those of the rows, then answers, each with its code in front.
#![no_main]

use std::time::{Duration, Instant};

use auth_web::fuzzing::{
    Carrier, CarrierRows, Deed, Gateway, Now, Reply, Site, TrunkSettings, Trunks, plans,
};
use libfuzzer_sys::fuzz_target;

/// What no line but that of the credentials may have.
const PASSWORD: &str = "Zq7vXw9KpT";

fuzz_target!(|data: &[u8]| {
    let mut fields = data.split(|byte| *byte == 0);
    let mut text = || String::from_utf8_lossy(fields.next().unwrap_or_default()).into_owned();
    let mut some = || Some(text()).filter(|text| !text.is_empty());
    let carrier = Carrier {
        sid: "c".to_owned(),
        username: some().unwrap_or_default(),
        password: PASSWORD.to_owned().into(),
        realm: some(),
        from_user: some(),
        from_domain: some(),
        proxy: some(),
        account: Some("a".to_owned()),
        is_inbound: true,
        ..Carrier::default()
    };
    let gateway = Gateway {
        sid: some().unwrap_or_default(),
        carrier: "c".to_owned(),
        host: some().unwrap_or_default(),
        protocol: some().unwrap_or_default(),
        port: some().and_then(|port| port.parse().ok()),
        is_sips: data.first().is_some_and(|byte| byte % 2 == 1),
    };
    let rows = CarrierRows {
        carriers: vec![carrier],
        gateways: vec![gateway],
        realms: vec![("a".to_owned(), some().unwrap_or_default())],
        domain: some(),
    };
    let mut now = Now {
        instant: Instant::now(),
        wall: Duration::from_secs(1_700_000_000),
    };
    let mut number = 0;
    let mut next = || {
        number += 1;
        number
    };
    let mut trunks = Trunks::new(TrunkSettings {
        expires: 3600,
        min_expires: 30,
        retry: Duration::from_secs(300),
        timeout: Duration::from_secs(32),
        remove_codes: vec![403],
        remove_after: 2,
    });
    trunks.update(plans(&rows, &Site::default()), now, &mut || "tag".to_owned());
    let mut waiting = None;
    for field in fields.take(16) {
        now.instant += Duration::from_secs(4000);
        let mut deeds = trunks.due(now, 8, &mut next);
        check(&deeds, &mut waiting);
        let (code, rest) = field.split_at_checked(2).unwrap_or((&[0, 0], field));
        let mut lines = rest.split(|byte| *byte == b'\n');
        let mut line = || lines.next().unwrap_or_default().to_vec();
        let reply = Reply {
            number: waiting.unwrap_or(0),
            code: 100 + u16::from_le_bytes([code[0], code[1]]) % 600,
            is_real: true,
            reason: line(),
            source: line(),
            expires: line(),
            min_expires: line(),
            contacts: vec![line(), line()],
            challenges: line(),
        };
        let handed = Reply::decode(&reply.encode()).expect("what was encoded");
        assert!(handed.number == reply.number && handed.code == reply.code);
        deeds = trunks.answered(&handed, now, &mut next);
        check(&deeds, &mut waiting);
        assert!(trunks.list().len() <= 1);
    }
});

/// Nothing that is sent has lines but ours, and nothing that is written has the password.
fn check(deeds: &[Deed], waiting: &mut Option<u64>) {
    for deed in deeds {
        match deed {
            Deed::Send(request) => {
                *waiting = Some(request.number);
                for part in [
                    &request.request_uri,
                    &request.next_hop,
                    &request.from,
                    &request.to,
                    &request.call_id,
                ] {
                    let is_odd = |c: char| c.is_control() || c == ' ' || c == '<' || c == '>';
                    assert!(!part.contains(is_odd), "{part:?}");
                    assert!(!part.contains(PASSWORD));
                }
                for line in request.headers.split_terminator("\r\n") {
                    let name = line.split(':').next().unwrap_or_default();
                    let is_ours = ["Contact", "Expires", "Authorization", "Proxy-Authorization"];
                    assert!(is_ours.contains(&name), "{line:?}");
                    assert!(!line.contains(char::is_control), "{line:?}");
                    assert!(!line.contains(PASSWORD));
                }
            }
            Deed::Tell { status, .. } => {
                assert!(status.len() <= 4096);
                assert!(!status.contains(PASSWORD));
            }
            Deed::Admit { seconds, .. } => assert!(*seconds <= 31_536_000, "{seconds}"),
            _ => {}
        }
    }
}
