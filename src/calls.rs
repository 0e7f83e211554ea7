//! The script functions, in terms of a request and its variables.

mod alerts;
pub mod answer;
pub mod aor;
mod bans;
pub mod challenge;
pub mod challenges;
pub mod check;
mod checkin;
pub mod codes;
pub mod compare;
pub mod contacts;
pub mod credentials;
pub mod denials;
pub mod digest;
pub mod endpoints;
pub mod entrance;
mod files;
pub mod headers;
pub mod hooks;
pub mod http;
mod http_check;
pub mod jwt;
pub mod key_sources;
pub mod keys;
mod logout;
mod members;
mod metrics;
mod notices;
mod on_redis;
pub mod options;
mod outcome;
mod pages;
mod params;
pub mod profile;
pub mod realms;
pub mod registrations;
pub mod reload;
pub mod revocations;
pub mod routes;
pub mod status;
pub mod tokens;
pub mod trunks;
mod waiting;

pub use notices::{have_told, told};
pub use waiting::{Resume, Started, Until, Wait};

use crate::digest::Request;
use crate::module::Module;
use crate::opensips::arguments::Arguments;
use crate::opensips::ffi::{aw_command as Command, aw_function as Function};
use crate::opensips::mi::{Answer, Params};
use crate::opensips::pvar::Message;

/// Runs a script function. One arm for each row of AW_FUNCTIONS in src/shim/exports.h, which
/// declares its arguments.
pub fn call(
    module: &'static Module,
    function: Function,
    message: Message,
    arguments: Arguments<'_>,
    wait: Wait,
) -> Started {
    let started = run(module, function, message, arguments, wait);
    notices::tell(module);
    started
}

/// Continues a script function.
pub fn resume(module: &Module, resume: Resume, message: Message, timed_out: bool) -> Started {
    let started = resume(message, timed_out);
    notices::tell(module);
    started
}

fn run(
    module: &'static Module,
    function: Function,
    message: Message,
    arguments: Arguments<'_>,
    wait: Wait,
) -> Started {
    let text = |index| arguments.text(index);
    let output = |index| arguments.output(index);
    let code = match function {
        Function::JwtAuthorize | Function::JwtDbAuthorize => {
            let outputs = jwt::Outputs {
                decoded: output(1),
                username: output(2),
                reason: output(3),
            };
            return jwt::authorize(module, message, text(0), outputs, wait);
        }
        Function::JwtScriptAuthorize => {
            let (decoded, reason) = (output(2), output(3));
            jwt::script_authorize(module, message, text(0), text(1), decoded, reason)
        }
        Function::ExtractPubKeyFromCert => {
            keys::public_key_from_certificate(message, text(0), output(1))
        }
        Function::ExtractPubKeyFromExpMod => {
            keys::public_key_from_exp_mod(message, text(0), text(1), output(2))
        }
        Function::JwtSign => keys::sign(
            module,
            message,
            text(0),
            text(1),
            text(2),
            output(3),
            text(4),
        ),
        Function::JwtChallenge => {
            let (server, scope, error) = (text(2), text(3), text(4));
            challenge::bearer(module, message, output(0), text(1), server, scope, error)
        }
        Function::HttpAuthorize => {
            let outputs = http::Outputs {
                grant: output(1),
                expires: output(2),
                message: output(3),
            };
            return http::authorize(module, message, text(0), outputs, wait);
        }
        Function::DigestAuthorize => {
            let inputs = [text(0), text(1)];
            return digest::authorize(module, message, inputs, output(2), wait);
        }
        Function::CheckHeaders => headers::check(module, message, output(0), text(1)),
        Function::ContactGet => contacts::get(module, message, [0, 1, 2, 3].map(output)),
        Function::TargetGet => contacts::target(module, message, output(0)),
        Function::TokenGet => tokens::get(module, message, output(0)),
        Function::UnsupportedGet => options::get(module, message, text(0), text(1), output(2)),
        Function::DenialHeaders => denials::headers(message, output(0), output(1)),
        Function::CallerRouteSet => routes::caller(module, message, output(0)),
        Function::CalleeRouteSet => routes::callee(module, message, text(0), output(1)),
        Function::CheckRouteSet => routes::check(module, message, text(0), text(1)),
        Function::IsEqual => compare::is_equal(message, output(0), output(1)),
        Function::SourceGet => compare::source(module, message, output(0), output(1)),
        Function::IsFrom => compare::is_from(module, message, text(0)),
        Function::IsSameDestination => compare::is_same_destination(message, output(0), output(1)),
        Function::HookUrl => hooks::url(message, output(0), output(1)),
        Function::AorGet => {
            let outputs = aor::Outputs {
                aor: output(1),
                realm: output(2),
                reason: output(3),
            };
            aor::get(module, message, text(0), outputs)
        }
        Function::PeerGet => compare::peer(message, output(0), text(1), output(2)),
        Function::DigestChallenge => {
            let stale = arguments.number(3) != 0;
            challenge::digest(module, message, output(0), text(1), text(2), stale)
        }
        Function::ChallengeHeaders => {
            let wanted = challenges::Wanted {
                realm: text(1),
                schemes: text(2),
                error: text(3),
                stale: arguments.number(4) != 0,
            };
            return challenges::headers(module, message, output(0), wanted, wait);
        }
        Function::DigestRealm => {
            answer::realm(message, text(0), output(1), arguments.number(2), output(3))
        }
        Function::DigestAnswer => {
            let request = Request {
                method: text(1),
                uri: text(2),
                body: text(3),
            };
            let login = answer::Login {
                username: text(4),
                password: text(5),
            };
            answer::answer(message, text(0), request, login, output(6))
        }
        Function::UseSentCseq => {
            message.use_sent_cseq();
            codes::DONE
        }
        Function::RealmGet => return realms::get(module, message, text(0), wait),
        Function::CredentialsGet => {
            let (username, password) = (output(3), output(4));
            credentials::get(
                module,
                message,
                text(0),
                text(1),
                text(2),
                username,
                password,
            )
        }
        Function::RegistrationSave => {
            let inputs = [text(0), text(1), text(2), text(4)];
            return registrations::save(module, message, inputs, output(3), wait);
        }
        Function::RegistrationGet => {
            return registrations::get(module, message, text(0), output(1), wait);
        }
        Function::RegistrationRemove => {
            return registrations::remove(module, message, [text(0), text(2)], output(1), wait);
        }
        Function::RegistrationRestore => {
            return registrations::restore(module, message, [text(0), text(1)], wait);
        }
        Function::RegistrationIsNewest => registrations::is_newest(module, message, text(0)),
        Function::RegistrationCount => {
            return registrations::count(module, message, [text(0), text(2)], output(1), wait);
        }
        Function::RegistrationExpire => registrations::expire(module, message),
        Function::AlertRaise => alerts::raise(module, message, [0, 1, 2, 3, 4].map(text)),
        Function::StatsBegin => metrics::begin(module, message, output(0)),
        Function::StatsTime => metrics::time(module, message, text(0), output(1), text(2)),
        Function::StatsGauge => metrics::gauge(module, [0, 1, 2].map(text)),
        Function::ServerCheckin => return checkin::checkin(module, message, output(0), wait),
    };
    Started::Done(code)
}

