//! What workers share: distinct tokens, each seen by whichever worker gets it, once more in each pass.

use std::net::UdpSocket;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use harness::instance::Instance;
use harness::keys::Key;
use harness::measure::table::Table;
use harness::measure::{machine, median};
use harness::mi::Mi;
use harness::script::Script;
use harness::tokens::{now, token};

use crate::TAG;
use crate::place::{Place, add_profile};

/// How often each token is seen, each time in another order.
const PASSES: usize = 4;

/// Threads that send, and requests that each has on their way.
const SENDERS: usize = 4;
const WINDOW: usize = 8;

/// When an answer is given up, and its request counts as lost.
const PATIENCE: Duration = Duration::from_secs(2);

const NONE: &str = "";
const AUTHORIZE: &str = r#"jwt_db_authorize("$hdr(X-JWT)", $avp(decoded), $avp(user));
    if ($rc != 1) {
        send_reply(403, "Forbidden");
        exit;
    }"#;

/// What is measured.
pub struct Sizes {
    /// Numbers of UDP workers.
    pub workers: Vec<u32>,
    /// Numbers of distinct tokens.
    pub tokens: Vec<u32>,
    /// The longest that a pass of auth_jwt may take.
    pub limit: Duration,
}

/// Which module a script calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who<'a> {
    Nobody,
    Ours,
    Peer(&'a Path),
}

/// What one contender did.
struct Cost {
    /// REGISTER requests that were answered with 200, and microseconds of processor time each, in each pass.
    passes: Vec<(usize, f64)>,
    lost: usize,
    /// MiB of all processes at the end.
    memory: f64,
    /// Signatures that were verified in all.
    signatures: Option<u64>,
}

/// Measures each, and returns a table.
///
/// # Errors
/// Fails if something does not start.
pub fn run(place: &Place, sizes: &Sizes) -> Result<String, String> {
    let mut table = Table::new(
        3,
        &[
            "workers",
            "tokens",
            "authorized by",
            "REGISTERs",
            "lost",
            "first pass CPU us",
            "later passes CPU us",
            "memory MiB",
            "signatures",
        ],
    );
    let key = Key::rsa();
    let most = sizes.tokens.iter().copied().max().unwrap_or(0);
    let tokens = sign(&key, most);
    for count in &sizes.tokens {
        let tokens = &tokens[..*count as usize];
        for workers in &sizes.workers {
            let contenders = [Who::Nobody, Who::Ours].into_iter();
            let peer = place.peer.as_ref().ok().map(|path| Who::Peer(path));
            for who in contenders.chain(peer) {
                let cost = cost(place, &key, who, *workers, tokens, sizes.limit)?;
                table.row(row(who, *workers, *count, &cost));
            }
        }
    }
    Ok(format!(
        "\njwt_authorize RS256 2048, {PASSES} passes over distinct tokens in random order, any worker may get any\n\n\
         {table}CPU: of all processes of the core, for each REGISTER that was answered with 200. later passes: the\n\
         median of passes 2 to {PASSES}. lost: not answered within {} s. memory: of all processes at the end, what they\n\
         share counted once. signatures: verified in all (jwt_signatures); auth_jwt does not count them, verifies\n\
         each, and stops after {} s of each pass.\n",
        PATIENCE.as_secs(),
        sizes.limit.as_secs(),
    ))
}

fn row(who: Who<'_>, workers: u32, tokens: u32, cost: &Cost) -> Vec<String> {
    let name = match who {
        Who::Nobody => "nobody",
        Who::Ours => "auth_web",
        Who::Peer(_) => "auth_jwt",
    };
    let micros = |passes: &[(usize, f64)]| {
        let figures = passes.iter().map(|(_, micros)| *micros);
        format!("{:.1}", median(figures))
    };
    let (first, later) = cost.passes.split_at(1.min(cost.passes.len()));
    vec![
        workers.to_string(),
        tokens.to_string(),
        name.to_owned(),
        cost.passes
            .iter()
            .map(|(done, _)| done)
            .sum::<usize>()
            .to_string(),
        cost.lost.to_string(),
        micros(first),
        micros(later),
        format!("{:.0}", cost.memory),
        cost.signatures
            .map_or(String::new(), |count| count.to_string()),
    ]
}

/// Distinct tokens, valid for a day.
fn sign(key: &Key, count: u32) -> Vec<String> {
    let (now, exp) = (now(), now() + 86_400);
    let one = |number: u32| {
        let claims = format!(
            r#"{{"tag":"{TAG}","iss":"https://login.example.org","sub":"alice","iat":{now},"exp":{exp},"jti":"{number:016x}"}}"#
        );
        token(key, "RS256", &claims)
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from) as u32;
    let numbers: Vec<u32> = (0..count).collect();
    let parts = numbers.chunks(count.div_ceil(threads).max(1) as usize);
    scope(|scope| {
        let signing: Vec<_> = parts
            .map(|part| scope.spawn(move || part.iter().map(|n| one(*n)).collect::<Vec<_>>()))
            .collect();
        let signed = signing
            .into_iter()
            .map(|part| part.join().unwrap_or_default());
        signed.collect::<Vec<_>>().concat()
    })
}

