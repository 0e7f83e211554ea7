//! Registrations at carriers (RFC 3261 section 10.2).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::deed::{Alert, Deed, Event, Outgoing};
use super::plan::{Plan, PlanError};
use super::reply::Reply;
use super::status::{Status, printable, timestamp};
use crate::digest::{Received, Request, cnonce};
use crate::sip::is_same_uri;

/// The longest that is granted: what is more counts as this much, in seconds.
const MAX_EXPIRES: u32 = 604_800;

/// How often a challenge is answered in one go: a second time if only the nonce was too old.
const MAX_CHALLENGES: u8 = 2;

/// What the parameters say.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Seconds that are asked for (`trunk_expires`).
    pub expires: u32,
    /// Less than that is not taken as granted (`trunk_min_expires`).
    pub min_expires: u32,
    /// After a failure it is tried again in this time (`trunk_retry`).
    pub retry: Duration,
    /// After this a request that was not answered is given up (`trunk_timeout`), or once the module tm does so.
    pub timeout: Duration,
    /// Codes of answers that switch a carrier off (`trunk_remove_codes`).
    pub remove_codes: Vec<u16>,
    /// How many of these do so, without a success between them (`trunk_remove_after`).
    pub remove_after: u32,
}

/// All of them.
#[derive(Debug)]
pub struct Registrations {
    settings: Settings,
    trunks: Vec<Trunk>,
    /// Why others are none, by carrier.
    faults: BTreeMap<String, PlanError>,
}

/// One of them.
#[derive(Debug)]
struct Trunk {
    plan: Plan,
    phase: Phase,
    /// The last CSeq that was used.
    cseq: u32,
    from_tag: String,
    /// Seconds that are asked for.
    asked: u32,
    /// How many answers had a code that switches it off, since the last success.
    refusals: u32,
    last: Option<Status>,
}

#[derive(Debug)]
enum Phase {
    /// To be sent then, which is so many seconds since 1970 as well.
    Due(Instant, u64),
    /// On its way.
    Sent {
        number: u64,
        until: Instant,
        attempt: Attempt,
    },
    /// Switched off.
    Off,
}

/// What has been done in one go.
#[derive(Clone, Copy, Debug, Default)]
struct Attempt {
    /// Challenges that were answered.
    challenges: u8,
    /// Whether more seconds are asked for, as the carrier wants it.
    is_longer: bool,
}

impl Phase {
    fn after(time: Duration, now: Now) -> Self {
        Phase::Due(now.instant + time, (now.wall + time).as_secs())
    }
}

/// What there is to know of one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The key of the carrier.
    pub carrier: String,
    /// That of the gateway.
    pub gateway: String,
    /// Whom it is for.
    pub aor: String,
    /// Where it is sent to.
    pub next_hop: String,
    /// `ok` or `fail`, as it was last; `none` if it was not yet.
    pub status: String,
    /// Code and reason of the last answer, or why there is none.
    pub reason: String,
    /// For how long it was granted, in seconds.
    pub expires: u32,
    /// When it is sent again, in UNIX seconds; `None` if it is on its way, or switched off.
    pub next: Option<u64>,
}

/// The time, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// The monotonic one.
    pub instant: Instant,
    /// That of the wall, since 1970.
    pub wall: Duration,
}

impl Registrations {
    /// None yet.
    pub fn new(settings: Settings) -> Self {
        Registrations {
            settings,
            trunks: Vec::new(),
            faults: BTreeMap::new(),
        }
    }

