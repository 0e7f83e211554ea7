//! opensips-cfg/bearer.cfg, as a user would copy it.

use harness::core::Core;
use harness::database::Backend;
use harness::device::{Device, Question, Reply};
use harness::endpoint::Endpoint;
use harness::instance::{Config, Instance};
use harness::keys::Key;
use harness::profiles::Content;
use harness::setting::Setting;
use harness::shipped::Shipped;
use harness::sipp::{self, Run};
use harness::tokens::{now, token};

const FILE: &str = "bearer.cfg";

/// What the script asks until somebody writes another URL there.
const URL: &str = "http://127.0.0.1:8080/";

const DOMAIN: &str = "a.example";

const USERS: &str = "a.example:caller:secret\na.example:mary:secret\n";

/// Calls of SIPp.
const CALLS: usize = 20;

struct WithEndpoint(Shipped, String);

impl Config for WithEndpoint {
    fn render(&self, core: &Core, port: u16) -> String {
        let line = |url: &str| format!("modparam(\"auth_web\", \"http_url\", \"{url}\")");
        self.0
            .render(core, port)
            .replace(&line(URL), &line(&self.1))
    }
}

/// Challenges with both schemes, and takes either.
pub fn shipped(setting: &Setting, core: &Core) -> Result<(), String> {
    let (key, other) = (Key::secret(), Key::secret());
    let mut content = Content::default();
    content.profile("caller", "caller");
    content.secret("caller", &key.verifier());
    let database = setting.servers.create(Backend::Sqlite, &content)?;
    let mut endpoint = Endpoint::start(&setting.folder(), USERS, &[])?;
    let shipped = Shipped::read(FILE, &harness::module(), &database)?;
    let script = WithEndpoint(shipped, endpoint.url());
    let mut instance =
        Instance::start(core, &script, &setting.folder()).map_err(|e| e.to_string())?;
    let claims = |more: &str| format!(r#"{{"exp":{},"tag":"caller"{more}}}"#, now() + 3600);
    let good = token(&key, "HS256", &claims(r#","scope":"openid sip""#));
    let forged = token(&other, "HS256", &claims(r#","scope":"sip""#));
    let run = Run {
        scenario: "bearer_or_digest",
        service: "caller",
        rows: &vec![vec![good.clone(), forged.clone()]; CALLS],
    };
    sipp::run(&run, instance.port, &setting.folder())?;

    let device = Device::new(instance.port)?;
    let register = |user: &str| Question::register("registrar", user, DOMAIN);
    let invite = Question {
        method: "INVITE",
        ..register("caller").contact("")
    };
    let bearer = |question: &Question, name: &str, token: &str| {
        device.ask(&question.clone().with(name, format!("Bearer {token}")))
    };
    // Either header, whatever the method, and the scheme in any case.
    for name in ["Authorization", "Proxy-Authorization"] {
        status(bearer(&register("caller"), name, &good)?, 200)?;
        status(bearer(&invite, name, &good)?, 200)?;
    }
    let loud = register("caller").with("Authorization", format!("BEARER {good}"));
    status(device.ask(&loud)?, 200)?;
    status(device.authorize(&invite, "secret")?, 200)?;
    status(device.authorize(&register("caller"), "wrong")?, 403)?;
    // Nobody gets in under another's name.
    status(bearer(&register("mary"), "Authorization", &good)?, 403)?;
    status(device.authorize(&register("mary"), "secret")?, 200)?;
    let both = register("caller")
        .with("Authorization", format!("Bearer {good}"))
        .with("Proxy-Authorization", format!("Bearer {good}"));
    status(device.ask(&both)?, 400)?;
    let basic = register("caller").with("Authorization", "Basic Y2FsbGVyOnNlY3JldA==");
    let answer = device.ask(&basic)?;
    if ![400, 401].contains(&answer.status) {
        return Err(format!("Basic: {answer:?}"));
    }
    let expired = format!(r#"{{"exp":{},"scope":"sip","tag":"caller"}}"#, now() - 60);
    for (token, error) in [
        (forged, "invalid_token"),
        (token(&key, "HS256", &expired), "invalid_token"),
        (
            token(&key, "HS256", r#"{"scope":"sip","tag":"caller"}"#),
            "invalid_token",
        ),
        (
            token(
                &key,
                "HS256",
                &claims(r#","scope":"sip""#).replace("caller", "nobody"),
            ),
            "invalid_token",
        ),
        ("garbage".to_string(), "invalid_token"),
        (
            token(&key, "HS256", &claims(r#","scope":"openid""#)),
            "insufficient_scope",
        ),
        (token(&key, "HS256", &claims("")), "insufficient_scope"),
    ] {
        challenged(
            &bearer(&register("caller"), "Authorization", &token)?,
            401,
            "WWW-Authenticate",
            Some(error),
        )?;
        challenged(
            &bearer(&invite, "Proxy-Authorization", &token)?,
            407,
            "Proxy-Authenticate",
            Some(error),
        )?;
    }
    challenged(
        &device.ask(&register("caller"))?,
        401,
        "WWW-Authenticate",
        None,
    )?;
    challenged(&device.ask(&invite)?, 407, "Proxy-Authenticate", None)?;
    // A password waits for its endpoint, a token does not need it.
    let challenge = device.ask(&register("caller"))?.challenge()?;
    let response = device.respond(&register("caller"), &challenge, "secret");
    endpoint.pause();
    status(device.ask_with(&register("caller"), &response)?, 503)?;
    status(bearer(&register("caller"), "Authorization", &good)?, 200)?;
    instance.check_workers()
}

fn status(reply: Reply, status: u16) -> Result<Reply, String> {
    match reply.status == status {
        true => Ok(reply),
        false => Err(format!("{status} expected, got {reply:?}")),
    }
}

/// Complains unless there is one challenge of each scheme, Digest first, with this error.
fn challenged(reply: &Reply, status: u16, name: &str, error: Option<&str>) -> Result<(), String> {
    let headers = reply.headers(name);
    let good = match &headers[..] {
        [digest, bearer] => {
            digest.starts_with("Digest realm=\"a.example\", ")
                && bearer.starts_with("Bearer realm=\"a.example\", authz_server=\"https://")
                && match error {
                    Some(error) => bearer.contains(&format!("error=\"{error}\"")),
                    None => !bearer.contains("error="),
                }
        }
        _ => false,
    };
    if good && reply.status == status {
        return Ok(());
    }
    Err(format!("{status} with {error:?} expected, got {reply:?}"))
}
