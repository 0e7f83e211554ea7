//! auth_web: an OpenSIPS module that admits SIP requests by web identity.
//!
//! This file only wires: an entry point converts the arguments that the C shim passes, calls one
//! function of the layers below, and converts the result. See `include/auth_web.h`.
#![deny(unsafe_code)]

mod alerts;
mod authority;
mod calls;
mod clock;
mod connections;
mod counters;
mod credentials;
mod digest;
mod files;
mod http;
mod introspection;
mod keyed;
mod keys;
mod members;
mod memory;
mod meters;
mod module;
mod opensips;
mod outages;
mod pool;
mod process;
mod queue;
mod rate;
mod realms;
mod redis;
mod registrations;
mod revocations;
mod sip;
mod start;
mod statsd;
mod store;
mod trunks;

// OpenSIPS uses nothing but `entry`. Code that is compiled separately uses the three below: the
// fuzz targets read tokens, keys and JSON (`jwt`), parameters (`config`) and all else that comes from
// outside (`fuzzing`, which is there for them alone); the documentation tests (tests/docs) try parameters
// and reasons (`jwt`). All else is private, so that the compiler reports unused code.
pub mod config;
pub mod jwt;

// The documents' tests compare reasons and codes.
#[doc(hidden)]
pub use crate::calls::codes;
#[doc(hidden)]
pub use crate::introspection::IntrospectionError;

/// What the fuzz targets reach: whatever reads what strangers send, or what endpoints, providers, databases and
/// Redis answer.
#[cfg(feature = "fuzzing")]
#[doc(hidden)]
#[allow(missing_docs)]
pub mod fuzzing {
    pub use crate::calls::entrance::choose;
    pub use crate::counters::{Claim, Counters};
    pub use crate::credentials::{
        Credentials as Outbound, Entry as OutboundEntry, parse as credential,
    };
    pub use crate::digest::{Credentials, Digest, Freshness, Received, Request as Answering};
    pub use crate::http::{
        Answer, EndpointUrl, FormAnswer, GrantValue, Proxy, Verdict, denial_headers, hook_url,
    };
    pub use crate::introspection::{Answer as Introspected, Told};
    pub use crate::jwt::challenge::is_https_uri;
    pub use crate::jwt::logout::revocations as logged_out;
    pub use crate::jwt::path::ClaimPath;
    pub use crate::jwt::username::Username;
    pub use crate::keys::{Discovery, Fetch, FetchError, Fetched, KeyReference, published_by};
    pub use crate::meters::Gauge;
    pub use crate::opensips::request::Authorizations;
    pub use crate::pool::{Pool, PoolConfig};
    pub use crate::redis::{CacheError, Redis, RedisUrl, Replies, Settings};
    pub use crate::registrations::{
        Before, Entry, Grant, Left, MemberValue, Registration, Registrations, Round, Saved, Turn,
        Undo,
    };
    pub use crate::revocations::{hear, tell};
    pub use crate::sip::{
        AddressOfRecord, Asked, Contact, HostPort, Rule, asked, check_line_ends, check_mandatory,
        check_max_forwards, check_x_jwt, entries, head, identity, is_contact_uri, is_ip_address,
        is_same_uri, of_route_set, requested_expires, route_set, unsupported, usable,
    };
    pub use crate::store::carriers::{Carrier, CarrierRows, Gateway};
    pub use crate::store::credentials::CredentialTable;
    pub use crate::store::endpoints::EndpointTables;
    pub use crate::store::issuers::{Defaults, IssuerTable, Issuers, SpeaksFor};
    pub use crate::store::profiles::ProfileTables;
    pub use crate::store::realm::RealmTable;
    pub use crate::store::revocations::RevocationTable;
    pub use crate::store::snapshot;
    pub use crate::store::url::DbUrl;
    pub use crate::store::version;
    pub use crate::store::{Cell, Refusal, Select, Source, StoreError};
    pub use crate::trunks::{
        Deed, Now, Registrations as Trunks, Reply, Settings as TrunkSettings, Site, plans,
    };
}

#[allow(unsafe_code)]
mod entry {
    use core::ffi::{CStr, c_char, c_int, c_ulong, c_void};

    use crate::calls::codes::INTERNAL_ERROR;
    use crate::calls::{self, Resume, Started, Until, Wait};
    use crate::config::raw::RawValue;
    use crate::opensips::arguments::{self, Arguments};
    use crate::opensips::ffi::{
        self, aw_async, aw_command, aw_function, aw_gauge, aw_msg, osips_module_exports,
    };
    use crate::opensips::guard;
    use crate::opensips::mi::{Answer, Params};
    use crate::opensips::pvar::Message;
    use crate::opensips::resume::{self, Context, Suspended};
    use crate::process::{self, chores, loader};
    use crate::{log, module, opensips, start};

    /// The rest of an asynchronous call, at an address that the core keeps.
    type Pending = Option<(Resume, Option<Suspended>)>;

