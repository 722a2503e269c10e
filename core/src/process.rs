//! This process as others see it: no core dump holds its secrets, and no other process of this user reads its memory.

use std::sync::atomic::{AtomicBool, Ordering};

/// Whether [`disable_core_dumps`] has run.
static HIDDEN: AtomicBool = AtomicBool::new(false);

/// Keeps this process's memory out of core dumps and, on Linux, from debuggers of the same user. For programs: a library
/// leaves this to its host, which may want to be debugged.
pub fn disable_core_dumps() {
    imp::disable();
    HIDDEN.store(true, Ordering::SeqCst);
}

/// Starts a child with the limit on core dumps that was there before [`disable_core_dumps`].
pub fn with_core_dumps_of_before<T>(start: impl FnOnce() -> T) -> T {
    if !HIDDEN.load(Ordering::SeqCst) {
        return start();
    }
    imp::restore_limit();
    let started = start();
    imp::no_core_files();
    started
}

/// Looks at a path that may lead through `/proc/self`, which a process that cannot be dumped may not, unless it is root.
pub(crate) fn with_own_descriptors<T>(look: impl FnOnce() -> T) -> T {
    if HIDDEN.load(Ordering::SeqCst) { imp::with_own_descriptors(look) } else { look() }
}

#[cfg(unix)]
mod imp {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    use std::sync::{Mutex, OnceLock, PoisonError};

    static BEFORE: OnceLock<Rlimit> = OnceLock::new();
    /// How many look through `/proc/self` at this moment.
    static LOOKING: Mutex<usize> = Mutex::new(0);

    pub(super) fn disable() {
        BEFORE.get_or_init(|| getrlimit(Resource::Core));
        no_core_files();
        set_dumpable(false);
    }

    /// The soft limit alone: a child may raise it again.
    pub(super) fn no_core_files() {
        let before = BEFORE.get().copied().unwrap_or(Rlimit { current: Some(0), maximum: None });
        // A system that refuses keeps its own limit; nothing depends on it.
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), ..before });
    }

    pub(super) fn restore_limit() {
        if let Some(before) = BEFORE.get() {
            let _ = setrlimit(Resource::Core, *before);
        }
    }

    pub(super) fn with_own_descriptors<T>(look: impl FnOnce() -> T) -> T {
        /// Also where looking panics.
        struct Looking;
        impl Drop for Looking {
            fn drop(&mut self) {
                let mut looking = LOOKING.lock().unwrap_or_else(PoisonError::into_inner);
                *looking -= 1;
                if *looking == 0 {
                    set_dumpable(false);
                }
            }
        }
        {
            let mut looking = LOOKING.lock().unwrap_or_else(PoisonError::into_inner);
            *looking += 1;
            set_dumpable(true);
        }
        let _looking = Looking;
        look()
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn set_dumpable(dumpable: bool) {
        use rustix::process::{DumpableBehavior, set_dumpable_behavior};
        let wanted = if dumpable { DumpableBehavior::Dumpable } else { DumpableBehavior::NotDumpable };
        let _ = set_dumpable_behavior(wanted);
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn set_dumpable(_: bool) {}
}

#[cfg(not(unix))]
mod imp {
    pub(super) fn disable() {}
    pub(super) fn no_core_files() {}
    pub(super) fn restore_limit() {}
    pub(super) fn with_own_descriptors<T>(look: impl FnOnce() -> T) -> T {
        look()
    }
}
