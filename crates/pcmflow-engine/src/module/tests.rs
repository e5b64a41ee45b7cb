//! The registry, with modules that do as they are told.

use super::*;
use crate::config::ConfigStore;
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::sync::Mutex;

/// What a puppet does in a call, instead of nothing.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Fails,
    Panics,
}

type Log = Arc<Mutex<Vec<String>>>;
/// Which calls of which modules go wrong, and how; may change between calls.
type Trouble = Arc<Mutex<Vec<(&'static str, ModuleCall, Does)>>>;

struct Puppet {
    name: &'static str,
    dependencies: Vec<&'static str>,
    log: Log,
    trouble: Trouble,
    health: Arc<Mutex<Health>>,
}

impl Puppet {
    fn call(&self, call: ModuleCall) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.log.lock().unwrap().push(format!("{} {call}", self.name));
        let trouble = self.trouble.lock().unwrap().clone();
        match trouble.iter().find(|(name, at, _)| (*name, *at) == (self.name, call)) {
            Some((_, _, Does::Fails)) => Err(format!("{call} went wrong").into()),
            Some((_, _, Does::Panics)) => panic!("{call} on purpose"),
            None => Ok(()),
        }
    }
}

impl Module for Puppet {
    fn name(&self) -> &str {
        self.name
    }
    fn dependencies(&self) -> &[&str] {
        &self.dependencies
    }
    fn init(&mut self, _: &ModuleCx) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.call(ModuleCall::Init)
    }
    fn start(&mut self, _: &ModuleCx) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.call(ModuleCall::Start)
    }
    fn stop(&mut self, _: &ModuleCx) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.call(ModuleCall::Stop)
    }
    fn health(&self) -> Health {
        let _: Result<(), Box<dyn Error + Send + Sync>> = self.call(ModuleCall::Health);
        self.health.lock().unwrap().clone()
    }
    fn validate_config(&self, _: &Config) -> Result<(), Box<dyn Error + Send + Sync>> {
        self.call(ModuleCall::ValidateConfig)
    }
    fn config_changed(&mut self, _: &ConfigChange) {
        let _: Result<(), Box<dyn Error + Send + Sync>> = self.call(ModuleCall::ConfigChanged);
    }
}

impl Drop for Puppet {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(format!("{} dropped", self.name));
    }
}

/// A registry of puppets, and their strings.
struct Stage {
    modules: ModuleRegistry,
    log: Log,
    trouble: Trouble,
    health: Arc<Mutex<Health>>,
    cx: ModuleCx,
}

impl Stage {
    fn empty() -> Self {
        Self {
            modules: ModuleRegistry::default(),
            log: Log::default(),
            trouble: Trouble::default(),
            health: Arc::new(Mutex::new(Health::Healthy)),
            cx: ModuleCx::new(Arc::new(Config::default()), 7),
        }
    }

