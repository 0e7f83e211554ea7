//! Metrics by the protocol of statsd, with the tags of DogStatsD, as jambonz's library `stats-collector` sends them.

use std::fmt;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs, UdpSocket};
use std::time::Duration;

use crate::authority::host_and_port;
use crate::queue::Queue;

/// The words of the longest metric.
const WORDS: usize = 32;

/// How many metrics may wait to be sent.
pub const MOST_WAITING: usize = 4096;

/// The longest datagram, in bytes: with the headers of IPv6 and UDP it fits into a frame of Ethernet.
const MOST_DATAGRAM: usize = 1432;

/// How long a connection may take to be made, and to take a datagram's worth of metrics.
const TCP_TIMEOUT: Duration = Duration::from_secs(2);

/// The metrics that wait to be sent.
pub type Waiting = Queue<WORDS>;

/// Where metrics are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    is_tcp: bool,
    host: String,
    port: u16,
}

/// What a server is given as.
pub const SERVER: &str = "udp:host:port or tcp:host:port";

impl Server {
    /// The server of `udp:host:port` or `tcp:host:port`; an IPv6 address is in brackets.
    pub fn parse(text: &str) -> Option<Server> {
        let (is_tcp, place) = match text.split_once(':')? {
            ("udp", place) => (false, place),
            ("tcp", place) => (true, place),
            _ => return None,
        };
        let (host, port) = host_and_port(place).ok()?;
        Some(Server {
            is_tcp,
            host,
            port: port?,
        })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = if self.is_tcp { "tcp" } else { "udp" };
        match self.host.contains(':') {
            true => write!(f, "{transport}:[{}]:{}", self.host, self.port),
            false => write!(f, "{transport}:{}:{}", self.host, self.port),
        }
    }
}

/// How a metric is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// How much of something there is.
    Gauge,
    /// One of many values.
    Histogram,
}

/// What all metrics have in common.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Common {
    /// Is in front of each name.
    pub prefix: String,
    /// Tags of each metric, separated by commas; may be empty.
    pub tags: String,
}

impl Common {
    /// The line of a metric, `name:value|type|#tags`, without a line end. Its tags, `name:value`, are separated by
    /// commas; there may be none.
    pub fn line(&self, name: &str, kind: Kind, value: u64, tags: &str) -> String {
        let of_kind = match kind {
            Kind::Gauge => 'g',
            Kind::Histogram => 'h',
        };
        let name = without(&format!("{}{name}", self.prefix), ":|@#");
        let all = [&*self.tags, tags].map(|tags| without(tags, "|@#"));
        let all: Vec<&str> = all
            .iter()
            .flat_map(|tags| tags.split(','))
            .map(str::trim)
            .filter(|tag| !tag.is_empty())
            .collect();
        match all.is_empty() {
            true => format!("{name}:{value}|{of_kind}"),
            false => format!("{name}:{value}|{of_kind}|#{}", all.join(",")),
        }
    }
}

/// A text of a metric in which nothing begins another.
fn without(text: &str, reserved: &str) -> String {
    text.replace(|c: char| reserved.contains(c) || c.is_control(), "_")
}

/// The way to a server. It belongs to one thread.
#[derive(Debug)]
pub struct Sender {
    server: Server,
    way: Option<Way>,
}

#[derive(Debug)]
enum Way {
    Udp(UdpSocket),
    Tcp(TcpStream),
}

impl Sender {
    /// One that has not looked for its server yet.
    pub fn new(server: Server) -> Self {
        Sender { server, way: None }
    }

    /// Has the name of the server looked up again, where there is no connection to it.
    pub fn look_up_again(&mut self) {
        if !self.server.is_tcp {
            self.way = None;
        }
    }

    /// Sends lines, many in one datagram. How many of them were sent, and why not all were. May wait: for the name
    /// server, and two seconds each for a connection and for what is sent over one.
    pub fn send(&mut self, lines: &[Vec<u8>]) -> (usize, Option<io::Error>) {
        let mut sent = 0;
        let mut rest = lines;
        while !rest.is_empty() {
            let mut text = Vec::with_capacity(MOST_DATAGRAM);
            let mut count = 0;
            for line in rest {
                if count > 0 && text.len() + line.len() + 1 > MOST_DATAGRAM {
                    break;
                }
                text.extend_from_slice(line);
                text.push(b'\n');
                count += 1;
            }
            if let Err(error) = self.deliver(&text) {
                self.way = None;
                return (sent, Some(error));
            }
            sent += count;
            rest = rest.get(count..).unwrap_or_default();
        }
        (sent, None)
    }