    /// What the core looks up in the library. Filled in by the shim's constructor
    /// (src/shim/exports.c), before the core reads it; defined here because the linker exports
    /// Rust's symbols only.
    #[unsafe(no_mangle)]
    #[allow(non_upper_case_globals)]
    pub static mut exports: osips_module_exports =
        // SAFETY: all of its members are pointers, integers and optional functions, for which
        // zero is a value.
        unsafe { core::mem::MaybeUninit::zeroed().assume_init() };

    /// One modparam.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_modparam(name: *const c_char, text: *const c_char, number: c_int) -> c_int {
        guard::entry(c"modparam", -1, || {
            // SAFETY: the shim gives a string literal.
            let name = unsafe { CStr::from_ptr(name) }.to_string_lossy();
            let value = if text.is_null() {
                RawValue::Int(number)
            } else {
                // SAFETY: the core gives a C string that lives through the call.
                let text = unsafe { CStr::from_ptr(text) };
                match text.to_str() {
                    Ok(text) => RawValue::Text(text.to_owned()),
                    Err(_) => {
                        log!(
                            Error,
                            c"modparam",
                            "parameter {name:?}: its value is not UTF-8"
                        );
                        return -1;
                    }
                }
            };
            match start::collect(&name, value) {
                Ok(()) => 0,
                Err(error) => {
                    log!(Error, c"modparam", "{error}");
                    -1
                }
            }
        })
    }

    /// `mod_init`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_mod_init() -> c_int {
        guard::entry(c"mod_init", -1, || match start::init() {
            Ok(()) => {
                let release = opensips::core_release();
                log!(
                    Info,
                    c"mod_init",
                    "auth_web {} in OpenSIPS {}.{}",
                    env!("CARGO_PKG_VERSION"),
                    release / 100,
                    release % 100
                );
                0
            }
            Err(faults) => {
                for fault in faults {
                    log!(Error, c"mod_init", "{fault}");
                }
                -1
            }
        })
    }

    /// The script calls `jwt_authorize`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_judges() {
        guard::entry(c"jwt_authorize", (), start::judges);
    }

    /// `child_init`: what a process needs is made when it is first used, except for the keys of an
    /// identity provider and the table of credentials, which no request should have to wait for.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_child_init(rank: c_int) -> c_int {
        guard::entry(c"child_init", -1, || {
            if let Some(module) = module::get().filter(|_| rank >= 1) {
                process::with(module, |process| {
                    // A file is read when it is first used.
                    let url = module.config.tokens.jwks_url.clone();
                    if let Some(url) = url.filter(|url| !url.starts_with("file:")) {
                        process.fetch_in_background(vec![url]);
                    }
                    process.begin_reading_credentials();
                    process.are_others_heard();
                });
            }
            0
        })
    }

    /// `destroy`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_destroy() {
        guard::entry(c"destroy", (), || {
            loader::end();
            chores::end();
            process::end();
        });
    }

    /// Continues an asynchronous call.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_resume(
        msg: *mut aw_msg,
        param: *mut c_void,
        timed_out: c_int,
        again: *mut aw_async,
    ) -> c_int {
        guard::entry(c"resume", INTERNAL_ERROR, || {
            let param = param.cast::<Pending>();
            // SAFETY: made by `hand_over`, and not freed while the core waits for it.
            let pending = unsafe { &mut *param }.take();
            let started = match pending {
                Some((resume, suspended)) => {
                    // The core may resume it on its own: nobody must resume it again then.
                    drop(suspended);
                    match module::get() {
                        Some(module) => {
                            calls::resume(module, resume, Message::new(msg), timed_out != 0)
                        }
                        None => Started::Done(INTERNAL_ERROR),
                    }
                }
                None => Started::Done(INTERNAL_ERROR),
            };
            match started {
                Started::Waiting { until, resume } if timed_out == 0 => {
                    // SAFETY: the shim provides space for it.
                    let again = unsafe { &mut *again };
                    // SAFETY: as above; the core keeps the pointer, so it stays the same.
                    unsafe { *param = Some((resume, tell(until, again))) };
                    INTERNAL_ERROR
                }
                done => {
                    // SAFETY: as above, and nobody resumes it again.
                    drop(unsafe { Box::from_raw(param) });
                    match done {
                        Started::Done(code) => code,
                        Started::Waiting { until, .. } => {
                            if let Until::Readable(waker, _) = until {
                                waker.close();
                            }
                            INTERNAL_ERROR
                        }
                    }
                }
            }
        })
    }

    /// Resumes calls.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_ready() {
        guard::entry(c"resume", (), resume::resume_ready);
    }

    /// Tells the shim what a call waits for.
    fn tell(until: Until, out: &mut aw_async) -> Option<Suspended> {
        match until {
            Until::Readable(_, fd) => {
                out.fd = fd;
                None
            }
            Until::Woken(suspended) => {
                out.queued = 1;
                Some(suspended)
            }
        }
    }

    /// Whether and how a function may wait.
    fn wait(out: *const aw_async) -> Wait {
        if out.is_null() {
            return Wait::Never;
        }
        // SAFETY: the shim gives one that lives through the call.
        match Context::from_raw(unsafe { (*out).ctx }) {
            Some(context) => Wait::InQueue(context),
            None => Wait::OnDescriptor,
        }
    }

    /// Tells the shim the outcome of a function.
    fn hand_over(started: Started, out: *mut aw_async) -> c_int {
        match started {
            Started::Done(code) => code,
            Started::Waiting { until, resume } => {
                // SAFETY: the shim provides space for it wherever a function may wait.
                let out = unsafe { &mut *out };
                let suspended = tell(until, out);
                out.param = Box::into_raw(Box::<Pending>::new(Some((resume, suspended)))).cast();
                1
            }
        }
    }

    /// A script function.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_call(
        function: aw_function,
        msg: *mut aw_msg,
        raw: *const *mut c_void,
        out: *mut aw_async,
    ) -> c_int {
        let failed = calls::failed(function);
        guard::entry(arguments::name(function), failed, || {
            let Some(module) = module::get() else {
                return failed;
            };
            // SAFETY: the shim passes what the core gave to this function, for this call.
            let arguments = unsafe { Arguments::of(function, raw) };
            let message = Message::new(msg);
            hand_over(
                calls::call(module, function, message, arguments, wait(out)),
                out,
            )
        })
    }

    /// The process of `cache_mode` "preload". Never returns.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_loader() {
        loop {
            guard::entry(c"loader", (), || {
                let module = module::get().expect("mod_init asked for this process");
                let database = module.config.database.as_ref().expect("as above");
                loader::run(module, database)
            });
            // Only a panic leads here. Retrying must not become a busy loop.
            std::thread::sleep(core::time::Duration::from_secs(1));
        }
    }

    /// The process of what is done at intervals. Never returns.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_chores() {
        loop {
            guard::entry(c"chores", (), || {
                let module = module::get().expect("mod_init asked for this process");
                chores::run(chores::chores(&module.config), module, calls::have_told)
            });
            // As above.
            std::thread::sleep(core::time::Duration::from_secs(1));
        }
    }

    /// The process that sends requests of its own. Never returns.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_trunks() {
        loop {
            guard::entry(c"trunks", (), || {
                let module = module::get().expect("mod_init asked for this process");
                chores::run(chores::trunks(&module.config), module, calls::have_told)
            });
            // As above.
            std::thread::sleep(core::time::Duration::from_secs(1));
        }
    }

    /// A worker tells what another process has found out.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_told(notice: *mut c_void) {
        guard::entry(c"outage", (), || {
            if let Some(module) = module::get() {
                calls::told(module, notice.addr());
            }
        });
    }

    /// The answer to a request of our own: in any process, which it must not keep.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_answered(number: u64, code: c_int, reply: *mut aw_msg) {
        guard::entry(c"answered", (), || {
            let Some(answers) = module::get().and_then(|module| module.answers.as_ref()) else {
                return;
            };
            let reply = (!reply.is_null()).then(|| Message::new(reply));
            let code = u16::try_from(code).unwrap_or(0);
            if !answers.leave(number, code, reply) {
                log!(
                    Warning,
                    c"answered",
                    "an answer of a carrier is lost: too many wait to be read"
                );
            }
        })
    }

    /// A command of the management interface.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_command(command: aw_command, params: *const c_void) -> *mut c_void {
        guard::entry(c"command", core::ptr::null_mut(), || {
            // SAFETY: the core gives them for this call.
            let params = unsafe { Params::from_raw(params) };
            let answer = match module::get() {
                Some(module) => calls::command(module, command, &params),
                None => Answer::error(500, "the module is not set up"),
            };
            answer.into_raw()
        })
    }

    /// The value of a gauge.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_gauge(gauge: aw_gauge) -> c_ulong {
        guard::entry(c"statistics", 0, || process::gauge(gauge))
    }

    /// Checks the entry points against their declarations in include/auth_web.h: does not compile
    /// if one differs.
    macro_rules! as_declared {
        ($($name:ident($($_:tt)*)),* $(,)?) => {
            const _: () = {
                $(let _ = [ffi::$name as unsafe extern "C" fn($($_)*) -> _, $name];)*
            };
        };
    }
    as_declared!(
        aw_rs_modparam(_, _, _),
        aw_rs_mod_init(),
        aw_rs_judges(),
        aw_rs_child_init(_),
        aw_rs_destroy(),
        aw_rs_call(_, _, _, _),
        aw_rs_resume(_, _, _, _),
        aw_rs_ready(),
        aw_rs_loader(),
        aw_rs_chores(),
        aw_rs_trunks(),
        aw_rs_told(_),
        aw_rs_answered(_, _, _),
        aw_rs_command(_, _),
        aw_rs_gauge(_),
    );
}