    /// Four modules, registered the wrong way round: d needs c and b, c needs a, b needs a.
    fn new() -> Self {
        let mut stage = Self::empty();
        for (name, dependencies) in
            [("d", &["c", "b"][..]), ("c", &["a"]), ("b", &["a"]), ("a", &[])] as [(_, &[&'static str]); 4]
        {
            stage.register(name, dependencies).unwrap();
        }
        stage
    }

    fn running() -> Self {
        let mut stage = Self::new();
        stage.modules.init(&stage.cx).unwrap();
        stage.modules.start(&stage.cx).unwrap();
        stage.said();
        stage
    }

    fn register(&mut self, name: &'static str, dependencies: &[&'static str]) -> Result<(), ModuleError> {
        let (log, trouble, health) = (self.log.clone(), self.trouble.clone(), self.health.clone());
        let dependencies = dependencies.to_vec();
        self.modules.register(Box::new(Puppet { name, dependencies, log, trouble, health }))
    }

    fn trouble(&self, trouble: &[(&'static str, ModuleCall, Does)]) {
        *self.trouble.lock().unwrap() = trouble.to_vec();
    }

    /// The calls since it was asked last, in short.
    fn said(&self) -> String {
        std::mem::take(&mut *self.log.lock().unwrap()).join(", ")
    }

    fn states(&mut self) -> String {
        let status = self.modules.status();
        self.said();
        let state = |status: &ModuleStatus| format!("{} {}", status.name, status.state);
        status.iter().map(state).collect::<Vec<_>>().join(", ")
    }
}

#[test]
fn modules_live_and_die_in_the_order_of_their_dependencies() {
    let mut stage = Stage::new();
    assert_eq!(stage.states(), "d registered, c registered, b registered, a registered");
    stage.modules.init(&stage.cx).unwrap();
    assert_eq!(
        stage.said(),
        "a validate_config, a init, c validate_config, c init, b validate_config, b init, d validate_config, d init"
    );
    assert_eq!(stage.states(), "a initialised, c initialised, b initialised, d initialised");
    stage.modules.start(&stage.cx).unwrap();
    assert_eq!(stage.said(), "a start, c start, b start, d start");
    assert_eq!(stage.states(), "a running, c running, b running, d running");
    // Nothing is done twice.
    stage.modules.init(&stage.cx).unwrap();
    stage.modules.start(&stage.cx).unwrap();
    assert_eq!(stage.said(), "");
    assert_eq!(stage.modules.stop(&stage.cx), []);
    assert_eq!(stage.said(), "d stop, b stop, c stop, a stop");
    assert_eq!(stage.modules.stop(&stage.cx), []);
    assert_eq!(stage.said(), "");
    assert_eq!(stage.states(), "a stopped, c stopped, b stopped, d stopped");
    stage.modules.start(&stage.cx).unwrap();
    assert_eq!(stage.said(), "a start, c start, b start, d start");
    let Stage { modules, log, .. } = stage;
    drop(modules);
    assert_eq!(*log.lock().unwrap(), ["d dropped", "b dropped", "c dropped", "a dropped"]);
}

#[test]
fn what_can_not_be_ordered_is_named() {
    let mut stage = Stage::new();
    let again = stage.register("b", &[]).unwrap_err();
    assert_eq!(again.to_string(), "there is a module b already");
    stage.register("e", &["platfrom"]).unwrap();
    stage.register("platform", &["e"]).unwrap();
    stage.said();
    let unknown = stage.modules.init(&stage.cx).unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the module e depends on platfrom, which is not registered; did you mean platform?"
    );
    let mut stage = Stage::new();
    stage.register("lonely", &["somebody"]).unwrap();
    let unknown = stage.modules.init(&stage.cx).unwrap_err();
    assert_eq!(unknown.to_string(), "the module lonely depends on somebody, which is not registered");
    let mut stage = Stage::new();
    stage.register("x", &["a", "y"]).unwrap();
    stage.register("y", &["z"]).unwrap();
    stage.register("z", &["y"]).unwrap();
    let cycle = stage.modules.init(&stage.cx).unwrap_err();
    assert_eq!(cycle.to_string(), "modules depend on each other in a circle: y -> z -> y");
    assert_eq!(stage.said(), "", "nothing was done");
    let mut stage = Stage::empty();
    stage.register("self", &["self"]).unwrap();
    let cycle = stage.modules.init(&stage.cx).unwrap_err();
    assert_eq!(cycle.to_string(), "modules depend on each other in a circle: self -> self");
}

#[test]
fn a_module_that_fails_to_start_takes_down_what_was_started_for_it() {
    for (does, reason) in [
        (Does::Fails, "failed at start: start went wrong"),
        (Does::Panics, "panicked at start: start on purpose"),
    ] {
        let mut stage = Stage::new();
        stage.modules.init(&stage.cx).unwrap();
        stage.said();
        // What c's stop does on top of that changes nothing for the others.
        stage.trouble(&[("b", ModuleCall::Start, does), ("c", ModuleCall::Stop, Does::Panics)]);
        let error = stage.modules.start(&stage.cx).unwrap_err();
        assert_eq!(error.to_string(), format!("the module b {reason}"));
        assert_eq!(stage.said(), "a start, c start, b start, c stop, a stop");
        assert_eq!(stage.states(), "a stopped, c failed, b failed, d initialised");
        let error = stage.modules.start(&stage.cx).unwrap_err();
        assert_eq!(error.to_string(), "the module c is failed: initialise it first");
        // Once the cause is gone they can be had again; those that are well are left alone.
        stage.trouble(&[]);
        stage.modules.init(&stage.cx).unwrap();
        assert_eq!(stage.said(), "c validate_config, c init, b validate_config, b init");
        stage.modules.start(&stage.cx).unwrap();
        assert_eq!(stage.states(), "a running, c running, b running, d running");
    }
}

#[test]
fn those_that_ran_before_a_failed_start_go_on() {
    let mut stage = Stage::running();
    stage.register("e", &["d"]).unwrap();
    assert_eq!(
        stage.modules.start(&stage.cx).unwrap_err().to_string(),
        "the module e is registered: initialise it first"
    );
    stage.modules.init(&stage.cx).unwrap();
    stage.trouble(&[("e", ModuleCall::Start, Does::Fails)]);
    stage.said();
    assert!(stage.modules.start(&stage.cx).is_err());
    assert_eq!(stage.said(), "e start");
    assert_eq!(stage.states(), "a running, c running, b running, d running, e failed");
}

#[test]
fn initialising_can_fail_and_be_repeated() {
    for (call, does, expected) in [
        (ModuleCall::Init, Does::Fails, "the module c failed at init: init went wrong"),
        (ModuleCall::Init, Does::Panics, "the module c panicked at init: init on purpose"),
        (
            ModuleCall::ValidateConfig,
            Does::Fails,
            "the module c failed at validate_config: validate_config went wrong",
        ),
    ] {
        let mut stage = Stage::new();
        stage.trouble(&[("c", call, does)]);
        assert_eq!(stage.modules.init(&stage.cx).unwrap_err().to_string(), expected);
        assert_eq!(stage.states(), "a initialised, c failed, b registered, d registered");
        stage.trouble(&[]);
        stage.modules.init(&stage.cx).unwrap();
        assert_eq!(
            stage.said(),
            "c validate_config, c init, b validate_config, b init, d validate_config, d init"
        );
        assert!(stage.modules.status().iter().all(|status| status.health == Health::Healthy));
    }
}

#[test]
fn stopping_goes_on_whatever_fails() {
    let mut stage = Stage::running();
    stage.trouble(&[("b", ModuleCall::Stop, Does::Panics), ("a", ModuleCall::Stop, Does::Fails)]);
    let errors = stage.modules.stop(&stage.cx);
    let told: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        ["the module b panicked at stop: stop on purpose", "the module a failed at stop: stop went wrong"]
    );
    assert_eq!(stage.said(), "d stop, b stop, c stop, a stop");
    assert_eq!(stage.states(), "a failed, c stopped, b failed, d stopped");
    assert_eq!(stage.modules.stop(&stage.cx), [], "once each");
}

#[test]
fn a_module_that_fails_while_it_runs_is_seen_and_still_stopped() {
    let mut stage = Stage::running();
    *stage.health.lock().unwrap() = Health::Degraded("slow".into());
    let status = stage.modules.status();
    assert!(status.iter().all(|status| status.state == ModuleState::Running));
    assert_eq!(status[0].health.to_string(), "degraded: slow");
    *stage.health.lock().unwrap() = Health::Healthy;
    stage.trouble(&[("c", ModuleCall::Health, Does::Panics)]);
    let c = stage.modules.status().swap_remove(1);
    assert_eq!(
        (c.state, c.health),
        (ModuleState::Failed, Health::Failed("panicked at health: health on purpose".into()))
    );
    *stage.health.lock().unwrap() = Health::Failed("no device".into());
    stage.said();
    let status = stage.modules.status();
    assert_eq!(stage.said(), "a health, b health, d health", "who is failed is not asked");
    assert_eq!(
        (status[0].state, &status[0].health.to_string()[..]),
        (ModuleState::Failed, "failed: no device")
    );
    // It stays so, also if it says something else later, until it is initialised again.
    *stage.health.lock().unwrap() = Health::Healthy;
    assert_eq!(stage.modules.status()[0].state, ModuleState::Failed);
    let error = stage.modules.start(&stage.cx).unwrap_err();
    assert_eq!(error.to_string(), "the module a is failed: stop it and initialise it first");
    stage.trouble(&[]);
    stage.said();
    stage.modules.init(&stage.cx).unwrap();
    assert_eq!(stage.said(), "", "what may still work is not initialised over");
    assert_eq!(stage.modules.stop(&stage.cx), []);
    assert_eq!(stage.said(), "d stop, b stop, c stop, a stop");
    assert!(stage.modules.status().iter().all(|status| status.state == ModuleState::Failed));
    stage.modules.init(&stage.cx).unwrap();
    stage.modules.start(&stage.cx).unwrap();
    assert_eq!(stage.states(), "a running, c running, b running, d running");
}

#[test]
fn a_module_that_panics_when_it_is_asked_or_dropped_ends_nothing() {
    struct Bomb(bool);
    impl Module for Bomb {
        fn name(&self) -> &str {
            assert!(!self.0, "no name");
            "bomb"
        }
    }
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("no end")
        }
    }
    let mut modules = ModuleRegistry::default();
    let error = modules.register(Box::new(Bomb(true))).unwrap_err();
    assert_eq!(error.to_string(), "the module that was to be registered panicked at register: no name");
    modules.register(Box::new(Bomb(false))).unwrap();
    assert!(modules.register(Box::new(Bomb(false))).is_err());
    assert_eq!(format!("{modules:?}"), "{\"bomb\": Registered}");
    drop(modules);
}

