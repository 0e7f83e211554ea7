//! Registrations at jambonz's carriers, and OPTIONS to their gateways: by this process, of one server of several.
//!
//! What is to be written to the database or to Redis waits here until they take it.

mod asking;
mod inbound;
mod names;
mod shown;

pub use shown::{end, list};

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use ::redis::cmd;

use super::chore::Chore;
use crate::alerts;
use crate::clock;
use crate::config::trunks::Trunks as Config;
use crate::digest::cnonce;
use crate::log;
use crate::module::Module;
use crate::opensips::uac;
use crate::trunks::{
    Alert, Deed, Event, Now, Outgoing, PingSettings, Pings, Registrations, Site, plans,
    switched_off,
};
use asking::{AGAIN, Complaints, FUNCTION, ask_database, ask_redis};
use inbound::Inbound;
use names::{Names, Way};
use shown::Showing;

/// Most requests of each kind that are sent in one go, of which there are up to twenty a second: carriers and the
/// network get them one after the other.
const AT_ONCE: usize = 2;

/// What is logged if something can't be written.
const UNMARKED: &str = "whether gateways are there is not written";
const UNWRITTEN: &str = "what became of registrations is not written, it is tried again";

/// How much longer the role is held than it is looked after, in seconds: another server then takes it over.
const GRACE: u64 = 10;

/// Whoever has the role keeps it, whoever finds it vacant takes it; 1 for the one who has it.
const LEAD: &str = "local holder = redis.call('GET', KEYS[1]) \
    if holder and holder ~= ARGV[1] then return 0 end \
    redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2]) \
    return 1";

/// See the [module](self).
pub struct Keep {
    config: Config,
    /// With the domain of the system.
    site: Site,
    registrations: Registrations,
    pings: Option<(Pings, PingSettings)>,
    /// The last number of a request.
    number: u64,
    /// By which this server is known as the one that registers.
    token: String,
    /// Until when nobody else can have taken that over, if it is.
    leads_until: Option<Instant>,
    /// Whether Redis can't be asked.
    is_alone: bool,
    /// When the tables are read next, and gateways asked.
    look: Instant,
    ping: Instant,
    /// What the database is to be told: the newest status of each carrier, carriers that are switched off, gateways
    /// that are not asked any more.
    statuses: BTreeMap<String, String>,
    off: BTreeMap<String, Alert>,
    quiet: BTreeMap<String, Alert>,
    write: Instant,
    inbound: Inbound,
    names: Names,
    /// Requests to names that are being looked up.
    kept: Vec<Outgoing>,
    showing: Showing,
    complaints: Complaints,
}

impl Keep {
    /// Nothing is done yet.
    pub fn new(config: &Config) -> Self {
        let now = Instant::now();
        Keep {
            config: config.clone(),
            site: config.site.clone(),
            registrations: Registrations::new(config.registrations.clone()),
            pings: config
                .pings
                .as_ref()
                .map(|settings| (Pings::new(settings), settings.clone())),
            number: 0,
            token: String::new(),
            leads_until: None,
            is_alone: false,
            look: now,
            ping: now,
            statuses: BTreeMap::new(),
            off: BTreeMap::new(),
            quiet: BTreeMap::new(),
            write: now,
            inbound: Inbound::default(),
            names: Names::default(),
            kept: Vec::new(),
            showing: Showing::default(),
            complaints: Complaints::default(),
        }
    }
}

impl Chore for Keep {
    fn run(&mut self, module: &'static Module) -> Duration {
        if self.token.is_empty() {
            match cnonce() {
                Ok(token) => self.token = token,
                Err(_) => return AGAIN,
            }
        }
        let mut deeds = VecDeque::new();
        while let Some(reply) = module.answers.as_ref().and_then(uac::Answers::take) {
            let number = &mut self.number;
            deeds.extend(self.registrations.answered(&reply, now(), || next(number)));
            if let Some((pings, _)) = &mut self.pings {
                deeds.extend(pings.answered(&reply));
            }
        }
        if self.look <= Instant::now() {
            self.look = Instant::now() + self.look(module, &mut deeds);
        }
        for request in std::mem::take(&mut self.kept) {
            deeds.push_back(Deed::Send(Box::new(request)));
        }
        self.step_back_in_time();
        if self.leads_until.is_some() {
            let number = &mut self.number;
            deeds.extend(self.registrations.due(now(), AT_ONCE, || next(number)));
        }
        self.ping(module, &mut deeds);
        self.carry_out(module, deeds);
        // Another server may be the one that writes.
        let is_alone = self.is_alone && self.is_over();
        if self.write <= Instant::now() && !is_alone && !self.write(module) {
            self.write = Instant::now() + AGAIN;
        }
        self.inbound.write(module, &mut self.complaints);
        let states = || self.registrations.list();
        self.showing.show(self.leads_until.is_some(), states);
        Duration::ZERO
    }
}

