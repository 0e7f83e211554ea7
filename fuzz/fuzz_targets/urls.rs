//! URLs: of endpoints, providers, proxies, Redis and databases, as parameters, rows and metadata name them. The
//! first byte chooses the scheme.
#![no_main]

use auth_web::fuzzing::{
    DbUrl, Discovery, EndpointUrl, KeyReference, Proxy, RedisUrl, hook_url, is_https_uri,
};
use libfuzzer_sys::fuzz_target;

const SCHEMES: [&str; 12] = [
    "http",
    "https",
    "HTTPS",
    "redis",
    "rediss",
    "redis+sentinel",
    "rediss+cluster",
    "redis:group",
    "mysql",
    "postgres",
    "file",
    "",
];

/// Nothing that is printed may have it.
const PASSWORD: &str = "Zq7vXw9KpT";

fuzz_target!(|data: &[u8]| {
    let Some((choice, rest)) = data.split_first() else {
        return;
    };
    hook(data);
    let scheme = SCHEMES[usize::from(*choice) % SCHEMES.len()];
    let Ok(rest) = str::from_utf8(rest) else {
        _ = KeyReference::of(rest);
        return;
    };
    let plain = match scheme {
        "" => rest.to_owned(),
        scheme => format!("{scheme}://{rest}"),
    };
    read(&plain);
    if !plain.contains(PASSWORD) && !scheme.is_empty() {
        for shown in read(&format!("{scheme}://user:{PASSWORD}@{rest}")) {
            assert!(!shown.contains(PASSWORD), "{shown}");
        }
    }
});

/// Whatever is printed of a URL, wherever it is read.
fn read(url: &str) -> Vec<String> {
    let mut shown = Vec::new();
    match url.parse::<EndpointUrl>() {
        Ok(read) => {
            let target = read.target();
            assert!(!target.contains(char::is_control));
            // What is requested is the same URL, without what precedes its host.
            let again: EndpointUrl = target.parse().expect("a target is a URL");
            assert_eq!((again.target(), again.basic()), (target, None));
            assert_eq!(again.is_protected(), read.is_protected());
            assert_eq!(again.is_local(), read.is_local());
            assert!(target.starts_with(&read.to_string()));
            let query = read.with_query("a=1");
            assert!(query.starts_with(target) && query.parse::<EndpointUrl>().is_ok());
            if target.starts_with("https:") {
                assert!(read.is_protected());
            }
            shown.extend([read.to_string(), format!("{read:?}")]);
        }
        Err(error) => shown.push(error.to_string()),
    }
    match KeyReference::of(url.as_bytes()) {
        Some(Ok(reference)) => {
            if let Some(url) = reference.published() {
                let url: EndpointUrl = url.parse().expect("the URL of a set is one");
                assert!(url.is_protected());
            }
            shown.push(reference.to_string());
        }
        Some(Err(error)) => shown.push(error.to_string()),
        None => {}
    }
    match Proxy::parse(url) {
        Ok(proxy) => {
            let text = proxy.to_string();
            assert!(Proxy::parse(&text).is_ok(), "{text}");
            shown.extend([text, format!("{proxy:?}")]);
        }
        Err(error) => shown.push(error.to_string()),
    }
    for metadata in [None, Some(url)] {
        match Discovery::new(url, metadata) {
            Ok(discovery) => {
                assert!(discovery.name().starts_with(url));
                shown.push(discovery.to_string());
            }
            Err(error) => shown.push(error.to_string()),
        }
    }
    match RedisUrl::parse(url) {
        Ok(read) => {
            assert!(RedisUrl::is_redis(url));
            assert!(!read.hosts.is_empty());
            assert!(read.hosts.iter().all(|(_, port)| *port > 0));
            let text = read.to_string();
            // Names of masters are printed as they are, and would have to be encoded.
            if !text.contains(['%', '?', '@', ' ']) && text.matches('/').count() < 5 {
                let again = RedisUrl::parse(&text);
                let again = again.map(|again| (again.topology, again.hosts, again.database));
                let same = (read.topology.clone(), read.hosts.clone(), read.database);
                if text.is_ascii() && !text.contains("//redis") {
                    let slash = format!("{:?}", read.topology).contains('/');
                    assert!(slash || again == Ok(same), "{text}");
                }
            }
            shown.extend([text, format!("{read:?}")]);
        }
        Err(error) => shown.push(error.to_string()),
    }
    match DbUrl::parse(url) {
        Ok(read) => shown.extend([read.to_string(), format!("{read:?}")]),
        Err(error) => shown.push(error.to_string()),
    }
    if is_https_uri(url) {
        assert!(
            url.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"\\<>".contains(&byte))
        );
    }
    shown
}

fn hook(data: &[u8]) {
    if let Some(url) = hook_url(data) {
        assert!(!url.is_empty() && url.iter().all(u8::is_ascii_graphic));
    }
}
