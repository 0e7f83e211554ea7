//! Whether gateways are there: OPTIONS (RFC 3261 section 11), to those that want it.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::deed::{Alert, Deed, Event, Outgoing};
use super::plan::{Site, gateway_uri};
use super::reply::Reply;
use super::status::printable;
use crate::store::carriers::Gateway;

/// What the parameters say.
#[derive(Clone, Debug)]
pub struct PingSettings {
    /// How often each is asked (`ping_interval`).
    pub interval: Duration,
    /// After this a request that was not answered is given up (`trunk_timeout`).
    pub timeout: Duration,
    /// For how long one is not used that has not answered with 200, in seconds (`ping_ttl`).
    pub ttl: u32,
    /// Codes after which one is not asked any more (`ping_remove_codes`).
    pub remove_codes: Vec<u16>,
}

/// Questions to gateways.
#[derive(Debug)]
pub struct Pings {
    remove_codes: Vec<u16>,
    timeout: Duration,
    /// To be sent.
    waiting: Vec<Gateway>,
    /// On their way, by number.
    sent: HashMap<u64, (Gateway, Instant)>,
}

impl Pings {
    /// None yet.
    pub fn new(settings: &PingSettings) -> Self {
        Pings {
            remove_codes: settings.remove_codes.clone(),
            timeout: settings.timeout,
            waiting: Vec::new(),
            sent: HashMap::new(),
        }
    }

    /// Asks these gateways, each unless it is being asked. Of more than can be asked until the next time, those that
    /// have waited the longest come first.
    pub fn begin(&mut self, mut gateways: Vec<Gateway>) {
        let is_asked =
            |gateway: &Gateway| self.sent.values().any(|(sent, _)| sent.sid == gateway.sid);
        gateways.retain(|gateway| !is_asked(gateway));
        let wait_already: HashSet<&str> = self.waiting.iter().map(|it| it.sid.as_str()).collect();
        let (first, mut then): (Vec<_>, Vec<_>) = gateways
            .into_iter()
            .partition(|gateway| wait_already.contains(gateway.sid.as_str()));
        // The first is taken from the end.
        then.reverse();
        then.extend(first.into_iter().rev());
        self.waiting = then;
    }

    /// What is due, at most `most` requests.
    pub fn due(
        &mut self,
        now: Instant,
        most: usize,
        site: &Site,
        mut number: impl FnMut() -> u64,
    ) -> Vec<Deed> {
        let late: Vec<u64> = self
            .sent
            .iter()
            .filter_map(|(number, (_, until))| (*until <= now).then_some(*number))
            .collect();
        let mut deeds = Vec::new();
        for late in late {
            deeds.extend(self.answered(&Reply::none(late)));
        }
        for _ in 0..most {
            let Some(gateway) = self.waiting.pop() else {
                break;
            };
            // One that can't be asked is not known to be away.
            let Ok((address, transport, uri)) = gateway_uri(&gateway) else {
                continue;
            };
            let number = number();
            let own = site.addresses.of(transport).map(ToString::to_string);
            let own = own.or_else(|| site.domain.clone());
            let scheme = match gateway.is_sips && transport.name() == "tls" {
                true => "sips",
                false => "sip",
            };
            let shown = match scheme {
                "sips" => address.host.clone(),
                _ => address.to_string(),
            };
            deeds.push(Deed::Send(Box::new(Outgoing {
                number,
                method: "OPTIONS",
                request_uri: format!("{scheme}:{shown}"),
                next_hop: uri,
                from: format!("sip:{}", own.as_deref().unwrap_or("localhost")),
                to: format!("{scheme}:{shown}"),
                call_id: format!("{}-{number}", gateway.sid),
                from_tag: format!("{number:x}"),
                cseq: 1,
                headers: String::new(),
            })));
            self.sent.insert(number, (gateway, now + self.timeout));
        }
        deeds
    }