#[test]
fn the_configuration_changes_for_all_modules_or_for_none() {
    let store = ConfigStore::new(Config::default());
    let before = store.current();
    let mut stage = Stage::running();
    let change = |stage: &mut Stage| {
        let changed = store.change(&[("alerts.hold_ms", "5")], &mut stage.modules);
        changed.map(|change| change.keys).map_err(|errors| errors.to_string())
    };
    stage.trouble(&[
        ("c", ModuleCall::ValidateConfig, Does::Fails),
        ("d", ModuleCall::ValidateConfig, Does::Panics),
    ]);
    assert_eq!(
        change(&mut stage).unwrap_err(),
        "the module c refuses the change: validate_config went wrong\n\
         the module d refuses the change: the module d panicked at validate_config: validate_config on purpose"
    );
    assert_eq!(stage.said(), "a validate_config, c validate_config, b validate_config, d validate_config");
    assert!(Arc::ptr_eq(&before, &store.current()));
    assert_eq!(stage.states(), "a running, c running, b running, d failed", "to refuse is no failure");

    stage.trouble(&[("c", ModuleCall::ConfigChanged, Does::Panics)]);
    assert_eq!(change(&mut stage).unwrap(), ["alerts.hold_ms"]);
    assert_eq!(
        stage.said(),
        "a validate_config, c validate_config, b validate_config, a config_changed, c config_changed, b config_changed"
    );
    assert_eq!(store.current().alerts.hold_ms, 5, "what was agreed stands");
    assert_eq!(stage.states(), "a running, c failed, b running, d failed");
}

