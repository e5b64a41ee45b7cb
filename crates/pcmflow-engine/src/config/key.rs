//! One key of the configuration, as its definition has it; and the macro that makes keys and typed tree of one definition.

use super::tree::{Config, KEYS};
use super::{Allowed, Value};
use core::fmt;
use serde::ser::{Serialize, SerializeStruct, Serializer};

/// One key of the configuration.
///
/// ```
/// use pcmflow_engine::config::{Config, Key, Value};
/// let key = Key::find("audio.sample_rate_hz").unwrap();
/// assert_eq!(key.default_value(), Value::Number(48_000));
/// assert_eq!(key.allowed.to_string(), "1000 to 768000");
/// assert!(!key.live, "it can't change while audio runs");
/// assert!(Config::schema().iter().any(|other| other.name == key.name));
/// ```
#[derive(Debug)]
pub struct Key {
    /// `section.key`.
    pub name: &'static str,
    /// What it means.
    pub doc: &'static str,
    /// What it allows.
    pub allowed: Allowed,
    /// Whether it may change at run time.
    pub live: bool,
    pub(super) get: fn(&Config) -> Value,
    /// False where the value is not of the key's type; nothing has changed then.
    pub(super) set: fn(&mut Config, &Value) -> bool,
}

impl Key {
    /// The key of this name.
    ///
    /// Not RT-safe: for the control side.
    pub fn find(name: &str) -> Option<&'static Self> {
        KEYS.iter().find(|key| key.name == name)
    }

    /// Its value where nothing else is said.
    ///
    /// Not RT-safe: allocates.
    pub fn default_value(&self) -> Value {
        (self.get)(&Config::default())
    }

    /// Section and name within it.
    pub(super) fn parts(&self) -> (&'static str, &'static str) {
        self.name.split_once('.').unwrap_or((self.name, ""))
    }
}

/// For programs that show or ask for a configuration; what is allowed is said in words.
impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut key = serializer.serialize_struct("Key", 5)?;
        key.serialize_field("name", self.name)?;
        key.serialize_field("default", &self.default_value())?;
        key.serialize_field("allowed", &self.allowed.to_string())?;
        key.serialize_field("live", &self.live)?;
        key.serialize_field("doc", self.doc)?;
        key.end()
    }
}

/// The names of the sections, in the order of the definition.
pub(super) fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = KEYS.iter().map(|key| key.parts().0).collect();
    sections.dedup();
    sections
}

/// Where a value comes from.
///
/// ```
/// use pcmflow_engine::config::{Config, Origin, Sources};
/// let config = Config::load(&Sources { toml: "audio.channels = 1".into(), ..Sources::default() })?;
/// assert_eq!(config.origin("audio.channels"), Origin::File { line: 1 });
/// assert_eq!(config.origin("audio.ring_ms").to_string(), "default");
/// # Ok::<(), pcmflow_engine::config::ConfigErrors>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Origin {
    /// Its definition.
    #[default]
    Default,
    /// The TOML text.
    File {
        /// Counted from 1.
        line: usize,
    },
    /// The environment.
    Environment,
    /// A flag.
    Flag,
    /// A change at run time.
    Change,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File { line } => write!(f, "file, line {line}"),
            Self::Environment => f.write_str("environment"),
            Self::Flag => f.write_str("flag"),
            Self::Change => f.write_str("run time"),
        }
    }
}

/// Makes the typed tree and the table of its keys of one definition.
///
/// A key is: documentation, `live` (may change at run time) or `fixed`, name, type, default, what is allowed.
macro_rules! define {
    ($(
        $(#[doc = $section_doc:literal])+
        $section:ident: $Section:ident {
            $($(#[doc = $doc:literal])+ $when:ident $key:ident: $Type:ty = $default:expr, $allowed:expr;)+
        }
    )+) => {
        $(
            $(#[doc = $section_doc])+
            #[derive(Debug, Clone, PartialEq, Eq)]
            #[non_exhaustive]
            pub struct $Section {
                $(
                    $(#[doc = $doc])+
                    #[doc = concat!(" By default `", stringify!($default), "`.")]
                    pub $key: $Type,
                )+
            }

            impl Default for $Section {
                fn default() -> Self {
                    Self { $($key: $default),+ }
                }
            }
        )+

        /// The configuration: a section for every area of the program.
        ///
        /// ```
        /// use pcmflow_engine::config::{Config, Sources};
        /// let sources = Sources {
        ///     toml: "[audio]\nprofile = \"development\"\nblock_frames = 256\n".into(),
        ///     environment: vec![("PCMFLOW_AUDIO__BLOCK_FRAMES".into(), "512".into())],
        ///     flags: vec!["audio.channels=1".into()],
        /// };
        /// let config = Config::load(&sources)?;
        /// assert_eq!((config.audio.block_frames, config.audio.channels), (512, 1));
        /// assert!(config.show().contains("block_frames = 512 # environment"));
        /// # Ok::<(), pcmflow_engine::config::ConfigErrors>(())
        /// ```
        #[derive(Debug, Clone, Default)]
        #[non_exhaustive]
        pub struct Config {
            $($(#[doc = $section_doc])+ pub $section: $Section,)+
            /// Where what is no default comes from.
            pub(super) origins: std::collections::BTreeMap<&'static str, super::Origin>,
        }

        pub(super) const KEYS: &[super::Key] = &[$($(super::Key {
            name: concat!(stringify!($section), ".", stringify!($key)),
            doc: concat!($($doc),+).trim_ascii(),
            allowed: $allowed,
            live: $when,
            get: |config| config.$section.$key.value(),
            set: |config, value| match Leaf::of(value) {
                Some(value) => {
                    config.$section.$key = value;
                    true
                }
                None => false,
            },
        },)+)+];

        /// What the sections are about.
        pub(super) const SECTIONS: &[(&str, &str)] =
            &[$((stringify!($section), concat!($($section_doc),+).trim_ascii()),)+];
    };
}
pub(super) use define;
