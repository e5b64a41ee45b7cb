//! The one table of the console's words.

/// What a line asks for.
///
/// ```
/// use pcmflow_engine::console::Command;
/// assert_eq!(Command::parse("input start mic")?, Command::InputStart("mic".into()));
/// assert_eq!(Command::parse(" events ")?, Command::EventsStatus);
/// let set = Command::ConfigSet { key: "memory.class_samples".into(), value: "[64, 256]".into() };
/// assert_eq!(Command::parse("config set memory.class_samples [64, 256]")?, set);
/// # Ok::<(), pcmflow_engine::console::CommandError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// How full every buffer is, and how it does.
    BufferStatus,
    /// What went through every buffer, and how fast.
    BufferMetrics,
    /// Figures are counted from now on.
    BufferReset,
    /// Whether the state of the buffers is told as it changes.
    BufferDebug(bool),
    /// All words, or those that begin with one.
    Help(Option<String>),
    /// An input is started.
    InputStart(String),
    /// An input is stopped.
    InputStop(String),
    /// All pipelines.
    PipelineList,
    /// A pipeline is started.
    PipelineStart(String),
    /// A pipeline is stopped.
    PipelineStop(String),
    /// A pipeline is removed.
    PipelineRemove(String),
    /// The classes of the pool, and what is in use.
    PoolStatus,
    /// Memory that is not needed is given back.
    PoolTrim,
    /// All memory that nobody holds is given back.
    PoolClear,
    /// Whether events are told as they come.
    Events(bool),
    /// Events so far, by type, and whether they are told.
    EventsStatus,
    /// The configuration in force.
    ConfigShow,
    /// One key of the configuration.
    ConfigGet(String),
    /// One key is changed.
    ConfigSet {
        /// `section.key`.
        key: String,
        /// As a flag would have it.
        value: String,
    },
}

/// What stands in place of an argument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Argument {
    /// One word of whoever made the thing.
    Name,
    /// A word of the console.
    Word,
    /// A key of the configuration.
    Key,
    /// A value for that key: the rest of the line.
    Value,
}

impl Argument {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Name => "NAME",
            Self::Word => "WORD",
            Self::Key => "KEY",
            Self::Value => "VALUE",
        }
    }
}

/// Words, what follows them, what they do, and the command that they make of as many arguments.
pub(super) struct Row {
    pub(super) path: &'static [&'static str],
    pub(super) arguments: &'static [Argument],
    pub(super) help: &'static str,
    pub(super) make: fn([String; ARGUMENTS_MAX]) -> Command,
}

pub(super) const ARGUMENTS_MAX: usize = 2;

impl Row {
    /// The words and what follows them.
    pub(super) fn usage(&self) -> String {
        let arguments = self.arguments.iter().map(|argument| argument.name());
        self.path.iter().copied().chain(arguments).collect::<Vec<_>>().join(" ")
    }
}

const fn row(
    path: &'static [&'static str],
    arguments: &'static [Argument],
    help: &'static str,
    make: fn([String; ARGUMENTS_MAX]) -> Command,
) -> Row {
    Row { path, arguments, help, make }
}

/// In the order of `help`. A path without arguments makes one command at the most; where several begin alike, the longest that
/// fits counts.
pub(super) const WORDS: &[Row] = &[
    row(&["buffer-status"], &[], "how full every buffer is, and how it does", |_| Command::BufferStatus),
    row(&["buffer-metrics"], &[], "what went through every buffer, and how fast", |_| Command::BufferMetrics),
    row(&["buffer-reset"], &[], "counts the buffers' figures from now on", |_| Command::BufferReset),
    row(&["buffer-debug", "on"], &[], "tells the state of the buffers as it changes", |_| {
        Command::BufferDebug(true)
    }),
    row(&["buffer-debug", "off"], &[], "tells it no more", |_| Command::BufferDebug(false)),
    row(&["input", "start"], &[Argument::Name], "starts an input", |[name, _]| Command::InputStart(name)),
    row(&["input", "stop"], &[Argument::Name], "stops it", |[name, _]| Command::InputStop(name)),
    row(&["pipeline", "list"], &[], "lists the pipelines", |_| Command::PipelineList),
    row(&["pipeline", "start"], &[Argument::Name], "starts a pipeline", |[name, _]| {
        Command::PipelineStart(name)
    }),
    row(&["pipeline", "stop"], &[Argument::Name], "stops it", |[name, _]| Command::PipelineStop(name)),
    row(&["pipeline", "remove"], &[Argument::Name], "removes it", |[name, _]| Command::PipelineRemove(name)),
    row(&["pool", "status"], &[], "the classes of the pool, and what is in use", |_| Command::PoolStatus),
    row(&["pool", "trim"], &[], "gives back memory that is not needed", |_| Command::PoolTrim),
    row(&["pool", "clear"], &[], "gives back all memory that nobody holds", |_| Command::PoolClear),
    row(&["events"], &[], "as events status", |_| Command::EventsStatus),
    row(&["events", "on"], &[], "tells events as they come", |_| Command::Events(true)),
    row(&["events", "off"], &[], "tells them no more", |_| Command::Events(false)),
    row(&["events", "status"], &[], "events so far, by type", |_| Command::EventsStatus),
    row(&["config", "show"], &[], "the configuration in force, and where it comes from", |_| {
        Command::ConfigShow
    }),
    row(
        &["config", "get"],
        &[Argument::Key],
        "one key: its value, what it allows, what it means",
        |[key, _]| Command::ConfigGet(key),
    ),
    row(&["config", "set"], &[Argument::Key, Argument::Value], "changes one key", |[key, value]| {
        Command::ConfigSet { key, value }
    }),
    row(&["help"], &[], "tells all words", |_| Command::Help(None)),
    row(&["help"], &[Argument::Word], "tells those that begin with one", |[word, _]| {
        Command::Help(Some(word))
    }),
];

/// Every word that a line can begin with, each once, in the order of the table.
pub(super) fn first_words() -> Vec<&'static str> {
    let mut words: Vec<_> = WORDS.iter().map(|row| row.path[0]).collect();
    words.dedup();
    words
}