    /// Takes over what is to be registered. What has not changed goes on undisturbed.
    pub fn update(
        &mut self,
        plans: Vec<(String, Result<Plan, PlanError>)>,
        now: Now,
        mut tag: impl FnMut() -> String,
    ) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let mut old = std::mem::take(&mut self.trunks);
        let mut faults = BTreeMap::new();
        for (carrier, plan) in plans {
            match plan {
                Ok(plan) => {
                    let at = old.iter().position(|trunk| trunk.plan == plan);
                    let mut trunk = match at {
                        Some(at) => old.swap_remove(at),
                        None => {
                            // Of one that it replaces, it is still known how often it was refused.
                            let is_place = |trunk: &&Trunk| {
                                trunk.plan.carrier == plan.carrier
                                    && trunk.plan.address == plan.address
                            };
                            let before = old.iter().find(is_place);
                            let (refusals, cseq) =
                                before.map_or((0, 0), |trunk| (trunk.refusals, trunk.cseq));
                            Trunk {
                                phase: Phase::after(Duration::ZERO, now),
                                cseq: cseq.max(first_cseq(now.wall)),
                                from_tag: tag(),
                                asked: self.settings.expires,
                                refusals,
                                last: None,
                                plan,
                            }
                        }
                    };
                    // It was switched off, which has been written, and somebody has switched it on again.
                    if matches!(trunk.phase, Phase::Off) {
                        trunk.phase = Phase::after(Duration::ZERO, now);
                        trunk.refusals = 0;
                    }
                    self.trunks.push(trunk);
                }
                Err(error) => {
                    if self.faults.get(&carrier) != Some(&error) {
                        deeds.push(Deed::Tell {
                            carrier: carrier.clone(),
                            status: Status::unsent(&error.to_string()).json(),
                        });
                    }
                    faults.insert(carrier, error);
                }
            }
        }
        self.faults = faults;
        for gone in old {
            let carrier = gone.plan.carrier;
            if !self
                .trunks
                .iter()
                .any(|trunk| trunk.plan.carrier == carrier)
            {
                deeds.push(Deed::AdmitNothing { carrier });
            }
        }
        deeds
    }

    /// Forgets all, as another machine does it now.
    pub fn stop(&mut self) {
        self.trunks.clear();
        self.faults.clear();
    }

    /// What is due, at most `most` requests. `number` gives each a number.
    pub fn due(&mut self, now: Now, most: usize, mut number: impl FnMut() -> u64) -> Vec<Deed> {
        let mut deeds = Vec::new();
        let late: Vec<u64> = self
            .trunks
            .iter()
            .filter_map(|trunk| match trunk.phase {
                Phase::Sent { number, until, .. } if until <= now.instant => Some(number),
                _ => None,
            })
            .collect();
        for late in late {
            deeds.extend(self.answered(&Reply::none(late), now, &mut number));
        }
        let is_due =
            |trunk: &&mut Trunk| matches!(trunk.phase, Phase::Due(at, _) if at <= now.instant);
        for trunk in self.trunks.iter_mut().filter(is_due).take(most) {
            trunk.asked = self.settings.expires;
            deeds.push(trunk.send(&self.settings, now, number(), Attempt::default(), ""));
        }
        deeds
    }

    /// A request could not be sent.
    pub fn failed(&mut self, number: u64, why: &str, now: Now) -> Vec<Deed> {
        let retry = self.settings.retry;
        let Some(trunk) = self.sent(number) else {
            return Vec::new();
        };
        let status = Status::unsent(why);
        let deed = Deed::Tell {
            carrier: trunk.plan.carrier.clone(),
            status: status.json(),
        };
        trunk.last = Some(status);
        trunk.phase = Phase::after(retry, now);
        vec![deed]
    }

    fn sent(&mut self, wanted: u64) -> Option<&mut Trunk> {
        self.trunks
            .iter_mut()
            .find(|trunk| matches!(trunk.phase, Phase::Sent { number, .. } if number == wanted))
    }

    /// What an answer means. One to what is not waited for any more means nothing.
    pub fn answered(
        &mut self,
        reply: &Reply,
        now: Now,
        mut number: impl FnMut() -> u64,
    ) -> Vec<Deed> {
        let settings = self.settings.clone();
        let Some(trunk) = self.sent(reply.number) else {
            return Vec::new();
        };
        let Phase::Sent { attempt, .. } = trunk.phase else {
            return Vec::new();
        };
        match reply.code {
            0..200 => return Vec::new(),
            200..300 => return trunk.granted(&settings, reply, now),
            401 | 407 => {
                if let Some(header) = trunk.credentials(reply, attempt.challenges) {
                    let attempt = Attempt {
                        challenges: attempt.challenges + 1,
                        ..attempt
                    };
                    return vec![trunk.send(&settings, now, number(), attempt, &header)];
                }
            }
            // RFC 3261 section 10.2.8.
            423 if !attempt.is_longer => {
                let least = seconds(&reply.min_expires);
                let least = least.filter(|least| *least > trunk.asked && *least <= MAX_EXPIRES);
                if let Some(least) = least {
                    trunk.asked = least;
                    let attempt = Attempt {
                        is_longer: true,
                        challenges: 0,
                    };
                    return vec![trunk.send(&settings, now, number(), attempt, "")];
                }
            }
            _ => {}
        }
        trunk.refused(&settings, reply, now)
    }

    /// The state of each.
    pub fn list(&self) -> Vec<State> {
        let state = |trunk: &Trunk| State {
            carrier: trunk.plan.carrier.clone(),
            gateway: trunk.plan.gateway.clone(),
            aor: trunk.plan.from.clone(),
            next_hop: trunk.plan.next_hop.clone(),
            status: trunk
                .last
                .as_ref()
                .map_or("none", |last| last.status)
                .to_owned(),
            reason: trunk
                .last
                .as_ref()
                .map_or_else(String::new, |last| last.reason.clone()),
            expires: trunk
                .last
                .as_ref()
                .and_then(|last| last.expires)
                .unwrap_or(0),
            next: match trunk.phase {
                Phase::Due(_, at) => Some(at),
                Phase::Sent { .. } | Phase::Off => None,
            },
        };
        self.trunks.iter().map(state).collect()
    }
}