fn cost(
    place: &Place,
    key: &Key,
    who: Who<'_>,
    workers: u32,
    tokens: &[String],
    limit: Duration,
) -> Result<Cost, String> {
    let database = place.database(1)?;
    add_profile(&database, TAG, &key.verifier())?;
    let folder = place.folder.path().join("workers");
    let socket = folder.join("mi");
    let call = if who == Who::Nobody { NONE } else { AUTHORIZE };
    let routes = include_str!("register.cfg")
        .replace("@MI@", &socket.display().to_string())
        .replace("@AUTHORIZE@", call);
    let ours = harness::module();
    let module = match who {
        Who::Peer(path) => path,
        Who::Nobody | Who::Ours => &ours,
    };
    let script = Script::new(module, &routes).workers(workers).log_level(1);
    let script = match who {
        Who::Nobody => script,
        Who::Ours => {
            let room = tokens.len().max(100_000) as i64;
            script.database(&database).set("signature_cache_size", room)
        }
        Who::Peer(_) => {
            let plain = database.with_plain_password();
            script
                .load(database.backend.opensips_module())
                .set("db_url", plain.url.as_str())
        }
    };
    let instance = Instance::start(&place.core, &script, &folder).map_err(|e| e.to_string())?;
    let pid = instance.pid();
    let mut order: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let mut random = Random(u64::from(workers) + tokens.len() as u64);
    let (mut passes, mut lost) = (Vec::new(), 0);
    let limit = match who {
        Who::Peer(_) => limit,
        Who::Nobody | Who::Ours => Duration::MAX,
    };
    for _ in 0..PASSES {
        random.shuffle(&mut order);
        let before = machine::cpu_seconds(pid);
        let (done, missing) = register(instance.port, &order, limit)?;
        let micros = (machine::cpu_seconds(pid) - before) * 1e6 / done.max(1) as f64;
        passes.push((done, micros));
        lost += missing;
    }
    let (memory, _) = machine::memory(pid);
    let signatures = match who {
        Who::Ours => Some(Mi::new(&socket).statistic("jwt_signatures")?),
        Who::Nobody | Who::Peer(_) => None,
    };
    Ok(Cost {
        passes,
        lost,
        memory: memory as f64 / 1024.0,
        signatures,
    })
}

/// Sends a REGISTER with each token; how many were answered with 200, and how many were not answered.
fn register(port: u16, tokens: &[&str], limit: Duration) -> Result<(usize, usize), String> {
    let (next, done, lost) = (
        AtomicUsize::new(0),
        AtomicUsize::new(0),
        AtomicUsize::new(0),
    );
    let refused = AtomicBool::new(false);
    let begin = Instant::now();
    let send = || -> std::io::Result<()> {
        let socket = UdpSocket::bind(("127.0.0.1", 0))?;
        socket.connect(("127.0.0.1", port))?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let local = socket.local_addr()?.port();
        let mut buffer = vec![0; 65_535];
        let mut waiting = 0;
        loop {
            while waiting < WINDOW && begin.elapsed() < limit {
                let number = next.fetch_add(1, Ordering::Relaxed);
                let Some(token) = tokens.get(number) else {
                    break;
                };
                socket.send(request(port, local, number, token).as_bytes())?;
                waiting += 1;
            }
            if waiting == 0 {
                return Ok(());
            }
            match socket.recv(&mut buffer) {
                Ok(length) => {
                    waiting -= 1;
                    match buffer[..length].starts_with(b"SIP/2.0 200 ") {
                        true => done.fetch_add(1, Ordering::Relaxed),
                        false => usize::from(refused.swap(true, Ordering::Relaxed)),
                    };
                }
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => {
                    lost.fetch_add(waiting, Ordering::Relaxed);
                    waiting = 0;
                }
            }
        }
    };
    scope(|scope| {
        let senders = [(); SENDERS].map(|()| scope.spawn(send));
        let ended = senders.into_iter().map(|sender| {
            let sent = sender.join().map_err(|_| "a panic".to_owned())?;
            sent.map_err(|e| e.to_string())
        });
        ended.collect::<Result<(), String>>()
    })?;
    match refused.into_inner() {
        true => Err("a good token was refused".to_owned()),
        false => Ok((done.into_inner(), lost.into_inner())),
    }
}

fn request(port: u16, local: u16, number: usize, token: &str) -> String {
    format!(
        "REGISTER sip:127.0.0.1:{port} SIP/2.0\r\n\
         Via: SIP/2.0/UDP 127.0.0.1:{local};branch=z9hG4bK-{local}-{number}\r\n\
         From: <sip:alice@example.org>;tag={number}\r\n\
         To: <sip:alice@example.org>\r\n\
         Call-ID: {local}-{number}@127.0.0.1\r\n\
         CSeq: 1 REGISTER\r\n\
         Contact: <sip:alice@127.0.0.1:{local}>\r\n\
         Max-Forwards: 70\r\n\
         X-JWT: {token}\r\n\
         Content-Length: 0\r\n\r\n"
    )
}

/// Numbers in a fixed order (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).unwrap_or(0)
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