fn now() -> Now {
    Now {
        instant: Instant::now(),
        wall: clock::now(),
    }
}

fn next(number: &mut u64) -> u64 {
    *number += 1;
    *number
}

impl Keep {
    /// Looks who registers, and what. Says in what time to do so again.
    fn look(&mut self, module: &'static Module, deeds: &mut VecDeque<Deed>) -> Duration {
        let interval = self.config.interval;
        let key = format!("{}:regbot-token", self.config.cluster);
        let (token, ttl) = (self.token.clone(), interval.as_secs() + GRACE);
        // The time of Redis begins later.
        let until = Instant::now() + Duration::from_secs(ttl);
        let is_leading = ask_redis(module, move |session| {
            session.query::<i64>(cmd("EVAL").arg(LEAD).arg(1).arg(key).arg(token).arg(ttl))
        });
        match is_leading {
            Ok(found) => {
                self.is_alone = false;
                self.lead((found == 1).then_some(until));
            }
            // What is registered is refreshed, and nothing else is done: another server may have taken it over.
            Err(error) => {
                self.is_alone = true;
                self.complaints
                    .complain("who registers at carriers is not known", &error.to_string());
                return AGAIN.min(interval);
            }
        }
        if self.leads_until.is_none() {
            return interval;
        }
        let tables = self.config.tables.clone();
        match ask_database(module, move |source| tables.fetch(source)) {
            Ok(rows) => {
                self.site.domain = self.config.site.domain.clone().or(rows.domain.clone());
                let tag = || cnonce().unwrap_or_else(|_| "0".to_owned());
                let mut wanted = plans(&rows, &self.site);
                // The table does not know yet that these are switched off.
                wanted.retain(|(carrier, _)| !self.off.contains_key(carrier));
                deeds.extend(self.registrations.update(wanted, now(), tag));
                interval
            }
            Err(error) => {
                self.complaints.complain(
                    "carriers are not read, those that are known go on",
                    &error.to_string(),
                );
                AGAIN.min(interval)
            }
        }
    }

    /// Whether the time of the role is over.
    fn is_over(&self) -> bool {
        self.leads_until
            .is_some_and(|until| until <= Instant::now())
    }

    /// Ends to register until it is known again who does: it took too long to look.
    fn step_back_in_time(&mut self) {
        if self.is_over() && !self.is_alone {
            self.lead(None);
            self.look = Instant::now();
        }
    }

    fn lead(&mut self, until: Option<Instant>) {
        let was_leading = self.leads_until.is_some();
        self.leads_until = until;
        if until.is_some() == was_leading {
            return;
        }
        if until.is_some() {
            log!(
                Info,
                FUNCTION,
                "this server registers at carriers from now on"
            );
        } else {
            log!(
                Notice,
                FUNCTION,
                "this server registers at carriers no more, another one may"
            );
            // What it has written is that one's.
            self.registrations.stop();
            self.inbound.forget();
            self.statuses.clear();
            self.off.clear();
        }
    }

    /// Asks gateways, if it is time. Each server does so: what one reaches, another may not.
    fn ping(&mut self, module: &'static Module, deeds: &mut VecDeque<Deed>) {
        let Some((pings, settings)) = &mut self.pings else {
            return;
        };
        if self.ping <= Instant::now() {
            let tables = self.config.tables.clone();
            match ask_database(module, move |source| tables.fetch_pinged(source)) {
                Ok(mut gateways) => {
                    gateways.retain(|gateway| !self.quiet.contains_key(&gateway.sid));
                    pings.begin(gateways);
                    self.ping = Instant::now() + settings.interval;
                }
                Err(error) => {
                    self.complaints
                        .complain("gateways are not read", &error.to_string());
                    self.ping = Instant::now() + AGAIN.min(settings.interval);
                }
            }
        }
        let number = &mut self.number;
        deeds.extend(pings.due(Instant::now(), AT_ONCE, &self.site, || next(number)));
    }

    /// Sends a request, or keeps it until it is known whether its name is in DNS.
    fn send(&mut self, module: &'static Module, request: Box<Outgoing>) -> Vec<Deed> {
        // Sending takes as long as tm looks for records of other kinds: meanwhile the role may have gone.
        self.step_back_in_time();
        if request.method == "REGISTER" && self.leads_until.is_none() {
            return Vec::new();
        }
        let error = match self.names.way(module, &request.next_hop) {
            Way::Wait => {
                self.kept.push(*request);
                return Vec::new();
            }
            Way::Closed => "DNS does not answer for its name".to_owned(),
            Way::Open => match uac::send(&request) {
                Ok(()) => return Vec::new(),
                Err(error) => error.to_string(),
            },
        };
        let mut failed = self.registrations.failed(request.number, &error, now());
        if let Some((pings, _)) = &mut self.pings {
            failed.extend(pings.failed(request.number, &error));
        }
        failed
    }

