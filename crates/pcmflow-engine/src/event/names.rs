//! Names: what a number in an event stands for.

use super::{EventField, Show};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The number of a name: what travels in events where a person would write a word.
///
/// ```
/// use pcmflow_engine::event::{NameId, Names};
/// let names = Names::default();
/// let microphone = names.id("microphone");
/// assert_eq!(names.id("microphone"), microphone);
/// assert_eq!(names.name(microphone).as_deref(), Some("microphone"));
/// assert_eq!(names.name(NameId::NONE).as_deref(), Some(""));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NameId(u32);

impl NameId {
    /// Of nothing in particular: the empty name.
    pub const NONE: NameId = NameId(0);

    /// The number itself.
    ///
    /// RT-safe: wait-free, no allocation.
    pub const fn index(self) -> u32 {
        self.0
    }
}

impl EventField for NameId {
    const SHOW: Show = Show::Name;
    fn to_word(self) -> u64 {
        self.0.into()
    }
    fn from_word(word: u64) -> Self {
        Self(word as u32)
    }
}

/// The table of names. Clones are the same table. Names are kept for good: it is for those of the parts of a program, not for
/// text that keeps coming.
///
/// ```
/// use pcmflow_engine::event::Names;
/// let names = Names::default();
/// let voice = names.clone().id("voice");
/// assert_eq!(names.name(voice).as_deref(), Some("voice"));
/// assert_eq!(Names::default().name(voice), None); // of another table
/// ```
#[derive(Debug, Clone)]
pub struct Names(Arc<Mutex<Table>>);

#[derive(Debug)]
struct Table {
    names: Vec<Arc<str>>,
    ids: BTreeMap<Arc<str>, u32>,
}

impl Default for Names {
    fn default() -> Self {
        let none: Arc<str> = "".into();
        Self(Arc::new(Mutex::new(Table { names: vec![none.clone()], ids: BTreeMap::from([(none, 0)]) })))
    }
}

impl Names {
    /// The number of `name`, the same each time.
    ///
    /// Not RT-safe: locks, may allocate.
    pub fn id(&self, name: &str) -> NameId {
        let mut table = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&id) = table.ids.get(name) {
            return NameId(id);
        }
        // No memory holds as many names as a u32 counts.
        let id = table.names.len() as u32;
        let name: Arc<str> = name.into();
        table.names.push(name.clone());
        table.ids.insert(name, id);
        NameId(id)
    }

    /// The name of this number; none where another table made it.
    ///
    /// Not RT-safe: locks.
    pub fn name(&self, id: NameId) -> Option<Arc<str>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).names.get(id.0 as usize).cloned()
    }
}
