//! Who registers and calls: what each sends, what it is answered when all is well, and what it
//! needs for that.

use std::net::UdpSocket;

use harness::digest::Response;
use harness::load::Ask;

/// The realm whose endpoint is the one that fails, and another.
pub const FIRST: &str = "crowd.example";
pub const SECOND: &str = "other.example";

/// Users of each realm. The first ones register once, and then refresh and call.
pub const USERS: u64 = 2000;
pub const STEADY: u64 = 100;

/// What one call of the load is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A device that has moved registers anew, at the first endpoint.
    First,
    /// The same at the second.
    Second,
    /// A device refreshes, as known.
    Refresh,
    /// A registered device calls.
    Call,
    /// A device of a realm that was never heard of.
    Stranger,
}

impl Kind {
    /// Of the ten calls that are repeated.
    pub fn of(number: u64) -> Kind {
        match number % 10 {
            0..=2 => Kind::First,
            3 | 4 => Kind::Second,
            5..=7 => Kind::Refresh,
            8 => Kind::Call,
            _ => Kind::Stranger,
        }
    }

    /// The final status when all is well. The next hop is busy; a realm of nobody is refused.
    pub fn usual(self) -> u16 {
        match self {
            Kind::First | Kind::Second | Kind::Refresh => 200,
            Kind::Call => 486,
            Kind::Stranger => 403,
        }
    }
}

/// The users of a realm, as the example endpoint reads them.
pub fn users(realm: &str) -> String {
    let one = |number| format!("{realm}:user{number}:secret\n");
    let hook = format!("@{realm}:{{\"call_hook\":\"https://{realm}/call\"}}\n");
    hook + &(0..USERS).map(one).collect::<String>()
}

/// The accounts of both, with the URLs of their endpoints.
pub fn accounts(first: &str, second: &str) -> String {
    format!(
        "UPDATE http_endpoints SET url = '{first}' WHERE realm = '{FIRST}';\n\
         INSERT INTO registrar_accounts (realm, is_active, device_limit) VALUES ('{SECOND}', 1, NULL);\n\
         INSERT INTO http_endpoints (realm, url) VALUES ('{SECOND}', '{second}');\n"
    )
}

/// Writes the first or the second request of a call.
pub fn write(ask: &Ask<'_>) -> Option<String> {
    let kind = Kind::of(ask.number);
    let steady = (ask.number / 10) % STEADY;
    let moving = STEADY + ask.number % (USERS - STEADY);
    let (aor, place) = match kind {
        Kind::First => (format!("user{moving}@{FIRST}"), Some(ask.number)),
        Kind::Second => (format!("user{moving}@{SECOND}"), Some(ask.number)),
        Kind::Refresh | Kind::Call => (format!("user{steady}@{FIRST}"), None),
        Kind::Stranger => (format!("user@stranger{}.example", ask.number), None),
    };
    let method = match kind {
        Kind::Call => "INVITE",
        _ => "REGISTER",
    };
    message(ask, method, &aor, place)
}

/// Registers the first users, who refresh and call later.
pub fn begin(ask: &Ask<'_>) -> Option<String> {
    if ask.number >= STEADY {
        return None;
    }
    message(
        ask,
        "REGISTER",
        &format!("user{}@{FIRST}", ask.number),
        None,
    )
}

fn message(ask: &Ask<'_>, method: &str, aor: &str, place: Option<u64>) -> Option<String> {
    let server = format!("sip:127.0.0.1:{}", ask.server);
    // A registration is for the realm (RFC 3261 section 10.2), in place of which no address may be.
    let uri = match (method, aor.split_once('@')) {
        ("REGISTER", Some((_, realm))) => format!("sip:{realm}"),
        _ => server.clone(),
    };
    let credentials = match ask.challenge {
        None => String::new(),
        Some(reply) => {
            let challenge = reply.challenge().ok()?;
            let user = aor.split('@').next().unwrap_or_default();
            let response = Response::to(&challenge, user, "secret", &uri);
            let name = match method {
                "INVITE" => "Proxy-Authorization",
                _ => "Authorization",
            };
            format!("{name}: {}\r\n", response.header(method))
        }
    };
    let expires = match method {
        "REGISTER" => "Expires: 3600\r\n",
        _ => "",
    };
    let text = ask.request(method, aor, &format!("{credentials}{expires}"));
    let text = text.replacen(
        &format!("{method} {server} "),
        &format!("{method} {uri} "),
        1,
    );
    // Another contact is asked about; the same one is confirmed.
    let place = place.map_or(String::new(), |place| format!(";at={place}"));
    let local = ask.local;
    Some(text.replace(&format!("@{local}>\r\n"), &format!("@{local}{place}>\r\n")))
}

/// A next hop that answers every INVITE with 486, until the program ends.
///
/// # Errors
/// Fails if the port is taken.
pub fn next_hop(port: u16) -> Result<(), String> {
    let socket = UdpSocket::bind(("127.0.0.1", port)).map_err(|e| format!("next hop: {e}"))?;
    std::thread::spawn(move || {
        let mut buffer = vec![0; 65_535];
        while let Ok((length, from)) = socket.recv_from(&mut buffer) {
            let request = String::from_utf8_lossy(&buffer[..length]).into_owned();
            if !request.starts_with("INVITE ") {
                continue;
            }
            let copied = ["Via:", "From:", "To:", "Call-ID:", "CSeq:"];
            let lines = request.lines().skip(1).take_while(|line| !line.is_empty());
            let lines = lines.filter(|line| copied.iter().any(|name| line.starts_with(name)));
            let lines = lines.map(|line| match line.starts_with("To:") {
                true => format!("{line};tag=hop\r\n"),
                false => format!("{line}\r\n"),
            });
            let lines: String = lines.collect();
            let answer = format!("SIP/2.0 486 Busy Here\r\n{lines}Content-Length: 0\r\n\r\n");
            _ = socket.send_to(answer.as_bytes(), from);
        }
    });
    Ok(())
}