    /// What an answer means. One that nobody waits for means nothing.
    pub fn answered(&mut self, reply: &Reply) -> Vec<Deed> {
        if reply.code < 200 {
            return Vec::new();
        }
        let Some((gateway, _)) = self.sent.remove(&reply.number) else {
            return Vec::new();
        };
        if reply.code == 200 {
            return vec![Deed::Use {
                gateway: gateway.sid,
            }];
        }
        let why = reply.code.to_string();
        let mut deeds = vec![avoid(&gateway, format!("received: {why}"))];
        if self.remove_codes.contains(&reply.code) {
            let what = Event::NotAsked(gateway.host.clone(), why);
            deeds.push(Deed::StopPings {
                gateway: gateway.sid,
                alert: Alert {
                    carrier: gateway.carrier,
                    what,
                },
            });
        }
        deeds
    }

    /// A request could not be sent.
    pub fn failed(&mut self, number: u64, why: &str) -> Vec<Deed> {
        let sent = self.sent.remove(&number);
        let why = format!("error: {}", printable(why.as_bytes()));
        sent.map(|(gateway, _)| avoid(&gateway, why))
            .into_iter()
            .collect()
    }
}

fn avoid(gateway: &Gateway, why: String) -> Deed {
    let port = gateway.port.map(|port| format!(":{port}"));
    let shown = format!(
        "{}{};transport={}",
        gateway.host,
        port.unwrap_or_default(),
        gateway.protocol
    );
    Deed::Avoid {
        gateway: gateway.sid.clone(),
        alert: Alert {
            carrier: gateway.carrier.clone(),
            what: Event::NotThere(shown, why),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pings() -> Pings {
        let mut pings = Pings::new(&PingSettings {
            interval: Duration::from_secs(60),
            timeout: Duration::from_secs(32),
            ttl: 300,
            remove_codes: vec![404],
        });
        pings.begin(vec![gateway()]);
        pings
    }

    fn gateway() -> Gateway {
        Gateway {
            sid: "g".to_owned(),
            carrier: "c".to_owned(),
            host: "192.0.2.1".to_owned(),
            protocol: "udp".to_owned(),
            port: Some(5070),
            is_sips: false,
        }
    }

    fn answer(pings: &mut Pings, code: u16) -> Vec<Deed> {
        pings.answered(&Reply {
            code,
            number: 7,
            is_real: true,
            ..Reply::default()
        })
    }

    #[test]
    fn a_gateway_is_used_if_it_answers_with_200_alone() {
        for (code, names) in [
            (200, &["Use"][..]),
            (100, &[]),
            (503, &["Avoid"]),
            (404, &["Avoid", "StopPings"]),
        ] {
            let mut pings = pings();
            let deeds = pings.due(Instant::now(), 5, &Site::default(), || 7);
            let [Deed::Send(sent)] = &deeds[..] else {
                panic!("{deeds:?}");
            };
            assert_eq!(
                (sent.method, &*sent.request_uri),
                ("OPTIONS", "sip:192.0.2.1:5070")
            );
            assert_eq!(sent.next_hop, "sip:192.0.2.1:5070;transport=udp");
            let deeds = answer(&mut pings, code);
            assert_eq!(deeds.len(), names.len(), "{code}: {deeds:?}");
            for (deed, name) in deeds.iter().zip(names) {
                assert!(format!("{deed:?}").starts_with(name), "{code}: {deeds:?}");
            }
        }
    }

    #[test]
    fn no_answer_and_no_request_are_the_same() {
        let mut pings = pings();
        let now = Instant::now();
        pings.due(now, 5, &Site::default(), || 7);
        // It is still being asked.
        pings.begin(vec![gateway()]);
        assert!(pings.due(now, 5, &Site::default(), || 8).is_empty());
        let deeds = pings.due(now + Duration::from_secs(32), 5, &Site::default(), || 8);
        assert!(
            matches!(&deeds[..], [Deed::Avoid { gateway, .. }] if gateway == "g"),
            "{deeds:?}"
        );
        pings.begin(vec![gateway()]);
        pings.due(now, 5, &Site::default(), || 9);
        let deeds = pings.failed(9, "no socket");
        assert!(matches!(&deeds[..], [Deed::Avoid { .. }]), "{deeds:?}");
        assert!(answer(&mut pings, 200).is_empty());
    }
}
