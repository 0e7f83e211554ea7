//! `server_checkin`: the servers of jambonz say by OPTIONS whether they are open for calls.

use std::ffi::CStr;
use std::fmt::Display;
use std::net::IpAddr;

use super::codes::checkin as code;
use super::on_redis::on_redis;
use super::outcome;
use super::waiting::{Started, Wait};
use crate::log;
use crate::members::{Checked, Checkin, MOST, MOST_URL, Members, Set};
use crate::module::Module;
use crate::opensips::checkin::CheckinHeaders;
use crate::opensips::pvar::{Message, Value, Variable};
use crate::opensips::stats::{self, State};
use crate::process;
use crate::redis::CacheError;

/// Name of the function in log lines.
const FUNCTION: &CStr = c"server_checkin";

/// Longest state in bytes.
const MOST_STATUS: usize = 64;

/// What `X-FS-Status` and `X-RTP-Status` say of a server that may be used. Anything else says that it may not.
const OPEN: &[u8] = b"open";

/// Why headers are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
enum Malformed {
    #[error("a header of the check-in is there twice")]
    Doubled,
    #[error("the state is empty, longer than {MOST_STATUS} bytes, or not printable ASCII")]
    Status,
    #[error(
        "X-FS-ServiceUrl is longer than {MOST_URL} bytes, or not printable ASCII without blanks"
    )]
    Url,
}

/// `server_checkin([out_members])`.
pub fn checkin(
    module: &'static Module,
    message: Message,
    out: Option<Variable>,
    wait: Wait,
) -> Started {
    let checkins = &module.config.checkins;
    if checkins.networks.is_empty() || module.request.method(message) != "OPTIONS" {
        return Started::Done(code::NONE);
    }
    let Some(headers) = module.checkin.read(message) else {
        return Started::Done(code::NONE);
    };
    let source = module.request.source(message);
    let source = source.trim_start_matches('[').trim_end_matches(']');
    let address = match source.parse::<IpAddr>() {
        Ok(address) if checkins.networks.have(address) => address.to_canonical(),
        _ => {
            let cause = "a server that checks in from outside of checkin_networks";
            outcome::refused(module, message, FUNCTION, code::NONE, &cause);
            return Started::Done(code::NONE);
        }
    };
    let port = module.request.source_port(message);
    let checkin = match read(headers, address, port) {
        Ok(checkin) => checkin,
        Err(malformed) => {
            outcome::refused(module, message, FUNCTION, code::MALFORMED, &malformed);
            return Started::Done(code::MALFORMED);
        }
    };
    let asked = checkin.clone();
    let cluster = &module.config.checkins.cluster;
    on_redis(
        module,
        message,
        wait,
        move |session| Members::new(session, cluster).take(&asked),
        move |message, checked: Result<Checked, CacheError>| match checked {
            Ok(checked) => done(module, message, &checkin, checked, out),
            Err(error) => unavailable(module, &error),
        },
    )
}

fn read(headers: CheckinHeaders, address: IpAddr, port: u16) -> Result<Checkin, Malformed> {
    let CheckinHeaders {
        is_rtp,
        status,
        url,
        is_doubled,
    } = headers;
    if is_doubled {
        return Err(Malformed::Doubled);
    }
    let status = status.trim_ascii();
    let is_printable = |byte: &u8| (b' '..=b'~').contains(byte);
    if status.is_empty() || status.len() > MOST_STATUS || !status.iter().all(is_printable) {
        return Err(Malformed::Status);
    }
    let url = url
        .as_deref()
        .map(<[u8]>::trim_ascii)
        .filter(|url| !url.is_empty());
    let url = url.map(|url| match url.iter().all(u8::is_ascii_graphic) {
        true if url.len() <= MOST_URL => {
            String::from_utf8(url.to_vec()).map_err(|_| Malformed::Url)
        }
        _ => Err(Malformed::Url),
    });
    Ok(Checkin {
        is_rtp,
        address,
        port,
        url: url.transpose()?,
        is_open: status == OPEN,
    })
}