    fn carry_out(&mut self, module: &'static Module, mut deeds: VecDeque<Deed>) {
        while let Some(deed) = deeds.pop_front() {
            match deed {
                Deed::Send(request) => deeds.extend(self.send(module, request)),
                Deed::Tell { carrier, status } => {
                    self.statuses.insert(carrier, status);
                }
                Deed::Admit {
                    carrier,
                    host,
                    source,
                    seconds,
                } => {
                    let named = self.names.known(&host);
                    self.inbound.admit(&carrier, &named, source, seconds);
                }
                Deed::AdmitNothing { carrier } => self.inbound.remove(&carrier),
                Deed::SwitchOff { carrier } => {
                    let alert = switched_off(&carrier);
                    self.off.insert(carrier, alert);
                }
                Deed::Avoid { gateway, alert } => self.avoid(module, &gateway, &alert),
                Deed::Use { gateway } => {
                    let key = blacklist(&gateway);
                    let done = ask_redis(module, move |session| {
                        session.query::<i64>(cmd("DEL").arg(key))
                    });
                    match done {
                        Ok(0) => {}
                        Ok(_) => log!(Info, FUNCTION, "gateway {gateway} answers again"),
                        Err(error) => self.complaints.complain(UNMARKED, &error.to_string()),
                    }
                }
                Deed::StopPings { gateway, alert } => {
                    self.quiet.insert(gateway, alert);
                }
            }
        }
    }

    fn avoid(&mut self, module: &'static Module, gateway: &str, alert: &Alert) {
        let (key, ttl) = (
            blacklist(gateway),
            self.pings.as_ref().map_or(1, |(_, settings)| settings.ttl),
        );
        let done = ask_redis(module, move |session| {
            let was_there = session.query::<i64>(cmd("EXISTS").arg(&key))?;
            let () = session.query(cmd("SET").arg(&key).arg("1").arg("EX").arg(ttl))?;
            Ok(was_there == 1)
        });
        match done {
            Ok(true) => {}
            Ok(false) => self.raise(module, alert),
            Err(error) => self.complaints.complain(UNMARKED, &error.to_string()),
        }
    }

    /// Writes what waits for the database. False if some of it failed, which is tried again.
    fn write(&mut self, module: &'static Module) -> bool {
        let mut is_written = true;
        for (gateway, alert) in std::mem::take(&mut self.quiet) {
            let (tables, sid) = (self.config.tables.clone(), gateway.clone());
            let done = ask_database(module, move |source| tables.stop_pings(source, &sid));
            match done {
                Ok(_) => self.raise(module, &alert),
                Err(error) => {
                    self.complaints.complain(UNWRITTEN, &error.to_string());
                    self.quiet.insert(gateway, alert);
                    is_written = false;
                }
            }
        }
        for (carrier, status) in std::mem::take(&mut self.statuses) {
            let (tables, sid, text) = (self.config.tables.clone(), carrier.clone(), status.clone());
            let done = ask_database(module, move |source| tables.set_status(source, &sid, &text));
            if let Err(error) = done {
                self.complaints.complain(UNWRITTEN, &error.to_string());
                self.statuses.insert(carrier, status);
                is_written = false;
            }
        }
        for (carrier, alert) in std::mem::take(&mut self.off) {
            let (tables, sid) = (self.config.tables.clone(), carrier.clone());
            let done = ask_database(module, move |source| tables.switch_off(source, &sid));
            match done {
                Ok(_) => self.raise(module, &alert),
                Err(error) => {
                    self.complaints.complain(UNWRITTEN, &error.to_string());
                    self.off.insert(carrier, alert);
                    is_written = false;
                }
            }
        }
        is_written
    }

    /// Tells the owner of a carrier.
    fn raise(&self, module: &'static Module, alert: &Alert) {
        let (tables, sid) = (self.config.tables.clone(), alert.carrier.clone());
        let found = ask_database(module, move |source| tables.fetch_carrier(source, &sid));
        let carrier = found.ok().flatten().unwrap_or_default();
        let (name, sid) = (&carrier.name, &alert.carrier);
        let message = match &alert.what {
            Event::SwitchedOff if carrier.is_inbound => {
                format!("Deactivating carrier {name} (sid:{sid}) due to registration errors")
            }
            Event::SwitchedOff => {
                format!("Disabling Outbound Registration for carrier {name} (sid:{sid})")
            }
            Event::NotThere(gateway, why) => {
                format!("Options ping {gateway} unsuccessfully, {why}")
            }
            Event::NotAsked(gateway, why) => {
                format!("Disabling Options ping for {gateway} in carrier {name}:{sid} due to {why}")
            }
        };
        log!(Warning, FUNCTION, "{message}");
        let alert = alerts::Alert::text(message)
            .of_account(carrier.account)
            .of_service_provider(carrier.provider);
        super::super::alerts::raise(module, &alert);
    }
}

fn blacklist(gateway: &str) -> String {
    format!("blacklist-sip-gateway:{gateway}")
}
