//! Outputs: opened as they are, and emptied only when every one of them could be opened.

use super::{FlowFile, FlowFileError, FlowFileErrors, FlowNode, Wrong};
use crate::io::{SinkError, WavSink};
use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, ErrorKind, LineWriter, Write};
use std::path::{Path, PathBuf};

/// An open output, or why it is not.
pub type OpenedOutput = Result<FlowOutput, SinkError>;

/// Where a node writes, open, and as it was before. What was made for it is removed again where it is dropped without being used.
///
/// ```
/// use pcmflow::engine::config::Config;
/// use pcmflow::flow_file::FlowFile;
/// let text = r#"
///     nodes = [{ name = "a", kind = "synth", parameters = { signal = "silence" } },
///              { name = "b", kind = "wav", parameters = { path = "b.wav" } }]
///     pipelines = [{ from = "a", to = "b" }]
/// "#;
/// let file = FlowFile::parse(text, &Config::default())?;
/// let folder = std::env::temp_dir();
/// let output = file.nodes[1].create(&folder)?;
/// assert!(folder.join("b.wav").exists());
/// drop(output);
/// assert!(!folder.join("b.wav").exists());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct FlowOutput {
    name: String,
    /// None: standard output.
    file: Option<File>,
    /// What was not there before.
    made: Option<PathBuf>,
}

/// The outputs of a flow, by the names of their nodes.
pub type FlowOutputs = BTreeMap<String, FlowOutput>;

impl FlowNode {
    /// Opens what this node writes to, and leaves it as it is; its path is seen from `folder`.
    ///
    /// Not RT-safe: makes system calls, and waits for somebody who reads a named pipe.
    ///
    /// # Errors
    /// [`SinkError::Create`] where that fails, or the node does not write.
    pub fn create(&self, folder: &Path) -> OpenedOutput {
        let Some(path) = self.path(folder) else {
            return Ok(FlowOutput { name: "standard output".to_owned(), file: None, made: None });
        };
        let name = path.display().to_string();
        let refused = |source| SinkError::Create { name: name.clone(), source };
        if self.kind.name == "wav" {
            WavSink::refuse_pipe(&path)?;
        }
        let mut options = OpenOptions::new();
        options.write(true);
        let (file, made) = match options.clone().create_new(true).open(&path) {
            Ok(file) => (file, Some(path)),
            // A link to what is not there yet is one of these.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                (options.create(true).open(&path).map_err(refused)?, None)
            }
            Err(error) => return Err(refused(error)),
        };
        Ok(FlowOutput { name, file: Some(file), made })
    }
}

impl FlowOutput {
    /// What messages call it.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Empties the file. What is no file has nothing to be emptied of.
    pub(super) fn empty(&mut self) -> Result<(), SinkError> {
        let emptied = match &self.file {
            Some(file) => file.metadata().and_then(|found| match found.is_file() {
                true => file.set_len(0),
                false => Ok(()),
            }),
            None => Ok(()),
        };
        emptied.map_err(|source| SinkError::Create { name: self.name.clone(), source })?;
        self.made = None;
        Ok(())
    }

    /// The file; none where it is standard output.
    pub(super) fn take_file(&mut self) -> Option<File> {
        self.file.take()
    }

    /// For samples, which come in blocks.
    pub(super) fn samples(&mut self) -> Box<dyn Write + Send> {
        match self.file.take() {
            Some(file) => Box::new(file),
            None => Box::new(io::stdout()),
        }
    }

    /// For lines, buffered, and what messages call it; to standard output each line goes as a whole, so that several nodes can share it.
    pub(super) fn lines(mut self) -> (Box<dyn Write + Send>, String) {
        let output: Box<dyn Write + Send> = match self.file.take() {
            Some(file) => Box::new(BufWriter::with_capacity(64 << 10, file)),
            // No line is longer: each reaches standard output by one write, under its lock.
            None => Box::new(LineWriter::with_capacity(64 << 10, io::stdout())),
        };
        (output, std::mem::take(&mut self.name))
    }
}

impl Drop for FlowOutput {
    fn drop(&mut self) {
        if let Some(made) = self.made.take() {
            // Windows removes no open file.
            self.file = None;
            drop(std::fs::remove_file(made));
        }
    }
}

impl FlowFile {
    /// Opens the outputs by `create`, which is [`FlowNode::create`] unless there is a reason for another; paths are seen from `folder`.
    /// What is there stays as it is until the flow is [built](super::FlowPlan::build).
    ///
    /// Not RT-safe: allocates, and makes system calls.
    ///
    /// # Errors
    /// [`FlowFileErrors`] with all that can't be opened, or what turned out to be one file.
    pub fn outputs(
        &self,
        folder: &Path,
        create: &mut dyn FnMut(&FlowNode, &Path) -> OpenedOutput,
    ) -> Result<FlowOutputs, FlowFileErrors> {
        // Somebody may have moved a file since the flow was planned; and what is not there has no identity.
        self.refuse_clashes(folder)?;
        let (mut outputs, mut errors) = (FlowOutputs::new(), Vec::new());
        for node in self.nodes.iter().filter(|node| node.writes()) {
            match create(node, folder) {
                Ok(output) => drop(outputs.insert(node.name.clone(), output)),
                Err(reason) => {
                    let wrong = Wrong::Create { node: node.name.clone(), reason };
                    errors.push(FlowFileError::new(node.line, wrong));
                }
            }
        }
        if !errors.is_empty() {
            return Err(FlowFileErrors::of(errors));
        }
        self.refuse_clashes(folder)?;
        Ok(outputs)
    }
}