fn done(
    module: &'static Module,
    message: Message,
    checkin: &Checkin,
    checked: Checked,
    out: Option<Variable>,
) -> i32 {
    let (set, member) = (checkin.set(), checkin.member());
    let key = set.key(&module.config.checkins.cluster);
    let Checked::Done {
        count,
        is_change,
        is_open,
    } = checked
    else {
        return unavailable(
            module,
            &format_args!("{member} is not taken into {key}: {MOST} members are the limit"),
        );
    };
    stats::set_state(
        match set {
            Set::RtpServers => State::RtpServers,
            _ => State::FeatureServers,
        },
        count,
    );
    if checkin.is_open && !is_open {
        log!(
            Notice,
            FUNCTION,
            "{member} is drained, and counts as closed"
        );
    }
    match (is_change, is_open) {
        (true, true) => log!(
            Info,
            FUNCTION,
            "{member} is new in {key}, which has {count} members"
        ),
        (true, false) => log!(
            Info,
            FUNCTION,
            "{member} is out of {key}, which has {count} members"
        ),
        (false, _) => {}
    }
    let count = Value::Int(i32::try_from(count).unwrap_or(i32::MAX));
    match out.is_none_or(|out| message.set(out, count)) {
        true => code::DONE,
        false => {
            log!(Error, FUNCTION, "the output could not be set");
            code::UNAVAILABLE
        }
    }
}

/// The return code if a check-in could not be noted.
fn unavailable(module: &'static Module, cause: &dyn Display) -> i32 {
    let text = cause.to_string();
    if process::is_due(module, (FUNCTION, &text)) {
        log!(Error, FUNCTION, "{text}");
    }
    code::UNAVAILABLE
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(is_rtp: bool, status: &[u8], url: Option<&[u8]>) -> Result<Checkin, Malformed> {
        let headers = CheckinHeaders {
            is_rtp,
            status: status.to_vec(),
            url: url.map(<[u8]>::to_vec),
            is_doubled: false,
        };
        read(headers, "10.0.0.7".parse().unwrap(), 5060)
    }

    #[test]
    fn only_open_is_open() {
        for (status, is_open) in [
            (b"open".as_slice(), true),
            (b" open ", true),
            (b"closed", false),
            (b"OPEN", false),
            (b"opened", false),
            (b"open closed", false),
        ] {
            assert_eq!(of(false, status, None).unwrap().is_open, is_open);
        }
    }

    #[test]
    fn a_server_is_named_by_where_it_sends_from() {
        assert_eq!(of(false, b"open", None).unwrap().member(), "10.0.0.7:5060");
        assert_eq!(of(true, b"open", None).unwrap().member(), "10.0.0.7");
        let mut checkin = of(false, b"open", Some(b" http://10.0.0.7:3000 ")).unwrap();
        assert_eq!(checkin.url.as_deref(), Some("http://10.0.0.7:3000"));
        checkin.address = "2001:db8:0:0:0:0:0:1".parse().unwrap();
        assert_eq!(checkin.member(), "[2001:db8::1]:5060");
        checkin.is_rtp = true;
        assert_eq!(checkin.member(), "2001:db8::1");
        assert_eq!(of(false, b"open", Some(b"  ")).unwrap().url, None);
    }

    #[test]
    fn what_would_harm_whoever_reads_it_is_refused() {
        let long = vec![b'x'; MOST_URL + 1];
        for url in [
            b"http://a b".as_slice(),
            b"http://a\tb",
            b"http://a\0",
            b"http://\xc3\xbc",
            &long,
        ] {
            assert_eq!(of(false, b"open", Some(url)), Err(Malformed::Url));
        }
        for status in [b"".as_slice(), b"op\0en", b"\xff", &[b'x'; MOST_STATUS + 1]] {
            assert_eq!(of(true, status, None), Err(Malformed::Status));
        }
        let doubled = CheckinHeaders {
            is_rtp: false,
            status: OPEN.to_vec(),
            url: None,
            is_doubled: true,
        };
        let read = read(doubled, "::1".parse().unwrap(), 1);
        assert_eq!(read, Err(Malformed::Doubled));
    }
}
