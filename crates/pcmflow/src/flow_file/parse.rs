//! From text to nodes and pipelines: everything that is wrong is told, each with its line.

use super::kinds::{NODE, PIPELINE};
use super::parameter::{Accepts, Parameter, Unsaid, fill, names};
use super::values::Value;
use super::{FlowFileError, FlowFileErrors, KINDS, Kind, Role, Values, Wrong};
use crate::engine::Priority;
use crate::engine::config::{Config, nearest, shown};
use crate::engine::flow::{FormatSpec, PipelineConfig};
use crate::engine::pressure::Strategy;
use std::collections::BTreeSet;
use toml::de::{DeTable, DeValue};

/// A node as it stands in a file.
///
/// ```
/// # use pcmflow::engine::config::Config;
/// use pcmflow::flow_file::FlowFile;
/// let text = r#"
///     nodes = [{ name = "a", kind = "synth", parameters = { signal = "silence" } }, { name = "b", kind = "discard" }]
///     pipelines = [{ from = "a", to = "b" }]
/// "#;
/// let node = &FlowFile::parse(text, &Config::default())?.nodes[1];
/// assert_eq!((node.name.as_str(), node.kind.name, node.line), ("b", "discard", 2));
/// # Ok::<(), pcmflow::flow_file::FlowFileErrors>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FlowNode {
    /// Unlike every other.
    pub name: String,
    /// What it is.
    pub kind: &'static Kind,
    /// What it was told.
    pub values: Values,
    /// Where it stands, from 1.
    pub line: usize,
}

/// A pipeline as it stands in a file, with what holds where nothing was said.
///
/// ```
/// # use pcmflow::engine::config::Config;
/// use pcmflow::flow_file::FlowFile;
/// let text = r#"
///     nodes = [{ name = "a", kind = "synth", parameters = { signal = "silence" } }, { name = "b", kind = "discard" }]
///     pipelines = [{ from = "a", to = "b" }]
/// "#;
/// let pipeline = &FlowFile::parse(text, &Config::default())?.pipelines[0];
/// assert_eq!((pipeline.config.name().as_str(), pipeline.line), ("a→b", 3));
/// # Ok::<(), pcmflow::flow_file::FlowFileErrors>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct FlowPipeline {
    /// What it is.
    pub config: PipelineConfig,
    /// It says no strategy: it has that of the configuration, and follows it when that changes.
    pub follows_strategy: bool,
    /// Where it stands, from 1.
    pub line: usize,
}

/// A flow in writing, each part of which is right by itself.
///
/// ```
/// use pcmflow::engine::config::Config;
/// use pcmflow::flow_file::FlowFile;
/// use std::path::Path;
/// let config = Config::default();
/// let file = FlowFile::parse(r#"
///     [[nodes]]
///     name = "microphone"
///     kind = "synth"
///     parameters = { signal = "sine:440,seconds=1,channels=2" }
///     [[nodes]]
///     name = "recogniser"
///     kind = "raw"
///     parameters = { path = "speech.pcm" }
///     [[pipelines]]
///     from = "microphone"
///     to = "recogniser"
///     format = { rate_hz = 16000, channels = 1 }
/// "#, &config)?;
/// let plan = file.plan(Path::new("."), &config.audio, &mut |node, folder| node.open(folder))?;
/// assert!(plan.graph.to_mermaid().contains("48000 Hz, 2 channels"));
/// # Ok::<(), pcmflow::flow_file::FlowFileErrors>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FlowFile {
    /// In the order of the file.
    pub nodes: Vec<FlowNode>,
    /// In the order of the file.
    pub pipelines: Vec<FlowPipeline>,
    /// Files that are no node's.
    pub(super) reserved: Vec<super::claims::Reserved>,
}

impl FlowFile {
    /// A longer file is nobody's writing.
    pub const BYTES_MAX: usize = 256 << 10;
    /// Nodes of a file at the most.
    pub const NODES_MAX: usize = 256;
    /// Pipelines of a file at the most.
    pub const PIPELINES_MAX: usize = 512;

