//! The module `platform`: probes at the start, and tells what is missing.

use super::{Limit, Platform, PlatformProbe};
use crate::event::types::PlatformChanged;
use crate::module::{Health, Module, ModuleCx};
use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

/// The module `platform`. Others depend on it by that name, and read what it found by its [`PlatformHandle`].
///
/// It is degraded where the platform denies what steady audio takes: real-time scheduling, or locking as much memory as the
/// pool may have (`memory.budget_bytes`).
///
/// ```
/// use pcmflow_engine::config::Config;
/// use pcmflow_engine::module::{ModuleCx, ModuleRegistry};
/// use pcmflow_engine::platform::{Platform, PlatformModule, PlatformProbe};
/// #[derive(Debug)]
/// struct Nothing;
/// impl PlatformProbe for Nothing {
///     fn probe(&self) -> Platform {
///         Platform::default()
///     }
/// }
/// let (module, platform) = PlatformModule::new(Nothing);
/// let mut modules = ModuleRegistry::default();
/// modules.register(Box::new(module))?;
/// assert!(platform.current().is_none(), "not yet");
/// let cx = ModuleCx::new(Config::default().into(), 0);
/// modules.init(&cx)?;
/// modules.start(&cx)?;
/// assert_eq!(*platform.current().unwrap(), Platform::default());
/// assert!(modules.status()[0].health.to_string().starts_with("degraded: threads can't be started"));
/// # Ok::<(), pcmflow_engine::module::ModuleError>(())
/// ```
#[derive(Debug)]
pub struct PlatformModule {
    handle: PlatformHandle,
    /// `memory.budget_bytes`, from [`init`](Module::init) on.
    budget_bytes: u64,
}

impl PlatformModule {
    /// The module, and what others read.
    ///
    /// Not RT-safe: allocates.
    pub fn new(probe: impl PlatformProbe + 'static) -> (Self, PlatformHandle) {
        let handle = PlatformHandle { shared: Arc::new(Shared { probe, known: Mutex::new(None) }) };
        (Self { handle: handle.clone(), budget_bytes: 0 }, handle)
    }
}

impl Module for PlatformModule {
    fn name(&self) -> &str {
        "platform"
    }

    fn init(&mut self, cx: &ModuleCx) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.budget_bytes = cx.config.memory.budget_bytes;
        self.handle.probe();
        Ok(())
    }

    fn health(&self) -> Health {
        let Some(platform) = self.handle.current() else { return Health::Healthy };
        match shortcomings(&platform, self.budget_bytes) {
            none if none.is_empty() => Health::Healthy,
            some => Health::Degraded(some.join("; ")),
        }
    }
}

/// What was found, for everybody who wants to know.
///
/// ```
/// use pcmflow_engine::platform::{Platform, PlatformHandle, PlatformModule, PlatformProbe};
/// use std::sync::atomic::{AtomicU32, Ordering};
/// /// Loses a core each time.
/// #[derive(Debug)]
/// struct Shrinking(AtomicU32);
/// impl PlatformProbe for Shrinking {
///     fn probe(&self) -> Platform {
///         let mut platform = Platform::default();
///         platform.cores.usable = Some(self.0.fetch_sub(1, Ordering::Relaxed));
///         platform
///     }
/// }
/// let (_module, handle): (_, PlatformHandle) = PlatformModule::new(Shrinking(4.into()));
/// assert!(handle.probe().is_empty(), "nothing to compare with");
/// let changes = handle.probe();
/// assert_eq!((changes[0].before, changes[0].after), (4_000, 3_000));
/// // … publisher.publish_and_wake(&changes[0], now_ns) …
/// ```
#[derive(Debug, Clone)]
pub struct PlatformHandle {
    shared: Arc<Shared<dyn PlatformProbe>>,
}

#[derive(Debug)]
struct Shared<P: ?Sized> {
    known: Mutex<Option<Arc<Platform>>>,
    probe: P,
}

impl PlatformHandle {
    /// What the last probe found; none before the first.
    ///
    /// Not RT-safe: locks.
    pub fn current(&self) -> Option<Arc<Platform>> {
        self.shared.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Probes, and says what changed since the last time: an event each, which the caller publishes. Of several callers at a
    /// time each change is told to one.
    ///
    /// Not RT-safe: see [`PlatformProbe::probe`].
    pub fn probe(&self) -> Vec<PlatformChanged> {
        let now = Arc::new(self.shared.probe.probe());
        let before = {
            let mut known = self.shared.known.lock().unwrap_or_else(PoisonError::into_inner);
            known.replace(now.clone())
        };
        before.map_or(Vec::new(), |before| now.changes_since(&before))
    }
}

/// What the platform denies, in words.
fn shortcomings(platform: &Platform, budget_bytes: u64) -> Vec<String> {
    let mut missing = Vec::new();
    if !platform.threads {
        missing.push("threads can't be started: one driver must poll all tasks".into());
    }
    if !platform.shared_memory {
        missing.push("threads share no memory: audio is copied between them".into());
    }
    missing.extend(platform.real_time_denied());
    if let Some(bytes) = platform.memory_bytes().filter(|bytes| *bytes < budget_bytes) {
        missing.push(format!(
            "the process may have {bytes} bytes of memory, its pool {budget_bytes}: lower memory.budget_bytes"
        ));
    }
    match platform.memory.lock_limit_bytes {
        Limit::Unknown => missing.push("how much memory may be locked is not known".into()),
        Limit::At(bytes) if bytes < budget_bytes => missing.push(format!(
            "{bytes} bytes of memory may be locked, the pool may have {budget_bytes}: raise the limit (RLIMIT_MEMLOCK on Unix), \
             or lower memory.budget_bytes"
        )),
        Limit::At(_) | Limit::Unlimited => {}
    }
    missing
}
