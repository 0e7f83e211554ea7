//! How a script function asks the Redis of `cachedb_url`.

use super::waiting::{Started, Wait, on_thread};
use crate::module::Module;
use crate::opensips::pvar::Message;
use crate::process::{self, Cache, no_redis};
use crate::redis::{CacheError, Session};

/// Asks on a thread, and then does the rest: later if the function may wait, else now.
pub fn on_redis<T: Send + 'static>(
    module: &'static Module,
    message: Message,
    wait: Wait,
    work: impl FnOnce(&Session<'_>) -> Result<T, CacheError> + Send + 'static,
    then: impl FnOnce(Message, Result<T, CacheError>) -> i32 + 'static,
) -> Started {
    on_thread(
        module,
        message,
        wait,
        |wake| {
            process::with(module, |process| {
                let native = process.cache().and_then(Cache::native);
                let native = native.ok_or_else(|| Err(no_redis()))?;
                let threads = process.cache_threads();
                native.admit(threads).map_err(Err)?;
                native.submit(threads, wake, work).map_err(Err)
            })
        },
        |cause| Err(CacheError::Busy(cause.to_owned())),
        move |message, answer| Started::Done(then(message, answer)),
    )
}