    /// Reads a flow file; what a pipeline, or raw standard input, does not say is as `config` has it.
    ///
    /// Not RT-safe: allocates.
    ///
    /// # Errors
    /// [`FlowFileErrors`] with all that is wrong with the text, and with nodes and pipelines each by itself.
    pub fn parse(text: &str, config: &Config) -> Result<Self, FlowFileErrors> {
        let mut reading = Reading { text, config, errors: Vec::new() };
        let file = reading.file();
        match reading.errors.is_empty() {
            true => Ok(file),
            false => Err(FlowFileErrors::of(reading.errors)),
        }
    }
}

type Spanned<'a> = toml::Spanned<DeValue<'a>>;

/// What the walk through the text has found.
struct Reading<'a> {
    text: &'a str,
    config: &'a Config,
    errors: Vec<FlowFileError>,
}

impl Reading<'_> {
    fn line(&self, at: usize) -> usize {
        let before = self.text.as_bytes().get(..at).unwrap_or_default();
        1 + before.iter().filter(|&&byte| byte == b'\n').count()
    }

    fn wrong(&mut self, at: usize, wrong: Wrong) {
        // More are only counted; their lines would cost a look at the text each.
        let line = if self.errors.len() < 1_000 { self.line(at) } else { usize::MAX };
        self.errors.push(FlowFileError::new(line, wrong));
    }

    /// False where there is too much of something to go on.
    fn bounded(&mut self, what: &'static str, count: usize, most: usize) -> bool {
        if count > most {
            self.wrong(0, Wrong::TooMuch { what, count, most });
        }
        count <= most
    }

    fn file(&mut self) -> FlowFile {
        let mut file = FlowFile::default();
        if !self.bounded("bytes", self.text.len(), FlowFile::BYTES_MAX) {
            return file;
        }
        let text = self.text;
        let (table, syntax) = DeTable::parse_recoverable(text);
        for error in &syntax {
            let at = error.span().map_or(0, |span| span.start);
            self.wrong(at, Wrong::Syntax(shown(error.message())));
        }
        // What the parser makes of broken lines is nobody's node.
        if !syntax.is_empty() {
            return file;
        }
        for (key, _) in table.get_ref() {
            if !["nodes", "pipelines"].contains(&key.get_ref().as_ref()) {
                self.unknown("", key.get_ref(), key.span().start, &["nodes", "pipelines"]);
            }
        }
        let nodes = self.list(table.get_ref(), "nodes", FlowFile::NODES_MAX);
        let pipelines = self.list(table.get_ref(), "pipelines", FlowFile::PIPELINES_MAX);
        for (index, (at, node)) in nodes.into_iter().enumerate() {
            file.nodes.extend(self.node(index, at, node));
        }
        let mut said_latency = Vec::new();
        for (index, (at, pipeline)) in pipelines.into_iter().enumerate() {
            if let Some((pipeline, said)) = self.pipeline(index, at, pipeline) {
                file.pipelines.push(pipeline);
                said_latency.push(said);
            }
        }
        let live = live_from(&file);
        let limit_ms = u32::try_from(self.config.flow.latency_ms_max).unwrap_or(u32::MAX);
        for (pipeline, said) in file.pipelines.iter_mut().zip(said_latency) {
            if !said && live.contains(&pipeline.config.from) {
                pipeline.config.latency_ms_max = limit_ms;
            }
        }
        file
    }

    /// The tables of `[[name]]`, each with where it begins.
    fn list<'t>(
        &mut self,
        table: &'t DeTable<'t>,
        name: &'static str,
        most: usize,
    ) -> Vec<(usize, &'t DeTable<'t>)> {
        let Some(value) = table.get(name) else {
            self.wrong(
                0,
                Wrong::Missing {
                    place: String::new(),
                    key: name,
                    doc: if name == "nodes" { "what the flow is made of" } else { "what connects the nodes" },
                    accepts: format!("one `[[{name}]]` for each"),
                },
            );
            return Vec::new();
        };
        let refuse = |reading: &mut Self, at: usize, text: &str| {
            let (key, value) = (name.to_owned(), shown(text));
            let accepts = format!("tables, one `[[{name}]]` for each");
            reading.wrong(at, Wrong::Value { place: String::new(), key, value, nearest: None, accepts });
        };
        let items = match value.get_ref() {
            DeValue::Array(items) => items,
            _ => {
                refuse(self, value.span().start, "no list");
                return Vec::new();
            }
        };
        if !self.bounded(name, items.len(), most) {
            return Vec::new();
        }
        let mut tables = Vec::new();
        for item in items.iter() {
            match item.get_ref() {
                // Where the first thing that it says stands: the header has no place of its own.
                DeValue::Table(table) => {
                    let first = table.keys().map(|key| key.span().start).min();
                    tables.push((first.unwrap_or(item.span().start), table));
                }
                _ => refuse(self, item.span().start, self.text.get(item.span()).unwrap_or_default()),
            }
        }
        tables
    }

    fn unknown(&mut self, place: &str, key: &str, at: usize, known: &[&'static str]) {
        // What lacks its unit is meant, too.
        let begun = || known.iter().find(|known| !key.is_empty() && known.starts_with(key)).copied();
        let nearest = nearest(key, known.iter().copied()).or_else(begun).map(str::to_owned);
        self.wrong(
            at,
            Wrong::UnknownKey {
                place: place.to_owned(),
                key: shown(key),
                nearest,
                known: if known.is_empty() { "none here".to_owned() } else { known.join(", ") },
            },
        );
    }

    /// What a table says, each by its parameter; `at` is where what is missing is told.
    fn table(
        &mut self,
        place: &str,
        at: usize,
        table: &DeTable<'_>,
        parameters: &'static [Parameter],
    ) -> Values {
        let mut values = Values::default();
        for (key, value) in table {
            let name: &str = key.get_ref();
            match parameters.iter().find(|parameter| parameter.name == name) {
                None => self.unknown(place, name, key.span().start, &names(parameters)),
                Some(parameter) => {
                    if let Some(value) = self.value(place, parameter, value) {
                        values.set(parameter.name, value);
                    }
                }
            }
        }
        for parameter in parameters {
            let absent = !table.contains_key(parameter.name);
            if absent && parameter.unsaid == Unsaid::Refused {
                let (key, doc, accepts) = (parameter.name, parameter.doc, parameter.accepts.to_string());
                self.wrong(at, Wrong::Missing { place: place.to_owned(), key, doc, accepts });
            }
        }
        fill(&mut values, parameters);
        values
    }

    fn value(&mut self, place: &str, parameter: &Parameter, value: &Spanned<'_>) -> Option<Value> {
        let at = value.span().start;
        let read = match (parameter.accepts, value.get_ref()) {
            // Its keys depend on the kind: whoever knows that reads it.
            (Accepts::Table([]), DeValue::Table(_)) => return None,
            (Accepts::Table(parameters), DeValue::Table(table)) => {
                let place = format!("{}{}: ", place, parameter.name);
                return Some(Value::Table(self.table(&place, at, table, parameters)));
            }
            (accepts, value) => accepts.read(value),
        };
        match read {
            Ok(value) => Some(value),
            Err((nearest, more)) => {
                let written = match value.get_ref() {
                    DeValue::Table(_) => "a table",
                    _ => self.text.get(value.span()).unwrap_or_default(),
                };
                let accepts = more.unwrap_or_else(|| parameter.accepts.to_string());
                let (place, key, value) = (place.to_owned(), parameter.name.to_owned(), shown(written));
                self.wrong(at, Wrong::Value { place, key, value, nearest, accepts });
                None
            }
        }
    }

    fn node(&mut self, index: usize, at: usize, table: &DeTable<'_>) -> Option<FlowNode> {
        let name = text_of(table, "name").map(shown).unwrap_or_else(|| format!("{} (no name)", index + 1));
        let mut place = format!("node {name}: ");
        let values = self.table(&place, at, table, NODE);
        let written = values.text("kind");
        let kind = written.and_then(Kind::find);
        if let (Some(written), None) = (written, kind) {
            let known: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            let nearest = nearest(written, known.iter().copied()).map(str::to_owned);
            let at = table.get("kind").map_or(at, |kind| kind.span().start);
            let (kind, known) = (shown(written), known.join(", "));
            self.wrong(at, Wrong::UnknownKind { place: place.clone(), kind, nearest, known });
        }
        let kind = kind?;
        place = format!("node {name} ({}): ", kind.name);
        let none = DeTable::new();
        let (at_parameters, parameters) = match table.get("parameters") {
            Some(value) => match value.get_ref() {
                DeValue::Table(parameters) => (value.span().start, parameters),
                _ => return None,
            },
            None => (at, &none),
        };
        let parameters_at = if parameters.is_empty() { at } else { at_parameters };
        let mut said = self.table(&place, parameters_at, parameters, kind.parameters);
        if kind.name == "stdin" && said.text("encoding").is_none() {
            for key in ["rate_hz", "channels"].into_iter().filter(|key| said.has(key)) {
                let value = parameters.get(key);
                let at = value.map_or(at, |value| value.span().start);
                let value = value.and_then(|value| self.text.get(value.span())).unwrap_or_default();
                let accepts = "only of raw PCM, whose `encoding` is said".to_owned();
                let (place, key, value) = (place.clone(), key.to_owned(), shown(value));
                self.wrong(at, Wrong::Value { place, key, value, nearest: None, accepts });
            }
        }
        if kind.name == "stdin" && said.text("encoding").is_some() {
            let audio = &self.config.audio;
            for (key, value) in [("rate_hz", audio.sample_rate_hz), ("channels", audio.channels)] {
                if !said.has(key) {
                    said.set(key, Value::Whole(value.into()));
                }
            }
        }
        let name = values.text("name")?.to_owned();
        Some(FlowNode { name, kind, values: said, line: self.line(at) })
    }

    /// And whether it says how old a chunk may be.
    fn pipeline(&mut self, index: usize, at: usize, table: &DeTable<'_>) -> Option<(FlowPipeline, bool)> {
        let defaults = &self.config.flow;
        let end = |key| text_of(table, key).map(shown);
        let place = match (end("from"), end("to")) {
            (Some(from), Some(to)) => format!("pipeline {from}→{to}: "),
            _ => format!("pipeline {}: ", index + 1),
        };
        let values = self.table(&place, at, table, PIPELINE);
        let mut config = PipelineConfig::new(values.text("from")?, values.text("to")?);
        config.input = values.small("input").unwrap_or(config.input);
        config.packets = values.small("packets").unwrap_or(config.packets);
        config.block_frames = values.whole("block_frames");
        config.latency_ms_max = values.small("latency_ms_max").unwrap_or(0);
        let priorities = Priority::ALL.map(|priority| (priority.name(), priority));
        config.priority = values.word("priority", &priorities).unwrap_or(defaults.priority);
        config.strategy = values.word("strategy", &Strategy::ALL).unwrap_or(defaults.strategy);
        config.format = values.table("format").and_then(|format| {
            Some(FormatSpec { rate_hz: format.small("rate_hz")?, channels: format.small("channels")? })
        });
        let follows_strategy = !values.has("strategy");
        Some((FlowPipeline { config, follows_strategy, line: self.line(at) }, values.has("latency_ms_max")))
    }
}

fn text_of<'t>(table: &'t DeTable<'_>, key: &str) -> Option<&'t str> {
    table.get(key).and_then(|value| value.get_ref().as_str())
}

impl FlowNode {
    /// Whether it is a source that keeps time: its frames come whether there is room or not.
    ///
    /// Not RT-safe: a control thread's.
    pub fn is_live(&self) -> bool {
        self.kind.role == Role::Source && self.values.text("pace") != Some("fast")
    }
}

/// The nodes that such frames may come to.
fn live_from(file: &FlowFile) -> BTreeSet<String> {
    let mut live: BTreeSet<String> =
        file.nodes.iter().filter(|node| node.is_live()).map(|node| node.name.clone()).collect();
    loop {
        let before = live.len();
        for FlowPipeline { config, .. } in &file.pipelines {
            if live.contains(&config.from) {
                live.insert(config.to.clone());
            }
        }
        if live.len() == before {
            return live;
        }
    }
}
