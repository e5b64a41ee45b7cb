//! `pcmflow graph`: a flow file as a drawing. Inputs are opened, to know their formats; nothing is written.

use super::{config, print, read_text};
use crate::args::{ConfigArgs, GraphArgs};
use crate::failure::{Failure, Outcome};
use pcmflow::engine::config::Config;
use pcmflow::flow_file::FlowFile;
use std::path::{Path, PathBuf};

pub(crate) fn run(args: &GraphArgs) -> Result<Outcome, Failure> {
    let flow = Written::read(&args.flow, &args.config)?;
    let plan = flow.file.plan(&flow.folder, &flow.config.audio, &mut |node, folder| node.open(folder));
    let graph = plan.map_err(|errors| Failure::FlowFile { file: flow.name, errors })?.graph;
    let drawing = if args.mermaid { graph.to_mermaid() } else { graph.to_dot() };
    print(drawing.as_bytes())
}

/// A flow file, and the configuration beside it.
#[derive(Debug)]
pub(crate) struct Written {
    pub(crate) file: FlowFile,
    pub(crate) config: Config,
    /// From where its paths are seen.
    pub(crate) folder: PathBuf,
    /// As it can be printed.
    pub(crate) name: String,
}

impl Written {
    pub(crate) fn read(path: &Path, args: &ConfigArgs) -> Result<Self, Failure> {
        let config = config::load(args)?;
        let name = path.display().to_string();
        let text = read_text(path, FlowFile::BYTES_MAX, "a flow file")?;
        let mut file = FlowFile::parse(&text, &config)
            .map_err(|errors| Failure::FlowFile { file: name.clone(), errors })?;
        file.reserve(path, "the flow file");
        if let Some(path) = config::named(args) {
            file.reserve(path, "the configuration");
        }
        let folder = path.parent().map(Path::to_owned).unwrap_or_default();
        Ok(Self { file, config, folder, name })
    }
}
