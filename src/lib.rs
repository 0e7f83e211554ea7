//! auth_web: an OpenSIPS module that admits SIP requests by web identity.
//!
//! This file only wires: an entry point converts the arguments that the C shim hands over, calls
//! one function of the layers below, and converts the result. See `include/auth_web.h`.
#![deny(unsafe_code)]

pub mod calls;
pub mod config;
pub mod counters;
pub mod credentials;
pub mod digest;
pub mod http;
pub mod jwt;
pub mod loader;
pub mod module;
pub mod opensips;
pub mod pool;
pub mod process;
pub mod sip;
pub mod store;

#[allow(unsafe_code)]
mod entry {
    use crate::calls::{self, Resume, Started, Until, Wait};
    use crate::config::raw::RawValue;
    use crate::opensips::ffi::{aw_async, aw_msg, aw_spec, aw_str, osips_module_exports};
    use crate::opensips::guard;
    use crate::opensips::pvar::{Message, Variable};
    use crate::opensips::resume::{self, Context, Place};
    use crate::{loader, log, module, opensips, process};
    use core::ffi::{CStr, c_char, c_int, c_ulong};

    /// Return code of a function whose work failed for a reason of its own.
    const INTERNAL_ERROR: c_int = -6;

    /// What is left to do of an asynchronous call, at an address that the core keeps.
    type Pending = Option<(Resume, Option<Place>)>;

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
            module::collect(&name, value);
            0
        })
    }

    /// `mod_init`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_mod_init() -> c_int {
        guard::entry(c"mod_init", -1, || match module::init() {
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
            Err(error) => {
                log!(Error, c"mod_init", "{error}");
                -1
            }
        })
    }

    /// `child_init`: what a process needs is made when it is first used, but for the keys of an
    /// identity provider and the table of credentials, which no request should have to wait for.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_child_init(rank: c_int) -> c_int {
        guard::entry(c"child_init", -1, || {
            if let Some(module) = module::get().filter(|_| rank >= 1) {
                process::with(|process| {
                    if let Some(url) = module.config.tokens.jwks_url.clone() {
                        process.fetch_behind(vec![url]);
                    }
                    process.begin_reading_credentials(module);
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
            process::end();
        });
    }

    /// Goes on with an asynchronous call.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_resume(
        msg: *mut aw_msg,
        param: *mut core::ffi::c_void,
        timed_out: c_int,
        again: *mut aw_async,
    ) -> c_int {
        guard::entry(c"resume", INTERNAL_ERROR, || {
            let param = param.cast::<Pending>();
            // SAFETY: made by `hand_over`, and not freed while the core waits for it.
            let pending = unsafe { &mut *param }.take();
            let started = match pending {
                Some((resume, place)) => {
                    // The core may come on its own: nobody is to resume it once more then.
                    drop(place);
                    resume(Message::new(msg), timed_out != 0)
                }
                None => Started::Done(INTERNAL_ERROR),
            };
            match started {
                Started::Waiting { until, resume } if timed_out == 0 => {
                    // SAFETY: the shim gives room for it.
                    let again = unsafe { &mut *again };
                    // SAFETY: as above; the core keeps the pointer, so that it stays the same.
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
    fn tell(until: Until, out: &mut aw_async) -> Option<Place> {
        match until {
            Until::Readable(_, fd) => {
                out.fd = fd;
                None
            }
            Until::Rung(place) => {
                out.queued = 1;
                Some(place)
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

    /// Tells the shim how a function went.
    fn hand_over(started: Started, out: *mut aw_async) -> c_int {
        match started {
            Started::Done(code) => code,
            Started::Waiting { until, resume } => {
                // SAFETY: the shim gives room for it wherever a function may wait.
                let out = unsafe { &mut *out };
                let place = tell(until, out);
                out.param = Box::into_raw(Box::<Pending>::new(Some((resume, place)))).cast();
                1
            }
        }
    }

    /// `jwt_authorize(token, out_decoded, out_username [, out_reason])`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_jwt_authorize(
        msg: *mut aw_msg,
        token: aw_str,
        decoded: *mut aw_spec,
        username: *mut aw_spec,
        reason: *mut aw_spec,
        out: *mut aw_async,
    ) -> c_int {
        guard::entry(c"jwt_authorize", INTERNAL_ERROR, || {
            let Some(module) = module::get() else {
                return INTERNAL_ERROR;
            };
            // SAFETY: the core's strings live through the call.
            let token = unsafe { token.as_bytes() };
            let outputs = calls::jwt::Outputs {
                decoded: Variable::from_raw(decoded),
                username: Variable::from_raw(username),
                reason: Variable::from_raw(reason),
            };
            let started =
                calls::jwt::authorize(module, Message::new(msg), token, outputs, wait(out));
            hand_over(started, out)
        })
    }

    /// `jwt_script_authorize(token, key, out_decoded [, out_reason])`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_jwt_script_authorize(
        msg: *mut aw_msg,
        token: aw_str,
        key: aw_str,
        decoded: *mut aw_spec,
        reason: *mut aw_spec,
    ) -> c_int {
        guard::entry(c"jwt_script_authorize", -1, || {
            let Some(module) = module::get() else {
                return -1;
            };
            calls::jwt::script_authorize(
                module,
                Message::new(msg),
                // SAFETY: the core's strings live through the call.
                unsafe { token.as_bytes() },
                // SAFETY: as above.
                unsafe { key.as_bytes() },
                Variable::from_raw(decoded),
                Variable::from_raw(reason),
            )
        })
    }

    /// `extract_pub_key_from_cert(certificate, out_key)`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_extract_pub_key_from_cert(
        msg: *mut aw_msg,
        certificate: aw_str,
        key: *mut aw_spec,
    ) -> c_int {
        guard::entry(c"extract_pub_key_from_cert", -1, || {
            // SAFETY: the core's strings live through the call.
            let certificate = unsafe { certificate.as_bytes() };
            let key = Variable::from_raw(key);
            calls::keys::public_key_from_certificate(Message::new(msg), certificate, key)
        })
    }

    /// `extract_pub_key_from_exp_mod(e, n, out_key)`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_extract_pub_key_from_exp_mod(
        msg: *mut aw_msg,
        e: aw_str,
        n: aw_str,
        key: *mut aw_spec,
    ) -> c_int {
        guard::entry(c"extract_pub_key_from_exp_mod", -1, || {
            // SAFETY: the core's strings live through the call.
            let (e, n) = unsafe { (e.as_bytes(), n.as_bytes()) };
            let key = Variable::from_raw(key);
            calls::keys::public_key_from_exp_mod(Message::new(msg), e, n, key)
        })
    }

    /// `jwt_sign(claims_json, key, algorithm, out_token [, header_json])`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_jwt_sign(
        msg: *mut aw_msg,
        claims: aw_str,
        key: aw_str,
        algorithm: aw_str,
        token: *mut aw_spec,
        header: aw_str,
    ) -> c_int {
        guard::entry(c"jwt_sign", -1, || {
            // SAFETY: the core's strings live through the call.
            let (claims, key) = unsafe { (claims.as_bytes(), key.as_bytes()) };
            // SAFETY: as above.
            let (algorithm, header) = unsafe { (algorithm.as_bytes(), header.as_bytes()) };
            let token = Variable::from_raw(token);
            calls::keys::sign(Message::new(msg), claims, key, algorithm, token, header)
        })
    }

    /// `http_authorize(url, out_grant [, out_expires [, out_msg]])`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_http_authorize(
        msg: *mut aw_msg,
        url: aw_str,
        grant: *mut aw_spec,
        expires: *mut aw_spec,
        message: *mut aw_spec,
        out: *mut aw_async,
    ) -> c_int {
        const FAILED: c_int = -5;
        guard::entry(c"http_authorize", FAILED, || {
            let Some(module) = module::get() else {
                return FAILED;
            };
            // SAFETY: the core's strings live through the call.
            let url = unsafe { url.as_bytes() };
            let outputs = calls::http::Outputs {
                grant: Variable::from_raw(grant),
                expires: Variable::from_raw(expires),
                message: Variable::from_raw(message),
            };
            let started =
                calls::http::authorize(module, Message::new(msg), url, outputs, wait(out));
            hand_over(started, out)
        })
    }

    /// `check_headers([out_reason])`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_check_headers(msg: *mut aw_msg, reason: *mut aw_spec) -> c_int {
        guard::entry(c"check_headers", -1, || {
            let Some(module) = module::get() else {
                return -1;
            };
            calls::headers::check(module, Message::new(msg), Variable::from_raw(reason))
        })
    }

    /// `digest_challenge(out_header, realm [, algorithms [, stale]])`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_digest_challenge(
        msg: *mut aw_msg,
        header: *mut aw_spec,
        realm: aw_str,
        algorithms: aw_str,
        stale: c_int,
    ) -> c_int {
        guard::entry(c"digest_challenge", -1, || {
            let Some(module) = module::get() else {
                return -1;
            };
            // SAFETY: the core's strings live through the call.
            let (realm, algorithms) = unsafe { (realm.as_bytes(), algorithms.as_bytes()) };
            let header = Variable::from_raw(header);
            let message = Message::new(msg);
            calls::challenge::digest(module, message, header, realm, algorithms, stale != 0)
        })
    }

    /// `jwt_challenge(out_header, realm [, authz_server [, scope [, error]]])`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_jwt_challenge(
        msg: *mut aw_msg,
        header: *mut aw_spec,
        realm: aw_str,
        authz_server: aw_str,
        scope: aw_str,
        error: aw_str,
    ) -> c_int {
        guard::entry(c"jwt_challenge", -1, || {
            // SAFETY: the core's strings live through the call.
            let (realm, authz_server) = unsafe { (realm.as_bytes(), authz_server.as_bytes()) };
            // SAFETY: as above.
            let (scope, error) = unsafe { (scope.as_bytes(), error.as_bytes()) };
            let header = Variable::from_raw(header);
            calls::challenge::bearer(Message::new(msg), header, realm, authz_server, scope, error)
        })
    }

    /// `credentials_get(server, realm, user, out_username, out_password)`.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_credentials_get(
        msg: *mut aw_msg,
        server: aw_str,
        realm: aw_str,
        user: aw_str,
        username: *mut aw_spec,
        password: *mut aw_spec,
    ) -> c_int {
        guard::entry(c"credentials_get", -1, || {
            let Some(module) = module::get() else {
                return -1;
            };
            // SAFETY: the core's strings live through the call.
            let (server, realm) = unsafe { (server.as_bytes(), realm.as_bytes()) };
            // SAFETY: as above.
            let user = unsafe { user.as_bytes() };
            let username = Variable::from_raw(username);
            let password = Variable::from_raw(password);
            let message = Message::new(msg);
            calls::credentials::get(module, message, server, realm, user, username, password)
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
            // Only a panic leads here. The next try must not be a busy loop.
            std::thread::sleep(core::time::Duration::from_secs(1));
        }
    }

    /// `jwt_reload` of the management interface.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_jwt_reload() -> c_int {
        guard::entry(c"jwt_reload", -1, || {
            if module::get().is_none() {
                return -1;
            }
            opensips::shared::add(opensips::shared::GENERATION, 1);
            log!(
                Info,
                c"jwt_reload",
                "cached profiles and tokens are forgotten"
            );
            0
        })
    }

    /// `credentials_reload` of the management interface.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_credentials_reload() -> c_int {
        guard::entry(c"credentials_reload", -1, || {
            if module::get().is_none() {
                return -1;
            }
            opensips::shared::add(opensips::shared::CREDENTIALS_GENERATION, 1);
            log!(
                Info,
                c"credentials_reload",
                "the table of credentials is read again before it is next used"
            );
            0
        })
    }

    /// The value of a statistic.
    #[unsafe(no_mangle)]
    extern "C" fn aw_rs_statistic(index: c_int) -> c_ulong {
        opensips::stats::value(usize::try_from(index).unwrap_or(usize::MAX))
    }
}