/// The return code of a function that fails internally.
pub fn failed(function: Function) -> i32 {
    match function {
        Function::JwtAuthorize | Function::JwtDbAuthorize => codes::jwt::STORE_FAILED,
        Function::HttpAuthorize | Function::DigestAuthorize => codes::entrance::FAILED,
        Function::RealmGet => codes::realm::FAILED,
        Function::RegistrationSave
        | Function::RegistrationGet
        | Function::RegistrationRemove
        | Function::RegistrationRestore
        | Function::RegistrationCount
        | Function::RegistrationExpire => codes::registration::UNAVAILABLE,
        Function::ServerCheckin => codes::checkin::UNAVAILABLE,
        Function::ContactGet => codes::contact::INVALID,
        Function::TokenGet => codes::token::SEVERAL,
        Function::UnsupportedGet => codes::unsupported::MALFORMED,
        _ => codes::FAILED,
    }
}

/// Runs a command of the management interface.
pub fn command(module: &'static Module, command: Command, params: &Params<'_>) -> Answer {
    let answer = ordered(module, command, params);
    notices::tell(module);
    answer
}

fn ordered(module: &'static Module, command: Command, params: &Params<'_>) -> Answer {
    match command {
        Command::AuthWebStatus => status::status(module),
        Command::AuthWebConfig => status::config(module, params),
        Command::JwtCheck => check::check(module, params),
        Command::JwtProfile => profile::describe(module, params),
        Command::JwtKeys => key_sources::list(module),
        Command::JwtKeysFetch => key_sources::fetch(module, params),
        Command::HttpEndpoints => endpoints::list(module, params),
        Command::HttpCheck => http_check::check(module, params),
        Command::HttpEndpointSet => endpoints::set(module, params),
        Command::BanList => bans::list(module),
        Command::BanAdd => bans::add(module, params),
        Command::BanRemove => bans::remove(module, params),
        Command::CredentialsList => credentials::list(module, params),
        Command::CredentialsCheck => credentials::check(module, params),
        Command::TrunkList => trunks::list(module, params),
        Command::JwtReload => reload::profiles(module, params),
        Command::JwtRevoke => revocations::revoke(module, params),
        Command::JwtRevoked => revocations::revoked(module, params),
        Command::RegistrationList => registrations::list(module, params),
        Command::ServerList => members::list(module),
        Command::ServerAvailable => members::available(module),
        Command::ServerDrained => members::drained(module),
        Command::ServerDrain => members::drain(module, params),
        Command::ServerUndrain => members::undrain(module, params),
        Command::CredentialsReload => reload::credentials(module, params),
    }
}