/// A CSeq for a Call-ID that is the same again and again, also after a restart, and on another machine: it has to be
/// higher each time (RFC 3261 section 10.2). As many as there were seconds since 2020.
fn first_cseq(wall: Duration) -> u32 {
    const SINCE: u64 = 1_577_836_800;
    // Below 2^31 (RFC 3261 section 8.1.1.5).
    u32::try_from(wall.as_secs().saturating_sub(SINCE) % (1 << 30)).unwrap_or(0)
}

impl Trunk {
    fn send(
        &mut self,
        settings: &Settings,
        now: Now,
        number: u64,
        attempt: Attempt,
        credentials: &str,
    ) -> Deed {
        self.cseq = (self.cseq + 1).max(first_cseq(now.wall));
        self.phase = Phase::Sent {
            number,
            until: now.instant + settings.timeout,
            attempt,
        };
        let (contact, asked) = (&self.plan.contact, self.asked);
        Deed::Send(Box::new(Outgoing {
            number,
            method: "REGISTER",
            request_uri: self.plan.request_uri.clone(),
            next_hop: self.plan.next_hop.clone(),
            from: self.plan.from.clone(),
            to: self.plan.from.clone(),
            call_id: self.plan.gateway.clone(),
            from_tag: self.from_tag.clone(),
            cseq: self.cseq,
            headers: format!(
                "Contact: <{contact}>;expires={asked}\r\nExpires: {asked}\r\n{credentials}"
            ),
        }))
    }

    /// The header that answers a challenge; `None` if there is no more to say.
    fn credentials(&self, reply: &Reply, challenges: u8) -> Option<String> {
        let offers = Received::list(&reply.challenges).ok()?;
        let (_, challenge) = Received::strongest(&offers).ok()?;
        if challenges >= MAX_CHALLENGES || (challenges > 0 && !challenge.stale) {
            return None;
        }
        let request = Request {
            method: b"REGISTER",
            uri: self.plan.request_uri.as_bytes(),
            body: b"",
        };
        let (username, password) = (self.plan.username.as_bytes(), self.plan.password.as_bytes());
        let value = challenge
            .answer(request, username, password, &cnonce().ok()?)
            .ok()?;
        let value = String::from_utf8(value).ok()?;
        let name = match reply.code {
            407 => "Proxy-Authorization",
            _ => "Authorization",
        };
        let is_line = !value.contains(['\r', '\n', '\0']);
        is_line.then(|| format!("{name}: {value}\r\n"))
    }

