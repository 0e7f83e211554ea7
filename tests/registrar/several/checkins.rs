//! Servers that check in at one registrar, and then at another.

use std::time::{Duration, Instant};

use super::super::checkins::{NETWORKS, Server, has, will_have};
use super::Scenario;
use super::pair::Pair;

pub const SCENARIOS: &[Scenario] = &[("none ends who checks in at the other", elsewhere)];

const KEY: &str = "default:active-fs";

fn elsewhere(pair: &mut Pair) -> Result<(), String> {
    pair.stop();
    for site in [&mut pair.a, &mut pair.b] {
        site.settings = vec![
            ("SITE_NETWORKS", NETWORKS.to_string()),
            ("CHECKIN_EXPIRES", "1000".to_string()),
            ("CHECKIN_INTERVAL", "100".to_string()),
        ];
    }
    pair.start_a()?;
    pair.start_b()?;
    let server = Server::at(5)?;
    // Once at A, and from then on at B: A alone would end it after a second.
    server.is(&pair.a, "open", 1)?;
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_millis(2500) {
        server.is(&pair.b, "open", 1)?;
        has(&pair.a, KEY, &[&server.local])?;
        std::thread::sleep(Duration::from_millis(100));
    }
    for site in [&pair.a, &pair.b] {
        if site.mi().statistic("feature_servers")? != 1 {
            return Err(format!("{} counts others", site.place()));
        }
    }
    // Where it checked in dies; the other one looks after it.
    server.is(&pair.a, "open", 1)?;
    pair.kill_a()?;
    has(&pair.b, KEY, &[&server.local])?;
    will_have(&pair.b, KEY, &[])?;
    server.is(&pair.b, "open", 1)?;
    server.is(&pair.b, "closed", 0)
}