#[test]
fn the_status_is_data() {
    let mut stage = Stage::empty();
    stage.register("input", &[]).unwrap();
    stage.modules.init(&stage.cx).unwrap();
    stage.modules.start(&stage.cx).unwrap();
    *stage.health.lock().unwrap() = Health::Degraded("one channel".into());
    assert_eq!(
        serde_json::to_string(&stage.modules.status()).unwrap(),
        r#"[{"name":"input","dependencies":[],"state":"running","health":{"is":"degraded","reason":"one channel"}}]"#
    );
}

const NAMES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Every order of `left` numbers, the smallest first.
fn orders(left: &[usize]) -> Vec<Vec<usize>> {
    if left.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for &first in left {
        let rest: Vec<_> = left.iter().copied().filter(|&other| other != first).collect();
        all.extend(orders(&rest).into_iter().map(|order| [vec![first], order].concat()));
    }
    all
}

proptest! {
    #[test]
    fn the_order_is_the_first_that_trying_them_all_finds(
        count in 1..=NAMES.len(),
        edges in prop::collection::btree_set((0..NAMES.len(), 0..NAMES.len()), 0..10),
    ) {
        let edges: BTreeSet<_> = edges.into_iter().filter(|&(a, b)| a < count && b < count).collect();
        let dependencies: Vec<Vec<String>> = (0..count)
            .map(|from| edges.iter().filter(|edge| edge.0 == from).map(|edge| NAMES[edge.1].into()).collect())
            .collect();
        let modules: Vec<_> = (0..count).map(|place| (NAMES[place], &dependencies[place][..])).collect();
        let fits = |order: &Vec<usize>| {
            let place = |module| order.iter().position(|&other| other == module).unwrap();
            edges.iter().all(|&(from, to)| place(to) < place(from))
        };
        let expected = orders(&(0..count).collect::<Vec<_>>()).into_iter().find(fits);
        match (order::order(&modules), expected) {
            (Ok(order), Some(expected)) => prop_assert_eq!(order, expected),
            (Err(ModuleError::Cycle { path }), None) => {
                prop_assert!(path.len() >= 2 && path.first() == path.last(), "{:?}", path);
                let place = |name: &String| NAMES.iter().position(|other| other == name).unwrap();
                for step in path.windows(2) {
                    prop_assert!(edges.contains(&(place(&step[0]), place(&step[1]))), "{:?}", path);
                }
                let once: BTreeSet<_> = path.iter().collect();
                prop_assert_eq!(once.len(), path.len() - 1, "nobody twice");
            }
            (found, expected) => prop_assert!(false, "{:?}, expected {:?}", found, expected),
        }
    }
}