    fn granted(&mut self, settings: &Settings, reply: &Reply, now: Now) -> Vec<Deed> {
        let expires = self.expires(reply).unwrap_or(self.asked);
        let expires = expires.clamp(settings.min_expires, MAX_EXPIRES.max(settings.min_expires));
        self.refusals = 0;
        self.phase = Phase::after(Duration::from_secs(expires.into()) / 2, now);
        let mut deeds = vec![self.tell("ok", reply, expires, now)];
        if self.plan.is_inbound {
            deeds.push(self.admit(reply, expires));
        }
        deeds
    }

    /// For how long it was granted: what our contact says, else the first one, else Expires.
    fn expires(&self, reply: &Reply) -> Option<u32> {
        let values = reply.contacts.iter().flat_map(|value| contacts(value));
        let contacts: Vec<_> = values.filter_map(parameters).collect();
        let is_ours = |(uri, _): &&(&str, Option<u32>)| is_same_uri(uri, &self.plan.contact);
        let ours = contacts.iter().find(is_ours).or(contacts.first());
        let ours = ours.and_then(|(_, expires)| *expires);
        ours.or_else(|| seconds(&reply.expires))
    }

    fn refused(&mut self, settings: &Settings, reply: &Reply, now: Now) -> Vec<Deed> {
        self.phase = Phase::after(settings.retry, now);
        let mut deeds = vec![self.tell("fail", reply, 0, now)];
        // Without an answer, it may still be registered.
        if self.plan.is_inbound && reply.is_real {
            deeds.push(self.admit(reply, 0));
        }
        if settings.remove_codes.contains(&reply.code) {
            self.refusals += 1;
            if self.refusals >= settings.remove_after {
                self.phase = Phase::Off;
                let carrier = self.plan.carrier.clone();
                deeds.push(Deed::AdmitNothing {
                    carrier: carrier.clone(),
                });
                deeds.push(Deed::SwitchOff { carrier });
            }
        }
        deeds
    }

    fn admit(&self, reply: &Reply, seconds: u32) -> Deed {
        let source = String::from_utf8(reply.source.clone()).ok();
        Deed::Admit {
            carrier: self.plan.carrier.clone(),
            host: self.plan.address.host.clone(),
            source: source.filter(|source| !self.plan.by_proxy && !source.is_empty()),
            seconds,
        }
    }

    fn tell(&mut self, status: &'static str, reply: &Reply, expires: u32, now: Now) -> Deed {
        let status = Status {
            status,
            reason: printable(&[format!("{} ", reply.code).as_bytes(), &reply.reason[..]].concat()),
            cseq: Some(format!("{} REGISTER", self.cseq)),
            call_id: Some(self.plan.gateway.clone()),
            timestamp: Some(timestamp(now.wall)),
            expires: Some(expires),
        };
        let deed = Deed::Tell {
            carrier: self.plan.carrier.clone(),
            status: status.json(),
        };
        self.last = Some(status);
        deed
    }
}

/// What is told when a carrier was switched off.
pub fn switched_off(carrier: &str) -> Alert {
    Alert {
        carrier: carrier.to_owned(),
        what: Event::SwitchedOff,
    }
}

/// Seconds (RFC 3261 section 25.1); what is too much is the most.
fn seconds(text: &[u8]) -> Option<u32> {
    let text = text.trim_ascii();
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let number = text.iter().fold(0u64, |sum, digit| {
        (sum * 10 + u64::from(digit - b'0')).min(u64::from(u32::MAX))
    });
    u32::try_from(number).ok()
}