    fn deliver(&mut self, text: &[u8]) -> io::Result<()> {
        let way = match self.way.take() {
            Some(way) => way,
            None => self.server.way()?,
        };
        match self.way.insert(way) {
            Way::Udp(socket) => {
                let text = text.strip_suffix(b"\n").unwrap_or(text);
                match socket.send(text) {
                    // Of a datagram before: nobody listens, which for statsd is no error.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(()),
                    sent => sent.map(drop),
                }
            }
            Way::Tcp(stream) => stream.write_all(text),
        }
    }
}

impl Server {
    fn way(&self) -> io::Result<Way> {
        let found = (self.host.as_str(), self.port).to_socket_addrs()?;
        let address = found.into_iter().next();
        let address = address.ok_or_else(|| io::Error::other("its name has no address"))?;
        if self.is_tcp {
            let stream = TcpStream::connect_timeout(&address, TCP_TIMEOUT)?;
            stream.set_write_timeout(Some(TCP_TIMEOUT))?;
            stream.set_nodelay(true)?;
            return Ok(Way::Tcp(stream));
        }
        let own: SocketAddr = match address {
            SocketAddr::V4(_) => ([0, 0, 0, 0], 0).into(),
            SocketAddr::V6(_) => ([0_u16; 8], 0).into(),
        };
        let socket = UdpSocket::bind(own)?;
        socket.connect(address)?;
        socket.set_nonblocking(true)?;
        Ok(Way::Udp(socket))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn servers_have_a_transport_a_host_and_a_port() {
        for text in [
            "udp:127.0.0.1:8125",
            "tcp:[::1]:1",
            "udp:stats.example:8125",
        ] {
            assert_eq!(Server::parse(text).unwrap().to_string(), text);
        }
        for bad in [
            "",
            "127.0.0.1:8125",
            "udp:127.0.0.1",
            "udp::1",
            "tls:h:1",
            "udp:h:0",
            "udp:a b:1",
        ] {
            assert_eq!(Server::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn metrics_are_lines_of_statsd_and_nothing_in_them_begins_another() {
        let none = Common::default();
        assert_eq!(none.line("a.b", Kind::Gauge, 7, ""), "a.b:7|g");
        assert_eq!(
            none.line("a", Kind::Histogram, 12, "status:200"),
            "a:12|h|#status:200"
        );
        let common = Common {
            prefix: "eu.".to_owned(),
            tags: "site:x, env:y".to_owned(),
        };
        assert_eq!(
            common.line("a:1|c\nb", Kind::Gauge, 1, "t:1\nz:1|g,,"),
            "eu.a_1_c_b:1|g|#site:x,env:y,t:1_z:1_g"
        );
    }

    #[test]
    fn many_lines_share_a_datagram() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        server
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        let port = server.local_addr().unwrap().port();
        let to = Server::parse(&format!("udp:127.0.0.1:{port}")).unwrap();
        let lines = vec![vec![b'x'; 700]; 3];
        assert_eq!(Sender::new(to).send(&lines).0, 3);
        let mut buffer = [0; 4096];
        let mut received = || {
            let length = server.recv(&mut buffer).unwrap();
            buffer[..length].split(|byte| *byte == b'\n').count()
        };
        assert_eq!((received(), received()), (2, 1));
    }

    #[test]
    fn over_tcp_each_line_ends_and_a_broken_connection_is_made_anew() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = server.local_addr().unwrap().port();
        let mut sender = Sender::new(Server::parse(&format!("tcp:127.0.0.1:{port}")).unwrap());
        let read = |server: &TcpListener| {
            let mut line = String::new();
            let (stream, _) = server.accept().unwrap();
            BufReader::new(stream).read_line(&mut line).unwrap();
            line
        };
        assert_eq!(sender.send(&[b"a:1|g".to_vec()]).0, 1);
        assert_eq!(read(&server), "a:1|g\n");
        // What is sent next may still seem to arrive.
        let is_noticed = (0..1000).any(|_| sender.send(&[b"b:1|g".to_vec()]).1.is_some());
        assert!(is_noticed);
        assert_eq!(sender.send(&[b"c:1|g".to_vec()]).0, 1);
        assert_eq!(read(&server), "c:1|g\n");
        drop(server);
        while sender.send(&[b"d:1|g".to_vec()]).1.is_none() {}
        let (sent, error) = sender.send(&[b"d:1|g".to_vec()]);
        assert!(sent == 0 && error.is_some());
    }
}
