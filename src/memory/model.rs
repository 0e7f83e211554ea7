//! Atomics that are checked by loom where a test asks for that.

use std::cell::Cell;
use std::fmt;
use std::sync::atomic::Ordering;

thread_local! {
    /// Whether this thread runs a model. Loom runs all threads of a model on the one that begins it.
    static IS_MODEL: Cell<bool> = const { Cell::new(false) };
}

/// Runs a test in every order in which its threads may see each other's writes, as long as no thread is
/// interrupted more than `interruptions` times. What it uses of [`memory`](crate::memory) must be made in it,
/// and its threads must be those of loom.
pub fn in_every_order(interruptions: usize, test: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(interruptions);
    IS_MODEL.set(true);
    model.check(test);
    IS_MODEL.set(false);
}

/// As that of the standard library.
pub fn fence(order: Ordering) {
    match IS_MODEL.get() {
        true => loom::sync::atomic::fence(order),
        false => std::sync::atomic::fence(order),
    }
}

macro_rules! atomic {
    ($name:ident, $value:ty) => {
        /// As that of the standard library. All zero is zero.
        #[repr(C, u64)]
        pub enum $name {
            /// That of the standard library.
            Plain(std::sync::atomic::$name),
            /// One of a model.
            Model(Box<loom::sync::atomic::$name>),
        }

        // Not each of them is used of each.
        #[allow(missing_docs, dead_code)]
        impl $name {
            pub fn new(value: $value) -> Self {
                match IS_MODEL.get() {
                    true => Self::Model(Box::new(loom::sync::atomic::$name::new(value))),
                    false => Self::Plain(std::sync::atomic::$name::new(value)),
                }
            }

            pub fn load(&self, order: Ordering) -> $value {
                match self {
                    Self::Plain(atomic) => atomic.load(order),
                    Self::Model(atomic) => atomic.load(order),
                }
            }

            pub fn store(&self, value: $value, order: Ordering) {
                match self {
                    Self::Plain(atomic) => atomic.store(value, order),
                    Self::Model(atomic) => atomic.store(value, order),
                }
            }

            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                match self {
                    Self::Plain(atomic) => atomic.swap(value, order),
                    Self::Model(atomic) => atomic.swap(value, order),
                }
            }

            pub fn compare_exchange(
                &self,
                old: $value,
                new: $value,
                order: Ordering,
                otherwise: Ordering,
            ) -> Result<$value, $value> {
                match self {
                    Self::Plain(atomic) => atomic.compare_exchange(old, new, order, otherwise),
                    Self::Model(atomic) => atomic.compare_exchange(old, new, order, otherwise),
                }
            }

            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                match self {
                    Self::Plain(atomic) => atomic.fetch_add(value, order),
                    Self::Model(atomic) => atomic.fetch_add(value, order),
                }
            }

            pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                match self {
                    Self::Plain(atomic) => atomic.fetch_max(value, order),
                    Self::Model(atomic) => atomic.fetch_max(value, order),
                }
            }

            pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                match self {
                    Self::Plain(atomic) => atomic.fetch_or(value, order),
                    Self::Model(atomic) => atomic.fetch_or(value, order),
                }
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

atomic!(AtomicU32, u32);
atomic!(AtomicU64, u64);
atomic!(AtomicI64, i64);