/// The entries of a Contact, which is a list.
fn contacts(value: &[u8]) -> Vec<&[u8]> {
    let (mut entries, mut from) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped, mut is_uri) = (false, false, false);
    for (at, byte) in value.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' if !is_uri => is_quoted = !is_quoted,
            b'<' if !is_quoted => is_uri = true,
            b'>' if !is_quoted => is_uri = false,
            b',' if !is_quoted && !is_uri => {
                entries.push(&value[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    entries.push(&value[from..]);
    entries
}

/// The URI of an entry of Contact, and its `expires`.
fn parameters(entry: &[u8]) -> Option<(&str, Option<u32>)> {
    let entry = str::from_utf8(entry).ok()?.trim();
    let entry = match entry.starts_with('"') {
        // A display name may have brackets in it.
        true => {
            entry
                .rsplit_once('"')
                .filter(|(_, rest)| rest.contains('<'))?
                .1
        }
        false => entry,
    };
    let (uri, rest) = match entry.find('<') {
        Some(at) => entry[at + 1..].split_once('>')?,
        // Without brackets, all parameters are of the header (RFC 3261 section 20.10).
        None => match entry.find(';') {
            Some(at) => entry.split_at(at),
            None => (entry, ""),
        },
    };
    let expires = rest.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let is_expires = name.trim().eq_ignore_ascii_case("expires");
        is_expires.then(|| seconds(value.trim().trim_matches('"').as_bytes()))
    });
    Some((uri.trim(), expires.flatten()))
}

#[cfg(test)]
mod tests {
    use zeroize::Zeroizing;

    use super::*;
    use crate::sip::HostPortBuf;

    const CHALLENGE: &[u8] = b"Digest realm=\"r\", nonce=\"n\", qop=\"auth\"";

    fn plan() -> Plan {
        Plan {
            carrier: "c".to_owned(),
            gateway: "g".to_owned(),
            address: HostPortBuf::parse("192.0.2.1:5060").unwrap(),
            request_uri: "sip:r.example".to_owned(),
            next_hop: "sip:192.0.2.1:5060;transport=udp".to_owned(),
            by_proxy: false,
            from: "sip:u@r.example".to_owned(),
            contact: "sip:u@a.example;transport=udp".to_owned(),
            username: "u".to_owned(),
            password: Zeroizing::new("p4ssw0rd".to_owned()),
            is_inbound: true,
        }
    }

    /// One registration, its clock, and numbers.
    struct Bench {
        all: Registrations,
        now: Now,
        number: u64,
    }

    impl Bench {
        fn new() -> Self {
            let settings = Settings {
                expires: 3600,
                min_expires: 30,
                retry: Duration::from_secs(300),
                timeout: Duration::from_secs(32),
                remove_codes: vec![403, 404],
                remove_after: 3,
            };
            Bench {
                all: Registrations::new(settings),
                now: Now {
                    instant: Instant::now(),
                    wall: Duration::from_secs(1_800_000_000),
                },
                number: 0,
            }
        }

        fn with(plan: Plan) -> Self {
            let mut bench = Bench::new();
            bench.update(vec![plan]);
            bench
        }

        fn update(&mut self, plans: Vec<Plan>) -> Vec<Deed> {
            let plans = plans
                .into_iter()
                .map(|plan| (plan.carrier.clone(), Ok(plan)));
            self.all
                .update(plans.collect(), self.now, || "tag".to_owned())
        }

        fn due(&mut self) -> Vec<Deed> {
            let number = &mut self.number;
            self.all.due(self.now, 10, || {
                *number += 1;
                *number
            })
        }

        fn sent(&mut self) -> Outgoing {
            sent(&self.due()).expect("a request is due")
        }

        fn answer(&mut self, reply: Reply) -> Vec<Deed> {
            let number = &mut self.number;
            let reply = Reply {
                number: *number,
                is_real: true,
                source: b"192.0.2.1".to_vec(),
                ..reply
            };
            self.all.answered(&reply, self.now, || {
                *number += 1;
                *number
            })
        }

        fn pass(&mut self, seconds: u64) {
            self.now.instant += Duration::from_secs(seconds);
            self.now.wall += Duration::from_secs(seconds);
        }
    }

    fn sent(deeds: &[Deed]) -> Option<Outgoing> {
        deeds.iter().find_map(|deed| match deed {
            Deed::Send(outgoing) => Some((**outgoing).clone()),
            _ => None,
        })
    }

    fn reply(code: u16, reason: &str) -> Reply {
        Reply {
            code,
            reason: reason.as_bytes().to_vec(),
            ..Reply::default()
        }
    }

    fn status(deeds: &[Deed]) -> &str {
        deeds
            .iter()
            .find_map(|deed| match deed {
                Deed::Tell { status, .. } => Some(status.as_str()),
                _ => None,
            })
            .expect("a status")
    }

    fn challenged(code: u16) -> Reply {
        Reply {
            challenges: CHALLENGE.to_vec(),
            ..reply(code, "Unauthorized")
        }
    }

    #[test]
    fn a_challenge_is_answered_and_half_of_what_is_granted_is_waited() {
        let mut bench = Bench::with(plan());
        let first = bench.sent();
        assert_eq!((first.method, &*first.call_id), ("REGISTER", "g"));
        assert_eq!(
            first.headers,
            "Contact: <sip:u@a.example;transport=udp>;expires=3600\r\nExpires: 3600\r\n"
        );
        let second = sent(&bench.answer(challenged(401))).expect("credentials");
        assert!(
            second
                .headers
                .contains("\r\nAuthorization: Digest username=\"u\"")
        );
        assert!(!second.headers.contains("p4ssw0rd"));
        assert_eq!(
            (second.cseq, &second.from_tag),
            (first.cseq + 1, &first.from_tag)
        );
        let deeds = bench.answer(Reply {
            contacts: vec![b"<sip:u@a.example;transport=udp>;expires=600".to_vec()],
            ..reply(200, "OK")
        });
        assert!(
            status(&deeds).starts_with(r#"{"status":"ok","reason":"200 OK","cseq":""#)
                && status(&deeds).ends_with(r#""expires":600}"#),
            "{deeds:?}"
        );
        let admitted = Deed::Admit {
            carrier: "c".to_owned(),
            host: "192.0.2.1".to_owned(),
            source: Some("192.0.2.1".to_owned()),
            seconds: 600,
        };
        assert!(deeds.contains(&admitted), "{deeds:?}");
        bench.pass(299);
        assert!(bench.due().is_empty());
        bench.pass(1);
        assert!(bench.sent().cseq > second.cseq);
    }

    #[test]
    fn a_wrong_password_is_tried_once() {
        let mut bench = Bench::with(plan());
        bench.sent();
        let second = sent(&bench.answer(challenged(407))).expect("credentials");
        assert!(second.headers.contains("\r\nProxy-Authorization: Digest "));
        let deeds = bench.answer(challenged(407));
        assert!(sent(&deeds).is_none());
        assert!(
            status(&deeds).contains(r#""reason":"407 Unauthorized""#),
            "{deeds:?}"
        );
        assert!(status(&deeds).ends_with(r#""expires":0}"#), "{deeds:?}");
        bench.pass(299);
        assert!(bench.due().is_empty());
        bench.pass(1);
        bench.sent();
        // Only the nonce was too old.
        let stale = Reply {
            challenges: [CHALLENGE, b", stale=true"].concat(),
            ..reply(401, "Unauthorized")
        };
        for is_answered in [true, true, false, false] {
            assert_eq!(sent(&bench.answer(stale.clone())).is_some(), is_answered);
        }
    }

    #[test]
    fn what_is_granted_is_read_where_it_stands() {
        let granted = |expires: &str, contacts: &[&str]| {
            let mut bench = Bench::with(plan());
            bench.sent();
            let deeds = bench.answer(Reply {
                expires: expires.as_bytes().to_vec(),
                contacts: contacts
                    .iter()
                    .map(|value| value.as_bytes().to_vec())
                    .collect(),
                ..reply(200, "OK")
            });
            let text = status(&deeds).rsplit_once(':').unwrap().1;
            text.trim_end_matches('}').parse::<u32>().unwrap()
        };
        let ours = "<sip:u@a.example;transport=udp>;expires=120";
        assert_eq!(granted("", &[]), 3600);
        assert_eq!(granted("900", &[]), 900);
        assert_eq!(granted("900", &[ours]), 120);
        assert_eq!(granted("900", &["<sip:x@y>;expires=60", ours]), 120);
        assert_eq!(
            granted(
                "",
                &["\"a, <b>\" <sip:x@y>;expires=60, <sip:u@a.example;transport=udp>;expires=90"]
            ),
            90
        );
        assert_eq!(granted("900", &["<sip:x@y>;q=1;Expires=60"]), 60);
        assert_eq!(granted("900", &["sip:x@y;expires=61"]), 61);
        assert_eq!(granted("900", &["<sip:x@y>"]), 900);
        assert_eq!(granted("5", &[]), 30);
        assert_eq!(granted("99999999999999999999", &[]), MAX_EXPIRES);
        assert_eq!(granted("x", &["<", "\"", "<sip:x@y>;expires=-1"]), 3600);
    }

    #[test]
    fn codes_of_a_refusal_switch_it_off() {
        let mut bench = Bench::with(plan());
        for is_last in [false, false, true] {
            bench.sent();
            let deeds = bench.answer(reply(403, "Forbidden"));
            let off = Deed::SwitchOff {
                carrier: "c".to_owned(),
            };
            assert_eq!(deeds.contains(&off), is_last, "{deeds:?}");
            bench.pass(300);
        }
        assert!(bench.due().is_empty());
        // Somebody switches it on again.
        bench.update(vec![plan()]);
        bench.sent();
        bench.answer(reply(200, "OK"));
        bench.pass(1800);
        bench.sent();
        let deeds = bench.answer(reply(500, "Oops\r\n\u{e9}"));
        assert!(status(&deeds).contains(r#""500 Oops????""#), "{deeds:?}");
    }

    #[test]
    fn what_has_not_changed_goes_on_and_what_is_gone_admits_nothing() {
        let mut bench = Bench::with(plan());
        bench.sent();
        assert!(bench.update(vec![plan()]).is_empty());
        assert!(bench.due().is_empty(), "it is on its way");
        bench.answer(reply(200, "OK"));
        let other = Plan {
            password: Zeroizing::new("another".to_owned()),
            ..plan()
        };
        let before = bench.number;
        assert!(bench.update(vec![other.clone()]).is_empty());
        let again = bench.sent();
        assert!(again.number > before);
        // The answer to what it was before means nothing.
        let late = Reply {
            number: before,
            ..reply(200, "OK")
        };
        assert!(bench.all.answered(&late, bench.now, || 0).is_empty());
        let gone = Deed::AdmitNothing {
            carrier: "c".to_owned(),
        };
        assert_eq!(bench.update(Vec::new()), [gone]);
        assert!(bench.all.list().is_empty());
    }

    #[test]
    fn no_answer_is_a_failure_that_leaves_what_was_granted() {
        let mut bench = Bench::with(plan());
        bench.sent();
        bench.pass(32);
        let deeds = bench.due();
        assert!(
            status(&deeds).contains(r#""reason":"408 Request Timeout""#),
            "{deeds:?}"
        );
        assert_eq!(deeds.len(), 1, "{deeds:?}");
        bench.pass(300);
        let number = bench.sent().number;
        let deeds = bench.all.failed(number, "no socket", bench.now);
        assert_eq!(status(&deeds), r#"{"status":"fail","reason":"no socket"}"#);
    }

    #[test]
    fn more_seconds_are_asked_for_where_the_carrier_wants_them() {
        let mut bench = Bench::with(plan());
        bench.sent();
        let brief = |least: &str| Reply {
            min_expires: least.as_bytes().to_vec(),
            ..reply(423, "Interval Too Brief")
        };
        let again = sent(&bench.answer(brief("7200"))).expect("another one");
        assert!(again.headers.contains("Expires: 7200\r\n"));
        assert!(sent(&bench.answer(challenged(401))).is_some());
        assert!(
            sent(&bench.answer(brief("9000"))).is_none(),
            "asked once more"
        );
    }

    #[test]
    fn an_invalid_row_is_told_once() {
        let mut bench = Bench::new();
        let rows = || {
            let error = PlanError::Host("from_domain", "x y".to_owned());
            vec![("c".to_owned(), Err(error))]
        };
        let deeds = bench.all.update(rows(), bench.now, String::new);
        assert_eq!(
            status(&deeds),
            r#"{"status":"fail","reason":"Invalid from_domain x y"}"#
        );
        assert!(bench.all.update(rows(), bench.now, String::new).is_empty());
    }
}
